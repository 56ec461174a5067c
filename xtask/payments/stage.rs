//! A sandbox and a gateway in this process, the payment tools over MCP, and a platform key of our own to sign notifications with.
//!
//! Deliberately not here: what is measured.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    encoding::{AsDer, PublicKeyX509Der},
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::{StreamExt, stream};
use rmcp::{RoleClient, ServiceExt, model::CallToolRequestParams, service::RunningService};
use serde_json::{Value, json};
use std::{error::Error, net::Ipv4Addr, path::Path, sync::Arc};
use ulid::Ulid;
use zhiyou_domain::{id::AttemptId, time::UtcMicros};
use zhiyou_gateway::{Clock, Gateway, PlatformKeyConfig};
use zhiyou_sandbox::{Config, Sandbox};

/// What every payment is about, fen.
const TOTAL: i64 = 29_901;
/// What our own platform key is called.
const KEY_ID: &str = "PUB_KEY_ID_0000000000000000000000000001";

struct Machine;

impl Clock for Machine {
    fn now(&self) -> UtcMicros {
        now()
    }
}

fn now() -> UtcMicros {
    UtcMicros(jiff::Timestamp::now().as_microsecond())
}

/// A signed notification, ready to be sent.
#[derive(Clone)]
pub(crate) struct Notice {
    pub(crate) timestamp: String,
    pub(crate) nonce: String,
    pub(crate) signature: Vec<u8>,
    pub(crate) body: String,
}

impl Notice {
    /// What the signature is over.
    pub(crate) fn message(&self) -> Vec<u8> {
        format!("{}\n{}\n{}\n", self.timestamp, self.nonce, self.body).into_bytes()
    }
}

/// Everything that runs.
pub(crate) struct Stage {
    sandbox: Sandbox,
    pub(crate) gateway: Gateway,
    tools: RunningService<RoleClient, ()>,
    key: KeyPair,
    credentials: Value,
    pub(crate) http: reqwest::Client,
}

impl Stage {
    pub(crate) async fn start(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let config = Config {
            data_dir: folder.join("sandbox"),
            seed: 1,
            account: zhiyou_sandbox::AccountCurrency::default(),
            listen: Ipv4Addr::LOCALHOST.into(),
            virtual_clock: false,
            control_token: None,
        };
        let sandbox = zhiyou_sandbox::start(config).await?;
        let http = reqwest::Client::builder().no_proxy().build()?;
        let announced = sandbox.announcement();
        let request = http.get(format!("{}/credentials", announced.control)).bearer_auth(&announced.control_token);
        let credentials: Value = request.send().await?.error_for_status()?.json().await?;
        let key = KeyPair::generate(KeySize::Rsa2048)?;
        let mut config =
            zhiyou_gateway::sandbox_config(folder.join("gateway"), &serde_json::to_value(announced)?).await?;
        let pem = pem(key.public_key())?;
        config.wechatpay.platform_keys.push(PlatformKeyConfig { serial: KEY_ID.to_owned(), pem });
        let gateway = zhiyou_gateway::start(config, Arc::new(Machine)).await?;
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        gateway.serve_payments(theirs);
        let tools = ().serve(ours).await?;
        Ok(Self { sandbox, gateway, tools, key, credentials, http })
    }

    pub(crate) async fn stop(self) {
        self.gateway.stop().await;
        self.sandbox.stop().await;
    }

    /// A tool's answer; only a success is one.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Result<Value, Box<dyn Error>> {
        let Value::Object(arguments) = arguments else { return Err("arguments are an object".into()) };
        let call = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        let answer = self.tools.call_tool(call).await?.structured_content.unwrap_or(Value::Null);
        if answer["status"] == "done" { Ok(answer["result"].clone()) } else { Err(format!("{tool}: {answer}").into()) }
    }

    /// Payments that wait for their payer.
    pub(crate) async fn open_payments(&self, count: usize, width: usize) -> Result<Vec<AttemptId>, Box<dyn Error>> {
        let open = |_| async move {
            let attempt = AttemptId::from_ulid(Ulid::generate());
            let wish = json!({
                "attemptId": attempt, "channel": "wechatpay", "amount": { "amountMinor": TOTAL, "currency": "CNY" },
                "description": "智游 上海三日", "expiresAtUs": now().plus_minutes(60),
            });
            self.call("openPayment", wish).await.map(|_| attempt)
        };
        let opened: Vec<Result<AttemptId, _>> =
            stream::iter(0..count).map(open).buffer_unordered(width.max(1)).collect().await;
        opened.into_iter().collect()
    }

    /// The notification that a payment was paid, as the channel would write and sign it now.
    pub(crate) fn notice(&self, attempt: AttemptId, number: usize) -> Result<Notice, Box<dyn Error>> {
        let keys = &self.credentials["wechatpay"];
        let paid = json!({
            "appid": keys["appid"], "mchid": keys["mchid"], "out_trade_no": attempt.bare(),
            "transaction_id": format!("4200001{number:021}"), "trade_type": "NATIVE", "trade_state": "SUCCESS",
            "trade_state_desc": "支付成功", "bank_type": "OTHERS", "success_time": now().to_rfc3339(),
            "payer": { "openid": "oSandboxTraveller0000000001" },
            "amount": { "total": TOTAL, "payer_total": TOTAL, "currency": "CNY", "payer_currency": "CNY" },
        });
        let nonce = format!("{number:012}");
        let apiv3 = keys["apiv3_key"].as_str().ok_or("no key")?;
        let seal = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, apiv3.as_bytes())?);
        let mut bytes = paid.to_string().into_bytes();
        let at = Nonce::try_assume_unique_for_key(nonce.as_bytes())?;
        seal.seal_in_place_append_tag(at, Aad::from("transaction"), &mut bytes)?;
        let body = json!({
            "id": format!("bench-{}", attempt.bare()), "create_time": now().to_rfc3339(),
            "event_type": "TRANSACTION.SUCCESS", "resource_type": "encrypt-resource", "summary": "支付成功",
            "resource": {
                "original_type": "transaction", "algorithm": "AEAD_AES_256_GCM", "ciphertext": STANDARD.encode(bytes),
                "associated_data": "transaction", "nonce": nonce,
            },
        });
        let mut notice = Notice {
            timestamp: now().0.div_euclid(1_000_000).to_string(),
            nonce: format!("{number:032}"),
            signature: vec![0; self.key.public_modulus_len()],
            body: body.to_string(),
        };
        let message = notice.message();
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &message, &mut notice.signature)?;
        Ok(notice)
    }

    /// Where notifications of the channel arrive.
    pub(crate) fn inbox(&self) -> String {
        format!("{}/notify/wechatpay", self.gateway.base_url())
    }

    /// Sends a notification; whether it was taken.
    pub(crate) async fn send(&self, notice: &Notice) -> Result<bool, reqwest::Error> {
        let request = self.http.post(self.inbox()).header("content-type", "application/json");
        let request = request
            .header("wechatpay-timestamp", &notice.timestamp)
            .header("wechatpay-nonce", &notice.nonce)
            .header("wechatpay-serial", KEY_ID)
            .header("wechatpay-signature-type", "WECHATPAY2-SHA256-RSA2048")
            .header("wechatpay-signature", STANDARD.encode(&notice.signature));
        Ok(request.body(notice.body.clone()).send().await?.status().is_success())
    }

    /// Our public key, as a verifier takes it.
    pub(crate) fn public_key(&self) -> Vec<u8> {
        self.key.public_key().as_ref().to_vec()
    }
}

fn pem(key: &aws_lc_rs::rsa::PublicKey) -> Result<String, Box<dyn Error>> {
    let der: PublicKeyX509Der<'_> = key.as_der()?;
    let text = STANDARD.encode(der.as_ref());
    let lines: Vec<&str> = (0..text.len()).step_by(64).filter_map(|at| text.get(at..text.len().min(at + 64))).collect();
    Ok(format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n")))
}
