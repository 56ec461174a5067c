//! The table of failure shapes: every effect against every way a provider can fail, each with the one right ending.
//!
//! A stub answers the reads an effect makes first and fails on the effect itself.

mod alipay;
mod alipayplus;
mod cards;
mod effects;
mod paypal;
mod travel;
mod wechatpay;

use effects::{EFFECTS, Effect, Provider};

use crate::{
    Clock, Config,
    config::{
        Profile, StripeMethod, StripeMethodConfig, paypal_tests, stripe_sample,
        tests::{sample, vector},
    },
    http::Http,
    pay::{
        Channels,
        alipay::Alipay,
        alipayplus::AlipayPlus,
        credit::guesses::Guesses,
        desk::Desk,
        paypal::{Paypal, sign::tests::Authority},
        stripe::Stripe,
        turns::Turns,
        wechatpay::{Wechatpay, sign::Signer},
    },
    store::Store,
    travel::{FlightSupplier, duffel::Duffel, viator::Viator},
};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use zhiyou_domain::{
    id::{AttemptId, RefundId},
    money::{Currency, Money},
    port::{Outcome, Reason, ReasonCode, flights as f, payments as p},
    time::UtcMicros,
};

const NOW_S: i64 = 1_795_141_500;
const PAYMENT: &str = "01KA0000000000000000000ABC";
const REFUND: &str = "01KA0000000000000000000XYZ";
/// The code an opened payment is kept under.
const ALIPAY_CODE: &str = "https://qr.alipay.com/x";
const KEY_ID: &str = "PUB_KEY_ID_0119000001092026112000382000000001";

/// What a provider may repeat of whom it was asked for.
const REPEATED: &str = "there is one for LIN/XIA, xia.lin@example.com";

struct Frozen;

impl Clock for Frozen {
    fn now(&self) -> UtcMicros {
        UtcMicros(NOW_S * 1_000_000)
    }
}

/// Ways to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Refused,
    Silent,
    Reset,
    HalfAnswer,
    InternalError,
    BadGateway,
    Unparsable,
    Unsigned,
    Foreign,
    Accepted,
    TooMany,
    Conflict,
    StrangersRefusal,
    WrongKey,
    Decline,
}

const SHAPES: [Shape; 15] = [
    Shape::Refused,
    Shape::Silent,
    Shape::Reset,
    Shape::HalfAnswer,
    Shape::InternalError,
    Shape::BadGateway,
    Shape::Unparsable,
    Shape::Unsigned,
    Shape::Foreign,
    Shape::Accepted,
    Shape::TooMany,
    Shape::Conflict,
    Shape::StrangersRefusal,
    Shape::WrongKey,
    Shape::Decline,
];

/// What each shape must end as; none where it does not apply to the provider.
fn wanted(provider: Provider, shape: Shape) -> Option<(&'static str, ReasonCode)> {
    Some(match (shape, provider) {
        (Shape::Refused, _) => ("not_sent", ReasonCode::Network),
        (Shape::Silent | Shape::Reset | Shape::HalfAnswer, _) => ("unknown", ReasonCode::Network),
        (Shape::InternalError | Shape::BadGateway | Shape::Unparsable | Shape::StrangersRefusal, _) => {
            ("unknown", ReasonCode::ProviderFault)
        }
        (Shape::Unsigned | Shape::Foreign, Provider::Wechatpay | Provider::Alipay | Provider::AlipayPlus)
        | (Shape::Foreign, Provider::Stripe | Provider::Paypal) => ("unknown", ReasonCode::IntegrityFault),
        (Shape::Unsigned | Shape::Foreign, Provider::Duffel | Provider::Viator)
        | (Shape::Unsigned, Provider::Stripe | Provider::Paypal) => return None,
        (Shape::Conflict, Provider::Stripe) => ("unknown", ReasonCode::ProviderFault),
        (
            Shape::Conflict,
            Provider::Wechatpay
            | Provider::Alipay
            | Provider::Paypal
            | Provider::AlipayPlus
            | Provider::Duffel
            | Provider::Viator,
        ) => return None,
        (Shape::Accepted, _) => ("unknown", ReasonCode::ProviderFault),
        (Shape::TooMany, _) => ("not_sent", ReasonCode::RateLimited),
        (Shape::WrongKey, Provider::Wechatpay | Provider::Alipay | Provider::Stripe | Provider::AlipayPlus) => {
            ("declined", ReasonCode::Unauthorized)
        }
        // There is no token to send anything with.
        (Shape::WrongKey, Provider::Paypal) => ("not_sent", ReasonCode::Unauthorized),
        (Shape::WrongKey, Provider::Duffel | Provider::Viator) => return None,
        (Shape::Decline, Provider::Wechatpay | Provider::Alipay | Provider::Paypal | Provider::AlipayPlus) => {
            ("declined", ReasonCode::NotAllowed)
        }
        (Shape::Decline, Provider::Stripe) => ("declined", ReasonCode::PaymentDeclined),
        (Shape::Decline, Provider::Duffel) => ("declined", ReasonCode::InsufficientBalance),
        (Shape::Decline, Provider::Viator) => ("declined", ReasonCode::InvalidRequest),
    })
}

/// Whether the failure is an answer with a state of its own: what was approved at PayPal and then refused.
fn leaves_a_state(effect: Effect, shape: Shape) -> bool {
    matches!(effect, Effect::PaypalTakeApproved | Effect::PaypalSetAside) && shape == Shape::Decline
}

fn transaction(state: &str, total: i64) -> Value {
    json!({"appid": "wxd678efh567hg6787", "mchid": "1900000109", "out_trade_no": PAYMENT, "transaction_id": "42",
        "trade_state": state, "amount": {"total": total, "currency": "CNY"}})
}

/// The stub: one connection, one answer.
struct Stub {
    shape: Shape,
    provider: Provider,
    /// The very effect that fails, which tells what is only read before it.
    effect: Effect,
    platform: Signer,
    /// Requests that would have had an effect.
    effects: AtomicUsize,
}

impl Stub {
    async fn serve(self: Arc<Self>, listener: TcpListener) {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(Arc::clone(&self).answer(stream));
        }
    }

    async fn answer(self: Arc<Self>, mut stream: TcpStream) {
        let head = read_request(&mut stream).await;
        let (method, path) = head.split_once(' ').unwrap();
        let path = path.split(' ').next().unwrap();
        if self.provider == Provider::Alipay {
            return alipay::answer(&self, &mut stream, path).await;
        }
        if self.provider == Provider::AlipayPlus {
            return alipayplus::answer(&self, &mut stream, path).await;
        }
        if method == "GET" || path.ends_with("/actions/price") || path == "/v1/oauth2/token" {
            let (status, body) = self.read(path);
            return self.write(&mut stream, status, &body, true).await;
        }
        self.effects.fetch_add(1, Ordering::SeqCst);
        let error = |code: &str| {
            if self.provider == Provider::Paypal {
                return paypal::error(code);
            }
            let error = json!({"type": "invalid_state_error", "code": code, "message": REPEATED});
            json!({"code": code, "message": REPEATED, "errors": [error]}).to_string()
        };
        match self.shape {
            Shape::Refused | Shape::Reset => {}
            Shape::Silent => std::future::pending().await,
            Shape::HalfAnswer => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{").await.unwrap(),
            Shape::InternalError => self.write(&mut stream, 500, &error("SYSTEM_ERROR"), true).await,
            Shape::BadGateway => self.write(&mut stream, 502, "<html>", true).await,
            Shape::Unparsable => self.write(&mut stream, 200, &json!(REPEATED).to_string(), true).await,
            Shape::Unsigned => {
                self.write(&mut stream, 200, r#"{"code_url":"weixin://wxpay/bizpayurl?pr=x"}"#, false).await
            }
            Shape::Foreign => self.write(&mut stream, 200, &self.foreign(path), true).await,
            Shape::Accepted => self.write(&mut stream, 202, r#"{"data":{}}"#, true).await,
            Shape::TooMany => self.write(&mut stream, 429, &error("FREQUENCY_LIMITED"), true).await,
            Shape::Conflict => self.write(&mut stream, 409, &cards::error("idempotency_error"), true).await,
            Shape::StrangersRefusal => self.write(&mut stream, 403, "<html>blocked by a proxy</html>", true).await,
            Shape::WrongKey => {
                let body = if self.provider == Provider::Stripe { cards::wrong_key() } else { error("SIGN_ERROR") };
                self.write(&mut stream, 401, &body, true).await;
            }
            Shape::Decline => {
                let (status, body) = match self.provider {
                    Provider::Wechatpay | Provider::Alipay | Provider::AlipayPlus => (403, error("RULE_LIMIT")),
                    Provider::Stripe => (402, cards::error("card_error")),
                    Provider::Paypal => (422, error("PAYEE_ACCOUNT_RESTRICTED")),
                    Provider::Duffel => (422, error("insufficient_balance")),
                    Provider::Viator => (400, error("BAD_REQUEST")),
                };
                self.write(&mut stream, status, &body, true).await;
            }
        }
    }

    /// A success, rightly signed, about something else.
    fn foreign(&self, path: &str) -> String {
        match path {
            _ if path.starts_with("/v3/") => wechatpay::foreign(path),
            _ if path.starts_with("/v1/") => cards::foreign(path),
            _ if path.starts_with("/v2/") => paypal::foreign(path),
            _ => json!({}),
        }
        .to_string()
    }

    fn read(&self, path: &str) -> (u16, String) {
        let body = match path {
            _ if path.starts_with("/v3/pay") => transaction("NOTPAY", 29_901).to_string(),
            "/v1/oauth2/token" if self.shape == Shape::WrongKey => return (401, paypal::wrong_secret()),
            "/v1/oauth2/token" => paypal::token().to_string(),
            _ if path.starts_with("/v1/") => cards::read(path).to_string(),
            _ if path.starts_with("/v2/checkout") => {
                let aside = matches!(self.effect, Effect::PaypalTake | Effect::PaypalVoid);
                paypal::read(aside, aside || self.effect == Effect::PaypalSetAside).to_string()
            }
            _ => travel::read(path).to_string(),
        };
        (200, body)
    }

    async fn write(&self, stream: &mut TcpStream, status: u16, body: &str, signed: bool) {
        let signature = self.platform.sign(&format!("{NOW_S}\nn\n{body}\n")).unwrap();
        let proof = format!(
            "wechatpay-timestamp: {NOW_S}\r\nwechatpay-nonce: n\r\nwechatpay-serial: {KEY_ID}\r\nwechatpay-signature: {signature}\r\n"
        );
        let proof = if signed { proof.as_str() } else { "" };
        let head =
            format!("HTTP/1.1 {status} X\r\n{proof}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        stream.write_all(head.as_bytes()).await.unwrap();
    }
}

/// Reads one whole request; a body left unread would turn the answer into a reset.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk).await.unwrap();
        bytes.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_lowercase().strip_prefix("content-length: ").map(|n| n.parse::<usize>().unwrap())
            });
            if body.len() >= length.unwrap_or(0) || count == 0 {
                return head.to_owned();
            }
        }
        if count == 0 {
            return "GET / ".to_owned();
        }
    }
}

/// An amount in the currency the channel is tried with.
fn of(channel: p::Channel, minor: i64) -> Money {
    let code = if channel == p::Channel::Paypal { "USD" } else { "CNY" };
    Money::new(minor, code.parse().unwrap()).unwrap()
}

fn cny(minor: i64) -> Money {
    Money::new(minor, Currency::CNY).unwrap()
}

struct World {
    _folder: tempfile::TempDir,
    desk: Desk,
    duffel: Duffel,
    viator: Viator,
    stub: Arc<Stub>,
}

async fn world(effect: Effect, shape: Shape) -> World {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let mut config: Config = sample(folder.path().to_owned(), &address, &address);
    config.viator.base_url = address.parse().unwrap();
    config.wechatpay.presents = wechatpay::presents(effect);
    let platform = Signer::new(&vector("wechat/java_wechat_pay_private_key.pem").into(), "", "").unwrap();
    let stub = Arc::new(Stub { shape, provider: effect.provider(), effect, platform, effects: AtomicUsize::new(0) });
    if shape == Shape::Refused {
        drop(listener);
    } else {
        tokio::spawn(Arc::clone(&stub).serve(listener));
    }
    let http = Http::with_timeout(
        Profile::Sandbox,
        Duration::from_millis(if shape == Shape::Silent { 1_000 } else { 20_000 }),
    )
    .unwrap();
    let channel = Wechatpay::new(&config.wechatpay, http.clone(), Arc::new(Frozen)).unwrap();
    let alipay = Alipay::new(&crate::config::alipay::tests::sample(&address), http.clone(), Arc::new(Frozen)).unwrap();
    let wallets = [StripeMethod::WechatPay, StripeMethod::Alipay].map(StripeMethodConfig::whole);
    let mut account = stripe_sample(&address);
    account.methods.extend(wallets.into_iter().filter(|_| effect.by_wallet()));
    let cards = Stripe::new(&account, Profile::Sandbox, http.clone(), Arc::new(Frozen));
    let merchant = paypal_tests::merchant(&address, &Authority::new().root_pem);
    let paypal = Paypal::new(&merchant, http.clone(), Arc::new(Frozen)).unwrap();
    let plus = crate::config::alipayplus::tests::sample(&address);
    let plus = AlipayPlus::new(&plus, "", http.clone(), Arc::new(Frozen)).unwrap();
    let viator = Viator::new(&config.viator, http.clone(), Arc::new(Frozen));
    let store = Store::open(folder.path()).await.unwrap();
    let paypal = paypal.recording(store.clone());
    let desk = Desk {
        store,
        channels: Channels::default()
            .with(p::Channel::Wechatpay, Arc::new(channel))
            .with(p::Channel::Alipay, Arc::new(alipay))
            .with(p::Channel::Stripe, Arc::new(cards))
            .with(p::Channel::Paypal, Arc::new(paypal))
            .with(p::Channel::AlipayPlus, Arc::new(plus)),
        clock: Arc::new(Frozen),
        notify_base: address,
        turns: Turns::default(),
        caps: Arc::default(),
        settlements: Arc::default(),
        instalments: Arc::default(),
        credits: Arc::default(),
        guesses: Guesses::default(),
        weights: None,
    };
    World { _folder: folder, desk, duffel: Duffel::new(&config.duffel, http.clone(), Arc::new(Frozen)), viator, stub }
}

fn told<T: std::fmt::Debug>(outcome: Outcome<T>) -> (&'static str, ReasonCode) {
    let (word, Reason { code, detail }) = match outcome {
        Outcome::Done(value) => panic!("done: {value:?}"),
        Outcome::NotSent(reason) => ("not_sent", reason),
        Outcome::Declined(reason) => ("declined", reason),
        Outcome::Unknown(reason) => ("unknown", reason),
    };
    for personal in ["LIN", "lin", "example"] {
        assert!(!detail.as_str().contains(personal), "{code:?}: {detail}");
    }
    (word, code)
}

impl World {
    async fn written(&self, channel: p::Channel, state: p::PaymentState, page: Option<&str>) -> AttemptId {
        self.kept(channel, state, page, state == p::PaymentState::Authorised).await
    }

    /// A payment of 299.01 dollars at PayPal.
    async fn at_paypal(&self, state: p::PaymentState, authorise: bool) -> AttemptId {
        let attempt_id = self.kept(p::Channel::Paypal, state, Some(paypal::ORDER), authorise).await;
        if state == p::PaymentState::Captured {
            sqlx::query("UPDATE attempts SET transaction_id = $1")
                .bind(paypal::TAKEN)
                .execute(self.desk.store.reader())
                .await
                .unwrap();
        }
        attempt_id
    }

    async fn kept(
        &self,
        channel: p::Channel,
        state: p::PaymentState,
        page: Option<&str>,
        authorise: bool,
    ) -> AttemptId {
        let attempt = crate::store::attempts::Attempt {
            attempt_id: AttemptId::parse_bare(PAYMENT).unwrap(),
            channel,
            amount: of(channel, 29_901),
            description: "d".to_owned(),
            expires_at_us: Frozen.now().plus_minutes(15),
            notify_url: "http://127.0.0.1:1/n".to_owned(),
            fingerprint: "f".to_owned(),
            created_at_us: Frozen.now(),
            transaction_id: None,
            paid_at_us: None,
            provider_ref: None,
            authorise,
            taken: None,
            instalments: None,
            state,
        };
        let mut tx = self.desk.store.begin().await.unwrap();
        crate::store::attempts::insert(&mut tx, &attempt).await.unwrap();
        if let Some(page) = page {
            crate::store::attempts::name(&mut tx, attempt.attempt_id, page).await.unwrap();
        }
        self.desk.store.commit(tx).await.unwrap();
        attempt.attempt_id
    }

    async fn opened(&self, channel: p::Channel) -> (&'static str, ReasonCode) {
        self.opened_as(AttemptId::parse_bare(PAYMENT).unwrap(), channel).await
    }

    async fn opened_as(&self, attempt_id: AttemptId, channel: p::Channel) -> (&'static str, ReasonCode) {
        let wish = p::CreatePaymentIntent {
            attempt_id,
            channel,
            amount: of(channel, 29_901),
            description: "智游".to_owned(),
            expires_at_us: Frozen.now().plus_minutes(15),
            authorise: false,
            instalments: None,
            credit: None,
        };
        told(self.desk.create(wish).await)
    }

    async fn refunded(&self, channel: p::Channel, attempt_id: AttemptId) -> (&'static str, ReasonCode) {
        let refund_id = RefundId::parse_bare(REFUND).unwrap();
        let wish = p::CreateRefund { refund_id, attempt_id, amount: of(channel, 100), reason: "取消".to_owned() };
        told(self.desk.refund(wish).await)
    }

    async fn run(&self, effect: Effect) -> (&'static str, ReasonCode) {
        use p::{
            Channel::{AlipayPlus as Plus, Paypal, Stripe as Card, Wechatpay as Wechat},
            PaymentState as State,
        };
        match effect {
            Effect::Open | Effect::OpenH5 | Effect::OpenJsapi | Effect::OpenApp => self.opened(Wechat).await,
            Effect::Close => told(self.desk.close(self.written(Wechat, State::RequiresAction, None).await).await),
            Effect::Refund => self.refunded(Wechat, self.written(Wechat, State::Captured, None).await).await,
            Effect::OpenAlipay => self.opened(p::Channel::Alipay).await,
            Effect::CloseAlipay | Effect::TakeBackAlipay => {
                let code = (effect == Effect::CloseAlipay).then_some(ALIPAY_CODE);
                told(self.desk.close(self.written(p::Channel::Alipay, State::RequiresAction, code).await).await)
            }
            Effect::RefundAlipay => {
                self.refunded(
                    p::Channel::Alipay,
                    self.written(p::Channel::Alipay, State::Captured, Some(ALIPAY_CODE)).await,
                )
                .await
            }
            Effect::OpenPage | Effect::OpenWallets => self.opened(Card).await,
            Effect::ClosePage | Effect::CloseWallets => {
                told(self.desk.close(self.written(Card, State::RequiresAction, Some(cards::OPEN)).await).await)
            }
            Effect::Capture => {
                let attempt_id = self.written(Card, State::Authorised, Some(cards::HELD)).await;
                told(self.desk.capture(p::CapturePayment { attempt_id, amount: cny(20_000) }).await)
            }
            Effect::Void => told(self.desk.void(self.written(Card, State::Authorised, Some(cards::HELD)).await).await),
            Effect::RefundCard | Effect::RefundWallet => {
                self.refunded(Card, self.written(Card, State::Captured, Some(cards::PAID)).await).await
            }
            Effect::PaypalOpen => self.opened(Paypal).await,
            Effect::PaypalTakeApproved | Effect::PaypalSetAside => {
                let aside = effect == Effect::PaypalSetAside;
                told(self.desk.status(self.at_paypal(State::RequiresAction, aside).await).await)
            }
            Effect::PaypalTake => {
                let attempt_id = self.at_paypal(State::RequiresAction, true).await;
                told(self.desk.capture(p::CapturePayment { attempt_id, amount: of(Paypal, 100) }).await)
            }
            Effect::PaypalVoid => told(self.desk.void(self.at_paypal(State::RequiresAction, true).await).await),
            Effect::PaypalRefund => self.refunded(Paypal, self.at_paypal(State::Captured, false).await).await,
            Effect::OpenPlus => self.opened(Plus).await,
            Effect::ClosePlus => {
                let opened = Some(alipayplus::OPENED);
                told(self.desk.close(self.written(Plus, State::RequiresAction, opened).await).await)
            }
            Effect::RefundPlus => {
                self.refunded(Plus, self.written(Plus, State::Captured, Some(alipayplus::OPENED)).await).await
            }
            Effect::Hold
            | Effect::Book
            | Effect::Pay
            | Effect::CancelFlight
            | Effect::BookHotel
            | Effect::CancelHotel
            | Effect::BookCar
            | Effect::CancelCar
            | Effect::HoldActivity
            | Effect::BookActivity
            | Effect::CancelActivity => travel::run(self, effect).await,
        }
    }
}

#[tokio::test]
async fn every_effect_ends_rightly_under_every_failure() {
    let mut checked = 0;
    for effect in EFFECTS {
        for shape in SHAPES {
            let Some(ending) = wanted(effect.provider(), shape) else { continue };
            if effect == Effect::Close && matches!(shape, Shape::Foreign | Shape::Unparsable) {
                continue; // A close answers without a body: its signature is all there is.
            }
            if leaves_a_state(effect, shape) {
                continue;
            }
            let world = world(effect, shape).await;
            assert_eq!(world.run(effect).await, ending, "{effect:?} under {shape:?}");
            checked += 1;
        }
    }
    let (wechatpay, alipay, stripe, paypal, suppliers) = (6 * 14 - 2, 4 * 14, (5 + 3) * 14, 6 * 13 - 2, (8 + 3) * 11);
    let alipayplus = 3 * 14;
    assert_eq!(checked, wechatpay + alipay + stripe + paypal + alipayplus + suppliers);
}

#[tokio::test]
async fn sg_23_a_call_that_fails_was_one_request_and_whether_to_ask_again_is_decided_elsewhere() {
    for effect in EFFECTS {
        for shape in [Shape::InternalError, Shape::BadGateway, Shape::TooMany, Shape::Reset, Shape::Decline] {
            if leaves_a_state(effect, shape) {
                continue;
            }
            let world = world(effect, shape).await;
            world.run(effect).await;
            assert_eq!(world.stub.effects.load(Ordering::SeqCst), 1, "{effect:?} under {shape:?}");
        }
    }
}

#[tokio::test]
async fn a_channel_that_refuses_our_key_gets_no_new_payment() {
    use p::Channel::{Alipay, AlipayPlus as Plus, Paypal, Stripe, Wechatpay as Wechat};
    for (effect, channel) in [
        (Effect::Open, Wechat),
        (Effect::OpenAlipay, Alipay),
        (Effect::OpenPage, Stripe),
        (Effect::PaypalOpen, Paypal),
        (Effect::OpenPlus, Plus),
    ] {
        let world = world(effect, Shape::WrongKey).await;
        let open = async |number| {
            let ulid = ulid::Ulid::from_parts(1_795_000_000_000, number);
            world.opened_as(AttemptId::from_ulid(ulid), channel).await
        };
        for number in 0..10 {
            assert_eq!(open(number).await.1, ReasonCode::Unauthorized, "{channel:?}");
        }
        let sent = world.stub.effects.load(Ordering::SeqCst);
        assert_eq!(open(10).await, ("declined", ReasonCode::ChannelFailing), "{channel:?}");
        assert_eq!(world.stub.effects.load(Ordering::SeqCst), sent, "{channel:?}: what is refused is not sent");
    }
}

#[tokio::test]
async fn another_price_than_was_shown_is_refused_before_anything_is_sent() {
    // The stub would decline the effect for another reason.
    let world = world(Effect::Hold, Shape::Decline).await;
    let wish = f::HoldFlight { expected_total: cny(29_902), ..travel::flight() };
    assert_eq!(told(world.duffel.hold(wish).await), ("declined", ReasonCode::PriceChanged));
    let pay = f::PayHeldFlight { order_id: "ord_1".to_owned(), amount: cny(1) };
    assert_eq!(told(world.duffel.pay(pay).await), ("declined", ReasonCode::PriceChanged));
}

#[tokio::test]
async fn a_read_that_fails_before_the_effect_means_the_effect_was_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let head = read_request(&mut stream).await;
            assert!(head.starts_with("GET "), "an effect was sent on a guess: {head}");
        }
    });
    let config = sample("unused".into(), &address, &address);
    let duffel = Duffel::new(&config.duffel, Http::new(Profile::Sandbox).unwrap(), Arc::new(Frozen));
    assert_eq!(told(duffel.hold(travel::flight()).await), ("not_sent", ReasonCode::Network));
    assert_eq!(told(FlightSupplier::book(&duffel, travel::flight()).await), ("not_sent", ReasonCode::Network));
    let pay = f::PayHeldFlight { order_id: "ord_1".to_owned(), amount: cny(1) };
    assert_eq!(told(duffel.pay(pay).await), ("not_sent", ReasonCode::Network));
}

#[tokio::test]
async fn a_payment_is_written_before_it_is_sent_so_that_a_crash_forgets_nothing() {
    for shape in [Shape::Refused, Shape::Reset, Shape::InternalError] {
        let world = world(Effect::Open, shape).await;
        world.run(Effect::Open).await;
        let kept = crate::store::attempts::find(world.desk.store.reader(), AttemptId::parse_bare(PAYMENT).unwrap())
            .await
            .unwrap()
            .unwrap();
        assert_eq!((kept.amount, kept.state), (cny(29_901), p::PaymentState::RequiresAction), "{shape:?}");
    }
}

#[tokio::test]
async fn a_refund_whose_outcome_is_unknown_stays_reserved() {
    let world = world(Effect::Refund, Shape::Reset).await;
    assert_eq!(world.run(Effect::Refund).await.0, "unknown");
    let rest = p::CreateRefund {
        refund_id: RefundId::parse_bare("01KA0000000000000000000XY0").unwrap(),
        attempt_id: AttemptId::parse_bare(PAYMENT).unwrap(),
        amount: cny(29_802),
        reason: "r".to_owned(),
    };
    assert_eq!(told(world.desk.refund(rest).await), ("declined", ReasonCode::InvalidRequest));
}
