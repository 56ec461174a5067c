//! The control port, time for others, and what a restart keeps.

use reqwest::Method;
use serde_json::{Value, json};

use super::bench::{Bench, Inbox};

#[tokio::test]
async fn nobody_without_the_token_or_through_a_name_controls_anything() {
    let bench = Bench::new().await;
    for path in ["/credentials", "/book", "/clock", "/scenario", "/notifications"] {
        let url = format!("{}{path}", bench.urls.control);
        let status = async |request: reqwest::RequestBuilder| request.send().await.unwrap().status().as_u16();
        assert_eq!(status(bench.http.get(&url)).await, 401, "{path}");
        assert_eq!(status(bench.http.get(&url).bearer_auth("guess")).await, 401, "{path}");
        let named = bench.http.get(&url).bearer_auth(&bench.urls.control_token).header("Host", "control.example");
        assert_eq!(status(named).await, 421, "{path}");
    }
    let foreign = bench.http.post(format!("{}/api/pay", bench.urls.phone)).header("Origin", "http://evil.example");
    assert_eq!(foreign.json(&json!({"text": "x"})).send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn a_sandbox_others_could_reach_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let config = zhiyou_sandbox::Config {
        data_dir: folder.path().to_owned(),
        seed: 1,
        account: zhiyou_sandbox::AccountCurrency::default(),
        listen: std::net::Ipv4Addr::UNSPECIFIED.into(),
        virtual_clock: false,
        control_token: None,
    };
    assert!(matches!(zhiyou_sandbox::start(config).await, Err(zhiyou_sandbox::StartError::NotLoopback)));
}

#[tokio::test]
async fn a_listener_knows_the_offset_before_the_clock_answers() {
    let bench = Bench::frozen().await;
    bench.advance(1).await;
    let inbox = Inbox::open().await;
    let registered = bench.control("/clock/listeners", Some(json!({"url": inbox.url, "token": "t-1"}))).await;
    assert_eq!(registered.status, 200);
    let told =
        || -> Vec<Value> { inbox.received().iter().map(|(_, body)| serde_json::from_str(body).unwrap()).collect() };
    assert_eq!(told(), [json!({"offset_us": 60_000_000})]);
    let answer = bench.control("/clock", Some(json!({"advance_ms": 5000}))).await;
    assert_eq!(answer.body["offset_us"], 65_000_000);
    assert_eq!(told().last(), Some(&json!({"offset_us": 65_000_000})));
    assert_eq!(inbox.received()[0].0["authorization"], "Bearer t-1");
    let nobody = bench.control("/clock/listeners", Some(json!({"url": "http://127.0.0.1:9/", "token": ""}))).await;
    assert_eq!(nobody.status, 502);
}

#[tokio::test]
async fn a_restart_keeps_ports_keys_time_and_the_book() {
    let mut bench = Bench::new().await;
    bench.advance(90).await;
    let before = (bench.urls.clone(), bench.credentials.clone());
    let keys = &bench.credentials["wechatpay"];
    let wish = json!({
        "appid": keys["appid"], "mchid": keys["mchid"], "description": "x", "out_trade_no": "KEPT-0001",
        "notify_url": "http://127.0.0.1:9/n", "amount": {"total": 5, "currency": "CNY"},
    });
    let code = bench.wechat(Method::POST, "/v3/pay/transactions/native", wish).await.body["code_url"].clone();
    bench.phone("pay", code.as_str().unwrap()).await;
    let book = bench.book().await;
    bench.restart().await;
    assert_eq!(
        (&bench.urls.duffel, &bench.urls.oauth, &bench.urls.phone),
        (&before.0.duffel, &before.0.oauth, &before.0.phone)
    );
    assert_eq!(bench.control("/credentials", None).await.body, before.1);
    let after = bench.book().await;
    assert_eq!((&after["payments"], &after["clock"]["offset_us"]), (&book["payments"], &json!(5_400_000_000_i64)));
    assert_eq!(bench.phone("pay", code.as_str().unwrap()).await.status, 409);
}

#[tokio::test]
async fn files_belong_to_their_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("sandbox");
    let listen = std::net::Ipv4Addr::LOCALHOST.into();
    let config = zhiyou_sandbox::Config {
        data_dir: data_dir.clone(),
        seed: 1,
        account: zhiyou_sandbox::AccountCurrency::default(),
        listen,
        virtual_clock: false,
        control_token: Some("given".to_owned()),
    };
    let sandbox = zhiyou_sandbox::start(config).await.unwrap();
    assert_eq!(sandbox.announcement().control_token, "given");
    assert!(!format!("{:?}", sandbox.announcement()).contains("given"));
    #[cfg(unix)]
    for entry in std::fs::read_dir(&data_dir).unwrap() {
        use std::os::unix::fs::PermissionsExt;
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", entry.file_name());
    }
    sandbox.stop().await;
}
