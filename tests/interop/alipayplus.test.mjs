// A payment's whole life with Ant International's own software: the MCP server for Alipay+ acquirers over stdio, and the
// client for merchants (Antom), whose answers and notifications it verifies itself. Both are Python packages, unmodified but
// for where they connect to (alipayplus/sitecustomize.py).
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createPrivateKey, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { announcement, control, credentials } from './sandbox.mjs';
import { absent, root } from './specs/judged.mjs';

const program = process.env.ZHIYOU_ALIPAYPLUS_MCP ?? `${root}target/tools/ant-intl-alipayplus-mcp/bin/ant-intl-alipayplus-mcp`;
const present = existsSync(program);
const here = fileURLToPath(new URL('./alipayplus', import.meta.url));
const keys = credentials.alipayplus;
const base = announcement.alipayplus;
const number = () => `IT${randomBytes(12).toString('hex').toUpperCase()}`;

// The clients want the bare text of a key, the private one in PKCS#1.
const bare = (pem) => pem.split('\n').filter((line) => line && !line.startsWith('-----')).join('');
const own = createPrivateKey(keys.merchant_private_key_pem).export({ type: 'pkcs1', format: 'pem' });
const bareKeys = { client_id: keys.client_id, private: bare(own), public: bare(keys.alipay_public_key_pem) };
const env = { ...process.env, PYTHONPATH: here, ZHIYOU_PLAIN_PORT: new URL(base).port, PYTHONUNBUFFERED: '1' };

// Lines in, lines out: answers come in the order of the questions.
function lines(command, args, more = {}, errors = 'inherit') {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', errors], env: { ...env, ...more } });
  const waiting = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    const message = JSON.parse(line);
    if (message.method === undefined) waiting.shift()?.(message);
  });
  child.once('close', () => waiting.splice(0).forEach((tell) => tell({ error: 'it ended' })));
  return {
    ask: (message) => new Promise((resolve) => { waiting.push(resolve); child.stdin.write(`${JSON.stringify(message)}\n`); }),
    tell: (message) => child.stdin.write(`${JSON.stringify(message)}\n`),
    stop: () => new Promise((resolve) => { child.once('close', resolve); child.stdin.end(); child.kill(); }),
  };
}

// The merchant's notification address: keeps what arrives, and lets a test wait for the next one that fits.
const arrived = [];
let ring = () => {};
const inbox = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    arrived.push({ path: request.url, headers: request.headers, body: Buffer.concat(chunks).toString('utf8') });
    response.end(JSON.stringify({ result: { resultCode: 'SUCCESS', resultStatus: 'S', resultMessage: 'success' } }));
    ring();
  });
});
async function next(fits) {
  for (;;) {
    const at = arrived.findIndex((one) => fits(JSON.parse(one.body)));
    if (at >= 0) return arrived.splice(at, 1)[0];
    await new Promise((resolve) => { ring = resolve; });
  }
}
const notify = () => `http://127.0.0.1:${inbox.address().port}/notify`;

let merchant;
let server;
before(async () => {
  await control('/scenario', { reset: true });
  await new Promise((resolve) => { inbox.listen(0, '127.0.0.1', resolve); });
  if (!present) return;
  merchant = lines(`${dirname(program)}/python3`, [`${here}/merchant.py`]);
  server = lines(program, [], {
    GATEWAY_URL: base, CLIENT_ID: keys.client_id, MERCHANT_PRIVATE_KEY: bareKeys.private, ALIPAY_PUBLIC_KEY: bareKeys.public,
    PAYMENT_REDIRECT_URL: 'https://merchant.invalid/back', PAYMENT_NOTIFY_URL: notify(), SETTLEMENT_CURRENCY: 'USD',
    MERCHANT_NAME: 'Zhiyou', MERCHANT_ID: 'M0000000001', MERCHANT_MCC: '4722', MERCHANT_REGION: 'CN',
  }, 'ignore'); // It logs every request there.
  const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'interop', version: '1' } };
  await server.ask({ jsonrpc: '2.0', id: 0, method: 'initialize', params });
  server.tell({ jsonrpc: '2.0', method: 'notifications/initialized' });
});
after(async () => {
  await Promise.all([merchant?.stop(), server?.stop()]);
  inbox.close();
});

// The page as a browser uses it; tells where the browser is sent, or nothing when the page is no longer valid.
async function decide(url, decision) {
  const found = /name="number" value="(\w+)"/.exec(await (await fetch(url)).text());
  if (found === null) return null;
  const body = new URLSearchParams({ number: found[1], wallet: 'ALIPAY_HK', decision });
  return (await fetch(url, { method: 'POST', redirect: 'manual', body })).headers.get('location');
}
const end = ({ result }) => [result.resultStatus, result.resultCode];

// --- The MCP server ---
let id = 0;
async function tool(name, args) {
  id += 1;
  const answer = await server.ask({ jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: args } });
  // What the server could not do, or an answer whose signature it does not accept, is a sentence and no JSON.
  const { text } = answer.result.content[0];
  assert.ok(text.startsWith('{'), text);
  return JSON.parse(text);
}
const create = (payment_request_id, order_amount_value, order_amount_currency = 'USD') => tool('create_payment', {
  payment_request_id, order_amount_currency, order_amount_value, order_description: '东京五日 Five days in Tokyo',
});
const give = (payment_request_id, refund_request_id, refund_amount_value, refund_currency = 'USD') => tool('create_refund', {
  payment_request_id, refund_request_id, refund_amount_value, refund_currency,
});

test('the MCP server creates, asks, is paid, gives back and is refused more than there was', async (t) => {
  if (!present) return absent(t, 'ant-intl-alipayplus-mcp');
  const payment = number();
  const made = await create(payment, 29901);
  assert.deepEqual([...end(made), made.paymentAmount], ['U', 'PAYMENT_IN_PROCESS', { currency: 'USD', value: '29901' }]);
  assert.equal((await create(payment, 29901)).normalUrl, made.normalUrl);
  assert.deepEqual(end(await create(payment, 29902)), ['F', 'REPEAT_REQ_INCONSISTENT']);
  const query = () => tool('query_payment', { payment_request_id: payment });
  assert.deepEqual([...end(await query()), (await query()).paymentResult.resultStatus], ['S', 'SUCCESS', 'U']);
  assert.equal(await decide(made.normalUrl, 'pay'), 'https://merchant.invalid/back');
  const paid = await query();
  assert.deepEqual([paid.paymentResult.resultStatus, paid.paymentId, paid.paymentAmount.value], ['S', made.paymentId, '29901']);
  await next((one) => one.notifyType === 'PAYMENT_RESULT' && one.paymentRequestId === payment);

  const part = await give(payment, `${payment}R1`, 10000);
  assert.deepEqual([...end(part), part.refundAmount.value], ['S', 'SUCCESS', '10000']);
  assert.equal((await give(payment, `${payment}R1`, 10000)).refundId, part.refundId);
  assert.deepEqual(end(await give(payment, `${payment}R1`, 10001)), ['F', 'REPEAT_REQ_INCONSISTENT']);
  assert.deepEqual(end(await give(payment, `${payment}R2`, 19902)), ['F', 'REFUND_AMOUNT_EXCEED']);
  assert.deepEqual(end(await tool('cancel_payment', { payment_request_id: payment })), ['F', 'PROCESS_FAIL']);
  await give(payment, `${payment}R3`, 19901);
  const book = await control('/book');
  assert.deepEqual(book.refunds.filter((one) => one.out_trade_no === payment).map((one) => one.refund_fen), [10000, 19901]);
});

test('the MCP server cancels what is open, and cancelling what is paid gives it back', async (t) => {
  if (!present) return absent(t, 'ant-intl-alipayplus-mcp');
  const [open, paid] = [number(), number()];
  const cancel = (payment_request_id) => tool('cancel_payment', { payment_request_id });
  const page = (await create(open, 100, 'EUR')).normalUrl;
  for (let again = 0; again < 2; again += 1) assert.deepEqual(end(await cancel(open)), ['S', 'SUCCESS']);
  assert.equal(await decide(page, 'pay'), null, 'its page is over');
  assert.deepEqual(end(await create(open, 100, 'EUR')), ['F', 'ORDER_IS_CANCELED']);
  await decide((await create(paid, 100, 'CNY')).normalUrl, 'pay');
  assert.deepEqual(end(await cancel(paid)), ['S', 'SUCCESS']);
  assert.deepEqual(end(await give(paid, `${paid}R`, 1, 'CNY')), ['F', 'ORDER_STATUS_INVALID']);
  const book = await control('/book');
  const [row] = book.payments.filter((one) => one.out_trade_no === paid);
  assert.deepEqual([row.state, row.taken_fen], ['CANCELLED', 0]);
  assert.deepEqual(book.refunds.filter((one) => one.out_trade_no === paid).map((one) => one.refund_fen), [100]);
  assert.deepEqual(end(await cancel(number())), ['F', 'ORDER_NOT_EXIST']);
});

// --- The client for merchants ---
async function call(name, more) {
  const { said, error } = await merchant.ask({ call: name, gateway: base, keys: bareKeys, ...more });
  assert.equal(error, undefined);
  return said;
}
const pay = (payment, value, currency = 'USD') => call('pay', {
  number: payment, value, currency, description: '东京五日', redirect: 'https://merchant.invalid/back', notify: notify(),
});
const genuine = ({ path, headers, body }, changes = {}) => merchant.ask({
  call: 'check', keys: bareKeys, path, time: headers['request-time'], signature: headers.signature, body, ...changes,
});

test('the client for merchants pays, is told, gives back in parts, and reads every answer as its own models do', async (t) => {
  if (!present) return absent(t, 'global-open-sdk-python');
  const payment = number();
  const made = await pay(payment, '29901');
  assert.deepEqual(end(made), ['U', 'PAYMENT_IN_PROCESS']);
  assert.deepEqual((await call('query', { number: payment })).read, ['PROCESSING', '29901', made.paymentId]);
  assert.ok(await decide(made.normalUrl, 'pay'));
  assert.deepEqual((await call('query', { number: payment })).read, ['SUCCESS', '29901', made.paymentId]);
  assert.deepEqual(end(await pay(payment, '29901')), ['S', 'SUCCESS'], 'the same request has the same end');

  const told = await next((one) => one.paymentRequestId === payment);
  assert.equal(told.path, '/notify');
  const said = JSON.parse(told.body);
  assert.deepEqual([said.notifyType, ...end(said), said.paymentAmount.value], ['PAYMENT_RESULT', 'S', 'SUCCESS', '29901']);
  assert.deepEqual(await genuine(told), { said: true });
  for (const change of [{ path: '/elsewhere' }, { time: '2026-01-01T00:00:00+08:00' }, { body: `${told.body} ` }]) {
    assert.match((await genuine(told, change)).error, /VerificationError/);
  }

  const refund = (name, value) => call('refund', { number: name, payment: made.paymentId, value, currency: 'USD', notify: notify() });
  const part = await refund(`${payment}R1`, '10000');
  assert.deepEqual([...end(part), part.paymentId, part.refundAmount.value], ['S', 'SUCCESS', made.paymentId, '10000']);
  assert.deepEqual(end(await refund(`${payment}R2`, '19902')), ['F', 'REFUND_AMOUNT_EXCEED']);
  const found = await call('query_refund', { number: `${payment}R1` });
  assert.deepEqual([...end(found), found.refundStatus, found.refundId], ['S', 'SUCCESS', 'SUCCESS', part.refundId]);
  assert.deepEqual(end(await call('query_refund', { number: `${payment}R9` })), ['F', 'REFUND_NOT_EXIST']);
  const back = await next((one) => one.refundRequestId === `${payment}R1`);
  assert.deepEqual([JSON.parse(back.body).notifyType, await genuine(back)], ['REFUND_RESULT', { said: true }]);
});

test('the client for merchants cancels, is refused by name, and does not believe an answer that is wrongly signed', async (t) => {
  if (!present) return absent(t, 'global-open-sdk-python');
  const payment = number();
  const made = await pay(payment, '100', 'CNY');
  assert.ok(await decide(made.normalUrl, 'refuse'));
  const failed = await call('query', { number: payment });
  assert.deepEqual([failed.paymentStatus, failed.paymentResultCode], ['FAIL', 'USER_BALANCE_NOT_ENOUGH']);
  assert.deepEqual(end(await call('cancel', { number: payment })), ['S', 'SUCCESS']);
  assert.equal((await call('query', { number: payment })).paymentStatus, 'FAIL', 'it stays what it was');
  assert.deepEqual(end(await pay(number(), '100', 'XAU')), ['F', 'CURRENCY_NOT_SUPPORT']);
  await control('/scenario', { provider: 'alipayplus', switch: 'bad_response_signature' });
  const forged = await merchant.ask({ call: 'query', gateway: base, keys: bareKeys, number: payment });
  assert.match(forged.error, /response verify failed/);
  const stranger = { ...bareKeys, client_id: 'SOMEBODYELSE' };
  const refused = await merchant.ask({ call: 'query', gateway: base, keys: stranger, number: payment });
  assert.match(refused.error, /signature not exist/, 'a stranger gets no signature');
});
