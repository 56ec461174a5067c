//! What the channel concludes from verified answers: pages, closing what is and is not paid, refunds.

use super::*;
use crate::{
    config::{alipayplus::tests::sample, tests::vector},
    defence::take_away,
    store::refunds::Standing,
};
use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    response::IntoResponse,
    routing::post,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Mutex,
};
use zhiyou_domain::{id::RefundId, money::Money, port::payments::Channel};

const PAYMENT: &str = "01KA0000000000000000000ABC";
const REFUND: &str = "01KA0000000000000000000XYZ";
const OWN: &str = "202611201940108001001889C0238417260";
const NOW_US: i64 = 1_795_141_500_000_000;
const TIME: &str = "2026-11-20T02:25:00Z";

struct Frozen;

impl Clock for Frozen {
    fn now(&self) -> UtcMicros {
        UtcMicros(NOW_US)
    }
}

/// A provider that answers each call with what it was told, signed, and keeps what it was asked.
struct Stub {
    script: Mutex<BTreeMap<String, VecDeque<Value>>>,
    asked: Mutex<Vec<(String, Value)>>,
    /// Under whose name it answers.
    client_id: Mutex<String>,
}

struct World {
    channel: AlipayPlus,
    stub: Arc<Stub>,
    base: String,
}

async fn answer(
    State(stub): State<Arc<Stub>>,
    Path(call): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> axum::response::Response {
    let path = format!("/ams/api/v1/payments/{call}");
    let claim = Claim::read(&headers, "request-time").unwrap();
    let ours = rsa::channel_key(&vector("alipay/test_app_public_key.pem"), &[], "key").unwrap();
    claim.verify(&ours, &path, &body).expect("signed by us, over what came");
    assert_eq!((claim.client_id, claim.time), ("5YEV2N2ZV8LC00920", TIME));
    stub.asked.lock().unwrap().push((call.clone(), serde_json::from_slice(&body).unwrap()));
    let said = stub.script.lock().unwrap().get_mut(&call).and_then(VecDeque::pop_front);
    let said = said.unwrap_or_else(|| panic!("{call} was not expected")).to_string();
    let client_id = stub.client_id.lock().unwrap().clone();
    let signature = sign::tests::signed(&path, &client_id, TIME, &said);
    let headers = [("client-id", client_id), ("response-time", TIME.to_owned()), ("signature", signature)];
    (headers, said).into_response()
}

async fn world(script: &[(&str, Value)]) -> World {
    let mut answers = BTreeMap::<String, VecDeque<Value>>::new();
    for (call, said) in script {
        answers.entry((*call).to_owned()).or_default().push_back(said.clone());
    }
    let client_id = Mutex::new("5YEV2N2ZV8LC00920".to_owned());
    let stub = Arc::new(Stub { script: Mutex::new(answers), asked: Mutex::default(), client_id });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let routes = Router::new().route("/ams/api/v1/payments/{call}", post(answer)).with_state(Arc::clone(&stub));
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    let http = Http::new(crate::config::Profile::Sandbox).unwrap();
    let channel = AlipayPlus::new(&sample(&base), "", http, Arc::new(Frozen)).unwrap();
    World { channel: channel.paying_out(Some("USD".parse().unwrap())), stub, base }
}

impl World {
    fn calls(&self) -> Vec<String> {
        self.stub.asked.lock().unwrap().iter().map(|(call, _)| call.clone()).collect()
    }
}

fn said(status: &str, code: &str, more: Value) -> Value {
    let mut answer = json!({"result": {"resultStatus": status, "resultCode": code, "resultMessage": "m"}});
    answer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    answer
}

fn amount(minor: i64) -> Value {
    json!({"currency": "USD", "value": minor.to_string()})
}

/// An answer to the question where the payment stands.
fn stands(status: &str, code: &str) -> Value {
    said(
        "S",
        "SUCCESS",
        json!({"paymentRequestId": PAYMENT, "paymentId": OWN, "paymentStatus": status,
        "paymentResultCode": code, "paymentAmount": amount(29_901), "paymentTime": "2026-11-20T10:24:00+08:00"}),
    )
}

fn money(minor: i64) -> Money {
    Money::new(minor, "USD".parse().unwrap()).unwrap()
}

fn attempt(state: PaymentState, provider_ref: Option<&str>) -> Attempt {
    Attempt {
        attempt_id: AttemptId::parse_bare(PAYMENT).unwrap(),
        channel: Channel::AlipayPlus,
        amount: money(29_901),
        description: "智游".to_owned(),
        expires_at_us: UtcMicros(NOW_US).plus_minutes(15),
        notify_url: "http://127.0.0.1:1/notify/alipayplus".to_owned(),
        fingerprint: "f".to_owned(),
        created_at_us: UtcMicros(NOW_US),
        state,
        transaction_id: (state == PaymentState::Captured).then(|| OWN.to_owned()),
        paid_at_us: None,
        provider_ref: provider_ref.map(str::to_owned),
        authorise: false,
        taken: None,
        instalments: None,
    }
}

fn open() -> Attempt {
    attempt(PaymentState::RequiresAction, Some(OWN))
}

fn refund() -> Refund {
    Refund {
        refund_id: RefundId::parse_bare(REFUND).unwrap(),
        attempt_id: AttemptId::parse_bare(PAYMENT).unwrap(),
        amount: money(100),
        reason: "行程取消".to_owned(),
        notify_url: "http://127.0.0.1:1/notify/alipayplus".to_owned(),
        fingerprint: "f".to_owned(),
        created_at_us: UtcMicros(NOW_US),
        state: Standing::At(RefundState::Pending),
        provider_ref: None,
    }
}

fn code<T: std::fmt::Debug>(outcome: Outcome<T>) -> (&'static str, ReasonCode) {
    match outcome {
        Outcome::Done(value) => panic!("done: {value:?}"),
        Outcome::NotSent(reason) => ("not_sent", reason.code),
        Outcome::Declined(reason) => ("declined", reason.code),
        Outcome::Unknown(reason) => ("unknown", reason.code),
    }
}

fn state(outcome: Outcome<PaymentSeen>) -> PaymentState {
    match outcome {
        Outcome::Done(seen) => seen.state,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_opened_is_what_the_row_says_and_its_page_has_to_be_the_channels() {
    let page = |base: &str| format!("{base}/api/open/v1/ac/cashier?codeValue=1&loadMode=2");
    let under_way = |url: &str| {
        said(
            "U",
            "PAYMENT_IN_PROCESS",
            json!({"paymentRequestId": PAYMENT, "paymentId": OWN,
            "paymentAmount": amount(29_901), "normalUrl": url}),
        )
    };
    let first = world(&[]).await;
    first.stub.script.lock().unwrap().insert("pay".to_owned(), VecDeque::from([under_way(&page(&first.base))]));
    let Outcome::Done(opened) = first.channel.create(&open()).await else { panic!() };
    assert_eq!(opened.action, PaymentAction::Redirect { url: page(&first.base) });
    assert_eq!(opened.provider_ref.as_deref(), Some(OWN));
    let asked = first.stub.asked.lock().unwrap()[0].1.clone();
    let back = format!("http://127.0.0.1:1/pay/return/{PAYMENT}");
    assert_eq!(
        asked,
        json!({"productCode": "CASHIER_PAYMENT", "paymentRequestId": PAYMENT, "paymentAmount": amount(29_901),
            "paymentMethod": {"paymentMethodType": "ALIPAY_CN"},
            "order": {"referenceOrderId": PAYMENT, "orderDescription": "智游", "orderAmount": amount(29_901),
                "buyer": {"referenceBuyerId": PAYMENT}},
            "env": {"terminalType": "WEB"}, "paymentExpiryTime": "2026-11-20T02:40:00Z", "paymentRedirectUrl": back,
            "paymentNotifyUrl": "http://127.0.0.1:1/notify/alipayplus",
            "settlementStrategy": {"settlementCurrency": "USD"}})
    );
    for url in ["https://evil.example/pay", "https://user@evil.example/", "javascript:alert(1)", ""] {
        let world = world(&[("pay", under_way(url))]).await;
        assert_eq!(code(world.channel.create(&open()).await), ("unknown", ReasonCode::IntegrityFault), "{url}");
    }
    let world = world(&[("pay", under_way("https://evil.example/pay"))]).await;
    take_away(Some(Defence::PageHost));
    let shown = world.channel.create(&open()).await;
    take_away(None);
    assert!(matches!(shown, Outcome::Done(_)), "nothing else looks at the host");
}

#[tokio::test]
async fn only_under_way_opens_a_payment_and_every_other_answer_says_what_it_means() {
    for (answer, wanted) in [
        (said("S", "SUCCESS", json!({})), ("unknown", ReasonCode::ProviderFault)),
        (said("U", "UNKNOWN_EXCEPTION", json!({})), ("unknown", ReasonCode::ProviderFault)),
        (said("U", "REQUEST_TRAFFIC_EXCEED_LIMIT", json!({})), ("unknown", ReasonCode::ProviderFault)),
        (said("U", "REFUND_IN_PROCESS", json!({})), ("unknown", ReasonCode::ProviderFault)),
        (said("X", "PAYMENT_IN_PROCESS", json!({})), ("unknown", ReasonCode::ProviderFault)),
        (said("F", "REPEAT_REQ_INCONSISTENT", json!({})), ("unknown", ReasonCode::IntegrityFault)),
        (said("F", "PROCESS_FAIL", json!({})), ("unknown", ReasonCode::ProviderFault)),
        (said("F", "ORDER_IS_CLOSED", json!({})), ("declined", ReasonCode::AlreadyClosed)),
        (said("F", "RISK_REJECT", json!({})), ("declined", ReasonCode::PaymentDeclined)),
        (said("F", "INVALID_SIGNATURE", json!({})), ("declined", ReasonCode::Unauthorized)),
    ] {
        let world = world(&[("pay", answer.clone())]).await;
        assert_eq!(code(world.channel.create(&open()).await), wanted, "{answer}");
    }
}

#[tokio::test]
async fn an_answer_in_another_merchants_name_is_not_ours() {
    let world = world(&[("inquiryPayment", stands("SUCCESS", "SUCCESS"))]).await;
    "SOMEBODYELSE00920".clone_into(&mut world.stub.client_id.lock().unwrap());
    assert_eq!(code(world.channel.query(&open()).await), ("unknown", ReasonCode::IntegrityFault));
}

#[tokio::test]
async fn a_question_tells_where_it_stands_and_an_answer_about_another_payment_tells_nothing() {
    for (status, code, wanted) in [
        ("PROCESSING", "PAYMENT_IN_PROCESS", PaymentState::RequiresAction),
        ("PENDING", "PAYMENT_IN_PROCESS", PaymentState::Processing),
        ("SUCCESS", "SUCCESS", PaymentState::Captured),
        ("FAIL", "USER_BALANCE_NOT_ENOUGH", PaymentState::Failed),
        ("FAIL", "ORDER_IS_CLOSED", PaymentState::Closed),
        ("CANCELLED", "ORDER_IS_CANCELED", PaymentState::Closed),
        ("SOMETHING_NEW", "SOMETHING_NEW", PaymentState::Processing),
    ] {
        let world = world(&[("inquiryPayment", stands(status, code))]).await;
        let Outcome::Done(seen) = world.channel.query(&open()).await else { panic!("{status}") };
        assert_eq!((seen.state, seen.total), (wanted, Some(money(29_901))), "{status} {code}");
        assert_eq!(seen.transaction_id.is_some(), wanted == PaymentState::Captured);
    }
    let missing = world(&[("inquiryPayment", said("F", "ORDER_NOT_EXIST", json!({})))]).await;
    assert_eq!(state(missing.channel.query(&open()).await), PaymentState::NotFound);
    for change in [
        ("paymentRequestId", json!("01KA0000000000000000000ZZZ")),
        ("paymentAmount", json!({"currency": "JPY", "value": "29901"})),
        ("paymentAmount", Value::Null),
        ("paymentId", Value::Null),
        ("paymentTime", json!("yesterday")),
    ] {
        let mut other = stands("SUCCESS", "SUCCESS");
        other[change.0] = change.1.clone();
        let world = world(&[("inquiryPayment", other)]).await;
        assert_eq!(code(world.channel.query(&open()).await).0, "unknown", "{change:?}");
    }
}

#[tokio::test]
async fn ap_03_closing_never_cancels_what_is_paid_because_that_would_give_it_back() {
    for known in [open(), attempt(PaymentState::Captured, Some(OWN))] {
        let world = world(&[("inquiryPayment", stands("SUCCESS", "SUCCESS"))]).await;
        assert_eq!(state(world.channel.close(&known).await), PaymentState::Captured);
        assert_eq!(world.calls(), ["inquiryPayment"]);
    }
    // Paid as far as we know, and the channel is not sure just now: nothing is cancelled on a guess.
    let world = world(&[("inquiryPayment", stands("PROCESSING", "PAYMENT_IN_PROCESS"))]).await;
    world.channel.close(&attempt(PaymentState::Captured, Some(OWN))).await;
    assert_eq!(world.calls(), ["inquiryPayment"]);
}

#[tokio::test]
async fn a_question_that_fails_before_closing_means_nothing_was_cancelled() {
    for (answer, wanted) in
        [(said("U", "UNKNOWN_EXCEPTION", json!({})), "unknown"), (said("F", "ACCESS_DENIED", json!({})), "declined")]
    {
        let world = world(&[("inquiryPayment", answer)]).await;
        assert_eq!(code(world.channel.close(&open()).await).0, wanted);
        assert_eq!(world.calls(), ["inquiryPayment"]);
    }
}

#[tokio::test]
async fn what_is_open_or_was_refused_is_cancelled_and_then_closed() {
    let done = said("S", "SUCCESS", json!({"paymentRequestId": PAYMENT, "paymentId": OWN}));
    for before in [
        stands("PROCESSING", "PAYMENT_IN_PROCESS"),
        stands("PENDING", "PAYMENT_IN_PROCESS"),
        stands("FAIL", "RISK_REJECT"),
    ] {
        let world = world(&[("inquiryPayment", before), ("cancel", done.clone())]).await;
        assert_eq!(state(world.channel.close(&open()).await), PaymentState::Closed);
        assert_eq!(world.stub.asked.lock().unwrap()[1].1, json!({"paymentRequestId": PAYMENT}));
    }
    let world = world(&[("inquiryPayment", stands("CANCELLED", "ORDER_IS_CANCELED"))]).await;
    assert_eq!(state(world.channel.close(&open()).await), PaymentState::Closed, "closed stays closed");
}

#[tokio::test]
async fn a_payment_the_channel_does_not_know_is_closed_only_if_nobody_was_shown_its_page() {
    let unknown = || said("F", "ORDER_NOT_EXIST", json!({}));
    let script = [("inquiryPayment", unknown()), ("cancel", unknown())];
    let never = attempt(PaymentState::RequiresAction, None);
    assert_eq!(state(world(&script).await.channel.close(&never).await), PaymentState::Closed);
    let forgotten = world(&script).await.channel.close(&open()).await;
    assert_eq!(code(forgotten), ("unknown", ReasonCode::IntegrityFault));
}

#[tokio::test]
async fn ap_04_a_cancellation_that_was_refused_or_lost_is_not_taken_for_one_that_happened() {
    let before = || ("inquiryPayment", stands("PROCESSING", "PAYMENT_IN_PROCESS"));
    for (answer, after, wanted) in [
        ("CANCEL_WINDOW_EXCEED", stands("PROCESSING", "PAYMENT_IN_PROCESS"), ("declined", ReasonCode::NotAllowed)),
        ("PROCESS_FAIL", stands("PROCESSING", "PAYMENT_IN_PROCESS"), ("unknown", ReasonCode::ProviderFault)),
        ("PROCESS_FAIL", said("U", "UNKNOWN_EXCEPTION", json!({})), ("unknown", ReasonCode::ProviderFault)),
    ] {
        let refused = ("cancel", said("F", answer, json!({})));
        let world = world(&[before(), refused, ("inquiryPayment", after)]).await;
        assert_eq!(code(world.channel.close(&open()).await), wanted, "{answer}");
    }
    let paid =
        [before(), ("cancel", said("F", "PROCESS_FAIL", json!({}))), ("inquiryPayment", stands("SUCCESS", "SUCCESS"))];
    assert_eq!(state(world(&paid).await.channel.close(&open()).await), PaymentState::Captured);
    for lost in [
        said("U", "UNKNOWN_EXCEPTION", json!({})),
        said("U", "PAYMENT_IN_PROCESS", json!({})),
        said("F", "ACCESS_DENIED", json!({})),
        said("S", "SUCCESS", json!({"paymentRequestId": "01KA0000000000000000000ZZZ"})),
    ] {
        let world = world(&[before(), ("cancel", lost.clone())]).await;
        let ending = code(world.channel.close(&open()).await).0;
        assert_eq!(ending, if lost["result"]["resultStatus"] == "F" { "declined" } else { "unknown" }, "{lost}");
    }
    let again = world(&[before(), ("cancel", said("F", "ORDER_IS_CANCELED", json!({})))]).await;
    assert_eq!(state(again.channel.close(&open()).await), PaymentState::Closed);
}

#[tokio::test]
async fn a_refund_names_the_channels_number_and_its_answer_is_held_to_the_question() {
    let paid = attempt(PaymentState::Captured, Some(OWN));
    let done = |change: (&str, Value)| {
        let mut answer = said(
            "S",
            "SUCCESS",
            json!({"refundRequestId": REFUND, "refundId": "R1", "paymentId": OWN,
            "refundAmount": amount(100)}),
        );
        answer[change.0] = change.1;
        answer
    };
    let good = world(&[("refund", done(("refundId", json!("R1"))))]).await;
    let Outcome::Done(seen) = good.channel.refund(&refund(), &paid).await else { panic!() };
    assert_eq!(
        (seen.state, seen.amount, seen.provider_ref.as_deref()),
        (RefundState::Succeeded, money(100), Some("R1"))
    );
    assert_eq!(
        good.stub.asked.lock().unwrap()[0].1,
        json!({"refundRequestId": REFUND, "paymentId": OWN, "refundAmount": amount(100), "refundReason": "行程取消",
            "refundNotifyUrl": "http://127.0.0.1:1/notify/alipayplus"})
    );
    for change in [
        ("refundRequestId", json!("01KA0000000000000000000ZZZ")),
        ("paymentId", json!("another")),
        ("refundAmount", Value::Null),
        ("refundAmount", json!({"currency": "USD", "value": "1.00"})),
    ] {
        let world = world(&[("refund", done(change.clone()))]).await;
        let ending = code(world.channel.refund(&refund(), &paid).await);
        assert_eq!(ending, ("unknown", ReasonCode::IntegrityFault), "{change:?}");
    }
    let nothing = world(&[]).await.channel.refund(&refund(), &attempt(PaymentState::RequiresAction, None)).await;
    assert_eq!(code(nothing), ("not_sent", ReasonCode::InvalidRequest));
}

#[tokio::test]
async fn a_refund_under_way_is_pending_and_only_the_table_of_codes_refuses_one() {
    let paid = attempt(PaymentState::Captured, Some(OWN));
    for word in ["REFUND_IN_PROCESS", "PAYMENT_IN_PROCESS"] {
        let world = world(&[("refund", said("U", word, json!({"refundRequestId": REFUND})))]).await;
        let Outcome::Done(seen) = world.channel.refund(&refund(), &paid).await else { panic!("{word}") };
        assert_eq!((seen.state, seen.amount), (RefundState::Pending, money(100)), "{word}");
    }
    for (status, word, wanted) in [
        ("U", "UNKNOWN_EXCEPTION", ("unknown", ReasonCode::ProviderFault)),
        ("F", "SYSTEM_ERROR", ("unknown", ReasonCode::ProviderFault)),
        ("F", "REPEAT_REQ_INCONSISTENT", ("unknown", ReasonCode::IntegrityFault)),
        ("F", "REFUND_AMOUNT_EXCEED", ("declined", ReasonCode::NotAllowed)),
        ("F", "MERCHANT_BALANCE_NOT_ENOUGH", ("declined", ReasonCode::InsufficientBalance)),
    ] {
        let world = world(&[("refund", said(status, word, json!({})))]).await;
        assert_eq!(code(world.channel.refund(&refund(), &paid).await), wanted, "{word}");
    }
}

#[tokio::test]
async fn a_refund_is_asked_about_by_our_number() {
    let paid = attempt(PaymentState::Captured, Some(OWN));
    let found = |status: &str, number: &str| {
        said(
            "S",
            "SUCCESS",
            json!({"refundRequestId": number, "refundId": "R1", "refundAmount": amount(100),
            "refundStatus": status}),
        )
    };
    for (status, wanted) in [
        ("SUCCESS", RefundState::Succeeded),
        ("PROCESSING", RefundState::Pending),
        ("FAIL", RefundState::Failed),
        ("SOMETHING_NEW", RefundState::Pending),
    ] {
        let world = world(&[("inquiryRefund", found(status, REFUND))]).await;
        let Outcome::Done(Some(seen)) = world.channel.query_refund(&refund(), &paid).await else { panic!("{status}") };
        assert_eq!((seen.state, seen.amount), (wanted, money(100)), "{status}");
    }
    let other = world(&[("inquiryRefund", found("SUCCESS", "01KA0000000000000000000ZZZ"))]).await;
    let ending = code(other.channel.query_refund(&refund(), &paid).await);
    assert_eq!(ending, ("unknown", ReasonCode::IntegrityFault));
    for word in ["REFUND_NOT_EXIST", "ORDER_NOT_EXIST"] {
        let world = world(&[("inquiryRefund", said("F", word, json!({})))]).await;
        assert!(matches!(world.channel.query_refund(&refund(), &paid).await, Outcome::Done(None)), "{word}");
    }
}

#[test]
fn ap_06_a_path_in_front_of_the_inbox_is_part_of_what_notifications_are_signed_for() {
    let http = Http::new(crate::config::Profile::Sandbox).unwrap();
    for (public, path) in [("", "/notify/alipayplus"), ("/", "/notify/alipayplus"), ("/gw/", "/gw/notify/alipayplus")] {
        let channel = AlipayPlus::new(&sample("http://127.0.0.1:1"), public, http.clone(), Arc::new(Frozen)).unwrap();
        assert_eq!(channel.notify_path, path);
    }
}
