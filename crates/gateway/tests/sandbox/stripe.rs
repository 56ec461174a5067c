//! A card payment's life: the hosted page driven over HTTP, money set aside, given back, answers and notifications lost.

use crate::{code, world::World};
use serde_json::{Value, json};
use zhiyou_domain::{
    money::{Currency, Money},
    port::{Outcome, ReasonCode, payments as p},
};

const PAYS: &str = "4242";
const ASKS: &str = "3155";
const DECLINES: &str = "0002";

/// A payment and the page it was opened with.
struct Open {
    intent: p::CreatePaymentIntent,
    page: String,
}

fn wish(world: &World, amount: Money, authorise: bool) -> p::CreatePaymentIntent {
    p::CreatePaymentIntent { channel: p::Channel::Stripe, authorise, ..world.intent(amount) }
}

fn shown(intent: p::PaymentIntent) -> String {
    match intent.action {
        p::PaymentAction::Redirect { url } => url,
        other => panic!("{other:?} instead of a page"),
    }
}

async fn opened(world: &World, intent: p::CreatePaymentIntent) -> Open {
    let page = shown(world.done::<p::PaymentIntent>("openPayment", &intent).await);
    Open { intent, page }
}

async fn open(world: &World, minor: i64) -> Open {
    opened(world, wish(world, world.cny(minor), false)).await
}

async fn authorised(world: &World, minor: i64) -> Open {
    let open = opened(world, wish(world, world.cny(minor), true)).await;
    open.choose(world, PAYS).await;
    assert_eq!(open.status(world).await.state, p::PaymentState::Authorised);
    open
}

async fn paid(world: &World, minor: i64) -> Open {
    let open = open(world, minor).await;
    open.choose(world, PAYS).await;
    open
}

impl Open {
    fn reference(&self) -> p::PaymentRef {
        p::PaymentRef { attempt_id: self.intent.attempt_id }
    }

    /// Presses a card on the page; answers where that leads.
    async fn choose(&self, world: &World, card: &str) -> String {
        let (status, target, text) = world.press(&self.page, ("card", card), &world.address("stripe", "")).await;
        assert_eq!(status, 303, "{text}");
        target
    }

    async fn tell_bank(&self, world: &World, answer: &str) -> String {
        let url = format!("{}/challenge", self.page);
        let (status, target, text) = world.press(&url, ("answer", answer), &world.address("stripe", "")).await;
        assert_eq!(status, 303, "{text}");
        target
    }

    async fn status(&self, world: &World) -> p::PaymentStatus {
        world.done("settlePayment", &self.reference()).await
    }

    async fn capture(&self, world: &World, amount: Money) -> Outcome<p::PaymentStatus> {
        world.call("capturePayment", &p::CapturePayment { attempt_id: self.intent.attempt_id, amount }).await
    }

    async fn void(&self, world: &World) -> Outcome<p::PaymentStatus> {
        world.call("voidPayment", &self.reference()).await
    }

    async fn close(&self, world: &World) -> Outcome<p::PaymentStatus> {
        world.call("closePayment", &self.reference()).await
    }

    async fn refund(&self, world: &World, minor: i64) -> p::CreateRefund {
        world.refund(self.intent.attempt_id, Money::new(minor, self.intent.amount.currency()).unwrap())
    }
}

async fn refund_state(world: &World, refund: &p::CreateRefund) -> p::RefundState {
    world.done::<p::RefundStatus>("getRefundStatus", &p::RefundRef { refund_id: refund.refund_id }).await.state
}

async fn ours(world: &World, list: &str) -> Vec<Value> {
    let book = world.book().await;
    let all = book[list].as_array().unwrap().iter();
    all.filter(|row| row["channel"] == "stripe").cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_pays_on_the_hosted_page_once_and_the_notification_brings_the_money() {
    let world = World::start().await;
    let open = open(&world, 29_901).await;
    assert!(open.page.starts_with(&world.address("stripe", "/c/pay/cs_test_")), "{}", open.page);
    let again = world.done::<p::PaymentIntent>("openPayment", &open.intent).await;
    assert_eq!(shown(again), open.page, "the same attempt is the same page");
    let (status, _, page) = world.look_at(&open.page).await;
    assert_eq!(status, 200);
    for text in ["沙盒", "Sandbox", "CNY 299.01", "智游 上海三日"] {
        assert!(page.contains(text), "{text}");
    }
    let mut wake = world.gateway().wake();
    let back = open.choose(&world, PAYS).await;
    assert_eq!(back, format!("{}/pay/return/{}", world.gateway().base_url(), open.intent.attempt_id.bare()));
    wake.changed().await.unwrap();
    world.until_paid(open.intent.attempt_id).await;
    let status = open.status(&world).await;
    assert_eq!((status.state, status.captured), (p::PaymentState::Captured, Some(open.intent.amount)));
    assert!(status.transaction_id.unwrap().starts_with("pi_") && status.paid_at_us.is_some());
    let (status, _, _) = world.press(&open.page, ("card", PAYS), &world.address("stripe", "")).await;
    assert_eq!(status, 409, "a page pays once");
    assert_eq!(
        code(world.call::<p::PaymentIntent>("openPayment", &open.intent).await),
        ("declined", ReasonCode::AlreadyPaid)
    );
    let [payment] = ours(&world, "payments").await.try_into().unwrap();
    assert_eq!((&payment["state"], &payment["total_fen"]), (&json!("succeeded"), &json!(29_901)));
    assert_eq!(
        (&payment["out_trade_no"], &payment["currency"]),
        (&json!(open.intent.attempt_id.bare()), &json!("CNY"))
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pm_07_coming_back_with_a_forged_result_proves_nothing() {
    let world = World::start().await;
    let open = open(&world, 100).await;
    let back = format!(
        "{}/pay/return/{}?redirect_status=succeeded&payment_status=paid",
        world.gateway().base_url(),
        open.intent.attempt_id.bare()
    );
    assert_eq!(world.look_at(&back).await.0, 200);
    assert_eq!(open.status(&world).await.state, p::PaymentState::RequiresAction);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pm_06_a_failed_check_and_a_declined_card_leave_the_page_open_until_one_pays() {
    let world = World::start().await;
    let open = open(&world, 1_000).await;
    let waiting = (p::PaymentState::RequiresAction, None);
    assert!(open.choose(&world, DECLINES).await.starts_with("/c/pay/"));
    assert!(world.look_at(&open.page).await.2.contains("没有付成"));
    let status = open.status(&world).await;
    assert_eq!((status.state, status.captured), waiting);
    for _ in 0..2 {
        assert!(open.choose(&world, ASKS).await.ends_with("/challenge"));
        assert!(world.look_at(&format!("{}/challenge", open.page)).await.2.contains("3DS"));
        assert_eq!(open.status(&world).await.state, p::PaymentState::RequiresAction, "nobody answered the bank");
        assert!(!open.tell_bank(&world, "fail").await.ends_with("/challenge"));
        assert_eq!(open.status(&world).await.state, p::PaymentState::RequiresAction);
    }
    open.choose(&world, ASKS).await;
    assert!(open.tell_bank(&world, "approve").await.contains("/pay/return/"));
    assert_eq!(open.status(&world).await.captured, Some(open.intent.amount));
    let switched = self::open(&world, 1_000).await;
    world.scenario(json!({"provider": "stripe", "switch": "decline"})).await;
    switched.choose(&world, PAYS).await;
    assert_eq!(switched.status(&world).await.state, p::PaymentState::RequiresAction);
    world.scenario(json!({"provider": "stripe", "switch": "3ds"})).await;
    assert!(switched.choose(&world, PAYS).await.ends_with("/challenge"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_page_is_closed_a_paid_one_answers_paid_and_time_closes_it_too() {
    let world = World::start().await;
    let (first, second, third) = (open(&world, 100).await, paid(&world, 200).await, open(&world, 300).await);
    let Outcome::Done(closed) = first.close(&world).await else { panic!() };
    assert_eq!(closed.state, p::PaymentState::Closed);
    let Outcome::Done(again) = first.close(&world).await else { panic!() };
    assert_eq!(again.state, p::PaymentState::Closed);
    assert!(world.look_at(&first.page).await.2.contains("此页面已关闭"));
    assert_eq!(world.press(&first.page, ("card", PAYS), &world.address("stripe", "")).await.0, 409);
    assert_eq!(
        code(world.call::<p::PaymentIntent>("openPayment", &first.intent).await),
        ("declined", ReasonCode::AlreadyClosed)
    );
    let Outcome::Done(status) = second.close(&world).await else { panic!() };
    assert_eq!((status.state, status.captured), (p::PaymentState::Captured, Some(second.intent.amount)));
    world.advance(61).await;
    assert_eq!(third.status(&world).await.state, p::PaymentState::Closed);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_page_that_was_asked_the_bank_meanwhile_takes_no_money() {
    let world = World::start().await;
    let open = open(&world, 100).await;
    open.choose(&world, ASKS).await;
    let Outcome::Done(closed) = open.close(&world).await else { panic!() };
    assert_eq!(closed.state, p::PaymentState::Closed);
    let url = format!("{}/challenge", open.page);
    assert_eq!(world.press(&url, ("answer", "approve"), &world.address("stripe", "")).await.0, 409);
    assert_eq!(ours(&world, "payments").await[0]["state"], "canceled");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn authorised_money_is_taken_in_part_and_no_more_than_that_is_given_back() {
    let world = World::start().await;
    let open = authorised(&world, 10_000).await;
    assert_eq!(code(open.capture(&world, world.cny(10_001)).await), ("declined", ReasonCode::InvalidRequest));
    let early = open.refund(&world, 1).await;
    assert_eq!(
        code(world.call::<p::RefundStatus>("refundPayment", &early).await),
        ("declined", ReasonCode::NotAllowed)
    );
    for _ in 0..2 {
        let Outcome::Done(taken) = open.capture(&world, world.cny(7_000)).await else { panic!() };
        assert_eq!((taken.state, taken.captured), (p::PaymentState::Captured, Some(world.cny(7_000))));
    }
    assert_eq!(code(open.capture(&world, world.cny(6_000)).await), ("declined", ReasonCode::AlreadyPaid));
    assert_eq!(open.status(&world).await.captured, Some(world.cny(7_000)));
    let much = open.refund(&world, 7_001).await;
    assert_eq!(
        code(world.call::<p::RefundStatus>("refundPayment", &much).await),
        ("declined", ReasonCode::InvalidRequest)
    );
    for minor in [3_000, 4_000] {
        let part = open.refund(&world, minor).await;
        let given = world.done::<p::RefundStatus>("refundPayment", &part).await;
        assert_eq!((given.state, given.amount), (p::RefundState::Succeeded, part.amount));
        assert_eq!(world.done::<p::RefundStatus>("refundPayment", &part).await, given, "once");
    }
    let [payment] = ours(&world, "payments").await.try_into().unwrap();
    assert_eq!((&payment["taken_fen"], &payment["total_fen"]), (&json!(7_000), &json!(10_000)));
    let refunds = ours(&world, "refunds").await;
    assert_eq!(refunds.iter().map(|refund| refund["refund_fen"].as_i64().unwrap()).collect::<Vec<_>>(), [3_000, 4_000]);
    assert!(refunds.iter().all(|refund| refund["out_trade_no"] == open.intent.attempt_id.bare()));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn authorised_money_is_let_go_once_and_a_page_nobody_used_is_closed() {
    let world = World::start().await;
    let open = authorised(&world, 10_000).await;
    let Outcome::Done(kept) = open.close(&world).await else { panic!() };
    assert_eq!(kept.state, p::PaymentState::Authorised, "closing is not letting go");
    for _ in 0..2 {
        let Outcome::Done(gone) = open.void(&world).await else { panic!() };
        assert_eq!((gone.state, gone.captured), (p::PaymentState::Closed, None));
    }
    let Outcome::Done(refused) = open.capture(&world, world.cny(10_000)).await else { panic!() };
    assert_eq!(refused.state, p::PaymentState::Closed, "nothing is left to take");
    let unused = opened(&world, wish(&world, world.cny(100), true)).await;
    let Outcome::Done(gone) = unused.void(&world).await else { panic!() };
    assert_eq!(gone.state, p::PaymentState::Closed);
    let taken = authorised(&world, 500).await;
    taken.capture(&world, world.cny(500)).await;
    let Outcome::Done(late) = taken.void(&world).await else { panic!() };
    assert_eq!((late.state, late.captured), (p::PaymentState::Captured, Some(world.cny(500))));
    let plain = paid(&world, 100).await;
    assert_eq!(code(plain.void(&world).await), ("declined", ReasonCode::NotAllowed));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorisation_that_lapsed_is_closed() {
    let world = World::start().await;
    let open = authorised(&world, 100).await;
    world.advance(7 * 24 * 60 + 1).await;
    let Outcome::Done(lapsed) = open.capture(&world, world.cny(100)).await else { panic!() };
    assert_eq!((lapsed.state, lapsed.captured), (p::PaymentState::Closed, None));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_opening_is_unknown_and_never_makes_a_second_page() {
    let world = World::start().await;
    for switch in ["act_then_time_out", "time_out_before"] {
        world.scenario(json!({"provider": "stripe", "switch": switch, "op": "create"})).await;
        let intent = wish(&world, world.cny(100), false);
        let lost = code(world.call::<p::PaymentIntent>("openPayment", &intent).await);
        assert_eq!(lost, ("unknown", ReasonCode::Network), "{switch}");
        let reference = p::PaymentRef { attempt_id: intent.attempt_id };
        let status = world.done::<p::PaymentStatus>("settlePayment", &reference).await;
        assert_eq!(status.state, p::PaymentState::RequiresAction, "{switch}");
        let open = opened(&world, intent).await;
        open.choose(&world, PAYS).await;
        assert_eq!(open.status(&world).await.captured, Some(world.cny(100)), "{switch}");
    }
    let lost = wish(&world, world.cny(100), false);
    world.scenario(json!({"provider": "stripe", "switch": "act_then_time_out", "op": "create"})).await;
    assert_eq!(code(world.call::<p::PaymentIntent>("openPayment", &lost).await).0, "unknown");
    let reference = p::PaymentRef { attempt_id: lost.attempt_id };
    assert_eq!(world.done::<p::PaymentStatus>("closePayment", &reference).await.state, p::PaymentState::Closed);
    let payments = ours(&world, "payments").await;
    assert_eq!(
        payments.iter().map(|row| row["state"].as_str().unwrap()).collect::<Vec<_>>(),
        ["succeeded", "succeeded", "expired"]
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_closing_taking_or_letting_go_is_told_by_a_question() {
    let world = World::start().await;
    for switch in ["act_then_time_out", "time_out_before"] {
        let lose = async |op: &str| world.scenario(json!({"provider": "stripe", "switch": switch, "op": op})).await;
        let happened = switch == "act_then_time_out";

        let page = open(&world, 100).await;
        lose("close").await;
        assert_eq!(code(page.close(&world).await), ("unknown", ReasonCode::Network));
        let wanted = if happened { p::PaymentState::Closed } else { p::PaymentState::RequiresAction };
        assert_eq!(page.status(&world).await.state, wanted);

        let taken = authorised(&world, 1_000).await;
        lose("capture").await;
        assert_eq!(code(taken.capture(&world, world.cny(600)).await), ("unknown", ReasonCode::Network));
        let wanted = if happened { Some(world.cny(600)) } else { None };
        assert_eq!(taken.status(&world).await.captured, wanted);
        let Outcome::Done(again) = taken.capture(&world, world.cny(600)).await else { panic!() };
        assert_eq!(again.captured, Some(world.cny(600)));

        let gone = authorised(&world, 1_000).await;
        lose("void").await;
        assert_eq!(code(gone.void(&world).await), ("unknown", ReasonCode::Network));
        let wanted = if happened { p::PaymentState::Closed } else { p::PaymentState::Authorised };
        assert_eq!(gone.status(&world).await.state, wanted);
        let Outcome::Done(again) = gone.void(&world).await else { panic!() };
        assert_eq!(again.state, p::PaymentState::Closed);
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_a_refund_never_gives_back_twice() {
    let world = World::start().await;
    let open = paid(&world, 1_000).await;
    for (switch, there) in
        [("act_then_time_out", p::RefundState::Succeeded), ("time_out_before", p::RefundState::NotFound)]
    {
        world.scenario(json!({"provider": "stripe", "switch": switch, "op": "refund"})).await;
        let refund = open.refund(&world, 300).await;
        let lost = code(world.call::<p::RefundStatus>("refundPayment", &refund).await);
        assert_eq!(lost, ("unknown", ReasonCode::Network), "{switch}");
        assert_eq!(refund_state(&world, &refund).await, there, "{switch}");
        let again = world.done::<p::RefundStatus>("refundPayment", &refund).await;
        assert_eq!(again.state, p::RefundState::Succeeded, "{switch}");
    }
    let refunds = ours(&world, "refunds").await;
    assert_eq!(refunds.iter().map(|refund| refund["refund_fen"].as_i64().unwrap()).sum::<i64>(), 600, "{refunds:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_all_notifications_lost_questions_tell_the_same() {
    let world = World::start().await;
    world.scenario(json!({"provider": "stripe", "switch": "notify", "mode": "drop"})).await;
    let open = paid(&world, 1_000).await;
    let status = open.status(&world).await;
    assert_eq!((status.state, status.captured), (p::PaymentState::Captured, Some(world.cny(1_000))));
    let refund = open.refund(&world, 1_000).await;
    world.done::<p::RefundStatus>("refundPayment", &refund).await;
    assert_eq!(refund_state(&world, &refund).await, p::RefundState::Succeeded);
    let held = authorised(&world, 500).await;
    let Outcome::Done(taken) = held.capture(&world, world.cny(200)).await else { panic!() };
    assert_eq!(taken.captured, Some(world.cny(200)));
    assert!(world.updates(0).await.is_empty());
    let tries = world.deliveries().await;
    assert!(tries.as_array().unwrap().iter().all(|one| one["attempts"].as_array().unwrap().is_empty()), "{tries}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_takes_its_time_ends_as_the_channel_says() {
    let world = World::start().await;
    let open = paid(&world, 10_000).await;
    world.scenario(json!({"provider": "stripe", "switch": "refund_outcome", "value": "pending"})).await;
    let slow = open.refund(&world, 1_000).await;
    assert_eq!(world.done::<p::RefundStatus>("refundPayment", &slow).await.state, p::RefundState::Pending);
    assert_eq!(refund_state(&world, &slow).await, p::RefundState::Pending);
    world.scenario(json!({"provider": "stripe", "switch": "refund_outcome", "value": "succeeded"})).await;
    world.until(|| async { refund_state(&world, &slow).await == p::RefundState::Succeeded }).await;
    for outcome in ["failed", "canceled"] {
        world.scenario(json!({"provider": "stripe", "switch": "refund_outcome", "value": outcome})).await;
        let refused = open.refund(&world, 9_000).await;
        world.done::<p::RefundStatus>("refundPayment", &refused).await;
        world.until(|| async { refund_state(&world, &refused).await == p::RefundState::Failed }).await;
    }
    world.scenario(json!({"provider": "stripe", "switch": "refund_outcome", "value": "late_failure"})).await;
    let back = open.refund(&world, 500).await;
    assert_eq!(world.done::<p::RefundStatus>("refundPayment", &back).await.state, p::RefundState::Succeeded);
    world.until(|| async { refund_state(&world, &back).await == p::RefundState::CameBack }).await;
    assert_eq!(refund_state(&world, &back).await, p::RefundState::CameBack, "it stays with us");
    let hint = p::UpdateContent::RefundHint { refund_id: back.refund_id };
    world.until(|| async { world.updates(0).await.iter().any(|update| update.content == hint) }).await;
    let hint = p::UpdateContent::RefundHint { refund_id: slow.refund_id };
    world.until(|| async { world.updates(0).await.iter().any(|update| update.content == hint) }).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_bank_takes_back_is_told_and_cannot_be_given_back_on_top() {
    let world = World::start().await;
    let open = open(&world, 1_000).await;
    open.choose(&world, "0259").await;
    let told = async |state: p::DisputeState| {
        world.updates(0).await.iter().any(|update| {
            matches!(&update.content, p::UpdateContent::Dispute { status }
                if status.attempt_id == open.intent.attempt_id && status.amount == open.intent.amount && status.state == state)
        })
    };
    world.until_paid(open.intent.attempt_id).await;
    world.what_came_too_early_comes_again().await;
    world.until(|| told(p::DisputeState::Open)).await;
    let refund = open.refund(&world, 1_000).await;
    assert_eq!(
        code(world.call::<p::RefundStatus>("refundPayment", &refund).await),
        ("declined", ReasonCode::NotAllowed)
    );
    world.scenario(json!({"provider": "stripe", "switch": "dispute_outcome", "value": "lost"})).await;
    world.until(|| told(p::DisputeState::Lost)).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn st_02_notifications_are_accepted_while_the_secret_is_rolled_and_refused_when_they_were_changed() {
    let world = World::start().await;
    world.scenario(json!({"provider": "stripe", "switch": "roll_secret"})).await;
    let rolled = paid(&world, 100).await;
    world.until_paid(rolled.intent.attempt_id).await;
    world.scenario(json!({"reset": true})).await;
    world.scenario(json!({"provider": "stripe", "switch": "notify", "mode": "corrupt"})).await;
    let changed = paid(&world, 200).await;
    let about = changed.intent.attempt_id.bare();
    let refused = async || {
        let all = world.deliveries().await;
        let mine: Vec<Value> =
            all.as_array().unwrap().iter().filter(|one| one["about"] == about.as_str()).cloned().collect();
        !mine.is_empty() && mine.iter().all(|one| one["status"] == 401)
    };
    world.until(refused).await;
    let told = |updates: &[p::Update]| {
        updates.iter().any(|update| matches!(&update.content, p::UpdateContent::Payment { status } if status.attempt_id == changed.intent.attempt_id))
    };
    assert!(!told(&world.updates(0).await));
    world.send_again(&about).await;
    world.until_paid(changed.intent.attempt_id).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pm_10_amounts_go_out_in_the_currencys_own_unit_or_not_at_all() {
    let world = World::start().await;
    let money = |minor: i64, code: &str| Money::new(minor, code.parse::<Currency>().unwrap()).unwrap();
    for (amount, wire, text) in [
        (money(1_500, "JPY"), 1_500, "JPY 1500"),
        (money(5_120, "KWD"), 5_120, "KWD 5.120"),
        (money(99, "USD"), 99, "USD 0.99"),
    ] {
        let open = opened(&world, wish(&world, amount, false)).await;
        assert!(world.look_at(&open.page).await.2.contains(text), "{text}");
        open.choose(&world, PAYS).await;
        assert_eq!(open.status(&world).await.captured, Some(amount));
        assert_eq!(ours(&world, "payments").await.last().unwrap()["total_fen"], wire);
    }
    for amount in [money(5_124, "KWD"), money(100_000_000, "USD"), money(100, "THB")] {
        let refused = world.call::<p::PaymentIntent>("openPayment", &wish(&world, amount, false)).await;
        assert_eq!(code(refused), ("declined", ReasonCode::InvalidRequest), "{amount}");
    }
    assert_eq!(ours(&world, "payments").await.len(), 3);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_page_itself_can_pay() {
    let world = World::start().await;
    let open = open(&world, 100).await;
    for origin in ["http://evil.example", "null", world.gateway().base_url()] {
        assert_eq!(world.press(&open.page, ("card", PAYS), origin).await.0, 403, "{origin}");
    }
    let named = open.page.replace("127.0.0.1", "localhost");
    assert_eq!(world.look_at(&named).await.0, 421);
    assert_eq!(open.status(&world).await.state, p::PaymentState::RequiresAction);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_survives_a_restart_of_the_gateway_and_so_does_the_address_for_notifications() {
    let mut world = World::start().await;
    let open = open(&world, 100).await;
    world.restart_gateway().await;
    assert_eq!(shown(world.done::<p::PaymentIntent>("openPayment", &open.intent).await), open.page);
    open.choose(&world, PAYS).await;
    world.until_paid(open.intent.attempt_id).await;
    let events = world.deliveries().await;
    let events = events.as_array().unwrap().iter().filter(|one| one["event_type"] == "checkout.session.completed");
    assert_eq!(events.count(), 1, "one endpoint");
    world.stop().await;
}
