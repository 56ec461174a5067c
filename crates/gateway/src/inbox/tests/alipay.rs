//! What the inbox does with Alipay's notices, row by row of the list of attacks and faults.

use super::*;
use crate::pay::alipay::{Alipay, sign as alipay_sign};
use std::collections::BTreeMap;
use url::form_urlencoded;

/// A gateway's inbox on a real socket, with one payment of 299.01 and one refund of 100.00.
struct Desk {
    _folder: tempfile::TempDir,
    inbox: Inbox,
    address: String,
    platform: alipay_sign::Signer,
}

pub(super) type Fields = BTreeMap<String, String>;

pub(super) fn fields(notify_id: &str, changes: &[(&str, &str)]) -> Fields {
    let genuine = [
        ("notify_time", "2026-11-20 10:26:11"),
        ("notify_type", "trade_status_sync"),
        ("notify_id", notify_id),
        ("app_id", "2021000122671080"),
        ("auth_app_id", "2021000122671080"),
        ("seller_id", "2088531891668739"),
        ("charset", "utf-8"),
        ("version", "1.0"),
        ("sign_type", "RSA2"),
        ("out_trade_no", PAYMENT),
        ("trade_no", "2026112022001468450512505578"),
        ("trade_status", "TRADE_SUCCESS"),
        ("total_amount", "299.01"),
        // What the payer paid is less with a voucher.
        ("receipt_amount", "289.01"),
        ("buyer_pay_amount", "289.01"),
        ("gmt_create", "2026-11-20 10:26:00"),
        ("gmt_payment", "2026-11-20 10:26:10"),
        ("subject", "机票 & 酒店=套餐+1%2B"),
        ("fund_bill_list", r#"[{"amount":"299.01","fundChannel":"ALIPAYACCOUNT"}]"#),
    ];
    let mut fields: Fields = genuine.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    for (name, value) in changes {
        fields.insert((*name).to_owned(), (*value).to_owned());
    }
    fields
}

pub(super) fn refunded(notify_id: &str, changes: &[(&str, &str)]) -> Fields {
    let told = [("refund_fee", "100.00"), ("gmt_refund", "2026-11-20 11:00:00.123"), ("out_biz_no", REFUND)];
    fields(notify_id, &[&told, changes].concat())
}

/// The form of a notice, signed.
pub(super) fn form(platform: &alipay_sign::Signer, mut fields: Fields) -> String {
    let sign_type = fields.remove("sign_type");
    let sign = platform.sign(&alipay_sign::content(&fields)).unwrap();
    fields.insert("sign".to_owned(), sign);
    fields.extend(sign_type.map(|value| ("sign_type".to_owned(), value)));
    form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish()
}

impl Desk {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let http = Http::new(Profile::Sandbox).unwrap();
        let config = crate::config::alipay::tests::sample("http://127.0.0.1:1");
        let channel = Alipay::new(&config, http, Arc::new(Frozen)).unwrap();
        let inbox = Inbox::new(
            Store::open(folder.path()).await.unwrap(),
            Channels::default().with(Channel::Alipay, Arc::new(channel)),
            Arc::new(Frozen),
            Profile::Sandbox,
        );
        rows(&inbox.store, Channel::Alipay).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let routes = router(inbox.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        let pem = vector("wechat/java_wechat_pay_private_key.pem");
        Self { _folder: folder, inbox, address, platform: alipay_sign::Signer::new(&pem.into(), "key").unwrap() }
    }

    fn signed(&self, fields: Fields) -> String {
        form(&self.platform, fields)
    }

    async fn send(&self, path: &str, content_type: &str, body: impl Into<Vec<u8>>) -> (u16, String, String) {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let request = client.post(format!("{}{path}", self.address)).header("content-type", content_type);
        let answer = request.body(body.into()).send().await.unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), kind, answer.text().await.unwrap())
    }

    async fn post(&self, body: impl Into<Vec<u8>>) -> (u16, String) {
        let (status, _, text) =
            self.send("/notify/alipay", "application/x-www-form-urlencoded; charset=utf-8", body).await;
        (status, text)
    }

    async fn tell(&self, fields: Fields) -> (u16, String) {
        self.post(self.signed(fields)).await
    }

    async fn attempt(&self) -> Attempt {
        attempts::find(self.inbox.store.reader(), AttemptId::parse_bare(PAYMENT).unwrap()).await.unwrap().unwrap()
    }

    async fn updates(&self) -> Vec<UpdateContent> {
        let updates = updates::after(self.inbox.store.reader(), 0).await.unwrap();
        updates.into_iter().map(|update| update.content).collect()
    }

    async fn kept(&self) -> Vec<String> {
        let rows: Vec<(String,)> = sqlx::query_as("SELECT disposition FROM inbox ORDER BY event_id")
            .fetch_all(self.inbox.store.reader())
            .await
            .unwrap();
        rows.into_iter().map(|(word,)| word).collect()
    }

    /// Nothing moved and nothing was passed on.
    async fn assert_untouched(&self) {
        assert_eq!(self.attempt().await.state, PaymentState::RequiresAction);
        assert!(self.updates().await.is_empty());
    }
}

#[tokio::test]
async fn al_07_a_notice_that_was_kept_is_answered_with_exactly_seven_bytes_of_plain_text() {
    let desk = Desk::start().await;
    let body = desk.signed(fields("N1", &[]));
    for _ in 0..2 {
        let (status, kind, text) = desk.send("/notify/alipay", "application/x-www-form-urlencoded", body.clone()).await;
        assert_eq!((status, kind.as_str(), text.as_bytes()), (200, "text/plain", b"success".as_slice()));
    }
    let attempt = desk.attempt().await;
    assert_eq!(attempt.state, PaymentState::Captured);
    assert_eq!(attempt.transaction_id.as_deref(), Some("2026112022001468450512505578"));
    assert_eq!(attempt.paid_at_us.unwrap().to_rfc3339(), "2026-11-20T02:26:10Z");
    assert_eq!(desk.updates().await, [UpdateContent::Payment { status: attempt.status() }]);
}

#[tokio::test]
async fn wh_01_to_07_and_26_27_what_is_not_proved_leaves_no_trace_and_learns_nothing() {
    let desk = Desk::start().await;
    let genuine = desk.signed(fields("N1", &[]));
    let wechat = r#"{"id":"EV-1","resource":{}}"#;
    let gbk = {
        let mut bytes = b"subject=\xbb\xfa\xc6\xb1&".to_vec();
        let rest: Vec<&str> = genuine.split('&').filter(|field| !field.starts_with("subject=")).collect();
        bytes.extend(rest.join("&").into_bytes());
        bytes
    };
    let without_sign: Vec<&str> = genuine.split('&').filter(|field| !field.starts_with("sign=")).collect();
    let json = serde_json::to_string(&fields("N1", &[])).unwrap();
    let cases: Vec<Vec<u8>> = vec![
        Vec::new(),
        without_sign.join("&").into_bytes(),
        genuine.replace("299.01", "299.02").into_bytes(),
        genuine.replace("sign_type=RSA2", "sign_type=RSA").into_bytes(),
        // Decoded twice this would be the plus sign that was signed.
        genuine.replace("%252B", "%2B").into_bytes(),
        format!("{genuine}&total_amount=0.01").into_bytes(),
        format!("{genuine}%0A").into_bytes(),
        gbk,
        json.into_bytes(),
        wechat.as_bytes().to_vec(),
    ];
    for body in cases {
        let shown = String::from_utf8_lossy(&body).chars().take(80).collect::<String>();
        assert_eq!(desk.post(body).await, (401, "fail".to_owned()), "{shown}");
    }
    assert_eq!(desk.post("x".repeat(65 * 1024)).await, (413, "fail".to_owned()));
    desk.assert_untouched().await;
    assert!(desk.kept().await.is_empty());
    // Whatever the type says, the very bytes are read.
    assert_eq!(desk.send("/notify/alipay", "application/json", genuine).await.0, 200);
}

#[tokio::test]
async fn wh_09_14_a_repeated_notice_is_applied_once_even_with_another_moment_of_sending() {
    let desk = Arc::new(Desk::start().await);
    let mut posting = tokio::task::JoinSet::new();
    for second in 0..64 {
        let desk = Arc::clone(&desk);
        posting.spawn(async move {
            let at = format!("2026-11-20 10:26:{:02}", second % 60);
            desk.tell(fields("N1", &[("notify_time", &at)])).await
        });
    }
    assert!(posting.join_all().await.into_iter().all(|answer| answer == (200, "success".to_owned())));
    assert_eq!((desk.updates().await.len(), desk.kept().await.len()), (1, 1));
    let other = fields("N1", &[("trade_no", "42")]);
    assert_eq!(desk.tell(other).await, (400, "fail".to_owned()), "one id, two contents");
    assert_eq!(desk.kept().await, ["applied", "conflict"]);
}

#[tokio::test]
async fn al_03_values_with_every_awkward_character_are_decoded_once() {
    let desk = Desk::start().await;
    let awkward = "a&b=c+d%2Be f%20g\u{1F600}\"'<>/\\;";
    let notice = fields("N1", &[("passback_params", awkward), ("subject", awkward)]);
    assert_eq!(desk.tell(notice).await, (200, "success".to_owned()));
    assert_eq!(desk.attempt().await.state, PaymentState::Captured);
}

#[tokio::test]
async fn al_04_wh_17_another_amount_or_an_odd_one_is_kept_as_evidence_and_changes_nothing() {
    let desk = Desk::start().await;
    let odd = ["299.00", "299.02", "0.00", "-299.01", "2.9901e2", "299.010", "299,01", "299.01CNY", "", "29901"];
    for (n, amount) in odd.iter().enumerate() {
        let notice = || fields(&format!("N{n}"), &[("total_amount", amount)]);
        for _ in 0..2 {
            assert_eq!(desk.tell(notice()).await, (400, "fail".to_owned()), "{amount:?}");
        }
    }
    desk.assert_untouched().await;
    assert_eq!(desk.kept().await, vec!["foreign"; odd.len()]);
    assert_eq!(desk.tell(fields("M1", &[])).await.0, 200);
}

#[tokio::test]
async fn al_04_the_same_amount_in_fewer_digits_is_the_same_amount() {
    let desk = Desk::start().await;
    sqlx::query("UPDATE attempts SET amount_minor = 10000").execute(desk.inbox.store.reader()).await.unwrap();
    for (n, amount) in ["100", "100.0", "100.00"].iter().enumerate() {
        assert_eq!(desk.tell(fields(&format!("N{n}"), &[("total_amount", amount)])).await.0, 200, "{amount}");
    }
    assert_eq!(desk.attempt().await.state, PaymentState::Captured);
}

#[tokio::test]
async fn al_05_wh_16_another_seller_or_application_is_kept_and_refused() {
    let desk = Desk::start().await;
    for (n, change) in
        [("seller_id", "2088531891668730"), ("app_id", "2021000122671081"), ("seller_id", ""), ("app_id", "")]
            .iter()
            .enumerate()
    {
        assert_eq!(desk.tell(fields(&format!("N{n}"), &[*change])).await, (400, "fail".to_owned()), "{change:?}");
    }
    desk.assert_untouched().await;
    assert_eq!(desk.kept().await, ["foreign"; 4]);
}

#[tokio::test]
async fn al_06_wh_19_every_status_is_what_it_means_and_one_we_do_not_know_is_still_pending() {
    for (status, wanted) in [
        ("WAIT_BUYER_PAY", PaymentState::RequiresAction),
        ("TRADE_SUCCESS", PaymentState::Captured),
        ("TRADE_FINISHED", PaymentState::Captured),
        ("TRADE_CLOSED", PaymentState::Closed),
        ("SOMETHING_NEW", PaymentState::Processing),
        ("", PaymentState::Processing),
    ] {
        let desk = Desk::start().await;
        assert_eq!(desk.tell(fields("N1", &[("trade_status", status)])).await.0, 200, "{status}");
        assert_eq!(desk.attempt().await.state, wanted, "{status}");
    }
    let desk = Desk::start().await;
    assert_eq!(desk.tell(fields("N1", &[("notify_type", "something_else")])).await.0, 200);
    desk.assert_untouched().await;
    assert_eq!(desk.kept().await, ["ignored"]);
}

#[tokio::test]
async fn al_09_a_refund_is_no_second_payment_and_no_end_of_the_first() {
    let desk = Desk::start().await;
    // The first thing that arrives is a refund: it does not make the payment paid.
    assert_eq!(desk.tell(refunded("R1", &[])).await, (200, "success".to_owned()));
    assert_eq!(desk.attempt().await.state, PaymentState::RequiresAction);
    desk.tell(fields("N1", &[])).await;
    let whole = refunded("R2", &[("trade_status", "TRADE_CLOSED"), ("refund_fee", "299.01")]);
    assert_eq!(desk.tell(whole).await.0, 200);
    assert_eq!(desk.attempt().await.state, PaymentState::Captured, "paid, and given back");
    let refund_id = RefundId::parse_bare(REFUND).unwrap();
    let hint = UpdateContent::RefundHint { refund_id };
    let updates = desk.updates().await;
    assert_eq!((updates.len(), &updates[0], &updates[2]), (3, &hint, &hint), "the channel is asked what came back");
    let row = refunds::find(desk.inbox.store.reader(), refund_id).await.unwrap().unwrap();
    assert_eq!(row.state, Standing::At(RefundState::Pending), "a notice alone moves no refund");
    // Given back by hand at the channel, and a refund of somebody else's number.
    desk.tell(refunded("R3", &[("out_biz_no", "")])).await;
    let attempt_id = AttemptId::parse_bare(PAYMENT).unwrap();
    assert_eq!(desk.updates().await[3], UpdateContent::PaymentHint { attempt_id });
    assert_eq!(desk.tell(refunded("R4", &[("out_biz_no", "by-hand-1")])).await.0, 200);
    assert_eq!(desk.updates().await.len(), 4);
    // A fee of nothing is no refund.
    let paid = fields("N2", &[("refund_fee", "0.00")]);
    assert_eq!(desk.tell(paid).await.0, 200);
    assert!(matches!(desk.updates().await[4], UpdateContent::Payment { .. }));
}

#[tokio::test]
async fn wh_15_28_every_order_of_events_ends_in_the_same_state() {
    let events = ["waiting", "paid", "part", "whole"];
    for order in permutations(&events) {
        let desk = Desk::start().await;
        for event in order.iter().chain(&order) {
            let notice = match *event {
                "waiting" => fields("waiting", &[("trade_status", "WAIT_BUYER_PAY"), ("gmt_payment", "")]),
                "paid" => fields("paid", &[]),
                "part" => refunded("part", &[]),
                _ => refunded("whole", &[("trade_status", "TRADE_CLOSED"), ("refund_fee", "299.01")]),
            };
            assert_eq!(desk.tell(notice).await, (200, "success".to_owned()), "{event} of {order:?}");
        }
        let attempt = desk.attempt().await;
        assert_eq!((attempt.state, desk.updates().await.len()), (PaymentState::Captured, 4), "{order:?}");
    }
}

#[tokio::test]
async fn wh_20_21_a_stranger_s_number_is_kept_as_an_orphan_and_a_broken_database_asks_for_another_try() {
    let desk = Desk::start().await;
    for (n, number) in ["01KA0000000000000000000ZZZ", "not-a-number"].iter().enumerate() {
        assert_eq!(desk.tell(fields(&format!("N{n}"), &[("out_trade_no", number)])).await, (200, "success".to_owned()));
    }
    desk.assert_untouched().await;
    assert_eq!(desk.kept().await, ["orphan"; 2]);
    let (no_number, no_id) = (fields("N5", &[("out_trade_no", "")]), fields("", &[]));
    assert_eq!((desk.tell(no_number).await.0, desk.tell(no_id).await.0), (400, 400));
    desk.inbox.store.close().await;
    assert_eq!(desk.tell(fields("N9", &[])).await, (500, "fail".to_owned()));
}

#[tokio::test]
async fn al_08_what_the_payer_s_browser_brings_back_changes_nothing() {
    let desk = Desk::start().await;
    let body = desk.signed(fields("N1", &[]));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let address = format!("{}/pay/return/{PAYMENT}?{body}", desk.address);
    assert_eq!(client.get(address).send().await.unwrap().status(), 200);
    let address = format!("{}/notify/alipay?{body}", desk.address);
    assert_eq!(client.get(address).send().await.unwrap().status(), 405);
    assert_eq!(desk.send(&format!("/notify/alipay?{body}"), "text/plain", "").await.0, 401, "only the body counts");
    desk.assert_untouched().await;
}
