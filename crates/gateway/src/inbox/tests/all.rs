//! What holds for every channel alike: whole histories in every order, a gateway that dies or is slow, floods, messages at the
//! wrong address.

use super::*;
use super::{alipay, alipayplus, cards, paypal};
use crate::{
    config::{paypal_tests::merchant, stripe_sample},
    defence::take_away,
    pay::{
        alipay::{Alipay, sign as alipay_sign},
        alipayplus::AlipayPlus,
        paypal::{
            Paypal,
            sign::tests::{Authority, Host, NOW, WEBHOOK_ID, good},
        },
        stripe::Stripe,
    },
};
use std::path::{Path, PathBuf};

/// Every channel.
pub(super) const CHANNELS: [Channel; 5] = Channel::PROVIDERS;
/// Whether a channel's word about money is only a reason to ask.
pub(super) const fn only_hints(channel: Channel) -> bool {
    match channel {
        Channel::Paypal | Channel::AlipayPlus => true,
        Channel::Wechatpay | Channel::Alipay | Channel::Stripe | Channel::Credit => false,
    }
}
/// How long an impatient provider waits for an answer.
const DEADLINE: Duration = Duration::from_millis(50);

/// An inbox with every channel, and one payment of 299.01 at one of them with one refund of 100.00.
pub(super) struct All {
    pub(super) world: World,
    pub(super) channel: Channel,
    path: PathBuf,
    certificate: String,
    alipay: alipay_sign::Signer,
}

/// A folder in memory where there is one: it is not the disk that is tried here.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

impl All {
    pub(super) async fn start(channel: Channel) -> Self {
        let authority = Authority::new();
        let host = Host::serving(200, None, authority.issue(good())).await;
        Self::at(channel, &authority, &host.base).await
    }

    /// With PayPal's certificates at `base`, where this authority is trusted.
    pub(super) async fn at(channel: Channel, authority: &Authority, base: &str) -> Self {
        let folder = folder();
        let path = folder.path().to_owned();
        let config = sample(folder.path().to_owned(), "http://127.0.0.1:1", "http://127.0.0.1:2");
        let http = Http::new(Profile::Sandbox).unwrap();
        let clock = || Arc::new(Frozen);
        let wechat = Wechatpay::new(&config.wechatpay, http.clone(), clock()).unwrap();
        let forms = crate::config::alipay::tests::sample("http://127.0.0.1:1");
        let forms = Alipay::new(&forms, http.clone(), clock()).unwrap();
        let pages = Stripe::new(&stripe_sample("http://127.0.0.1:1"), Profile::Sandbox, http.clone(), clock());
        let plus = crate::config::alipayplus::tests::sample("http://127.0.0.1:1");
        let plus = AlipayPlus::new(&plus, "", http.clone(), clock()).unwrap();
        let wallet = Paypal::new(&merchant(base, &authority.root_pem), http, clock()).unwrap();
        let channels = Channels::default()
            .with(Channel::Wechatpay, Arc::new(wechat))
            .with(Channel::Alipay, Arc::new(forms))
            .with(Channel::Stripe, Arc::new(pages))
            .with(Channel::Paypal, Arc::new(wallet))
            .with(Channel::AlipayPlus, Arc::new(plus));
        let store = Store::open(folder.path()).await.unwrap();
        let inbox = Inbox::new(store, channels, clock(), Profile::Sandbox);
        let (attempt, refund) = wanted(channel);
        let code = if channel == Channel::Paypal { "USD" } else { "CNY" };
        let money = |amount: Money| Money::new(amount.minor(), code.parse().unwrap()).unwrap();
        let mut tx = inbox.store.begin().await.unwrap();
        attempts::insert(&mut tx, &Attempt { amount: money(attempt.amount), ..attempt }).await.unwrap();
        refunds::insert(&mut tx, &Refund { amount: money(refund.amount), ..refund }).await.unwrap();
        inbox.store.commit(tx).await.unwrap();
        let platform = || vector("wechat/java_wechat_pay_private_key.pem").into();
        let world = World {
            _folder: folder,
            inbox,
            address: String::new(),
            platform: Signer::new(&platform(), "", "").unwrap(),
        };
        let certificate = format!("{base}/v1/notifications/certs/CERT-1");
        let alipay = alipay_sign::Signer::new(&platform(), "key").unwrap();
        Self { world, channel, path, certificate, alipay }
    }

    /// Hands a message to the inbox as the server does, and tells what it answers.
    pub(super) async fn take(&self, channel: Channel, message: &Message) -> (u16, String) {
        let mut request = axum::http::Request::post(format!("/notify/{}", channel.word()));
        for (name, value) in &message.headers {
            request = request.header(*name, value);
        }
        let request = request.body(Body::from(message.body.clone())).unwrap();
        let answer = from_named(self.world.inbox.clone(), channel.word(), request).await;
        let status = answer.status().as_u16();
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    pub(super) async fn tell(&self, message: &Message) -> u16 {
        self.take(self.channel, message).await.0
    }

    pub(super) fn form(&self, fields: alipay::Fields) -> Message {
        let headers = vec![("Content-Type", "application/x-www-form-urlencoded; charset=utf-8".to_owned())];
        Message { headers, body: alipay::form(&self.alipay, fields) }
    }

    pub(super) fn hint(&self, transmission: &str, event: &Value) -> Message {
        self.transmitted(&NOW.to_rfc3339(), transmission, event.to_string())
    }

    /// PayPal's word for our webhook, sent at that time.
    pub(super) fn transmitted(&self, time: &str, transmission: &str, body: String) -> Message {
        paypal::notification(&self.certificate, time, WEBHOOK_ID, transmission, body)
    }

    /// A genuine notification of a channel that the payment was paid.
    pub(super) fn paid(&self, channel: Channel, id: &str) -> Message {
        match channel {
            Channel::Wechatpay => self.world.paid(id),
            Channel::Alipay => self.form(alipay::fields(id, &[])),
            Channel::Stripe => cards::paid(id),
            Channel::Paypal => self.hint(id, &paypal::capture(|event| event["id"] = format!("WH-{id}").into())),
            Channel::AlipayPlus => alipayplus::paid(id),
            Channel::Credit => unreachable!("nobody notifies us of our own credit"),
        }
    }

    /// Whether money counts as arrived.
    pub(super) async fn is_paid(&self) -> bool {
        self.world.attempt().await.state == PaymentState::Captured
    }

    /// What the gateway holds to be true, and how much it passed on.
    async fn stands(&self) -> (PaymentState, Option<String>, Option<UtcMicros>, Standing, usize) {
        let (attempt, refund) = (self.world.attempt().await, self.world.refund_row().await);
        let told = self.world.updates().await.len();
        (attempt.state, attempt.transaction_id, attempt.paid_at_us, refund.state, told)
    }

    /// As it was before anything was heard.
    async fn begin_again(&self) {
        for sql in [
            "DELETE FROM inbox",
            "DELETE FROM updates",
            "UPDATE attempts SET state = 'requires_action', transaction_id = NULL, paid_at_us = NULL, taken_minor = NULL",
            "UPDATE refunds SET state = 'pending'",
        ] {
            sqlx::query(sql).execute(self.world.inbox.store.reader()).await.unwrap();
        }
    }

    /// Seven things a channel tells of one payment in its life, each as it would be sent.
    fn life(&self) -> Vec<(&'static str, Message)> {
        match self.channel {
            Channel::Credit => Vec::new(),
            Channel::Wechatpay => {
                let trade = |state: &'static str| {
                    let resource = transaction(|resource| resource["trade_state"] = state.into());
                    (state, self.world.sealed(state, "TRANSACTION.SUCCESS", "transaction", &resource))
                };
                let refund = |status: &'static str| {
                    let kind = format!("REFUND.{status}");
                    (status, self.world.sealed(&format!("R-{status}"), &kind, "refund", &refund_resource(status)))
                };
                let paid = |id: &'static str| (id, self.world.paid(id));
                let refunds = [refund("PROCESSING"), refund("ABNORMAL"), refund("SUCCESS")];
                [paid("paid"), paid("paid again"), trade("NOTPAY"), trade("CLOSED")]
                    .into_iter()
                    .chain(refunds)
                    .collect()
            }
            Channel::Alipay => {
                let notice = |id: &'static str, changes: &[(&str, &str)]| (id, self.form(alipay::fields(id, changes)));
                let whole = [("trade_status", "TRADE_CLOSED"), ("refund_fee", "299.01")];
                vec![
                    notice("waiting", &[("trade_status", "WAIT_BUYER_PAY"), ("gmt_payment", "")]),
                    notice("paid", &[]),
                    notice("paid again", &[]),
                    notice("finished", &[("trade_status", "TRADE_FINISHED")]),
                    notice("closed", &[("trade_status", "TRADE_CLOSED"), ("gmt_payment", "")]),
                    ("part", self.form(alipay::refunded("part", &[]))),
                    ("whole", self.form(alipay::refunded("whole", &whole))),
                ]
            }
            Channel::Stripe => {
                let told = |id: &'static str, kind: &str, object: &Value| (id, cards::message(id, kind, object));
                let failed = cards::intent(|object| {
                    object["status"] = "requires_payment_method".into();
                    object["amount_received"] = 0.into();
                });
                let expired = cards::session(|object| {
                    object["status"] = "expired".into();
                    object["payment_status"] = "unpaid".into();
                });
                let charge = json!({"id": "ch_1", "created": NOW_S, "metadata": {"attempt": PAYMENT}});
                let refund = json!({"id": "re_1", "object": "refund", "amount": 10_000, "currency": "cny",
                    "status": "succeeded", "metadata": {"refund": REFUND}, "payment_intent": "pi_1"});
                let dispute = json!({"id": "du_1", "object": "dispute", "amount": 29_901, "currency": "cny",
                    "status": "needs_response", "livemode": false, "charge": "ch_1", "payment_intent": "pi_1"});
                vec![
                    told("paid", "payment_intent.succeeded", &cards::intent(|_| {})),
                    told("page", "checkout.session.completed", &cards::session(|_| {})),
                    told("failed", "payment_intent.payment_failed", &failed),
                    told("expired", "checkout.session.expired", &expired),
                    told("charge", "charge.refunded", &charge),
                    told("refund", "refund.updated", &refund),
                    told("dispute", "charge.dispute.created", &dispute),
                ]
            }
            Channel::Paypal => {
                let told = |id: &'static str, kind: &str, of: &str, number: &str| {
                    let event = paypal::capture(|event| {
                        event["id"] = format!("WH-{id}").into();
                        event["event_type"] = kind.into();
                        event["resource_type"] = of.into();
                        event["resource"]["custom_id"] = number.into();
                        event["resource"]["purchase_units"] = json!([{"custom_id": number}]);
                    });
                    (id, self.hint(id, &event))
                };
                vec![
                    told("approved", "CHECKOUT.ORDER.APPROVED", "checkout-order", PAYMENT),
                    told("completed", "CHECKOUT.ORDER.COMPLETED", "checkout-order", PAYMENT),
                    told("pending", "PAYMENT.CAPTURE.PENDING", "capture", PAYMENT),
                    told("paid", "PAYMENT.CAPTURE.COMPLETED", "capture", PAYMENT),
                    told("denied", "PAYMENT.CAPTURE.DENIED", "capture", PAYMENT),
                    told("reversed", "PAYMENT.CAPTURE.REVERSED", "capture", PAYMENT),
                    told("refunded", "PAYMENT.CAPTURE.REFUNDED", "refund", REFUND),
                ]
            }
            Channel::AlipayPlus => {
                let told = |id: &'static str, kind: &str, status: &str| {
                    (id, alipayplus::sent(&alipayplus::result(kind, status), "2026-11-20T02:24:30Z"))
                };
                vec![
                    told("pending", "PAYMENT_PENDING", "S"),
                    told("paid", "PAYMENT_RESULT", "S"),
                    told("failed", "PAYMENT_RESULT", "F"),
                    told("open", "PAYMENT_RESULT", "U"),
                    told("refunded", "REFUND_RESULT", "S"),
                    told("not refunded", "REFUND_RESULT", "F"),
                    told("still refunding", "REFUND_RESULT", "U"),
                ]
            }
        }
    }
}

/// Tells a life in each of its 5,040 orders, what came too early and the first event once more, and compares the ends.
async fn every_order_of_a_life_ends_as(channel: Channel, state: PaymentState, refund: RefundState) {
    let all = All::start(channel).await;
    let life: BTreeMap<&str, Message> = all.life().into_iter().collect();
    let names: Vec<&str> = life.keys().copied().collect();
    let mut end = None;
    let mut orders = 0;
    for order in permutations(&names) {
        all.begin_again().await;
        let mut early = Vec::new();
        for name in &order {
            match all.tell(&life[name]).await {
                200 => {}
                503 => early.push(name),
                other => panic!("{name} of {order:?}: {other}"),
            }
        }
        for name in early.into_iter().chain(order.first()) {
            assert_eq!(all.tell(&life[name]).await, 200, "{name} of {order:?}, again");
        }
        let now = all.stands().await;
        assert_eq!((now.0, now.3, now.4), (state, Standing::At(refund), 7), "{order:?}");
        assert_eq!(*end.get_or_insert_with(|| now.clone()), now, "{order:?}");
        orders += 1;
    }
    assert_eq!(orders, 5_040);
}

#[tokio::test]
async fn wh_15_every_order_of_seven_events_of_wechat_pay_ends_in_one_state() {
    every_order_of_a_life_ends_as(Channel::Wechatpay, PaymentState::Captured, RefundState::Succeeded).await;
}

#[tokio::test]
async fn wh_15_every_order_of_seven_events_of_alipay_ends_in_one_state() {
    every_order_of_a_life_ends_as(Channel::Alipay, PaymentState::Captured, RefundState::Pending).await;
}

#[tokio::test]
async fn wh_15_every_order_of_seven_events_of_a_card_ends_in_one_state() {
    every_order_of_a_life_ends_as(Channel::Stripe, PaymentState::Captured, RefundState::Pending).await;
}

#[tokio::test]
async fn wh_15_every_order_of_seven_events_of_paypal_ends_in_one_state() {
    // Each is a reason to ask, whatever it says.
    every_order_of_a_life_ends_as(Channel::Paypal, PaymentState::RequiresAction, RefundState::Pending).await;
}

#[tokio::test]
async fn wh_15_every_order_of_seven_events_of_alipayplus_ends_in_one_state() {
    // Each is a reason to ask, whatever it says.
    every_order_of_a_life_ends_as(Channel::AlipayPlus, PaymentState::RequiresAction, RefundState::Pending).await;
}

#[tokio::test]
async fn wh_07_a_wrong_type_or_packing_is_read_as_the_bytes_that_were_signed() {
    for channel in CHANNELS {
        let all = All::start(channel).await;
        let mut message = all.paid(channel, "EV-1");
        message.headers.retain(|(name, _)| *name != "Content-Type");
        message.headers.push(("Content-Type", "text/html".to_owned()));
        message.headers.push(("Content-Encoding", "gzip".to_owned()));
        assert_eq!(all.tell(&message).await, 200, "{channel:?}");
        assert_eq!(all.world.updates().await.len(), 1);
    }
}

#[tokio::test]
async fn wh_11_a_time_that_is_off_or_no_plain_number_is_refused_by_wechat_pay_though_it_is_signed() {
    let all = All::start(Channel::Wechatpay).await;
    let genuine = all.world.paid("EV-1");
    let at = |time: &str| {
        let signature = all.world.platform.sign(&format!("{time}\nnonce\n{}\n", genuine.body)).unwrap();
        let mut message = genuine.clone();
        message.headers[0].1 = time.to_owned();
        message.headers[3].1 = signature;
        message
    };
    let off = [(NOW_S + 301).to_string(), (NOW_S - 301).to_string(), format!("+{NOW_S}"), format!("{NOW_S}.0")];
    let odd = ["-1", "1000000000000000000", "soon", ""].map(str::to_owned);
    for time in off.iter().chain(&odd) {
        assert_eq!(all.tell(&at(time)).await, 401, "{time:?}");
    }
    assert_eq!(all.tell(&at(&(NOW_S - 240).to_string())).await, 200);
    assert_eq!(all.world.kept().await.len(), 1);
}

#[tokio::test]
async fn wh_13_a_deep_body_is_refused_and_one_that_never_ends_is_not_waited_for() {
    let deep = "[".repeat(30_000) + &"]".repeat(30_000);
    let all = All::start(Channel::Wechatpay).await;
    assert_eq!(all.tell(&all.world.signed(deep)).await, 400);
    let endless = Body::from_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let slow = axum::http::Request::post("/").body(endless).unwrap();
    assert_eq!(raw(slow, Duration::from_millis(1)).await.unwrap_err(), StatusCode::REQUEST_TIMEOUT);
    all.world.assert_untouched().await;
}

#[tokio::test]
async fn wh_19_a_kind_of_wechat_pays_that_is_new_is_kept_and_answered_with_success() {
    let all = All::start(Channel::Wechatpay).await;
    let new = json!({"mchid": "1900000109", "something": "new"});
    for (id, kind, of) in [("EV-1", "COUPON.USE", "coupon"), ("EV-2", "TRANSACTION.NEW", "something")] {
        assert_eq!(all.tell(&all.world.sealed(id, kind, of, &new)).await, 200);
    }
    all.world.assert_untouched().await;
    assert!(all.world.kept().await.iter().all(|(_, word)| word == "ignored"));
}

#[tokio::test]
async fn wh_22_a_gateway_that_dies_before_it_answers_has_applied_the_event_once() {
    for channel in CHANNELS {
        let mut all = All::start(channel).await;
        let message = all.paid(channel, "EV-1");
        assert_eq!(all.tell(&message).await, 200);
        // Nobody heard that answer. The gateway comes up again on what is on the disk; the one before is just gone.
        let again = Store::open(&all.path).await.unwrap();
        std::mem::forget(std::mem::replace(&mut all.world.inbox.store, again));
        assert_eq!(all.tell(&message).await, 200, "{channel:?}");
        assert_eq!(all.world.updates().await.len(), 1, "{channel:?}");
        assert_eq!(all.is_paid().await, !only_hints(channel));
        take_away(Some(Defence::Once));
        assert_eq!(all.tell(&message).await, 200);
        take_away(None);
        assert_eq!(all.world.updates().await.len(), 2, "{channel:?} would be heard twice");
    }
}

#[tokio::test]
async fn wh_23_an_answer_that_comes_too_late_or_never_is_harmless() {
    for channel in CHANNELS {
        let all = All::start(channel).await;
        let message = all.paid(channel, "EV-1");
        if channel == Channel::Paypal {
            // The certificate is fetched before, so that it is the database that is slow.
            all.tell(&all.hint("EV-0", &paypal::capture(|event| event["resource_type"] = "other".into()))).await;
        }
        let held = all.world.inbox.store.begin().await.unwrap();
        // A provider that goes away, and one that waits.
        assert!(tokio::time::timeout(DEADLINE, all.tell(&message)).await.is_err());
        assert!(all.world.updates().await.is_empty());
        let mut waiting = std::pin::pin!(all.tell(&message));
        assert!(tokio::time::timeout(DEADLINE, &mut waiting).await.is_err());
        drop(held);
        assert_eq!(waiting.await, 200, "{channel:?}");
        assert_eq!(all.tell(&message).await, 200);
        assert_eq!(all.world.updates().await.len(), 1, "{channel:?}");
        take_away(Some(Defence::Once));
        assert_eq!(all.tell(&message).await, 200);
        take_away(None);
        assert_eq!(all.world.updates().await.len(), 2, "{channel:?} would be heard twice");
    }
}

#[tokio::test]
async fn wh_24_a_flood_of_forgeries_never_reaches_the_database_and_the_genuine_one_counts() {
    for channel in CHANNELS {
        let mut all = All::start(channel).await;
        let genuine = all.paid(channel, "EV-1");
        let forged = Message { body: genuine.body.replace("EV-1", "EV-2"), ..genuine.clone() };
        assert_ne!(forged.body, genuine.body);
        let working = (all.world.inbox.store.clone(), all.world.inbox.writer.clone());
        let broken = Store::open(tempfile::tempdir().unwrap().path()).await.unwrap();
        broken.close().await;
        (all.world.inbox.store, all.world.inbox.writer) = (broken.clone(), Writer::start(broken));
        for _ in 0..500 {
            assert_eq!(all.tell(&forged).await, 401, "{channel:?}");
        }
        take_away(Some(Defence::Signature));
        assert_eq!(all.tell(&forged).await, 500, "without a proof every one of them would be written");
        take_away(None);
        assert_eq!(all.tell(&genuine).await, 500, "this one would be written");
        (all.world.inbox.store, all.world.inbox.writer) = working;
        assert_eq!(all.tell(&genuine).await, 200);
        assert_eq!(all.world.updates().await.len(), 1);
    }
}

#[test]
fn wh_25_signatures_are_compared_by_the_library_and_the_one_shared_secret_in_constant_time() {
    for (text, by) in [
        (include_str!("../../pay/wechatpay/sign.rs"), "verify_sig("),
        (include_str!("../../pay/alipay/sign.rs"), "verify_sig("),
        (include_str!("../../pay/alipayplus/sign.rs"), "verify_sig("),
        (include_str!("../../pay/paypal/sign.rs"), "verify_sig("),
        (include_str!("../../pay/stripe/sign.rs"), "verify_slices_are_equal(genuine.as_bytes()"),
    ] {
        assert!(text.contains(by), "{by}");
        assert!(!text.contains("signature ==") && !text.contains("== signature"));
    }
}

#[tokio::test]
async fn wh_27_what_one_channel_signed_proves_nothing_at_the_address_of_another() {
    for own in CHANNELS {
        let all = All::start(own).await;
        for (number, at) in CHANNELS.into_iter().filter(|at| *at != own).enumerate() {
            assert_eq!(all.take(at, &all.paid(own, &format!("EV-{number}"))).await.0, 401, "{own:?} at {at:?}");
        }
        all.world.assert_untouched().await;
        assert!(all.world.kept().await.is_empty());
    }
}

#[tokio::test]
async fn a_channel_that_speaks_of_a_payment_of_another_channel_brings_no_money() {
    for own in CHANNELS {
        for at in CHANNELS.into_iter().filter(|at| *at != own && !only_hints(*at)) {
            let all = All::start(own).await;
            assert_eq!(all.take(at, &all.paid(at, "EV-1")).await.0, 400, "{at:?} of {own:?}");
            all.world.assert_untouched().await;
            assert_eq!(all.world.kept().await, [("EV-1".to_owned(), "foreign".to_owned())]);
        }
        for at in CHANNELS.into_iter().filter(|at| *at != own && only_hints(*at)) {
            // Its word is a reason to ask, and the channel of the payment is asked.
            let all = All::start(own).await;
            assert_eq!(all.take(at, &all.paid(at, "EV-1")).await.0, 200);
            assert!(!all.is_paid().await);
        }
    }
}

#[tokio::test]
async fn wx_05_a_resource_whose_seal_is_broken_is_not_authentic_though_the_envelope_is_signed() {
    let all = All::start(Channel::Wechatpay).await;
    let genuine: Value = serde_json::from_str(&all.world.paid("EV-1").body).unwrap();
    let sealed = STANDARD.decode(genuine["resource"]["ciphertext"].as_str().unwrap()).unwrap();
    let mut flipped = sealed.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let changes = [
        ("ciphertext", STANDARD.encode(&flipped)),
        ("ciphertext", STANDARD.encode(&sealed[..15])),
        ("ciphertext", String::new()),
        ("ciphertext", "not base64".to_owned()),
        ("nonce", "0123456789a".to_owned()),
        ("nonce", "0123456789abc".to_owned()),
        ("nonce", "0123456789ac".to_owned()),
        ("associated_data", "refund".to_owned()),
        ("associated_data", String::new()),
    ];
    for (field, value) in changes {
        let mut envelope = genuine.clone();
        envelope["resource"][field] = value.clone().into();
        assert_eq!(all.tell(&all.world.signed(envelope.to_string())).await, 401, "{field} {value:?}");
    }
    all.world.assert_untouched().await;
    assert!(all.world.kept().await.is_empty());
}

#[tokio::test]
async fn wx_12_what_becomes_of_a_refund_is_what_its_notification_says() {
    for (status, ours) in [
        ("PROCESSING", RefundState::Pending),
        ("SUCCESS", RefundState::Succeeded),
        ("ABNORMAL", RefundState::NeedsManual),
        ("CLOSED", RefundState::Failed),
        ("SOMETHING_NEW", RefundState::Pending),
    ] {
        let all = All::start(Channel::Wechatpay).await;
        let message = all.world.sealed("EV-1", "REFUND.SUCCESS", "refund", &refund_resource(status));
        assert_eq!(all.tell(&message).await, 200);
        assert_eq!(all.world.refund_row().await.state, Standing::At(ours), "{status}");
    }
}
