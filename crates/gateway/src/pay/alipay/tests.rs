//! What the channel concludes from verified answers: codes nobody scanned, closing, taking back, refunds.

use super::*;
use crate::{
    config::{alipay::tests::sample, tests::vector},
    defence::take_away,
};
use axum::{
    Form, Router,
    extract::{Query, State},
    routing::post,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Mutex,
        atomic::{AtomicI64, Ordering},
    },
};
use zhiyou_domain::{id::RefundId, money::Money, port::payments::Channel};

const PAYMENT: &str = "01KA0000000000000000000ABC";
const REFUND: &str = "01KA0000000000000000000XYZ";
const NOW_US: i64 = 1_795_141_500_000_000;

struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> UtcMicros {
        UtcMicros(self.0.load(Ordering::SeqCst))
    }
}

type Script = Mutex<BTreeMap<String, VecDeque<Value>>>;

/// A provider that answers each method with what it was told, signed, and keeps what it was asked.
struct Stub {
    platform: Signer,
    script: Script,
    asked: Mutex<Vec<(String, Value)>>,
}

struct World {
    channel: Alipay,
    stub: Arc<Stub>,
    clock: Arc<Hand>,
}

async fn answer(
    State(stub): State<Arc<Stub>>,
    Query(query): Query<BTreeMap<String, String>>,
    Form(form): Form<BTreeMap<String, String>>,
) -> String {
    let method = query["method"].clone();
    stub.asked.lock().unwrap().push((method.clone(), serde_json::from_str(&form["biz_content"]).unwrap()));
    let inner = stub.script.lock().unwrap().get_mut(&method).and_then(VecDeque::pop_front);
    let inner = inner.unwrap_or_else(|| panic!("{method} was not expected")).to_string();
    let sign = stub.platform.sign(&inner).unwrap();
    format!("{{\"{}_response\":{inner},\"sign\":\"{sign}\"}}", method.replace('.', "_"))
}

async fn world(script: &[(&str, Value)]) -> World {
    world_showing(AlipayPresents::Qr, script).await
}

async fn world_showing(presents: AlipayPresents, script: &[(&str, Value)]) -> World {
    let mut answers = BTreeMap::<String, VecDeque<Value>>::new();
    for (method, inner) in script {
        answers.entry((*method).to_owned()).or_default().push_back(inner.clone());
    }
    let platform = Signer::new(&vector("wechat/java_wechat_pay_private_key.pem").into(), "key").unwrap();
    let stub = Arc::new(Stub { platform, script: Mutex::new(answers), asked: Mutex::default() });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = sample(&format!("http://{}", listener.local_addr().unwrap()));
    config.presents = presents;
    let routes = Router::new().route("/gateway.do", post(answer)).with_state(Arc::clone(&stub));
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    let clock = Arc::new(Hand(AtomicI64::new(NOW_US)));
    let http = Http::new(crate::config::Profile::Sandbox).unwrap();
    World { channel: Alipay::new(&config, http, Arc::clone(&clock) as Arc<dyn Clock>).unwrap(), stub, clock }
}

impl World {
    fn methods(&self) -> Vec<String> {
        self.stub.asked.lock().unwrap().iter().map(|(method, _)| method.clone()).collect()
    }

    fn wait(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

fn cny(minor: i64) -> Money {
    Money::new(minor, Currency::CNY).unwrap()
}

fn attempt(change: impl FnOnce(&mut Attempt)) -> Attempt {
    let mut attempt = Attempt {
        attempt_id: AttemptId::parse_bare(PAYMENT).unwrap(),
        channel: Channel::Alipay,
        amount: cny(29_901),
        description: "智游行程".to_owned(),
        expires_at_us: UtcMicros(NOW_US).plus_minutes(15),
        notify_url: "https://gw.example.com/notify/alipay".to_owned(),
        fingerprint: "f".to_owned(),
        created_at_us: UtcMicros(NOW_US),
        state: PaymentState::RequiresAction,
        transaction_id: None,
        paid_at_us: None,
        provider_ref: Some("https://qr.alipay.com/bax".to_owned()),
        authorise: false,
        taken: None,
        instalments: None,
    };
    change(&mut attempt);
    attempt
}

fn refund(minor: i64) -> Refund {
    Refund {
        refund_id: RefundId::parse_bare(REFUND).unwrap(),
        attempt_id: AttemptId::parse_bare(PAYMENT).unwrap(),
        amount: cny(minor),
        reason: "行程取消".to_owned(),
        notify_url: "https://gw.example.com/notify/alipay".to_owned(),
        fingerprint: "f".to_owned(),
        created_at_us: UtcMicros(NOW_US),
        state: crate::store::refunds::Standing::At(RefundState::Pending),
        provider_ref: None,
    }
}

const QUERY: &str = "alipay.trade.query";
const CLOSE: &str = "alipay.trade.close";
const CANCEL: &str = "alipay.trade.cancel";
const GIVE_BACK: &str = "alipay.trade.refund";
const QUERY_REFUND: &str = "alipay.trade.fastpay.refund.query";

fn no(sub_code: &str) -> Value {
    json!({"code": "40004", "msg": "Business Failed", "sub_code": sub_code, "sub_msg": "x"})
}

fn ok(mut rest: Value) -> Value {
    rest["code"] = "10000".into();
    rest["msg"] = "Success".into();
    rest
}

fn trade(status: &str) -> Value {
    ok(json!({"out_trade_no": PAYMENT, "trade_no": "2026112022001", "trade_status": status, "total_amount": "299.01"}))
}

fn state(outcome: &Outcome<PaymentSeen>) -> PaymentState {
    let Outcome::Done(seen) = outcome else { panic!("{outcome:?}") };
    seen.state
}

fn code<T: std::fmt::Debug>(outcome: Outcome<T>) -> (&'static str, ReasonCode) {
    match outcome {
        Outcome::Done(value) => panic!("done: {value:?}"),
        Outcome::NotSent(reason) => ("not_sent", reason.code),
        Outcome::Declined(reason) => ("declined", reason.code),
        Outcome::Unknown(reason) => ("unknown", reason.code),
    }
}

#[tokio::test]
async fn a_code_is_asked_for_with_the_exact_amount_and_the_last_moment_in_beijing() {
    let made = ok(json!({"out_trade_no": PAYMENT, "qr_code": "https://qr.alipay.com/bax03431ljhokirwl38f00a7"}));
    let world = world(&[("alipay.trade.precreate", made)]).await;
    let Outcome::Done(opened) = world.channel.create(&attempt(|_| {})).await else { panic!() };
    assert_eq!(
        opened.action,
        PaymentAction::Qr { content: "https://qr.alipay.com/bax03431ljhokirwl38f00a7".to_owned() }
    );
    let asked = world.stub.asked.lock().unwrap()[0].1.clone();
    assert_eq!(
        asked,
        json!({"out_trade_no": PAYMENT, "total_amount": "299.01", "subject": "智游行程", "product_code": "QR_CODE_OFFLINE",
            "time_expire": "2026-11-20 10:40:00"})
    );
}

#[tokio::test]
async fn pm_04_a_code_that_leads_anywhere_but_to_the_channel_is_not_shown() {
    for elsewhere in
        ["https://evil.example/pay", "http://qr.alipay.com/bax", "https://qr.alipay.com.evil.example/bax", ""]
    {
        let made = ok(json!({"out_trade_no": PAYMENT, "qr_code": elsewhere}));
        let world = world(&[("alipay.trade.precreate", made)]).await;
        assert_eq!(code(world.channel.create(&attempt(|_| {})).await).0, "unknown", "{elsewhere:?}");
    }
    let made = ok(json!({"out_trade_no": PAYMENT, "qr_code": "https://evil.example/pay"}));
    let world = world(&[("alipay.trade.precreate", made)]).await;
    take_away(Some(Defence::CodeHost));
    let shown = world.channel.create(&attempt(|_| {})).await;
    take_away(None);
    assert!(matches!(shown, Outcome::Done(_)), "nothing else looks at where it leads");
}

#[tokio::test]
async fn a_code_nobody_scanned_waits_until_its_time_is_over_and_is_closed_then() {
    let missing = || (QUERY, no("ACQ.TRADE_NOT_EXIST"));
    let world = world(&[missing(), missing(), missing(), missing()]).await;
    let attempt = attempt(|_| {});
    assert_eq!(state(&world.channel.query(&attempt).await), PaymentState::RequiresAction);
    world.wait(15 * 60 + CLOCKS_APART_S - 1);
    assert_eq!(state(&world.channel.query(&attempt).await), PaymentState::RequiresAction, "clocks may differ");
    world.wait(1);
    assert_eq!(state(&world.channel.query(&attempt).await), PaymentState::Closed);
    assert_eq!(world.channel.knows(attempt.attempt_id).await, Outcome::Done(false));
}

#[tokio::test]
async fn what_can_still_be_paid_is_never_called_closed() {
    let missing = || (QUERY, no("ACQ.TRADE_NOT_EXIST"));
    let world = world(&[missing(), (CLOSE, no("ACQ.TRADE_NOT_EXIST")), missing()]).await;
    let attempt = attempt(|_| {});
    assert_eq!(code(world.channel.close(&attempt).await), ("declined", ReasonCode::NotAllowed));
    world.wait(15 * 60 + CLOCKS_APART_S);
    assert_eq!(state(&world.channel.close(&attempt).await), PaymentState::Closed);
    assert_eq!(world.methods(), [QUERY, CLOSE, QUERY]);
}

#[tokio::test]
async fn a_scanned_payment_is_closed_unless_money_was_faster() {
    let closed = ok(json!({"out_trade_no": PAYMENT, "trade_no": "2026112022001"}));
    let world = world(&[
        (QUERY, trade("WAIT_BUYER_PAY")),
        (CLOSE, closed),
        (QUERY, trade("WAIT_BUYER_PAY")),
        (CLOSE, no("ACQ.TRADE_STATUS_ERROR")),
        (QUERY, trade("TRADE_SUCCESS")),
        (QUERY, trade("TRADE_SUCCESS")),
        (QUERY, trade("WAIT_BUYER_PAY")),
        (CLOSE, no("ACQ.TRADE_HAS_CLOSE")),
    ])
    .await;
    let attempt = attempt(|_| {});
    let close = || world.channel.close(&attempt);
    assert_eq!(state(&close().await), PaymentState::Closed);
    assert_eq!(state(&close().await), PaymentState::Captured);
    assert_eq!(state(&close().await), PaymentState::Captured, "and nothing is sent to close it");
    assert_eq!(state(&close().await), PaymentState::Closed);
}

#[tokio::test]
async fn only_a_payment_whose_code_nobody_has_is_taken_back() {
    let missing = || (QUERY, no("ACQ.TRADE_NOT_EXIST"));
    let answered = |flag: &str, action: Option<&str>| {
        let mut answer = json!({"out_trade_no": PAYMENT, "retry_flag": flag});
        if let Some(action) = action {
            answer["action"] = action.into();
        }
        (CANCEL, ok(answer))
    };
    let world = world(&[
        missing(),
        answered("N", None),
        missing(),
        answered("N", Some("close")),
        missing(),
        answered("Y", None),
        missing(),
        answered("N", Some("refund")),
        missing(),
        (CANCEL, no("ACQ.SYSTEM_ERROR")),
    ])
    .await;
    let lost = attempt(|attempt| attempt.provider_ref = None);
    let close = || world.channel.close(&lost);
    assert_eq!(state(&close().await), PaymentState::Closed);
    assert_eq!(state(&close().await), PaymentState::Closed);
    assert_eq!(code(close().await), ("unknown", ReasonCode::ProviderFault), "the channel wants it again");
    assert_eq!(code(close().await), ("unknown", ReasonCode::IntegrityFault), "who could have paid?");
    assert_eq!(code(close().await), ("unknown", ReasonCode::ProviderFault));
}

#[tokio::test]
async fn al_06_a_trade_that_a_full_refund_closed_stays_paid_and_one_never_paid_is_closed() {
    let world =
        world(&[(QUERY, trade("TRADE_CLOSED")), (QUERY, trade("TRADE_CLOSED")), (QUERY, trade("TRADE_FINISHED"))])
            .await;
    let paid = attempt(|attempt| attempt.state = PaymentState::Captured);
    assert_eq!(state(&world.channel.query(&paid).await), PaymentState::Captured);
    assert_eq!(state(&world.channel.query(&attempt(|_| {})).await), PaymentState::Closed);
    assert_eq!(state(&world.channel.query(&attempt(|_| {})).await), PaymentState::Captured);
}

#[tokio::test]
async fn answers_that_do_not_belong_to_the_question_leave_everything_unknown() {
    let other = |mut answer: Value| {
        answer["out_trade_no"] = "01KA0000000000000000000ZZZ".into();
        answer
    };
    let with = |field: &str, value: Value| {
        let mut answer = trade("TRADE_SUCCESS");
        answer[field] = value;
        answer
    };
    let script = [
        other(trade("TRADE_SUCCESS")),
        with("total_amount", json!("299.010")),
        with("total_amount", json!("1e2")),
        with("trade_no", Value::Null),
        with("total_amount", Value::Null),
        with("send_pay_date", json!("yesterday")),
    ];
    let world = world(&script.map(|answer| (QUERY, answer))).await;
    for _ in 0..6 {
        assert_eq!(code(world.channel.query(&attempt(|_| {})).await), ("unknown", ReasonCode::IntegrityFault));
    }
}

#[tokio::test]
async fn codes_that_mean_nobody_knows_are_unknown_on_every_path() {
    let busy = || json!({"code": "20000", "msg": "Service Currently Unavailable", "sub_code": "isp.unknow-error"});
    let working = || json!({"code": "10003", "msg": "order success pay inprocess"});
    let world = world(&[
        (QUERY, busy()),
        (QUERY, working()),
        (QUERY, no("ACQ.SYSTEM_ERROR")),
        (GIVE_BACK, busy()),
        ("alipay.trade.precreate", busy()),
        ("alipay.trade.precreate", no("ACQ.CONTEXT_INCONSISTENT")),
    ])
    .await;
    for _ in 0..2 {
        assert_eq!(code(world.channel.query(&attempt(|_| {})).await), ("unknown", ReasonCode::ProviderFault));
    }
    assert_eq!(code(world.channel.close(&attempt(|_| {})).await), ("unknown", ReasonCode::ProviderFault));
    let given = world.channel.refund(&refund(100), &attempt(|_| {})).await;
    assert_eq!(code(given), ("unknown", ReasonCode::ProviderFault));
    assert_eq!(code(world.channel.create(&attempt(|_| {})).await), ("unknown", ReasonCode::ProviderFault));
    assert_eq!(code(world.channel.create(&attempt(|_| {})).await), ("unknown", ReasonCode::IntegrityFault));
}

fn given(change: &str, so_far: &str) -> (&'static str, Value) {
    (GIVE_BACK, ok(json!({"out_trade_no": PAYMENT, "trade_no": "1", "fund_change": change, "refund_fee": so_far})))
}

fn found(status: Option<&str>) -> (&'static str, Value) {
    let mut answer =
        json!({"out_trade_no": PAYMENT, "out_request_no": REFUND, "refund_amount": "100.00", "total_amount": "299.01"});
    if let Some(status) = status {
        answer["refund_status"] = status.into();
    }
    (QUERY_REFUND, ok(answer))
}

#[tokio::test]
async fn a_refund_that_moved_money_has_arrived_and_a_repeated_one_is_looked_up() {
    let world = world(&[
        given("Y", "100.00"),
        given("N", "100.00"),
        found(Some("REFUND_SUCCESS")),
        given("N", "100.00"),
        found(None),
        given("N", "0.00"),
        (QUERY_REFUND, ok(json!({}))),
        given("N", "100.00"),
        (QUERY_REFUND, no("ACQ.SYSTEM_ERROR")),
    ])
    .await;
    let (refund, attempt) = (refund(10_000), attempt(|attempt| attempt.state = PaymentState::Captured));
    let mut states = Vec::new();
    for _ in 0..3 {
        let Outcome::Done(seen) = world.channel.refund(&refund, &attempt).await else { panic!() };
        assert_eq!((seen.amount, seen.total, seen.payment_number.as_str()), (cny(10_000), cny(29_901), PAYMENT));
        states.push(seen.state);
    }
    use RefundState::{Pending, Succeeded};
    assert_eq!(states, [Succeeded, Succeeded, Pending]);
    let nowhere = world.channel.refund(&refund, &attempt).await;
    assert_eq!(code(nowhere), ("unknown", ReasonCode::ProviderFault), "to be asked for again under the same number");
    let lost = world.channel.refund(&refund, &attempt).await;
    assert_eq!(code(lost), ("unknown", ReasonCode::ProviderFault), "it was sent");
}

#[tokio::test]
async fn a_refund_whose_sum_does_not_fit_is_a_matter_for_a_person() {
    let world = world(&[given("Y", "99.99"), given("Y", "299.02"), given("Y", "1e2"), given("Y", "299.01")]).await;
    let (refund, attempt) = (refund(10_000), attempt(|_| {}));
    for _ in 0..3 {
        let seen = world.channel.refund(&refund, &attempt).await;
        assert_eq!(code(seen), ("unknown", ReasonCode::IntegrityFault));
    }
    assert!(matches!(world.channel.refund(&refund, &attempt).await, Outcome::Done(_)), "with earlier ones it fits");
}

#[tokio::test]
async fn a_refund_the_channel_does_not_know_is_none_and_one_of_another_number_is_not_ours() {
    let (_, mut other) = found(Some("REFUND_SUCCESS"));
    other["out_request_no"] = "another".into();
    let world = world(&[
        (QUERY_REFUND, ok(json!({}))),
        (QUERY_REFUND, no("ACQ.TRADE_NOT_EXIST")),
        (QUERY_REFUND, other),
        (QUERY_REFUND, ok(json!({"out_request_no": REFUND, "refund_status": "REFUND_SUCCESS"}))),
        (GIVE_BACK, no("ACQ.SELLER_BALANCE_NOT_ENOUGH")),
    ])
    .await;
    let (refund, attempt) = (refund(10_000), attempt(|_| {}));
    let query = || world.channel.query_refund(&refund, &attempt);
    assert_eq!(query().await, Outcome::Done(None));
    assert_eq!(query().await, Outcome::Done(None));
    assert_eq!(code(query().await), ("unknown", ReasonCode::IntegrityFault));
    assert_eq!(code(query().await), ("unknown", ReasonCode::IntegrityFault));
    let broke = world.channel.refund(&refund, &attempt).await;
    assert_eq!(code(broke), ("declined", ReasonCode::InsufficientBalance));
}

#[tokio::test]
async fn a_page_is_shown_without_a_call_and_the_same_payment_has_the_same_address() {
    for (presents, method, product) in [
        (AlipayPresents::Page, "alipay.trade.page.pay", "FAST_INSTANT_TRADE_PAY"),
        (AlipayPresents::PhonePage, "alipay.trade.wap.pay", "QUICK_WAP_WAY"),
    ] {
        let world = world_showing(presents, &[]).await;
        assert_eq!(world.channel.capabilities().presents, Presentation::Redirect);
        let Outcome::Done(opened) = world.channel.create(&attempt(|_| {})).await else { panic!() };
        world.wait(5);
        assert_eq!(world.channel.create(&attempt(|_| {})).await, Outcome::Done(opened.clone()));
        let PaymentAction::Redirect { url } = opened.action else { panic!() };
        let url: Url = url.parse().unwrap();
        let parameters: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        let content: Value = serde_json::from_str(&parameters["biz_content"]).unwrap();
        assert_eq!((parameters["method"].as_str(), content["product_code"].as_str()), (method, Some(product)));
        assert_eq!(parameters["return_url"], format!("https://gw.example.com/pay/return/{PAYMENT}"));
        assert!(opened.provider_ref.is_some(), "somebody has it: it is never taken back");
        assert!(world.methods().is_empty());
    }
}

#[tokio::test]
async fn what_is_handed_to_the_channels_sdk_is_made_without_a_call_and_the_same_every_time() {
    let world = world_showing(AlipayPresents::App, &[]).await;
    assert_eq!(world.channel.capabilities().presents, Presentation::App);
    let Outcome::Done(opened) = world.channel.create(&attempt(|_| {})).await else { panic!() };
    world.wait(5);
    assert_eq!(world.channel.create(&attempt(|_| {})).await, Outcome::Done(opened.clone()));
    let PaymentAction::App { parameters } = opened.action else { panic!() };
    assert!(!parameters.contains('+'), "the SDK reads no plus sign as a blank");
    let pairs: BTreeMap<String, String> = url::form_urlencoded::parse(parameters.as_bytes()).into_owned().collect();
    let content: Value = serde_json::from_str(&pairs["biz_content"]).unwrap();
    assert_eq!(pairs["method"], "alipay.trade.app.pay");
    assert_eq!((&content["product_code"], &content["out_trade_no"]), (&json!("QUICK_MSECURITY_PAY"), &json!(PAYMENT)));
    assert!(pairs.contains_key("sign") && !pairs.contains_key("return_url"));
    assert!(opened.provider_ref.is_some() && world.methods().is_empty());
}

/// Content encryption is an application's own choice in the channel's console. Ours has it off: an answer that is sealed all the
/// same is genuine and says nothing we can read, so it decides nothing.
#[tokio::test]
async fn an_answer_that_is_encrypted_decides_nothing() {
    let published: Value = serde_json::from_str(&vector("alipay/aes_content_encryption.json")).unwrap();
    let sealed = published["ciphertext_base64"].clone();
    let world = world(&[(QUERY, sealed.clone()), (GIVE_BACK, sealed)]).await;
    let asked = world.channel.query(&attempt(|_| {})).await;
    assert!(matches!(asked, Outcome::Unknown(_)), "{asked:?}");
    let given = world.channel.refund(&refund(100), &attempt(|attempt| attempt.state = PaymentState::Captured)).await;
    assert!(matches!(given, Outcome::Unknown(_)), "{given:?}");
}
