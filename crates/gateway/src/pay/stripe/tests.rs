//! What goes over the wire, byte by byte, and what answers that are late, foreign, old or remembered mean.

mod published;
mod ways;

use super::*;
use crate::{
    config::stripe_sample,
    defence::{Defence, without},
};
use serde_json::{Value, json};
use std::sync::Mutex;
use tokio::net::TcpListener;
use zhiyou_domain::{
    id::RefundId,
    money::Currency,
    port::payments::{Channel, PaymentAction, RefundState},
};

const NOW_S: i64 = 1_795_141_500;
const PAYMENT: &str = "01KA0000000000000000000ABC";
const REFUND: &str = "01KA0000000000000000000XYZ";

struct Frozen;

impl Clock for Frozen {
    fn now(&self) -> UtcMicros {
        UtcMicros(NOW_S * 1_000_000)
    }
}

/// One request as it arrived.
#[derive(Debug, Clone)]
struct Asked {
    line: String,
    headers: HeaderMap,
    body: String,
}

impl Asked {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// An answer: status, headers, body.
type Reply = (u16, Vec<(&'static str, &'static str)>, Value);

/// A channel whose provider answers what the test says, and the requests it got.
struct Bench {
    channel: Stripe,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Bench {
    async fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        let answer = Arc::new(answer);
        let handler = move |request: axum::extract::Request| {
            let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
            async move {
                let (parts, body) = request.into_parts();
                let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
                let line = format!("{} {}", parts.method, parts.uri);
                let asked = Asked { line, headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() };
                let (status, headers, body) = answer(&asked);
                kept.lock().unwrap().push(asked);
                let mut response = axum::response::Response::new(axum::body::Body::from(body.to_string()));
                *response.status_mut() = axum::http::StatusCode::from_u16(status).unwrap();
                for (name, value) in headers {
                    response.headers_mut().insert(name, value.parse().unwrap());
                }
                response
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(handler)).await.unwrap() });
        let http = Http::new(Profile::Sandbox).unwrap();
        let channel = Stripe::new(&stripe_sample(&address), Profile::Sandbox, http, Arc::new(Frozen));
        Self { channel, asked }
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

fn cny(minor: i64) -> Money {
    Money::new(minor, Currency::CNY).unwrap()
}

fn attempt() -> Attempt {
    Attempt {
        attempt_id: AttemptId::parse_bare(PAYMENT).unwrap(),
        channel: Channel::Stripe,
        amount: cny(29_901),
        description: "智游 上海三日".to_owned(),
        expires_at_us: Frozen.now().plus_minutes(15),
        notify_url: "https://gw.zhiyou.cn/notify/stripe".to_owned(),
        fingerprint: "f".to_owned(),
        created_at_us: Frozen.now(),
        state: PaymentState::RequiresAction,
        transaction_id: None,
        paid_at_us: None,
        provider_ref: None,
        authorise: false,
        taken: None,
        instalments: None,
    }
}

fn refund() -> Refund {
    Refund {
        refund_id: RefundId::parse_bare(REFUND).unwrap(),
        attempt_id: AttemptId::parse_bare(PAYMENT).unwrap(),
        amount: cny(100),
        reason: "行程取消".to_owned(),
        notify_url: String::new(),
        fingerprint: "f".to_owned(),
        created_at_us: Frozen.now(),
        state: crate::store::refunds::Standing::At(RefundState::Pending),
        provider_ref: None,
    }
}

fn intent(status: &str) -> Value {
    let of = |wanted: &str| if status == wanted { 29_901 } else { 0 };
    json!({"id": "pi_1", "amount": 29_901, "amount_received": of("succeeded"), "amount_capturable": of("requires_capture"),
        "currency": "cny", "status": status, "capture_method": "automatic", "livemode": false, "metadata": {"attempt": PAYMENT},
        "latest_charge": {"id": "ch_1", "created": NOW_S, "metadata": {}}})
}

fn session(status: &str, intent: Value) -> Value {
    json!({"id": "cs_test_1", "object": "checkout.session", "status": status, "payment_status": "unpaid", "amount_total": 29_901,
        "currency": "cny", "client_reference_id": PAYMENT, "metadata": {"attempt": PAYMENT}, "livemode": false,
        "payment_intent": intent, "url": null})
}

fn ok(body: Value) -> Reply {
    (200, vec![], body)
}

fn refused(status: u16, kind: &str, code: &str) -> Reply {
    (status, vec![], json!({"error": {"type": kind, "code": code, "message": "m"}}))
}

fn integrity_fault<T: std::fmt::Debug>(outcome: &Outcome<T>) -> bool {
    matches!(outcome, Outcome::Unknown(reason) if reason.code == ReasonCode::IntegrityFault)
}

fn shown_at(asked: &Asked) -> String {
    format!("http://{}/c/pay/cs_test_1", asked.header("host"))
}

#[tokio::test]
async fn a_page_is_asked_for_in_the_pinned_version_under_a_key_of_the_attempt() {
    let bench = Bench::start(|asked| {
        let mut page = session("open", Value::Null);
        page["url"] = shown_at(asked).into();
        ok(page)
    })
    .await;
    let opened = bench.channel.create(&attempt()).await;
    let Outcome::Done(Opened { action: PaymentAction::Redirect { url }, provider_ref }) = opened else {
        panic!("{opened:?}")
    };
    assert!(url.ends_with("/c/pay/cs_test_1"));
    assert_eq!(provider_ref.as_deref(), Some("cs_test_1"));
    let [asked] = bench.asked().try_into().unwrap();
    assert_eq!(asked.line, "POST /v1/checkout/sessions");
    assert_eq!(asked.header("stripe-version"), "2026-10-28.endive");
    assert_eq!(asked.header("authorization"), "Bearer sk_test_c0ffee5Qr8Zt1WmXy7Kb2Nd");
    assert_eq!(asked.header("idempotency-key"), format!("{PAYMENT}:create"));
    let form: Vec<(String, String)> = url::form_urlencoded::parse(asked.body.as_bytes()).into_owned().collect();
    let back = format!("https://gw.zhiyou.cn/pay/return/{PAYMENT}");
    let wanted = [
        ("mode", "payment"),
        ("ui_mode", "hosted_page"),
        ("client_reference_id", PAYMENT),
        ("metadata[attempt]", PAYMENT),
        ("success_url", &back),
        ("cancel_url", &back),
        ("expires_at", "1795145100"),
        ("allowed_payment_method_types[0]", "card"),
        ("adaptive_pricing[enabled]", "false"),
        ("line_items[0][quantity]", "1"),
        ("line_items[0][price_data][currency]", "cny"),
        ("line_items[0][price_data][unit_amount]", "29901"),
        ("line_items[0][price_data][product_data][name]", "智游 上海三日"),
        ("payment_intent_data[metadata][attempt]", PAYMENT),
        ("payment_intent_data[description]", "智游 上海三日"),
        ("payment_intent_data[capture_method]", "automatic"),
    ];
    assert_eq!(form, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));
    bench.channel.create(&attempt()).await;
    assert_eq!(bench.asked()[1].body, asked.body, "again is the very same request");
    bench.channel.create(&Attempt { authorise: true, ..attempt() }).await;
    assert!(bench.asked()[2].body.ends_with("capture_method%5D=manual"));
}

#[tokio::test]
async fn pm_03_only_the_channels_own_page_is_shown() {
    let account = stripe_sample("https://api.stripe.com");
    let live = Stripe::new(&account, Profile::Live, Http::new(Profile::Sandbox).unwrap(), Arc::new(Frozen));
    assert!(live.may_be_shown("https://checkout.stripe.com/c/pay/cs_live_1#fid"));
    for url in [
        "http://checkout.stripe.com/c/pay/cs_live_1",
        "https://checkout.stripe.com.evil.cn/c/pay/cs_live_1",
        "https://evil@checkout.stripe.com/c/pay/cs_live_1",
        "https://checkout.stripe.com:444/c/pay/cs_live_1",
        "https://stripe.com/c/pay/cs_live_1",
        "javascript:alert(1)",
        "",
    ] {
        assert!(!live.may_be_shown(url), "{url}");
    }
    let elsewhere = || live.may_be_shown("https://checkout.stripe.com.evil.cn/c/pay/cs_live_1");
    assert!(without(Defence::PageHost, elsewhere), "nothing else looks at the host");
    let bench = Bench::start(|_| {
        let mut page = session("open", Value::Null);
        page["url"] = "https://checkout.stripe.com/c/pay/cs_test_1".into();
        ok(page)
    })
    .await;
    assert!(integrity_fault(&bench.channel.create(&attempt()).await), "the sandbox shows its own port only");
}

#[tokio::test]
async fn an_answer_about_another_payment_amount_currency_or_world_is_believed_in_nothing() {
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 14] = [
        ("reference", |page| page["client_reference_id"] = "another".into()),
        ("metadata", |page| page["metadata"]["attempt"] = "another".into()),
        ("livemode", |page| page["livemode"] = true.into()),
        ("id", |page| page["id"] = "cs_test_2".into()),
        ("currency", |page| page["currency"] = "zzz".into()),
        ("no amount", |page| page["amount_total"] = Value::Null),
        ("two amounts", |page| page["amount_total"] = 29_900.into()),
        ("intent of another payment", |page| page["payment_intent"]["metadata"]["attempt"] = "another".into()),
        ("intent of the other world", |page| page["payment_intent"]["livemode"] = true.into()),
        ("intent in another currency", |page| page["payment_intent"]["currency"] = "hkd".into()),
        ("st_05 less received", |page| page["payment_intent"]["amount_received"] = 29_900.into()),
        ("more received", |page| page["payment_intent"]["amount_received"] = 29_902.into()),
        ("taken by hand", |page| page["payment_intent"]["capture_method"] = "manual".into()),
        ("not in full", |page| page["payment_intent"] = "pi_1".into()),
    ];
    let attempt = Attempt { provider_ref: Some("cs_test_1".to_owned()), ..attempt() };
    for (name, change) in changes {
        let bench = Bench::start(move |_| {
            let mut page = session("complete", intent("succeeded"));
            change(&mut page);
            ok(page)
        })
        .await;
        let seen = bench.channel.query(&attempt).await;
        assert!(integrity_fault(&seen), "{name}: {seen:?}");
        assert!(integrity_fault(&bench.channel.close(&attempt).await), "{name}");
    }
    let bench = Bench::start(|_| ok(session("complete", intent("succeeded")))).await;
    let Outcome::Done(seen) = bench.channel.query(&attempt).await else { panic!() };
    assert_eq!((seen.state, seen.total, seen.taken), (PaymentState::Captured, Some(cny(29_901)), None));
    assert_eq!((seen.transaction_id.as_deref(), seen.paid_at_us), (Some("pi_1"), Some(Frozen.now())));
}

#[test]
fn money_decides_where_a_payment_stands_and_without_it_the_page_does() {
    use IntentStatus as I;
    use PaymentState as P;
    use SessionStatus as S;
    for page in [S::Open, S::Complete, S::Expired, S::Unknown] {
        assert_eq!(state(I::Succeeded, page), P::Captured);
        assert_eq!(state(I::RequiresCapture, page), P::Authorised);
        assert_eq!(state(I::Processing, page), P::Processing);
    }
    for intent in [I::RequiresPaymentMethod, I::RequiresConfirmation, I::RequiresAction, I::Unknown, I::Canceled] {
        assert_eq!(state(intent, S::Open), P::RequiresAction, "{intent:?}");
        assert_eq!(state(intent, S::Expired), P::Closed, "{intent:?}");
    }
    assert_eq!(state(I::Canceled, S::Complete), P::Closed);
    assert_eq!(state(I::RequiresPaymentMethod, S::Complete), P::Failed);
    for intent in [I::RequiresConfirmation, I::RequiresAction, I::Unknown] {
        assert_eq!(state(intent, S::Complete), P::Processing, "a word we do not know is neither success nor failure");
    }
}

#[tokio::test]
async fn a_payment_whose_answer_was_lost_is_asked_for_once_more_while_its_key_is_remembered_and_looked_for_later() {
    let answer = |asked: &Asked| {
        if asked.line.contains("/v1/checkout/sessions?") {
            return ok(json!({"data": [session("expired", Value::Null)], "has_more": false}));
        }
        ok(session("open", Value::Null))
    };
    let bench = Bench::start(answer).await;
    let Outcome::Done(seen) = bench.channel.query(&attempt()).await else { panic!() };
    assert_eq!(seen.state, PaymentState::RequiresAction);
    let lines = bench.lines();
    assert_eq!(lines[0], "POST /v1/checkout/sessions");
    assert!(
        lines[1].starts_with("GET /v1/checkout/sessions/cs_test_1?"),
        "what is remembered is how it began: {lines:?}"
    );

    let old = Attempt { created_at_us: Frozen.now().plus_minutes(-REMEMBERED_MIN), ..attempt() };
    let closed = Attempt { state: PaymentState::Closed, ..attempt() };
    for attempt in [old.clone(), closed] {
        let bench = Bench::start(answer).await;
        let Outcome::Done(seen) = bench.channel.query(&attempt).await else { panic!() };
        assert_eq!(seen.state, PaymentState::Closed);
        assert!(bench.lines().iter().all(|line| line.starts_with("GET ")), "no second page: {:?}", bench.lines());
    }
    let bench = Bench::start(answer).await;
    let again = bench.channel.create(&old).await;
    assert!(matches!(&again, Outcome::Declined(reason) if reason.code == ReasonCode::AlreadyClosed), "{again:?}");
    assert!(bench.lines().iter().all(|line| line.starts_with("GET ")), "{:?}", bench.lines());
}

#[tokio::test]
async fn a_refusal_or_a_remembered_failure_does_not_prove_that_there_is_no_page() {
    let replies = [
        (500, vec![("idempotent-replayed", "true")], json!({"error": {"type": "api_error"}})),
        refused(400, "idempotency_error", ""),
        refused(400, "invalid_request_error", "parameter_invalid"),
    ];
    for reply in replies {
        for there in [true, false] {
            let reply = reply.clone();
            let bench = Bench::start(move |asked| {
                if asked.line.starts_with("POST ") {
                    return reply.clone();
                }
                let page = session("complete", intent("succeeded"));
                ok(json!({"data": if there { vec![page] } else { vec![] }, "has_more": false}))
            })
            .await;
            let Outcome::Done(seen) = bench.channel.query(&attempt()).await else { panic!() };
            assert_eq!(seen.state, if there { PaymentState::Captured } else { PaymentState::NotFound });
        }
    }
    let fresh = Bench::start(|_| (500, vec![], json!({"error": {"type": "api_error"}}))).await;
    assert!(matches!(fresh.channel.query(&attempt()).await, Outcome::Unknown(_)), "it may be happening now");
}

#[tokio::test]
async fn a_payment_without_a_record_is_looked_for_page_by_page_on_the_day_its_number_was_made() {
    let bench = Bench::start(|asked| {
        let mut other = session("open", Value::Null);
        other["client_reference_id"] = "another".into();
        let first = !asked.line.contains("starting_after=cs_test_1");
        ok(json!({"data": [if first { other } else { session("open", Value::Null) }], "has_more": first}))
    })
    .await;
    let id = AttemptId::parse_bare(PAYMENT).unwrap();
    assert_eq!(bench.channel.knows(id).await, Outcome::Done(true));
    let made_s = find::made_at(id).0 / 1_000_000;
    let stated_ms = ulid::Ulid::from_string(PAYMENT).unwrap().timestamp_ms();
    assert_eq!(made_s, i64::try_from(stated_ms).unwrap() / 1_000);
    assert!(bench.lines()[0].contains(&format!("created%5Bgte%5D={}", made_s - 300)), "{:?}", bench.lines());
    let endless = Bench::start(|_| {
        let mut other = session("open", Value::Null);
        other["client_reference_id"] = "another".into();
        ok(json!({"data": [other], "has_more": true}))
    })
    .await;
    assert!(matches!(endless.channel.knows(id).await, Outcome::Unknown(_)));
    let none = Bench::start(|_| ok(json!({"data": [], "has_more": false}))).await;
    assert_eq!(none.channel.knows(id).await, Outcome::Done(false));
}

#[tokio::test]
async fn each_error_ends_as_it_must() {
    let cases = [
        (refused(402, "card_error", "card_declined"), "declined", ReasonCode::PaymentDeclined),
        (refused(400, "invalid_request_error", "parameter_unknown"), "declined", ReasonCode::InvalidRequest),
        (refused(400, "idempotency_error", ""), "declined", ReasonCode::InvalidRequest),
        (refused(401, "invalid_request_error", ""), "declined", ReasonCode::Unauthorized),
        (refused(403, "permission_error", ""), "declined", ReasonCode::Unauthorized),
        (refused(400, "invalid_request_error", "balance_insufficient"), "declined", ReasonCode::InsufficientBalance),
        (refused(400, "invalid_request_error", "charge_disputed"), "declined", ReasonCode::NotAllowed),
        (refused(404, "invalid_request_error", "resource_missing"), "declined", ReasonCode::NotFound),
        (refused(400, "invalid_request_error", "lock_timeout"), "not_sent", ReasonCode::RateLimited),
        (refused(429, "rate_limit_error", "rate_limit"), "not_sent", ReasonCode::RateLimited),
        (refused(409, "idempotency_error", "idempotency_key_in_use"), "unknown", ReasonCode::ProviderFault),
        (refused(400, "idempotency_error", "idempotency_key_in_use"), "unknown", ReasonCode::ProviderFault),
        (refused(400, "api_error", ""), "unknown", ReasonCode::ProviderFault),
        (refused(500, "card_error", "card_declined"), "unknown", ReasonCode::ProviderFault),
        (
            (400, vec![("stripe-should-retry", "true")], refused(400, "card_error", "x").2),
            "unknown",
            ReasonCode::ProviderFault,
        ),
        (
            (500, vec![("stripe-should-retry", "false")], refused(500, "api_error", "x").2),
            "unknown",
            ReasonCode::ProviderFault,
        ),
        ((403, vec![], json!("blocked")), "unknown", ReasonCode::ProviderFault),
        ((302, vec![("location", "http://127.0.0.1:1")], json!({})), "unknown", ReasonCode::ProviderFault),
        ((200, vec![], json!({"id": 1})), "unknown", ReasonCode::ProviderFault),
    ];
    let attempt = Attempt { transaction_id: Some("pi_1".to_owned()), state: PaymentState::Captured, ..attempt() };
    for (reply, ending, code) in cases {
        let told = format!("{reply:?}");
        let bench = Bench::start(move |_| reply.clone()).await;
        let (word, reason) = match bench.channel.refund(&refund(), &attempt).await {
            Outcome::Done(seen) => panic!("{seen:?}"),
            Outcome::NotSent(reason) => ("not_sent", reason),
            Outcome::Declined(reason) => ("declined", reason),
            Outcome::Unknown(reason) => ("unknown", reason),
        };
        assert_eq!((word, reason.code), (ending, code), "{told}");
        assert_eq!(bench.asked().len(), 1, "sent once");
    }
}

#[tokio::test]
async fn a_refund_is_keyed_by_its_number_and_one_that_is_old_is_looked_for_before_it_is_sent() {
    let given = json!({"id": "re_1", "amount": 100, "currency": "cny", "status": "succeeded", "metadata": {"refund": REFUND},
        "payment_intent": intent("succeeded")});
    let there = given.clone();
    let bench = Bench::start(move |asked| {
        if asked.line.starts_with("GET /v1/refunds?") {
            return ok(json!({"data": [there.clone()], "has_more": false}));
        }
        ok(there.clone())
    })
    .await;
    let attempt = Attempt { transaction_id: Some("pi_1".to_owned()), state: PaymentState::Captured, ..attempt() };
    let Outcome::Done(seen) = bench.channel.refund(&refund(), &attempt).await else { panic!() };
    assert_eq!((seen.state, seen.amount, seen.total), (RefundState::Succeeded, cny(100), cny(29_901)));
    assert_eq!((seen.provider_ref.as_deref(), seen.payment_number.as_str()), (Some("re_1"), PAYMENT));
    let old = Refund { created_at_us: Frozen.now().plus_minutes(-REMEMBERED_MIN), ..refund() };
    assert_eq!(bench.channel.refund(&old, &attempt).await, Outcome::Done(seen.clone()));
    let named = Refund { provider_ref: Some("re_1".to_owned()), ..refund() };
    assert_eq!(bench.channel.refund(&named, &attempt).await, Outcome::Done(seen));
    let [sent, listed, read] = bench.asked().try_into().unwrap();
    assert_eq!(
        (sent.line.as_str(), sent.header("idempotency-key")),
        ("POST /v1/refunds", format!("{REFUND}:refund").as_str())
    );
    assert!(
        listed.line.starts_with("GET /v1/refunds?payment_intent=pi_1&")
            && read.line.starts_with("GET /v1/refunds/re_1?")
    );

    let none = Bench::start(move |asked| {
        if asked.line.starts_with("GET ") { ok(json!({"data": [], "has_more": false})) } else { ok(given.clone()) }
    })
    .await;
    assert!(matches!(none.channel.refund(&old, &attempt).await, Outcome::Done(_)));
    assert_eq!(none.lines().last().unwrap(), "POST /v1/refunds", "not there: asked for now");
    let broken = Bench::start(|_| (500, vec![], json!({}))).await;
    assert!(matches!(broken.channel.refund(&old, &attempt).await, Outcome::NotSent(_)));
    assert!(broken.lines().iter().all(|line| line.starts_with("GET ")));
}

#[tokio::test]
async fn a_read_that_fails_before_money_moves_means_that_nothing_was_sent() {
    let bench = Bench::start(|asked| {
        assert!(asked.line.starts_with("GET "), "an effect was sent on a guess: {}", asked.line);
        (502, vec![], json!("bad gateway"))
    })
    .await;
    let held = Attempt {
        provider_ref: Some("cs_test_1".to_owned()),
        authorise: true,
        state: PaymentState::Authorised,
        ..attempt()
    };
    assert!(matches!(bench.channel.capture(&held, cny(100)).await, Outcome::NotSent(_)));
    assert!(matches!(bench.channel.void(&held).await, Outcome::NotSent(_)));
    assert!(matches!(bench.channel.refund(&refund(), &held).await, Outcome::NotSent(_)));
    assert!(matches!(bench.channel.create(&held).await, Outcome::NotSent(_)));
}

#[tokio::test]
async fn a_capture_of_another_amount_than_was_asked_for_is_an_alarm() {
    let bench = Bench::start(|_| {
        let mut intent = intent("succeeded");
        intent["capture_method"] = "manual".into();
        intent["amount_received"] = 200.into();
        ok(intent)
    })
    .await;
    let held = Attempt {
        transaction_id: Some("pi_1".to_owned()),
        authorise: true,
        state: PaymentState::Authorised,
        ..attempt()
    };
    assert!(integrity_fault(&bench.channel.capture(&held, cny(100)).await));
    let Outcome::Done(seen) = bench.channel.capture(&held, cny(200)).await else { panic!() };
    assert_eq!((seen.state, seen.total, seen.taken), (PaymentState::Captured, Some(cny(29_901)), Some(cny(200))));
    let [first, second] = bench.asked().try_into().unwrap();
    assert_eq!(first.header("idempotency-key"), format!("{PAYMENT}:capture:100"));
    assert_eq!(second.body, "amount_to_capture=200&expand%5B0%5D=latest_charge");
}
