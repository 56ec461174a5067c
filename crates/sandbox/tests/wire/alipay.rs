//! Alipay: the trade a scan makes, its end by time, money taken once and given back at most once, notices on schedule.

use std::collections::BTreeMap;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::bench::{Bench, Inbox};

const NUMBER: &str = "01JD0000000000000000000001";
const NOWHERE: &str = "http://127.0.0.1:9/none";

type Parameters = BTreeMap<String, String>;

fn parameters(bench: &Bench, method: &str, content: &Value, url: &str) -> Parameters {
    let app_id = bench.credentials["alipay"]["app_id"].as_str().unwrap().to_owned();
    [
        ("app_id", app_id.as_str()),
        ("method", method),
        ("format", "JSON"),
        ("charset", "utf-8"),
        ("sign_type", "RSA2"),
        ("timestamp", "2026-11-20 10:25:00"),
        ("version", "1.0"),
        ("notify_url", url),
        ("biz_content", &content.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn sign(bench: &Bench, parameters: &Parameters) -> String {
    let pem = bench.credentials["alipay"]["app_private_key_pem"].as_str().unwrap();
    let der: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let key = KeyPair::from_pkcs8(&STANDARD.decode(der).unwrap()).unwrap();
    let filled = parameters.iter().filter(|(_, value)| !value.is_empty());
    let text = filled.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
    STANDARD.encode(signature)
}

async fn send(bench: &Bench, parameters: &[(String, String)]) -> Result<Value, reqwest::Error> {
    let answer = bench.http.post(format!("{}/gateway.do", bench.urls.alipay)).form(parameters).send().await?;
    let mut body: Value = serde_json::from_str(&answer.text().await?).unwrap();
    let key = body.as_object().unwrap().keys().find(|key| key.ends_with("_response")).unwrap().clone();
    Ok(body[&key].take())
}

async fn try_call(bench: &Bench, method: &str, content: Value, url: &str) -> Result<Value, reqwest::Error> {
    let mut all = parameters(bench, method, &content, url);
    all.insert("sign".to_owned(), sign(bench, &all));
    send(bench, &all.into_iter().collect::<Vec<_>>()).await
}

async fn call(bench: &Bench, method: &str, content: Value) -> Value {
    try_call(bench, method, content, "").await.unwrap()
}

fn wish(rest: Value) -> Value {
    let mut wish = json!({"out_trade_no": NUMBER, "total_amount": "100.00", "subject": "东京五日"});
    wish.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    wish
}

async fn code(bench: &Bench, url: &str) -> String {
    let made = try_call(bench, "alipay.trade.precreate", wish(json!({})), url).await.unwrap();
    made["qr_code"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
}

async fn query(bench: &Bench) -> Value {
    call(bench, "alipay.trade.query", json!({"out_trade_no": NUMBER})).await
}

async fn refund(bench: &Bench, number: &str, amount: &str) -> Value {
    let content = json!({"out_trade_no": NUMBER, "out_request_no": number, "refund_amount": amount});
    call(bench, "alipay.trade.refund", content).await
}

#[tokio::test]
async fn the_scan_makes_the_trade_and_one_code_takes_the_money_once() {
    let bench = Bench::new().await;
    let code = code(&bench, NOWHERE).await;
    assert_eq!(query(&bench).await["sub_code"], "ACQ.TRADE_NOT_EXIST");
    assert!(bench.book().await["payments"].as_array().unwrap().is_empty());
    bench.phone("refuse", &code).await;
    assert_eq!(query(&bench).await["trade_status"], "WAIT_BUYER_PAY");
    let all = tokio::join!(bench.phone("pay", &code), bench.phone("pay", &code), bench.phone("pay", &code));
    let mut statuses = [all.0, all.1, all.2].map(|answer| answer.status.as_u16());
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409]);
    let payments = bench.book().await["payments"].clone();
    assert_eq!(payments.as_array().unwrap().len(), 1);
    let row = &payments[0];
    assert_eq!(
        (&row["channel"], &row["state"], &row["total_fen"]),
        (&json!("alipay"), &json!("TRADE_SUCCESS"), &json!(10_000))
    );
    assert_eq!(query(&bench).await["trade_no"], row["transaction_id"]);
    assert_eq!(bench.phone("scan", "https://qr.alipay.com/baxnone").await.status, 404);
}

#[tokio::test]
async fn a_code_cannot_be_paid_after_its_time_and_a_scanned_trade_closes_by_itself() {
    let bench = Bench::frozen().await;
    let now: jiff::Timestamp = bench.control("/clock", None).await.body["now"].as_str().unwrap().parse().unwrap();
    let eight = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    let until = (now + jiff::SignedDuration::from_mins(10)).to_zoned(eight).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let precreate = async |number: &str| {
        let content = wish(json!({"out_trade_no": number, "time_expire": until}));
        call(&bench, "alipay.trade.precreate", content).await["qr_code"].as_str().unwrap().to_owned()
    };
    let (scanned, unscanned) = (precreate(NUMBER).await, precreate("OTHER").await);
    bench.phone("scan", &scanned).await;
    bench.advance(10).await;
    assert_eq!(query(&bench).await["trade_status"], "TRADE_CLOSED");
    for code in [scanned, unscanned] {
        assert_eq!(bench.phone("pay", &code).await.body["state"], "expired");
    }
    let missing = call(&bench, "alipay.trade.query", json!({"out_trade_no": "OTHER"})).await;
    assert_eq!(missing["sub_code"], "ACQ.TRADE_NOT_EXIST", "a scan after its time makes nothing");
    assert!(bench.book().await["payments"].as_array().unwrap().iter().all(|row| row["transaction_id"].is_null()));
}

#[tokio::test]
async fn a_relative_time_counts_from_the_scan_and_a_code_lives_two_hours() {
    let bench = Bench::frozen().await;
    let content = wish(json!({"timeout_express": "30m"}));
    let made = call(&bench, "alipay.trade.precreate", content.clone()).await["qr_code"].as_str().unwrap().to_owned();
    bench.advance(119).await;
    assert_eq!(bench.phone("scan", &made).await.body["state"], "payable");
    bench.advance(1).await;
    assert_eq!(bench.phone("scan", &made).await.body["state"], "expired");
    let fresh = call(&bench, "alipay.trade.precreate", content).await["qr_code"].as_str().unwrap().to_owned();
    assert_ne!(fresh, made);
    assert_eq!(bench.phone("scan", &fresh).await.body["state"], "payable");
    bench.advance(29).await;
    assert_eq!(query(&bench).await["trade_status"], "TRADE_CLOSED");
}

#[tokio::test]
async fn refunds_never_exceed_the_payment_and_a_number_refunds_once() {
    let bench = Bench::new().await;
    let code = code(&bench, NOWHERE).await;
    bench.phone("scan", &code).await;
    assert_eq!(refund(&bench, "R1", "1.00").await["sub_code"], "ACQ.TRADE_STATUS_ERROR", "unpaid");
    bench.phone("pay", &code).await;
    assert_eq!(refund(&bench, "R1", "60.00").await["fund_change"], "Y");
    assert_eq!(refund(&bench, "R1", "60.00").await["fund_change"], "N");
    assert_eq!(refund(&bench, "R1", "60").await["refund_fee"], "60.00");
    assert_eq!(refund(&bench, "R1", "59.00").await["sub_code"], "ACQ.DISCORDANT_REPEAT_REQUEST");
    assert_eq!(refund(&bench, "R2", "40.01").await["sub_code"], "ACQ.REASON_TRADE_REFUND_FEE_ERR");
    assert_eq!(refund(&bench, "R2", "40.001").await["sub_code"], "ACQ.INVALID_PARAMETER");
    assert_eq!(refund(&bench, "R2", "0.00").await["sub_code"], "ACQ.INVALID_PARAMETER");
    assert_eq!(refund(&bench, "", "40.00").await["sub_code"], "ACQ.INVALID_PARAMETER", "a part needs a number");
    bench.switch(json!({"provider": "alipay", "switch": "act_then_time_out", "op": "refund"})).await;
    let content = json!({"out_trade_no": NUMBER, "out_request_no": "R2", "refund_amount": "40.00"});
    assert!(try_call(&bench, "alipay.trade.refund", content, "").await.is_err());
    let again = refund(&bench, "R2", "40.00").await;
    assert_eq!((&again["fund_change"], &again["refund_fee"]), (&json!("N"), &json!("100.00")));
    assert_eq!(refund(&bench, "R3", "0.01").await["sub_code"], "ACQ.TRADE_STATUS_ERROR");
    let book = bench.book().await;
    let given: i64 = book["refunds"].as_array().unwrap().iter().map(|one| one["refund_fen"].as_i64().unwrap()).sum();
    assert_eq!((given, &book["payments"][0]["state"]), (10_000, &json!("TRADE_CLOSED")));
}

#[tokio::test]
async fn an_unsigned_changed_repeated_or_foreign_request_is_refused_and_does_nothing() {
    let bench = Bench::new().await;
    let content = wish(json!({}));
    let genuine = {
        let mut all = parameters(&bench, "alipay.trade.precreate", &content, "");
        all.insert("sign".to_owned(), sign(&bench, &all));
        all
    };
    let with = |name: &str, value: &str| {
        let mut changed = genuine.clone();
        changed.insert(name.to_owned(), value.to_owned());
        changed.into_iter().collect::<Vec<_>>()
    };
    for (name, value, wanted) in [
        ("sign", "", "isv.missing-signature"),
        ("sign", "bm90IGEgc2lnbmF0dXJl", "isv.invalid-signature"),
        ("biz_content", "{}", "isv.invalid-signature"),
        ("extra", "1", "isv.invalid-signature"),
        ("sign_type", "RSA", "isv.invalid-signature-type"),
        ("app_id", "2021000000000000", "isv.invalid-app-id"),
        ("timestamp", "2026-11-20T10:25:00Z", "isv.invalid-timestamp"),
        ("charset", "gbk", "isv.invalid-charset"),
        ("app_cert_sn", "0", "isv.invalid-app-cert-sn"),
    ] {
        assert_eq!(send(&bench, &with(name, value)).await.unwrap()["sub_code"], wanted, "{name}={value}");
    }
    let mut twice: Vec<_> = genuine.clone().into_iter().collect();
    twice.push(("biz_content".to_owned(), "{}".to_owned()));
    assert_eq!(send(&bench, &twice).await.unwrap()["sub_code"], "isv.invalid-parameter");
    for (field, value) in [
        ("total_amount", "1e2"),
        ("total_amount", "0.00"),
        ("total_amount", "0.001"),
        ("total_amount", "100000000.01"),
        ("out_trade_no", "a-b"),
        ("subject", ""),
        ("time_expire", "2020-01-01 00:00:00"),
        ("timeout_express", "16d"),
    ] {
        let refused = call(&bench, "alipay.trade.precreate", wish(json!({field: value}))).await;
        assert_eq!(refused["sub_code"], "ACQ.INVALID_PARAMETER", "{field}={value}");
    }
    assert_eq!(call(&bench, "alipay.trade.unheard", json!({})).await["sub_code"], "isv.invalid-method");
    let address = format!("{}/gateway.do", bench.urls.alipay);
    let got = bench.http.get(address).query(&genuine).send().await.unwrap();
    assert_eq!(got.status(), 405, "only pages are opened with GET");
    let empty: Vec<(String, String)> = genuine.into_iter().chain([("return_url".to_owned(), String::new())]).collect();
    assert_eq!(send(&bench, &empty).await.unwrap()["code"], "10000", "what is empty is not signed");
}

#[tokio::test]
async fn a_notice_comes_again_on_schedule_until_the_answer_is_exactly_success() {
    let bench = Bench::frozen().await;
    let inbox = Inbox::open().await;
    inbox.answer_with(200);
    let code = code(&bench, &inbox.url).await;
    bench.phone("pay", &code).await;
    let tries = async |count: usize| {
        bench
            .eventually("/notifications", |seen| {
                seen["notifications"][0]["attempts"].as_array().is_some_and(|tries| tries.len() == count)
            })
            .await;
    };
    tries(1).await;
    for (n, (seconds, said)) in [(240, "success\n"), (600, "SUCCESS"), (600, "<p>success</p>")].into_iter().enumerate()
    {
        inbox.answer_saying(said);
        bench.control("/clock", Some(json!({"advance_ms": (seconds - 1) * 1000}))).await;
        assert_eq!(inbox.received().len(), n + 1, "too early");
        bench.control("/clock", Some(json!({"advance_ms": 1000}))).await;
        tries(n + 2).await;
    }
    inbox.answer_saying("success");
    inbox.answer_with(500);
    bench.advance(60).await;
    tries(5).await;
    inbox.answer_with(200);
    bench.advance(120).await;
    tries(6).await;
    bench.advance(24 * 60).await;
    let seen = bench.control("/notifications", None).await.body;
    assert_eq!(seen["notifications"][0]["attempts"].as_array().unwrap().len(), 6, "taken at last");
    let fields = |body: &str| -> Parameters { url::form_urlencoded::parse(body.as_bytes()).into_owned().collect() };
    let told: Vec<Parameters> = inbox.received().iter().map(|(_, body)| fields(body)).collect();
    assert!(told.iter().all(|one| one["notify_id"] == told[0]["notify_id"] && one["total_amount"] == "100.00"));
    assert_ne!(told[0]["notify_time"], told[5]["notify_time"], "signed anew at every try");
}
