//! PayPal: what its clock ends, what it remembers, who may approve, and what survives a restart.

use reqwest::Method;
use serde_json::{Value, json};

use super::bench::{Answer, Bench, Inbox};

const NUMBER: &str = "01JD0000000000000000000001";
const HOUR: i64 = 60;

/// The API as one app calls it.
struct App {
    bench: Bench,
    token: String,
}

impl App {
    async fn open() -> Self {
        let mut app = Self { bench: Bench::frozen().await, token: String::new() };
        app.sign_in().await;
        app
    }

    async fn sign_in(&mut self) {
        let keys = &self.bench.credentials["paypal"];
        let request = self.bench.http.post(format!("{}/v1/oauth2/token", self.bench.urls.paypal));
        let request = request.basic_auth(keys["client_id"].as_str().unwrap(), keys["client_secret"].as_str());
        let granted = request.form(&[("grant_type", "client_credentials")]).send().await.unwrap();
        let granted: Value = granted.json().await.unwrap();
        assert_eq!((&granted["token_type"], &granted["expires_in"]), (&json!("Bearer"), &json!(32_400)));
        self.token = granted["access_token"].as_str().unwrap().to_owned();
    }

    async fn call(&self, method: Method, path: &str, key: &str, body: Value) -> Answer {
        let request = self.bench.http.request(method.clone(), format!("{}{path}", self.bench.urls.paypal));
        let request = request.bearer_auth(&self.token).header("Prefer", "return=representation");
        let request = if key.is_empty() { request } else { request.header("PayPal-Request-Id", key) };
        let answer = if method == Method::GET { request } else { request.json(&body) }.send().await.unwrap();
        Answer { status: answer.status(), body: answer.json().await.unwrap_or_default() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, "", Value::Null).await
    }

    async fn create(&self, key: &str) -> Answer {
        let context =
            json!({"return_url": "https://merchant.invalid/back", "cancel_url": "https://merchant.invalid/back"});
        let body = json!({
            "intent": "CAPTURE",
            "purchase_units": [{"custom_id": NUMBER, "invoice_id": key, "description": "<b>东京五日</b>",
                "amount": {"currency_code": "USD", "value": "299.01"}}],
            "payment_source": {"paypal": {"experience_context": context}},
        });
        self.call(Method::POST, "/v2/checkout/orders", key, body).await
    }

    async fn capture(&self, id: &str) -> Answer {
        self.call(Method::POST, &format!("/v2/checkout/orders/{id}/capture"), "capture", json!({})).await
    }

    async fn refund(&self, capture: &str, key: &str, value: &str) -> Answer {
        let body = json!({"amount": {"currency_code": "USD", "value": value}});
        self.call(Method::POST, &format!("/v2/payments/captures/{capture}/refund"), key, body).await
    }

    fn page(&self, id: &str) -> String {
        format!("{}/checkoutnow?token={id}", self.bench.urls.paypal)
    }

    /// The page's one-time number, if there is a page.
    async fn number(&self, id: &str) -> Option<String> {
        let shown = self.bench.http.get(self.page(id)).send().await.unwrap();
        assert_eq!(shown.headers()["referrer-policy"], "no-referrer");
        assert!(shown.headers()["content-security-policy"].to_str().unwrap().contains("frame-ancestors 'none'"));
        let text = shown.text().await.unwrap();
        assert!(text.contains("沙盒"), "nobody may take it for the real one");
        assert!(!text.contains("<b>东京五日"), "a description is text");
        Some(text.split("name=\"number\" value=\"").nth(1)?.split('"').next()?.to_owned())
    }

    async fn decide(&self, number: &str, decision: &str) -> u16 {
        let form = [("number", number), ("decision", decision)];
        let url = format!("{}/checkoutnow", self.bench.urls.paypal);
        self.bench.http.post(url).form(&form).send().await.unwrap().status().as_u16()
    }

    async fn approve(&self, id: &str) {
        let number = self.number(id).await.unwrap();
        assert_eq!(self.decide(&number, "approve").await, 303);
    }

    async fn listen(&self, url: &str) {
        let webhook = self.bench.credentials["paypal"]["webhook_id"].as_str().unwrap().to_owned();
        let change = json!([{"op": "replace", "path": "/url", "value": url}]);
        let answer = self.call(Method::PATCH, &format!("/v1/notifications/webhooks/{webhook}"), "", change).await;
        assert_eq!((answer.status.as_u16(), &answer.body["url"]), (200, &json!(url)));
    }
}

fn id(answer: &Answer) -> String {
    answer.body["id"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

fn issue(answer: &Answer) -> &str {
    answer.body["details"][0]["issue"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn an_order_is_remembered_six_hours_by_its_request_id_and_a_refund_forty_five_days() {
    let mut app = App::open().await;
    let first = id(&app.create("a").await);
    app.approve(&first).await;
    let capture = app.capture(&first).await.body["purchase_units"][0]["payments"]["captures"][0]["id"].clone();
    let capture = capture.as_str().unwrap();
    app.bench.advance(6 * HOUR - 1).await;
    assert_eq!(id(&app.create("a").await), first);
    app.bench.advance(1).await;
    assert_ne!(id(&app.create("a").await), first);
    assert_eq!(issue(&app.capture(&first).await), "ORDER_ALREADY_CAPTURED");

    let refund = id(&app.refund(capture, "r", "1.00").await);
    app.bench.advance(45 * 24 * HOUR - 1).await;
    app.sign_in().await;
    assert_eq!(id(&app.refund(capture, "r", "1.00").await), refund);
    app.bench.advance(1).await;
    assert_ne!(id(&app.refund(capture, "r", "1.00").await), refund);
}

#[tokio::test]
async fn a_token_lives_nine_hours_and_an_order_nobody_approved_three() {
    let app = App::open().await;
    let order = id(&app.create("a").await);
    let number = app.number(&order).await.unwrap();
    app.bench.advance(3 * HOUR).await;
    assert_eq!(app.number(&order).await, None);
    assert_eq!(app.decide(&number, "approve").await, 400, "the page was opened in time and used too late");
    assert_eq!(issue(&app.capture(&order).await), "ORDER_EXPIRED");
    app.bench.advance(6 * HOUR - 1).await;
    assert_eq!(app.get(&format!("/v2/checkout/orders/{order}")).await.status, 200);
    app.bench.advance(1).await;
    let refused = app.get(&format!("/v2/checkout/orders/{order}")).await;
    assert_eq!((refused.status.as_u16(), &refused.body["error"]), (401, &json!("invalid_token")));
}

#[tokio::test]
async fn only_the_page_that_was_shown_decides_once_and_only_under_its_own_address() {
    let app = App::open().await;
    let order = id(&app.create("a").await);
    assert_eq!(app.decide("invented", "approve").await, 400);
    let number = app.number(&order).await.unwrap();
    assert_eq!(app.decide(&number, "cancel").await, 303);
    assert_eq!(app.decide(&number, "approve").await, 400);
    assert_eq!(app.get(&format!("/v2/checkout/orders/{order}")).await.body["status"], "PAYER_ACTION_REQUIRED");
    let foreign = app.bench.http.get(app.page(&order)).header("host", "evil.example").send().await.unwrap();
    assert_eq!(foreign.status(), 421);
    app.approve(&order).await;
    assert_eq!(app.number(&order).await, None);
}

#[tokio::test]
async fn one_order_takes_the_money_once_however_many_capture_and_one_number_once_over_two_orders() {
    let app = App::open().await;
    let order = id(&app.create("a").await);
    app.approve(&order).await;
    let all = tokio::join!(app.capture(&order), app.capture(&order), app.capture(&order));
    for answer in [&all.0, &all.1, &all.2] {
        assert_eq!(answer.body["status"], "COMPLETED", "{answer:?}");
        assert_eq!(answer.body["purchase_units"][0]["payments"]["captures"].as_array().unwrap().len(), 1);
    }
    app.bench.advance(6 * HOUR).await;
    let twin = id(&app.create("a").await);
    app.approve(&twin).await;
    assert_eq!(issue(&app.capture(&twin).await), "DUPLICATE_INVOICE_ID");
    let book = app.bench.book().await;
    let taken: Vec<i64> =
        book["payments"].as_array().unwrap().iter().map(|one| one["taken_fen"].as_i64().unwrap()).collect();
    assert_eq!(taken, [29_901, 0]);
}

#[tokio::test]
async fn the_amount_can_be_changed_until_the_payer_approves() {
    let app = App::open().await;
    let order = id(&app.create("a").await);
    let path = format!("/v2/checkout/orders/{order}");
    let amount = |value: &str| {
        json!([{"op": "replace", "path": "/purchase_units/@reference_id=='default'/amount",
        "value": {"currency_code": "USD", "value": value}}])
    };
    assert_eq!(app.call(Method::PATCH, &path, "", amount("100.00")).await.status, 204);
    app.approve(&order).await;
    assert_eq!(issue(&app.call(Method::PATCH, &path, "", amount("1.00")).await), "ORDER_ALREADY_COMPLETED");
    app.capture(&order).await;
    assert_eq!(app.bench.book().await["payments"][0]["taken_fen"], 10_000);
}

#[tokio::test]
async fn a_notification_that_is_not_taken_comes_again_under_the_same_transmission_id() {
    let app = App::open().await;
    let inbox = Inbox::open().await;
    app.listen(&inbox.url).await;
    inbox.answer_with(503);
    let order = id(&app.create("a").await);
    app.approve(&order).await;
    let tries = |seen: &Value, count: usize| {
        seen["notifications"][0]["attempts"].as_array().is_some_and(|all| all.len() == count)
    };
    app.bench.eventually("/notifications", |seen| tries(seen, 1)).await;
    inbox.answer_with(200);
    app.bench.advance(1).await;
    app.bench.eventually("/notifications", |seen| tries(seen, 2)).await;
    let received = inbox.received();
    let [(first, body), (second, again)] = received.as_slice() else { panic!("{}", received.len()) };
    assert_eq!((&first["paypal-transmission-id"], body), (&second["paypal-transmission-id"], again));
    assert_ne!(first["paypal-transmission-time"], second["paypal-transmission-time"]);
    let event: Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        (&event["event_type"], &event["resource_type"]),
        (&json!("CHECKOUT.ORDER.APPROVED"), &json!("checkout-order"))
    );
    assert_eq!(event["resource"]["purchase_units"][0]["custom_id"], NUMBER);
}

#[tokio::test]
async fn orders_tokens_and_the_webhook_survive_a_restart() {
    let mut app = App::open().await;
    let inbox = Inbox::open().await;
    app.listen(&inbox.url).await;
    let order = id(&app.create("a").await);
    app.bench.restart().await;
    assert_eq!(id(&app.create("a").await), order);
    app.approve(&order).await;
    app.bench.eventually("/notifications", |seen| seen["notifications"][0]["status"] == 200).await;
}

#[tokio::test]
async fn a_pending_capture_settles_when_its_time_has_come() {
    let app = App::open().await;
    app.bench
        .switch(json!({"provider": "paypal", "switch": "capture_outcome", "value": "PENDING", "settle_ms": 60_000}))
        .await;
    let order = id(&app.create("a").await);
    app.approve(&order).await;
    app.capture(&order).await;
    assert_eq!(app.bench.book().await["payments"][0]["state"], "PENDING");
    app.bench.advance(1).await;
    let seen = app.bench.eventually("/book", |seen| seen["payments"][0]["state"] == "COMPLETED").await;
    assert_eq!(seen["payments"][0]["taken_fen"], 29_901);
}
