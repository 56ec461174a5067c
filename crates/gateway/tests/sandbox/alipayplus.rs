//! A payment's whole life at Alipay+: through the MCP tools, with the channel's page used as a browser would.

use super::{code, world::World};
use serde_json::{Value, json};
use zhiyou_domain::{
    money::{Currency, Money},
    port::{ReasonCode, payments as p},
};

fn money(minor: i64, code: &str) -> Money {
    Money::new(minor, code.parse().unwrap()).unwrap()
}

fn intent(world: &World, amount: Money) -> p::CreatePaymentIntent {
    p::CreatePaymentIntent { channel: p::Channel::AlipayPlus, ..world.intent(amount) }
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

/// Opened and paid on the page.
async fn paid(world: &World, intent: &p::CreatePaymentIntent) -> p::PaymentStatus {
    let page = open(world, intent).await;
    world.payer_decides(&page, "pay").await;
    status(world, intent).await
}

/// The one payment in the sandbox's book.
async fn booked(world: &World) -> Value {
    let book = world.book().await;
    let [payment] = book["payments"].as_array().unwrap().as_slice() else { panic!("{}", book["payments"]) };
    payment.clone()
}

async fn refund_status(world: &World, refund: &p::CreateRefund) -> p::RefundState {
    world.done::<p::RefundStatus>("getRefundStatus", &p::RefundRef { refund_id: refund.refund_id }).await.state
}

async fn switch(world: &World, name: &str, params: Value) {
    let mut body = json!({"provider": "alipayplus", "switch": name});
    body.as_object_mut().unwrap().extend(params.as_object().unwrap().clone());
    world.scenario(body).await;
}

/// Waits until a notification brought this.
async fn told(world: &World, content: p::UpdateContent) {
    world.until(|| async { world.updates(0).await.iter().any(|update| update.content == content) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dollars_are_paid_on_the_page_told_of_and_given_back() {
    let world = World::start().await;
    let price = money(29_901, "USD");
    let intent = intent(&world, price);
    let page = open(&world, &intent).await;
    assert_eq!(open(&world, &intent).await, page, "asking again shows the same payment");
    assert_eq!(status(&world, &intent).await.state, p::PaymentState::RequiresAction);

    let back = world.payer_decides(&page, "pay").await;
    assert_eq!(back, format!("{}/pay/return/{}", world.gateway().base_url(), intent.attempt_id.bare()));
    assert_eq!(world.get(&back).await, 200);
    told(&world, p::UpdateContent::PaymentHint { attempt_id: intent.attempt_id }).await;
    let taken = status(&world, &intent).await;
    assert_eq!((taken.state, taken.captured), (p::PaymentState::Captured, Some(price)));
    assert!(taken.paid_at_us.is_some());
    let payment = booked(&world).await;
    assert_eq!(payment["transaction_id"], json!(taken.transaction_id));
    assert_eq!(
        (&payment["state"], &payment["taken_fen"], &payment["currency"]),
        (&json!("SUCCESS"), &json!(29_901), &json!("USD"))
    );

    let part = world.refund(intent.attempt_id, money(10_001, "USD"));
    let first = world.done::<p::RefundStatus>("refundPayment", &part).await;
    assert_eq!((first.state, first.amount), (p::RefundState::Succeeded, part.amount));
    assert_eq!(world.done::<p::RefundStatus>("refundPayment", &part).await, first, "the same refund gives back once");
    told(&world, p::UpdateContent::RefundHint { refund_id: part.refund_id }).await;
    let more = world.refund(intent.attempt_id, money(19_901, "USD"));
    assert_eq!(code(world.call::<p::RefundStatus>("refundPayment", &more).await).0, "declined");
    let rest = world.refund(intent.attempt_id, money(19_900, "USD"));
    world.done::<p::RefundStatus>("refundPayment", &rest).await;
    assert_eq!(refund_status(&world, &rest).await, p::RefundState::Succeeded);
    assert_eq!(status(&world, &intent).await, taken, "paid stays paid, whatever is given back");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_can_do_is_told_as_data_and_other_currencies_are_refused_before_anything_is_sent() {
    let world = World::start().await;
    let listed = world.raw("listChannels", json!({})).await.structured_content.unwrap();
    let listed: p::Abilities = serde_json::from_value(listed).unwrap();
    let ours = listed.channels.iter().find(|ability| ability.channel == p::Channel::AlipayPlus).unwrap();
    let codes: Vec<&str> = ours.currencies.iter().map(|currency: &Currency| currency.code()).collect();
    assert_eq!((codes.as_slice(), ours.presents), (["CNY", "EUR", "USD"].as_slice(), p::Presentation::Redirect));
    assert!(ours.fee_bp > 0 && ours.refund_min > 0 && !ours.authorises);
    for (amount, authorise) in [(money(1, "JPY"), false), (money(1, "USD"), true)] {
        let wish = p::CreatePaymentIntent { authorise, ..intent(&world, amount) };
        let refused = world.call::<p::PaymentIntent>("openPayment", &wish).await;
        assert_eq!(code(refused), ("declined", ReasonCode::InvalidRequest));
    }
    assert_eq!(world.book().await["payments"], json!([]));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_back_can_come_again_until_a_wallet_refused() {
    let world = World::start().await;
    let wish = intent(&world, money(29_901, "EUR"));
    let page = open(&world, &wish).await;
    assert!(world.payer_decides(&page, "leave").await.contains("/pay/return/"));
    assert_eq!(status(&world, &wish).await.state, p::PaymentState::RequiresAction);
    world.payer_decides(&page, "refuse").await;
    assert_eq!(status(&world, &wish).await.state, p::PaymentState::Failed);
    assert_eq!(world.get(&page).await, 400, "a payment that failed is over");
    let again = world.call::<p::PaymentIntent>("openPayment", &wish).await;
    assert_eq!(code(again), ("declined", ReasonCode::PaymentDeclined));
    assert_eq!(close(&world, &wish).await.state, p::PaymentState::Closed);
    assert_eq!(booked(&world).await["taken_fen"], 0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ap_03_closing_an_open_payment_ends_it_for_good_and_closing_a_paid_one_takes_nothing_back() {
    let mut world = World::start().await;
    let (first, second) = (intent(&world, money(100, "CNY")), intent(&world, money(200, "CNY")));
    let page = open(&world, &first).await;
    assert_eq!(close(&world, &first).await.state, p::PaymentState::Closed);
    assert_eq!(world.get(&page).await, 400);
    world.restart_gateway().await;
    assert_eq!(close(&world, &first).await.state, p::PaymentState::Closed);
    assert_eq!(status(&world, &first).await.state, p::PaymentState::Closed);
    let again = world.call::<p::PaymentIntent>("openPayment", &first).await;
    assert_eq!(code(again), ("declined", ReasonCode::AlreadyClosed));

    // Our row does not know of the money yet.
    switch(&world, "notify", json!({"mode": "drop"})).await;
    let page = open(&world, &second).await;
    world.payer_decides(&page, "pay").await;
    for _ in 0..2 {
        let paid = close(&world, &second).await;
        assert_eq!((paid.state, paid.captured), (p::PaymentState::Captured, Some(second.amount)));
    }
    let book = world.book().await;
    let states: Vec<&Value> = book["payments"].as_array().unwrap().iter().map(|one| &one["state"]).collect();
    assert_eq!(states, ["CANCELLED", "SUCCESS"]);
    assert_eq!(book["refunds"], json!([]), "nothing went back");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ap_01_a_success_that_arrives_after_the_cancellation_which_gave_the_money_back_counts_for_nothing() {
    let world = World::start().await;
    let wish = intent(&world, money(29_901, "CNY"));
    let page = open(&world, &wish).await;
    // The payer pays between our question and our cancellation: the question is answered as if nobody had yet.
    switch(&world, "notify", json!({"mode": "drop"})).await;
    switch(&world, "stale_answer", json!({"times": 1})).await;
    world.payer_decides(&page, "pay").await;
    assert_eq!(close(&world, &wish).await.state, p::PaymentState::Closed);
    let booked = booked(&world).await;
    assert_eq!((&booked["state"], &booked["taken_fen"]), (&json!("CANCELLED"), &json!(0)));
    world.notify(&wish.attempt_id.bare(), "resend").await;
    told(&world, p::UpdateContent::PaymentHint { attempt_id: wish.attempt_id }).await;
    assert_eq!(status(&world, &wish).await.state, p::PaymentState::Closed);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_nobody_paid_in_time_is_closed_by_the_channel() {
    let world = World::start().await;
    let wish = intent(&world, money(29_901, "USD"));
    open(&world, &wish).await;
    world.advance(16).await;
    assert_eq!(status(&world, &wish).await.state, p::PaymentState::Closed);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_effect_whose_answer_was_lost_is_unknown_and_looking_finds_it_done_once() {
    let world = World::start().await;
    let wish = intent(&world, money(29_901, "USD"));
    for name in ["time_out_before", "act_then_time_out"] {
        switch(&world, name, json!({"op": "create"})).await;
        let lost = world.call::<p::PaymentIntent>("openPayment", &wish).await;
        assert_eq!(code(lost), ("unknown", ReasonCode::Network));
    }
    assert_eq!(status(&world, &wish).await.state, p::PaymentState::RequiresAction);
    assert_eq!(paid(&world, &wish).await.captured, Some(wish.amount));
    let refund = world.refund(wish.attempt_id, money(10_000, "USD"));
    switch(&world, "time_out_before", json!({"op": "refund"})).await;
    assert_eq!(code(world.call::<p::RefundStatus>("refundPayment", &refund).await), ("unknown", ReasonCode::Network));
    assert_eq!(refund_status(&world, &refund).await, p::RefundState::NotFound);
    switch(&world, "act_then_time_out", json!({"op": "refund"})).await;
    assert_eq!(code(world.call::<p::RefundStatus>("refundPayment", &refund).await), ("unknown", ReasonCode::Network));
    assert_eq!(refund_status(&world, &refund).await, p::RefundState::Succeeded);
    assert_eq!(world.book().await["refunds"].as_array().unwrap().len(), 1);

    let second = intent(&world, money(100, "USD"));
    open(&world, &second).await;
    for name in ["time_out_before", "act_then_time_out"] {
        switch(&world, name, json!({"op": "cancel"})).await;
        let lost = world.call::<p::PaymentStatus>("closePayment", &about(&second)).await;
        assert_eq!(code(lost), ("unknown", ReasonCode::Network));
    }
    assert_eq!(status(&world, &second).await.state, p::PaymentState::Closed);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_wrongly_signed_is_not_believed_and_a_refusal_is_told_by_its_reason() {
    let world = World::start().await;
    let wish = intent(&world, money(29_901, "USD"));
    switch(&world, "bad_response_signature", json!({})).await;
    let forged = world.call::<p::PaymentIntent>("openPayment", &wish).await;
    assert_eq!(code(forged), ("unknown", ReasonCode::IntegrityFault));
    for (answer, wanted) in [
        (json!({"code": "RISK_REJECT"}), ("declined", ReasonCode::PaymentDeclined)),
        (json!({"code": "PROCESS_FAIL"}), ("unknown", ReasonCode::ProviderFault)),
        (json!({"code": "UNKNOWN_EXCEPTION", "status": "U"}), ("unknown", ReasonCode::ProviderFault)),
    ] {
        let other = intent(&world, money(1, "USD"));
        let mut params = answer.clone();
        params["op"] = json!("create");
        switch(&world, "decline", params).await;
        let refused = world.call::<p::PaymentIntent>("openPayment", &other).await;
        assert_eq!(code(refused), wanted, "{answer}");
    }
    assert_eq!(paid(&world, &wish).await.state, p::PaymentState::Captured);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_takes_its_time_is_pending_and_one_that_fails_then_frees_its_amount() {
    let world = World::start().await;
    let wish = intent(&world, money(1_000, "EUR"));
    paid(&world, &wish).await;
    let slow = json!({"value": "PROCESSING", "settle_ms": 60_000, "times": 1});
    switch(&world, "refund_outcome", slow).await;
    let first = world.refund(wish.attempt_id, money(400, "EUR"));
    assert_eq!(world.done::<p::RefundStatus>("refundPayment", &first).await.state, p::RefundState::Pending);
    assert_eq!(refund_status(&world, &first).await, p::RefundState::Pending);
    world.advance(1).await;
    assert_eq!(refund_status(&world, &first).await, p::RefundState::Succeeded);

    let lost = json!({"value": "PROCESSING", "settle_ms": 60_000, "then": "FAIL", "times": 1});
    switch(&world, "refund_outcome", lost).await;
    let second = world.refund(wish.attempt_id, money(600, "EUR"));
    assert_eq!(world.done::<p::RefundStatus>("refundPayment", &second).await.state, p::RefundState::Pending);
    world.advance(1).await;
    assert_eq!(refund_status(&world, &second).await, p::RefundState::Failed);
    let third = world.refund(wish.attempt_id, money(600, "EUR"));
    assert_eq!(world.done::<p::RefundStatus>("refundPayment", &third).await.state, p::RefundState::Succeeded);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_that_are_lost_corrupted_or_doubled_change_nothing_of_the_result() {
    let world = World::start().await;
    for mode in ["drop", "corrupt", "duplicate"] {
        switch(&world, "notify", json!({"mode": mode})).await;
        switch(&world, "signature_probe", json!({})).await;
        let wish = intent(&world, money(29_901, "USD"));
        assert_eq!(paid(&world, &wish).await.captured, Some(wish.amount), "{mode}");
    }
    let sent = world.notifications().await;
    let tries = |sent: &[Value]| {
        let mut variants: Vec<(String, i64)> = Vec::new();
        for delivery in sent {
            for one in delivery["attempts"].as_array().unwrap() {
                variants
                    .push((one["variant"].as_str().unwrap().to_owned(), one["status"].as_i64().unwrap_or_default()));
            }
        }
        variants
    };
    world
        .until(|| async { tries(&world.notifications().await).iter().any(|one| *one == ("genuine".to_owned(), 200)) })
        .await;
    world
        .until(|| async { tries(&world.notifications().await).iter().any(|one| *one == ("corrupt".to_owned(), 401)) })
        .await;
    world
        .until(|| async { tries(&world.notifications().await).iter().any(|one| *one == ("probe".to_owned(), 401)) })
        .await;
    assert_eq!(sent.len(), 4);
    world.stop().await;
}
