//! A payment's whole life at PayPal: through the MCP tools, with the approval page used as a browser would.

use super::{code, world::World};
use serde_json::{Value, json};
use zhiyou_domain::{
    money::Money,
    port::{Outcome, ReasonCode, payments as p},
};

fn money(minor: i64, code: &str) -> Money {
    Money::new(minor, code.parse().unwrap()).unwrap()
}

fn intent(world: &World, amount: Money) -> p::CreatePaymentIntent {
    p::CreatePaymentIntent { channel: p::Channel::Paypal, ..world.intent(amount) }
}

async fn open(world: &World, intent: &p::CreatePaymentIntent) -> String {
    match world.done::<p::PaymentIntent>("openPayment", intent).await.action {
        p::PaymentAction::Redirect { url } => url,
        other => panic!("{other:?} instead of a page"),
    }
}

fn about(intent: &p::CreatePaymentIntent) -> p::PaymentRef {
    p::PaymentRef { attempt_id: intent.attempt_id }
}

async fn status(world: &World, intent: &p::CreatePaymentIntent) -> p::PaymentStatus {
    world.done("settlePayment", &about(intent)).await
}

async fn close(world: &World, intent: &p::CreatePaymentIntent) -> p::PaymentStatus {
    world.done("closePayment", &about(intent)).await
}

/// Opened, approved and taken.
async fn paid(world: &World, intent: &p::CreatePaymentIntent) -> p::PaymentStatus {
    let page = open(world, intent).await;
    world.payer_decides(&page, "approve").await;
    status(world, intent).await
}

/// The one payment in the sandbox's book.
async fn booked(world: &World) -> Value {
    let book = world.book().await;
    let [payment] = book["payments"].as_array().unwrap().as_slice() else { panic!("{}", book["payments"]) };
    payment.clone()
}

async fn refund_status(world: &World, refund: &p::CreateRefund) -> p::RefundStatus {
    world.done("getRefundStatus", &p::RefundRef { refund_id: refund.refund_id }).await
}

async fn switch(world: &World, name: &str, params: Value) {
    let mut body = json!({"provider": "paypal", "switch": name});
    body.as_object_mut().unwrap().extend(params.as_object().unwrap().clone());
    world.scenario(body).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dollars_are_approved_taken_told_of_and_given_back() {
    let world = World::start().await;
    let price = money(29_901, "USD");
    let intent = intent(&world, price);
    let page = open(&world, &intent).await;
    assert_eq!(open(&world, &intent).await, page, "asking again shows the same payment");
    assert_eq!(status(&world, &intent).await.state, p::PaymentState::RequiresAction);

    let back = world.payer_decides(&page, "approve").await;
    let expected = format!("{}/pay/return/{}?token=", world.gateway().base_url(), intent.attempt_id.bare());
    assert!(back.starts_with(&expected) && back.contains("&PayerID="), "{back}");
    assert_eq!(world.get(&back).await, 200);
    let hint = p::UpdateContent::PaymentHint { attempt_id: intent.attempt_id };
    world.until(|| async { world.updates(0).await.iter().any(|update| update.content == hint) }).await;
    assert_eq!(booked(&world).await["state"], "APPROVED", "neither the page nor a notification takes money");

    let seen = world.done::<p::PaymentStatus>("lookAtPayment", &about(&intent)).await;
    assert_eq!(seen.state, p::PaymentState::Processing);
    assert_eq!(booked(&world).await["state"], "APPROVED", "and what says that it reads takes none either");

    let taken = status(&world, &intent).await;
    assert_eq!((taken.state, taken.captured), (p::PaymentState::Captured, Some(price)));
    assert!(taken.paid_at_us.is_some());
    assert_eq!(status(&world, &intent).await, taken);
    let payment = booked(&world).await;
    assert_eq!(payment["transaction_id"], json!(taken.transaction_id));
    assert_eq!((&payment["state"], &payment["taken_fen"]), (&json!("COMPLETED"), &json!(29_901)));
    assert_eq!((&payment["out_trade_no"], &payment["currency"]), (&json!(intent.attempt_id.bare()), &json!("USD")));

    let part = world.refund(intent.attempt_id, money(10_001, "USD"));
    let first = world.done::<p::RefundStatus>("refundPayment", &part).await;
    assert_eq!((first.state, first.amount), (p::RefundState::Succeeded, part.amount));
    assert_eq!(world.done::<p::RefundStatus>("refundPayment", &part).await, first, "the same refund gives back once");
    let hint = p::UpdateContent::RefundHint { refund_id: part.refund_id };
    world.until(|| async { world.updates(0).await.iter().any(|update| update.content == hint) }).await;
    let more = world.refund(intent.attempt_id, money(19_901, "USD"));
    assert_eq!(code(world.call::<p::RefundStatus>("refundPayment", &more).await).0, "declined");
    let rest = world.refund(intent.attempt_id, money(19_900, "USD"));
    world.done::<p::RefundStatus>("refundPayment", &rest).await;
    assert_eq!(refund_status(&world, &rest).await.state, p::RefundState::Succeeded);
    assert_eq!(status(&world, &intent).await, taken, "paid stays paid, whatever is given back");
    let back: i64 =
        world.book().await["refunds"].as_array().unwrap().iter().map(|one| one["refund_fen"].as_i64().unwrap()).sum();
    assert_eq!(back, 29_901);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn yen_are_asked_for_taken_and_given_back_without_decimals() {
    let world = World::start().await;
    let price = money(29_901, "JPY");
    let intent = intent(&world, price);
    let taken = paid(&world, &intent).await;
    assert_eq!((taken.state, taken.captured), (p::PaymentState::Captured, Some(price)));
    let refund = world.refund(intent.attempt_id, money(1, "JPY"));
    world.done::<p::RefundStatus>("refundPayment", &refund).await;
    let book = world.book().await;
    assert_eq!((&book["payments"][0]["total_fen"], &book["refunds"][0]["refund_fen"]), (&json!(29_901), &json!(1)));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn yuan_are_refused_before_anything_is_sent() {
    let world = World::start().await;
    let wish = intent(&world, world.cny(29_901));
    let refused = world.call::<p::PaymentIntent>("openPayment", &wish).await;
    assert_eq!(code(refused), ("declined", ReasonCode::InvalidRequest));
    assert_eq!(world.book().await["payments"], json!([]));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pm_06_who_cancels_on_the_page_can_come_back_until_the_payment_is_closed() {
    let world = World::start().await;
    let intent = intent(&world, money(29_901, "EUR"));
    let page = open(&world, &intent).await;
    let back = world.payer_decides(&page, "cancel").await;
    assert!(back.contains("/pay/return/") && !back.contains("PayerID"), "{back}");
    assert_eq!(status(&world, &intent).await.state, p::PaymentState::RequiresAction);
    world.payer_decides(&page, "approve").await;
    assert_eq!(status(&world, &intent).await.state, p::PaymentState::Captured);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_payment_is_never_captured_though_the_payer_approves_it_all_the_same() {
    let mut world = World::start().await;
    let wish = intent(&world, money(29_901, "USD"));
    let page = open(&world, &wish).await;
    assert_eq!(close(&world, &wish).await.state, p::PaymentState::Closed);
    world.payer_decides(&page, "approve").await;
    for _ in 0..3 {
        assert_eq!(status(&world, &wish).await.state, p::PaymentState::Closed);
    }
    world.restart_gateway().await;
    assert_eq!(status(&world, &wish).await.state, p::PaymentState::Closed, "kept over a restart");
    assert_eq!(close(&world, &wish).await.state, p::PaymentState::Closed);
    assert_eq!((&booked(&world).await["state"], &booked(&world).await["taken_fen"]), (&json!("APPROVED"), &json!(0)));
    let again = world.call::<p::PaymentIntent>("openPayment", &wish).await;
    assert_eq!(code(again), ("declined", ReasonCode::AlreadyClosed));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_approved_and_not_taken_can_still_be_closed_and_what_was_taken_cannot() {
    let world = World::start().await;
    let first = intent(&world, money(29_901, "USD"));
    let page = open(&world, &first).await;
    world.payer_decides(&page, "approve").await;
    assert_eq!(close(&world, &first).await.state, p::PaymentState::Closed);
    assert_eq!(status(&world, &first).await.state, p::PaymentState::Closed);
    let second = intent(&world, money(29_901, "USD"));
    let taken = paid(&world, &second).await;
    assert_eq!(close(&world, &second).await, taken);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_whose_taking_has_no_known_ending_is_not_closed_before_it_has_one() {
    let mut world = World::start().await;
    for (lost, restarted) in [("time_out_then_act", false), ("time_out_before", true)] {
        let wish = intent(&world, money(29_901, "USD"));
        let page = open(&world, &wish).await;
        world.payer_decides(&page, "approve").await;
        switch(&world, lost, json!({"op": "capture"})).await;
        let lost = world.call::<p::PaymentStatus>("settlePayment", &about(&wish)).await;
        assert_eq!(code(lost), ("unknown", ReasonCode::Network));
        if restarted {
            world.restart_gateway().await;
        }
        switch(&world, "time_out_before", json!({"op": "capture"})).await;
        let unknown = world.call::<p::PaymentStatus>("closePayment", &about(&wish)).await;
        assert_eq!(code(unknown), ("unknown", ReasonCode::Network), "taken or not, nobody knows");
        assert_eq!(close(&world, &wish).await.captured, Some(wish.amount));
        assert_eq!(status(&world, &wish).await.captured, Some(wish.amount));
    }
    let taken: i64 =
        world.book().await["payments"].as_array().unwrap().iter().map(|one| one["taken_fen"].as_i64().unwrap()).sum();
    assert_eq!(taken, 2 * 29_901);
    let aside = p::CreatePaymentIntent { authorise: true, ..intent(&world, money(29_901, "USD")) };
    let page = open(&world, &aside).await;
    world.payer_decides(&page, "approve").await;
    switch(&world, "time_out_then_act", json!({"op": "authorize"})).await;
    let lost = world.call::<p::PaymentStatus>("settlePayment", &about(&aside)).await;
    assert_eq!(code(lost), ("unknown", ReasonCode::Network));
    assert_eq!(world.done::<p::PaymentStatus>("voidPayment", &about(&aside)).await.state, p::PaymentState::Closed);
    assert_eq!(world.book().await["payments"][2]["state"], "VOIDED");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_and_closed_at_once_a_payment_is_either_paid_or_closed_and_the_book_says_the_same() {
    let world = World::start().await;
    for _ in 0..8 {
        let wish = intent(&world, money(29_901, "USD"));
        let page = open(&world, &wish).await;
        world.payer_decides(&page, "approve").await;
        let (asked, closed) = tokio::join!(status(&world, &wish), close(&world, &wish));
        let after = status(&world, &wish).await;
        let number = json!(wish.attempt_id.bare());
        let book = world.book().await;
        let mine = book["payments"].as_array().unwrap().iter().find(|one| one["out_trade_no"] == number).unwrap();
        let taken = mine["taken_fen"] == 29_901;
        let wanted = if taken { p::PaymentState::Captured } else { p::PaymentState::Closed };
        assert_eq!((closed.state, after.state), (wanted, wanted), "{asked:?} {mine}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn money_set_aside_is_taken_in_part_once_and_the_rest_is_let_go() {
    let world = World::start().await;
    let wish = p::CreatePaymentIntent { authorise: true, ..intent(&world, money(29_901, "USD")) };
    let early = p::CapturePayment { attempt_id: wish.attempt_id, amount: money(10_000, "USD") };
    let page = open(&world, &wish).await;
    assert_eq!(
        code(world.call::<p::PaymentStatus>("capturePayment", &early).await),
        ("declined", ReasonCode::NotAllowed)
    );
    world.payer_decides(&page, "approve").await;
    let aside = status(&world, &wish).await;
    assert_eq!((aside.state, aside.captured), (p::PaymentState::Authorised, None));
    assert_eq!(booked(&world).await["taken_fen"], 0);

    let too_much = p::CapturePayment { amount: money(29_902, "USD"), ..early.clone() };
    assert_eq!(code(world.call::<p::PaymentStatus>("capturePayment", &too_much).await).0, "declined");
    let taken = world.done::<p::PaymentStatus>("capturePayment", &early).await;
    assert_eq!((taken.state, taken.captured), (p::PaymentState::Captured, Some(early.amount)));
    assert_eq!(world.done::<p::PaymentStatus>("capturePayment", &early).await, taken);
    assert_eq!(status(&world, &wish).await, taken);
    assert_eq!(booked(&world).await["taken_fen"], 10_000);
    let other = p::CapturePayment { amount: money(5_000, "USD"), ..early.clone() };
    assert_eq!(
        code(world.call::<p::PaymentStatus>("capturePayment", &other).await),
        ("declined", ReasonCode::AlreadyPaid)
    );
    assert_eq!(world.done::<p::PaymentStatus>("voidPayment", &about(&wish)).await, taken, "too late to let it go");
    let too_much = world.refund(wish.attempt_id, money(10_001, "USD"));
    assert_eq!(code(world.call::<p::RefundStatus>("refundPayment", &too_much).await).0, "declined");
    let all = world.refund(wish.attempt_id, early.amount);
    assert_eq!(world.done::<p::RefundStatus>("refundPayment", &all).await.state, p::RefundState::Succeeded);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn money_set_aside_is_let_go_and_never_taken_after() {
    let world = World::start().await;
    let wish = p::CreatePaymentIntent { authorise: true, ..intent(&world, money(29_901, "USD")) };
    let page = open(&world, &wish).await;
    world.payer_decides(&page, "approve").await;
    assert_eq!(status(&world, &wish).await.state, p::PaymentState::Authorised);
    assert_eq!(close(&world, &wish).await.state, p::PaymentState::Authorised, "what is set aside has to be let go");
    for _ in 0..2 {
        assert_eq!(world.done::<p::PaymentStatus>("voidPayment", &about(&wish)).await.state, p::PaymentState::Closed);
    }
    let late = p::CapturePayment { attempt_id: wish.attempt_id, amount: money(10_000, "USD") };
    assert_eq!(world.done::<p::PaymentStatus>("capturePayment", &late).await.state, p::PaymentState::Closed);
    assert_eq!((&booked(&world).await["state"], &booked(&world).await["taken_fen"]), (&json!("VOIDED"), &json!(0)));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_effect_whose_answer_was_lost_is_unknown_and_looking_finds_it_done_once() {
    let world = World::start().await;
    let wish = intent(&world, money(29_901, "USD"));
    switch(&world, "act_then_time_out", json!({"op": "create"})).await;
    let lost = world.call::<p::PaymentIntent>("openPayment", &wish).await;
    assert_eq!(code(lost), ("unknown", ReasonCode::Network));
    assert_eq!(status(&world, &wish).await.state, p::PaymentState::RequiresAction);
    let page = open(&world, &wish).await;
    booked(&world).await;

    world.payer_decides(&page, "approve").await;
    switch(&world, "act_then_time_out", json!({"op": "capture"})).await;
    let lost = world.call::<p::PaymentStatus>("settlePayment", &about(&wish)).await;
    assert_eq!(code(lost), ("unknown", ReasonCode::Network));
    assert_eq!(status(&world, &wish).await.captured, Some(wish.amount));
    assert_eq!(booked(&world).await["taken_fen"], 29_901);

    let refund = world.refund(wish.attempt_id, money(10_000, "USD"));
    switch(&world, "act_then_time_out", json!({"op": "refund"})).await;
    let lost = world.call::<p::RefundStatus>("refundPayment", &refund).await;
    assert_eq!(code(lost), ("unknown", ReasonCode::Network));
    assert_eq!(refund_status(&world, &refund).await.state, p::RefundState::Succeeded);
    assert_eq!(world.done::<p::RefundStatus>("refundPayment", &refund).await.state, p::RefundState::Succeeded);
    assert_eq!(world.book().await["refunds"].as_array().unwrap().len(), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_effect_that_never_arrived_is_unknown_and_doing_it_again_does_it_once() {
    let world = World::start().await;
    let wish = p::CreatePaymentIntent { authorise: true, ..intent(&world, money(29_901, "USD")) };
    switch(&world, "time_out_before", json!({"op": "create"})).await;
    let lost = world.call::<p::PaymentIntent>("openPayment", &wish).await;
    assert_eq!(code(lost), ("unknown", ReasonCode::Network));
    let page = open(&world, &wish).await;
    world.payer_decides(&page, "approve").await;
    for name in ["time_out_before", "act_then_time_out"] {
        switch(&world, name, json!({"op": "authorize"})).await;
    }
    assert_eq!(
        code(world.call::<p::PaymentStatus>("settlePayment", &about(&wish)).await),
        ("unknown", ReasonCode::Network)
    );
    assert_eq!(
        code(world.call::<p::PaymentStatus>("settlePayment", &about(&wish)).await),
        ("unknown", ReasonCode::Network)
    );
    assert_eq!(status(&world, &wish).await.state, p::PaymentState::Authorised);
    let take = p::CapturePayment { attempt_id: wish.attempt_id, amount: money(10_000, "USD") };
    for name in ["time_out_before", "act_then_time_out"] {
        switch(&world, name, json!({"op": "take"})).await;
        let lost = world.call::<p::PaymentStatus>("capturePayment", &take).await;
        assert_eq!(code(lost), ("unknown", ReasonCode::Network));
    }
    assert_eq!(world.done::<p::PaymentStatus>("capturePayment", &take).await.captured, Some(take.amount));
    assert_eq!(booked(&world).await["taken_fen"], 10_000);

    let second = p::CreatePaymentIntent { authorise: true, ..intent(&world, money(29_901, "USD")) };
    let page = open(&world, &second).await;
    world.payer_decides(&page, "approve").await;
    assert_eq!(status(&world, &second).await.state, p::PaymentState::Authorised);
    for name in ["time_out_before", "act_then_time_out"] {
        switch(&world, name, json!({"op": "void"})).await;
        let lost = world.call::<p::PaymentStatus>("voidPayment", &about(&second)).await;
        assert_eq!(code(lost), ("unknown", ReasonCode::Network));
    }
    assert_eq!(status(&world, &second).await.state, p::PaymentState::Closed);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_all_notifications_lost_the_result_is_the_same() {
    let world = World::start().await;
    switch(&world, "notify", json!({"mode": "drop"})).await;
    let wish = intent(&world, money(29_901, "GBP"));
    assert_eq!(paid(&world, &wish).await.captured, Some(wish.amount));
    let refund = world.refund(wish.attempt_id, wish.amount);
    assert_eq!(world.done::<p::RefundStatus>("refundPayment", &refund).await.state, p::RefundState::Succeeded);
    assert!(world.updates(0).await.is_empty());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pp_10_a_pending_capture_is_pending_until_it_ends_and_a_declined_one_has_failed() {
    let world = World::start().await;
    switch(&world, "capture_outcome", json!({"value": "PENDING"})).await;
    let wish = intent(&world, money(29_901, "USD"));
    assert_eq!(paid(&world, &wish).await.state, p::PaymentState::Processing);
    assert_eq!(close(&world, &wish).await.state, p::PaymentState::Processing, "it may still become money");
    let early = world.refund(wish.attempt_id, wish.amount);
    assert_eq!(
        code(world.call::<p::RefundStatus>("refundPayment", &early).await),
        ("declined", ReasonCode::NotAllowed)
    );
    switch(&world, "capture_outcome", json!({"value": "COMPLETED"})).await;
    assert_eq!(status(&world, &wish).await.captured, Some(wish.amount));

    switch(&world, "capture_outcome", json!({"value": "DECLINED"})).await;
    let declined = intent(&world, money(29_901, "USD"));
    assert_eq!(paid(&world, &declined).await.state, p::PaymentState::Failed);
    world.scenario(json!({"reset": true})).await;
    assert_eq!(status(&world, &declined).await.state, p::PaymentState::Failed);
    let taken: i64 =
        world.book().await["payments"].as_array().unwrap().iter().map(|one| one["taken_fen"].as_i64().unwrap()).sum();
    assert_eq!(taken, 29_901);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_is_declined_sends_the_payer_to_the_page_again_and_a_refused_payment_is_over() {
    let world = World::start().await;
    let wish = intent(&world, money(29_901, "USD"));
    let page = open(&world, &wish).await;
    world.payer_decides(&page, "approve").await;
    switch(&world, "decline", json!({"op": "capture", "times": 30})).await;
    let asked_for = async || 30 - world.scenarios().await["switches"][0]["times"].as_i64().unwrap();
    for _ in 0..20 {
        assert_eq!(status(&world, &wish).await.state, p::PaymentState::RequiresAction);
        assert_eq!(asked_for().await, 1, "not again before the payer was there again");
    }
    assert_eq!(open(&world, &wish).await, page, "and the payer can be led there again");
    world.advance(1).await;
    world.payer_decides(&page, "approve").await;
    for _ in 0..20 {
        assert_eq!(status(&world, &wish).await.state, p::PaymentState::RequiresAction);
        assert_eq!(asked_for().await, 2);
    }
    world.advance(1).await;
    world.payer_decides(&page, "approve").await;
    world.scenario(json!({"reset": true})).await;
    assert_eq!(status(&world, &wish).await.state, p::PaymentState::Captured);
    let payment = booked(&world).await;
    assert_eq!((&payment["state"], &payment["taken_fen"]), (&json!("COMPLETED"), &json!(29_901)));

    let closed = intent(&world, money(29_901, "USD"));
    switch(&world, "decline", json!({"op": "capture"})).await;
    assert_eq!(paid(&world, &closed).await.state, p::PaymentState::RequiresAction);
    assert_eq!(close(&world, &closed).await.state, p::PaymentState::Closed, "what was refused was not taken");

    let refused = intent(&world, money(29_901, "USD"));
    switch(&world, "decline", json!({"op": "capture", "issue": "TRANSACTION_REFUSED"})).await;
    assert_eq!(paid(&world, &refused).await.state, p::PaymentState::Failed);
    assert_eq!(status(&world, &refused).await.state, p::PaymentState::Failed, "over means never taken after");
    assert_eq!(world.book().await["payments"][2]["taken_fen"], 0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_refund_is_pending_and_a_failed_one_can_be_asked_for_by_a_new_number() {
    let world = World::start().await;
    let wish = intent(&world, money(29_901, "USD"));
    paid(&world, &wish).await;
    switch(&world, "refund_outcome", json!({"value": "PENDING"})).await;
    let refund = world.refund(wish.attempt_id, wish.amount);
    assert_eq!(world.done::<p::RefundStatus>("refundPayment", &refund).await.state, p::RefundState::Pending);
    assert_eq!(refund_status(&world, &refund).await.state, p::RefundState::Pending);
    switch(&world, "refund_outcome", json!({"value": "FAILED"})).await;
    assert_eq!(refund_status(&world, &refund).await.state, p::RefundState::Failed);
    world.scenario(json!({"reset": true})).await;
    let again = world.refund(wish.attempt_id, wish.amount);
    assert_eq!(world.done::<p::RefundStatus>("refundPayment", &again).await.state, p::RefundState::Succeeded);

    let other = intent(&world, money(100, "USD"));
    paid(&world, &other).await;
    switch(&world, "decline", json!({"op": "refund", "issue": "REFUND_FAILED_INSUFFICIENT_FUNDS"})).await;
    let poor = world.refund(other.attempt_id, other.amount);
    assert_eq!(
        code(world.call::<p::RefundStatus>("refundPayment", &poor).await),
        ("declined", ReasonCode::InsufficientBalance)
    );
    switch(&world, "decline", json!({"op": "refund", "issue": "TRANSACTION_DISPUTED"})).await;
    assert_eq!(code(world.call::<p::RefundStatus>("refundPayment", &poor).await), ("declined", ReasonCode::NotAllowed));
    assert_eq!(
        refund_status(&world, &poor).await.state,
        p::RefundState::NotFound,
        "looking at a refused refund does not ask for it again"
    );
    assert_eq!(world.book().await["refunds"].as_array().unwrap().len(), 2);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_was_refused_is_not_asked_for_again_by_questions_and_goes_back_when_it_is_wanted_again() {
    let mut world = World::start().await;
    let wish = intent(&world, money(29_901, "USD"));
    paid(&world, &wish).await;
    let poor = json!({"op": "refund", "issue": "REFUND_FAILED_INSUFFICIENT_FUNDS"});
    switch(&world, "decline", poor.clone()).await;
    let refund = world.refund(wish.attempt_id, wish.amount);
    let refused = code(world.call::<p::RefundStatus>("refundPayment", &refund).await);
    assert_eq!(refused, ("declined", ReasonCode::InsufficientBalance));
    let lost = world.refund(wish.attempt_id, money(100, "USD"));
    let more = code(world.call::<p::RefundStatus>("refundPayment", &lost).await);
    assert_eq!(more, ("declined", ReasonCode::InvalidRequest), "the amount stays reserved");
    for _ in 0..3 {
        assert_eq!(refund_status(&world, &refund).await.state, p::RefundState::NotFound);
        world.restart_gateway().await;
    }
    assert_eq!(world.book().await["refunds"], json!([]));
    switch(&world, "time_out_before", json!({"op": "refund"})).await;
    let unknown = code(world.call::<p::RefundStatus>("refundPayment", &refund).await);
    assert_eq!(unknown, ("unknown", ReasonCode::Network));
    switch(&world, "decline", poor).await;
    for _ in 0..3 {
        assert_eq!(
            refund_status(&world, &refund).await.state,
            p::RefundState::NotFound,
            "asked again once, and refused"
        );
    }
    assert_eq!(world.book().await["refunds"], json!([]));
    assert_eq!(world.done::<p::RefundStatus>("refundPayment", &refund).await.state, p::RefundState::Succeeded);
    assert_eq!(world.book().await["refunds"].as_array().unwrap().len(), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_access_token_is_fetched_again_once_and_the_effect_happens_once() {
    let world = World::start().await;
    let wish = intent(&world, money(29_901, "USD"));
    switch(&world, "forget_tokens", json!({"times": 1})).await;
    let page = open(&world, &wish).await;
    world.payer_decides(&page, "approve").await;
    switch(&world, "forget_tokens", json!({"times": 2})).await;
    let refused = world.call::<p::PaymentStatus>("settlePayment", &about(&wish)).await;
    assert_eq!(code(refused), ("declined", ReasonCode::Unauthorized), "a second refusal is an answer");
    assert_eq!(status(&world, &wish).await.captured, Some(wish.amount));
    booked(&world).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wh_09_a_repeated_notification_is_answered_and_counts_once_and_a_changed_one_is_refused() {
    let world = World::start().await;
    switch(&world, "notify", json!({"mode": "duplicate", "copies": 3})).await;
    let wish = intent(&world, money(29_901, "USD"));
    let page = open(&world, &wish).await;
    world.payer_decides(&page, "approve").await;
    let told = || async {
        let all = world.notifications().await;
        let tries = all.iter().flat_map(|one| one["attempts"].as_array().unwrap().clone());
        tries.filter(|one| one["status"] == 200).count()
    };
    world.until(|| async { told().await == 3 }).await;
    assert_eq!(world.updates(0).await.len(), 1);
    world.scenario(json!({"reset": true})).await;
    switch(&world, "notify", json!({"mode": "corrupt"})).await;
    status(&world, &wish).await;
    world
        .until(|| async {
            let all = world.notifications().await;
            let tries = all.iter().flat_map(|one| one["attempts"].as_array().unwrap().clone()).collect::<Vec<_>>();
            tries.iter().any(|one| one["variant"] == "corrupt" && one["status"] == 401)
        })
        .await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listed_with_its_currencies_and_what_it_can_do() {
    let world = World::start().await;
    let listed = world.raw("listChannels", json!({})).await.structured_content.unwrap();
    let listed: p::Abilities = serde_json::from_value(listed).unwrap();
    let able = listed.channels.iter().find(|able| able.channel == p::Channel::Paypal).unwrap();
    let codes: Vec<&str> = able.currencies.iter().map(|currency| currency.code()).collect();
    assert_eq!(codes, ["AUD", "CAD", "EUR", "GBP", "HKD", "JPY", "SGD", "USD"]);
    assert!(able.authorises && able.presents == p::Presentation::Redirect);
    assert!(matches!(world.call::<p::PaymentStatus>("settlePayment", &about(&world.intent(world.cny(1)))).await,
        Outcome::Done(status) if status.state == p::PaymentState::NotFound));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_payer_wants_back_is_told_as_the_channel_answers_it_and_cannot_be_given_back_on_top() {
    let world = World::start().await;
    let price = money(29_901, "USD");
    let (kept, lost) = (intent(&world, price), intent(&world, price));
    let told = async |intent: &p::CreatePaymentIntent, state: p::DisputeState, minor: i64| {
        let wanted = (intent.attempt_id, state, money(minor, "USD"));
        world.updates(0).await.iter().any(|update| {
            matches!(&update.content, p::UpdateContent::Dispute { status }
                if (status.attempt_id, status.state, status.amount) == wanted)
        })
    };
    for (intent, outcome, state) in [
        (&kept, "RESOLVED_SELLER_FAVOUR", p::DisputeState::Won),
        (&lost, "RESOLVED_BUYER_FAVOUR", p::DisputeState::Lost),
    ] {
        assert_eq!(paid(&world, intent).await.state, p::PaymentState::Captured);
        switch(&world, "dispute", json!({"minor": 9_600})).await;
        world.until(|| told(intent, p::DisputeState::Open, 9_600)).await;
        let refund = world.refund(intent.attempt_id, price);
        let refused = code(world.call::<p::RefundStatus>("refundPayment", &refund).await);
        assert_eq!(refused, ("declined", ReasonCode::NotAllowed));
        switch(&world, "dispute_outcome", json!({"value": outcome, "refunded_minor": 5_000})).await;
        let minor = if state == p::DisputeState::Lost { 5_000 } else { 9_600 };
        world.until(|| told(intent, state, minor)).await;
        world.scenario(json!({"reset": true})).await;
    }
    assert!(!told(&kept, p::DisputeState::Lost, 9_600).await);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispute_that_cannot_be_asked_about_is_told_again_and_not_lost() {
    let world = World::start().await;
    let intent = intent(&world, money(29_901, "USD"));
    paid(&world, &intent).await;
    switch(&world, "decline", json!({"op": "dispute", "issue": "PERMISSION_DENIED"})).await;
    switch(&world, "dispute", json!({})).await;
    let tried = async || {
        let all = world.deliveries().await;
        all.as_array().unwrap().iter().any(|one| one["status"] == 503)
    };
    world.until(tried).await;
    world.advance(2).await;
    let told = async || {
        let dispute = |update: &p::Update| matches!(update.content, p::UpdateContent::Dispute { .. });
        world.updates(0).await.iter().any(dispute)
    };
    world.until(told).await;
    world.stop().await;
}
