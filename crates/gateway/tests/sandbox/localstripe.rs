//! The card adapter against localstripe, a server that is not ours: money set aside, taken in part, let go, asked about by the
//! payer's bank and given back, and its signed events taken in by our inbox.
//!
//! localstripe has no Checkout Sessions, does not say how much of an intent was received, and knows no reason for a refund or a
//! cancellation. What stands before it here adds the hosted page and those two amounts, which it computes from localstripe's own
//! charges and refunds, and leaves the two reasons out; every other byte of ours reaches localstripe, and every event reaches us
//! from it directly. Only run where `ZHIYOU_LOCALSTRIPE` names the program, which `cargo xtask test` installs. Deliberately not
//! here: what it cannot judge (keys, sessions, refunds of more than was paid), which the types of Stripe's client and the sandbox do.

use crate::{code, world::World};
use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};
use tokio::net::TcpListener;
use zhiyou_domain::{
    money::Money,
    port::{Outcome, ReasonCode, payments as p},
};

/// What localstripe is told to sign with.
const SECRET: &str = "whsec_c0ffee5Qr8Zt1WmXy7Kb2Nd";
/// Cards by their numbers, which no process of ours ever sees: the payer gives them to the channel's page.
const PAYS: &str = "4242424242424242";
const ASKS: &str = "4000002500003155";
const DECLINES: &str = "4000000000000341";

/// The program, ended with the test.
struct Judge {
    child: Child,
    _state: tempfile::TempDir,
    base: String,
}

impl Drop for Judge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Judge {
    async fn start() -> Self {
        let program = std::env::var_os("ZHIYOU_LOCALSTRIPE").expect("ZHIYOU_LOCALSTRIPE names the program");
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let state = tempfile::tempdir().unwrap();
        let alone = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/interop/specs/alone");
        let mut child = Command::new(program)
            .args(["--from-scratch", "--port", &port.to_string()])
            .env("PYTHONPATH", alone)
            .env("PYTHONUNBUFFERED", "1")
            .env("ZHIYOU_LOCALSTRIPE_STATE", state.path().join("state"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let printed = BufReader::new(child.stdout.take().unwrap());
        let judge = Self { child, _state: state, base: format!("http://127.0.0.1:{port}") };
        let (tell, told) = tokio::sync::oneshot::channel();
        // Its output is read to the end, or it would stop at a full pipe.
        std::thread::spawn(move || {
            let mut tell = Some(tell);
            for line in printed.lines().map_while(Result::ok) {
                if line.contains("Running on")
                    && let Some(tell) = tell.take()
                {
                    let _ = tell.send(());
                }
            }
        });
        told.await.expect("localstripe ended before it listened");
        judge
    }
}

/// A page of the front: what was asked for, and the intent once the payer confirmed.
#[derive(Clone)]
struct Page {
    form: BTreeMap<String, String>,
    intent: Option<String>,
    expired: bool,
}

/// What stands before localstripe.
struct Front {
    base: String,
    judge: String,
    http: reqwest::Client,
    key: String,
    pages: Mutex<BTreeMap<String, Page>>,
    /// Paths of ours that localstripe answered.
    judged: Mutex<Vec<String>>,
}

type Shared = Arc<Front>;

fn fields(bytes: &[u8]) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(bytes).into_owned().collect()
}

impl Front {
    async fn start(judge: &Judge, key: &str) -> Shared {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let front = Arc::new(Self {
            base: format!("http://{}", listener.local_addr().unwrap()),
            judge: judge.base.clone(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            key: key.to_owned(),
            pages: Mutex::default(),
            judged: Mutex::default(),
        });
        let routes = Router::new()
            .route("/v1/checkout/sessions", post(open).get(list))
            .route("/v1/checkout/sessions/{id}", get(show))
            .route("/v1/checkout/sessions/{id}/expire", post(expire))
            .route("/v1/webhook_endpoints", post(register).get(list))
            .fallback(pass_on)
            .with_state(Arc::clone(&front));
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        front
    }

    /// Asks localstripe.
    async fn ask(&self, method: Method, path: &str, body: String) -> (StatusCode, Value) {
        let request = self.http.request(method, format!("{}{path}", self.judge)).bearer_auth(&self.key);
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        let answer = request.send().await.unwrap();
        let status = answer.status();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    async fn tell(&self, path: &str, fields: &[(&str, &str)]) -> (StatusCode, Value) {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.ask(Method::POST, path, form).await
    }

    /// An intent with the amounts localstripe leaves out: what is neither taken nor given back by its own capture.
    async fn whole(&self, mut intent: Value) -> Value {
        let amount = intent["amount"].as_i64().unwrap();
        let id = intent["id"].as_str().unwrap().to_owned();
        let (able, received) = match intent["status"].as_str().unwrap() {
            "requires_capture" => (amount, 0),
            "succeeded" => {
                let (_, list) = self.ask(Method::GET, &format!("/v1/refunds?payment_intent={id}"), String::new()).await;
                let own = |refund: &&Value| refund["metadata"].get("refund").is_none();
                let rest = list["data"].as_array().unwrap().iter().filter(own);
                (0, amount - rest.map(|refund| refund["amount"].as_i64().unwrap()).sum::<i64>())
            }
            _ => (0, 0),
        };
        intent["amount_capturable"] = json!(able);
        intent["amount_received"] = json!(received);
        intent
    }

    async fn session(&self, id: &str) -> Option<Value> {
        let page = self.pages.lock().unwrap().get(id).cloned()?;
        let intent = match &page.intent {
            Some(intent) => {
                let (status, intent) =
                    self.ask(Method::GET, &format!("/v1/payment_intents/{intent}"), String::new()).await;
                assert_eq!(status, 200, "{intent}");
                self.whole(intent).await
            }
            None => Value::Null,
        };
        let paid = ["succeeded", "requires_capture", "canceled"].iter().any(|status| intent["status"] == *status);
        let status = match (page.expired, paid) {
            (true, _) => "expired",
            (false, true) => "complete",
            (false, false) => "open",
        };
        let told = |name: &str| page.form.get(name).cloned().unwrap();
        Some(json!({
            "id": id, "object": "checkout.session", "status": status, "payment_status": "unpaid", "livemode": false,
            "amount_total": told("line_items[0][price_data][unit_amount]").parse::<i64>().unwrap(),
            "currency": told("line_items[0][price_data][currency]"), "client_reference_id": told("client_reference_id"),
            "metadata": {"attempt": told("metadata[attempt]")}, "payment_intent": intent,
            "url": format!("{}/c/pay/{id}", self.base),
        }))
    }

    /// The payer types a card into the page; answers what localstripe says.
    async fn pay(&self, page: &str, number: &str) -> (StatusCode, Value) {
        let id = page.rsplit('/').next().unwrap();
        let form = self.pages.lock().unwrap()[id].form.clone();
        let card = [
            ("type", "card"),
            ("card[number]", number),
            ("card[exp_month]", "12"),
            ("card[exp_year]", "2030"),
            ("card[cvc]", "123"),
        ];
        let (status, method) = self.tell("/v1/payment_methods", &card).await;
        assert_eq!(status, 200, "{method}");
        let asked = [
            ("amount", form["line_items[0][price_data][unit_amount]"].as_str()),
            ("currency", form["line_items[0][price_data][currency]"].as_str()),
            ("capture_method", form["payment_intent_data[capture_method]"].as_str()),
            ("metadata[attempt]", form["payment_intent_data[metadata][attempt]"].as_str()),
            ("payment_method", method["id"].as_str().unwrap()),
            ("confirm", "true"),
        ];
        let (status, intent) = self.tell("/v1/payment_intents", &asked).await;
        if let Some(made) = intent["id"].as_str() {
            self.pages.lock().unwrap().get_mut(id).unwrap().intent = Some(made.to_owned());
        }
        (status, intent)
    }

    /// The payer answers the bank.
    async fn tell_bank(&self, intent: &Value, success: bool) -> Value {
        let path = format!("/v1/payment_intents/{}/_authenticate", intent["id"].as_str().unwrap());
        let secret = intent["client_secret"].as_str().unwrap();
        let success = if success { "true" } else { "false" };
        self.tell(&path, &[("client_secret", secret), ("success", success)]).await.1
    }
}

async fn open(State(front): State<Shared>, body: Bytes) -> axum::Json<Value> {
    let id = {
        let mut pages = front.pages.lock().unwrap();
        let id = format!("cs_test_{}", pages.len());
        pages.insert(id.clone(), Page { form: fields(&body), intent: None, expired: false });
        id
    };
    axum::Json(front.session(&id).await.unwrap())
}

async fn show(State(front): State<Shared>, Path(id): Path<String>) -> Response {
    match front.session(&id).await {
        Some(session) => axum::Json(session).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn expire(State(front): State<Shared>, Path(id): Path<String>) -> Response {
    let intent = {
        let mut pages = front.pages.lock().unwrap();
        let page = pages.get_mut(&id).unwrap();
        page.expired = true;
        page.intent.clone()
    };
    if let Some(intent) = intent {
        assert_eq!(front.tell(&format!("/v1/payment_intents/{intent}/cancel"), &[]).await.0, 200);
    }
    show(State(front), Path(id)).await
}

async fn list() -> axum::Json<Value> {
    axum::Json(json!({"object": "list", "data": [], "has_more": false}))
}

async fn register(State(front): State<Shared>, body: Bytes) -> axum::Json<Value> {
    let url = fields(&body)["url"].clone();
    let told = front.tell("/_config/webhooks/ours", &[("url", &url), ("secret", SECRET)]).await;
    assert_eq!(told.0, 200);
    axum::Json(json!({"id": "we_1", "url": url, "status": "enabled"}))
}

/// Everything about money goes to localstripe, but for the two reasons that it does not know.
async fn pass_on(State(front): State<Shared>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    assert_eq!(headers["stripe-version"], "2026-10-28.endive");
    let unknown = ["reason", "cancellation_reason"];
    let pairs = url::form_urlencoded::parse(&body).filter(|(name, _)| !unknown.contains(&name.as_ref()));
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let (status, answer) = front.ask(method.clone(), &uri.to_string(), form).await;
    front.judged.lock().unwrap().push(format!("{method} {}", uri.path()));
    let answer = if answer["object"] == "payment_intent" { front.whole(answer).await } else { answer };
    (status, axum::Json(answer)).into_response()
}

struct Bench {
    world: World,
    front: Shared,
    _judge: Judge,
}

impl Bench {
    async fn start() -> Self {
        let judge = Judge::start().await;
        let mut world = World::start().await;
        let key = world.credentials().await["stripe"]["secret_key"].as_str().unwrap().to_owned();
        let front = Front::start(&judge, &key).await;
        let base = front.base.parse().unwrap();
        world
            .restart_gateway_with(|config| {
                let account = config.stripe.as_mut().unwrap();
                account.base_url = base;
                account.webhook_secrets = vec![SECRET.to_owned().into()];
            })
            .await;
        Self { world, front, _judge: judge }
    }

    async fn open(&self, minor: i64, authorise: bool) -> (p::CreatePaymentIntent, String) {
        let amount = Money::new(minor, "USD".parse().unwrap()).unwrap();
        let wish = p::CreatePaymentIntent { channel: p::Channel::Stripe, authorise, ..self.world.intent(amount) };
        match self.world.done::<p::PaymentIntent>("openPayment", &wish).await.action {
            p::PaymentAction::Redirect { url } => (wish, url),
            other => panic!("{other:?} instead of a page"),
        }
    }

    async fn status(&self, wish: &p::CreatePaymentIntent) -> p::PaymentStatus {
        self.world.done("settlePayment", &p::PaymentRef { attempt_id: wish.attempt_id }).await
    }

    async fn held(&self, minor: i64) -> p::CreatePaymentIntent {
        let (wish, page) = self.open(minor, true).await;
        assert_eq!(self.front.pay(&page, PAYS).await.1["status"], "requires_capture");
        assert_eq!(self.status(&wish).await.state, p::PaymentState::Authorised);
        wish
    }

    async fn capture(&self, wish: &p::CreatePaymentIntent, minor: i64) -> Outcome<p::PaymentStatus> {
        let amount = Money::new(minor, wish.amount.currency()).unwrap();
        self.world.call("capturePayment", &p::CapturePayment { attempt_id: wish.attempt_id, amount }).await
    }

    /// Whether the inbox took in an event about the payment.
    async fn until_told(&self, wish: &p::CreatePaymentIntent) {
        let about = |update: &p::Update| match &update.content {
            p::UpdateContent::PaymentHint { attempt_id } => *attempt_id == wish.attempt_id,
            p::UpdateContent::Payment { status } => status.attempt_id == wish.attempt_id,
            _ => false,
        };
        self.world.until(|| async { self.world.updates(0).await.iter().any(about) }).await;
    }
}

fn dollars(minor: i64) -> Option<Money> {
    Money::new(minor, "USD".parse().unwrap()).ok()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs localstripe; `cargo xtask test` runs it"]
async fn localstripe_takes_what_was_set_aside_in_part_and_gives_it_back_and_tells_us_of_it() {
    let bench = Bench::start().await;
    let wish = bench.held(10_000).await;
    assert_eq!(code(bench.capture(&wish, 10_001).await), ("declined", ReasonCode::InvalidRequest));
    for _ in 0..2 {
        let Outcome::Done(taken) = bench.capture(&wish, 7_000).await else { panic!() };
        assert_eq!((taken.state, taken.captured), (p::PaymentState::Captured, dollars(7_000)));
    }
    assert_eq!(bench.status(&wish).await.captured, dollars(7_000));
    bench.until_told(&wish).await;
    for minor in [3_000, 4_000] {
        let refund = bench.world.refund(wish.attempt_id, Money::new(minor, wish.amount.currency()).unwrap());
        let given = bench.world.done::<p::RefundStatus>("refundPayment", &refund).await;
        assert_eq!((given.state, given.amount), (p::RefundState::Succeeded, refund.amount));
        assert_eq!(bench.world.done::<p::RefundStatus>("refundPayment", &refund).await, given, "once");
        let reference = p::RefundRef { refund_id: refund.refund_id };
        assert_eq!(bench.world.done::<p::RefundStatus>("getRefundStatus", &reference).await, given);
    }
    assert_eq!(bench.status(&wish).await.captured, dollars(7_000), "what was given back was taken all the same");
    let judged = bench.front.judged.lock().unwrap().clone();
    let asked = |line: &str| judged.iter().filter(|judged| judged.starts_with(line)).count();
    assert_eq!((asked("POST /v1/payment_intents/"), asked("POST /v1/refunds")), (1, 2), "{judged:?}");
    assert!(asked("GET /v1/refunds/re_") >= 2, "{judged:?}");
    bench.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs localstripe; `cargo xtask test` runs it"]
async fn localstripe_lets_what_was_set_aside_go_and_a_page_that_was_paid_says_so() {
    let bench = Bench::start().await;
    let wish = bench.held(10_000).await;
    for _ in 0..2 {
        let gone: p::PaymentStatus =
            bench.world.done("voidPayment", &p::PaymentRef { attempt_id: wish.attempt_id }).await;
        assert_eq!((gone.state, gone.captured), (p::PaymentState::Closed, None));
    }
    let judged = bench.front.judged.lock().unwrap().clone();
    assert_eq!(judged.iter().filter(|line| line.ends_with("/cancel")).count(), 1, "{judged:?}");
    let (paid, page) = bench.open(500, false).await;
    assert_eq!(bench.front.pay(&page, PAYS).await.1["status"], "succeeded");
    let closed: p::PaymentStatus =
        bench.world.done("closePayment", &p::PaymentRef { attempt_id: paid.attempt_id }).await;
    assert_eq!((closed.state, closed.captured), (p::PaymentState::Captured, dollars(500)));
    bench.until_told(&paid).await;
    bench.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs localstripe; `cargo xtask test` runs it"]
async fn localstripe_asks_the_payers_bank_and_declines_and_only_money_that_came_is_paid() {
    let bench = Bench::start().await;
    let (wish, page) = bench.open(1_234, false).await;
    let (status, declined) = bench.front.pay(&page, DECLINES).await;
    assert_eq!((status.as_u16(), &declined["error"]["code"]), (402, &json!("card_declined")));
    assert_eq!(bench.status(&wish).await.state, p::PaymentState::RequiresAction);
    let (_, asked) = bench.front.pay(&page, ASKS).await;
    assert_eq!(asked["status"], "requires_action");
    let waiting = bench.status(&wish).await;
    assert_eq!((waiting.state, waiting.captured), (p::PaymentState::RequiresAction, None));
    assert_eq!(bench.front.tell_bank(&asked, false).await["status"], "requires_payment_method");
    assert_eq!(bench.status(&wish).await.state, p::PaymentState::RequiresAction);
    let (_, asked) = bench.front.pay(&page, ASKS).await;
    assert_eq!(bench.front.tell_bank(&asked, true).await["status"], "succeeded");
    let paid = bench.status(&wish).await;
    assert_eq!((paid.state, paid.captured), (p::PaymentState::Captured, dollars(1_234)));
    bench.until_told(&wish).await;

    let (given_up, page) = bench.open(500, false).await;
    let (_, asked) = bench.front.pay(&page, ASKS).await;
    let closed: p::PaymentStatus =
        bench.world.done("closePayment", &p::PaymentRef { attempt_id: given_up.attempt_id }).await;
    assert_eq!(closed.state, p::PaymentState::Closed);
    assert_ne!(bench.front.tell_bank(&asked, true).await["status"], "succeeded", "nobody pays what was closed");
    bench.world.stop().await;
}
