//! The life of a payment by Alipay through the tools, against the sandbox.

use super::{code, scannable, world::World};
use serde_json::{Value, json};
use zhiyou_domain::{
    id::AttemptId,
    money::Money,
    port::{ReasonCode, payments as p},
};
use zhiyou_gateway::{AlipayKeys, AlipayPresents};

fn intent(world: &World, minor: i64) -> p::CreatePaymentIntent {
    p::CreatePaymentIntent { channel: p::Channel::Alipay, ..world.intent(world.cny(minor)) }
}

async fn opened(world: &World, intent: &p::CreatePaymentIntent) -> String {
    scannable(world.done::<p::PaymentIntent>("openPayment", intent).await.action)
}

async fn status(world: &World, attempt_id: AttemptId) -> p::PaymentStatus {
    world.done("settlePayment", &p::PaymentRef { attempt_id }).await
}

async fn given_back(world: &World, refund: &p::CreateRefund) -> (p::RefundState, Money) {
    let status = world.done::<p::RefundStatus>("refundPayment", refund).await;
    (status.state, status.amount)
}

async fn rows(world: &World, kind: &str) -> Vec<Value> {
    world.book().await[kind].as_array().unwrap().iter().filter(|row| row["channel"] == "alipay").cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_by_alipay_is_opened_scanned_paid_told_and_given_back_in_two_parts_and_never_more() {
    let world = World::start().await;
    let able = world.raw("listChannels", json!({})).await.structured_content.unwrap();
    let able = able["channels"].as_array().unwrap().iter().find(|able| able["channel"] == "alipay").unwrap().clone();
    assert_eq!((&able["presents"], &able["authorises"]), (&json!("qr"), &json!(false)));

    let intent = intent(&world, 100_000);
    let content = opened(&world, &intent).await;
    assert!(content.starts_with("https://qr.alipay.com/"), "{content}");
    assert_eq!(opened(&world, &intent).await, content, "the same payment is shown again");
    assert_eq!(status(&world, intent.attempt_id).await.state, p::PaymentState::RequiresAction);
    assert!(rows(&world, "payments").await.is_empty(), "nobody scanned: there is no trade");

    let seen = world.phone("scan", &content).await;
    assert_eq!(
        (&seen["provider"], &seen["amount_minor"], &seen["state"]),
        (&json!("alipay"), &json!(100_000), &json!("payable"))
    );
    assert_eq!(status(&world, intent.attempt_id).await.state, p::PaymentState::RequiresAction);
    world.phone_pays(&content).await;
    world.until_paid(intent.attempt_id).await;
    let paid = status(&world, intent.attempt_id).await;
    assert_eq!((paid.state, paid.captured), (p::PaymentState::Captured, Some(intent.amount)));
    assert!(paid.paid_at_us.is_some());
    let [row] = rows(&world, "payments").await.try_into().unwrap();
    assert_eq!(row["transaction_id"].as_str(), paid.transaction_id.as_deref());
    assert_eq!((&row["total_fen"], &row["state"]), (&json!(100_000), &json!("TRADE_SUCCESS")));
    assert_eq!(
        code(world.call::<p::PaymentIntent>("openPayment", &intent).await),
        ("declined", ReasonCode::AlreadyPaid)
    );

    let (first, rest) =
        (world.refund(intent.attempt_id, world.cny(60_000)), world.refund(intent.attempt_id, world.cny(40_000)));
    for _ in 0..2 {
        assert_eq!(given_back(&world, &first).await, (p::RefundState::Succeeded, first.amount));
    }
    let much = world.refund(intent.attempt_id, world.cny(40_001));
    assert_eq!(
        code(world.call::<p::RefundStatus>("refundPayment", &much).await),
        ("declined", ReasonCode::InvalidRequest)
    );
    assert_eq!(given_back(&world, &rest).await, (p::RefundState::Succeeded, rest.amount));
    let more = world.refund(intent.attempt_id, world.cny(1));
    assert_eq!(
        code(world.call::<p::RefundStatus>("refundPayment", &more).await),
        ("declined", ReasonCode::InvalidRequest)
    );
    for refund in [&first, &rest] {
        let asked =
            world.done::<p::RefundStatus>("getRefundStatus", &p::RefundRef { refund_id: refund.refund_id }).await;
        assert_eq!((asked.state, asked.amount), (p::RefundState::Succeeded, refund.amount));
    }
    let given: Vec<Value> = rows(&world, "refunds").await.iter().map(|row| row["refund_fen"].clone()).collect();
    assert_eq!(given, [json!(60_000), json!(40_000)]);
    // The full refund closed the trade at the channel; the payment stays paid.
    assert_eq!(rows(&world, "payments").await[0]["state"], "TRADE_CLOSED");
    assert_eq!(status(&world, intent.attempt_id).await.state, p::PaymentState::Captured);
    let told = |wanted: &p::UpdateContent| {
        let wanted = wanted.clone();
        let world = &world;
        async move { world.updates(0).await.iter().any(|update| update.content == wanted) }
    };
    for refund_id in [first.refund_id, rest.refund_id] {
        world.until(|| told(&p::UpdateContent::RefundHint { refund_id })).await;
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_nobody_scanned_cannot_be_closed_yet_a_scanned_one_can_and_a_paid_one_is_paid() {
    let world = World::start().await;
    let (open, paid) = (intent(&world, 100), intent(&world, 200));
    let content = opened(&world, &open).await;
    let close = p::PaymentRef { attempt_id: open.attempt_id };
    assert_eq!(
        code(world.call::<p::PaymentStatus>("closePayment", &close).await),
        ("declined", ReasonCode::NotAllowed),
        "who has the code may still pay"
    );
    assert_eq!(world.phone("scan", &content).await["state"], "payable");
    assert_eq!(world.done::<p::PaymentStatus>("closePayment", &close).await.state, p::PaymentState::Closed);
    assert_eq!(world.phone("pay", &content).await["state"], "closed");
    assert_eq!(
        code(world.call::<p::PaymentIntent>("openPayment", &open).await),
        ("declined", ReasonCode::AlreadyClosed)
    );
    let content = opened(&world, &paid).await;
    world.phone_pays(&content).await;
    let closed = world.done::<p::PaymentStatus>("closePayment", &p::PaymentRef { attempt_id: paid.attempt_id }).await;
    assert_eq!((closed.state, closed.captured), (p::PaymentState::Captured, Some(paid.amount)));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_are_unknown_and_asking_again_neither_takes_nor_gives_twice() {
    let world = World::start().await;
    let lost = async |switch: &str, op: &str| {
        world.scenario(json!({"provider": "alipay", "switch": switch, "op": op})).await;
    };
    let intent = intent(&world, 5_000);
    for switch in ["time_out_before", "act_then_time_out"] {
        lost(switch, "create").await;
        let opened = world.call::<p::PaymentIntent>("openPayment", &intent).await;
        assert_eq!(code(opened), ("unknown", ReasonCode::Network), "{switch}");
    }
    let content = opened(&world, &intent).await;
    lost("time_out_before", "query").await;
    let asked = world.call::<p::PaymentStatus>("settlePayment", &p::PaymentRef { attempt_id: intent.attempt_id }).await;
    assert_eq!(code(asked), ("unknown", ReasonCode::Network));
    world.phone_pays(&content).await;
    assert_eq!(status(&world, intent.attempt_id).await.state, p::PaymentState::Captured);

    let refund = world.refund(intent.attempt_id, world.cny(3_000));
    for switch in ["time_out_before", "act_then_time_out"] {
        lost(switch, "refund").await;
        let given = world.call::<p::RefundStatus>("refundPayment", &refund).await;
        assert_eq!(code(given), ("unknown", ReasonCode::Network), "{switch}");
    }
    let known = world.done::<p::RefundStatus>("getRefundStatus", &p::RefundRef { refund_id: refund.refund_id }).await;
    assert_eq!(known.state, p::RefundState::Succeeded, "it was carried out all the same");
    assert_eq!(given_back(&world, &refund).await, (p::RefundState::Succeeded, refund.amount));
    assert_eq!(rows(&world, "refunds").await.len(), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_was_accepted_and_of_which_nothing_is_found_is_asked_for_again_under_its_number() {
    let world = World::start().await;
    let intent = intent(&world, 9_900);
    let code_to_scan = opened(&world, &intent).await;
    world.phone_pays(&code_to_scan).await;
    assert_eq!(status(&world, intent.attempt_id).await.state, p::PaymentState::Captured);
    world.scenario(json!({"provider": "alipay", "switch": "nothing_made"})).await;
    let refund = world.refund(intent.attempt_id, world.cny(3_000));
    let accepted = world.call::<p::RefundStatus>("refundPayment", &refund).await;
    assert_eq!(code(accepted), ("unknown", ReasonCode::ProviderFault), "not on its way: nothing is there");
    assert_eq!(world.scenarios().await["switches"], json!([]), "it was sent");
    let asked = world.done::<p::RefundStatus>("getRefundStatus", &p::RefundRef { refund_id: refund.refund_id }).await;
    assert_eq!(asked.state, p::RefundState::NotFound);
    assert_eq!(rows(&world, "refunds").await, [] as [Value; 0]);
    assert_eq!(given_back(&world, &refund).await, (p::RefundState::Succeeded, refund.amount));
    let [row] = rows(&world, "refunds").await.try_into().unwrap();
    assert_eq!((&row["out_refund_no"], &row["refund_fen"]), (&json!(refund.refund_id.bare()), &json!(3_000)));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_whose_opening_was_lost_is_taken_back_before_its_time() {
    let world = World::start().await;
    for switch in ["time_out_before", "act_then_time_out"] {
        let intent = intent(&world, 100);
        world.scenario(json!({"provider": "alipay", "switch": switch, "op": "create"})).await;
        assert_eq!(code(world.call::<p::PaymentIntent>("openPayment", &intent).await).0, "unknown");
        let close = p::PaymentRef { attempt_id: intent.attempt_id };
        assert_eq!(world.done::<p::PaymentStatus>("closePayment", &close).await.state, p::PaymentState::Closed);
    }
    let unknown = status(&world, intent(&world, 1).attempt_id).await;
    assert_eq!(unknown.state, p::PaymentState::NotFound);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_signature_is_believed_in_neither_direction() {
    let world = World::start().await;
    let intent = intent(&world, 100);
    world.scenario(json!({"provider": "alipay", "switch": "bad_response_signature"})).await;
    assert_eq!(
        code(world.call::<p::PaymentIntent>("openPayment", &intent).await),
        ("unknown", ReasonCode::IntegrityFault)
    );
    let content = opened(&world, &intent).await;
    world.scenario(json!({"provider": "alipay", "switch": "notify", "mode": "corrupt", "times": 1})).await;
    world.phone_pays(&content).await;
    let statuses = async || {
        let seen = world.notifications().await;
        let attempts = seen.first().and_then(|one| one["attempts"].as_array().cloned()).unwrap_or_default();
        attempts.iter().map(|attempt| attempt["status"].clone()).collect::<Vec<_>>()
    };
    world.until(|| async { statuses().await == [json!(401)] }).await;
    assert!(world.updates(0).await.is_empty());
    world.notify(&intent.attempt_id.bare(), "resend").await;
    world.until_paid(intent.attempt_id).await;
    world.until(|| async { statuses().await == [json!(401), json!(200)] }).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_says_so_and_frees_what_was_to_be_given_back() {
    let world = World::start().await;
    let intent = intent(&world, 1_000);
    world.scenario(json!({"provider": "alipay", "switch": "decline", "op": "create"})).await;
    assert_eq!(
        code(world.call::<p::PaymentIntent>("openPayment", &intent).await),
        ("declined", ReasonCode::NotAllowed)
    );
    let content = opened(&world, &intent).await;
    let early = world.refund(intent.attempt_id, world.cny(1));
    assert_eq!(
        code(world.call::<p::RefundStatus>("refundPayment", &early).await),
        ("declined", ReasonCode::NotAllowed)
    );
    world.scenario(json!({"provider": "alipay", "switch": "decline", "op": "pay"})).await;
    assert_eq!(world.phone("pay", &content).await["state"], "payerror");
    assert_eq!(status(&world, intent.attempt_id).await.state, p::PaymentState::RequiresAction, "another card may do");
    world.phone_pays(&content).await;
    world.scenario(json!({"provider": "alipay", "switch": "decline", "op": "refund"})).await;
    let refused = world.refund(intent.attempt_id, world.cny(900));
    assert_eq!(
        code(world.call::<p::RefundStatus>("refundPayment", &refused).await),
        ("declined", ReasonCode::NotAllowed)
    );
    let whole = world.refund(intent.attempt_id, world.cny(1_000));
    assert_eq!(given_back(&world, &whole).await, (p::RefundState::Succeeded, whole.amount));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_certificate_mode_a_payment_lives_the_same_life() {
    let mut world = World::start().await;
    let shown = world.credentials().await["alipay"].clone();
    let pem = |name: &str| shown[name].as_str().unwrap().to_owned();
    world
        .restart_gateway_with(|config| {
            config.alipay.as_mut().unwrap().keys = AlipayKeys::Certificates {
                app_pem: pem("app_certificate_pem"),
                root_pem: pem("root_certificate_pem"),
                alipay_pems: vec![pem("alipay_certificate_pem")],
            };
        })
        .await;
    let intent = intent(&world, 500);
    let content = opened(&world, &intent).await;
    world.phone_pays(&content).await;
    world.until_paid(intent.attempt_id).await;
    let whole = world.refund(intent.attempt_id, intent.amount);
    assert_eq!(given_back(&world, &whole).await, (p::RefundState::Succeeded, whole.amount));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_channel_s_page_the_payer_comes_back_and_only_the_channel_says_that_it_was_paid() {
    let mut world = World::start().await;
    world.restart_gateway_with(|config| config.alipay.as_mut().unwrap().presents = AlipayPresents::Page).await;
    let intent = intent(&world, 500);
    let made = world.done::<p::PaymentIntent>("openPayment", &intent).await;
    assert_eq!(world.done::<p::PaymentIntent>("openPayment", &intent).await, made);
    let p::PaymentAction::Redirect { url } = made.action else { panic!("{made:?}") };
    let close = p::PaymentRef { attempt_id: intent.attempt_id };
    assert_eq!(
        code(world.call::<p::PaymentStatus>("closePayment", &close).await),
        ("declined", ReasonCode::NotAllowed)
    );
    let (redirected, cashier) = world.browse(reqwest::Method::GET, &url).await;
    let cashier = cashier.unwrap();
    assert_eq!((redirected, world.browse(reqwest::Method::GET, &cashier).await.0), (302, 200));
    assert_eq!(status(&world, intent.attempt_id).await.state, p::PaymentState::RequiresAction);
    let (_, back) = world.browse(reqwest::Method::POST, &format!("{cashier}/leave")).await;
    assert_eq!(back.unwrap(), format!("{}/pay/return/{}", world.gateway().base_url(), intent.attempt_id.bare()));
    world.scenario(json!({"provider": "alipay", "switch": "notify", "mode": "drop"})).await;
    let (_, back) = world.browse(reqwest::Method::POST, &format!("{cashier}/pay")).await;
    let back = back.unwrap();
    assert!(back.contains("trade_no=") && back.contains("sign="));
    assert_eq!(world.browse(reqwest::Method::GET, &back).await.0, 200);
    assert!(world.updates(0).await.is_empty(), "coming back proves nothing");
    assert_eq!(status(&world, intent.attempt_id).await.state, p::PaymentState::Captured, "asking does");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_to_pay_it_off_sees_how_often_and_pays_all_of_it_at_once_to_us() {
    let mut world = World::start().await;
    let six = p::CreatePaymentIntent { instalments: Some(6), ..intent(&world, 60_000) };
    let refused = p::CreatePaymentIntent { instalments: Some(5), ..intent(&world, 60_000) };
    let refused = code(world.call::<p::PaymentIntent>("openPayment", &refused).await);
    assert_eq!(refused, ("declined", ReasonCode::InvalidRequest));
    let made = world.done::<p::PaymentIntent>("openPayment", &six).await;
    world.phone_pays(&scannable(made.action)).await;
    world.until_paid(six.attempt_id).await;
    let paid = status(&world, six.attempt_id).await;
    assert_eq!((paid.state, paid.captured), (p::PaymentState::Captured, Some(six.amount)));
    // On the channel's page it is the same; asked for again after a restart the number is still there.
    world.restart_gateway_with(|config| config.alipay.as_mut().unwrap().presents = AlipayPresents::Page).await;
    let twelve = p::CreatePaymentIntent { instalments: Some(12), ..intent(&world, 60_000) };
    let made = world.done::<p::PaymentIntent>("openPayment", &twelve).await;
    world.restart_gateway_with(|config| config.alipay.as_mut().unwrap().presents = AlipayPresents::Page).await;
    assert_eq!(world.done::<p::PaymentIntent>("openPayment", &twelve).await, made);
    let p::PaymentAction::Redirect { url } = made.action else { panic!("{made:?}") };
    let (_, cashier) = world.browse(reqwest::Method::GET, &url).await;
    let shown = world.text(&cashier.unwrap()).await;
    assert!(shown.contains("花呗分期 12 期"), "{shown}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_page_for_phones_a_payment_is_paid_told_and_given_back() {
    let mut world = World::start().await;
    world.restart_gateway_with(|config| config.alipay.as_mut().unwrap().presents = AlipayPresents::PhonePage).await;
    let intent = intent(&world, 500);
    let made = world.done::<p::PaymentIntent>("openPayment", &intent).await;
    let p::PaymentAction::Redirect { url } = made.action else { panic!("{made:?}") };
    assert!(url.contains("alipay.trade.wap.pay") && url.contains("QUICK_WAP_WAY"), "{url}");
    let (redirected, cashier) = world.browse(reqwest::Method::GET, &url).await;
    let cashier = cashier.unwrap();
    assert_eq!(redirected, 302);
    let shown = world.text(&cashier).await;
    assert!(shown.contains("5.00"), "{shown}");
    let (_, back) = world.browse(reqwest::Method::POST, &format!("{cashier}/pay")).await;
    let ours = format!("{}/pay/return/{}?", world.gateway().base_url(), intent.attempt_id.bare());
    assert!(back.unwrap().starts_with(&ours));
    world.until_paid(intent.attempt_id).await;
    let whole = world.refund(intent.attempt_id, intent.amount);
    assert_eq!(given_back(&world, &whole).await, (p::RefundState::Succeeded, whole.amount));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_its_sdk_a_payment_is_paid_by_what_the_merchant_signed_told_and_given_back() {
    let mut world = World::start().await;
    world.restart_gateway_with(|config| config.alipay.as_mut().unwrap().presents = AlipayPresents::App).await;
    let intent = intent(&world, 500);
    let made = world.done::<p::PaymentIntent>("openPayment", &intent).await;
    assert_eq!(world.done::<p::PaymentIntent>("openPayment", &intent).await, made);
    let p::PaymentAction::App { parameters } = made.action else { panic!("{made:?}") };
    for (from, to) in [("5.00", "0.01"), (intent.attempt_id.bare().as_str(), "01KA0000000000000000000ABC")] {
        assert!(parameters.contains(from));
        let changed = world.phone("scan", &parameters.replace(from, to)).await;
        assert_eq!(changed["error"], "unknown_code", "{from} is signed");
    }
    assert!(rows(&world, "payments").await.is_empty(), "nothing was handed over: there is no trade");
    let seen = world.phone("scan", &parameters).await;
    assert_eq!((&seen["amount_minor"], &seen["state"]), (&json!(500), &json!("payable")));
    world.phone_pays(&parameters).await;
    world.until_paid(intent.attempt_id).await;
    assert_eq!(status(&world, intent.attempt_id).await.state, p::PaymentState::Captured);
    assert_eq!(world.phone("scan", &parameters).await["state"], "success");
    let whole = world.refund(intent.attempt_id, intent.amount);
    assert_eq!(given_back(&world, &whole).await, (p::RefundState::Succeeded, whole.amount));
    let other = super::alipay::intent(&world, 700);
    let made = world.done::<p::PaymentIntent>("openPayment", &other).await;
    let p::PaymentAction::App { parameters } = made.action else { panic!("{made:?}") };
    world.phone("refuse", &parameters).await;
    let closed = p::PaymentRef { attempt_id: other.attempt_id };
    let closed = world.done::<p::PaymentStatus>("closePayment", &closed).await;
    assert_eq!(
        (closed.state, &world.phone("pay", &parameters).await["state"]),
        (p::PaymentState::Closed, &json!("closed"))
    );
    world.stop().await;
}
