// What our card adapter sends, judged twice by software that is not ours: by the types of Stripe's own client, which are the API
// of the very version we pin, and by localstripe, a server that moves money. Each judge is shown wrong requests too.
//
// localstripe has no Checkout Sessions, no webhook endpoints, no idempotency keys, and knows neither why a refund was asked for
// nor why a payment was cancelled; nor does it refuse to give back more than was paid. The first judge reads all of those
// requests; the rest is the sandbox's, whose client is Stripe's (`../stripe.test.mjs`).
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import Stripe from 'stripe';
import ts from 'typescript';
import { absent, freePort, recorded, root, started, stopped } from './judged.mjs';

const requests = recorded('stripe_requests.json');
const of = (operation) => requests.filter((request) => request.operation === operation);
const fields = ({ path, body }) => [...new URLSearchParams(body || path.split('?')[1] || '')];

// A form as the object it stands for: brackets nest, digits are numbers.
function object(pairs) {
  const result = {};
  for (const [name, text] of pairs) {
    const keys = name.replaceAll(']', '').split('[');
    let at = result;
    for (const key of keys.slice(0, -1)) at = at[key] ??= {};
    const last = keys.at(-1);
    at[last === '' ? Object.keys(at).length : last] = /^(\d+|true|false)$/.test(text) ? JSON.parse(text) : text;
  }
  const listed = (value) => {
    if (value === null || typeof value !== 'object') return value;
    const keys = Object.keys(value);
    if (keys.length > 0 && keys.every((key, index) => key === String(index))) return keys.map((key) => listed(value[key]));
    return Object.fromEntries(keys.map((key) => [key, listed(value[key])]));
  };
  return listed(result);
}

const set = (name, value) => (pairs) => [...pairs.filter(([other]) => other !== name), [name, value]];
const without = (name) => (pairs) => {
  assert.ok(pairs.some(([other]) => other === name), name);
  return pairs.filter(([other]) => other !== name);
};
// Operation, its parameters in Stripe's client, and what is wrong in each request that must not pass.
const described = {
  'sessions.create': ['Stripe.Checkout.SessionCreateParams', {
    'another mode': set('mode', 'pay'),
    'another page': set('ui_mode', 'hosted'),
    'an amount in words': set('line_items[0][price_data][unit_amount]', 'a lot'),
    'a line without a currency': without('line_items[0][price_data][currency]'),
    'money taken at no known moment': set('payment_intent_data[capture_method]', 'later'),
    'a time in words': set('expires_at', 'soon'),
    'an unknown field': set('payment_intent_data[colour]', 'red'),
    'another way to pay': set('allowed_payment_method_types[0]', 'cash'),
    'a wallet for another kind of client': set('payment_method_options[wechat_pay][client]', 'desk'),
    'an unknown option': set('payment_method_options[alipay][client]', 'web'),
  }],
  'sessions.get': ['Stripe.Checkout.SessionRetrieveParams', { 'an unknown field': set('expanded', 'x') }],
  'sessions.list': ['Stripe.Checkout.SessionListParams', {
    'another comparison': set('created[from]', '1'),
    'a limit in words': set('limit', 'all'),
  }],
  'sessions.expire': ['Stripe.Checkout.SessionExpireParams', { 'an unknown field': set('reason', 'x') }],
  'payment_intents.capture': ['Stripe.PaymentIntentCaptureParams', {
    'an unknown field': set('amount', '100'),
    'an amount in words': set('amount_to_capture', 'all'),
  }],
  'payment_intents.cancel': ['Stripe.PaymentIntentCancelParams', { 'another reason': set('cancellation_reason', 'tired') }],
  'refunds.create': ['Stripe.RefundCreateParams', {
    'another reason': set('reason', 'tired'),
    'an amount in words': set('amount', 'all'),
    'an unknown field': set('currency_code', 'usd'),
  }],
  'refunds.get': ['Stripe.RefundRetrieveParams', { 'an unknown field': set('expanded', 'x') }],
  'refunds.list': ['Stripe.RefundListParams', { 'an unknown field': set('intent', 'pi_1') }],
  'webhook_endpoints.create': ['Stripe.WebhookEndpointCreateParams', {
    'without an address': without('url'),
    'another event': set('enabled_events[0]', 'money.came'),
  }],
  'balance_transactions.list': ['Stripe.BalanceTransactionListParams', {
    'another comparison': set('created[from]', '1'),
    'a limit in words': set('limit', 'all'),
    'an unknown field': set('reporting_category', 'charge'),
  }],
  'webhook_endpoints.list': ['Stripe.WebhookEndpointListParams', { 'a limit in words': set('limit', 'all') }],
};

test('every request is typed as Stripe’s own client types it, and not with one thing wrong', () => {
  assert.deepEqual([...new Set(requests.map(({ operation }) => operation))].sort(), Object.keys(described).sort());
  const sources = new Map();
  const add = (what, type, pairs) => {
    const name = fileURLToPath(new URL(`./request-${sources.size}.ts`, import.meta.url));
    const text = `import Stripe from 'stripe';\nexport const request: ${type} = ${JSON.stringify(object(pairs))};\n`;
    sources.set(name, { what, text });
  };
  for (const [operation, [type, wrongs]] of Object.entries(described)) {
    for (const request of of(operation)) {
      add(`right: ${operation}`, type, fields(request));
      for (const [what, wrong] of Object.entries(wrongs)) add(`wrong: ${operation}, ${what}`, type, wrong(fields(request)));
    }
  }
  const options = { strict: true, noEmit: true, skipLibCheck: true, types: [], module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2022 };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  // Words of the API are open there; here only the ones that are known count.
  const closed = (name) => readFile(name).replace('OtherString = string & Record<never, never>', 'OtherString = never');
  host.fileExists = (name) => sources.has(name) || fileExists(name);
  host.readFile = (name) => sources.get(name)?.text ?? readFile(name);
  host.getSourceFile = (name, version, ...rest) => {
    if (sources.has(name)) return ts.createSourceFile(name, sources.get(name).text, version);
    return /\/stripe\/\w+\/shared\.d\.ts$/.test(name) ? ts.createSourceFile(name, closed(name), version) : getSourceFile(name, version, ...rest);
  };
  const program = ts.createProgram([...sources.keys()], options, host);
  for (const [name, { what }] of sources) {
    const found = program.getSemanticDiagnostics(program.getSourceFile(name)).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '));
    assert.equal(found.length === 0, what.startsWith('right'), `${what}: ${found}`);
  }
  for (const { headers } of requests) assert.equal(headers['stripe-version'], Stripe.API_VERSION ?? new Stripe('sk_test_x').getApiField('version'));
});

const program = process.env.ZHIYOU_LOCALSTRIPE ?? `${root}target/tools/localstripe/bin/localstripe`;
const present = existsSync(program);
const SECRET = 'whsec_c0ffee5Qr8Zt1WmXy7Kb2Nd';
const folder = mkdtempSync(join(tmpdir(), 'zhiyou-localstripe-'));
let base;
let server;
const delivered = [];
let ring = () => {};
const inbox = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    delivered.push({ signature: request.headers['stripe-signature'], body: Buffer.concat(chunks).toString('utf8') });
    response.end();
    ring();
  });
});

before(async () => {
  if (!present) return;
  const port = await freePort();
  base = `http://127.0.0.1:${port}`;
  const env = { ...process.env, PYTHONPATH: fileURLToPath(new URL('./alone', import.meta.url)), PYTHONUNBUFFERED: '1' };
  env.ZHIYOU_LOCALSTRIPE_STATE = join(folder, 'state');
  server = await started(program, ['--from-scratch', '--port', String(port)], 'Running on', { env });
  await new Promise((resolve) => { inbox.listen(0, '127.0.0.1', resolve); });
  const url = `http://127.0.0.1:${inbox.address().port}/`;
  const told = await send('POST', '/_config/webhooks/ours', [['url', url], ['secret', SECRET], ['events[]', 'payment_intent.succeeded']]);
  assert.equal(told.status, 200);
});
after(async () => {
  rmSync(folder, { recursive: true, force: true });
  if (!present) return;
  await stopped(server);
  inbox.close();
});

async function send(method, path, pairs = [], headers = of('refunds.create')[0].headers) {
  const body = method === 'GET' ? undefined : new URLSearchParams(pairs).toString();
  const answer = await fetch(base + path, { method, headers, body });
  return { status: answer.status, body: await answer.json().catch(() => null) };
}
// The recorded request about another id, changed or as it is.
function replay(operation, id, change = (pairs) => pairs) {
  const [request] = of(operation);
  const [path] = request.path.replace(/pi_recorded|re_recorded|cs_test_open/, id).split('?');
  const pairs = change(fields(request).map(([name, value]) => [name, value.replace(/pi_recorded|re_recorded|cs_test_open/, id)]));
  const query = request.method === 'GET' ? `?${new URLSearchParams(pairs)}` : '';
  return send(request.method, path + query, pairs, request.headers);
}
// What the payer does on the hosted page, which localstripe does not have.
async function pay(rest = []) {
  const asked = { amount: '29901', currency: 'usd', payment_method: 'pm_card_visa', confirm: 'true', 'metadata[attempt]': '01KA0000000000000000000ABC' };
  const pairs = Object.entries({ ...asked, ...Object.fromEntries(rest) });
  return send('POST', '/v1/payment_intents', pairs);
}
const manual = [['capture_method', 'manual']];

test('localstripe takes what our captures and refunds ask for, and refuses them with one thing wrong', async (t) => {
  if (!present) return absent(t, 'localstripe');
  const { body: held } = await pay(manual);
  assert.equal(held.status, 'requires_capture');
  const much = await replay('payment_intents.capture', held.id, set('amount_to_capture', '29902'));
  assert.equal(much.status, 400);
  const unknown = await replay('payment_intents.capture', held.id, set('amount', '1'));
  assert.deepEqual([unknown.status, unknown.body.error.message], [400, 'Unexpected amount']);
  const { status, body: taken } = await replay('payment_intents.capture', held.id);
  assert.deepEqual([status, taken.status, taken.metadata.attempt], [200, 'succeeded', '01KA0000000000000000000ABC']);
  assert.deepEqual([taken.latest_charge.captured, taken.latest_charge.amount - taken.latest_charge.amount_refunded], [true, 10_001]);
  assert.equal((await replay('payment_intents.capture', held.id)).status, 400, 'taken once');

  const { body: paid } = await pay();
  const about = (pairs) => set('payment_intent', paid.id)(pairs);
  const whole = await replay('refunds.create', '', about);
  assert.deepEqual([whole.status, whole.body.error.message], [400, 'Unexpected reason'], 'all it does not know of ours');
  const plain = (pairs) => without('reason')(about(pairs));
  assert.equal((await replay('refunds.create', '', (pairs) => set('amount', '-1')(plain(pairs)))).status, 400);
  assert.equal((await replay('refunds.create', '', (pairs) => set('payment_intent', 'pi_none')(plain(pairs)))).status, 404);
  const given = await replay('refunds.create', '', plain);
  assert.equal(given.status, 200);
  const seen = ({ amount, currency, status: state, metadata, payment_intent }) => (
    [amount, currency, state, metadata.refund, metadata.reason, payment_intent.id, payment_intent.metadata.attempt]
  );
  const wanted = [10_001, 'usd', 'succeeded', '01KA0000000000000000000XYZ', '行程取消', paid.id, '01KA0000000000000000000ABC'];
  assert.deepEqual(seen(given.body), wanted, 'the brackets were read as we meant them');
  assert.deepEqual(seen((await replay('refunds.get', given.body.id)).body), wanted);
  const { body: list } = await replay('refunds.list', paid.id);
  assert.deepEqual([list.has_more, list.data.map(seen)], [false, [wanted]]);
});

test('localstripe lets authorised money go, once', async (t) => {
  if (!present) return absent(t, 'localstripe');
  const { body: held } = await pay(manual);
  const whole = await replay('payment_intents.cancel', held.id);
  assert.deepEqual([whole.status, whole.body.error.message], [400, 'Unexpected cancellation_reason'], 'all it does not know of ours');
  const gone = await replay('payment_intents.cancel', held.id, without('cancellation_reason'));
  assert.deepEqual([gone.status, gone.body.status], [200, 'canceled']);
  assert.equal((await replay('payment_intents.cancel', held.id, without('cancellation_reason'))).status, 400, 'let go once');
});

test('localstripe shows what moved as our bill asks for it, but for the day', async (t) => {
  if (!present) return absent(t, 'localstripe');
  const { body: paid } = await pay();
  const about = (pairs) => without('reason')(set('payment_intent', paid.id)(pairs));
  const given = await replay('refunds.create', '', about);
  const whole = await replay('balance_transactions.list', '');
  assert.deepEqual([whole.status, whole.body.error.message], [400, 'Unexpected created'], 'all it does not know of ours');
  const { status, body: list } = await replay('balance_transactions.list', '', (pairs) => pairs.filter(([name]) => !name.startsWith('created')));
  assert.equal(status, 200);
  const moved = (id) => list.data.filter(({ source }) => source.id === id).map(({ amount, reporting_category }) => [amount, reporting_category]);
  assert.deepEqual(moved(paid.latest_charge.id), [[29901, 'charge']], 'what moved it came in full');
  assert.deepEqual(moved(given.body.id), [[-10001, 'refund']]);
});

test('localstripe does not have what it says it has not', async (t) => {
  if (!present) return absent(t, 'localstripe');
  for (const operation of ['sessions.create', 'sessions.get', 'sessions.list', 'sessions.expire', 'webhook_endpoints.create']) {
    assert.equal((await replay(operation, 'cs_test_open')).status, 404, `${operation} could be judged now`);
  }
});

test('localstripe signs its events as Stripe does', async (t) => {
  if (!present) return absent(t, 'localstripe');
  const { body: paid } = await pay();
  const mine = ({ body }) => JSON.parse(body).data.object.id === paid.id;
  while (!delivered.some(mine)) await new Promise((resolve) => { ring = resolve; });
  const { body, signature } = delivered.find(mine);
  const [, at] = /^t=(\d+),v1=[0-9a-f]{64}$/.exec(signature);
  if (process.env.ZHIYOU_WRITE_VECTORS) console.log(JSON.stringify({ payload: body, header: signature, secret: SECRET, timestamp: Number(at) }));
  const { webhooks } = new Stripe('sk_test_x');
  assert.equal(webhooks.constructEvent(body, signature, SECRET).data.object.id, paid.id);
  assert.throws(() => webhooks.constructEvent(body.replace('29901', '29900'), signature, SECRET));
});
