//! Payments: money is taken once, given back at most once, and told of as the scenario wants.

use reqwest::Method;
use serde_json::{Value, json};

use super::bench::{Answer, Bench, Inbox};

const NATIVE: &str = "/v3/pay/transactions/native";
const REFUNDS: &str = "/v3/refund/domestic/refunds";
const NUMBER: &str = "01JD0000000000000000000001";

fn wish(bench: &Bench, url: &str) -> Value {
    let keys = &bench.credentials["wechatpay"];
    json!({
        "appid": keys["appid"], "mchid": keys["mchid"], "description": "东京五日", "out_trade_no": NUMBER,
        "notify_url": url, "amount": {"total": 10_000, "currency": "CNY"},
    })
}

async fn code(bench: &Bench, url: &str) -> String {
    let answer = bench.wechat(Method::POST, NATIVE, wish(bench, url)).await;
    answer.body["code_url"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

async fn query(bench: &Bench) -> Value {
    let mchid = bench.credentials["wechatpay"]["mchid"].as_str().unwrap();
    bench
        .wechat(Method::GET, &format!("/v3/pay/transactions/out-trade-no/{NUMBER}?mchid={mchid}"), Value::Null)
        .await
        .body
}

async fn refund(bench: &Bench, number: &str, fen: i64) -> Answer {
    let body = json!({
        "out_trade_no": NUMBER, "out_refund_no": number, "reason": "test", "notify_url": "http://127.0.0.1:9/refunds",
        "amount": {"refund": fen, "total": 10_000, "currency": "CNY"},
    });
    bench.wechat(Method::POST, REFUNDS, body).await
}

async fn close(bench: &Bench) -> Answer {
    let path = format!("/v3/pay/transactions/out-trade-no/{NUMBER}/close");
    bench.wechat(Method::POST, &path, json!({"mchid": bench.credentials["wechatpay"]["mchid"]})).await
}

async fn paid(bench: &Bench) {
    let code = code(bench, "http://127.0.0.1:9/none").await;
    assert_eq!(bench.phone("pay", &code).await.body["state"], "success");
}

#[tokio::test]
async fn one_code_takes_the_money_once_however_many_pay() {
    let bench = Bench::new().await;
    let code = code(&bench, "http://127.0.0.1:9/none").await;
    let all = tokio::join!(
        bench.phone("pay", &code),
        bench.phone("pay", &code),
        bench.phone("pay", &code),
        bench.phone("pay", &code)
    );
    let mut statuses = [all.0, all.1, all.2, all.3].map(|answer| answer.status.as_u16());
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409]);
    let payments = bench.book().await["payments"].clone();
    assert_eq!(payments.as_array().unwrap().len(), 1);
    assert_eq!((&payments[0]["state"], &payments[0]["total_fen"]), (&json!("SUCCESS"), &json!(10_000)));
}

#[tokio::test]
async fn refusing_on_the_phone_changes_nothing_and_a_bank_refusal_charges_nothing() {
    let bench = Bench::new().await;
    let code = code(&bench, "http://127.0.0.1:9/none").await;
    bench.phone("refuse", &code).await;
    assert_eq!(query(&bench).await["trade_state"], "NOTPAY");
    bench.switch(json!({"provider": "wechatpay", "switch": "decline"})).await;
    assert_eq!(bench.phone("pay", &code).await.body["state"], "payerror");
    assert_eq!(query(&bench).await["trade_state"], "PAYERROR");
    assert_eq!(bench.phone("pay", &code).await.status, 409);
    assert_eq!(bench.book().await["payments"][0]["transaction_id"], Value::Null);
    assert_eq!(bench.phone("scan", "weixin://wxpay/bizpayurl?pr=none").await.status, 404);
}

#[tokio::test]
async fn a_code_cannot_be_paid_after_its_time() {
    let bench = Bench::frozen().await;
    let now: jiff::Timestamp = bench.control("/clock", None).await.body["now"].as_str().unwrap().parse().unwrap();
    let mut body = wish(&bench, "http://127.0.0.1:9/none");
    body["time_expire"] = json!((now + jiff::SignedDuration::from_mins(10)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    let code = bench.wechat(Method::POST, NATIVE, body).await.body["code_url"].as_str().unwrap().to_owned();
    bench.advance(10).await;
    assert_eq!(bench.phone("pay", &code).await.body["state"], "expired");
    assert_eq!(query(&bench).await["trade_state"], "NOTPAY", "nothing closes by itself");
    assert_eq!(close(&bench).await.status, 204);
}

#[tokio::test]
async fn a_payment_made_behind_a_broken_connection_is_re_entered_and_paid_once() {
    let bench = Bench::new().await;
    bench.switch(json!({"provider": "wechatpay", "switch": "act_then_time_out", "op": "create"})).await;
    assert!(bench.try_wechat(Method::POST, NATIVE, wish(&bench, "http://127.0.0.1:9/none")).await.is_err());
    assert_eq!(query(&bench).await["trade_state"], "NOTPAY");
    paid(&bench).await;
    assert_eq!(close(&bench).await.code(), "ORDERPAID");
    let again = bench.wechat(Method::POST, NATIVE, wish(&bench, "http://127.0.0.1:9/none")).await;
    assert_eq!(again.code(), "ORDERPAID");
}

#[tokio::test]
async fn refunds_never_exceed_the_payment_and_a_number_refunds_once() {
    let bench = Bench::new().await;
    paid(&bench).await;
    assert_eq!(refund(&bench, "R1", 6000).await.body["status"], "PROCESSING");
    assert_eq!(refund(&bench, "R1", 6000).await.status, 200);
    assert_eq!(refund(&bench, "R1", 5000).await.code(), "INVALID_REQUEST");
    assert_eq!(refund(&bench, "R2", 4001).await.code(), "INVALID_REQUEST");
    assert_eq!(refund(&bench, "R2", 4000).await.status, 200);
    assert_eq!(refund(&bench, "R3", 1).await.code(), "INVALID_REQUEST");
    let total: i64 =
        bench.book().await["refunds"].as_array().unwrap().iter().map(|one| one["refund_fen"].as_i64().unwrap()).sum();
    assert_eq!(total, 10_000);
    assert_eq!(query(&bench).await["trade_state"], "REFUND");
}

#[tokio::test]
async fn a_refund_ends_as_the_scenario_says() {
    let bench = Bench::new().await;
    paid(&bench).await;
    let status = async |number: &str| {
        bench.wechat(Method::GET, &format!("{REFUNDS}/{number}"), Value::Null).await.body["status"].clone()
    };
    bench.switch(json!({"provider": "wechatpay", "switch": "refund_outcome", "value": "PROCESSING"})).await;
    refund(&bench, "R1", 1000).await;
    assert_eq!(status("R1").await, "PROCESSING");
    bench.switch(json!({"provider": "wechatpay", "switch": "refund_outcome", "value": "CLOSED"})).await;
    assert_eq!(status("R1").await, "CLOSED");
    bench.switch(json!({"provider": "wechatpay", "switch": "refund_outcome", "value": "ABNORMAL"})).await;
    refund(&bench, "R2", 1000).await;
    assert_eq!(status("R2").await, "ABNORMAL");
    bench.switch(json!({"reset": true})).await;
    assert_eq!(refund(&bench, "R3", 9001).await.code(), "INVALID_REQUEST", "the abnormal refund still holds its share");
    refund(&bench, "R3", 9000).await;
    assert_eq!(status("R3").await, "SUCCESS", "the closed refund gave its share back");
}

#[tokio::test]
async fn notifications_follow_the_scenario_and_the_retry_schedule() {
    let bench = Bench::frozen().await;
    let inbox = Inbox::open().await;
    inbox.answer_with(500);
    bench.switch(json!({"provider": "wechatpay", "switch": "notify", "mode": "late", "delay_ms": 120_000})).await;
    let code = code(&bench, &inbox.url).await;
    bench.phone("pay", &code).await;
    bench.advance(1).await;
    assert!(inbox.received().is_empty(), "too early");
    bench.advance(1).await;
    bench.eventually("/notifications", |seen| seen["notifications"][0]["status"] == 500).await;
    for seconds in [15, 15, 30] {
        let before = inbox.received().len();
        bench.control("/clock", Some(json!({"advance_ms": seconds * 1000}))).await;
        bench
            .eventually("/notifications", |seen| {
                seen["notifications"][0]["attempts"].as_array().unwrap().len() > before
            })
            .await;
    }
    inbox.answer_with(204);
    bench.advance(3).await;
    bench.eventually("/notifications", |seen| seen["notifications"][0]["status"] == 204).await;
    let bodies: std::collections::BTreeSet<_> = inbox.received().into_iter().map(|(_, body)| body).collect();
    assert_eq!((inbox.received().len(), bodies.len()), (5, 1), "the same event each time");
}

#[tokio::test]
async fn a_dropped_notification_is_recorded_and_can_be_sent_and_a_duplicate_comes_twice() {
    let bench = Bench::new().await;
    let inbox = Inbox::open().await;
    bench.switch(json!({"provider": "wechatpay", "switch": "notify", "mode": "drop", "times": 1})).await;
    let code = code(&bench, &inbox.url).await;
    bench.phone("pay", &code).await;
    let seen = bench.control("/notifications", None).await.body;
    assert_eq!(
        (&seen["notifications"][0]["status"], &seen["notifications"][0]["attempts"]),
        (&Value::Null, &json!([]))
    );
    bench.control("/notify", Some(json!({"kind": "wechatpay", "id": NUMBER, "mode": "resend"}))).await;
    bench.eventually("/notifications", |seen| seen["notifications"][0]["status"] == 200).await;
    let other = Bench::new().await;
    other.switch(json!({"provider": "wechatpay", "switch": "notify", "mode": "duplicate", "n": 3})).await;
    let code = self::code(&other, &inbox.url).await;
    other.phone("pay", &code).await;
    let all =
        |seen: &Value| seen["notifications"].as_array().unwrap().iter().filter(|one| one["status"] == 200).count() == 3;
    other.eventually("/notifications", all).await;
    assert_eq!(inbox.received().len(), 4);
}

#[tokio::test]
async fn nobody_outside_this_machine_is_ever_notified() {
    let bench = Bench::new().await;
    let code = code(&bench, "https://merchant.example/notify").await;
    bench.phone("pay", &code).await;
    let tried = |seen: &Value| !seen["notifications"][0]["attempts"].as_array().unwrap().is_empty();
    let seen = bench.eventually("/notifications", tried).await;
    assert_eq!(seen["notifications"][0]["status"], Value::Null);
}

/// The create of a kind with what it needs beside the payment.
async fn create(bench: &Bench, kind: &str, extra: Value) -> Answer {
    let mut body = wish(bench, "http://127.0.0.1:9/none");
    for (field, value) in extra.as_object().unwrap() {
        body[field] = value.clone();
    }
    bench.wechat(Method::POST, &format!("/v3/pay/transactions/{kind}"), body).await
}

fn scene() -> Value {
    json!({"scene_info": {"payer_client_ip": "127.0.0.1", "h5_info": {"type": "Wap"}}})
}

#[tokio::test]
async fn each_way_to_pay_needs_what_it_needs_and_answers_what_it_answers() {
    for (kind, missing, whole, answer) in [
        ("h5", json!({}), scene(), "h5_url"),
        ("h5", json!({"scene_info": {"payer_client_ip": "127.0.0.1"}}), scene(), "h5_url"),
        ("jsapi", json!({}), json!({"payer": {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"}}), "prepay_id"),
        ("facepay", json!({}), json!({}), ""),
    ] {
        let bench = Bench::new().await;
        let refused = create(&bench, kind, missing).await;
        assert!(refused.status.is_client_error(), "{kind}: {refused:?}");
        let made = create(&bench, kind, whole).await;
        assert_eq!(made.body[answer].is_string(), !answer.is_empty(), "{kind}: {made:?}");
        let other = bench.wechat(Method::POST, NATIVE, wish(&bench, "http://127.0.0.1:9/none")).await;
        assert_eq!(other.status.is_success(), answer.is_empty(), "one number, one way: {other:?}");
    }
    let bench = Bench::new().await;
    assert!(create(&bench, "app", json!({})).await.body["prepay_id"].as_str().unwrap().starts_with("wx"));
}

#[tokio::test]
async fn the_page_for_phones_takes_the_money_for_five_minutes_and_says_how_it_was_paid() {
    let bench = Bench::new().await;
    let address = |answer: Answer| answer.body["h5_url"].as_str().unwrap().to_owned();
    let first = address(create(&bench, "h5", scene()).await);
    bench.advance(5).await;
    let press = async |url: &str| {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        http.post(url).form(&[("decision", "pay")]).send().await.unwrap().text().await.unwrap()
    };
    assert!(press(&first).await.contains("This page has expired"));
    assert_eq!(query(&bench).await["trade_state"], "NOTPAY");
    let second = address(create(&bench, "h5", scene()).await);
    assert_ne!(first, second);
    assert!(press(&second).await.contains("已支付"));
    let paid = query(&bench).await;
    assert_eq!((&paid["trade_state"], &paid["trade_type"]), (&json!("SUCCESS"), &json!("MWEB")));
    assert!(press(&second).await.contains("已支付"), "once");
    assert_eq!(bench.book().await["payments"].as_array().unwrap().len(), 1);
}
