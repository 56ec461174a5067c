//! What the inbox does with PayPal's notifications: every one is a hint, none of them moves money.

use super::*;
use crate::{
    config::paypal_tests::merchant,
    defence::take_away,
    pay::paypal::{
        Paypal,
        sign::{
            crc32, message,
            tests::{Authority, Host, NOW, WEBHOOK_ID, good, signed},
        },
    },
};

const TRANSMISSION: &str = "69cd13f0-d67a-11e5-baa3-778b53f4ae55";

/// A gateway's inbox on a real socket, with one payment of 299.01 dollars and one refund of 100.00.
struct Paid {
    _folder: tempfile::TempDir,
    inbox: Inbox,
    address: String,
    certificate: String,
}

pub(super) fn capture(change: impl FnOnce(&mut Value)) -> Value {
    let mut event = json!({
        "id": "WH-1", "event_version": "1.0", "create_time": "2026-11-20T02:30:05.000Z", "resource_type": "capture",
        "resource_version": "2.0", "event_type": "PAYMENT.CAPTURE.COMPLETED", "summary": "Payment completed",
        "resource": {"id": "3C679366HH908993F", "status": "COMPLETED", "custom_id": PAYMENT,
            "amount": {"currency_code": "USD", "value": "299.01"}},
    });
    change(&mut event);
    event
}

fn usd(minor: i64) -> Money {
    Money::new(minor, "USD".parse().unwrap()).unwrap()
}

async fn write_rows(store: &Store) {
    rows(store, Channel::Wechatpay).await;
    // The same numbers, at the other channel.
    sqlx::query("UPDATE attempts SET channel = 'paypal', currency = 'USD', provider_ref = '5O190127TN364715T'")
        .execute(store.reader())
        .await
        .unwrap();
    sqlx::query("UPDATE refunds SET currency = 'USD'").execute(store.reader()).await.unwrap();
}

/// Signed for a webhook, with everything as it should be.
pub(super) fn notification(
    certificate: &str,
    time: &str,
    webhook_id: &str,
    transmission: &str,
    body: String,
) -> Message {
    let headers = vec![
        ("Paypal-Transmission-Id", transmission.to_owned()),
        ("Paypal-Transmission-Time", time.to_owned()),
        ("Paypal-Transmission-Sig", signed(&message(transmission, time, webhook_id, body.as_bytes()))),
        ("Paypal-Cert-Url", certificate.to_owned()),
        ("Paypal-Auth-Algo", "SHA256withRSA".to_owned()),
    ];
    Message { headers, body }
}

impl Paid {
    async fn start() -> Self {
        let authority = Authority::new();
        let host = Host::serving(200, None, authority.issue(good())).await;
        Self::at(&host.base, &authority.root_pem).await
    }

    async fn at(base: &str, roots: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let http = Http::new(Profile::Sandbox).unwrap();
        let sample = sample(folder.path().to_owned(), "http://127.0.0.1:1", "http://127.0.0.1:2");
        let channel = Paypal::new(&merchant(base, roots), http.clone(), Arc::new(Frozen)).unwrap();
        let other = Wechatpay::new(&sample.wechatpay, http, Arc::new(Frozen)).unwrap();
        let channels =
            Channels::default().with(Channel::Paypal, Arc::new(channel)).with(Channel::Wechatpay, Arc::new(other));
        let store = Store::open(folder.path()).await.unwrap();
        let inbox = Inbox::new(store, channels, Arc::new(Frozen), Profile::Sandbox);
        write_rows(&inbox.store).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let routes = router(inbox.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { _folder: folder, inbox, address, certificate: format!("{base}/v1/notifications/certs/CERT-1") }
    }

    fn signed_for(&self, webhook_id: &str, transmission: &str, body: String) -> Message {
        notification(&self.certificate, &NOW.to_rfc3339(), webhook_id, transmission, body)
    }

    fn event(&self, transmission: &str, event: &Value) -> Message {
        self.signed_for(WEBHOOK_ID, transmission, event.to_string())
    }

    async fn post(&self, message: &Message) -> u16 {
        self.post_to("paypal", message).await.0
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

    async fn attempt(&self) -> Attempt {
        attempts::find(self.inbox.store.reader(), AttemptId::parse_bare(PAYMENT).unwrap()).await.unwrap().unwrap()
    }

    async fn updates(&self) -> Vec<Update> {
        updates::after(self.inbox.store.reader(), 0).await.unwrap()
    }

    async fn kept(&self) -> Vec<(String, String)> {
        sqlx::query_as("SELECT event_id, disposition FROM inbox ORDER BY event_id")
            .fetch_all(self.inbox.store.reader())
            .await
            .unwrap()
    }

    /// Whatever was heard, no state moved: only a question does that.
    async fn assert_unmoved(&self) {
        let attempt = self.attempt().await;
        assert_eq!((attempt.state, attempt.amount), (PaymentState::RequiresAction, usd(29_901)));
        let refund = refunds::find(self.inbox.store.reader(), RefundId::parse_bare(REFUND).unwrap()).await;
        assert_eq!(refund.unwrap().unwrap().state, Standing::At(RefundState::Pending));
    }

    async fn assert_untouched(&self) {
        self.assert_unmoved().await;
        assert!(self.updates().await.is_empty() && self.kept().await.is_empty());
    }
}

fn payment_hint() -> UpdateContent {
    UpdateContent::PaymentHint { attempt_id: AttemptId::parse_bare(PAYMENT).unwrap() }
}

#[tokio::test]
async fn a_genuine_notification_is_kept_under_both_its_ids_and_passed_on_as_a_hint() {
    let world = Paid::start().await;
    let message = world.event(TRANSMISSION, &capture(|_| {}));
    assert_eq!(world.post_to("paypal", &message).await, (200, "{}".to_owned()));
    let [update] = world.updates().await.try_into().unwrap();
    assert_eq!(update.content, payment_hint());
    let ids: Vec<String> = world.kept().await.into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, [TRANSMISSION, "WH-1"]);
    world.assert_unmoved().await;
}

#[tokio::test]
async fn pp_05_an_event_of_the_simulator_is_not_for_our_webhook() {
    let world = Paid::start().await;
    for other in ["WEBHOOK_ID", "4JH86294D6297924G", ""] {
        let message = world.signed_for(other, TRANSMISSION, capture(|_| {}).to_string());
        assert_eq!(world.post(&message).await, 401, "{other:?}");
    }
    world.assert_untouched().await;
}

#[tokio::test]
async fn pp_07_another_body_with_the_same_checksum_and_signature_is_refused() {
    let world = Paid::start().await;
    let genuine = world.event(TRANSMISSION, &capture(|_| {}));
    assert_eq!(world.post(&genuine).await, 200);
    let forged = forge(
        |bits| {
            capture(|event| {
                event["resource"]["amount"]["value"] = "0.01".into();
                event["summary"] = bits.into();
            })
        },
        crc32(genuine.body.as_bytes()),
    );
    assert_ne!(forged, genuine.body);
    assert_eq!(crc32(forged.as_bytes()), crc32(genuine.body.as_bytes()));
    let forged = Message { body: forged, ..genuine.clone() };
    for _ in 0..2 {
        assert_eq!(world.post(&forged).await, 400);
    }
    assert_eq!(world.post(&genuine).await, 200);
    assert_eq!(world.updates().await.len(), 1);
    assert!(world.kept().await.iter().any(|(id, word)| id.starts_with(TRANSMISSION) && word == "conflict"));
    world.assert_unmoved().await;
}

#[tokio::test]
async fn pp_07_a_forged_body_that_comes_first_moves_no_money_either() {
    let world = Paid::start().await;
    let genuine = world.event(TRANSMISSION, &capture(|event| event["event_type"] = "PAYMENT.CAPTURE.DENIED".into()));
    let body = forge(|bits| capture(|event| event["summary"] = bits.into()), crc32(genuine.body.as_bytes()));
    assert_eq!(world.post(&Message { body, ..genuine }).await, 200);
    assert_eq!(world.updates().await[0].content, payment_hint());
    world.assert_unmoved().await;
}

/// Writes a body with the wanted checksum: 96 letters of a text are `0` or `1` as a linear system over their bits says.
pub(super) fn forge(body: impl Fn(&str) -> Value, wanted: u32) -> String {
    const LETTERS: usize = 96;
    let with =
        |ones: &[bool]| body(&ones.iter().map(|one| if *one { '1' } else { '0' }).collect::<String>()).to_string();
    let base = crc32(with(&[false; LETTERS]).as_bytes());
    // Turning one letter always changes the same bits of the checksum, whatever the others are.
    let mut rows: Vec<(u32, u128)> = (0..LETTERS)
        .map(|at| {
            let mut ones = [false; LETTERS];
            ones[at] = true;
            (crc32(with(&ones).as_bytes()) ^ base, 1 << at)
        })
        .collect();
    let (mut left, mut chosen) = (base ^ wanted, 0_u128);
    for bit in 0..32 {
        let Some(at) = rows.iter().position(|(effect, _)| effect >> bit & 1 == 1) else { continue };
        let pivot = rows.swap_remove(at);
        for row in rows.iter_mut().filter(|row| row.0 >> bit & 1 == 1) {
            *row = (row.0 ^ pivot.0, row.1 ^ pivot.1);
        }
        if left >> bit & 1 == 1 {
            (left, chosen) = (left ^ pivot.0, chosen ^ pivot.1);
        }
    }
    assert_eq!(left, 0, "every checksum can be had");
    let ones: Vec<bool> = (0..LETTERS).map(|at| chosen >> at & 1 == 1).collect();
    with(&ones)
}

#[tokio::test]
async fn pp_08_without_the_certificate_nothing_is_accepted_and_the_provider_shall_come_again() {
    let authority = Authority::new();
    let broken = Host::serving(503, None, String::new()).await;
    let world = Paid::at(&broken.base, &authority.root_pem).await;
    let message = world.event(TRANSMISSION, &capture(|_| {}));
    assert_eq!(world.post_to("paypal", &message).await, (503, r#"{"error":"refused"}"#.to_owned()));
    world.assert_untouched().await;
}

#[tokio::test]
async fn pp_09_an_approved_order_is_not_a_paid_one() {
    let world = Paid::start().await;
    let approved = capture(|event| {
        event["event_type"] = "CHECKOUT.ORDER.APPROVED".into();
        event["resource_type"] = "checkout-order".into();
        event["resource"] =
            json!({"id": "5O190127TN364715T", "status": "APPROVED", "purchase_units": [{"custom_id": PAYMENT}]});
    });
    assert_eq!(world.post(&world.event(TRANSMISSION, &approved)).await, 200);
    assert_eq!(world.updates().await[0].content, payment_hint());
    world.assert_unmoved().await;
}

#[tokio::test]
async fn pp_10_a_pending_or_denied_capture_is_a_reason_to_ask_and_no_end() {
    let world = Paid::start().await;
    let told = |number: usize, kind: &str| {
        let event = capture(|event| {
            event["id"] = format!("WH-{number}").into();
            event["event_type"] = format!("PAYMENT.CAPTURE.{kind}").into();
            event["resource"]["status"] = kind.into();
        });
        world.event(&format!("T-{number}"), &event)
    };
    for (number, kind) in ["PENDING", "DENIED", "COMPLETED"].into_iter().enumerate() {
        assert_eq!(world.post(&told(number, kind)).await, 200);
        assert_eq!(world.updates().await[number].content, payment_hint());
        world.assert_unmoved().await;
    }
    take_away(Some(Defence::HintOnly));
    let answered = world.post(&told(3, "PENDING")).await;
    take_away(None);
    assert_eq!((answered, world.attempt().await.state), (200, PaymentState::Captured), "it would be money");
}

#[tokio::test]
async fn wh_17_wh_18_no_amount_currency_or_state_in_a_notification_is_believed() {
    let world = Paid::start().await;
    let mut number = 0;
    for (value, currency) in [("299.00", "USD"), ("0", "USD"), ("-299.01", "USD"), ("299.01", "CNY"), ("299.01", "JPY")]
    {
        for kind in ["COMPLETED", "PENDING", "DENIED", "REVERSED"] {
            number += 1;
            let event = capture(|event| {
                event["id"] = format!("WH-{number}").into();
                event["event_type"] = format!("PAYMENT.CAPTURE.{kind}").into();
                event["resource"]["amount"] = json!({"currency_code": currency, "value": value});
            });
            assert_eq!(world.post(&world.event(&format!("T-{number}"), &event)).await, 200);
        }
    }
    world.assert_unmoved().await;
    assert!(world.updates().await.iter().all(|update| update.content == payment_hint()));
}

#[tokio::test]
async fn a_refunds_notification_is_a_hint_to_the_refund() {
    let world = Paid::start().await;
    let event = capture(|event| {
        event["event_type"] = "PAYMENT.CAPTURE.REFUNDED".into();
        event["resource_type"] = "refund".into();
        event["resource"]["custom_id"] = REFUND.into();
    });
    assert_eq!(world.post(&world.event(TRANSMISSION, &event)).await, 200);
    let refund_id = RefundId::parse_bare(REFUND).unwrap();
    assert_eq!(world.updates().await[0].content, UpdateContent::RefundHint { refund_id });
    world.assert_unmoved().await;
}

#[tokio::test]
async fn wh_19_wh_20_an_unknown_kind_and_an_unknown_number_are_kept_and_answered_with_success() {
    let world = Paid::start().await;
    type Change = fn(&mut Value);
    let cases: [(&str, Change); 4] = [
        ("ignored", |event| event["resource_type"] = "dispute".into()),
        ("ignored", |event| drop(event["resource"].as_object_mut().unwrap().remove("custom_id"))),
        ("orphan", |event| event["resource"]["custom_id"] = "01KA0000000000000000000ZZZ".into()),
        ("orphan", |event| event["resource"]["custom_id"] = "not-a-number".into()),
    ];
    for (number, (wanted, change)) in cases.into_iter().enumerate() {
        let event = capture(|event| {
            event["id"] = format!("WH-{number}").into();
            change(event);
        });
        assert_eq!(world.post(&world.event(&format!("T-{number}"), &event)).await, 200);
        let kept = world.kept().await;
        assert!(kept.iter().any(|(id, word)| *id == format!("T-{number}") && word == wanted), "{kept:?}");
    }
    assert!(world.updates().await.is_empty());
}

#[tokio::test]
async fn wh_09_wh_14_sixty_four_copies_at_once_under_one_or_many_transmission_ids_count_once() {
    let world = Arc::new(Paid::start().await);
    let mut posting = tokio::task::JoinSet::new();
    for number in 0..64 {
        let world = Arc::clone(&world);
        posting.spawn(async move {
            let transmission = if number % 2 == 0 { TRANSMISSION.to_owned() } else { format!("T-{number}") };
            world.post(&world.event(&transmission, &capture(|_| {}))).await
        });
    }
    assert!(posting.join_all().await.into_iter().all(|status| status == 200));
    assert_eq!(world.updates().await.len(), 1);
}

#[tokio::test]
async fn wh_15_wh_28_in_any_order_and_after_the_end_notifications_move_nothing() {
    let world = Paid::start().await;
    let mut tx = world.inbox.store.begin().await.unwrap();
    let paid = pay::PaymentSeen { total: Some(usd(29_901)), ..pay::PaymentSeen::bare(PaymentState::Captured) };
    let id = AttemptId::parse_bare(PAYMENT).unwrap();
    attempts::observe(&mut tx, id, &paid, NOW).await.unwrap();
    world.inbox.store.commit(tx).await.unwrap();
    for (number, kind) in ["DENIED", "PENDING", "COMPLETED", "DENIED"].into_iter().enumerate() {
        let event = capture(|event| {
            event["id"] = format!("WH-{number}").into();
            event["event_type"] = format!("PAYMENT.CAPTURE.{kind}").into();
        });
        assert_eq!(world.post(&world.event(&format!("T-{number}"), &event)).await, 200);
        assert_eq!(world.attempt().await.state, PaymentState::Captured);
    }
}

#[tokio::test]
async fn unsigned_wrongly_signed_late_changed_and_huge_messages_leave_no_trace() {
    let world = Paid::start().await;
    let genuine = world.event(TRANSMISSION, &capture(|_| {}));
    let changed = |name: &'static str, value: &str| {
        let mut message = genuine.clone();
        message.headers.retain(|(other, _)| *other != name);
        message.headers.push((name, value.to_owned()));
        message
    };
    let with = |name: &'static str, value: &str| {
        let mut message = genuine.clone();
        message.headers.push((name, value.to_owned()));
        message
    };
    let reordered: Value = serde_json::from_str(&genuine.body).unwrap();
    let reordered = serde_json::to_string_pretty(&reordered).unwrap();
    let deep = world.signed_for(WEBHOOK_ID, TRANSMISSION, "[".repeat(30_000) + &"]".repeat(30_000));
    let cases = [
        ("wh_01 unsigned", 401, Message { headers: vec![], ..genuine.clone() }),
        ("wh_01 twice", 401, with("Paypal-Transmission-Id", TRANSMISSION)),
        ("wh_03 id", 401, changed("Paypal-Transmission-Id", "other")),
        ("wh_03 bar", 401, changed("Paypal-Transmission-Id", &format!("{TRANSMISSION}|x"))),
        ("wh_04 other key", 401, {
            let other = Signer::new(&vector("wechat/java_merchant_private_key.pem").into(), "", "").unwrap();
            let text = message(TRANSMISSION, &NOW.to_rfc3339(), WEBHOOK_ID, genuine.body.as_bytes());
            changed("Paypal-Transmission-Sig", &other.sign(&text).unwrap())
        }),
        ("wh_06 newline", 401, Message { body: format!("{}\n", genuine.body), ..genuine.clone() }),
        ("wh_06 pretty", 401, Message { body: reordered, ..genuine.clone() }),
        ("wh_10 late", 401, changed("Paypal-Transmission-Time", "2026-11-16T02:24:59Z")),
        ("wh_11 early", 401, changed("Paypal-Transmission-Time", "2026-11-20T02:30:01Z")),
        ("wh_13 huge", 413, Message { body: "x".repeat(65 * 1024), ..genuine.clone() }),
        ("wh_13 deep", 400, deep),
        ("not json", 400, world.signed_for(WEBHOOK_ID, TRANSMISSION, "not json".to_owned())),
        ("pp_01 elsewhere", 401, changed("Paypal-Cert-Url", "http://127.0.0.1.evil.com/v1/notifications/certs/CERT-1")),
        ("pp_06 algorithm", 401, changed("Paypal-Auth-Algo", "SHA1withRSA")),
    ];
    for (what, wanted, message) in cases {
        // One answer for every refusal (WH-26).
        assert_eq!(world.post_to("paypal", &message).await, (wanted, r#"{"error":"refused"}"#.to_owned()), "{what}");
    }
    assert_eq!(world.post_to("wechatpay", &genuine).await.0, 401, "wh_27");
    world.assert_untouched().await;
    assert_eq!(world.post(&with("Content-Encoding", "gzip")).await, 200, "wh_07: the raw bytes are what was signed");
}

#[tokio::test]
async fn wh_21_a_database_that_fails_is_answered_so_that_the_provider_tries_again() {
    let world = Paid::start().await;
    world.inbox.store.close().await;
    assert_eq!(world.post(&world.event(TRANSMISSION, &capture(|_| {}))).await, 500);
}
