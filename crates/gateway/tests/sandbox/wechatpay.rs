//! The life of a payment by WeChat Pay on the page for phones, inside of WeChat and by its SDK, through the tools and against
//! the sandbox; and a platform that changes its certificate.

use super::{code, world::World};
use serde_json::{Value, json};
use zhiyou_domain::port::{ReasonCode, payments as p};
use zhiyou_gateway::{Config, WechatPresents};

const OPENID: &str = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o";

fn h5() -> WechatPresents {
    WechatPresents::H5 { payer_client_ip: [127, 0, 0, 1].into() }
}

fn jsapi() -> WechatPresents {
    WechatPresents::Jsapi { openid: OPENID.to_owned().into() }
}

async fn world(presents: WechatPresents) -> World {
    let mut world = World::start().await;
    world.restart_gateway_with(|config: &mut Config| config.wechatpay.presents = presents).await;
    world
}

async fn opened(world: &World, intent: &p::CreatePaymentIntent) -> p::PaymentAction {
    world.done::<p::PaymentIntent>("openPayment", intent).await.action
}

/// What is handed to the channel's app; unlike its signature, the payment it names stays the same.
async fn handed_over(world: &World, intent: &p::CreatePaymentIntent) -> String {
    match opened(world, intent).await {
        p::PaymentAction::App { parameters } => parameters,
        other => panic!("{other:?} instead of parameters"),
    }
}

async fn page(world: &World, intent: &p::CreatePaymentIntent) -> String {
    match opened(world, intent).await {
        p::PaymentAction::PhonePage { url } => url,
        other => panic!("{other:?} instead of a page for phones"),
    }
}

async fn status(world: &World, intent: &p::CreatePaymentIntent) -> p::PaymentStatus {
    world.done("settlePayment", &p::PaymentRef { attempt_id: intent.attempt_id }).await
}

async fn presented(world: &World) -> Value {
    let able = world.raw("listChannels", json!({})).await.structured_content.unwrap();
    let mut channels = able["channels"].as_array().unwrap().iter();
    channels.find(|able| able["channel"] == "wechatpay").unwrap()["presents"].clone()
}

/// Paid and told of: everything is given back, in two parts and never more; and the channel says how it was paid.
async fn paid_and_given_back(world: &World, intent: &p::CreatePaymentIntent) {
    world.until_paid(intent.attempt_id).await;
    let paid = status(world, intent).await;
    assert_eq!((paid.state, paid.captured), (p::PaymentState::Captured, Some(intent.amount)));
    let again = code(world.call::<p::PaymentIntent>("openPayment", intent).await);
    assert_eq!(again, ("declined", ReasonCode::AlreadyPaid));
    let parts =
        [world.refund(intent.attempt_id, world.cny(60_000)), world.refund(intent.attempt_id, world.cny(40_000))];
    for part in &parts {
        world.done::<p::RefundStatus>("refundPayment", part).await;
        world.done::<p::RefundStatus>("refundPayment", part).await;
        let asked = p::RefundRef { refund_id: part.refund_id };
        let arrived = async || world.done::<p::RefundStatus>("getRefundStatus", &asked).await.state;
        world.until(|| async { arrived().await == p::RefundState::Succeeded }).await;
    }
    let more = world.refund(intent.attempt_id, world.cny(1));
    let more = code(world.call::<p::RefundStatus>("refundPayment", &more).await);
    assert_eq!(more, ("declined", ReasonCode::InvalidRequest));
    let book = world.book().await;
    let given: i64 = book["refunds"].as_array().unwrap().iter().map(|row| row["refund_fen"].as_i64().unwrap()).sum();
    assert_eq!((book["payments"].as_array().unwrap().len(), given), (1, 100_000), "{book}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_page_for_phones_a_payment_is_paid_told_and_given_back_and_coming_back_proves_nothing() {
    let world = world(h5()).await;
    assert_eq!(presented(&world).await, "phone_page");
    let intent = world.intent(world.cny(100_000));
    let url = page(&world, &intent).await;
    assert_eq!(page(&world, &intent).await.split("&package").next(), url.split("&package").next());
    let (shown, _, text) = world.look_at(&url).await;
    assert!(shown == 200 && text.contains("1000.00") && text.contains("智游"), "{text}");
    let origin = world.address("wechatpay", "");
    let ours = format!("{}/pay/return/{}", world.gateway().base_url(), intent.attempt_id.bare());
    assert_eq!(world.press(&url, ("decision", "pay"), "http://evil.example").await.0, 403);
    let (_, back, _) = world.press(&url, ("decision", "leave"), &origin).await;
    assert_eq!(back, ours);
    assert_eq!(status(&world, &intent).await.state, p::PaymentState::RequiresAction, "who comes back has not paid");
    let (_, back, _) = world.press(&url, ("decision", "pay"), &origin).await;
    assert_eq!((back.as_str(), world.get(&back).await), (ours.as_str(), 200), "the same way back, paid or not");
    paid_and_given_back(&world, &intent).await;
    assert!(world.look_at(&url).await.2.contains("Refunded"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_is_good_the_same_page_for_phones_is_shown_again() {
    let world = world(h5()).await;
    let intent = world.intent(world.cny(100));
    let first = page(&world, &intent).await;
    // The sandbox's time alone, whose answers the gateway believes for five minutes.
    world.advance(4).await;
    assert_eq!(page(&world, &intent).await.split("&package").next(), first.split("&package").next());
    assert_eq!(world.look_at(&first).await.2.matches("This page has expired").count(), 0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inside_of_wechat_a_payment_is_paid_by_what_the_merchant_signed_told_and_given_back() {
    let world = world(jsapi()).await;
    assert_eq!(presented(&world).await, "app");
    let intent = world.intent(world.cny(100_000));
    let parameters = handed_over(&world, &intent).await;
    let read: Value = serde_json::from_str(&parameters).unwrap();
    let again: Value = serde_json::from_str(&handed_over(&world, &intent).await).unwrap();
    assert_eq!((&read["package"], &read["signType"]), (&again["package"], &json!("RSA")), "the same payment");
    for (field, value) in [("package", "prepay_id=wx1"), ("timeStamp", "1"), ("nonceStr", "n"), ("appId", "wx1")] {
        let mut changed = read.clone();
        changed[field] = json!(value);
        assert_eq!(world.phone("scan", &changed.to_string()).await["error"], "unknown_code", "{field} is signed");
    }
    let seen = world.phone("scan", &parameters).await;
    assert_eq!((&seen["amount_minor"], &seen["state"]), (&json!(100_000), &json!("payable")));
    world.phone_pays(&parameters).await;
    paid_and_given_back(&world, &intent).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_its_sdk_a_payment_is_paid_by_what_the_merchant_signed_told_and_given_back() {
    let world = world(WechatPresents::App).await;
    assert_eq!(presented(&world).await, "app");
    let intent = world.intent(world.cny(100_000));
    let parameters = handed_over(&world, &intent).await;
    let read: Value = serde_json::from_str(&parameters).unwrap();
    assert_eq!(read["package"], "Sign=WXPay");
    for (field, value) in [("prepayid", "wx1"), ("timestamp", "1"), ("noncestr", "n"), ("partnerid", "1")] {
        let mut changed = read.clone();
        changed[field] = json!(value);
        assert_eq!(world.phone("scan", &changed.to_string()).await["error"], "unknown_code", "{field} is compared");
    }
    world.phone_pays(&parameters).await;
    paid_and_given_back(&world, &intent).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_before_it_was_paid_nothing_that_was_shown_can_be_paid_any_more() {
    for presents in [h5(), jsapi(), WechatPresents::App] {
        let world = world(presents).await;
        let intent = world.intent(world.cny(200));
        let action = opened(&world, &intent).await;
        let closed = p::PaymentRef { attempt_id: intent.attempt_id };
        assert_eq!(
            world.done::<p::PaymentStatus>("closePayment", &closed).await.state,
            p::PaymentState::Closed,
            "{action:?}"
        );
        match &action {
            p::PaymentAction::PhonePage { url } => {
                let origin = world.address("wechatpay", "");
                let (shown, _, text) = world.press(url, ("decision", "pay"), &origin).await;
                assert!(shown == 200 && text.contains("已关闭"), "{text}");
            }
            p::PaymentAction::App { parameters } => {
                assert_eq!(world.phone("pay", parameters).await["state"], "closed");
            }
            other => panic!("{other:?}"),
        }
        let again = code(world.call::<p::PaymentIntent>("openPayment", &intent).await);
        assert_eq!(again, ("declined", ReasonCode::AlreadyClosed));
        assert_eq!(status(&world, &intent).await.state, p::PaymentState::Closed);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_opened_one_way_is_not_opened_another_way_under_the_same_number() {
    let mut world = world(h5()).await;
    let intent = world.intent(world.cny(100));
    let url = page(&world, &intent).await;
    world.restart_gateway_with(|config: &mut Config| config.wechatpay.presents = WechatPresents::App).await;
    let other = code(world.call::<p::PaymentIntent>("openPayment", &intent).await);
    assert_eq!(other, ("declined", ReasonCode::InvalidRequest));
    world.press(&url, ("decision", "pay"), &world.address("wechatpay", "")).await;
    assert_eq!(status(&world, &intent).await.state, p::PaymentState::Captured, "what was opened can still be paid");
    world.stop().await;
}

/// A merchant whom the channel's certificate alone is known to, as of today.
async fn by_certificate(world: &mut World) {
    let certificates =
        |config: &mut Config| config.wechatpay.platform_keys.retain(|key| !key.serial.starts_with("PUB"));
    world.restart_gateway_with(certificates).await;
}

async fn paid(world: &World) -> p::CreatePaymentIntent {
    let intent = world.intent(world.cny(100));
    let p::PaymentAction::Qr { content } = opened(world, &intent).await else { panic!() };
    world.phone_pays(&content).await;
    world.until_paid(intent.attempt_id).await;
    intent
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_takes_the_place_of_another_is_fetched_and_believed() {
    for value in ["renewed", "replaced"] {
        let mut world = World::start().await;
        by_certificate(&mut world).await;
        world.scenario(json!({"provider": "wechatpay", "switch": "notify_key", "value": "certificate"})).await;
        paid(&world).await;
        world.scenario(json!({"provider": "wechatpay", "switch": "certificate", "value": value})).await;
        // The first to be signed by it is a notification, or an answer.
        let intent = paid(&world).await;
        assert_eq!(status(&world, &intent).await.state, p::PaymentState::Captured);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_alone_brings_the_new_certificate_too() {
    let mut world = World::start().await;
    by_certificate(&mut world).await;
    world.scenario(json!({"provider": "wechatpay", "switch": "notify_key", "value": "certificate"})).await;
    let intent = world.intent(world.cny(100));
    let p::PaymentAction::Qr { content } = opened(&world, &intent).await else { panic!() };
    world.scenario(json!({"provider": "wechatpay", "switch": "certificate", "value": "renewed"})).await;
    world.phone_pays(&content).await;
    world.until_paid(intent.attempt_id).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn told_by_certificate_and_by_public_key_in_turns_every_payment_counts() {
    let world = World::start().await;
    world.scenario(json!({"provider": "wechatpay", "switch": "notify_key", "value": "mixed"})).await;
    for _ in 0..6 {
        paid(&world).await;
    }
    world.stop().await;
}
