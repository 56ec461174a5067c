//! Alipay+: who may call, what its clock ends, what it sends again, and who decides on its page.

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeyPair,
    signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::bench::{Bench, Inbox};

const NUMBER: &str = "01JD0000000000000000000001";
const TIME: &str = "2026-11-20T10:26:10+08:00";

fn der(pem: &Value) -> Vec<u8> {
    let text: String = pem.as_str().unwrap().lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(text).unwrap()
}

fn encoded(bytes: &[u8]) -> String {
    url::form_urlencoded::byte_serialize(STANDARD.encode(bytes).as_bytes()).collect()
}

/// The interface as one merchant calls it.
struct Merchant {
    bench: Bench,
}

impl Merchant {
    async fn open() -> Self {
        Self { bench: Bench::frozen().await }
    }

    fn keys(&self) -> &Value {
        &self.bench.credentials["alipayplus"]
    }

    fn client(&self) -> &str {
        self.keys()["client_id"].as_str().unwrap()
    }

    fn signature(&self, path: &str, body: &str) -> String {
        let key = KeyPair::from_pkcs8(&der(&self.keys()["merchant_private_key_pem"])).unwrap();
        let text = format!("POST {path}\n{}.{TIME}.{body}", self.client());
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
        format!("algorithm=RSA256,keyVersion=1,signature={}", encoded(&signature))
    }

    /// Sends a body; answers what came after its signature was checked over it.
    async fn call(&self, path: &str, body: &Value) -> Value {
        let text = body.to_string();
        let request = self.bench.http.post(format!("{}{path}", self.bench.urls.alipayplus));
        let request = request.header("client-id", self.client()).header("request-time", TIME);
        let request = request.header("content-type", "application/json; charset=UTF-8");
        let answer = request.header("signature", self.signature(path, &text)).body(text).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        let (client, time, signature) = (header("client-id"), header("response-time"), header("signature"));
        let said = answer.text().await.unwrap();
        self.check(path, &client, &time, &signature, &said);
        serde_json::from_str(&said).unwrap()
    }

    /// The channel's signature over a body.
    fn check(&self, path: &str, client: &str, time: &str, header: &str, body: &str) {
        let (_, written) = header.split_once("signature=").unwrap();
        let text = format!("s={written}");
        let (_, decoded) = url::form_urlencoded::parse(text.as_bytes()).next().unwrap();
        let key = der(&self.keys()["alipay_public_key_pem"]);
        let content = format!("POST {path}\n{client}.{time}.{body}");
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &key)
            .verify(content.as_bytes(), &STANDARD.decode(decoded.as_bytes()).unwrap())
            .unwrap();
    }

    async fn pay(&self, number: &str, more: Value) -> Value {
        let amount = json!({"currency": "USD", "value": "29901"});
        let mut body = json!({
            "productCode": "CASHIER_PAYMENT", "paymentRequestId": number, "paymentAmount": amount,
            "paymentMethod": {"paymentMethodType": "ALIPAY_CN"},
            "order": {"referenceOrderId": number, "orderDescription": "<b>东京五日</b>", "orderAmount": amount},
            "paymentRedirectUrl": "https://merchant.invalid/back",
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.call("/ams/api/v1/payments/pay", &body).await
    }

    async fn ask(&self, call: &str, number: &str) -> Value {
        self.call(&format!("/ams/api/v1/payments/{call}"), &json!({"paymentRequestId": number})).await
    }

    /// The page's one-time number, if there is a page.
    async fn number(&self, page: &str) -> Option<String> {
        let shown = self.bench.http.get(page).send().await.unwrap();
        assert_eq!(shown.headers()["referrer-policy"], "no-referrer");
        assert!(shown.headers()["content-security-policy"].to_str().unwrap().contains("frame-ancestors 'none'"));
        let text = shown.text().await.unwrap();
        assert!(text.contains("沙盒") || text.contains("已失效"), "nobody may take it for the real one");
        assert!(!text.contains("<b>东京五日"), "a description is text");
        Some(text.split("name=\"number\" value=\"").nth(1)?.split('"').next()?.to_owned())
    }

    async fn decide(&self, number: &str, decision: &str) -> u16 {
        let form = [("number", number), ("wallet", "GCASH"), ("decision", decision)];
        let url = format!("{}/cashier", self.bench.urls.alipayplus);
        self.bench.http.post(url).form(&form).send().await.unwrap().status().as_u16()
    }
}

fn ended(answer: &Value) -> (&str, &str) {
    let text = |name: &str| answer["result"][name].as_str().unwrap_or_default();
    (text("resultStatus"), text("resultCode"))
}

fn page(answer: &Value) -> &str {
    answer["normalUrl"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test]
async fn only_the_merchants_own_signature_over_the_very_bytes_is_served_and_a_stranger_gets_no_signature() {
    let merchant = Merchant::open().await;
    let path = "/ams/api/v1/payments/inquiryPayment";
    let body = json!({"paymentRequestId": NUMBER}).to_string();
    let good = merchant.signature(path, &body);
    for (client, signature, sent, wanted) in [
        (merchant.client(), good.as_str(), format!("{body} "), "INVALID_SIGNATURE"),
        (merchant.client(), "algorithm=RSA256,keyVersion=1,signature=AAAA", body.clone(), "INVALID_SIGNATURE"),
        (merchant.client(), "", body.clone(), "INVALID_SIGNATURE"),
        ("SOMEBODYELSE", good.as_str(), body.clone(), "CLIENT_INVALID"),
    ] {
        let request = merchant.bench.http.post(format!("{}{path}", merchant.bench.urls.alipayplus));
        let request = request.header("client-id", client).header("request-time", TIME).header("signature", signature);
        let answer = request.header("content-type", "application/json").body(sent).send().await.unwrap();
        assert!(!answer.headers().contains_key("signature"));
        let said: Value = answer.json().await.unwrap();
        assert_eq!(ended(&said), ("F", wanted));
    }
    assert_eq!(ended(&merchant.ask("inquiryPayment", NUMBER).await), ("F", "ORDER_NOT_EXIST"));
    assert_eq!(ended(&merchant.ask("settle", NUMBER).await), ("F", "NO_INTERFACE_DEF"));
}

#[tokio::test]
async fn a_payment_nobody_paid_fails_after_fourteen_minutes_or_when_the_merchant_says() {
    let merchant = Merchant::open().await;
    let opened = merchant.pay(NUMBER, json!({})).await;
    let shown = merchant.number(page(&opened)).await.unwrap();
    merchant.bench.advance(13).await;
    assert_eq!(merchant.ask("inquiryPayment", NUMBER).await["paymentStatus"], "PROCESSING");
    merchant.bench.advance(1).await;
    let over = merchant.ask("inquiryPayment", NUMBER).await;
    assert_eq!((&over["paymentStatus"], &over["paymentResultCode"]), (&json!("FAIL"), &json!("ORDER_IS_CLOSED")));
    assert_eq!(merchant.decide(&shown, "pay").await, 400, "the page was opened in time and used too late");
    assert_eq!(ended(&merchant.pay(NUMBER, json!({})).await), ("F", "ORDER_IS_CLOSED"));
    let past = json!({"paymentExpiryTime": "2020-01-01T00:00:00Z"});
    assert_eq!(ended(&merchant.pay("another", past).await), ("F", "PARAM_ILLEGAL"));
}

#[tokio::test]
async fn only_the_page_that_was_shown_decides_once_and_only_under_its_own_address() {
    let merchant = Merchant::open().await;
    let opened = merchant.pay(NUMBER, json!({})).await;
    assert_eq!(merchant.decide("invented", "pay").await, 400);
    let number = merchant.number(page(&opened)).await.unwrap();
    assert_eq!(merchant.decide(&number, "leave").await, 303);
    assert_eq!(merchant.decide(&number, "pay").await, 400);
    assert_eq!(merchant.ask("inquiryPayment", NUMBER).await["paymentStatus"], "PROCESSING");
    let foreign = merchant.bench.http.get(page(&opened)).header("host", "evil.example").send().await.unwrap();
    assert_eq!(foreign.status(), 421);
    let number = merchant.number(page(&opened)).await.unwrap();
    let all = tokio::join!(merchant.decide(&number, "pay"), merchant.decide(&number, "pay"));
    assert!([all.0, all.1].contains(&303) && [all.0, all.1].contains(&400), "{all:?}");
    assert_eq!(merchant.ask("inquiryPayment", NUMBER).await["paymentStatus"], "SUCCESS");
    assert_eq!(merchant.number(page(&opened)).await, None);
}

#[tokio::test]
async fn cancelling_a_paid_payment_gives_it_back_until_a_quarter_past_midnight_in_china() {
    let merchant = Merchant::open().await;
    for (number, days, wanted) in [("first", 0, ("S", "SUCCESS")), ("second", 2, ("F", "CANCEL_WINDOW_EXCEED"))] {
        let opened = merchant.pay(number, json!({})).await;
        let shown = merchant.number(page(&opened)).await.unwrap();
        merchant.decide(&shown, "pay").await;
        merchant.bench.advance(days * 24 * 60).await;
        assert_eq!(ended(&merchant.ask("cancel", number).await), wanted);
    }
    let book = merchant.bench.book().await;
    let taken: Vec<i64> =
        book["payments"].as_array().unwrap().iter().map(|one| one["taken_fen"].as_i64().unwrap()).collect();
    assert_eq!((taken, book["refunds"].as_array().unwrap().len()), (vec![0, 29_901], 1));
}

#[tokio::test]
async fn a_notification_is_signed_for_its_address_and_comes_again_until_it_is_answered_as_it_should() {
    let merchant = Merchant::open().await;
    let inbox = Inbox::open().await;
    let opened = merchant.pay(NUMBER, json!({"paymentNotifyUrl": inbox.url})).await;
    let shown = merchant.number(page(&opened)).await.unwrap();
    merchant.decide(&shown, "pay").await;
    let tries = |seen: &Value, count: usize| {
        seen["notifications"][0]["attempts"].as_array().is_some_and(|all| all.len() == count)
    };
    merchant.bench.eventually("/notifications", |seen| tries(seen, 1)).await;
    // A plain 200 was not the answer it waits for.
    inbox.answer_saying(r#"{"result":{"resultCode":"SUCCESS","resultStatus":"S","resultMessage":"success"}}"#);
    merchant.bench.advance(2).await;
    merchant.bench.eventually("/notifications", |seen| tries(seen, 2)).await;
    merchant.bench.advance(10).await;
    let kept = merchant.bench.eventually("/notifications", |seen| tries(seen, 2)).await;
    assert_eq!(kept["notifications"][0]["next_try_at"], Value::Null, "taken");
    assert_eq!(kept["notifications"][0]["event_type"], "PAYMENT_RESULT");
    let received = inbox.received();
    let [(first, body), (second, again)] = received.as_slice() else { panic!("{}", received.len()) };
    for headers in [first, second] {
        let header = |name: &str| headers[name].to_str().unwrap().to_owned();
        merchant.check("/inbox", &header("client-id"), &header("request-time"), &header("signature"), body);
    }
    assert_eq!(body, again);
    assert_ne!(first["signature"], second["signature"], "signed anew");
    let said: Value = serde_json::from_str(body).unwrap();
    assert_eq!((&said["notifyType"], &said["paymentRequestId"]), (&json!("PAYMENT_RESULT"), &json!(NUMBER)));
}
