//! Attacks on what a channel is asked and told besides the money: words believed too much, and genuine ones that would be lost.
//!
//! Where nothing is stolen, the attack has come through when what the channel said is lost or has to be said again.

use super::*;
use crate::pay::PaymentChannel;
use std::{collections::VecDeque, sync::Mutex};
use zhiyou_domain::port::{Outcome, payments::PaymentAction};

/// A number that is nobody's.
const NOBODY: &str = "01KA0000000000000000000ZZZ";
/// When an example of Alipay+'s was sent: half a minute ago.
const SENT: &str = "2026-11-20T02:24:30Z";

/// Genuine, of a kind that nobody knows yet.
fn new_kind(all: &All, channel: Channel) -> Message {
    match channel {
        Wechat => all.world.sealed("EV-1", "COUPON.USE", "coupon", &json!({"mchid": "1900000109"})),
        Alipay => all.form(alipay::fields("EV-1", &[("notify_type", "something_new")])),
        Stripe => cards::message("EV-1", "something.quite.new", &Value::Null),
        Paypal => all.hint("EV-1", &paypal::capture(|event| event["resource_type"] = "something-new".into())),
        Plus => alipayplus::sent(&alipayplus::result("SOMETHING_NEW", "S"), SENT),
        Channel::Credit => never(channel),
    }
}

/// Genuine, about a payment whose row is not there yet.
fn of_nobody(all: &All, channel: Channel) -> Message {
    match channel {
        Wechat => trade(all, "EV-1", |trade| trade["out_trade_no"] = NOBODY.into()),
        Alipay => all.form(alipay::fields("EV-1", &[("out_trade_no", NOBODY)])),
        Stripe => card("EV-1", |intent| intent["metadata"]["attempt"] = NOBODY.into()),
        Paypal => all.hint("EV-1", &paypal::capture(|event| event["resource"]["custom_id"] = NOBODY.into())),
        Plus => alipayplus::sent(&alipayplus::event(|event| event["paymentRequestId"] = NOBODY.into()), SENT),
        Channel::Credit => never(channel),
    }
}

/// Says to be signed or sealed in another way than the one there is.
fn other_scheme(all: &All, channel: Channel) -> Message {
    let mut message = all.paid(channel, "EV-1");
    match channel {
        Wechat => return all.world.signed(message.body.replace("AEAD_AES_256_GCM", "AEAD_SM4_GCM")),
        Alipay => return all.form(alipay::fields("EV-1", &[("sign_type", "RSA")])),
        Stripe => message.headers[0].1 = message.headers[0].1.replace("v1=", "v0="),
        Paypal => message.headers[4].1 = "SHA1withRSA".to_owned(),
        Plus => message.headers[2].1 = message.headers[2].1.replace("RSA256", "RSA1"),
        Channel::Credit => return never(channel),
    }
    message
}

/// WeChat Pay on a socket of its own, answering each call with what it was told, signed.
async fn wechat(said: Vec<(u16, Value)>) -> Wechatpay {
    let said = Arc::new(Mutex::new(VecDeque::from(said)));
    let platform = Arc::new(Signer::new(&vector("wechat/java_wechat_pay_private_key.pem").into(), "", "").unwrap());
    let routes = Router::new().fallback(move || {
        let (status, body) = said.lock().unwrap().pop_front().unwrap();
        let body = body.to_string();
        let headers = [
            ("wechatpay-timestamp", NOW_S.to_string()),
            ("wechatpay-nonce", "n".to_owned()),
            ("wechatpay-serial", KEY_ID.to_owned()),
            ("wechatpay-signature", platform.sign(&format!("{NOW_S}\nn\n{body}\n")).unwrap()),
        ];
        async move { (StatusCode::from_u16(status).unwrap(), headers, body) }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    let config = sample("unused".into(), "http://127.0.0.1:1", &address);
    Wechatpay::new(&config.wechatpay, Http::new(Profile::Sandbox).unwrap(), Arc::new(Frozen)).unwrap()
}

/// Whether money that came while the payment was being closed is forgotten.
async fn paid_meanwhile_is_forgotten() -> bool {
    let open = transaction(|trade| trade["trade_state"] = "NOTPAY".into());
    let paid = json!({"code": "ORDERPAID", "message": ""});
    let channel = wechat(vec![(200, open), (400, paid), (200, transaction(|_| {}))]).await;
    let (attempt, _) = wanted(Wechat);
    !matches!(channel.close(&attempt).await, Outcome::Done(seen) if seen.state == PaymentState::Captured)
}

/// Whether a code that leads elsewhere is shown.
async fn a_code_of_others_is_shown() -> bool {
    let channel = wechat(vec![(200, json!({"code_url": "https://evil.example/pay"}))]).await;
    let (attempt, _) = wanted(Wechat);
    matches!(channel.create(&attempt).await, Outcome::Done(opened) if matches!(opened.action, PaymentAction::Qr { .. }))
}

/// Whether a notification whose certificate cannot be had now is believed.
async fn unproved_is_believed() -> bool {
    let authority = Authority::new();
    let host = Host::serving(503, None, String::new()).await;
    let all = All::at(Paypal, &authority, &host.base).await;
    all.tell(&all.paid(Paypal, "EV-1")).await == 200
}

/// Whether what stands in the address counts as what was signed.
async fn address_is_body(all: &All, channel: Channel, genuine: &Message) -> bool {
    let address = format!("/notify/{}?{}", channel.word(), genuine.body);
    let request = axum::http::Request::post(address).body(Body::empty()).unwrap();
    from_named(all.world.inbox.clone(), channel.word(), request).await.status() == StatusCode::OK
}

/// Whether the attack that only `defence` stops comes through.
pub(super) async fn comes_through(all: All, defence: Defence, channel: Channel) -> bool {
    let genuine = all.paid(channel, "EV-1");
    match defence {
        Defence::AnyType => {
            let mut packed = genuine;
            packed.headers.push(("Content-Encoding", "gzip".to_owned()));
            all.tell(&packed).await != 200
        }
        Defence::BodyOnly => address_is_body(&all, channel, &genuine).await,
        Defence::OneScheme => all.tell(&other_scheme(&all, channel)).await == 200,
        Defence::OneAnswer => {
            let bare = Message { headers: Vec::new(), body: String::new() };
            let answers = (all.take(channel, &bare).await, all.take(channel, &forged(genuine, channel)).await);
            assert_eq!((answers.0.0, answers.1.0), (401, 401));
            answers.0 != answers.1
        }
        Defence::ExactAnswer => all.take(channel, &genuine).await.1.len() != "success".len(),
        Defence::Written => {
            all.world.inbox.store.close().await;
            all.tell(&genuine).await == 200
        }
        Defence::NewKinds => all.tell(&new_kind(&all, channel)).await != 200,
        Defence::Orphans => {
            all.tell(&of_nobody(&all, channel)).await;
            all.world.kept().await.iter().all(|(_, word)| word != "orphan")
        }
        Defence::WholeEvents => {
            let mut thin = cards::event("EV-1", "payment_intent.succeeded", &cards::intent(|_| {}));
            thin["object"] = "v2.core.event".into();
            all.tell(&cards::signed(thin.to_string())).await;
            all.is_paid().await
        }
        Defence::InnerDecides => {
            all.tell(&trade(&all, "EV-1", |trade| trade["trade_state"] = "NOTPAY".into())).await;
            let under_way = refund_resource("PROCESSING");
            all.tell(&all.world.sealed("EV-2", "REFUND.SUCCESS", "refund", &under_way)).await;
            all.is_paid().await && all.world.refund_row().await.state == Standing::At(RefundState::Succeeded)
        }
        Defence::DecodedOnce => all.tell(&genuine).await != 200,
        Defence::RefundTold => {
            all.tell(&all.form(alipay::refunded("EV-1", &[]))).await;
            all.is_paid().await
        }
        Defence::FailsClosed => unproved_is_believed().await,
        Defence::CodeHost => a_code_of_others_is_shown().await,
        Defence::PaidWins => paid_meanwhile_is_forgotten().await,
        other => panic!("{other:?} is tried elsewhere"),
    }
}
