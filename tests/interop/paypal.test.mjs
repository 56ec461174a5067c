// A payment's whole life with PayPal's official client; the approval page is used as a browser would.
import assert from 'node:assert/strict';
import { X509Certificate, randomUUID, verify } from 'node:crypto';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { crc32 } from 'node:zlib';
import axios from 'axios';
import { ApiError, Client, Environment, OrdersController, PaymentsController } from '@paypal/paypal-server-sdk';
import { announcement, control, credentials } from './sandbox.mjs';

const keys = credentials.paypal;
const FULL = 'return=representation';
// The client knows its own hosts only: what it sends there goes to the sandbox.
const there = (config) => axios.getAdapter('http')({ ...config, url: config.url.replace('https://api-m.sandbox.paypal.com', announcement.paypal) });
const client = (oAuthClientSecret = keys.client_secret) => new Client({
  clientCredentialsAuthCredentials: { oAuthClientId: keys.client_id, oAuthClientSecret },
  environment: Environment.Sandbox, timeout: 10_000, unstable_httpClientOptions: { adapter: there },
});
const orders = new OrdersController(client());
const payments = new PaymentsController(client());
const number = () => `IT${randomUUID().replaceAll('-', '').toUpperCase().slice(0, 24)}`;

// The merchant's notification address: keeps what arrives, and lets a test wait for the next one that fits.
const arrived = [];
let ring = () => {};
const inbox = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    arrived.push({ headers: request.headers, body: Buffer.concat(chunks) });
    response.writeHead(200).end();
    ring();
  });
});
async function next(fits) {
  for (;;) {
    const at = arrived.findIndex(fits);
    if (at >= 0) return arrived.splice(at, 1)[0];
    await new Promise((resolve) => { ring = resolve; });
  }
}
const told = ({ body }) => JSON.parse(body.toString('utf8'));
const about = (type, custom) => (notification) => {
  const { event_type, resource } = told(notification);
  return event_type === type && (resource.custom_id ?? resource.purchase_units[0].custom_id) === custom;
};

async function bearer() {
  const basic = Buffer.from(`${keys.client_id}:${keys.client_secret}`).toString('base64');
  const answer = await fetch(`${announcement.paypal}/v1/oauth2/token`, {
    method: 'POST', body: 'grant_type=client_credentials',
    headers: { authorization: `Basic ${basic}`, 'content-type': 'application/x-www-form-urlencoded' },
  });
  return { authorization: `Bearer ${(await answer.json()).access_token}`, 'content-type': 'application/json' };
}

before(async () => {
  await control('/scenario', { reset: true });
  await new Promise((resolve) => { inbox.listen(0, '127.0.0.1', resolve); });
  const answer = await fetch(`${announcement.paypal}/v1/notifications/webhooks/${keys.webhook_id}`, {
    method: 'PATCH', headers: await bearer(),
    body: JSON.stringify([{ op: 'replace', path: '/url', value: `http://127.0.0.1:${inbox.address().port}/notify` }]),
  });
  assert.equal(answer.status, 200);
});
after(() => inbox.close());

const back = 'https://merchant.invalid/back?order=1';
const wish = (customId, value, currencyCode = 'USD', intent = 'CAPTURE') => ({
  paypalRequestId: `${customId}-order`, prefer: FULL,
  body: {
    intent, purchaseUnits: [{ amount: { currencyCode, value }, customId, invoiceId: customId, description: '东京五日 Five days in Tokyo' }],
    paymentSource: { paypal: { experienceContext: { returnUrl: back, cancelUrl: back, shippingPreference: 'NO_SHIPPING', userAction: 'PAY_NOW' } } },
  },
});
const page = (order) => order.links.find(({ rel }) => rel === 'payer-action').href;
async function decide(url, decision) {
  const shown = await (await fetch(url)).text();
  const found = /name="number" value="(\w+)"/.exec(shown);
  if (found === null) return null;
  const answer = await fetch(url, { method: 'POST', redirect: 'manual', body: new URLSearchParams({ number: found[1], decision }) });
  return answer.headers.get('location');
}
const issue = (name, status = 422) => (error) => {
  assert.ok(error instanceof ApiError, String(error));
  assert.deepEqual([error.statusCode, error.result.details[0].issue], [status, name]);
  assert.match(error.result.debug_id ?? error.result.debugId, /^\w{13}$/);
  return true;
};
async function approved(customId, value, currency, intent) {
  const { result } = await orders.createOrder(wish(customId, value, currency, intent));
  assert.ok(await decide(page(result), 'approve'));
  return result.id;
}

test('create, replay, approve on the page, capture once, notification, refunds', async () => {
  const custom = number();
  const created = await orders.createOrder(wish(custom, '299.01'));
  assert.deepEqual([created.statusCode, created.result.status], [200, 'PAYER_ACTION_REQUIRED']);
  assert.equal((await orders.createOrder(wish(custom, '299.01'))).result.id, created.result.id);
  const { id } = created.result;
  const capture = { id, paypalRequestId: `${custom}-capture`, prefer: FULL };
  await assert.rejects(orders.captureOrder(capture), issue('ORDER_NOT_APPROVED'));

  const cancelled = new URL(await decide(page(created.result), 'cancel'));
  assert.deepEqual([...cancelled.searchParams.keys()], ['order', 'token']);
  const target = new URL(await decide(page(created.result), 'approve'));
  assert.deepEqual([target.origin, target.searchParams.get('token'), [...target.searchParams.keys()]], ['https://merchant.invalid', id, ['order', 'token', 'PayerID']]);
  assert.equal(await decide(page(created.result), 'approve'), null, 'the page counts once');
  await next(about('CHECKOUT.ORDER.APPROVED', custom));
  assert.equal((await orders.getOrder({ id })).result.status, 'APPROVED');

  const first = await orders.captureOrder(capture);
  const again = await orders.captureOrder(capture);
  assert.deepEqual([first.statusCode, again.statusCode], [201, 200]);
  const [taken] = first.result.purchaseUnits[0].payments.captures;
  assert.deepEqual([taken.status, taken.amount, taken.customId], ['COMPLETED', { currencyCode: 'USD', value: '299.01' }, custom]);
  assert.equal(again.result.purchaseUnits[0].payments.captures[0].id, taken.id);
  await assert.rejects(orders.captureOrder({ id, paypalRequestId: 'another' }), issue('ORDER_ALREADY_CAPTURED'));
  assert.equal((await payments.getCapturedPayment({ captureId: taken.id })).result.status, 'COMPLETED');

  const refund = (value, key) => payments.refundCapturedPayment({
    captureId: taken.id, paypalRequestId: key, prefer: FULL, body: { amount: { currencyCode: 'USD', value }, customId: key, invoiceId: key, noteToPayer: '部分退款' },
  });
  const part = await refund('100.00', `${custom}R1`);
  assert.deepEqual([part.statusCode, part.result.status, part.result.customId], [201, 'COMPLETED', `${custom}R1`]);
  assert.equal((await refund('100.00', `${custom}R1`)).result.id, part.result.id);
  await assert.rejects(refund('199.02', `${custom}R2`), issue('REFUND_AMOUNT_EXCEEDED'));
  assert.equal((await payments.getRefund({ refundId: part.result.id })).result.amount.value, '100.00');
  assert.equal((await payments.getCapturedPayment({ captureId: taken.id })).result.status, 'PARTIALLY_REFUNDED');
  await refund('199.01', `${custom}R3`);
  await assert.rejects(refund('0.01', `${custom}R4`), issue('CAPTURE_FULLY_REFUNDED'));
  await next(about('PAYMENT.CAPTURE.REFUNDED', `${custom}R3`));

  const book = await control('/book');
  assert.deepEqual(book.payments.filter((one) => one.out_trade_no === custom).map((one) => [one.transaction_id, one.taken_fen, one.currency]), [[taken.id, 29901, 'USD']]);
  assert.deepEqual(book.refunds.filter((one) => one.out_trade_no === custom).map((one) => one.refund_fen), [10000, 19901]);
});

test('yen have no decimals, and what is not an amount is refused by name', async () => {
  const { result } = await orders.createOrder(wish(number(), '29901', 'JPY'));
  assert.equal(result.purchaseUnits[0].amount.value, '29901');
  await assert.rejects(orders.createOrder(wish(number(), '299.01', 'JPY')), issue('DECIMAL_PRECISION'));
  await assert.rejects(orders.createOrder(wish(number(), '299.01', 'CNY')), issue('INVALID_CURRENCY_CODE'));
  await assert.rejects(orders.getOrder({ id: 'NOSUCHORDER' }), issue('INVALID_RESOURCE_ID', 404));
});

test('money is set aside, taken in part once, or let go', async () => {
  const aside = async () => {
    const custom = number();
    const id = await approved(custom, '299.01', 'USD', 'AUTHORIZE');
    await assert.rejects(orders.captureOrder({ id }), issue('ACTION_DOES_NOT_MATCH_INTENT'));
    const { result } = await orders.authorizeOrder({ id, paypalRequestId: `${custom}-authorize`, prefer: FULL });
    const [part] = result.purchaseUnits[0].payments.authorizations;
    assert.equal(part.status, 'CREATED');
    return part.id;
  };
  const authorizationId = await aside();
  const take = (value, paypalRequestId) => payments.captureAuthorizedPayment({
    authorizationId, paypalRequestId, prefer: FULL, body: { amount: { currencyCode: 'USD', value }, finalCapture: true },
  });
  await assert.rejects(take('299.02', 'a'), issue('MAX_CAPTURE_AMOUNT_EXCEEDED'));
  const taken = await take('100.00', 'b');
  assert.deepEqual([taken.result.status, taken.result.amount.value], ['COMPLETED', '100.00']);
  assert.equal((await take('100.00', 'b')).result.id, taken.result.id);
  await assert.rejects(take('1.00', 'c'), issue('AUTHORIZATION_ALREADY_CAPTURED'));
  await assert.rejects(payments.voidPayment({ authorizationId }), issue('PREVIOUSLY_CAPTURED'));

  const second = await aside();
  assert.equal((await payments.voidPayment({ authorizationId: second })).statusCode, 204);
  assert.equal((await payments.getAuthorizedPayment({ authorizationId: second })).result.status, 'VOIDED');
  await assert.rejects(payments.voidPayment({ authorizationId: second }), issue('PREVIOUSLY_VOIDED'));
  await assert.rejects(payments.captureAuthorizedPayment({ authorizationId: second }), issue('AUTHORIZATION_VOIDED'));
});

test('a notification is signed with a certificate that its own authority issued, and checked online alike', async () => {
  const custom = number();
  const id = await approved(custom, '1.00');
  await orders.captureOrder({ id, paypalRequestId: `${custom}-capture` });
  const { headers, body } = await next(about('PAYMENT.CAPTURE.COMPLETED', custom));
  const certificate = new X509Certificate(await (await fetch(headers['paypal-cert-url'])).text());
  assert.ok(certificate.verify(new X509Certificate(keys.certificate_roots_pem).publicKey));
  assert.match(certificate.subject, /CN=messageverificationcerts\.sandbox\.paypal\.com/);
  const signed = (bytes) => `${headers['paypal-transmission-id']}|${headers['paypal-transmission-time']}|${keys.webhook_id}|${crc32(bytes)}`;
  const signature = headers['paypal-transmission-sig'];
  const genuine = (bytes) => verify('sha256', Buffer.from(signed(bytes)), certificate.publicKey, Buffer.from(signature, 'base64'));
  assert.deepEqual([genuine(body), genuine(Buffer.concat([body, Buffer.from(' ')]))], [true, false]);

  const online = async (event) => {
    const claim = {
      auth_algo: headers['paypal-auth-algo'], cert_url: headers['paypal-cert-url'], transmission_id: headers['paypal-transmission-id'],
      transmission_sig: signature, transmission_time: headers['paypal-transmission-time'], webhook_id: keys.webhook_id,
    };
    // The event goes in as it came: written again it would be another one.
    const text = `${JSON.stringify(claim).slice(0, -1)},"webhook_event":${event}}`;
    const answer = await fetch(`${announcement.paypal}/v1/notifications/verify-webhook-signature`, { method: 'POST', headers: await bearer(), body: text });
    return (await answer.json()).verification_status;
  };
  assert.equal(await online(body.toString('utf8')), 'SUCCESS');
  assert.equal(await online(JSON.stringify(JSON.parse(body.toString('utf8')), null, 1)), 'FAILURE');
});

test('a wrong secret gets no token, and an old token is refused until a new one is fetched', async () => {
  const stranger = new OrdersController(client('wrong'));
  await assert.rejects(stranger.getOrder({ id: 'ANY' }), (error) => error.statusCode === 401 && error.result.error === 'invalid_client');
  const { result } = await orders.createOrder(wish(number(), '1.00'));
  const answer = await fetch(`${announcement.paypal}/v2/checkout/orders/${result.id}`, { headers: { authorization: 'Bearer old' } });
  assert.equal(answer.status, 401);
});
