//! What the inbox does with notifications: genuine, repeated, foreign, late, out of order, probing and unsigned ones.

mod alipay;
mod alipayplus;
mod all;
mod attacks;
mod cards;
mod group;
mod paypal;

use super::*;
use crate::{
    config::tests::{APIV3_KEY, sample, vector},
    http::Http,
    pay::wechatpay::{Wechatpay, sign::Signer},
    store::refunds::Refund,
};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use zhiyou_domain::{
    money::{Currency, Money},
    port::payments::{PaymentState, RefundState, Update},
};

const NOW_S: i64 = 1_795_141_500;
const KEY_ID: &str = "PUB_KEY_ID_0119000001092026112000382000000001";
const PAYMENT: &str = "01KA0000000000000000000ABC";
const REFUND: &str = "01KA0000000000000000000XYZ";

struct Frozen;

impl Clock for Frozen {
    fn now(&self) -> UtcMicros {
        UtcMicros(NOW_S * 1_000_000)
    }
}

/// A gateway's inbox on a real socket, with one payment of 299.01 and one refund of 100.00.
struct World {
    _folder: tempfile::TempDir,
    inbox: Inbox,
    address: String,
    platform: Signer,
}

/// A notification on its way.
#[derive(Clone)]
struct Message {
    headers: Vec<(&'static str, String)>,
    body: String,
}

fn transaction(change: impl FnOnce(&mut Value)) -> Value {
    let mut resource = json!({
        "mchid": "1900000109", "appid": "wxd678efh567hg6787", "out_trade_no": PAYMENT,
        "transaction_id": "4200001234202611201234567890", "trade_type": "NATIVE", "trade_state": "SUCCESS",
        "success_time": "2026-11-20T10:30:04+08:00", "payer": {"openid": "o"},
        "amount": {"total": 29901, "payer_total": 29801, "currency": "CNY", "payer_currency": "CNY"},
    });
    change(&mut resource);
    resource
}

fn refund_resource(status: &str) -> Value {
    json!({
        "mchid": "1900000109", "out_trade_no": PAYMENT, "transaction_id": "4200001234202611201234567890",
        "out_refund_no": REFUND, "refund_id": "5030", "refund_status": status,
        "amount": {"total": 29901, "refund": 10000, "payer_total": 29901, "payer_refund": 10000},
    })
}

impl World {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = sample(folder.path().to_owned(), "http://127.0.0.1:1", "http://127.0.0.1:2");
        let http = Http::new(Profile::Sandbox).unwrap();
        let channel = Wechatpay::new(&config.wechatpay, http, Arc::new(Frozen)).unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let inbox = Inbox::new(
            store,
            Channels::default().with(Channel::Wechatpay, Arc::new(channel)),
            Arc::new(Frozen),
            Profile::Sandbox,
        );
        rows(&inbox.store, Channel::Wechatpay).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let routes = router(inbox.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        let platform = Signer::new(&vector("wechat/java_wechat_pay_private_key.pem").into(), "", "").unwrap();
        Self { _folder: folder, inbox, address, platform }
    }

    fn sealed(&self, id: &str, event_type: &str, original_type: &str, resource: &Value) -> Message {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, APIV3_KEY.as_bytes()).unwrap());
        let mut bytes = resource.to_string().into_bytes();
        key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(*b"0123456789ab"),
            Aad::from(original_type.as_bytes()),
            &mut bytes,
        )
        .unwrap();
        let body = json!({
            "id": id, "create_time": "2026-11-20T10:30:05+08:00", "event_type": event_type, "resource_type": "encrypt-resource",
            "summary": "支付成功", "resource": {"original_type": original_type, "algorithm": "AEAD_AES_256_GCM",
                "ciphertext": STANDARD.encode(bytes), "associated_data": original_type, "nonce": "0123456789ab"},
        });
        self.signed(body.to_string())
    }

    fn signed(&self, body: String) -> Message {
        let signature = self.platform.sign(&format!("{NOW_S}\nnonce\n{body}\n")).unwrap();
        let headers = vec![
            ("Wechatpay-Timestamp", NOW_S.to_string()),
            ("Wechatpay-Nonce", "nonce".to_owned()),
            ("Wechatpay-Serial", KEY_ID.to_owned()),
            ("Wechatpay-Signature", signature),
        ];
        Message { headers, body }
    }

    fn paid(&self, id: &str) -> Message {
        self.sealed(id, "TRANSACTION.SUCCESS", "transaction", &transaction(|_| {}))
    }

    async fn post(&self, message: &Message) -> (u16, String) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request = client.post(format!("{}/notify/wechatpay", self.address));
        for (name, value) in &message.headers {
            request = request.header(*name, value);
        }
        let answer = request.body(message.body.clone()).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn attempt(&self) -> Attempt {
        attempts::find(self.inbox.store.reader(), AttemptId::parse_bare(PAYMENT).unwrap()).await.unwrap().unwrap()
    }

    async fn refund_row(&self) -> Refund {
        refunds::find(self.inbox.store.reader(), RefundId::parse_bare(REFUND).unwrap()).await.unwrap().unwrap()
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

    /// Nothing moved and nothing was passed on.
    async fn assert_untouched(&self) {
        assert_eq!(self.attempt().await.state, PaymentState::RequiresAction);
        assert!(self.updates().await.is_empty());
        assert_eq!(*self.inbox.store.wake().borrow(), 0);
    }
}

async fn rows(store: &Store, channel: Channel) {
    let (attempt, refund) = wanted(channel);
    let mut tx = store.begin().await.unwrap();
    attempts::insert(&mut tx, &attempt).await.unwrap();
    refunds::insert(&mut tx, &refund).await.unwrap();
    store.commit(tx).await.unwrap();
}

/// The payment and the refund every world begins with.
fn wanted(channel: Channel) -> (Attempt, Refund) {
    let cny = |minor| Money::new(minor, Currency::CNY).unwrap();
    let attempt_id = AttemptId::parse_bare(PAYMENT).unwrap();
    let attempt = Attempt {
        attempt_id,
        channel,
        amount: cny(29_901),
        description: "智游".to_owned(),
        expires_at_us: Frozen.now().plus_minutes(15),
        notify_url: format!("http://127.0.0.1:1/notify/{}", channel.word()),
        fingerprint: "f".to_owned(),
        created_at_us: Frozen.now(),
        state: PaymentState::RequiresAction,
        transaction_id: None,
        paid_at_us: None,
        provider_ref: None,
        authorise: false,
        taken: None,
        instalments: None,
    };
    let refund = Refund {
        refund_id: RefundId::parse_bare(REFUND).unwrap(),
        attempt_id,
        amount: cny(10_000),
        reason: "取消".to_owned(),
        notify_url: attempt.notify_url.clone(),
        fingerprint: "f".to_owned(),
        created_at_us: Frozen.now(),
        state: Standing::At(RefundState::Pending),
        provider_ref: None,
    };
    (attempt, refund)
}

#[tokio::test]
async fn a_genuine_notification_is_kept_applied_passed_on_and_answered_with_success() {
    let world = World::start().await;
    let mut wake = world.inbox.store.wake();
    let message = world.paid("EV-1");
    assert_eq!(world.post(&message).await, (200, r#"{"code":"SUCCESS"}"#.to_owned()));
    let attempt = world.attempt().await;
    assert_eq!(
        (attempt.state, attempt.transaction_id.as_deref()),
        (PaymentState::Captured, Some("4200001234202611201234567890"))
    );
    let [update] = world.updates().await.try_into().unwrap();
    assert_eq!(update.content, UpdateContent::Payment { status: attempt.status() });
    wake.changed().await.unwrap();
    assert_eq!(*wake.borrow(), update.cursor);
    let (body,): (Vec<u8>,) =
        sqlx::query_as("SELECT body FROM inbox").fetch_one(world.inbox.store.reader()).await.unwrap();
    assert_eq!(body, message.body.as_bytes(), "the very bytes are kept");
}

#[tokio::test]
async fn sixty_four_copies_at_once_are_all_answered_and_applied_once() {
    let world = Arc::new(World::start().await);
    let mut posting = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let world = Arc::clone(&world);
        posting.spawn(async move { world.post(&world.paid("EV-1")).await.0 });
    }
    assert!(posting.join_all().await.into_iter().all(|status| status == 200));
    assert_eq!((world.updates().await.len(), world.kept().await.len()), (1, 1));
}

#[tokio::test]
async fn an_event_id_used_for_another_content_is_kept_and_refused() {
    let world = World::start().await;
    world.post(&world.paid("EV-1")).await;
    let other = world.sealed(
        "EV-1",
        "TRANSACTION.SUCCESS",
        "transaction",
        &transaction(|resource| resource["transaction_id"] = "42".into()),
    );
    for _ in 0..2 {
        assert_eq!(world.post(&other).await.0, 400);
    }
    assert_eq!(world.updates().await.len(), 1);
    assert_eq!(world.kept().await.iter().map(|(_, word)| word.as_str()).collect::<Vec<_>>(), ["applied", "conflict"]);
}

#[tokio::test]
async fn another_merchant_app_amount_or_currency_is_kept_as_evidence_and_changes_nothing() {
    let world = World::start().await;
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 9] = [
        ("mchid", |resource| resource["mchid"] = "1900000110".into()),
        ("appid", |resource| resource["appid"] = "wx0".into()),
        ("less", |resource| resource["amount"]["total"] = 29_900.into()),
        ("more", |resource| resource["amount"]["total"] = 29_902.into()),
        ("zero", |resource| resource["amount"]["total"] = 0.into()),
        ("negative", |resource| resource["amount"]["total"] = (-29_901).into()),
        ("currency", |resource| resource["amount"]["currency"] = "HKD".into()),
        ("no currency", |resource| {
            resource["amount"].as_object_mut().unwrap().remove("currency");
        }),
        ("no amount", |resource| {
            resource.as_object_mut().unwrap().remove("amount");
        }),
    ];
    for (name, change) in changes {
        let message = world.sealed(name, "TRANSACTION.SUCCESS", "transaction", &transaction(change));
        for _ in 0..2 {
            assert_eq!(world.post(&message).await.0, 400, "{name}");
        }
        world.assert_untouched().await;
    }
    assert!(world.kept().await.iter().all(|(_, word)| word == "foreign"));
    assert_eq!(world.kept().await.len(), 9);
}

#[tokio::test]
async fn a_number_we_never_used_is_kept_as_an_orphan_and_answered_with_success() {
    let world = World::start().await;
    for number in ["01KA0000000000000000000ZZZ", "not-a-number"] {
        let message = world.sealed(
            number,
            "TRANSACTION.SUCCESS",
            "transaction",
            &transaction(|resource| resource["out_trade_no"] = number.into()),
        );
        assert_eq!(world.post(&message).await.0, 200);
    }
    world.assert_untouched().await;
    assert!(world.kept().await.iter().all(|(_, word)| word == "orphan"));
}

#[tokio::test]
async fn what_the_resource_says_decides_and_not_the_outer_event_type() {
    let world = World::start().await;
    for (state, ours) in [
        ("NOTPAY", PaymentState::RequiresAction),
        ("USERPAYING", PaymentState::Processing),
        ("SOMETHING_NEW", PaymentState::Processing),
        ("PAYERROR", PaymentState::Failed),
        ("CLOSED", PaymentState::Closed),
    ] {
        let message = world.sealed(
            state,
            "TRANSACTION.SUCCESS",
            "transaction",
            &transaction(|resource| resource["trade_state"] = state.into()),
        );
        assert_eq!(world.post(&message).await.0, 200);
        assert_eq!(world.attempt().await.state, ours, "{state}");
    }
}

#[tokio::test]
async fn money_that_arrives_after_closing_counts_and_nothing_undoes_it() {
    let world = World::start().await;
    let event = |state: &'static str| {
        world.sealed(
            state,
            "TRANSACTION.SUCCESS",
            "transaction",
            &transaction(|resource| resource["trade_state"] = state.into()),
        )
    };
    for state in ["CLOSED", "SUCCESS", "CLOSED", "NOTPAY", "PAYERROR"] {
        world.post(&event(state)).await;
    }
    assert_eq!(world.attempt().await.state, PaymentState::Captured);
}

#[tokio::test]
async fn every_order_of_payment_and_refund_events_ends_in_the_same_state() {
    let events = ["paid", "PROCESSING", "ABNORMAL", "SUCCESS"];
    for order in permutations(&events) {
        let world = World::start().await;
        for event in order.iter().chain(&order) {
            let message = match *event {
                "paid" => world.paid("EV-paid"),
                status => world.sealed(status, &format!("REFUND.{status}"), "refund", &refund_resource(status)),
            };
            assert_eq!(world.post(&message).await.0, 200);
        }
        assert_eq!(world.attempt().await.state, PaymentState::Captured, "{order:?}");
        assert_eq!(world.refund_row().await.state, Standing::At(RefundState::Succeeded), "{order:?}");
        assert_eq!(world.updates().await.len(), events.len(), "{order:?}");
    }
}

fn permutations<'a>(items: &[&'a str]) -> Vec<Vec<&'a str>> {
    if items.is_empty() {
        return vec![vec![]];
    }
    let with = |at: usize| {
        let mut rest = items.to_vec();
        let first = rest.remove(at);
        permutations(&rest).into_iter().map(move |tail| [vec![first], tail].concat())
    };
    (0..items.len()).flat_map(with).collect()
}

#[tokio::test]
async fn unsigned_wrongly_signed_probing_late_and_huge_messages_leave_no_trace() {
    let world = World::start().await;
    let genuine = world.paid("EV-1");
    let changed = |name: &'static str, value: &str| {
        let mut message = genuine.clone();
        message.headers.retain(|(other, _)| *other != name);
        message.headers.push((name, value.to_owned()));
        message
    };
    let signature = genuine.headers[3].1.clone();
    let mut cases = vec![
        (401, Message { headers: vec![], ..genuine.clone() }),
        (401, changed("Wechatpay-Signature", &format!("WECHATPAY/SIGNTEST/{signature}"))),
        (401, changed("Wechatpay-Signature", &signature.replace('+', "-").replace('/', "_"))),
        (401, changed("Wechatpay-Signature", &signature[4..])),
        (401, changed("Wechatpay-Timestamp", &(NOW_S + 301).to_string())),
        (401, changed("Wechatpay-Nonce", "other")),
        (401, changed("Wechatpay-Serial", "unknown")),
        (401, Message { body: format!("{}\n", genuine.body), ..genuine.clone() }),
        (413, Message { body: "x".repeat(65 * 1024), ..genuine.clone() }),
        (400, world.signed("not json".to_owned())),
        (401, world.signed(genuine.body.replace("\"nonce\":\"0", "\"nonce\":\"1"))),
        (400, world.signed(genuine.body.replace("AEAD_AES_256_GCM", "AEAD_SM4_GCM"))),
    ];
    let mut reordered: Value = serde_json::from_str(&genuine.body).unwrap();
    reordered["summary"] = "again".into();
    cases.push((401, Message { body: reordered.to_string(), ..genuine.clone() }));
    for (wanted, message) in cases {
        let (status, answer) = world.post(&message).await;
        assert_eq!((status, answer.as_str()), (wanted, r#"{"code":"FAIL","message":"失败"}"#));
    }
    world.assert_untouched().await;
    assert!(world.kept().await.is_empty());
    assert_eq!(world.post(&genuine).await.0, 200, "and the genuine one still counts");
}

#[tokio::test]
async fn a_database_that_fails_is_answered_so_that_the_provider_tries_again() {
    let world = World::start().await;
    world.inbox.store.close().await;
    let (status, _) = world.post(&world.paid("EV-1")).await;
    assert_eq!(status, 500);
}

impl World {
    /// A genuine notification about a payment we have no row of yet, posted.
    async fn orphan(&self) -> &'static str {
        let number = "01KA0000000000000000000NEW";
        let resource = transaction(|resource| resource["out_trade_no"] = number.into());
        let message = self.sealed("EV-9", "TRANSACTION.SUCCESS", "transaction", &resource);
        assert_eq!(self.post(&message).await.0, 200, "an orphan is kept");
        number
    }

    async fn add_row(&self, number: &str, minor: i64) -> AttemptId {
        let attempt_id = AttemptId::parse_bare(number).unwrap();
        let attempt = Attempt { attempt_id, amount: Money::new(minor, Currency::CNY).unwrap(), ..self.attempt().await };
        let mut tx = self.inbox.store.begin().await.unwrap();
        attempts::insert(&mut tx, &attempt).await.unwrap();
        self.inbox.store.commit(tx).await.unwrap();
        attempt_id
    }
}

#[tokio::test]
async fn sg_57_an_orphan_is_taken_in_again_once_its_row_is_there_and_only_once() {
    let world = World::start().await;
    let number = world.orphan().await;
    let replay = || world.inbox.replay("wechatpay", "EV-9");
    assert_eq!(replay().await.unwrap(), Replayed::Became(Disposition::Orphan), "still nobody's");
    world.assert_untouched().await;
    let id = world.add_row(number, 29_901).await;
    let twice = tokio::join!(replay(), replay());
    let applied = |ending: Result<Replayed, StoreError>| match ending.unwrap() {
        Replayed::Became(Disposition::Applied) => true,
        Replayed::NoOrphan(Disposition::Applied) => false,
        other => panic!("{other:?}"),
    };
    assert_eq!(usize::from(applied(twice.0)) + usize::from(applied(twice.1)), 1);
    let paid = attempts::find(world.inbox.store.reader(), id).await.unwrap().unwrap();
    assert_eq!(paid.state, PaymentState::Captured);
    let [update] = world.updates().await.try_into().unwrap();
    assert_eq!(update.content, UpdateContent::Payment { status: paid.status() });
    assert_eq!(world.kept().await, [("EV-9".to_owned(), "applied".to_owned())]);
    assert_eq!(replay().await.unwrap(), Replayed::NoOrphan(Disposition::Applied));
    assert_eq!(world.updates().await.len(), 1);
}

#[tokio::test]
async fn an_orphan_that_disagrees_with_its_row_is_refused_as_if_it_had_just_arrived() {
    let world = World::start().await;
    let number = world.orphan().await;
    world.add_row(number, 29_902).await;
    assert_eq!(world.inbox.replay("wechatpay", "EV-9").await.unwrap(), Replayed::Became(Disposition::Foreign));
    world.assert_untouched().await;
    assert_eq!(world.inbox.replay("wechatpay", "EV-9").await.unwrap(), Replayed::NoOrphan(Disposition::Foreign));
    assert_eq!(world.inbox.replay("wechatpay", "EV-0").await.unwrap(), Replayed::NotFound);
}

#[tokio::test]
async fn a_kept_notification_that_was_changed_afterwards_is_not_taken_in() {
    let world = World::start().await;
    let number = world.orphan().await;
    world.add_row(number, 29_901).await;
    for sql in ["UPDATE inbox SET digest = 'another'", "UPDATE inbox SET body = x'7b7d'"] {
        sqlx::query(sql).execute(world.inbox.store.reader()).await.unwrap();
        assert_eq!(world.inbox.replay("wechatpay", "EV-9").await.unwrap(), Replayed::NotProved, "{sql}");
    }
    world.assert_untouched().await;
}
