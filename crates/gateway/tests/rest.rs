//! The REST surface over real HTTP, with the sandbox's WeChat Pay behind it and a clock that can be moved.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "rest/agents.rs"]
mod agents;
#[path = "rest/shop.rs"]
mod shop;

use serde_json::{Value, json};
use shop::{Answer, Shop, cap, token};
use zhiyou_domain::port::payments::Channel;
use zhiyou_gateway::{Class, DailyConfig, Judged, KeptDay};

const ORDERS: &str = "/api/v1/payment/orders";
const PAY: &str = "/api/v1/payment/wxpay/create";

fn status(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.json["status"].as_str().unwrap_or_default())
}

fn code(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.json["code"].as_str().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_created_paid_by_its_code_and_given_back_in_two_parts() {
    let shop = Shop::start(|_| {}).await;
    let created = shop.create("k1", 20_000).await;
    assert_eq!(status(&created), (201, "pending"));
    assert_eq!(created.json["amount"], json!({"minor": 20_000, "currency": "CNY"}));
    let id = created.json["order_id"].as_str().unwrap();
    let order = format!("{ORDERS}/{id}");
    let picture = format!("/api/v1/payment/wxpay/qrcode/{id}");
    assert_eq!(code(&shop.get(&picture).await), (409, "not_opened"));

    let opened = shop.post(PAY, None, &json!({"order_id": id})).await;
    assert_eq!(opened.status, 200, "{opened:?}");
    let content = opened.json["code_url"].as_str().unwrap().to_owned();
    assert!(content.starts_with("weixin://"), "{content}");
    assert_eq!(shop.post(PAY, None, &json!({"order_id": id})).await.json, opened.json, "the same payment");
    let drawn = shop.get_as(&picture, "image/svg+xml,*/*;q=0.8").await;
    assert_eq!((drawn.status, drawn.content_type.as_str()), (200, "image/svg+xml"));
    assert!(drawn.text.contains("<svg"));
    assert_eq!(shop.get_as(&picture, "application/json").await.json, opened.json);

    shop.phone_pays(&content).await;
    assert_eq!(status(&shop.get(&order).await), (200, "paid"));
    assert_eq!(code(&shop.post(PAY, None, &json!({"order_id": id})).await), (409, "already_paid"));
    assert_eq!(code(&shop.get(&picture).await), (409, "already_paid"));
    assert_eq!(code(&shop.post(&format!("{order}/cancel"), None, &Value::Null).await), (409, "already_paid"));

    let back = format!("{order}/refund");
    let part = json!({"amount": {"minor": 5_000, "currency": "CNY"}, "reason": "少了一人"});
    let first = shop.post(&back, Some("r1"), &part).await;
    assert_eq!((first.status, &first.json["amount"]["minor"]), (200, &json!(5_000)), "{first:?}");
    assert_eq!(shop.post(&back, Some("r1"), &part).await.json["refund_id"], first.json["refund_id"]);
    let changed = json!({"amount": {"minor": 5_001, "currency": "CNY"}, "reason": "少了一人"});
    assert_eq!(code(&shop.post(&back, Some("r1"), &changed).await), (409, "key_reused"));
    let much = json!({"amount": {"minor": 15_001, "currency": "CNY"}, "reason": "x"});
    assert_eq!(code(&shop.post(&back, Some("r2"), &much).await), (409, "nothing_left"));
    assert_eq!(status(&shop.get(&order).await), (200, "paid"), "a part went back");
    let rest = shop.post(&back, Some("r3"), &json!({"reason": "取消"})).await;
    assert_eq!(rest.json["amount"]["minor"], 15_000);
    shop.until(|| async { status(&shop.get(&order).await) == (200, "refunded") }).await;
    let book = shop.book().await;
    assert_eq!(book["refunds"].as_array().unwrap().len(), 2, "{book}");
    assert_eq!(code(&shop.post(&back, Some("r4"), &json!({"reason": "x"})).await), (409, "nothing_left"));
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_is_one_order_and_another_body_under_it_is_a_conflict() {
    let shop = Shop::start(|_| {}).await;
    let first = shop.create("k1", 100).await;
    let again = shop.create("k1", 100).await;
    assert_eq!((first.status, again.status), (201, 200));
    assert_eq!(first.json, again.json);
    assert_eq!(code(&shop.create("k1", 101).await), (409, "key_reused"));
    let (left, right) = tokio::join!(shop.create("k2", 100), shop.create("k2", 100));
    assert_eq!(left.json["order_id"], right.json["order_id"], "two at once");
    let other = shop.create_as("somebody-else", "k1", 101).await;
    assert_eq!(other.status, 201, "a key belongs to its caller");
    for (key, amount) in [
        (None, json!({"minor": 100, "currency": "CNY"})),
        (Some("k3"), json!({"minor": 100.5, "currency": "CNY"})),
        (Some("k3"), json!({"minor": "100", "currency": "CNY"})),
        (Some("k3"), json!({"minor": 0, "currency": "CNY"})),
        (Some("k3"), json!({"minor": -100, "currency": "CNY"})),
        (Some("k3"), json!({"minor": 100, "currency": "USD"})),
        (Some("k3"), json!({"minor": 100, "currency": "CNY", "yuan": 1})),
    ] {
        let body = json!({"kind": "product", "reference": "r", "description": "d", "amount": amount});
        let refused = shop.post(&format!("{ORDERS}/create"), key, &body).await;
        assert_eq!(refused.status, 400, "{body}");
        assert!(refused.json["code"].is_string() && refused.json["message"].is_string(), "{refused:?}");
    }
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_seen_by_its_subject_alone_and_bad_tokens_by_nobody() {
    let shop = Shop::start(|_| {}).await;
    let id = shop.create("k1", 100).await.json["order_id"].as_str().unwrap().to_owned();
    let order = format!("{ORDERS}/{id}");
    let picture = format!("/api/v1/payment/wxpay/qrcode/{id}");
    let stranger = token("somebody-else", |_| {});
    let pay = json!({"order_id": id});
    for (method, path, body) in [
        ("GET", order.clone(), Value::Null),
        ("POST", format!("{order}/cancel"), Value::Null),
        ("POST", format!("{order}/refund"), json!({"reason": "x"})),
        ("POST", PAY.to_owned(), pay.clone()),
        ("GET", picture.clone(), Value::Null),
    ] {
        let answer = shop.ask(method, &path, Some(&stranger), Some("k"), None, &body).await;
        assert_eq!(code(&answer), (404, "not_found"), "{method} {path}");
        for bad in [
            None,
            Some("nonsense".to_owned()),
            Some(token("user-1", |claims| claims["exp"] = json!(1))),
            Some(token("user-1", |claims| claims["aud"] = json!("elsewhere"))),
            Some(token("user-1", |claims| claims["nbf"] = json!(4_000_000_000_i64))),
            Some(shop::token_with("M7xK2pQ9sV4tB8nL1zR6cW3yH5jD0gFu", "HS256", "user-1")),
            Some(shop::token_with("", "none", "user-1")),
        ] {
            let answer = shop.ask(method, &path, bad.as_deref(), Some("k"), None, &body).await;
            assert_eq!(code(&answer), (401, "unauthorized"), "{method} {path} {bad:?}");
        }
    }
    assert_eq!(status(&shop.get(&order).await), (200, "pending"), "nothing of all this changed it");
    assert_eq!(code(&shop.get(&format!("{ORDERS}/ord_x")).await), (404, "not_found"));
    assert_eq!(code(&shop.get("/api/v1/nothing").await), (404, "not_found"));
    assert_eq!(code(&shop.ask("DELETE", &order, None, None, None, &Value::Null).await), (405, "method"));
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_and_an_expired_order_cannot_be_paid_and_the_channel_knows_it() {
    let shop = Shop::start(|_| {}).await;
    let unopened = shop.create("k1", 100).await.json["order_id"].as_str().unwrap().to_owned();
    let cancelled = shop.post(&format!("{ORDERS}/{unopened}/cancel"), None, &Value::Null).await;
    assert_eq!(status(&cancelled), (200, "cancelled"));
    assert_eq!(code(&shop.post(PAY, None, &json!({"order_id": unopened})).await), (409, "order_cancelled"));

    let (opened, content) = shop.open("k2", 100).await;
    shop.scenario(json!({"provider": "wechatpay", "switch": "time_out_before", "op": "close", "cut": true})).await;
    let unknown = shop.post(&format!("{ORDERS}/{opened}/cancel"), None, &Value::Null).await;
    assert_eq!(code(&unknown), (503, "unknown"));
    assert_eq!(code(&shop.post(PAY, None, &json!({"order_id": opened})).await), (409, "order_cancelled"));
    let cancelled = shop.post(&format!("{ORDERS}/{opened}/cancel"), None, &Value::Null).await;
    assert_eq!(status(&cancelled), (200, "cancelled"), "{cancelled:?}");
    assert_ne!(shop.scan(&content).await, 200, "closed at the channel as well");
    let again = shop.post(&format!("{ORDERS}/{opened}/cancel"), None, &Value::Null).await;
    assert_eq!(status(&again), (200, "cancelled"));

    let (late, content) = shop.open("k3", 100).await;
    shop.move_clock(31).await;
    assert_eq!(status(&shop.get_later(&format!("{ORDERS}/{late}")).await), (200, "cancelled"));
    let refused = shop.ask("POST", PAY, Some(&shop.later()), None, None, &json!({"order_id": late})).await;
    assert_eq!(code(&refused), (409, "order_expired"));
    assert_ne!(shop.scan(&content).await, 200);
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_opening_is_said_so_and_the_same_request_again_gives_the_one_payment() {
    let shop = Shop::start(|_| {}).await;
    let id = shop.create("k1", 100).await.json["order_id"].as_str().unwrap().to_owned();
    shop.scenario(json!({"provider": "wechatpay", "switch": "act_then_time_out", "op": "create", "cut": true})).await;
    assert_eq!(code(&shop.post(PAY, None, &json!({"order_id": id})).await), (503, "unknown"));
    let opened = shop.post(PAY, None, &json!({"order_id": id})).await;
    shop.phone_pays(opened.json["code_url"].as_str().unwrap()).await;
    assert_eq!(status(&shop.get(&format!("{ORDERS}/{id}")).await), (200, "paid"));
    assert_eq!(shop.book().await["payments"].as_array().map_or(0, Vec::len), 1);
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_above_a_cap_is_refused_and_nothing_is_sent() {
    let shop = Shop::start(|config| config.caps = vec![cap(10_000, 15_000)]).await;
    let pay = async |key: &str, minor: i64| {
        let id = shop.create(key, minor).await.json["order_id"].clone();
        shop.post(PAY, None, &json!({"order_id": id})).await
    };
    assert_eq!(code(&pay("k1", 10_001).await), (422, "over_limit"));
    assert_eq!(pay("k2", 10_000).await.status, 200);
    assert_eq!(code(&pay("k3", 5_001).await), (422, "over_limit"));
    assert_eq!(pay("k4", 5_000).await.status, 200);
    assert_eq!(shop.book().await["payments"].as_array().map_or(0, Vec::len), 2);
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_channels_callback_is_admitted_by_its_signature_alone_and_kept_once() {
    let shop = Shop::start_behind_the_callback().await;
    let (id, content) = shop.open("k1", 100).await;
    let mut wake = shop.gateway().wake();
    shop.phone_pays(&content).await;
    wake.changed().await.unwrap();
    let (headers, body) = shop.forwarded();
    let callback = "/api/v1/payment/wxpay/callback";
    assert_eq!(shop.deliver(callback, &headers, body.clone()).await, 200, "a repeated one is acknowledged");
    let mut forged = body.clone();
    *forged.last_mut().unwrap() = b' ';
    assert_eq!(shop.deliver(callback, &headers, forged).await, 401);
    let unsigned = headers.iter().filter(|(name, _)| !name.starts_with("wechatpay-")).cloned().collect::<Vec<_>>();
    assert_eq!(shop.deliver(callback, &unsigned, body).await, 401);
    assert_eq!(*shop.gateway().wake().borrow(), *wake.borrow(), "applied once");
    assert_eq!(status(&shop.get(&format!("{ORDERS}/{id}")).await), (200, "paid"));
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_description_are_open_and_nothing_is_served_unless_configured() {
    let shop = Shop::start(|_| {}).await;
    for path in ["/api/health", "/api/health/db"] {
        let answer = shop.ask("GET", path, None, None, None, &Value::Null).await;
        assert_eq!(status(&answer), (200, "ok"), "{path}");
    }
    let description = shop.ask("GET", "/api/openapi.json", None, None, None, &Value::Null).await;
    assert!(description.json["openapi"].as_str().unwrap().starts_with("3."));
    shop.stop().await;
    let bare = Shop::start(|config| config.rest = None).await;
    assert_eq!(bare.get("/api/health").await.status, 404);
    assert_eq!(bare.create("k1", 100).await.status, 404);
    bare.stop().await;
    assert!(
        shop::refuses_to_start(|config| {
            config.rest.as_mut().unwrap().jwt_keys = vec!["q3Z8vT1nW6yB4kR9mC2xJ7hL5sD0fGa".to_owned().into()];
        })
        .await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn experience_mode_gives_every_payment_back_within_a_day_and_caps_them() {
    let mut shop = Shop::start(|config| config.wechatpay.experience = true).await;
    let over = shop.create("k0", 10_001).await.json["order_id"].clone();
    assert_eq!(code(&shop.post(PAY, None, &json!({"order_id": over})).await), (422, "over_limit"));
    let (paid, content) = shop.open("k1", 10_000).await;
    shop.phone_pays(&content).await;
    assert_eq!(status(&shop.get(&format!("{ORDERS}/{paid}")).await), (200, "paid"));
    let (silent, content) = shop.open("k2", 300).await;
    shop.scenario(json!({"provider": "wechatpay", "switch": "notify", "mode": "drop"})).await;
    shop.phone_pays(&content).await;
    shop.move_clock(22 * 60 + 59).await;
    shop.restart().await;
    assert_eq!(status(&shop.get_later(&format!("{ORDERS}/{paid}")).await), (200, "paid"), "not due yet");
    assert!(shop.book().await["refunds"].as_array().unwrap().is_empty());
    // The clock jumps, and nobody waits for real time or a restart.
    shop.move_clock(2).await;
    for id in [&paid, &silent] {
        shop.until(|| async { status(&shop.get_later(&format!("{ORDERS}/{id}")).await) == (200, "refunded") }).await;
    }
    shop.restart().await;
    assert_eq!(shop.book().await["refunds"].as_array().unwrap().len(), 2, "once each");
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn experience_mode_takes_a_thousand_yuan_a_beijing_day_and_not_a_fen_more() {
    const DAY_MIN: i64 = 24 * 60;
    let shop = Shop::start(|config| config.wechatpay.experience = true).await;
    // The first minute of a day in Beijing, so that the whole test is within one.
    let beijing_min = jiff::Timestamp::now().as_second().div_euclid(60) + 8 * 60;
    shop.move_clock(DAY_MIN - beijing_min.rem_euclid(DAY_MIN) + 1).await;
    let open = async |key: &str, minor: i64| {
        let body = json!({"kind": "travel", "reference": "r", "description": "d", "amount": {"minor": minor, "currency": "CNY"}});
        let later = shop.later();
        let order = shop.ask("POST", &format!("{ORDERS}/create"), Some(&later), Some(key), None, &body).await;
        shop.ask("POST", PAY, Some(&later), None, None, &json!({"order_id": order.json["order_id"]})).await
    };
    for number in 0..9 {
        assert_eq!(open(&format!("k{number}"), 10_000).await.status, 200);
    }
    assert_eq!(code(&open("over", 10_001).await), (422, "over_limit"), "more than one payment may be");
    assert_eq!(open("k9", 9_999).await.status, 200);
    assert_eq!(code(&open("two-fen-more", 2).await), (422, "over_limit"));
    assert_eq!(open("the-last-fen", 1).await.status, 200);
    assert_eq!(code(&open("one-fen-more", 1).await), (422, "over_limit"));
    shop.move_clock(DAY_MIN - 3).await;
    assert_eq!(code(&open("late", 1).await), (422, "over_limit"), "still the same day");
    shop.move_clock(3).await;
    assert_eq!(open("new-day", 10_000).await.status, 200);
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_per_provider_what_works_and_never_a_secret() {
    let shop = Shop::start(|_| {}).await;
    let good = shop.config(|config| config.caps = vec![cap(10_000, 100_000)]).await;
    let findings = shop.check_up(&good, false).await;
    assert!(findings.iter().all(|finding| finding.ok), "{findings:?}");
    assert!(
        findings.iter().any(|finding| finding.detail == "wechatpay: at most 100.00 yuan a payment, 1000.00 yuan a day")
    );
    let bad = shop.config(|config| {
        config.duffel.token = "duffel_test_c0ffee5Qr8Zt1WmXy7Kb2Nd".to_owned().into();
        config.viator.base_url = "http://127.0.0.1:1".parse().unwrap();
        config.wechatpay.merchant_serial = "5F1C72E2A8931B72A2E13AF8DEE92471EB397116".to_owned();
    });
    let bad = bad.await;
    let findings = shop.check_up(&bad, true).await;
    let missing: Vec<&str> =
        findings.iter().filter(|finding| !finding.ok).map(|finding| finding.name.as_str()).collect();
    assert_eq!(missing[..3], ["duffel (flights, hotels, cars)", "viator (activities)", "wechatpay"], "{findings:?}");
    assert!(missing.contains(&"production"));
    let shown = format!("{findings:?}");
    for secret in
        [bad.duffel.token.expose().as_str(), bad.wechatpay.apiv3_key.expose(), "q3Z8vT1nW6yB4kR9mC2xJ7hL5sD0fGaE"]
    {
        assert!(!shown.contains(secret), "{shown}");
    }
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_tells_what_a_notification_is_about_and_not_who_paid() {
    let shop = Shop::start(|_| {}).await;
    let (id, content) = shop.open("k1", 100).await;
    let mut wake = shop.gateway().wake();
    shop.phone_pays(&content).await;
    wake.changed().await.unwrap();
    let console = shop.console().await;
    let [kept] = console.list().await.unwrap().try_into().unwrap();
    assert_eq!((kept.provider.as_str(), kept.disposition), ("wechatpay", "applied"));
    let about = console.show("wechatpay", &kept.event_id).await.unwrap().about.unwrap();
    let number = id.strip_prefix("ord_").unwrap();
    assert!(
        about.starts_with(&format!("payment {number}: Captured, 1.00 CNY")) && !about.contains("openid"),
        "{about}"
    );
    console.close().await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_gateway_compares_a_day_by_itself_and_what_differs_is_kept_and_changes_no_payment() {
    let mut shop = Shop::start(|config| config.daily_reconciliation = Some(DailyConfig { after_min: 660 })).await;
    let (id, content) = shop.open("k1", 20_000).await;
    shop.phone_pays(&content).await;
    let paid = shop.get(&format!("{ORDERS}/{id}")).await;
    assert_eq!(status(&paid), (200, "paid"));
    let day = shop.beijing_day();
    let differs = json!({"provider": "wechatpay", "switch": "bill_differs", "value": "amount_differs"});
    shop.scenario(differs).await;
    // The clock jumps over the day while nobody runs, and the day is caught up.
    shop.move_clock(2 * 24 * 60).await;
    shop.restart().await;
    let books = shop.books().await;
    let of_the_day = || async {
        let kept = books.kept().await.unwrap();
        let wechat = |kept: &KeptDay| kept.channel == Channel::Wechatpay && kept.day == day;
        kept.into_iter().find(wechat).and_then(|kept| kept.judged)
    };
    shop.until(|| async { of_the_day().await.is_some() }).await;
    let Some(Judged::Compared(found)) = of_the_day().await else { panic!("it was not compared") };
    assert_eq!(found.differences.iter().map(|one| one.class).collect::<Vec<_>>(), [Class::AmountDiffers]);
    shop.scenario(json!({"reset": true})).await;
    shop.restart().await;
    assert_eq!(of_the_day().await, Some(Judged::Compared(found)), "it is done once");
    let after = shop.get_later(&format!("{ORDERS}/{id}")).await;
    assert_eq!((&after.json["status"], &after.json["amount"]), (&json!("paid"), &paid.json["amount"]));
    assert_eq!(after.json["updated_at"], paid.json["updated_at"], "no row was touched");
    books.close().await;
    shop.stop().await;
}
