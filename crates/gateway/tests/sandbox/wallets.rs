//! A payment by WeChat Pay or Alipay on Stripe's hosted page: what is offered, scanned, refused, given back and lost on the way.

use crate::{code, world::World};
use serde_json::{Value, json};
use zhiyou_domain::{
    money::{Currency, Money},
    port::{Outcome, ReasonCode, payments as p},
};
use zhiyou_gateway::{StripeMethod, StripeMethodConfig};

const WALLETS: [&str; 2] = ["wechat_pay", "alipay"];

async fn world() -> World {
    let mut world = World::start().await;
    let methods = [StripeMethod::Card, StripeMethod::WechatPay, StripeMethod::Alipay];
    world
        .restart_gateway_with(|config| {
            config.stripe.as_mut().unwrap().methods = methods.map(StripeMethodConfig::whole).to_vec();
        })
        .await;
    world
}

fn wish(world: &World, amount: Money) -> p::CreatePaymentIntent {
    p::CreatePaymentIntent { channel: p::Channel::Stripe, ..world.intent(amount) }
}

async fn open(world: &World, wish: &p::CreatePaymentIntent) -> String {
    match world.done::<p::PaymentIntent>("openPayment", wish).await.action {
        p::PaymentAction::Redirect { url } => url,
        other => panic!("{other:?} instead of a page"),
    }
}

async fn press(world: &World, url: &str, button: (&str, &str)) -> String {
    let (status, target, text) = world.press(url, button, &world.address("stripe", "")).await;
    assert_eq!(status, 303, "{text}");
    target
}

/// The page after a wallet was chosen there.
async fn chosen(world: &World, page: &str, wallet: &str) -> String {
    let target = press(world, page, ("wallet", wallet)).await;
    assert!(target.ends_with("/wallet"), "{target}");
    world.look_at(&format!("{page}/wallet")).await.2
}

/// The code a page shows: what its way to the sandbox's phone carries.
fn scannable(page: &str) -> String {
    let link = page.split("href=\"").find(|part| part.contains("?text=")).unwrap();
    let link: url::Url = link.split('"').next().unwrap().parse().unwrap();
    link.query_pairs().find(|(name, _)| name == "text").unwrap().1.into_owned()
}

async fn status(world: &World, wish: &p::CreatePaymentIntent) -> p::PaymentStatus {
    world.done("settlePayment", &p::PaymentRef { attempt_id: wish.attempt_id }).await
}

async fn paid(world: &World, minor: i64, wallet: &str) -> p::CreatePaymentIntent {
    let wish = wish(world, world.cny(minor));
    let page = open(world, &wish).await;
    chosen(world, &page, wallet).await;
    press(world, &format!("{page}/wallet"), ("answer", "approve")).await;
    wish
}

async fn ours(world: &World, list: &str) -> Vec<Value> {
    let book = world.book().await;
    book[list].as_array().unwrap().iter().filter(|row| row["channel"] == "stripe").cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_pays_on_the_hosted_page_and_the_notification_brings_the_money() {
    let world = world().await;
    for wallet in WALLETS {
        let wish = wish(&world, world.cny(29_901));
        let page = open(&world, &wish).await;
        let offered = world.look_at(&page).await.2;
        for text in ["4242", "微信支付", "支付宝"] {
            assert!(offered.contains(text), "{text}");
        }
        let shown = chosen(&world, &page, wallet).await;
        assert!(shown.contains("CNY 299.01") && shown.contains("沙盒"));
        assert_eq!(shown.contains("<svg"), wallet == "wechat_pay", "one shows a code, the other is a page");
        let waiting = status(&world, &wish).await;
        assert_eq!((waiting.state, waiting.captured), (p::PaymentState::RequiresAction, None));
        let back = press(&world, &format!("{page}/wallet"), ("answer", "approve")).await;
        assert_eq!(back, format!("{}/pay/return/{}", world.gateway().base_url(), wish.attempt_id.bare()));
        world.until_paid(wish.attempt_id).await;
        let status = status(&world, &wish).await;
        assert_eq!((status.state, status.captured), (p::PaymentState::Captured, Some(wish.amount)));
        let (again, _, _) =
            world.press(&format!("{page}/wallet"), ("answer", "approve"), &world.address("stripe", "")).await;
        assert_eq!(again, 409, "once");
    }
    let payments = ours(&world, "payments").await;
    assert!(payments.len() == 2 && payments.iter().all(|row| row["taken_fen"] == 29_901), "{payments:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_phone_scans_the_code_of_the_page_and_pays_it_once() {
    let world = world().await;
    let dollars = Money::new(1_234, "USD".parse().unwrap()).unwrap();
    let wish = wish(&world, dollars);
    let page = open(&world, &wish).await;
    let first = scannable(&chosen(&world, &page, "wechat_pay").await);
    assert!(first.starts_with("weixin://wxpay/bizpayurl?pr="), "{first}");
    let code = scannable(&chosen(&world, &page, "wechat_pay").await);
    assert_eq!(world.phone("scan", &first).await["state"], "expired", "a newer code took its place");
    let seen = world.phone("scan", &code).await;
    assert_eq!(
        (&seen["provider"], &seen["state"], &seen["currency"], &seen["amount"]),
        (&json!("stripe"), &json!("payable"), &json!("USD"), &json!("USD 12.34"))
    );
    assert_eq!(status(&world, &wish).await.state, p::PaymentState::RequiresAction, "scanning pays nothing");
    assert_eq!(world.phone("pay", &code).await["state"], "success");
    assert_eq!(world.phone("pay", &code).await["state"], "success");
    assert_eq!(status(&world, &wish).await.captured, Some(dollars));
    assert!(world.look_at(&page).await.2.contains("付款已完成"));
    assert_eq!(ours(&world, "payments").await.len(), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_that_is_refused_leaves_the_page_open_for_another_way() {
    let world = world().await;
    for wallet in WALLETS {
        let wish = wish(&world, world.cny(1_000));
        let page = open(&world, &wish).await;
        chosen(&world, &page, wallet).await;
        press(&world, &format!("{page}/wallet"), ("answer", "fail")).await;
        assert!(world.look_at(&page).await.2.contains("没有付成"));
        assert_eq!(status(&world, &wish).await.state, p::PaymentState::RequiresAction);
        chosen(&world, &page, wallet).await;
        // The bank of a card that is asked is not answered on the wallet's page, nor the wallet on the bank's.
        let challenge = format!("{page}/challenge");
        assert_eq!(world.press(&challenge, ("answer", "approve"), &world.address("stripe", "")).await.0, 409);
        press(&world, &page, ("card", "4242")).await;
        assert_eq!(status(&world, &wish).await.captured, Some(wish.amount));
    }
    let wish = wish(&world, world.cny(500));
    let page = open(&world, &wish).await;
    let code = scannable(&chosen(&world, &page, "wechat_pay").await);
    world.scenario(json!({"provider": "stripe", "switch": "decline", "op": "pay"})).await;
    assert_eq!(world.phone("pay", &code).await["state"], "payerror");
    assert_eq!(status(&world, &wish).await.state, p::PaymentState::RequiresAction);
    let closed: p::PaymentStatus = world.done("closePayment", &p::PaymentRef { attempt_id: wish.attempt_id }).await;
    assert_eq!(closed.state, p::PaymentState::Closed);
    assert_eq!(world.phone("pay", &code).await["state"], "expired");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_page_takes_no_money_from_a_wallet_that_was_already_asked() {
    let world = world().await;
    for wallet in WALLETS {
        let wish = wish(&world, world.cny(700));
        let page = open(&world, &wish).await;
        chosen(&world, &page, wallet).await;
        let reference = p::PaymentRef { attempt_id: wish.attempt_id };
        assert_eq!(world.done::<p::PaymentStatus>("closePayment", &reference).await.state, p::PaymentState::Closed);
        let late = world.press(&format!("{page}/wallet"), ("answer", "approve"), &world.address("stripe", "")).await;
        assert_eq!(late.0, 409);
        assert_eq!(status(&world, &wish).await.state, p::PaymentState::Closed);
    }
    assert!(ours(&world, "payments").await.iter().all(|row| row["taken_fen"] == 0));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_wallet_paid_is_given_back_in_parts_a_little_later_and_once() {
    let world = world().await;
    for wallet in WALLETS {
        let wish = paid(&world, 1_000, wallet).await;
        for (switch, minor) in [("act_then_time_out", 300), ("time_out_before", 200)] {
            let refund = world.refund(wish.attempt_id, world.cny(minor));
            world.until_paid(wish.attempt_id).await;
            world.scenario(json!({"provider": "stripe", "switch": switch, "op": "refund"})).await;
            let lost = code(world.call::<p::RefundStatus>("refundPayment", &refund).await);
            assert_eq!(lost, ("unknown", ReasonCode::Network), "{wallet} {switch}");
            world.done::<p::RefundStatus>("refundPayment", &refund).await;
            let reference = p::RefundRef { refund_id: refund.refund_id };
            world
                .until(|| async {
                    let seen: p::RefundStatus = world.done("getRefundStatus", &reference).await;
                    assert!(matches!(seen.state, p::RefundState::Pending | p::RefundState::Succeeded), "{seen:?}");
                    seen.state == p::RefundState::Succeeded
                })
                .await;
        }
        let much = world.refund(wish.attempt_id, world.cny(501));
        let refused = code(world.call::<p::RefundStatus>("refundPayment", &much).await);
        assert_eq!(refused, ("declined", ReasonCode::InvalidRequest));
    }
    let refunds = ours(&world, "refunds").await;
    assert_eq!(refunds.iter().map(|row| row["refund_fen"].as_i64().unwrap()).sum::<i64>(), 1_000, "{refunds:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_wallet_money_is_taken_at_once_and_the_router_is_told_so() {
    let world = world().await;
    let listed = world.raw("listChannels", json!({})).await.structured_content.unwrap();
    let able: p::Abilities = serde_json::from_value(listed).unwrap();
    let stripe = able.channels.iter().find(|able| able.channel == p::Channel::Stripe).unwrap();
    assert!(!stripe.authorises && stripe.currencies.contains(&Currency::CNY));
    let aside = p::CreatePaymentIntent { authorise: true, ..wish(&world, world.cny(100)) };
    let refused = code(world.call::<p::PaymentIntent>("openPayment", &aside).await);
    assert_eq!(refused, ("declined", ReasonCode::InvalidRequest));
    let won = wish(&world, Money::new(1_500, "KRW".parse().unwrap()).unwrap());
    let page = world.look_at(&open(&world, &won).await).await.2;
    assert!(page.contains("4242") && !page.contains("微信支付") && !page.contains("支付宝"), "no wallet takes won");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_was_opened_for_cards_alone_goes_on_after_wallets_were_configured() {
    let mut world = World::start().await;
    let wish = p::CreatePaymentIntent { authorise: true, ..wish(&world, world.cny(900)) };
    world.scenario(json!({"provider": "stripe", "switch": "act_then_time_out", "op": "create"})).await;
    assert_eq!(code(world.call::<p::PaymentIntent>("openPayment", &wish).await).0, "unknown");
    world
        .restart_gateway_with(|config| {
            let methods = [StripeMethod::WechatPay, StripeMethod::Card];
            config.stripe.as_mut().unwrap().methods = methods.map(StripeMethodConfig::whole).to_vec();
        })
        .await;
    assert_eq!(status(&world, &wish).await.state, p::PaymentState::RequiresAction);
    let Outcome::Done(closed) =
        world.call::<p::PaymentStatus>("closePayment", &p::PaymentRef { attempt_id: wish.attempt_id }).await
    else {
        panic!()
    };
    assert_eq!(closed.state, p::PaymentState::Closed);
    assert_eq!(ours(&world, "payments").await.len(), 1, "one page");
    world.stop().await;
}
