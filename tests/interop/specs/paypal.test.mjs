// What our PayPal adapter sends, judged by Prism with the OpenAPI descriptions PayPal publishes: every recorded request is
// valid, and the same request with one thing wrong is not, or the judge would be asleep.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { absent, freePort, recorded, root, started, stopped } from './judged.mjs';

const specs = process.env.ZHIYOU_PAYPAL_SPECS ?? `${root}../shared/specs/paypal`;
const documents = {
  orders: 'checkout_orders_v2.json', payments: 'payments_payment_v2.json', webhooks: 'notifications_webhooks_v1.json',
};
const present = Object.values(documents).every((file) => existsSync(`${specs}/${file}`));
const requests = recorded('paypal_requests.json');

const json = (change) => ({ headers, body }) => {
  const value = JSON.parse(body);
  change(value);
  return { headers, body: JSON.stringify(value) };
};
const unsigned = ({ headers: { authorization, ...headers }, body }) => {
  assert.ok(authorization);
  return { headers, body };
};
const asText = ({ headers, body }) => ({ headers: { ...headers, 'content-type': 'text/plain' }, body });
const longKey = ({ headers, body }) => ({ headers: { ...headers, 'paypal-request-id': 'x'.repeat(10_001) }, body });
const unit = (change) => json((order) => change(order.purchase_units[0]));
const context = (change) => json((order) => change(order.payment_source.paypal.experience_context));

// Which description an operation is in, and what is wrong in each request that has to be refused.
const operations = {
  'orders.create': ['orders', {
    'without an intent': json((order) => { delete order.intent; }),
    'another intent': json((order) => { order.intent = 'TAKE'; }),
    'nothing bought': json((order) => { order.purchase_units = []; }),
    'an amount without a currency': unit((bought) => { delete bought.amount.currency_code; }),
    'an amount as a number': unit((bought) => { bought.amount.value = 299.01; }),
    'an amount in words': unit((bought) => { bought.amount.value = 'a lot'; }),
    'a number that is too long': unit((bought) => { bought.custom_id = 'x'.repeat(256); }),
    'an address that is none': context((shown) => { shown.return_url = 5; }),
    'another button': context((shown) => { shown.user_action = 'pay now'; }),
    'an idempotency key that is far too long': longKey,
    'without a token': unsigned,
  }],
  'orders.get': ['orders', { 'without a token': unsigned }],
  'orders.capture': ['orders', { 'as text': asText, 'without a token': unsigned, 'an idempotency key that is far too long': longKey }],
  'orders.authorize': ['orders', { 'as text': asText, 'without a token': unsigned, 'an idempotency key that is far too long': longKey }],
  'authorizations.capture': ['payments', {
    'an amount without a value': json((part) => { delete part.amount.value; }),
    'a last part that is a word': json((part) => { part.final_capture = 'yes'; }),
    'a number that is too long': json((part) => { part.invoice_id = 'x'.repeat(128); }),
    'without a token': unsigned,
  }],
  'authorizations.void': ['payments', { 'with a body': ({ headers }) => ({ headers, body: '{}' }), 'without a token': unsigned }],
  'captures.refund': ['payments', {
    'a currency that is none': json((refund) => { refund.amount.currency_code = 'DOLLARS'; }),
    'an amount as a number': json((refund) => { refund.amount.value = 100; }),
    'a note that is too long': json((refund) => { refund.note_to_payer = 'x'.repeat(256); }),
    'without a token': unsigned,
  }],
  'refunds.get': ['payments', { 'without a token': unsigned }],
  'webhooks.get': ['webhooks', { 'without a token': unsigned }],
  'webhooks.update': ['webhooks', {
    'another change': json((change) => { change[0].op = 'change'; }),
    'without saying how': json((change) => { delete change[0].op; }),
    'without a token': unsigned,
  }],
};

// Prism quietly judges no body whose description holds a pattern it cannot compile, and the published ones hold some, of fields
// that we never send. They are taken out; that the rest is judged, the wrong requests show. The answers are taken out too:
// what Prism would make up does not fit its own description, and nobody here reads it.
const compiles = (pattern) => {
  try {
    return Boolean(new RegExp(pattern, 'u'));
  } catch {
    return false;
  }
};
const readable = (text) => JSON.stringify(JSON.parse(text, (key, value) => {
  if (key === 'pattern' && typeof value === 'string' && !compiles(value)) return undefined;
  return key === 'responses' && value.default ? { 200: { description: 'as described' } } : value;
}));

const servers = {};
const folder = mkdtempSync(join(tmpdir(), 'zhiyou-specs-'));
before(async () => {
  if (!present) return;
  const prism = createRequire(import.meta.url).resolve('@stoplight/prism-cli/dist/index.js');
  await Promise.all(Object.entries(documents).map(async ([name, file]) => {
    const port = await freePort();
    const description = join(folder, file);
    writeFileSync(description, readable(readFileSync(`${specs}/${file}`, 'utf8')));
    const args = [prism, 'mock', '--errors', '--host', '127.0.0.1', '--port', String(port), description];
    servers[name] = { base: `http://127.0.0.1:${port}`, child: await started(process.execPath, args, 'Prism is listening') };
  }));
});
after(async () => {
  await Promise.all(Object.values(servers).map(({ child }) => stopped(child)));
  rmSync(folder, { recursive: true, force: true });
});

async function judged(server, { method, path }, { headers, body }) {
  const answer = await fetch(servers[server].base + path, body === '' ? { method, headers } : { method, headers, body });
  return { status: answer.status, why: (await answer.text()).slice(0, 500) };
}

// What the adapter asks too and nobody can judge here: PayPal's published descriptions that we have leave these paths out.
const undescribed = {
  token: '/v1/oauth2/token', 'disputes.get': '/v1/customer/disputes/{dispute_id}', 'transactions.list': '/v1/reporting/transactions',
};

test('every operation the adapter uses is judged, but those that no description here is of', (t) => {
  if (!present) return absent(t, specs);
  const used = new Set(requests.map(({ operation }) => operation));
  assert.deepEqual([...used].sort(), [...Object.keys(operations), ...Object.keys(undescribed)].sort());
  const read = (file) => JSON.parse(readFileSync(`${specs}/${file}`, 'utf8'));
  const bare = (path) => path.replaceAll(/\{[^}]*\}/g, '{}');
  const described = new Set(Object.values(documents).flatMap((file) => Object.keys(read(file).paths)).map(bare));
  assert.ok(described.size > 0);
  for (const [operation, path] of Object.entries(undescribed)) assert.ok(!described.has(bare(path)), `${operation} could be judged now`);
});

for (const [operation, [server, wrongs]] of Object.entries(operations)) {
  test(`${operation} is as described, and not with one thing wrong`, async (t) => {
    if (!present) return absent(t, specs);
    const mine = requests.filter((request) => request.operation === operation);
    assert.ok(mine.length > 0);
    for (const request of mine) {
      assert.deepEqual(await judged(server, request, request), { status: 200, why: '' }, `${request.method} ${request.path}`);
      for (const [what, wrong] of Object.entries(wrongs)) {
        const { status, why } = await judged(server, request, wrong(request));
        assert.ok([401, 415, 422].includes(status), `${what}: ${status} ${why}`);
      }
    }
    const elsewhere = { method: 'POST', path: '/v2/nothing' };
    assert.equal((await judged(server, elsewhere, { headers: mine[0].headers, body: '{}' })).status, 404);
  });
}
