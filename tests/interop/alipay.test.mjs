// A payment's whole life with the official Alipay client, which checks every answer's signature itself.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { AlipaySdk } from 'alipay-sdk';
import { announcement, control, credentials, phone } from './sandbox.mjs';

const keys = credentials.alipay;
const gateway = `${announcement.alipay}/gateway.do`;
const common = { appId: keys.app_id, privateKey: keys.app_private_key_pem, keyType: 'PKCS8', gateway, endpoint: announcement.alipay, camelcase: false };
const byKey = new AlipaySdk({ ...common, alipayPublicKey: keys.alipay_public_key_pem });
const byCertificate = new AlipaySdk({
  ...common, appCertContent: keys.app_certificate_pem, alipayPublicCertContent: keys.alipay_certificate_pem, alipayRootCertContent: keys.root_certificate_pem,
});
const number = () => `IT${randomBytes(12).toString('hex').toUpperCase()}`;

// The merchant's notification address: keeps what arrives, and lets a test wait for the next one that fits.
const arrived = [];
let ring = () => {};
const inbox = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    assert.match(request.headers['content-type'], /^application\/x-www-form-urlencoded/);
    arrived.push(Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString('utf8'))));
    response.end('success');
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

before(async () => {
  await control('/scenario', { reset: true });
  await new Promise((resolve) => { inbox.listen(0, '127.0.0.1', resolve); });
});
after(() => inbox.close());

const notify_url = () => `http://127.0.0.1:${inbox.address().port}/notify`;
const subject = '东京五日 & Five days=Tokyo+1 /%2B';
// The official client does not check answers unless it is told to.
const call = (sdk, method, bizContent, rest = {}) => sdk.exec(method, { bizContent, ...rest }, { validateSign: true });
const precreate = (sdk, out_trade_no, total_amount, rest = {}) => call(
  sdk, 'alipay.trade.precreate', { out_trade_no, total_amount, subject, product_code: 'QR_CODE_OFFLINE', ...rest }, { notify_url: notify_url() },
);
const query = (sdk, out_trade_no) => call(sdk, 'alipay.trade.query', { out_trade_no });
const refund = (sdk, out_trade_no, out_request_no, refund_amount) => call(
  sdk, 'alipay.trade.refund', { out_trade_no, out_request_no, refund_amount, refund_reason: '行程取消' },
);

for (const [mode, sdk] of [['the public key', byKey], ['certificates', byCertificate]]) {
  test(`with ${mode}: precreate, query before the scan, pay, notification, query, refund twice, refund query`, async () => {
    const out_trade_no = number();
    const made = await precreate(sdk, out_trade_no, '1234.56');
    assert.equal(made.code, '10000');
    assert.match(made.qr_code, /^https:\/\/qr\.alipay\.com\/\w+$/);
    assert.equal((await precreate(sdk, out_trade_no, '1234.56')).qr_code, made.qr_code);
    assert.equal((await precreate(sdk, out_trade_no, '1234.57')).sub_code, 'ACQ.CONTEXT_INCONSISTENT');
    const unscanned = await query(sdk, out_trade_no);
    assert.deepEqual([unscanned.code, unscanned.sub_code], ['40004', 'ACQ.TRADE_NOT_EXIST']);

    const seen = (await phone('scan', made.qr_code)).body;
    assert.deepEqual([seen.provider, seen.amount_minor, seen.description], ['alipay', 123456, subject]);
    assert.equal((await query(sdk, out_trade_no)).trade_status, 'WAIT_BUYER_PAY');
    assert.equal((await phone('pay', made.qr_code)).body.state, 'success');
    assert.equal((await phone('pay', made.qr_code)).status, 409);

    const paid = await query(sdk, out_trade_no);
    assert.deepEqual([paid.trade_status, paid.total_amount, paid.out_trade_no], ['TRADE_SUCCESS', '1234.56', out_trade_no]);
    assert.match(paid.send_pay_date, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
    assert.equal((await call(sdk, 'alipay.trade.query', { trade_no: paid.trade_no })).out_trade_no, out_trade_no);

    const notice = await next((one) => one.out_trade_no === out_trade_no);
    assert.ok(sdk.checkNotifySignV2(notice));
    assert.equal(sdk.checkNotifySignV2({ ...notice, total_amount: '0.01' }), false);
    assert.deepEqual(
      [notice.trade_status, notice.total_amount, notice.app_id, notice.seller_id, notice.subject, notice.trade_no],
      ['TRADE_SUCCESS', '1234.56', keys.app_id, keys.seller_id, subject, paid.trade_no],
    );

    const part = `${out_trade_no}R1`;
    const given = await refund(sdk, out_trade_no, part, '234.56');
    assert.deepEqual([given.code, given.fund_change, given.refund_fee], ['10000', 'Y', '234.56']);
    const again = await refund(sdk, out_trade_no, part, '234.56');
    assert.deepEqual([again.fund_change, again.refund_fee], ['N', '234.56']);
    assert.equal((await refund(sdk, out_trade_no, part, '234.57')).code, '40004');
    assert.equal((await refund(sdk, out_trade_no, `${out_trade_no}R2`, '1000.01')).sub_code, 'ACQ.REASON_TRADE_REFUND_FEE_ERR');
    const told = await next((one) => one.out_biz_no === part);
    assert.ok(sdk.checkNotifySignV2(told));
    assert.deepEqual([told.trade_status, told.refund_fee], ['TRADE_SUCCESS', '234.56']);

    const rest = await refund(sdk, out_trade_no, `${out_trade_no}R2`, '1000.00');
    assert.deepEqual([rest.fund_change, rest.refund_fee], ['Y', '1234.56']);
    const asked = await call(sdk, 'alipay.trade.fastpay.refund.query', { out_trade_no, out_request_no: `${out_trade_no}R2`, query_options: ['gmt_refund_pay'] });
    assert.deepEqual([asked.refund_status, asked.refund_amount, asked.total_amount], ['REFUND_SUCCESS', '1000.00', '1234.56']);
    const nobody = await call(sdk, 'alipay.trade.fastpay.refund.query', { out_trade_no, out_request_no: 'never' });
    assert.deepEqual([nobody.code, nobody.refund_status], ['10000', undefined]);
    assert.equal((await query(sdk, out_trade_no)).trade_status, 'TRADE_CLOSED');
    const { refunds } = await control('/book');
    assert.deepEqual(refunds.filter((one) => one.out_trade_no === out_trade_no).map((one) => one.refund_fen), [23456, 100000]);
  });
}

test('close before the scan finds nothing, close after it is final, and a paid trade is not closed', async () => {
  const out_trade_no = number();
  const close = () => call(byKey, 'alipay.trade.close', { out_trade_no });
  const { qr_code } = await precreate(byKey, out_trade_no, '1.00');
  assert.equal((await close()).sub_code, 'ACQ.TRADE_NOT_EXIST');
  await phone('scan', qr_code);
  assert.equal((await close()).code, '10000');
  assert.equal((await query(byKey, out_trade_no)).trade_status, 'TRADE_CLOSED');
  assert.equal((await phone('pay', qr_code)).body.state, 'closed');
  const paid = number();
  const made = await precreate(byKey, paid, '1.00');
  await phone('pay', made.qr_code);
  assert.equal((await call(byKey, 'alipay.trade.close', { out_trade_no: paid })).sub_code, 'ACQ.TRADE_STATUS_ERROR');
});

test('cancel closes what is unpaid, gives back what is paid, and finds nothing before the scan', async () => {
  const cancel = (out_trade_no) => call(byKey, 'alipay.trade.cancel', { out_trade_no });
  const [unpaid, paid] = [number(), number()];
  const made = await precreate(byKey, unpaid, '2.00');
  const nothing = await cancel(unpaid);
  assert.deepEqual([nothing.code, nothing.retry_flag, nothing.action], ['10000', 'N', undefined]);
  await phone('scan', made.qr_code);
  assert.equal((await cancel(unpaid)).action, 'close');
  await phone('pay', (await precreate(byKey, paid, '2.00')).qr_code);
  assert.equal((await cancel(paid)).action, 'refund');
  assert.equal((await query(byKey, paid)).trade_status, 'TRADE_CLOSED');
});

test('the page is opened by its address or by a form, paid there, and the browser comes back with signed parameters', async () => {
  for (const method of ['GET', 'POST']) {
    const out_trade_no = number();
    const wish = {
      notify_url: notify_url(), return_url: 'http://127.0.0.1:9/back?from=pay',
      bizContent: { out_trade_no, total_amount: '88.88', subject, product_code: 'FAST_INSTANT_TRADE_PAY' },
    };
    let opened;
    if (method === 'GET') {
      opened = await fetch(byKey.pageExecute('alipay.trade.page.pay', 'GET', wish), { redirect: 'manual' });
    } else {
      const html = byKey.pageExecute('alipay.trade.page.pay', 'POST', wish);
      const action = /action="([^"]+)"/.exec(html)[1];
      const fields = [...html.matchAll(/name="([^"]+)" value="([^"]*)"/g)].map(([, name, value]) => [name, value.replaceAll('&quot;', '"')]);
      opened = await fetch(action, { method: 'POST', body: new URLSearchParams(fields), redirect: 'manual' });
    }
    assert.equal(opened.status, 302);
    const cashier = opened.headers.get('location');
    const html = await (await fetch(cashier)).text();
    assert.match(html, /¥ 88\.88/);
    assert.equal((await query(byKey, out_trade_no)).trade_status, 'WAIT_BUYER_PAY');
    const done = await fetch(`${cashier}/pay`, { method: 'POST', redirect: 'manual' });
    const back = Object.fromEntries(new URL(done.headers.get('location')).searchParams);
    delete back.from;
    assert.deepEqual([back.out_trade_no, back.total_amount], [out_trade_no, '88.88']);
    assert.ok(byKey.checkNotifySignV2(back));
    assert.ok(byKey.checkNotifySignV2(await next((one) => one.out_trade_no === out_trade_no)));
    assert.equal((await query(byKey, out_trade_no)).trade_status, 'TRADE_SUCCESS');
  }
});

test('on the page for phones and by the string for the SDK a payment is paid, told and given back', async () => {
  for (const sdk of [byKey, byCertificate]) {
    const wap = { out_trade_no: number(), total_amount: '88.88', subject, product_code: 'QUICK_WAP_WAY' };
    const page = sdk.pageExecute('alipay.trade.wap.pay', 'GET', { notify_url: notify_url(), bizContent: wap });
    const cashier = (await fetch(page, { redirect: 'manual' })).headers.get('location');
    assert.match(await (await fetch(cashier)).text(), /¥ 88\.88/);
    await fetch(`${cashier}/pay`, { method: 'POST', redirect: 'manual' });

    const app = { ...wap, out_trade_no: number(), product_code: 'QUICK_MSECURITY_PAY' };
    const handed = sdk.sdkExecute('alipay.trade.app.pay', { notify_url: notify_url(), bizContent: app });
    assert.equal((await phone('pay', handed.replace('88.88', '0.01'))).status, 404);
    assert.equal((await phone('pay', handed)).body.state, 'success');

    for (const { out_trade_no } of [wap, app]) {
      const told = await next((one) => one.out_trade_no === out_trade_no);
      assert.ok(sdk.checkNotifySignV2(told));
      assert.equal((await query(sdk, out_trade_no)).trade_status, 'TRADE_SUCCESS');
      assert.equal((await refund(sdk, out_trade_no, `${out_trade_no}R1`, '88.88')).fund_change, 'Y');
    }
  }
});

test('a bad signature in either direction is refused', async () => {
  await control('/scenario', { provider: 'alipay', switch: 'bad_response_signature' });
  await assert.rejects(precreate(byKey, number(), '1.00'), /验签失败/);
  const stranger = new AlipaySdk({ ...common, privateKey: credentials.wechatpay.merchant_private_key_pem, alipayPublicKey: keys.alipay_public_key_pem });
  const refused = await query(stranger, number());
  assert.deepEqual([refused.code, refused.sub_code], ['40002', 'isv.invalid-signature']);
  const wrongKey = new AlipaySdk({ ...common, alipayPublicKey: keys.app_public_key_pem });
  await assert.rejects(query(wrongKey, number()), /验签失败/);
});

test('a corrupted notification fails the check, and every later copy is the same event, signed anew', async () => {
  const out_trade_no = number();
  const mine = (one) => one.out_trade_no === out_trade_no;
  await control('/scenario', { provider: 'alipay', switch: 'notify', mode: 'corrupt', times: 1 });
  const { qr_code } = await precreate(byKey, out_trade_no, '8.88');
  await phone('pay', qr_code);
  assert.equal(byKey.checkNotifySignV2(await next(mine)), false);
  await control('/notify', { id: out_trade_no, mode: 'resend' });
  const first = await next(mine);
  assert.ok(byKey.checkNotifySignV2(first));
  await control('/notify', { id: out_trade_no, mode: 'resend' });
  const second = await next(mine);
  assert.ok(byKey.checkNotifySignV2(second));
  assert.equal(second.notify_id, first.notify_id);
});
