//! What a page or a link could send, and what comes of it. The window itself is driven in `tests/desktop`.

use crate::world::{World, count, request_id, sample};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, any::AnyPoolOptions};
use zhiyou_domain::{app::ROOT, fault::FaultCode, link};
use zhiyou_engine::api::{NAMES, view::FaultView};

/// What a page is told of a command that is refused.
async fn refused(world: &World, command: &str, payload: Value) -> String {
    match world.ask(command, payload.clone()).await {
        Ok(answer) => panic!("{command} {payload}: {answer}"),
        Err(fault) => serde_json::to_string(&FaultView::from(&fault)).unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ta_13_every_command_refuses_payloads_of_every_other_shape() {
    let world = World::new().await;
    let shapes = [json!([[]]), json!("text"), json!(7), json!(true), Value::Null, json!({ "surprise": 1 })];
    for command in NAMES {
        for shape in &shapes {
            let told = refused(&world, command, shape.clone()).await;
            assert!(told.contains("malformed_input"), "{command} {shape}: {told}");
        }
    }
    for text in ["[".repeat(10_000), "{\"a\":".repeat(10_000), "\u{0}".to_owned(), "\u{feff}{}".to_owned()] {
        let told = refused(&world, "import_plan", json!({ "text": text, "request_id": request_id() })).await;
        assert!(told.contains("malformed_input"), "{told}");
    }
    world.call("get_session", json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ta_14_an_amount_that_is_no_plain_decimal_is_refused() {
    let world = World::new().await;
    for amount in [
        "6000.5",
        "6000",
        "-1",
        "1e309",
        "NaN",
        "true",
        "null",
        "[]",
        "\"-6000.00\"",
        "\"NaN\"",
        "\"Infinity\"",
        "\"1e3\"",
        "\"1e309\"",
        "\"0x10\"",
        "\" 6000.00\"",
        "\"6,000.00\"",
        "\"6000.001\"",
        "\"６０００\"",
        "\"9223372036854775808.00\"",
        "\"99999999999999999999999999\"",
        "\"\"",
    ] {
        let text = sample().replace("\"6000.00\"", amount);
        assert_ne!(text, sample());
        let told = refused(&world, "import_plan", json!({ "text": text, "request_id": request_id() })).await;
        assert!(told.contains("malformed_input"), "{amount}: {told}");
    }
    for number in [json!(1.5), json!("1"), json!(1e300), json!(u64::MAX)] {
        let told = refused(&world, "changes", json!({ "after": number })).await;
        assert!(told.contains("malformed_input"), "{number}: {told}");
    }
    assert_eq!(world.call("list_plans", json!({})).await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn ta_15_an_id_in_another_spelling_is_no_id() {
    const ULID: &str = "01KA0000000000000000000ABC";
    let world = World::new().await;
    for (command, field, prefix) in [
        ("get_plan", "plan_id", "pln"),
        ("get_order", "order_id", "ord"),
        ("compare_order", "order_id", "ord"),
        ("list_consents", "order_id", "ord"),
        ("remove_traveller", "traveller_id", "trv"),
    ] {
        for id in [
            format!("{prefix}_../../etc/passwd"),
            format!("../{prefix}_{ULID}"),
            format!("{prefix}_{ULID}/.."),
            format!("{prefix}_{ULID}\0"),
            format!("{prefix}_{ULID}\n"),
            format!(" {prefix}_{ULID}"),
            format!("{prefix}_{}", ULID.to_lowercase()),
            format!("{prefix}_{}", ULID.replace('0', "O")),
            format!("{prefix}_{}", ULID.replace('A', "\u{410}")),
            format!("{prefix}_{}", ULID.replace('1', "\u{ff11}")),
            format!("{}_{ULID}", prefix.to_uppercase()),
            format!("{prefix}\u{ff3f}{ULID}"),
            format!("xyz_{ULID}"),
            ULID.to_owned(),
            format!("{prefix}_"),
            String::new(),
        ] {
            let told = refused(&world, command, json!({ field: id })).await;
            assert!(told.contains("malformed_input"), "{command} {id:?}: {told}");
        }
        // The right spelling is read, and names nothing.
        let told = world.ask(command, json!({ field: format!("{prefix}_{ULID}") })).await;
        assert!(!format!("{told:?}").contains("MalformedInput"), "{command}: {told:?}");
    }
    for platform in ["../zz-club", "zz-club\0", "ZZ-CLUB", "zz\u{2010}club", "/etc/passwd"] {
        let told =
            refused(&world, "login_to_platform", json!({ "platform": platform, "return_by": "deep_link" })).await;
        assert!(told.contains("not_found"), "{platform:?}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ta_16_what_a_database_might_take_for_a_statement_is_kept_as_it_was_typed() {
    const HOSTILE: [&str; 3] = ["x'); DROP TABLE plans; --", "x' OR '1'='1", "\\'; DELETE FROM plans; /* % _ ? $1 */"];
    // The first of them is one, where a statement is put together of texts.
    sqlx::any::install_default_drivers();
    let scratch = AnyPoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
    sqlx::raw_sql("CREATE TABLE plans (title TEXT)").execute(&scratch).await.unwrap();
    let statement = format!("INSERT INTO plans VALUES ('{}')", HOSTILE[0]);
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&scratch).await.unwrap();
    assert!(sqlx::raw_sql("SELECT * FROM plans").execute(&scratch).await.is_err(), "the table is gone");

    let world = World::new().await;
    for title in HOSTILE {
        let mut plan: Value = serde_json::from_str(&sample()).unwrap();
        plan["title"] = title.into();
        plan["travellers"][0]["display_name"] = title.into();
        world.import(&plan.to_string()).await;
    }
    for filter in HOSTILE {
        let search = json!({ "action": filter, "resource": filter, "from_us": null, "to_us": null, "before": null });
        assert_eq!(world.call("list_audit", search).await["rows"], json!([]));
        assert!(refused(&world, "disconnect", json!({ "platform": filter })).await.contains("not_found"));
    }
    let plans = world.call("list_plans", json!({})).await;
    let mut titles: Vec<_> = plans.as_array().unwrap().iter().map(|plan| plan["title"].as_str().unwrap()).collect();
    let mut typed = HOSTILE.to_vec();
    titles.sort_unstable();
    typed.sort_unstable();
    assert_eq!(titles, typed);
}

/// Links that pretend to do something, for an order and its payment attempt.
fn pretending(order: &str, attempt: &str) -> Vec<String> {
    [
        link!("pay/return?status=success"),
        link!("pay/{attempt}?status=success"),
        link!("pay/{attempt}/success"),
        link!("pay/{attempt}#trade_state=SUCCESS"),
        link!("pay?order={order}&trade_state=SUCCESS"),
        link!("paid/{order}"),
        link!("confirm/{order}"),
        link!("cancel/{order}"),
        link!("refund/{order}"),
        link!("open/order/{order}?cancel=1"),
        link!("open/order/{order}/cancel"),
        link!("open/pay/{order}"),
        link!("rpc/cancel_order?order_id={order}"),
        link!("auth/zz-club?code=a&state=b&order={order}"),
        "zhiyou:cancel_order",
        ROOT,
        "",
    ]
    .map(|link| link.replace("{order}", order).replace("{attempt}", attempt))
    .to_vec()
}

/// What the providers' book says, whenever it is asked.
fn without_clock(mut book: Value) -> Value {
    book.as_object_mut().unwrap().remove("clock");
    book
}

#[tokio::test(flavor = "multi_thread")]
async fn ta_26_ta_27_no_link_pays_cancels_or_confirms_and_a_forged_return_only_has_the_channel_asked() {
    let world = World::new().await;
    let order = world.payable().await;
    let attempt = order["payment"]["attempt_id"].as_str().unwrap();
    let bare = attempt.rsplit('_').next().unwrap();
    let stands = |order: &Value| {
        let fields = ["state", "money", "items", "next"].map(|field| order[field].clone());
        (fields, order["payment"]["state"].clone())
    };
    let booked = without_clock(world.book().await);
    let links = pretending(order["id"].as_str().unwrap(), bare);
    for link in &links {
        world.app().engine().deep_link(link).await;
    }
    // This one is well formed. It proves nothing, and so the channel is asked, which knows better.
    world.app().engine().deep_link(&format!("{ROOT}pay/{bare}")).await;
    let changes = world.call("changes", json!({ "after": 0 })).await;
    assert_eq!(changes["open_screen"], format!("order/{}/pay", order["id"].as_str().unwrap()));
    let asked = world.call("check_payment", json!({ "order_id": order["id"] })).await;
    assert_eq!(stands(&asked), stands(&order));
    assert_eq!(without_clock(world.book().await), booked);

    // Whoever really pays is believed, once, by the channel's word.
    assert!(world.phone("pay", &order).await.is_success());
    let order = world.until_state(&order, "confirmed").await;
    for link in &links {
        world.app().engine().deep_link(link).await;
    }
    assert_eq!(world.call("get_order", json!({ "order_id": order["id"] })).await["state"], "confirmed");
    assert_eq!(count(&world.book().await["payments"], "state", "SUCCESS"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn ta_35_what_was_typed_is_in_no_answer_that_refuses_it() {
    const CANARY: &str = "canary-5f1c";
    let world = World::new().await;
    for (command, payload) in [
        ("unlock_vault", json!({ "passphrase": [CANARY] })),
        ("save_traveller", json!({ "traveller_id": CANARY })),
        ("import_plan", json!({ "text": format!("{{\"title\": {CANARY}"), "request_id": request_id() })),
        ("import_plan", json!({ "text": sample(), "request_id": CANARY })),
        ("get_order", json!({ "order_id": CANARY })),
        ("login_to_platform", json!({ "platform": CANARY, "return_by": "deep_link" })),
        (CANARY, json!({})),
    ] {
        let told = refused(&world, command, payload).await;
        assert!(!told.contains(CANARY), "{command}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ta_37_a_hostile_file_is_refused_as_a_plan_and_leaves_nothing() {
    let world = World::new().await;
    let program = "\u{7f}ELF\u{2}\u{1}\u{1}";
    let page = "<html><script>fetch('https://evil.com')</script></html>";
    let link = "[InternetShortcut]\nURL=file:///bin/sh";
    let mut crowd: Value = serde_json::from_str(&sample()).unwrap();
    let item = crowd["items"][0].clone();
    crowd["items"] = vec![item; 10_000].into();
    for text in [program, page, link, &crowd.to_string(), &" ".repeat(2 << 20), &"9".repeat(1 << 19)] {
        let told = refused(&world, "import_plan", json!({ "text": text, "request_id": request_id() })).await;
        assert!(told.contains("malformed_input") || told.contains("too_large"), "{told}");
    }
    assert_eq!(world.call("list_plans", json!({})).await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_is_over_is_shown_anew_when_asked_for_and_none_once_the_order_has_ended() {
    let world = World::new().await;
    world.scenario(json!({ "provider": "wechatpay", "switch": "code_minutes", "value": 1 })).await;
    let order = world.payable().await;
    let refresh = async || world.ask("refresh_payment", json!({ "order_id": order["id"] })).await;
    let kept = refresh().await.unwrap();
    assert_eq!(kept["payment"], order["payment"], "a code that is good stays");
    world.advance(2).await;
    assert!(!world.phone("pay", &order).await.is_success(), "its time is over");
    let shown = refresh().await.unwrap();
    assert_ne!(shown["payment"]["qr"]["content"], order["payment"]["qr"]["content"]);
    let same = |field: &str| shown["payment"][field] == order["payment"][field];
    assert!(same("attempt_id") && same("amount") && same("expires_at_us"), "another code, the same payment");
    assert!(world.phone("pay", &shown).await.is_success());
    world.until_state(&order, "confirmed").await;
    assert_eq!(refresh().await.unwrap_err().code, FaultCode::WrongState, "nothing is to be paid");
    assert_eq!(world.book().await["payments"].as_array().unwrap().len(), 1);
}
