// A card payment's whole life with Stripe's own client: page, bank's question, capture, refund, keys, lists, signed events.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import Stripe from 'stripe';
import { announcement, control, credentials } from './sandbox.mjs';

const { hostname, port } = new URL(announcement.stripe);
const client = (key, rest = {}) => new Stripe(key, { host: hostname, port: Number(port), protocol: 'http', maxNetworkRetries: 0, ...rest });
const stripe = client(credentials.stripe.secret_key);
const number = () => randomBytes(13).toString('hex').toUpperCase();
const now = async () => Math.floor(Date.parse((await control('/clock')).now) / 1000);

// The merchant's webhook endpoint: keeps what arrives, and lets a test wait for the next event that fits.
const arrived = [];
let ring = () => {};
const inbox = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    arrived.push({ signature: request.headers['stripe-signature'], body: Buffer.concat(chunks) });
    response.writeHead(200).end();
    ring();
  });
});
async function next(type, fits = () => true) {
  for (;;) {
    const at = arrived.findIndex(({ body }) => {
      const event = JSON.parse(body);
      return event.type === type && fits(event.data.object);
    });
    if (at >= 0) return arrived.splice(at, 1)[0];
    await new Promise((resolve) => { ring = resolve; });
  }
}
const opened = async ({ signature, body }, secret) => stripe.webhooks.constructEvent(body, signature, secret, 300, undefined, await now() * 1000);

let endpoint;
before(async () => {
  await new Promise((resolve) => { inbox.listen(0, '127.0.0.1', resolve); });
  endpoint = await stripe.webhookEndpoints.create({ url: `http://127.0.0.1:${inbox.address().port}/notify`, enabled_events: ['*'] });
});
after(async () => {
  await stripe.webhookEndpoints.del(endpoint.id);
  inbox.close();
});

const back = 'https://merchant.example/back?session={CHECKOUT_SESSION_ID}';
const wish = (attempt, amount, rest = {}) => ({
  mode: 'payment', ui_mode: 'hosted_page', client_reference_id: attempt, metadata: { attempt },
  success_url: back, cancel_url: 'https://merchant.example/cart', allowed_payment_method_types: ['card'], adaptive_pricing: { enabled: false },
  line_items: [{ quantity: 1, price_data: { currency: 'cny', unit_amount: amount, product_data: { name: '东京五日 Five days in Tokyo' } } }],
  payment_intent_data: { metadata: { attempt }, ...rest },
});
// Other files test against the same sandbox meanwhile: rules are set back one by one, and its clock is left alone.
const rule = (name, value) => control('/scenario', { provider: 'stripe', switch: name, value });
// A person at the hosted page: presses a button and tells where it leads.
async function press(url, field, value) {
  const answer = await fetch(url, { method: 'POST', redirect: 'manual', headers: { origin: announcement.stripe }, body: new URLSearchParams({ [field]: value }) });
  return { status: answer.status, location: answer.headers.get('location') ?? '' };
}
const refused = (promise, type, code) => assert.rejects(promise, (error) => {
  assert.equal(error.type, type, error.message);
  if (code !== undefined) assert.equal(error.code, code);
  return true;
});

test('a page is opened, paid, told of in signed events, and given back', async () => {
  const attempt = number();
  const session = await stripe.checkout.sessions.create(wish(attempt, 29901));
  assert.equal(session.lastResponse.apiVersion, '2026-10-28.endive');
  assert.match(session.lastResponse.requestId, /^req_/);
  assert.deepEqual([session.status, session.payment_status, session.payment_intent], ['open', 'unpaid', null]);
  assert.ok(session.url.startsWith(`${announcement.stripe}/c/pay/cs_test_`));
  const page = await (await fetch(session.url)).text();
  assert.ok(page.includes('沙盒') && page.includes('CNY 299.01') && !page.includes('<input'));

  assert.deepEqual(await press(session.url, 'card', '4242'), { status: 303, location: `https://merchant.example/back?session=${session.id}` });
  assert.equal((await press(session.url, 'card', '4242')).status, 409);
  const paid = await stripe.checkout.sessions.retrieve(session.id, { expand: ['payment_intent.latest_charge.balance_transaction'] });
  assert.deepEqual([paid.status, paid.payment_status, paid.url], ['complete', 'paid', null]);
  const { payment_intent: intent } = paid;
  assert.deepEqual([intent.status, intent.amount_received, intent.metadata.attempt], ['succeeded', 29901, attempt]);
  assert.deepEqual([intent.latest_charge.captured, intent.latest_charge.balance_transaction.net], [true, 29901]);
  assert.equal((await stripe.charges.retrieve(intent.latest_charge.id)).payment_intent, intent.id);
  assert.deepEqual((await stripe.checkout.sessions.list({ payment_intent: intent.id })).data.map(({ id }) => id), [session.id]);

  for (const type of ['payment_intent.succeeded', 'checkout.session.completed']) {
    const delivery = await next(type, (object) => object.metadata.attempt === attempt);
    const event = await opened(delivery, endpoint.secret);
    assert.deepEqual([event.object, event.type, event.livemode, event.api_version], ['event', type, false, '2026-10-28.endive']);
    await assert.rejects(opened({ ...delivery, body: Buffer.concat([delivery.body, Buffer.from(' ')]) }, endpoint.secret), Stripe.errors.StripeSignatureVerificationError);
    await assert.rejects(opened(delivery, 'whsec_another'), Stripe.errors.StripeSignatureVerificationError);
    assert.equal((await stripe.events.retrieve(event.id)).id, event.id);
  }

  const refund = await stripe.refunds.create({ payment_intent: intent.id, amount: 10000, reason: 'requested_by_customer', metadata: { refund: `${attempt}R` } });
  assert.deepEqual([refund.status, refund.amount, refund.currency], ['succeeded', 10000, 'cny']);
  await refused(stripe.refunds.create({ payment_intent: intent.id, amount: 19902 }), 'StripeInvalidRequestError');
  await stripe.refunds.create({ payment_intent: intent.id });
  await refused(stripe.refunds.create({ payment_intent: intent.id }), 'StripeInvalidRequestError', 'charge_already_refunded');
  const listed = await stripe.refunds.list({ payment_intent: intent.id, expand: ['data.payment_intent'] });
  assert.deepEqual(listed.data.map((one) => [one.amount, one.payment_intent.id]), [[19901, intent.id], [10000, intent.id]]);
  assert.equal((await opened(await next('refund.created', (object) => object.id === refund.id), endpoint.secret)).data.object.metadata.refund, `${attempt}R`);
  const { payments, refunds } = await control('/book');
  const mine = (one) => one.out_trade_no === attempt;
  assert.deepEqual(payments.filter(mine).map((one) => [one.channel, one.state, one.total_fen, one.currency]), [['stripe', 'succeeded', 29901, 'CNY']]);
  assert.deepEqual(refunds.filter(mine).map((one) => one.refund_fen), [10000, 19901]);
});

test('the bank asks, a card is declined, and the page stays open until one pays', async () => {
  const session = await stripe.checkout.sessions.create(wish(number(), 100));
  const status = async () => (await stripe.checkout.sessions.retrieve(session.id, { expand: ['payment_intent'] })).payment_intent.status;
  await press(session.url, 'card', '0002');
  assert.equal(await status(), 'requires_payment_method');
  assert.ok((await press(session.url, 'card', '3155')).location.endsWith('/challenge'));
  assert.equal(await status(), 'requires_action');
  await press(`${session.url}/challenge`, 'answer', 'fail');
  assert.equal(await status(), 'requires_payment_method');
  await press(session.url, 'card', '3155');
  assert.ok((await press(`${session.url}/challenge`, 'answer', 'approve')).location.startsWith('https://merchant.example/back'));
  assert.equal(await status(), 'succeeded');
});

test('a page is expired once, and its intent cannot be cancelled instead', async () => {
  const session = await stripe.checkout.sessions.create(wish(number(), 100));
  await press(session.url, 'card', '3155');
  const { payment_intent: id } = await stripe.checkout.sessions.retrieve(session.id);
  await refused(stripe.paymentIntents.cancel(id), 'StripeInvalidRequestError');
  assert.equal((await stripe.checkout.sessions.expire(session.id)).status, 'expired');
  await refused(stripe.checkout.sessions.expire(session.id), 'StripeInvalidRequestError');
  assert.equal((await stripe.paymentIntents.retrieve(id)).status, 'canceled');
  assert.equal((await press(session.url, 'card', '4242')).status, 409);
});

test('money is set aside, taken in part, or let go', async () => {
  const held = async () => {
    const session = await stripe.checkout.sessions.create(wish(number(), 1000, { capture_method: 'manual' }));
    await press(session.url, 'card', '4242');
    return (await stripe.checkout.sessions.retrieve(session.id, { expand: ['payment_intent'] })).payment_intent;
  };
  const first = await held();
  assert.deepEqual([first.status, first.amount_capturable, first.amount_received], ['requires_capture', 1000, 0]);
  await refused(stripe.refunds.create({ payment_intent: first.id }), 'StripeInvalidRequestError');
  await refused(stripe.paymentIntents.capture(first.id, { amount_to_capture: 1001 }), 'StripeInvalidRequestError', 'amount_too_large');
  const taken = await stripe.paymentIntents.capture(first.id, { amount_to_capture: 600 });
  assert.deepEqual([taken.status, taken.amount, taken.amount_received], ['succeeded', 1000, 600]);
  await refused(stripe.paymentIntents.capture(first.id), 'StripeInvalidRequestError', 'payment_intent_unexpected_state');
  await refused(stripe.refunds.create({ payment_intent: first.id, amount: 601 }), 'StripeInvalidRequestError');
  const second = await held();
  assert.equal((await stripe.paymentIntents.cancel(second.id, { cancellation_reason: 'requested_by_customer' })).status, 'canceled');
  await refused(stripe.paymentIntents.capture(second.id), 'StripeInvalidRequestError', 'payment_intent_unexpected_state');
});

test('a page offers wallets in their currencies; one is asked, pays, and its money goes back a little later', async () => {
  const both = { allowed_payment_method_types: ['card', 'wechat_pay', 'alipay'], payment_method_options: { wechat_pay: { client: 'web' } } };
  const offered = async (rest, currency) => {
    const asked = { ...wish(number(), 1000), ...both, ...rest };
    asked.line_items[0].price_data.currency = currency;
    return (await stripe.checkout.sessions.create(asked)).payment_method_types;
  };
  assert.deepEqual(await offered({}, 'usd'), ['card', 'wechat_pay', 'alipay']);
  assert.deepEqual(await offered({}, 'krw'), ['card'], 'no wallet takes won');
  assert.deepEqual(await offered({ payment_intent_data: { capture_method: 'manual' } }, 'usd'), ['card'], 'no wallet sets aside');
  await refused(offered({ payment_method_options: {} }, 'usd'), 'StripeInvalidRequestError', 'parameter_missing');
  await refused(offered({ allowed_payment_method_types: ['wechat_pay'] }, 'krw'), 'StripeInvalidRequestError');

  for (const [wallet, action] of [['wechat_pay', 'wechat_pay_display_qr_code'], ['alipay', 'alipay_handle_redirect']]) {
    const attempt = number();
    const session = await stripe.checkout.sessions.create({ ...wish(attempt, 2000), ...both });
    const intent = async () => (await stripe.checkout.sessions.retrieve(session.id, { expand: ['payment_intent.latest_charge'] })).payment_intent;
    assert.equal((await press(session.url, 'wallet', wallet)).location, `/c/pay/${session.id}/wallet`);
    const asked = await intent();
    assert.deepEqual([asked.status, asked.next_action.type], ['requires_action', action]);
    if (wallet === 'wechat_pay') assert.match(asked.next_action[action].data, /^weixin:\/\/wxpay\/bizpayurl\?pr=/);
    else assert.equal(asked.next_action[action].url, `${session.url}/wallet`);
    await press(`${session.url}/wallet`, 'answer', 'fail');
    const failed = await intent();
    assert.deepEqual([failed.status, failed.last_payment_error.code], ['requires_payment_method', 'payment_intent_payment_attempt_failed']);
    await press(session.url, 'wallet', wallet);
    const done = await press(`${session.url}/wallet`, 'answer', 'approve');
    assert.equal(done.location, `https://merchant.example/back?session=${session.id}`);
    const paid = await intent();
    assert.deepEqual([paid.status, paid.amount_received, paid.latest_charge.payment_method_details.type], ['succeeded', 2000, wallet]);
    const told = await opened(await next('checkout.session.completed', (object) => object.id === session.id), endpoint.secret);
    assert.equal(told.data.object.payment_status, 'paid');
    const refund = await stripe.refunds.create({ payment_intent: paid.id, amount: 500, metadata: { refund: `${attempt}R` } });
    assert.deepEqual([refund.status, refund.destination_details.type], ['pending', wallet]);
    const settled = await opened(await next('refund.updated', (object) => object.id === refund.id), endpoint.secret);
    assert.equal(settled.data.object.status, 'succeeded');
    assert.equal((await stripe.refunds.retrieve(refund.id)).status, 'succeeded');
    await refused(stripe.refunds.create({ payment_intent: paid.id, amount: 1501 }), 'StripeInvalidRequestError');
  }

  const session = await stripe.checkout.sessions.create({ ...wish(number(), 100), ...both });
  await press(session.url, 'wallet', 'wechat_pay');
  assert.equal((await stripe.checkout.sessions.expire(session.id)).status, 'expired');
  assert.equal((await press(`${session.url}/wallet`, 'answer', 'approve')).status, 409);
});

test('a key makes a request happen once', async () => {
  const [attempt, idempotencyKey] = [number(), `key-${number()}`];
  const first = await stripe.checkout.sessions.create(wish(attempt, 100), { idempotencyKey });
  const again = await stripe.checkout.sessions.create(wish(attempt, 100), { idempotencyKey });
  assert.equal(again.id, first.id);
  assert.equal(again.lastResponse.headers['idempotent-replayed'], 'true');
  await refused(stripe.checkout.sessions.create(wish(attempt, 101), { idempotencyKey }), 'StripeIdempotencyError');
  const invalid = `key-${number()}`;
  await refused(stripe.checkout.sessions.create({ ...wish(attempt, 100), expires_at: await now() + 60 }, { idempotencyKey: invalid }), 'StripeInvalidRequestError');
  assert.ok((await stripe.checkout.sessions.create(wish(attempt, 100), { idempotencyKey: invalid })).id, 'what did not begin is not remembered');
});

test('intents are confirmed with test cards, and errors have their kinds', async () => {
  const create = (payment_method, rest = {}) => stripe.paymentIntents.create({ amount: 500, currency: 'usd', payment_method, confirm: true, ...rest });
  assert.equal((await create('pm_card_visa')).status, 'succeeded');
  assert.equal((await create('pm_card_threeDSecure2Required')).status, 'requires_action');
  await refused(create('pm_card_visa_chargeDeclined'), 'StripeCardError', 'card_declined');
  const later = await stripe.paymentIntents.create({ amount: 500, currency: 'jpy' });
  assert.equal((await stripe.paymentIntents.confirm(later.id, { payment_method: 'pm_card_visa' })).status, 'succeeded');
  await refused(create('pm_card_visa', { amount: 0 }), 'StripeInvalidRequestError', 'amount_too_small');
  await refused(create('pm_card_visa', { amount: 5124, currency: 'kwd' }), 'StripeInvalidRequestError');
  await refused(stripe.paymentIntents.retrieve('pi_none'), 'StripeInvalidRequestError', 'resource_missing');
  await refused(stripe.paymentIntents.create({ amount: 1, currency: 'usd', surprise: '1' }), 'StripeInvalidRequestError', 'parameter_unknown');
  await refused(client('sk_test_another').paymentIntents.retrieve(later.id), 'StripeAuthenticationError');
  const pages = [];
  for await (const intent of stripe.paymentIntents.list({ limit: 2 })) pages.push(intent.id);
  assert.equal(new Set(pages).size, pages.length);
  assert.ok(pages.includes(later.id));
});

test('a refund may wait, and may fail after it succeeded', async () => {
  const intent = await stripe.paymentIntents.create({ amount: 500, currency: 'usd', payment_method: 'pm_card_visa', confirm: true });
  await rule('refund_outcome', 'pending');
  const slow = await stripe.refunds.create({ payment_intent: intent.id, amount: 100 });
  assert.equal(slow.status, 'pending');
  await rule('refund_outcome', 'late_failure');
  const late = await stripe.refunds.create({ payment_intent: intent.id, amount: 400 });
  assert.equal(late.status, 'succeeded');
  const failed = await opened(await next('refund.failed', (object) => object.id === late.id), endpoint.secret);
  assert.equal(failed.data.object.status, 'failed');
  assert.equal((await stripe.refunds.retrieve(late.id)).status, 'failed');
  await rule('refund_outcome', 'succeeded');
  assert.equal((await stripe.refunds.create({ payment_intent: intent.id, amount: 400 })).status, 'succeeded', 'the money was still there');
});

test('a rolled secret signs twice, a changed event and a probe do not verify', async () => {
  const [old, fresh] = credentials.stripe.webhook_secrets;
  const pay = async () => stripe.paymentIntents.create({ amount: 500, currency: 'usd', payment_method: 'pm_card_visa', confirm: true });
  await rule('roll_secret', true);
  let intent = await pay();
  const rolled = await next('payment_intent.succeeded', (object) => object.id === intent.id);
  for (const secret of [old, fresh]) assert.equal((await opened(rolled, secret)).data.object.id, intent.id);
  await rule('roll_secret', false);
  await control('/scenario', { provider: 'stripe', switch: 'notify', mode: 'corrupt', times: 2 });
  intent = await pay();
  await assert.rejects(opened(await next('payment_intent.succeeded', (object) => object.id === intent.id), old));
  await control('/notify', { id: intent.id, mode: 'resend' });
  assert.ok(await opened(await next('payment_intent.succeeded', (object) => object.id === intent.id), old));
});
