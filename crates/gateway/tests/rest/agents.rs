//! Agents that act for a customer: a real MCP client over HTTP, the customer's own token, and the phone that pays.

use crate::{
    ORDERS, code,
    shop::{self, Answer, Shop, cap, token},
};
use rmcp::{
    RoleClient, ServiceExt,
    model::{CallToolRequestParams, CallToolResult},
    service::RunningService,
    transport::{StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig},
};
use serde_json::{Value, json};

type Agent = RunningService<RoleClient, ()>;

/// An agent of this customer.
async fn agent(shop: &Shop, subject: &str) -> Agent {
    let token = token(subject, |claims| {
        claims["aud"] = json!("zhiyou/mcp");
        claims["scope"] = json!("payment.read payment.write refund.write");
    });
    with_token(shop, &token).await.unwrap()
}

async fn with_token(shop: &Shop, token: &str) -> Result<Agent, String> {
    let address = format!("{}/mcp/payments", shop.gateway().base_url());
    let config = StreamableHttpClientTransportConfig::with_uri(address).auth_header(token.to_owned());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    ().serve(StreamableHttpClientTransport::with_client(client, config)).await.map_err(|error| error.to_string())
}

async fn call(agent: &Agent, tool: &str, arguments: Value) -> CallToolResult {
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    agent.call_tool(CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments)).await.unwrap()
}

/// What a call that went through says; no answer to an agent holds anything a payer scans.
async fn done(agent: &Agent, tool: &str, arguments: Value) -> Value {
    let result = call(agent, tool, arguments).await;
    let shown = serde_json::to_string(&result).unwrap();
    assert!(!shown.contains("weixin://"), "{shown}");
    result.structured_content.unwrap_or_else(|| panic!("{tool}: {:?}", result.content))
}

/// The code of a call that was refused; it holds no structured content.
async fn refused(agent: &Agent, tool: &str, arguments: Value) -> String {
    let result = call(agent, tool, arguments).await;
    assert_eq!((result.is_error, &result.structured_content), (Some(true), &None), "{tool}: {result:?}");
    let text: Value = serde_json::from_str(&result.content[0].as_text().unwrap().text).unwrap();
    text["error"]["code"].as_str().unwrap().to_owned()
}

async fn order(shop: &Shop, key: &str, minor: i64) -> String {
    shop.create(key, minor).await.json["order_id"].as_str().unwrap().to_owned()
}

fn intent(order: &str, key: &str) -> Value {
    json!({"orderId": order, "method": "qr", "channel": "wechatpay", "idempotencyKey": key})
}

async fn answer(shop: &Shop, asked: &Value, word: &str) -> Answer {
    let id = asked["confirmation"]["confirmationId"].as_str().unwrap();
    shop.post(&format!("/api/v1/payment/confirmations/{id}/{word}"), None, &Value::Null).await
}

/// Has the order paid through the agent, with the customer's approval.
async fn pay(shop: &Shop, agent: &Agent, order: &str) -> String {
    let made = done(agent, "createPaymentIntent", intent(order, order)).await;
    let payment = made["paymentIntentId"].as_str().unwrap().to_owned();
    let confirm = json!({"paymentIntentId": payment, "idempotencyKey": order});
    let asked = done(agent, "confirmPayment", confirm.clone()).await;
    assert_eq!(answer(shop, &asked, "approve").await.status, 200);
    assert_eq!(done(agent, "confirmPayment", confirm).await["status"], "requires_action");
    let code = shop.get_as(&format!("/api/v1/payment/wxpay/qrcode/{order}"), "application/json").await;
    shop.phone_pays(code.json["code_url"].as_str().unwrap()).await;
    payment
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_pays_an_order_only_after_the_person_approved_exactly_that() {
    let shop = Shop::start(|_| {}).await;
    let agent = agent(&shop, "user-1").await;
    let id = order(&shop, "k1", 20_000).await;
    let made = done(&agent, "createPaymentIntent", intent(&id, "i1")).await;
    assert_eq!(made["status"], "requires_confirmation");
    assert_eq!(made["amount"], json!({"amountMinor": 20_000, "currency": "CNY"}));
    let payment = made["paymentIntentId"].as_str().unwrap();
    assert!(payment.starts_with("pay_"), "{payment}");
    let again = done(&agent, "createPaymentIntent", intent(&id, "i1")).await;
    assert_eq!(again["paymentIntentId"], payment, "the same key is the same intent");

    let confirm = json!({"paymentIntentId": payment, "idempotencyKey": "c1"});
    let asked = done(&agent, "confirmPayment", confirm.clone()).await;
    assert_eq!((&asked["status"], &asked["nextAction"]), (&json!("confirmation_required"), &json!("wait_for_person")));
    assert_eq!(asked["messages"][0]["severity"], "requires_buyer_review");
    let waits = done(&agent, "confirmPayment", confirm.clone()).await;
    assert_eq!(waits["confirmation"], asked["confirmation"], "asked once");
    assert!(shop.book().await["payments"].as_array().unwrap().is_empty(), "nothing is opened without a yes");

    let confirmation = asked["confirmation"]["confirmationId"].as_str().unwrap();
    let shown = shop.get(&format!("/api/v1/payment/confirmations/{confirmation}")).await;
    assert_eq!((shown.status, &shown.json["status"]), (200, &json!("pending")));
    assert_eq!(shown.json["amount"], json!({"minor": 20_000, "currency": "CNY"}));
    assert_eq!((&shown.json["purpose"], &shown.json["order_id"]), (&json!("pay"), &json!(id)));
    assert_eq!(answer(&shop, &asked, "approve").await.json["status"], "approved");
    let opened = done(&agent, "confirmPayment", confirm.clone()).await;
    assert_eq!(
        (&opened["status"], &opened["messages"][0]["code"]),
        (&json!("requires_action"), &json!("payment_needed"))
    );
    assert_eq!(
        done(&agent, "confirmPayment", confirm.clone()).await["status"],
        "requires_action",
        "once more is the same"
    );
    assert_eq!(shop.book().await["payments"].as_array().unwrap().len(), 1);

    let late = answer(&shop, &asked, "deny").await;
    assert_eq!(code(&late), (409, "confirmation_decided"), "who says no too late is told so");
    assert_eq!(answer(&shop, &asked, "approve").await.json["status"], "consumed");

    let about = json!({"paymentIntentId": payment});
    assert_eq!(done(&agent, "getPaymentStatus", about.clone()).await["status"], "requires_action");
    let code = shop.get_as(&format!("/api/v1/payment/wxpay/qrcode/{id}"), "application/json").await;
    shop.phone_pays(code.json["code_url"].as_str().unwrap()).await;
    assert_eq!(done(&agent, "getPaymentStatus", about).await["status"], "succeeded");
    assert_eq!(done(&agent, "confirmPayment", confirm).await["status"], "succeeded");
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_a_wrong_code_and_a_late_yes_open_nothing() {
    let shop = Shop::start(|_| {}).await;
    let agent = agent(&shop, "user-1").await;
    let confirm = |payment: &Value, key: &str| json!({"paymentIntentId": payment, "idempotencyKey": key});
    let id = order(&shop, "k1", 100).await;
    let payment = done(&agent, "createPaymentIntent", intent(&id, "i1")).await["paymentIntentId"].clone();

    let asked = done(&agent, "confirmPayment", confirm(&payment, "c1")).await;
    assert_eq!(answer(&shop, &asked, "deny").await.json["status"], "denied");
    assert_eq!(refused(&agent, "confirmPayment", confirm(&payment, "c1")).await, "confirmation_denied");
    assert_eq!(code(&answer(&shop, &asked, "approve").await), (409, "confirmation_decided"), "a no stays one");
    assert_eq!(answer(&shop, &asked, "deny").await.json["status"], "denied", "the same once more is no error");
    assert_eq!(refused(&agent, "confirmPayment", confirm(&payment, "c1")).await, "confirmation_denied");

    let asked = done(&agent, "confirmPayment", confirm(&payment, "c2")).await;
    let with = |code: &str| json!({"paymentIntentId": payment, "idempotencyKey": "c2", "confirmationCode": code});
    assert_eq!(refused(&agent, "confirmPayment", with("00000000")).await, "confirmation_mismatch", "none was shown");
    let shown = answer(&shop, &asked, "code").await.json["code"].as_str().unwrap().to_owned();
    assert_eq!(shown.len(), 8);
    let wrong = if shown == "00000000" { "00000001" } else { "00000000" };
    for _ in 0..3 {
        assert_eq!(refused(&agent, "confirmPayment", with(wrong)).await, "confirmation_mismatch");
    }
    assert_eq!(refused(&agent, "confirmPayment", with(wrong)).await, "confirmation_denied", "the fifth one is a no");
    assert_eq!(refused(&agent, "confirmPayment", with(&shown)).await, "confirmation_denied");

    let asked = done(&agent, "confirmPayment", confirm(&payment, "c3")).await;
    shop.move_clock(11).await;
    let late =
        format!("/api/v1/payment/confirmations/{}/approve", asked["confirmation"]["confirmationId"].as_str().unwrap());
    let refusal = shop.ask("POST", &late, Some(&shop.later()), None, None, &Value::Null).await;
    assert_eq!(code(&refusal), (409, "confirmation_expired"));
    assert!(shop.book().await["payments"].as_array().unwrap().is_empty());
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_was_shown_opens_the_one_thing_it_was_shown_for_and_once() {
    let shop = Shop::start(|_| {}).await;
    let agent = agent(&shop, "user-1").await;
    let (first, second) = (order(&shop, "k1", 100).await, order(&shop, "k2", 200).await);
    let mut payments = Vec::new();
    for order in [&first, &second] {
        payments.push(done(&agent, "createPaymentIntent", intent(order, order)).await["paymentIntentId"].clone());
    }
    let confirm = |at: usize| json!({"paymentIntentId": payments[at], "idempotencyKey": format!("c{at}")});
    let (one, _) = (done(&agent, "confirmPayment", confirm(0)).await, done(&agent, "confirmPayment", confirm(1)).await);
    let shown = answer(&shop, &one, "code").await.json["code"].clone();
    let with = |at: usize| {
        let mut call = confirm(at);
        call["confirmationCode"] = shown.clone();
        call
    };
    assert_eq!(refused(&agent, "confirmPayment", with(1)).await, "confirmation_mismatch");
    assert_eq!(done(&agent, "confirmPayment", with(0)).await["status"], "requires_action");
    let other = json!({"paymentIntentId": payments[1], "idempotencyKey": "c0", "confirmationCode": shown});
    assert_eq!(refused(&agent, "confirmPayment", other).await, "idempotency_conflict", "another call under its key");
    assert_eq!(shop.book().await["payments"].as_array().unwrap().len(), 1);
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_customers_order_does_not_exist_and_an_amount_is_no_argument() {
    let shop = Shop::start(|_| {}).await;
    let (agent, stranger) = (agent(&shop, "user-1").await, agent(&shop, "user-2").await);
    let id = order(&shop, "k1", 100).await;
    assert_eq!(refused(&stranger, "createPaymentIntent", intent(&id, "i1")).await, "not_found");
    let payment = done(&agent, "createPaymentIntent", intent(&id, "i1")).await["paymentIntentId"].clone();
    for (tool, arguments) in [
        ("confirmPayment", json!({"paymentIntentId": payment, "idempotencyKey": "c1"})),
        ("getPaymentStatus", json!({"paymentIntentId": payment})),
        ("createRefund", json!({"orderId": id, "reason": "x", "idempotencyKey": "r1"})),
        ("createRefund", json!({"paymentId": payment, "reason": "x", "idempotencyKey": "r1"})),
    ] {
        assert_eq!(refused(&stranger, tool, arguments).await, "not_found", "{tool}");
    }
    let asked = done(&agent, "confirmPayment", json!({"paymentIntentId": payment, "idempotencyKey": "c1"})).await;
    let confirmation = asked["confirmation"]["confirmationId"].as_str().unwrap();
    let theirs = token("user-2", |_| {});
    for word in ["approve", "deny", "code"] {
        let path = format!("/api/v1/payment/confirmations/{confirmation}/{word}");
        let answer = shop.ask("POST", &path, Some(&theirs), None, None, &Value::Null).await;
        assert_eq!(code(&answer), (404, "not_found"), "{word}");
    }
    for (field, value) in
        [("amount", json!(1)), ("amountMinor", json!(1)), ("currency", json!("JPY")), ("userId", json!("user-2"))]
    {
        let mut wish = intent(&id, "i2");
        wish[field] = value;
        assert_eq!(refused(&agent, "createPaymentIntent", wish).await, "validation_failed", "{field}");
    }
    let other = order(&shop, "k2", 100).await;
    assert_eq!(refused(&agent, "createPaymentIntent", intent(&other, "i1")).await, "idempotency_conflict");
    let unmade = other.replace("ord_", "pay_");
    let unmade = json!({"paymentIntentId": unmade, "idempotencyKey": "c9"});
    assert_eq!(refused(&agent, "confirmPayment", unmade).await, "not_found", "no intent was made of it");
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agents_token_opens_its_tools_and_nothing_a_person_or_an_engine_may() {
    let shop = Shop::start(|config| config.mcp_http_token = Some("9f8a7b6c5d4e3f2a1b0c9d8e".to_owned().into())).await;
    let agent = agent(&shop, "user-1").await;
    let tools = agent.list_tools(None).await.unwrap().tools;
    let hints = |name: &str| {
        let tool = tools.iter().find(|tool| tool.name == name).unwrap();
        let said = tool.annotations.as_ref().unwrap();
        assert_eq!(tool.input_schema["additionalProperties"], json!(false), "{name}");
        assert!(!serde_json::to_string(tool).unwrap().contains(r#""null""#), "{name}");
        [said.read_only_hint, said.destructive_hint, said.idempotent_hint, said.open_world_hint].map(Option::unwrap)
    };
    assert_eq!(tools.len(), 4);
    assert_eq!(hints("createPaymentIntent"), [false, false, true, true]);
    assert_eq!(hints("confirmPayment"), [false, true, true, true]);
    assert_eq!(hints("getPaymentStatus"), [true, false, true, true]);
    assert_eq!(hints("createRefund"), [false, true, true, true]);
    let port = CallToolRequestParams::new("refundPayment").with_arguments(serde_json::Map::new());
    assert!(agent.call_tool(port).await.is_err(), "the engine's tools are not there");
    let engine = with_token(&shop, "9f8a7b6c5d4e3f2a1b0c9d8e").await.unwrap();
    let names = engine.list_tools(None).await.unwrap().tools;
    assert!(
        names.iter().all(|tool| tool.name != "confirmPayment") && names.iter().any(|tool| tool.name == "openPayment")
    );
    for bad in [
        token("user-1", |_| {}),
        token("user-1", |claims| claims["aud"] = json!(["zhiyou", "zhiyou/mcp"])),
        token("user-1", |claims| {
            claims["aud"] = json!("zhiyou/mcp");
            claims["exp"] = json!(1);
        }),
        shop::token_with("M7xK2pQ9sV4tB8nL1zR6cW3yH5jD0gFu", "HS256", "user-1"),
    ] {
        assert!(with_token(&shop, &bad).await.is_err());
    }
    let id = order(&shop, "k1", 100).await;
    let own = token("user-1", |claims| claims["aud"] = json!("zhiyou/mcp"));
    let seen = shop.ask("GET", &format!("{ORDERS}/{id}"), Some(&own), None, None, &Value::Null).await;
    assert_eq!(code(&seen), (401, "unauthorized"), "an agent cannot approve what it asks for");
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_gives_money_back_once_per_key_and_never_more_than_was_paid() {
    let shop = Shop::start(|_| {}).await;
    let agent = agent(&shop, "user-1").await;
    let id = order(&shop, "k1", 20_000).await;
    let back = |key: &str, minor: Option<i64>| {
        let mut call = json!({"orderId": id, "reason": "少了一人", "idempotencyKey": key});
        if let Some(minor) = minor {
            call["amountMinor"] = json!(minor);
        }
        call
    };
    assert_eq!(refused(&agent, "createRefund", back("r0", None)).await, "not_refundable", "nothing is paid");
    let payment = pay(&shop, &agent, &id).await;

    let asked = done(&agent, "createRefund", back("r1", Some(5_000))).await;
    assert_eq!((&asked["status"], &asked["amount"]["amountMinor"]), (&json!("confirmation_required"), &json!(5_000)));
    assert!(shop.book().await["refunds"].as_array().unwrap().is_empty(), "nothing goes back without a yes");
    assert_eq!(refused(&agent, "createRefund", back("r1", Some(5_001))).await, "idempotency_conflict");
    answer(&shop, &asked, "approve").await;
    let given = done(&agent, "createRefund", back("r1", Some(5_000))).await;
    let again = done(&agent, "createRefund", back("r1", Some(5_000))).await;
    assert_eq!(again["refundId"], given["refundId"], "the same key gives back once");
    assert_eq!(shop.book().await["refunds"].as_array().unwrap().len(), 1);

    assert_eq!(refused(&agent, "createRefund", back("r2", Some(15_001))).await, "not_refundable");
    assert_eq!(refused(&agent, "createRefund", back("r2", Some(0))).await, "validation_failed");
    let both = json!({"orderId": id, "paymentId": payment, "reason": "x", "idempotencyKey": "r3"});
    assert_eq!(refused(&agent, "createRefund", both).await, "validation_failed");
    let rest = json!({"paymentId": payment, "reason": "取消", "idempotencyKey": "r4"});
    let twice = json!({"paymentId": payment, "reason": "取消", "idempotencyKey": "r5"});
    let (one, two) =
        (done(&agent, "createRefund", rest.clone()).await, done(&agent, "createRefund", twice.clone()).await);
    assert_eq!((&one["amount"]["amountMinor"], &two["amount"]["amountMinor"]), (&json!(15_000), &json!(15_000)));
    for asked in [&one, &two] {
        answer(&shop, asked, "approve").await;
    }
    assert_eq!(done(&agent, "createRefund", rest).await["amount"]["amountMinor"], 15_000);
    assert_eq!(refused(&agent, "createRefund", twice).await, "not_refundable", "two approvals, and money for one");
    assert_eq!(shop.book().await["refunds"].as_array().unwrap().len(), 2);
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agents_payment_keeps_to_the_caps_and_a_lost_answer_is_told_as_such() {
    let shop = Shop::start(|config| config.caps = vec![cap(10_000, 15_000)]).await;
    let agent = agent(&shop, "user-1").await;
    let over = order(&shop, "k1", 10_001).await;
    let made = done(&agent, "createPaymentIntent", intent(&over, "i1")).await;
    let confirm = json!({"paymentIntentId": made["paymentIntentId"], "idempotencyKey": "c1"});
    answer(&shop, &done(&agent, "confirmPayment", confirm.clone()).await, "approve").await;
    assert_eq!(refused(&agent, "confirmPayment", confirm).await, "spend_limit_exceeded");

    let id = order(&shop, "k2", 100).await;
    let made = done(&agent, "createPaymentIntent", intent(&id, "i2")).await;
    let confirm = json!({"paymentIntentId": made["paymentIntentId"], "idempotencyKey": "c2"});
    answer(&shop, &done(&agent, "confirmPayment", confirm.clone()).await, "approve").await;
    shop.scenario(json!({"provider": "wechatpay", "switch": "act_then_time_out", "op": "create", "cut": true})).await;
    assert_eq!(refused(&agent, "confirmPayment", confirm.clone()).await, "outcome_unknown");
    assert_eq!(done(&agent, "confirmPayment", confirm).await["status"], "requires_action", "the same call goes on");
    assert_eq!(shop.book().await["payments"].as_array().unwrap().len(), 1);
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_whose_refund_was_refused_gives_nothing_back_when_it_would_work_later() {
    let shop = Shop::start(|_| {}).await;
    let agent = agent(&shop, "user-1").await;
    let id = order(&shop, "k1", 20_000).await;
    pay(&shop, &agent, &id).await;
    shop.scenario(json!({"provider": "wechatpay", "switch": "refund_outcome", "value": "PROCESSING"})).await;
    let back = |key: &str| json!({"orderId": id, "reason": "取消", "idempotencyKey": key});
    for asked in [done(&agent, "createRefund", back("r1")).await, done(&agent, "createRefund", back("r2")).await] {
        answer(&shop, &asked, "approve").await;
    }
    assert_eq!(done(&agent, "createRefund", back("r1")).await["status"], "pending");
    assert_eq!(refused(&agent, "createRefund", back("r2")).await, "not_refundable", "all of it is on its way");

    shop.scenario(json!({"provider": "wechatpay", "switch": "refund_outcome", "value": "CLOSED"})).await;
    assert_eq!(done(&agent, "createRefund", back("r1")).await["status"], "failed");
    assert_eq!(refused(&agent, "createRefund", back("r2")).await, "not_refundable", "what was said yes to is over");
    assert_eq!(shop.book().await["refunds"].as_array().unwrap().len(), 1);
    assert_eq!(done(&agent, "createRefund", back("r3")).await["status"], "confirmation_required");
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_time_is_over_is_put_before_nobody_and_ends_at_the_channel() {
    let shop = Shop::start(|_| {}).await;
    let lasting = token("user-1", |claims| {
        claims["aud"] = json!("zhiyou/mcp");
        claims["scope"] = json!("payment.read payment.write");
        claims["exp"] = json!(claims["exp"].as_i64().unwrap() + 3_600);
    });
    let agent = with_token(&shop, &lasting).await.unwrap();
    let (unopened, opened) = (order(&shop, "k1", 100).await, order(&shop, "k2", 100).await);
    let mut payments = Vec::new();
    for order in [&unopened, &opened] {
        payments.push(done(&agent, "createPaymentIntent", intent(order, order)).await["paymentIntentId"].clone());
    }
    let confirm = |at: usize, key: &str| json!({"paymentIntentId": payments[at], "idempotencyKey": key});
    answer(&shop, &done(&agent, "confirmPayment", confirm(1, "c1")).await, "approve").await;
    assert_eq!(done(&agent, "confirmPayment", confirm(1, "c1")).await["status"], "requires_action");

    shop.move_clock(31).await;
    shop.scenario(json!({"provider": "wechatpay", "switch": "time_out_before", "op": "close", "times": 1})).await;
    let late = done(&agent, "confirmPayment", confirm(0, "c2")).await;
    assert_eq!((&late["status"], late.get("confirmation")), (&json!("closed"), None));
    let late = done(&agent, "confirmPayment", confirm(1, "c3")).await;
    assert_eq!(
        (&late["status"], late.get("confirmation")),
        (&json!("processing"), None),
        "who paid just before is not known"
    );
    let about = json!({"paymentIntentId": payments[1]});
    assert_eq!(done(&agent, "getPaymentStatus", about.clone()).await["status"], "processing", "the answer was lost");
    assert_eq!(done(&agent, "getPaymentStatus", about).await["status"], "closed");
    assert_eq!(shop.book().await["payments"].as_array().unwrap().len(), 1);
    shop.stop().await;
}
