//! Our book against the bills the sandbox serves in each provider's own form: a clean day, and every difference planted.

use super::{scannable, world::World};
use serde_json::{Value, json};
use zhiyou_domain::{
    money::{Currency, Money},
    port::{ReasonCode, payments as p},
    time::UtcMicros,
};
use zhiyou_gateway::{Class, Day, Judged, Reconciled, Totals, What};

/// Long enough for every channel's bill of a day to be there, minutes.
const LATER_MIN: i64 = 2 * 24 * 60;
/// Every class as the scenario names it.
const PLANTED: [(&str, Class); 7] = [
    ("missing_here", Class::MissingHere),
    ("missing_there", Class::MissingThere),
    ("amount_differs", Class::AmountDiffers),
    ("currency_differs", Class::CurrencyDiffers),
    ("state_differs", Class::StateDiffers),
    ("duplicate", Class::Duplicate),
    ("foreign", Class::Foreign),
];
const CHANNELS: [p::Channel; 4] = [p::Channel::Wechatpay, p::Channel::Alipay, p::Channel::Stripe, p::Channel::Paypal];

fn currency(channel: p::Channel) -> Currency {
    let code = match channel {
        p::Channel::Wechatpay | p::Channel::Alipay | p::Channel::AlipayPlus | p::Channel::Credit => "CNY",
        p::Channel::Stripe => "KWD",
        p::Channel::Paypal => "USD",
    };
    code.parse().unwrap()
}

/// The day of a channel that an instant falls on.
fn day_of(channel: p::Channel, at: UtcMicros) -> Day {
    let zone = match channel {
        p::Channel::Wechatpay | p::Channel::Alipay | p::Channel::AlipayPlus | p::Channel::Credit => "Asia/Shanghai",
        p::Channel::Stripe | p::Channel::Paypal => "UTC",
    };
    at.in_zone(zone).unwrap().local.date().to_string().parse().unwrap()
}

fn today(channel: p::Channel) -> Day {
    day_of(channel, UtcMicros(jiff::Timestamp::now().as_microsecond()))
}

async fn status(world: &World, attempt_id: zhiyou_domain::id::AttemptId) -> p::PaymentStatus {
    world.done("settlePayment", &p::PaymentRef { attempt_id }).await
}

/// The payer does what the channel shows.
async fn pays(world: &World, intent: &p::CreatePaymentIntent, card: &str) {
    let opened = world.done::<p::PaymentIntent>("openPayment", intent).await;
    match (intent.channel, opened.action) {
        (p::Channel::Wechatpay | p::Channel::Alipay, action) => world.phone_pays(&scannable(action)).await,
        (p::Channel::Stripe, p::PaymentAction::Redirect { url }) => {
            assert_eq!(world.press(&url, ("card", card), &world.address("stripe", "")).await.0, 303);
        }
        (p::Channel::Paypal, p::PaymentAction::Redirect { url }) => {
            world.payer_decides(&url, "approve").await;
        }
        (p::Channel::AlipayPlus, p::PaymentAction::Redirect { url }) => {
            world.payer_decides(&url, "pay").await;
        }
        (channel, action) => panic!("{channel:?} shows {action:?}"),
    }
}

/// Paid, as the channel told us.
async fn paid(world: &World, channel: p::Channel, minor: i64) -> p::PaymentStatus {
    let amount = Money::new(minor, currency(channel)).unwrap();
    let intent = p::CreatePaymentIntent { channel, ..world.intent(amount) };
    pays(world, &intent, "4242").await;
    let status = status(world, intent.attempt_id).await;
    assert_eq!(status.captured, Some(amount));
    status
}

async fn given_back(world: &World, payment: &p::PaymentStatus, minor: i64) {
    let amount = Money::new(minor, payment.captured.unwrap().currency()).unwrap();
    let refund = world.refund(payment.attempt_id, amount);
    world.done::<p::RefundStatus>("refundPayment", &refund).await;
    let arrived = || async {
        let reference = p::RefundRef { refund_id: refund.refund_id };
        world.done::<p::RefundStatus>("getRefundStatus", &reference).await.state == p::RefundState::Succeeded
    };
    world.until(arrived).await;
}

/// Two payments, of which a part of one was given back; the day they are on.
async fn lived(world: &World, channel: p::Channel) -> Day {
    let first = paid(world, channel, 29_900).await;
    paid(world, channel, 10_000).await;
    given_back(world, &first, 5_000).await;
    day_of(channel, first.paid_at_us.unwrap())
}

async fn judged(world: &World, channel: p::Channel, day: Day, ahead_min: i64) -> Judged {
    let books = world.books(ahead_min).await;
    let judged = books.judge(channel, day).await.unwrap();
    books.close().await;
    judged
}

async fn compared(world: &World, channel: p::Channel, day: Day) -> Reconciled {
    match judged(world, channel, day, LATER_MIN).await {
        Judged::Compared(compared) => compared,
        other => panic!("{channel:?} {day}: {other:?}"),
    }
}

fn classes(compared: &Reconciled) -> Vec<Class> {
    compared.differences.iter().map(|difference| difference.class).collect()
}

async fn rule(world: &World, channel: p::Channel, name: &str, value: Value) {
    world.scenario(json!({"provider": channel.word(), "switch": name, "value": value})).await;
}

/// A clean day, and the same day with every difference on the bill.
async fn a_day_at(channel: p::Channel) {
    let world = World::start().await;
    let day = lived(&world, channel).await;
    world.advance(LATER_MIN).await;
    let clean = compared(&world, channel, day).await;
    assert_eq!((&clean.differences, clean.undecided), (&vec![], 0));
    let fees_there = if channel == p::Channel::Wechatpay { 179 + 60 - 30 } else { 0 };
    let expected = Totals {
        paid_here: 39_900,
        paid_there: 39_900,
        refunded_here: 5_000,
        refunded_there: 5_000,
        disputed_there: 0,
        fees_there,
    };
    assert_eq!(clean.totals.get(&currency(channel)), Some(&expected));
    // Alipay's bill names no currency: all of it is yuan.
    let told = |class: &Class| channel != p::Channel::Alipay || *class != Class::CurrencyDiffers;
    for (name, class) in PLANTED.into_iter().filter(|(_, class)| told(class)) {
        rule(&world, channel, "bill_differs", json!(name)).await;
        let found = compared(&world, channel, day).await;
        assert_eq!(classes(&found), [class], "{channel:?} {name}: {:?}", found.differences);
        let difference = &found.differences[0];
        let here = difference.here.map(Money::minor);
        match class {
            Class::MissingHere | Class::Foreign => assert_eq!(here, None),
            Class::StateDiffers => assert_eq!((here, difference.what), (None, What::Refund)),
            Class::MissingThere => assert_eq!(difference.there, None),
            Class::AmountDiffers | Class::CurrencyDiffers | Class::Duplicate => assert!(here.is_some()),
        }
        assert_ne!(difference.here, difference.there.filter(|_| class != Class::Duplicate));
    }
    world.scenario(json!({"reset": true})).await;
    assert_eq!(compared(&world, channel, day).await, clean, "only the bill was changed");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sg_38_a_wechat_day_matches_and_every_planted_difference_is_told() {
    a_day_at(p::Channel::Wechatpay).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sg_38_a_stripe_day_matches_and_every_planted_difference_is_told() {
    a_day_at(p::Channel::Stripe).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sg_38_an_alipay_day_matches_and_every_planted_difference_is_told() {
    a_day_at(p::Channel::Alipay).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alipay_bill_that_was_cut_or_whose_place_is_wrongly_signed_is_not_read() {
    let world = World::start().await;
    let day = lived(&world, p::Channel::Alipay).await;
    world.advance(LATER_MIN).await;
    rule(&world, p::Channel::Alipay, "bill_cut", json!(true)).await;
    let cut = judged(&world, p::Channel::Alipay, day, LATER_MIN).await;
    assert!(matches!(cut, Judged::NotHad(ReasonCode::ProviderFault, _)), "{cut:?}");
    world.scenario(json!({"reset": true})).await;
    world.scenario(json!({"provider": "alipay", "switch": "bad_response_signature"})).await;
    let forged = judged(&world, p::Channel::Alipay, day, LATER_MIN).await;
    assert!(matches!(forged, Judged::NotHad(ReasonCode::IntegrityFault, _)), "{forged:?}");
    assert_eq!(classes(&compared(&world, p::Channel::Alipay, day).await), []);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sg_38_a_paypal_day_matches_and_every_planted_difference_is_told() {
    a_day_at(p::Channel::Paypal).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_is_not_over_or_not_made_up_has_no_bill_and_a_lost_answer_is_none_either() {
    let world = World::start().await;
    let mut days = Vec::new();
    for channel in CHANNELS {
        let payment = paid(&world, channel, 29_900).await;
        let day = day_of(channel, payment.paid_at_us.unwrap());
        assert_eq!(judged(&world, channel, today(channel), 0).await, Judged::NoBill, "{channel:?}");
        days.push((channel, day));
    }
    world.advance(LATER_MIN).await;
    for (channel, day) in days {
        if channel != p::Channel::Stripe {
            rule(&world, channel, "no_bill", json!(true)).await;
            assert_eq!(judged(&world, channel, day, LATER_MIN).await, Judged::NoBill, "{channel:?}");
            rule(&world, channel, "no_bill", json!(false)).await;
        }
        let lost = json!({"provider": channel.word(), "switch": "time_out_before", "op": "bill", "times": 9});
        world.scenario(lost).await;
        let answer = judged(&world, channel, day, LATER_MIN).await;
        assert!(matches!(answer, Judged::NotHad(ReasonCode::Network, _)), "{channel:?}: {answer:?}");
        world.scenario(json!({"reset": true})).await;
        assert_eq!(classes(&compared(&world, channel, day).await), [], "{channel:?}");
    }
    // Alipay+'s bills are not read, which is not the same as a bill without lines.
    let unread = judged(&world, p::Channel::AlipayPlus, today(p::Channel::AlipayPlus), LATER_MIN).await;
    assert!(matches!(unread, Judged::NotHad(ReasonCode::NotAllowed, _)), "{unread:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wechat_bill_that_was_cut_or_whose_place_is_wrongly_signed_is_not_read() {
    let world = World::start().await;
    let day = lived(&world, p::Channel::Wechatpay).await;
    world.advance(LATER_MIN).await;
    rule(&world, p::Channel::Wechatpay, "bill_cut", json!(true)).await;
    let cut = judged(&world, p::Channel::Wechatpay, day, LATER_MIN).await;
    assert!(matches!(cut, Judged::NotHad(ReasonCode::IntegrityFault, _)), "{cut:?}");
    world.scenario(json!({"reset": true})).await;
    world.scenario(json!({"provider": "wechatpay", "switch": "bad_response_signature"})).await;
    let forged = judged(&world, p::Channel::Wechatpay, day, LATER_MIN).await;
    assert!(matches!(forged, Judged::NotHad(ReasonCode::IntegrityFault, _)), "{forged:?}");
    assert_eq!(classes(&compared(&world, p::Channel::Wechatpay, day).await), []);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_in_many_pages_is_read_to_its_end() {
    let world = World::start().await;
    let mut days = Vec::new();
    for channel in [p::Channel::Stripe, p::Channel::Paypal] {
        days.push((channel, lived(&world, channel).await));
        rule(&world, channel, "page_max", json!(1)).await;
    }
    world.advance(LATER_MIN).await;
    for (channel, day) in days {
        let compared = compared(&world, channel, day).await;
        assert_eq!(compared.differences, [], "{channel:?}");
        assert_eq!(compared.totals[&currency(channel)].paid_there, 39_900);
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn money_set_aside_and_taken_in_part_is_one_payment_of_what_was_taken() {
    for channel in [p::Channel::Stripe, p::Channel::Paypal] {
        let world = World::start().await;
        let (all, part) =
            (Money::new(29_900, currency(channel)).unwrap(), Money::new(20_000, currency(channel)).unwrap());
        let intent = p::CreatePaymentIntent { channel, authorise: true, ..world.intent(all) };
        pays(&world, &intent, "4242").await;
        assert_eq!(status(&world, intent.attempt_id).await.state, p::PaymentState::Authorised);
        let wish = p::CapturePayment { attempt_id: intent.attempt_id, amount: part };
        let taken = world.done::<p::PaymentStatus>("capturePayment", &wish).await;
        assert_eq!(taken.captured, Some(part));
        let day = day_of(channel, taken.paid_at_us.unwrap());
        world.advance(LATER_MIN).await;
        let compared = compared(&world, channel, day).await;
        assert_eq!(compared.differences, [], "{channel:?}");
        let totals = compared.totals[&currency(channel)];
        assert_eq!((totals.paid_here, totals.paid_there), (20_000, 20_000), "{channel:?}");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_failed_is_no_money_given_back_and_one_that_came_back_behind_our_back_is_told() {
    let channel = p::Channel::Stripe;
    for (outcome, asked, expected) in [
        ("failed", Some(p::RefundState::Failed), vec![]),
        ("late_failure", Some(p::RefundState::CameBack), vec![]),
        ("late_failure", None, vec![Class::StateDiffers; 2]),
    ] {
        let world = World::start().await;
        let payment = paid(&world, channel, 29_900).await;
        rule(&world, channel, "refund_outcome", json!(outcome)).await;
        let refund = world.refund(payment.attempt_id, Money::new(5_000, currency(channel)).unwrap());
        world.done::<p::RefundStatus>("refundPayment", &refund).await;
        let reference = p::RefundRef { refund_id: refund.refund_id };
        let ended = || async {
            match asked {
                Some(wanted) => world.done::<p::RefundStatus>("getRefundStatus", &reference).await.state == wanted,
                // Nobody asks: the row keeps what it knew.
                None => world.book().await["refunds"][0]["state"] == "failed",
            }
        };
        world.until(ended).await;
        world.advance(LATER_MIN).await;
        let compared = compared(&world, channel, day_of(channel, payment.paid_at_us.unwrap())).await;
        assert_eq!(classes(&compared), expected, "{outcome}: {:?}", compared.differences);
        let totals = compared.totals[&currency(channel)];
        assert_eq!((totals.paid_there, totals.refunded_there), (29_900, 0), "{outcome}");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_bank_takes_back_is_a_difference_until_we_were_told() {
    let world = World::start().await;
    let channel = p::Channel::Stripe;
    let intent = p::CreatePaymentIntent { channel, ..world.intent(Money::new(29_900, currency(channel)).unwrap()) };
    pays(&world, &intent, "0259").await;
    let paid = status(&world, intent.attempt_id).await;
    let day = day_of(channel, paid.paid_at_us.unwrap());
    let disputed = |update: &p::Update| matches!(update.content, p::UpdateContent::Dispute { .. });
    world.what_came_too_early_comes_again().await;
    world.until(|| async { world.updates(0).await.iter().any(disputed) }).await;
    world.advance(LATER_MIN).await;
    let told = compared(&world, channel, day).await;
    assert_eq!(told.differences, []);
    assert_eq!(told.totals[&currency(channel)].disputed_there, 29_900);
    world.stop().await;

    let world = World::start().await;
    world.scenario(json!({"provider": "stripe", "switch": "notify", "mode": "drop"})).await;
    let intent = p::CreatePaymentIntent { channel, ..world.intent(Money::new(29_900, currency(channel)).unwrap()) };
    pays(&world, &intent, "0259").await;
    let day = day_of(channel, status(&world, intent.attempt_id).await.paid_at_us.unwrap());
    world.advance(LATER_MIN).await;
    let untold = compared(&world, channel, day).await;
    assert_eq!(classes(&untold), [Class::StateDiffers]);
    assert_eq!(untold.differences[0].what, What::Dispute);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sg_38_money_that_came_without_our_knowing_is_told_and_asking_settles_it() {
    let world = World::start().await;
    let channel = p::Channel::Wechatpay;
    world.scenario(json!({"provider": "wechatpay", "switch": "notify", "mode": "drop"})).await;
    let intent = p::CreatePaymentIntent { channel, ..world.intent(world.cny(29_900)) };
    pays(&world, &intent, "").await;
    let day = today(channel);
    world.advance(LATER_MIN).await;
    let found = compared(&world, channel, day).await;
    assert_eq!(classes(&found), [Class::StateDiffers]);
    let difference = &found.differences[0];
    assert_eq!(difference.ours, Some(intent.attempt_id.bare()));
    assert_eq!((difference.here, difference.there), (Some(world.cny(29_900)), Some(world.cny(29_900))));
    world.advance(-LATER_MIN).await;
    assert_eq!(status(&world, intent.attempt_id).await.captured, Some(world.cny(29_900)));
    world.advance(LATER_MIN).await;
    assert_eq!(classes(&compared(&world, channel, day).await), []);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sg_38_a_refund_that_arrived_without_our_knowing_is_told() {
    let world = World::start().await;
    let channel = p::Channel::Wechatpay;
    let payment = paid(&world, channel, 29_900).await;
    world.scenario(json!({"provider": "wechatpay", "switch": "notify", "mode": "drop"})).await;
    let refund = world.refund(payment.attempt_id, world.cny(5_000));
    let asked = world.done::<p::RefundStatus>("refundPayment", &refund).await;
    assert_eq!(asked.state, p::RefundState::Pending);
    world.advance(LATER_MIN).await;
    let found = compared(&world, channel, day_of(channel, payment.paid_at_us.unwrap())).await;
    assert_eq!(classes(&found), [Class::StateDiffers]);
    let difference = &found.differences[0];
    assert_eq!((difference.what, difference.ours.as_deref()), (What::Refund, Some(&*refund.refund_id.bare())));
    let totals = found.totals[&currency(channel)];
    assert_eq!((totals.refunded_here, totals.refunded_there), (0, 5_000));
    world.stop().await;
}
