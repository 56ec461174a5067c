// A payment's whole life with an independent WeChat Pay client, which verifies every answer's signature itself.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { Aes, Formatter, Rsa, Wechatpay } from 'wechatpay-axios-plugin';
import { announcement, control, credentials, phone } from './sandbox.mjs';

const keys = credentials.wechatpay;
const platform = { [keys.platform_public_key_id]: keys.platform_public_key_pem, [keys.platform_certificate_serial]: keys.platform_certificate_pem };
const client = (certs = platform) => new Wechatpay({
  mchid: keys.mchid, serial: keys.merchant_serial, privateKey: keys.merchant_private_key_pem, certs: { ...certs }, baseURL: `${announcement.wechatpay}/`,
});
const wechatpay = client();
const mchid = keys.mchid;
const number = () => `IT${randomBytes(12).toString('hex').toUpperCase()}`;

// The merchant's notification address: keeps what arrives, and lets a test wait for the next one that fits.
const arrived = [];
let ring = () => {};
const inbox = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    arrived.push({ headers: request.headers, body: Buffer.concat(chunks).toString('utf8') });
    response.writeHead(204).end();
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
const verifies = ({ headers, body }) => Rsa.verify(
  Formatter.response(headers['wechatpay-timestamp'], headers['wechatpay-nonce'], body),
  headers['wechatpay-signature'], platform[headers['wechatpay-serial']],
);
const opened = ({ body }) => {
  const { resource } = JSON.parse(body);
  return JSON.parse(Aes.AesGcm.decrypt(resource.ciphertext, keys.apiv3_key, resource.nonce, resource.associated_data));
};
const about = (field, value) => (notification) => opened(notification)[field] === value;

before(async () => {
  await control('/scenario', { reset: true });
  await new Promise((resolve) => { inbox.listen(0, '127.0.0.1', resolve); });
});
after(() => inbox.close());

const order = (out_trade_no, total, rest = {}) => ({
  appid: keys.appid, mchid, description: '东京五日 Five days in Tokyo', out_trade_no,
  notify_url: `http://127.0.0.1:${inbox.address().port}/notify`, amount: { total, currency: 'CNY' }, ...rest,
});
const create = (body, headers = {}) => wechatpay.v3.pay.transactions.native.post(body, { headers });
const query = (out_trade_no) => wechatpay.v3.pay.transactions.outTradeNo.$out_trade_no$.get({ params: { mchid }, out_trade_no });

test('create, pay on the phone, notification, query, refund, refund query', async () => {
  const out_trade_no = number();
  const { status, data } = await create(order(out_trade_no, 123456));
  assert.equal(status, 200);
  assert.match(data.code_url, /^weixin:\/\/wxpay\/bizpayurl\?pr=\w+$/);
  assert.equal((await query(out_trade_no)).data.trade_state, 'NOTPAY');

  assert.equal((await phone('scan', data.code_url)).body.amount_minor, 123456);
  assert.deepEqual((await phone('pay', data.code_url)).body.state, 'success');
  assert.equal((await phone('pay', data.code_url)).status, 409);

  const paid = (await query(out_trade_no)).data;
  assert.equal(paid.trade_state, 'SUCCESS');
  assert.deepEqual(paid.amount, { total: 123456, payer_total: 123456, currency: 'CNY', payer_currency: 'CNY' });
  const byId = await wechatpay.v3.pay.transactions.id.$id$.get({ params: { mchid }, id: paid.transaction_id });
  assert.deepEqual(byId.data, paid);

  const notification = await next(about('out_trade_no', out_trade_no));
  assert.ok(verifies(notification));
  assert.equal(JSON.parse(notification.body).event_type, 'TRANSACTION.SUCCESS');
  assert.deepEqual(opened(notification), paid);

  const refund = { out_trade_no, out_refund_no: `${out_trade_no}R1`, reason: '部分退款', notify_url: order(out_trade_no, 1).notify_url, amount: { refund: 23456, total: 123456, currency: 'CNY' } };
  assert.equal((await wechatpay.v3.refund.domestic.refunds.post(refund)).data.status, 'PROCESSING');
  await wechatpay.v3.refund.domestic.refunds.post(refund);
  const refunded = await next(about('out_refund_no', refund.out_refund_no));
  assert.ok(verifies(refunded));
  assert.equal(opened(refunded).refund_status, 'SUCCESS');
  const asked = await wechatpay.v3.refund.domestic.refunds.$out_refund_no$.get({ out_refund_no: refund.out_refund_no });
  assert.deepEqual([asked.data.status, asked.data.amount.refund], ['SUCCESS', 23456]);

  const tooMuch = { ...refund, out_refund_no: `${out_trade_no}R2`, amount: { ...refund.amount, refund: 100001 } };
  await assert.rejects(wechatpay.v3.refund.domestic.refunds.post(tooMuch), (error) => error.response.status === 400);
  const { refunds } = await control('/book');
  assert.deepEqual(refunds.filter((one) => one.out_trade_no === out_trade_no).map((one) => one.refund_fen), [23456]);
});

test('the same number gives the code again, another amount is refused, close is final', async () => {
  const out_trade_no = number();
  const body = order(out_trade_no, 100);
  const first = (await create(body)).data.code_url;
  assert.equal((await create(body)).data.code_url, first);
  await assert.rejects(create({ ...body, amount: { total: 101, currency: 'CNY' } }), (error) => error.response.data.code === 'INVALID_REQUEST');
  const close = () => wechatpay.v3.pay.transactions.outTradeNo.$out_trade_no$.close.post({ mchid }, { out_trade_no });
  const closed = await close();
  assert.deepEqual([closed.status, closed.data], [204, '']);
  assert.equal((await query(out_trade_no)).data.trade_state, 'CLOSED');
  assert.equal((await phone('pay', first)).body.state, 'closed');
  await assert.rejects(close(), (error) => error.response.data.code === 'ORDER_CLOSED');
});

test('an answer is signed by the key that was asked for', async () => {
  const serials = [];
  for (const headers of [{}, { 'Wechatpay-Serial': keys.platform_public_key_id }, { 'Wechatpay-Serial': keys.platform_certificate_serial }]) {
    serials.push((await create(order(number(), 1), headers)).headers['wechatpay-serial']);
  }
  assert.deepEqual(serials, [keys.platform_certificate_serial, keys.platform_public_key_id, keys.platform_certificate_serial]);
});

test('the platform certificate can be fetched and opened', async () => {
  const [entry] = (await wechatpay.v3.certificates.get()).data.data;
  const sealed = entry.encrypt_certificate;
  assert.equal(Aes.AesGcm.decrypt(sealed.ciphertext, keys.apiv3_key, sealed.nonce, sealed.associated_data), keys.platform_certificate_pem);
  assert.equal(entry.serial_no, keys.platform_certificate_serial);
});

test('a bad signature in either direction is refused', async () => {
  await control('/scenario', { provider: 'wechatpay', switch: 'bad_response_signature' });
  await assert.rejects(create(order(number(), 1)), /EV3_RES_HEADER_SIGNATURE_DIGEST|Verify the response/);
  const wrongKey = client({ [keys.platform_certificate_serial]: keys.platform_public_key_pem });
  await assert.rejects(wrongKey.v3.certificates.get(), /Verify the response/);
  const stranger = await fetch(`${announcement.wechatpay}/v3/certificates`, { headers: { accept: 'application/json', 'user-agent': 'test' } });
  assert.equal(stranger.status, 401);
});

test('a tampered notification and a signature probe fail verification, the genuine one follows', async () => {
  const out_trade_no = number();
  await control('/scenario', { provider: 'wechatpay', switch: 'notify', mode: 'corrupt', times: 1 });
  await control('/scenario', { provider: 'wechatpay', switch: 'signature_probe' });
  const { data } = await create(order(out_trade_no, 888));
  await phone('pay', data.code_url);
  const probe = await next(about('out_trade_no', out_trade_no));
  assert.ok(probe.headers['wechatpay-signature'].startsWith('WECHATPAY/SIGNTEST/'));
  assert.equal(verifies(probe), false);
  assert.equal(verifies(await next(about('out_trade_no', out_trade_no))), false);
  await control('/notify', { kind: 'wechatpay', id: out_trade_no, mode: 'resend' });
  assert.ok(verifies(await next(about('out_trade_no', out_trade_no))));
});

// Everything a payment goes through after it was paid, whichever way.
async function paidToldAndGivenBack(out_trade_no, trade_type) {
  const paid = (await query(out_trade_no)).data;
  assert.deepEqual([paid.trade_state, paid.trade_type, paid.amount.total], ['SUCCESS', trade_type, 123456]);
  const notification = await next(about('out_trade_no', out_trade_no));
  assert.ok(verifies(notification));
  assert.deepEqual(opened(notification), paid);
  const refund = { out_trade_no, out_refund_no: `${out_trade_no}R1`, reason: '退款', notify_url: order(out_trade_no, 1).notify_url, amount: { refund: 123456, total: 123456, currency: 'CNY' } };
  await wechatpay.v3.refund.domestic.refunds.post(refund);
  assert.equal(opened(await next(about('out_refund_no', refund.out_refund_no))).refund_status, 'SUCCESS');
  assert.equal((await query(out_trade_no)).data.trade_state, 'REFUND');
}
const scene_info = { payer_client_ip: '127.0.0.1', h5_info: { type: 'Wap' } };
const press = (page, decision) => fetch(page, { method: 'POST', redirect: 'manual', body: new URLSearchParams({ decision }) });

test('h5: the page for phones is paid on, and leads back whether it was or not', async () => {
  const out_trade_no = number();
  const { data } = await wechatpay.v3.pay.transactions.h5.post(order(out_trade_no, 123456, { scene_info }));
  const back = 'https://shop.example/back?order=1';
  const page = `${data.h5_url}&redirect_url=${encodeURIComponent(back)}`;
  assert.match(await (await fetch(page)).text(), /1234\.56/);
  assert.equal((await press(page, 'leave')).headers.get('location'), back);
  assert.equal((await query(out_trade_no)).data.trade_state, 'NOTPAY');
  assert.equal((await press(page, 'pay')).headers.get('location'), back);
  await paidToldAndGivenBack(out_trade_no, 'MWEB');
});

test('jsapi: what is handed to WeChat is paid where the merchant signed it, by the payer that was named', async () => {
  const out_trade_no = number();
  const openid = 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o';
  const { data } = await wechatpay.v3.pay.transactions.jsapi.post(order(out_trade_no, 123456, { payer: { openid } }));
  const given = { appId: keys.appid, timeStamp: `${Formatter.timestamp()}`, nonceStr: Formatter.nonce(), package: `prepay_id=${data.prepay_id}` };
  const signed = { ...given, signType: 'RSA', paySign: Rsa.sign(Formatter.joinedByLineFeed(given.appId, given.timeStamp, given.nonceStr, given.package), keys.merchant_private_key_pem) };
  assert.equal((await phone('pay', JSON.stringify({ ...signed, nonceStr: 'another' }))).status, 404);
  assert.equal((await phone('pay', JSON.stringify(signed))).body.state, 'success');
  assert.equal((await query(out_trade_no)).data.payer.openid, openid);
  await paidToldAndGivenBack(out_trade_no, 'JSAPI');
});

test('app: what is handed to the SDK is paid where the merchant signed it', async () => {
  const out_trade_no = number();
  const { data } = await wechatpay.v3.pay.transactions.app.post(order(out_trade_no, 123456));
  const given = { appid: keys.appid, timestamp: `${Formatter.timestamp()}`, noncestr: Formatter.nonce(), prepayid: data.prepay_id };
  const sign = Rsa.sign(Formatter.joinedByLineFeed(given.appid, given.timestamp, given.noncestr, given.prepayid), keys.merchant_private_key_pem);
  const signed = { ...given, partnerid: mchid, package: 'Sign=WXPay', sign };
  assert.equal((await phone('pay', JSON.stringify({ ...signed, prepayid: 'wx1' }))).status, 404);
  assert.equal((await phone('pay', JSON.stringify(signed))).body.state, 'success');
  await paidToldAndGivenBack(out_trade_no, 'APP');
});

test('h5, jsapi, app: each needs what it needs, re-enters with the same fields, and is over once closed', async () => {
  const wants = { h5: { scene_info }, jsapi: { payer: { openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o' } }, app: {} };
  for (const [kind, extra] of Object.entries(wants)) {
    const out_trade_no = number();
    const create = (body) => wechatpay.v3.pay.transactions[kind].post(body);
    if (Object.keys(extra).length > 0) await assert.rejects(create(order(out_trade_no, 100)), (error) => error.response.data.code === 'PARAM_ERROR');
    const body = order(out_trade_no, 100, extra);
    const named = ({ data }) => data.prepay_id ?? new URL(data.h5_url).searchParams.get('prepay_id');
    assert.equal(named(await create(body)), named(await create(body)));
    await assert.rejects(create({ ...body, amount: { total: 101, currency: 'CNY' } }), (error) => error.response.data.code === 'INVALID_REQUEST');
    await assert.rejects(wechatpay.v3.pay.transactions.native.post(body), (error) => error.response.data.code === 'INVALID_REQUEST');
    await wechatpay.v3.pay.transactions.outTradeNo.$out_trade_no$.close.post({ mchid }, { out_trade_no });
    assert.equal((await query(out_trade_no)).data.trade_state, 'CLOSED');
    await assert.rejects(create(body), (error) => error.response.data.code === 'ORDER_CLOSED');
  }
});
