//! What the inbox does with the card channel's events: genuine, repeated, foreign, thin, late, out of order and unsigned ones.

use super::*;
use crate::{config::stripe_sample, pay::stripe::Stripe};
use aws_lc_rs::hmac;
use zhiyou_domain::port::payments as p;

const SECRET: &str = "whsec_c0ffee5Qr8Zt1WmXy7Kb2Nd";
const KEPT: &str = r#"{"received":true}"#;
const REFUSED: &str = r#"{"received":false}"#;

/// A gateway's inbox on a real socket, with one card payment of 299.01 and one refund of 100.00.
struct Cards {
    _folder: tempfile::TempDir,
    inbox: Inbox,
    address: String,
}

pub(super) fn intent(change: impl FnOnce(&mut Value)) -> Value {
    let mut object = json!({
        "id": "pi_1", "object": "payment_intent", "amount": 29_901, "amount_received": 29_901, "amount_capturable": 0,
        "currency": "cny", "status": "succeeded", "capture_method": "automatic", "livemode": false, "latest_charge": "ch_1",
        "metadata": {"attempt": PAYMENT},
    });
    change(&mut object);
    object
}

pub(super) fn session(change: impl FnOnce(&mut Value)) -> Value {
    let mut object = json!({
        "id": "cs_test_1", "object": "checkout.session", "status": "complete", "payment_status": "paid", "amount_total": 29_901,
        "currency": "cny", "client_reference_id": PAYMENT, "metadata": {"attempt": PAYMENT}, "livemode": false,
        "payment_intent": "pi_1", "url": null,
    });
    change(&mut object);
    object
}

pub(super) fn event(id: &str, kind: &str, object: &Value) -> Value {
    json!({
        "id": id, "object": "event", "api_version": "2026-10-28.endive", "created": NOW_S - 5, "data": {"object": object},
        "livemode": false, "pending_webhooks": 1, "request": {"id": null, "idempotency_key": null}, "type": kind,
    })
}

pub(super) fn signature(at_s: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    hex::encode(hmac::sign(&key, format!("{at_s}.{body}").as_bytes()))
}

pub(super) fn signed(body: String) -> Message {
    let header = format!("t={NOW_S},v1={}", signature(NOW_S, &body));
    Message { headers: vec![("Stripe-Signature", header)], body }
}

pub(super) fn message(id: &str, kind: &str, object: &Value) -> Message {
    signed(event(id, kind, object).to_string())
}

pub(super) fn paid(id: &str) -> Message {
    message(id, "payment_intent.succeeded", &intent(|_| {}))
}

impl Cards {
    async fn start() -> Self {
        Self::with(false).await
    }

    async fn with(authorise: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let http = Http::new(Profile::Sandbox).unwrap();
        let account = stripe_sample("http://127.0.0.1:1");
        let channel = Stripe::new(&account, Profile::Sandbox, http.clone(), Arc::new(Frozen));
        let config = sample(folder.path().to_owned(), "http://127.0.0.1:1", "http://127.0.0.1:2");
        let codes = Wechatpay::new(&config.wechatpay, http, Arc::new(Frozen)).unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let channels = Channels::default();
        let inbox = Inbox::new(
            store,
            channels.with(Channel::Stripe, Arc::new(channel)).with(Channel::Wechatpay, Arc::new(codes)),
            Arc::new(Frozen),
            Profile::Sandbox,
        );
        let (attempt, refund) = wanted(Channel::Stripe);
        let mut tx = inbox.store.begin().await.unwrap();
        attempts::insert(&mut tx, &Attempt { authorise, ..attempt }).await.unwrap();
        refunds::insert(&mut tx, &refund).await.unwrap();
        inbox.store.commit(tx).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let routes = router(inbox.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { _folder: folder, inbox, address }
    }

    async fn post_to(&self, channel: &str, message: &Message) -> (u16, String) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request = client.post(format!("{}/notify/{channel}", self.address));
        for (name, value) in &message.headers {
            request = request.header(*name, value);
        }
        let answer = request.body(message.body.clone()).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn post(&self, message: &Message) -> (u16, String) {
        self.post_to("stripe", message).await
    }

    async fn attempt(&self) -> Attempt {
        attempts::find(self.inbox.store.reader(), AttemptId::parse_bare(PAYMENT).unwrap()).await.unwrap().unwrap()
    }

    async fn updates(&self) -> Vec<UpdateContent> {
        updates::after(self.inbox.store.reader(), 0).await.unwrap().into_iter().map(|update| update.content).collect()
    }

    async fn kept(&self) -> Vec<(String, String)> {
        let rows = sqlx::query_as("SELECT event_id, disposition FROM inbox ORDER BY event_id");
        rows.fetch_all(self.inbox.store.reader()).await.unwrap()
    }

    async fn assert_untouched(&self) {
        assert_eq!(self.attempt().await.state, PaymentState::RequiresAction);
        assert!(self.updates().await.is_empty());
    }
}

fn hint() -> UpdateContent {
    UpdateContent::PaymentHint { attempt_id: AttemptId::parse_bare(PAYMENT).unwrap() }
}

#[tokio::test]
async fn a_genuine_event_is_kept_applied_passed_on_and_answered_with_success() {
    for (kind, object) in
        [("payment_intent.succeeded", intent(|_| {})), ("checkout.session.completed", session(|_| {}))]
    {
        let world = Cards::start().await;
        let message = message("evt_1", kind, &object);
        assert_eq!(world.post(&message).await, (200, KEPT.to_owned()));
        let attempt = world.attempt().await;
        assert_eq!(
            (attempt.state, attempt.transaction_id.as_deref()),
            (PaymentState::Captured, Some("pi_1")),
            "{kind}"
        );
        assert_eq!(attempt.paid_at_us, Some(UtcMicros((NOW_S - 5) * 1_000_000)));
        assert_eq!(world.updates().await, [UpdateContent::Payment { status: attempt.status() }]);
        let (body, headers): (Vec<u8>, String) =
            sqlx::query_as("SELECT body, headers FROM inbox").fetch_one(world.inbox.store.reader()).await.unwrap();
        assert_eq!(body, message.body.as_bytes(), "the very bytes are kept");
        assert!(headers.contains("stripe-signature"));
    }
}

#[tokio::test]
async fn wh_09_wh_14_an_event_that_comes_many_times_is_applied_once() {
    let world = Arc::new(Cards::start().await);
    let mut posting = tokio::task::JoinSet::new();
    for pending in 0..64 {
        let world = Arc::clone(&world);
        let mut event = event("evt_1", "payment_intent.succeeded", &intent(|_| {}));
        // How many endpoints still wait for it is not what it says.
        event["pending_webhooks"] = (pending % 3).into();
        posting.spawn(async move { world.post(&signed(event.to_string())).await.0 });
    }
    assert!(posting.join_all().await.into_iter().all(|status| status == 200));
    assert_eq!((world.updates().await.len(), world.kept().await.len()), (1, 1));
    let other = message("evt_1", "payment_intent.succeeded", &intent(|object| object["id"] = "pi_2".into()));
    assert_eq!(world.post(&other).await, (400, REFUSED.to_owned()), "one id, two contents");
}

#[tokio::test]
async fn wh_15_wh_28_every_order_of_events_ends_in_the_same_state() {
    let events = ["intent", "session", "failed", "expired"];
    let object = |event: &str| match event {
        "intent" => ("payment_intent.succeeded", intent(|_| {})),
        "session" => ("checkout.session.completed", session(|_| {})),
        "failed" => (
            "payment_intent.payment_failed",
            intent(|object| {
                object["status"] = "requires_payment_method".into();
                object["amount_received"] = 0.into();
            }),
        ),
        "expired" => (
            "checkout.session.expired",
            session(|object| {
                object["status"] = "expired".into();
                object["payment_status"] = "unpaid".into();
            }),
        ),
        other => panic!("{other}"),
    };
    for order in permutations(&events) {
        let world = Cards::start().await;
        for event in order.iter().chain(&order) {
            let (kind, object) = object(event);
            assert_eq!(world.post(&message(&format!("evt_{event}"), kind, &object)).await.0, 200);
        }
        let attempt = world.attempt().await;
        assert_eq!(
            (attempt.state, attempt.transaction_id.as_deref()),
            (PaymentState::Captured, Some("pi_1")),
            "{order:?}"
        );
        assert_eq!(world.updates().await.len(), events.len(), "{order:?}");
    }
}

#[tokio::test]
async fn wh_16_st_04_st_06_another_account_world_or_payment_changes_nothing() {
    let world = Cards::start().await;
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 5] = [
        ("evt_live", |event| event["livemode"] = true.into()),
        ("evt_no_world", |event| {
            event.as_object_mut().unwrap().remove("livemode");
        }),
        ("evt_live_object", |event| event["data"]["object"]["livemode"] = true.into()),
        ("evt_account", |event| event["account"] = "acct_2Another".into()),
        ("evt_sub_account", |event| event["account"] = "".into()),
    ];
    for (id, change) in changes {
        let mut event = event(id, "payment_intent.succeeded", &intent(|_| {}));
        change(&mut event);
        let message = signed(event.to_string());
        for _ in 0..2 {
            assert_eq!(world.post(&message).await, (400, REFUSED.to_owned()), "{id}");
        }
        world.assert_untouched().await;
    }
    assert!(world.kept().await.iter().all(|(_, word)| word == "foreign"));
    let mut own = event("evt_own", "payment_intent.succeeded", &intent(|_| {}));
    own["account"] = "acct_1Sandbox".into();
    assert_eq!(world.post(&signed(own.to_string())).await.0, 200);
    assert_eq!(world.attempt().await.state, PaymentState::Captured);
}

#[tokio::test]
async fn wh_17_wh_18_st_05_another_amount_or_currency_is_not_paid() {
    let world = Cards::start().await;
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 9] = [
        ("evt_less", |object| object["amount_received"] = 29_900.into()),
        ("evt_nothing", |object| object["amount_received"] = 0.into()),
        ("evt_more", |object| object["amount_received"] = 29_902.into()),
        ("evt_another", |object| {
            object["amount"] = 29_902.into();
            object["amount_received"] = 29_902.into();
        }),
        ("evt_negative", |object| {
            object["amount"] = (-29_901).into();
            object["amount_received"] = (-29_901).into();
        }),
        ("evt_currency", |object| object["currency"] = "hkd".into()),
        ("evt_no_decimals", |object| object["currency"] = "jpy".into()),
        ("evt_part", |object| {
            object["capture_method"] = "manual".into();
            object["amount_received"] = 29_900.into();
        }),
        ("evt_authorised", |object| {
            object["capture_method"] = "manual".into();
            object["status"] = "requires_capture".into();
            object["amount_capturable"] = 29_901.into();
            object["amount_received"] = 0.into();
        }),
    ];
    for (id, change) in changes {
        let message = message(id, "payment_intent.succeeded", &intent(change));
        assert_eq!(world.post(&message).await, (400, REFUSED.to_owned()), "{id}");
        world.assert_untouched().await;
    }
    for (id, field, value) in [("evt_total", "amount_total", json!(29_902)), ("evt_unit", "currency", json!("usd"))] {
        let message = message(id, "checkout.session.completed", &session(|object| object[field] = value));
        assert_eq!(world.post(&message).await.0, 400, "{id}");
        world.assert_untouched().await;
    }
    assert!(world.kept().await.iter().all(|(_, word)| word == "foreign"));
}

#[tokio::test]
async fn authorised_money_is_told_and_a_part_of_it_that_was_taken_too() {
    let world = Cards::with(true).await;
    let held = intent(|object| {
        object["capture_method"] = "manual".into();
        object["status"] = "requires_capture".into();
        object["amount_capturable"] = 29_901.into();
        object["amount_received"] = 0.into();
    });
    assert_eq!(world.post(&message("evt_1", "payment_intent.amount_capturable_updated", &held)).await.0, 200);
    assert_eq!(
        (world.attempt().await.state, world.attempt().await.status().captured),
        (PaymentState::Authorised, None)
    );
    let part = intent(|object| {
        object["capture_method"] = "manual".into();
        object["amount_received"] = 20_000.into();
    });
    assert_eq!(world.post(&message("evt_2", "payment_intent.succeeded", &part)).await.0, 200);
    let captured = world.attempt().await.status().captured;
    assert_eq!(captured, Some(Money::new(20_000, Currency::CNY).unwrap()));
}

#[tokio::test]
async fn what_an_event_does_not_say_has_to_be_asked() {
    let world = Cards::start().await;
    let unpaid = session(|object| object["payment_status"] = "unpaid".into());
    let waiting = intent(|object| object["status"] = "requires_action".into());
    for (id, kind, object) in [
        ("evt_1", "checkout.session.completed", &unpaid),
        ("evt_2", "checkout.session.expired", &session(|object| object["status"] = "expired".into())),
        ("evt_3", "checkout.session.async_payment_failed", &unpaid),
        ("evt_4", "payment_intent.requires_action", &waiting),
        ("evt_5", "payment_intent.processing", &intent(|object| object["status"] = "processing".into())),
        ("evt_6", "payment_intent.canceled", &intent(|object| object["status"] = "canceled".into())),
        ("evt_7", "charge.refunded", &json!({"id": "ch_1", "created": NOW_S, "metadata": {"attempt": PAYMENT}})),
    ] {
        assert_eq!(world.post(&message(id, kind, object)).await.0, 200, "{id}");
    }
    assert_eq!(world.updates().await, vec![hint(); 7]);
    assert_eq!(world.attempt().await.state, PaymentState::RequiresAction);
    let refund = json!({"id": "re_1", "object": "refund", "amount": 10_000, "currency": "cny", "status": "succeeded",
        "metadata": {"refund": REFUND}, "payment_intent": "pi_1"});
    for kind in ["refund.created", "refund.updated", "refund.failed"] {
        assert_eq!(world.post(&message(&format!("evt_{kind}"), kind, &refund)).await.0, 200);
    }
    let told = UpdateContent::RefundHint { refund_id: RefundId::parse_bare(REFUND).unwrap() };
    assert_eq!(world.updates().await[7..], vec![told; 3]);
}

#[tokio::test]
async fn wh_19_wh_20_what_is_not_about_us_is_kept_and_answered_with_success() {
    let world = Cards::start().await;
    for (id, kind, object, word) in [
        ("evt_1", "charge.updated", json!({"id": "ch_1", "object": "charge"}), "ignored"),
        ("evt_2", "customer.created", json!({}), "ignored"),
        ("evt_3", "something.quite.new", json!(null), "ignored"),
        ("evt_4", "payment_intent.succeeded", intent(|object| object["metadata"] = json!({})), "ignored"),
        (
            "evt_5",
            "payment_intent.succeeded",
            intent(|object| object["metadata"]["attempt"] = "01KA0000000000000000000ZZZ".into()),
            "orphan",
        ),
        (
            "evt_6",
            "payment_intent.succeeded",
            intent(|object| object["metadata"]["attempt"] = "not-a-number".into()),
            "orphan",
        ),
        (
            "evt_7",
            "refund.updated",
            json!({"id": "re_1", "amount": 1, "currency": "cny", "status": "new", "metadata": {"refund": "x"}}),
            "orphan",
        ),
        (
            "evt_8",
            "payment_intent.partially_funded",
            intent(|object| object["status"] = "partially_funded".into()),
            "applied",
        ),
    ] {
        assert_eq!(world.post(&message(id, kind, &object)).await, (200, KEPT.to_owned()), "{id}");
        assert!(world.kept().await.contains(&(id.to_owned(), word.to_owned())), "{id}: {:?}", world.kept().await);
    }
    assert_eq!(world.updates().await, [hint()], "a state we do not know is a reason to ask");
    assert_eq!(world.attempt().await.state, PaymentState::RequiresAction);
}

#[tokio::test]
async fn wh_01_to_wh_13_wh_26_unsigned_wrongly_signed_late_and_huge_messages_leave_no_trace() {
    let world = Cards::start().await;
    let genuine = paid("evt_1");
    let (body, v1) = (genuine.body.clone(), signature(NOW_S, &genuine.body));
    let with = |header: String| Message { headers: vec![("Stripe-Signature", header)], body: body.clone() };
    let late = |at_s: i64| with(format!("t={at_s},v1={}", signature(at_s, &body)));
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let mut again: Value = serde_json::from_str(&body).unwrap();
    again["created"] = NOW_S.into();
    let cases = [
        (401, Message { headers: vec![], body: body.clone() }),
        (401, with(String::new())),
        (401, Message { headers: vec![genuine.headers[0].clone(), genuine.headers[0].clone()], body: body.clone() }),
        (401, with(format!("t={NOW_S},v0={v1}"))),
        (401, with(format!("t={NOW_S},t={NOW_S},v1={v1}"))),
        (401, with(format!("t={NOW_S},v1={}", v1.to_uppercase()))),
        (401, late(NOW_S + 301)),
        (401, late(NOW_S - 301)),
        (401, with(format!("t={},v1={v1}", NOW_S + 1))),
        (401, Message { body: format!("{body}\n"), ..genuine.clone() }),
        (401, Message { body: again.to_string(), ..genuine.clone() }),
        (413, Message { body: "x".repeat(65 * 1024), ..genuine.clone() }),
        (400, signed("not json".to_owned())),
        (400, signed(deep)),
        (400, signed("{}".to_owned())),
    ];
    for (wanted, message) in cases {
        assert_eq!(world.post(&message).await, (wanted, REFUSED.to_owned()), "{:?}", message.headers);
    }
    world.assert_untouched().await;
    assert!(world.kept().await.is_empty());
    assert_eq!(world.post(&genuine).await.0, 200, "and the genuine one still counts");
}

#[tokio::test]
async fn st_07_a_thin_event_is_refused() {
    let world = Cards::start().await;
    let thin = json!({"id": "evt_1", "object": "v2.core.event", "type": "v1.payment_intent.succeeded", "livemode": false,
        "created": "2026-11-20T10:30:05Z", "related_object": {"id": "pi_1", "type": "payment_intent", "url": "/v1/payment_intents/pi_1"}});
    assert_eq!(world.post(&signed(thin.to_string())).await.0, 400);
    let mut bare = event("evt_2", "payment_intent.succeeded", &intent(|_| {}));
    bare.as_object_mut().unwrap().remove("data");
    assert_eq!(world.post(&signed(bare.to_string())).await.0, 400);
    bare["object"] = "v2.core.event".into();
    assert_eq!(world.post(&signed(bare.to_string())).await.0, 400);
    world.assert_untouched().await;
    assert!(world.kept().await.is_empty());
}

#[tokio::test]
async fn wh_27_an_event_of_one_channel_proves_nothing_to_another() {
    let world = Cards::start().await;
    assert_eq!(world.post_to("wechatpay", &paid("evt_1")).await.0, 401);
    assert_eq!(world.post_to("paypal", &paid("evt_1")).await.0, 404, "not configured");
    world.assert_untouched().await;
}

#[tokio::test]
async fn wh_07_the_raw_bytes_count_whatever_the_content_type_says() {
    let world = Cards::start().await;
    let mut message = paid("evt_1");
    message.headers.push(("Content-Type", "text/plain".to_owned()));
    message.headers.push(("Content-Encoding", "gzip".to_owned()));
    assert_eq!(world.post(&message).await.0, 200);
    assert_eq!(world.attempt().await.state, PaymentState::Captured);
}

#[tokio::test]
async fn wh_21_a_database_that_fails_is_answered_so_that_the_channel_tries_again() {
    let world = Cards::start().await;
    world.inbox.store.close().await;
    assert_eq!(world.post(&paid("evt_1")).await, (500, REFUSED.to_owned()));
}

#[tokio::test]
async fn a_bank_that_takes_a_payment_back_is_told_by_the_channels_number() {
    let world = Cards::start().await;
    let dispute = |status: &str, amount: i64| {
        json!({"id": "du_1", "object": "dispute", "amount": amount, "currency": "cny", "status": status, "livemode": false,
            "charge": "ch_1", "payment_intent": "pi_1"})
    };
    let post = async |id: &str, kind: &str, object: Value| world.post(&message(id, kind, &object)).await.0;
    assert_eq!(
        post("evt_1", "charge.dispute.created", dispute("needs_response", 29_901)).await,
        503,
        "it shall come again"
    );
    assert!(world.kept().await.is_empty() && world.updates().await.is_empty());
    world.post(&paid("evt_2")).await;
    assert_eq!(post("evt_3", "charge.dispute.created", dispute("warning_needs_response", 29_901)).await, 200);
    assert_eq!(world.updates().await.len(), 1, "a bank that only asks takes nothing");
    assert_eq!(
        post("evt_4", "charge.dispute.created", dispute("needs_response", 29_902)).await,
        400,
        "more than was paid"
    );
    for (id, status, state) in [
        ("evt_1", "needs_response", p::DisputeState::Open),
        ("evt_5", "needs_response", p::DisputeState::Open),
        ("evt_6", "something_new", p::DisputeState::Open),
        ("evt_7", "lost", p::DisputeState::Lost),
        ("evt_8", "won", p::DisputeState::Won),
    ] {
        assert_eq!(post(id, "charge.dispute.updated", dispute(status, 10_000)).await, 200);
        let status = p::DisputeStatus {
            attempt_id: AttemptId::parse_bare(PAYMENT).unwrap(),
            dispute_id: "du_1".to_owned(),
            amount: Money::new(10_000, Currency::CNY).unwrap(),
            state,
            as_of_us: None,
        };
        assert_eq!(world.updates().await.pop().unwrap(), UpdateContent::Dispute { status });
    }
    let mut live = dispute("lost", 10_000);
    live["livemode"] = true.into();
    assert_eq!(post("evt_9", "charge.dispute.closed", live).await, 400);
}

#[tokio::test]
async fn an_event_that_does_not_say_how_much_was_received_is_a_reason_to_ask() {
    let cards = Cards::start().await;
    let silent = intent(|object| drop(object.as_object_mut().unwrap().remove("amount_received")));
    let message = message("evt_1", "payment_intent.succeeded", &silent);
    assert_eq!(cards.post(&message).await, (200, KEPT.to_owned()));
    assert_eq!(cards.attempt().await.state, PaymentState::RequiresAction);
    assert_eq!(cards.updates().await, [hint()]);
}
