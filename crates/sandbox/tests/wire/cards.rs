//! Card payments: one request under one key, pages that end, authorisations that lapse, events told until they are taken.

use serde_json::{Value, json};

use super::bench::{Answer, Bench, Inbox};

const SESSIONS: &str = "/v1/checkout/sessions";
const NUMBER: &str = "01JD0000000000000000000001";

fn wish<'a>(amount: &'a str, method: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("mode", "payment"),
        ("client_reference_id", NUMBER),
        ("success_url", "https://merchant.example/back"),
        ("line_items[0][quantity]", "1"),
        ("line_items[0][price_data][currency]", "cny"),
        ("line_items[0][price_data][unit_amount]", amount),
        ("line_items[0][price_data][product_data][name]", "东京五日"),
        ("payment_intent_data[metadata][attempt]", NUMBER),
        ("payment_intent_data[capture_method]", method),
    ]
}

async fn open(bench: &Bench, method: &str, key: Option<&str>) -> Answer {
    bench.stripe(SESSIONS, Some(&wish("10000", method)), key).await
}

async fn again(bench: &Bench, session: &Value) -> Value {
    let path = format!("{SESSIONS}/{}?expand[]=payment_intent", session["id"].as_str().unwrap());
    bench.stripe(&path, None, None).await.body
}

async fn pays(bench: &Bench, session: &Value) {
    assert_eq!(bench.press(session["url"].as_str().unwrap(), ("card", "4242")).await.status, 303);
}

#[tokio::test]
async fn a_key_gives_one_answer_for_a_day_also_after_a_restart() {
    let mut bench = Bench::frozen().await;
    let first = open(&bench, "automatic", Some("key-1")).await.body;
    bench.advance(24 * 60 - 1).await;
    bench.restart().await;
    let second = open(&bench, "automatic", Some("key-1")).await.body;
    assert_eq!(second, first, "as it was at first, although its page is over now");
    assert_eq!(again(&bench, &first).await["status"], "open");
    let other = bench.stripe(SESSIONS, Some(&wish("10001", "automatic")), Some("key-1")).await;
    assert_eq!((other.status.as_u16(), &other.body["error"]["type"]), (400, &json!("idempotency_error")));
    bench.advance(1).await;
    assert_ne!(open(&bench, "automatic", Some("key-1")).await.body["id"], first["id"]);
    assert_eq!(again(&bench, &first).await["status"], "expired");
}

#[tokio::test]
async fn many_requests_at_once_under_one_key_happen_once() {
    let bench = Bench::new().await;
    let all = tokio::join!(
        open(&bench, "automatic", Some("key-1")),
        open(&bench, "automatic", Some("key-1")),
        open(&bench, "automatic", Some("key-1")),
        open(&bench, "automatic", Some("key-1")),
    );
    for answer in [all.0, all.1, all.2, all.3] {
        let busy = answer.status == 409 && answer.body["error"]["code"] == "idempotency_key_in_use";
        assert!(answer.status == 200 || busy, "{answer:?}");
    }
    assert_eq!(bench.book().await["payments"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn one_page_takes_the_money_once_however_often_a_card_is_pressed() {
    let bench = Bench::new().await;
    let session = open(&bench, "automatic", None).await.body;
    let url = session["url"].as_str().unwrap();
    let pressed = tokio::join!(
        bench.press(url, ("card", "4242")),
        bench.press(url, ("card", "4242")),
        bench.press(url, ("card", "4242"))
    );
    let mut statuses = [pressed.0, pressed.1, pressed.2].map(|answer| answer.status.as_u16());
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 409, 409]);
    assert_eq!(bench.stripe("/v1/charges", None, None).await.body["data"].as_array().unwrap().len(), 1);
    assert_eq!(bench.press(url, ("card", "9999")).await.status, 400, "cards are the ones on the page");
}

#[tokio::test]
async fn a_page_ends_and_an_authorisation_lapses_on_the_sandboxs_clock() {
    let bench = Bench::frozen().await;
    let (unused, held) = (open(&bench, "manual", None).await.body, open(&bench, "manual", None).await.body);
    pays(&bench, &held).await;
    assert_eq!(again(&bench, &held).await["payment_intent"]["status"], "requires_capture");
    bench.advance(24 * 60).await;
    assert_eq!(again(&bench, &unused).await["status"], "expired");
    assert_eq!(bench.press(unused["url"].as_str().unwrap(), ("card", "4242")).await.status, 409);
    bench.advance(6 * 24 * 60).await;
    let intent = again(&bench, &held).await["payment_intent"].clone();
    assert_eq!((&intent["status"], &intent["amount_received"]), (&json!("canceled"), &json!(0)));
    let path = format!("/v1/payment_intents/{}/capture", intent["id"].as_str().unwrap());
    let late = bench.stripe(&path, Some(&[]), None).await;
    assert_eq!(late.body["error"]["code"], "payment_intent_unexpected_state");
}

#[tokio::test]
async fn an_event_is_told_until_it_is_taken_and_signed_afresh_every_time() {
    let bench = Bench::frozen().await;
    let inbox = Inbox::open().await;
    inbox.answer_with(500);
    let endpoint = [("url", inbox.url.as_str()), ("enabled_events[0]", "checkout.session.completed")];
    let made = bench.stripe("/v1/webhook_endpoints", Some(&endpoint), None).await.body;
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
    let listed = bench.stripe("/v1/webhook_endpoints", None, None).await.body;
    assert_eq!((&listed["data"][0]["id"], listed["data"][0].get("secret")), (&made["id"], None), "shown once");
    let session = open(&bench, "automatic", None).await.body;
    pays(&bench, &session).await;
    let tried = |count: usize| {
        move |list: &Value| list["notifications"][0]["attempts"].as_array().is_some_and(|tries| tries.len() == count)
    };
    bench.eventually("/notifications", tried(1)).await;
    inbox.answer_with(200);
    bench.advance(1).await;
    let list = bench.eventually("/notifications", tried(2)).await;
    assert_eq!(list["notifications"].as_array().unwrap().len(), 1, "only what the endpoint wants");
    assert_eq!(list["notifications"][0]["next_try_at"], Value::Null);
    let [first, second] = inbox.received().try_into().unwrap();
    assert_eq!(first.1, second.1, "the same bytes");
    let signature = |headers: &axum::http::HeaderMap| headers["stripe-signature"].to_str().unwrap().to_owned();
    assert_ne!(signature(&first.0), signature(&second.0));
    let event: Value = serde_json::from_str(&first.1).unwrap();
    assert_eq!(
        (&event["type"], &event["data"]["object"]["id"]),
        (&json!("checkout.session.completed"), &session["id"])
    );
}

#[tokio::test]
async fn what_the_account_does_not_know_or_allow_is_refused_by_name() {
    let bench = Bench::new().await;
    let refused = |extra: &'static [(&'static str, &'static str)]| {
        let mut form = wish("10000", "automatic");
        form.extend(extra);
        let bench = &bench;
        async move {
            let answer = bench.stripe(SESSIONS, Some(&form), None).await;
            assert_eq!(answer.status, 400);
            answer.body["error"]["param"].as_str().unwrap_or_default().to_owned()
        }
    };
    assert_eq!(refused(&[("payment_method_types[0]", "card")]).await, "payment_method_types", "not in this version");
    assert_eq!(refused(&[("expires_at", "1")]).await, "expires_at");
    assert_eq!(refused(&[("success_url", "zhiyou://back")]).await, "success_url");
    assert_eq!(refused(&[("mode", "subscription")]).await, "mode");
    assert_eq!(refused(&[("line_items[0][price_data][currency]", "CNY")]).await, "currency");
    assert_eq!(
        refused(&[("line_items[0][price_data][unit_amount]", "1.5")]).await,
        "line_items[0][price_data][unit_amount]"
    );
    let url = format!("{}{SESSIONS}", bench.urls.stripe);
    assert_eq!(bench.http.get(&url).bearer_auth("sk_test_another").send().await.unwrap().status(), 401);
    let secret = bench.credentials["stripe"]["secret_key"].as_str().unwrap();
    let old = bench.http.get(&url).bearer_auth(secret).header("stripe-version", "2020-08-27").send().await.unwrap();
    assert_eq!(old.status(), 400);
    assert_eq!(bench.stripe("/v1/customers", None, None).await.status, 404);
    assert_eq!(bench.book().await["payments"].as_array().unwrap().len(), 0);
}
