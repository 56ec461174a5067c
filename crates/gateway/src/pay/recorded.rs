//! The requests the PayPal and the card adapter send, kept in `vectors/derived` so that software which is not ours can judge
//! them (`tests/interop/specs`).
//!
//! A request that changed fails here; `ZHIYOU_WRITE_VECTORS=1` writes it anew. Deliberately not here: what answers mean, and
//! Alipay's and WeChat Pay's requests, which published vectors hold byte for byte.

use super::{PaymentChannel, paypal::Paypal, stripe::Stripe};
use crate::{
    Clock,
    config::{Profile, StripeConfig, StripeMethod, StripeMethodConfig, paypal_tests, stripe_sample},
    http::Http,
    pay::paypal::sign::tests::Authority,
    reconcile::line::Bill,
    store::{
        Store,
        attempts::Attempt,
        refunds::{Refund, Standing},
    },
};
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use tokio::net::TcpListener;
use zhiyou_domain::{
    id::{AttemptId, RefundId},
    money::Money,
    port::{
        Outcome,
        payments::{Channel, PaymentState, RefundState},
    },
    time::UtcMicros,
};

const NOW_S: i64 = 1_795_141_500;
const PAYMENT: &str = "01KA0000000000000000000ABC";
const REFUND: &str = "01KA0000000000000000000XYZ";
/// Headers that say how a request travels and nothing about what it asks.
const TRAVEL: [&str; 5] = ["host", "content-length", "accept-encoding", "connection", "user-agent"];

struct At(i64);

impl Clock for At {
    fn now(&self) -> UtcMicros {
        UtcMicros(self.0 * 1_000_000)
    }
}

/// What a request says, in an order that does not change.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Asked {
    fn new(method: String, path: String, headers: &HeaderMap, body: &[u8]) -> Self {
        let headers = headers.iter().filter(|(name, _)| !TRAVEL.contains(&name.as_str()));
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        Self { method, path, headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }
}

/// A provider that answers what the test says, its address, and the requests it got.
struct Provider {
    base: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Provider {
    async fn start(answer: impl Fn(&Asked, &str) -> Value + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (kept, own, answer) = (Arc::clone(&asked), base.clone(), Arc::new(answer));
        let routes = axum::Router::new().fallback(move |request: axum::extract::Request| {
            let (kept, own, answer) = (Arc::clone(&kept), own.clone(), Arc::clone(&answer));
            async move {
                let (parts, body) = request.into_parts();
                let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
                let asked = Asked::new(parts.method.to_string(), parts.uri.to_string(), &parts.headers, &body);
                let said = answer(&asked, &own).to_string();
                kept.lock().unwrap().push(asked);
                (StatusCode::OK, said)
            }
        });
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { base, asked }
    }

    /// Compares what was asked, each under its name, with what is kept; the same request counts once.
    fn compare(&self, file: &str, origin: &str, name: impl Fn(&str, &str) -> Option<&'static str>) {
        let mut requests = Vec::new();
        for asked in self.asked.lock().unwrap().iter() {
            let bare = asked.path.split('?').next().unwrap();
            let operation = name(&asked.method, bare).unwrap_or_else(|| panic!("{} {bare}", asked.method));
            let Asked { method, path, headers, body } = asked;
            let request =
                json!({"operation": operation, "method": method, "path": path, "headers": headers, "body": body});
            if !requests.contains(&request) {
                requests.push(request);
            }
        }
        let now = json!({"origin": origin, "requests": requests});
        let path = format!("{}/../../vectors/derived/{file}", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("ZHIYOU_WRITE_VECTORS").is_some() {
            std::fs::write(&path, format!("{now:#}\n")).unwrap();
        }
        let kept: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(now, kept, "{file}: ZHIYOU_WRITE_VECTORS=1 writes it anew");
    }
}

fn money(minor: i64, code: &str) -> Money {
    Money::new(minor, code.parse().unwrap()).unwrap()
}

fn attempt(channel: Channel, amount: Money) -> Attempt {
    Attempt {
        attempt_id: AttemptId::parse_bare(PAYMENT).unwrap(),
        channel,
        amount,
        description: "智游 上海三日".to_owned(),
        expires_at_us: At(NOW_S).now().plus_minutes(15),
        notify_url: format!("https://gw.zhiyou.cn/notify/{}", channel.word()),
        fingerprint: "f".to_owned(),
        created_at_us: At(NOW_S).now(),
        state: PaymentState::RequiresAction,
        transaction_id: None,
        paid_at_us: None,
        provider_ref: None,
        authorise: false,
        taken: None,
        instalments: None,
    }
}

fn refund(amount: Money) -> Refund {
    Refund {
        refund_id: RefundId::parse_bare(REFUND).unwrap(),
        attempt_id: AttemptId::parse_bare(PAYMENT).unwrap(),
        amount,
        reason: "行程取消".to_owned(),
        notify_url: String::new(),
        fingerprint: "f".to_owned(),
        created_at_us: At(NOW_S).now(),
        state: Standing::At(RefundState::Pending),
        provider_ref: None,
    }
}

/// The value of an exchange that has to have gone well, or the recording is of a failure.
fn done<T: std::fmt::Debug>(outcome: Outcome<T>) -> T {
    match outcome {
        Outcome::Done(value) => value,
        other => panic!("{other:?}"),
    }
}

const ORDER: &str = "5O190127TN364715T";
const ASIDE: &str = "0VF52814937998046";
const TAKEN: &str = "3C679366HH908993F";
const GIVEN: &str = "1JU08902781691411";
const DISPUTED: &str = "PP-D-4012";
/// A day that is over.
const DAY: &str = "2026-11-18";

/// What PayPal answers: one order, approved or with its money set aside, and what follows from it.
fn paypal(asked: &Asked, base: &str) -> Value {
    let yen = asked.body.contains("JPY");
    let amount = |value: &str| {
        if yen {
            json!({"currency_code": "JPY", "value": "29901"})
        } else {
            json!({"currency_code": "USD", "value": value})
        }
    };
    let order = |status: &str, intent: &str, payments: Value| {
        json!({"id": ORDER, "status": status, "intent": intent,
            "purchase_units": [{"custom_id": PAYMENT, "amount": amount("299.01"), "payments": payments}],
            "links": [{"rel": "payer-action", "href": format!("{base}/checkoutnow?token={ORDER}")}]})
    };
    let capture = json!({"id": TAKEN, "status": "COMPLETED", "custom_id": PAYMENT, "amount": amount("299.01")});
    let aside = json!({"authorizations": [{"id": ASIDE, "status": "CREATED", "custom_id": PAYMENT}]});
    match paypal_operation(&asked.method, &asked.path).unwrap() {
        "token" => json!({"access_token": "A21AA", "token_type": "Bearer", "expires_in": 32_400}),
        "orders.create" => order(
            "PAYER_ACTION_REQUIRED",
            if asked.body.contains("AUTHORIZE") { "AUTHORIZE" } else { "CAPTURE" },
            json!({}),
        ),
        // The order whose money is set aside has an id of its own.
        "orders.get" if asked.path.ends_with("AUT") => {
            let mut order = order("COMPLETED", "AUTHORIZE", aside);
            order["id"] = format!("{ORDER}AUT").into();
            order
        }
        "orders.get" if asked.path.ends_with("APP") => {
            let mut order = order("APPROVED", "AUTHORIZE", json!({}));
            order["id"] = format!("{ORDER}APP").into();
            order
        }
        "orders.get" => order("APPROVED", "CAPTURE", json!({})),
        "orders.capture" => order("COMPLETED", "CAPTURE", json!({"captures": [capture]})),
        "orders.authorize" => {
            let mut order = order("COMPLETED", "AUTHORIZE", aside);
            order["id"] = format!("{ORDER}APP").into();
            order
        }
        "authorizations.capture" => {
            json!({"id": TAKEN, "status": "COMPLETED", "custom_id": PAYMENT, "amount": amount("100.01")})
        }
        "authorizations.void" => json!({"id": ASIDE, "status": "VOIDED"}),
        "captures.refund" | "refunds.get" => {
            json!({"id": GIVEN, "status": "COMPLETED", "custom_id": REFUND, "amount": amount("100.01"), "links": []})
        }
        "webhooks.get" => json!({"id": "1JE4291016473214C", "url": "https://old.zhiyou.cn/notify/paypal"}),
        "disputes.get" => json!({"dispute_id": DISPUTED, "dispute_amount": amount("299.01"), "status": "UNDER_REVIEW"}),
        "transactions.list" => json!({"transaction_details": [], "page": 1, "total_items": 0, "total_pages": 0}),
        _ => json!({}),
    }
}

fn paypal_operation(method: &str, path: &str) -> Option<&'static str> {
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    Some(match (method, parts.as_slice()) {
        ("POST", ["v1", "oauth2", "token"]) => "token",
        ("POST", ["v2", "checkout", "orders"]) => "orders.create",
        ("GET", ["v2", "checkout", "orders", _]) => "orders.get",
        ("POST", ["v2", "checkout", "orders", _, "capture"]) => "orders.capture",
        ("POST", ["v2", "checkout", "orders", _, "authorize"]) => "orders.authorize",
        ("POST", ["v2", "payments", "authorizations", _, "capture"]) => "authorizations.capture",
        ("POST", ["v2", "payments", "authorizations", _, "void"]) => "authorizations.void",
        ("POST", ["v2", "payments", "captures", _, "refund"]) => "captures.refund",
        ("GET", ["v2", "payments", "refunds", _]) => "refunds.get",
        ("GET", ["v1", "notifications", "webhooks", _]) => "webhooks.get",
        ("PATCH", ["v1", "notifications", "webhooks", _]) => "webhooks.update",
        ("GET", ["v1", "customer", "disputes", _]) => "disputes.get",
        ("GET", ["v1", "reporting", "transactions"]) => "transactions.list",
        _ => return None,
    })
}

#[tokio::test]
async fn what_is_sent_to_paypal_is_what_was_recorded_for_its_published_descriptions_to_judge() {
    let provider = Provider::start(paypal).await;
    let config = paypal_tests::merchant(&provider.base, &Authority::new().root_pem);
    let channel = Paypal::new(&config, Http::new(Profile::Sandbox).unwrap(), Arc::new(At(NOW_S))).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let channel = channel.recording(Store::open(folder.path()).await.unwrap());
    let dollars = attempt(Channel::Paypal, money(29_901, "USD"));
    let named = |id: &str| Some(id.to_owned());
    done(channel.create(&dollars).await);
    done(channel.create(&attempt(Channel::Paypal, money(29_901, "JPY"))).await);
    done(channel.create(&Attempt { authorise: true, ..dollars.clone() }).await);
    let opened = Attempt { provider_ref: named(ORDER), ..dollars.clone() };
    assert_eq!(done(channel.query(&opened).await).state, PaymentState::Captured);
    let approved = Attempt { authorise: true, provider_ref: named(&format!("{ORDER}APP")), ..dollars.clone() };
    assert_eq!(done(channel.query(&approved).await).state, PaymentState::Authorised);
    let aside = Attempt { authorise: true, provider_ref: named(&format!("{ORDER}AUT")), ..dollars.clone() };
    assert_eq!(done(channel.capture(&aside, money(10_001, "USD")).await).taken, Some(money(10_001, "USD")));
    assert_eq!(done(channel.void(&aside).await).state, PaymentState::Closed);
    let paid = Attempt { transaction_id: named(TAKEN), state: PaymentState::Captured, ..opened };
    let part = refund(money(10_001, "USD"));
    assert_eq!(done(channel.refund(&part, &paid).await).state, RefundState::Succeeded);
    let asked = Refund { provider_ref: named(GIVEN), ..part };
    assert_eq!(done(channel.query_refund(&asked, &paid).await).unwrap().state, RefundState::Succeeded);
    done(channel.register("https://gw.zhiyou.cn/notify/paypal").await);
    assert!(done(channel.dispute(DISPUTED).await).is_some());
    assert_eq!(done(channel.bill(DAY.parse().unwrap()).await), Bill::Of(Vec::new()));
    provider.compare(
        "paypal_requests.json",
        "written by the PayPal adapter; judged by @stoplight/prism-cli with the provider's published OpenAPI descriptions",
        paypal_operation,
    );
}

fn stripe_operation(method: &str, path: &str) -> Option<&'static str> {
    let path = path.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.trim_start_matches("/v1/").split('/').collect();
    Some(match (method, parts.as_slice()) {
        ("POST", ["checkout", "sessions"]) => "sessions.create",
        ("GET", ["checkout", "sessions"]) => "sessions.list",
        ("GET", ["checkout", "sessions", _]) => "sessions.get",
        ("POST", ["checkout", "sessions", _, "expire"]) => "sessions.expire",
        ("POST", ["payment_intents", _, "capture"]) => "payment_intents.capture",
        ("POST", ["payment_intents", _, "cancel"]) => "payment_intents.cancel",
        ("POST", ["refunds"]) => "refunds.create",
        ("GET", ["refunds"]) => "refunds.list",
        ("GET", ["refunds", _]) => "refunds.get",
        ("GET", ["webhook_endpoints"]) => "webhook_endpoints.list",
        ("POST", ["webhook_endpoints"]) => "webhook_endpoints.create",
        ("GET", ["balance_transactions"]) => "balance_transactions.list",
        _ => return None,
    })
}

/// What Stripe answers: a page that is open, one whose money is set aside, and what follows from them.
fn stripe(asked: &Asked, base: &str) -> Value {
    let manual = asked.path.contains("cs_test_aside") || asked.path.contains("payment_intents");
    let intent = |status: &str| {
        let of = |wanted: &str, amount: i64| if status == wanted { amount } else { 0 };
        json!({"id": "pi_recorded", "amount": 29_901, "amount_received": of("succeeded", if manual { 10_001 } else { 29_901 }),
            "amount_capturable": of("requires_capture", 29_901), "currency": "usd", "status": status, "livemode": false,
            "capture_method": if manual { "manual" } else { "automatic" }, "metadata": {"attempt": PAYMENT},
            "latest_charge": null})
    };
    let session = |id: &str, status: &str, intent: Value| {
        json!({"id": id, "object": "checkout.session", "status": status, "payment_status": "unpaid", "amount_total": 29_901,
            "currency": "usd", "client_reference_id": PAYMENT, "metadata": {"attempt": PAYMENT}, "livemode": false,
            "payment_intent": intent, "url": format!("{base}/c/pay/{id}")})
    };
    let given = json!({"id": "re_recorded", "amount": 10_001, "currency": "usd", "status": "succeeded",
        "metadata": {"refund": REFUND}, "payment_intent": intent("succeeded")});
    match stripe_operation(&asked.method, &asked.path).unwrap() {
        "sessions.create" => session("cs_test_open", "open", Value::Null),
        "sessions.get" if manual => session("cs_test_aside", "complete", intent("requires_capture")),
        "sessions.get" => session("cs_test_open", "open", Value::Null),
        "sessions.expire" => session("cs_test_open", "expired", Value::Null),
        "payment_intents.capture" => intent("succeeded"),
        "payment_intents.cancel" => intent("canceled"),
        "refunds.create" | "refunds.get" => given,
        "refunds.list" => json!({"object": "list", "data": [given], "has_more": false}),
        "webhook_endpoints.create" => {
            json!({"id": "we_1", "url": "https://gw.zhiyou.cn/notify/stripe", "status": "enabled"})
        }
        _ => json!({"object": "list", "data": [], "has_more": false}),
    }
}

#[tokio::test]
async fn what_is_sent_to_stripe_is_what_was_recorded_for_a_server_that_is_not_ours_to_judge() {
    let provider = Provider::start(stripe).await;
    let with = |methods: &[StripeMethod]| {
        let methods = methods.iter().copied().map(StripeMethodConfig::whole).collect();
        let account = StripeConfig { methods, ..stripe_sample(&provider.base) };
        Stripe::new(&account, Profile::Sandbox, Http::new(Profile::Sandbox).unwrap(), Arc::new(At(NOW_S)))
    };
    let channel = with(&[StripeMethod::Card]);
    let dollars = attempt(Channel::Stripe, money(29_901, "USD"));
    let named = |id: &str| Some(id.to_owned());
    done(channel.register("https://gw.zhiyou.cn/notify/stripe").await);
    done(channel.create(&dollars).await);
    done(channel.create(&Attempt { authorise: true, ..dollars.clone() }).await);
    done(channel.create(&Attempt { instalments: Some(3), ..dollars.clone() }).await);
    done(with(&[StripeMethod::Card, StripeMethod::WechatPay, StripeMethod::Alipay]).create(&dollars).await);
    assert_eq!(done(channel.bill(DAY.parse().unwrap()).await), Bill::Of(Vec::new()));
    let open = Attempt { provider_ref: named("cs_test_open"), ..dollars.clone() };
    assert_eq!(done(channel.query(&open).await).state, PaymentState::RequiresAction);
    assert_eq!(done(channel.close(&open).await).state, PaymentState::Closed);
    assert!(!done(channel.knows(dollars.attempt_id).await));
    let aside = Attempt { authorise: true, provider_ref: named("cs_test_aside"), ..dollars.clone() };
    assert_eq!(done(channel.capture(&aside, money(10_001, "USD")).await).taken, Some(money(10_001, "USD")));
    assert_eq!(done(channel.void(&aside).await).state, PaymentState::Closed);
    let paid = Attempt { transaction_id: named("pi_recorded"), state: PaymentState::Captured, ..open };
    let part = refund(money(10_001, "USD"));
    assert_eq!(done(channel.refund(&part, &paid).await).state, RefundState::Succeeded);
    assert!(done(channel.query_refund(&part, &paid).await).is_some());
    let asked = Refund { provider_ref: named("re_recorded"), ..part };
    assert_eq!(done(channel.query_refund(&asked, &paid).await).unwrap().state, RefundState::Succeeded);
    provider.compare(
        "stripe_requests.json",
        "written by the card adapter; judged by localstripe, which has no Checkout Sessions",
        stripe_operation,
    );
}

/// `docs/decisions/019`: what a tool that says it reads asks of a channel.
#[tokio::test]
async fn looking_at_a_payment_sends_nothing_but_questions() {
    let effects = |provider: &Provider| {
        let asked = provider.asked.lock().unwrap();
        let effects = asked.iter().filter(|asked| asked.method != "GET" && !asked.path.contains("/oauth2/"));
        effects.map(|asked| asked.path.clone()).collect::<Vec<_>>()
    };
    let named = |id: &str| Some(id.to_owned());
    let provider = Provider::start(paypal).await;
    let config = paypal_tests::merchant(&provider.base, &Authority::new().root_pem);
    let channel = Paypal::new(&config, Http::new(Profile::Sandbox).unwrap(), Arc::new(At(NOW_S))).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let channel = channel.recording(Store::open(folder.path()).await.unwrap());
    let lost = attempt(Channel::Paypal, money(29_901, "USD"));
    let approved = Attempt { provider_ref: named(ORDER), ..lost.clone() };
    assert_eq!(done(channel.peek(&approved).await).state, PaymentState::Processing, "approved, and not taken");
    assert_eq!(done(channel.peek(&lost).await).state, PaymentState::RequiresAction);
    assert_eq!(effects(&provider), Vec::<String>::new());
    assert_eq!(done(channel.query(&approved).await).state, PaymentState::Captured, "asked to end it, it is taken");
    assert_eq!(effects(&provider), [format!("/v2/checkout/orders/{ORDER}/capture")]);

    let provider = Provider::start(stripe).await;
    let http = Http::new(Profile::Sandbox).unwrap();
    let channel = Stripe::new(&stripe_sample(&provider.base), Profile::Sandbox, http, Arc::new(At(NOW_S)));
    let lost = attempt(Channel::Stripe, money(29_901, "USD"));
    assert_eq!(done(channel.peek(&lost).await).state, PaymentState::NotFound);
    let open = Attempt { provider_ref: named("cs_test_open"), ..lost.clone() };
    assert_eq!(done(channel.peek(&open).await).state, PaymentState::RequiresAction);
    assert_eq!(effects(&provider), Vec::<String>::new());
    assert_eq!(done(channel.query(&lost).await).state, PaymentState::RequiresAction, "made once more under its key");
    assert_eq!(effects(&provider), ["/v1/checkout/sessions"]);
}
