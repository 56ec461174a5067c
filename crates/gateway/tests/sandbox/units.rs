//! Money in every currency a channel takes, opened, paid and given back in odd parts down to nothing.
//!
//! Deliberately not here: how each currency is written (`pay/*/amount.rs`, `pay/{paypal,alipayplus}/wire.rs`), and what else a payment goes
//! through.

use super::{code, world::World};
use serde_json::{Value, json};
use zhiyou_domain::{
    money::Money,
    port::{
        ReasonCode,
        payments::{self as p, Channel},
    },
};

/// What each channel takes, with the smallest step it takes: dinars go in tens of a fils.
const TAKEN: [(Channel, &str, i64); 12] = [
    (Channel::Wechatpay, "CNY", 1),
    (Channel::Alipay, "CNY", 1),
    (Channel::Stripe, "CNY", 1),
    (Channel::Stripe, "USD", 1),
    (Channel::Stripe, "JPY", 1),
    (Channel::Stripe, "KRW", 1),
    (Channel::Stripe, "KWD", 10),
    (Channel::Paypal, "USD", 1),
    (Channel::Paypal, "JPY", 1),
    (Channel::AlipayPlus, "CNY", 1),
    (Channel::AlipayPlus, "USD", 1),
    (Channel::AlipayPlus, "EUR", 1),
];
const NOT_TAKEN: [(Channel, &str); 12] = [
    (Channel::Wechatpay, "JPY"),
    (Channel::Wechatpay, "KRW"),
    (Channel::Wechatpay, "KWD"),
    (Channel::Alipay, "JPY"),
    (Channel::Alipay, "KRW"),
    (Channel::Alipay, "KWD"),
    (Channel::Paypal, "CNY"),
    (Channel::Paypal, "KRW"),
    (Channel::Paypal, "KWD"),
    (Channel::AlipayPlus, "JPY"),
    (Channel::AlipayPlus, "KRW"),
    (Channel::AlipayPlus, "KWD"),
];
/// Parts that come to the whole, none of them round.
const PARTS: [i64; 4] = [1, 333, 4_999, 24_568];
const WHOLE: i64 = 29_901;

fn money(minor: i64, code: &str) -> Money {
    Money::new(minor, code.parse().unwrap()).unwrap()
}

async fn pay(world: &World, channel: Channel, action: p::PaymentAction) {
    match (channel, action) {
        (Channel::Wechatpay | Channel::Alipay, p::PaymentAction::Qr { content }) => world.phone_pays(&content).await,
        (Channel::Stripe, p::PaymentAction::Redirect { url }) => {
            assert_eq!(world.press(&url, ("card", "4242"), &world.address("stripe", "")).await.0, 303);
        }
        (Channel::Paypal, p::PaymentAction::Redirect { url }) => {
            world.payer_decides(&url, "approve").await;
        }
        (Channel::AlipayPlus, p::PaymentAction::Redirect { url }) => {
            world.payer_decides(&url, "pay").await;
        }
        (_, action) => panic!("{channel:?}: {action:?}"),
    }
}

/// The rows of a list in the sandbox's book about this payment.
async fn booked(world: &World, list: &str, payment: &p::CreatePaymentIntent) -> Vec<Value> {
    let book = world.book().await;
    let rows = book[list].as_array().unwrap().iter();
    rows.filter(|row| row["out_trade_no"] == payment.attempt_id.bare()).cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pm_10_every_currency_of_every_channel_is_paid_and_given_back_in_odd_parts_to_the_last_unit() {
    assert_eq!(PARTS.iter().sum::<i64>(), WHOLE);
    let world = World::start().await;
    for (channel, currency, step) in TAKEN {
        let name = format!("{channel:?} {currency}");
        let whole = money(WHOLE * step, currency);
        let intent = p::CreatePaymentIntent { channel, ..world.intent(whole) };
        let opened = world.done::<p::PaymentIntent>("openPayment", &intent).await;
        pay(&world, channel, opened.action).await;
        let about = p::PaymentRef { attempt_id: intent.attempt_id };
        let paid = world.done::<p::PaymentStatus>("settlePayment", &about).await;
        assert_eq!((paid.state, paid.captured), (p::PaymentState::Captured, Some(whole)), "{name}");
        let [row] = booked(&world, "payments", &intent).await.try_into().unwrap();
        // Rows of channels that know yuan alone say no currency.
        let code_booked = row["currency"].as_str().unwrap_or("CNY");
        assert_eq!((&row["total_fen"], code_booked), (&json!(WHOLE * step), currency), "{name}");
        let (mut given, mut left) = (Vec::new(), WHOLE * step);
        for part in PARTS {
            let much = world.refund(intent.attempt_id, money(left + step, currency));
            assert_eq!(
                code(world.call::<p::RefundStatus>("refundPayment", &much).await),
                ("declined", ReasonCode::InvalidRequest),
                "{name}: {left} are left"
            );
            let refund = world.refund(intent.attempt_id, money(part * step, currency));
            world.done::<p::RefundStatus>("refundPayment", &refund).await;
            let about = p::RefundRef { refund_id: refund.refund_id };
            world
                .until(|| async {
                    let status = world.done::<p::RefundStatus>("getRefundStatus", &about).await;
                    assert_eq!(status.amount, refund.amount, "{name}");
                    status.state == p::RefundState::Succeeded
                })
                .await;
            given.push(part * step);
            left -= part * step;
        }
        let more = world.refund(intent.attempt_id, money(step, currency));
        assert_eq!(
            code(world.call::<p::RefundStatus>("refundPayment", &more).await),
            ("declined", ReasonCode::InvalidRequest),
            "{name}: nothing is left"
        );
        let rows = booked(&world, "refunds", &intent).await;
        let amounts: Vec<i64> = rows.iter().map(|row| row["refund_fen"].as_i64().unwrap()).collect();
        assert_eq!(amounts, given, "{name}");
        let paid = world.done::<p::PaymentStatus>("settlePayment", &about).await;
        assert_eq!((paid.state, paid.captured), (p::PaymentState::Captured, Some(whole)), "{name}: paid stays paid");
    }
    for (channel, currency) in NOT_TAKEN {
        let intent = p::CreatePaymentIntent { channel, ..world.intent(money(WHOLE * 10, currency)) };
        let refused = world.call::<p::PaymentIntent>("openPayment", &intent).await;
        assert_eq!(code(refused), ("declined", ReasonCode::InvalidRequest), "{channel:?} {currency}");
        assert!(booked(&world, "payments", &intent).await.is_empty());
    }
    world.stop().await;
}
