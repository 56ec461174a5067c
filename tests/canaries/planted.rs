//! The secrets: made here, or read where they came into being, and never found anywhere else.
//!
//! Deliberately not here: planting them (see `life`).

use aws_lc_rs::rand::SystemRandom;
use serde_json::Value;
use sqlx::AnyPool;
use std::{collections::BTreeMap, path::Path, sync::Arc};
use zhiyou_engine::{
    ports::KeyStore,
    store::Db,
    vault::{Place, Vault},
};

/// One secret.
#[derive(Clone, Debug)]
pub(crate) struct Planted {
    /// What it is; decides where it may be.
    pub(crate) kind: &'static str,
    /// Its bytes.
    pub(crate) secret: Vec<u8>,
}

impl Planted {
    pub(crate) fn text(kind: &'static str, text: &str) -> Self {
        Self { kind, secret: text.as_bytes().to_vec() }
    }
}

/// All secrets of a life.
#[derive(Default)]
pub(crate) struct Nest {
    made: u64,
    pub(crate) planted: Vec<Planted>,
}

impl Nest {
    /// Keeps a secret that came into being elsewhere.
    pub(crate) fn keep(&mut self, kind: &'static str, secret: impl Into<Vec<u8>>) {
        let secret = secret.into();
        assert!(secret.len() >= 8, "{kind} is too short to be told from noise");
        if !self.planted.iter().any(|known| known.secret == secret) {
            self.planted.push(Planted { kind, secret });
        }
    }

    /// A number that never comes again and looks like nothing else.
    fn next(&mut self) -> u64 {
        self.made += 1;
        // Spread over all digits; odd, so that no two are alike.
        self.made.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    /// Ten to twelve letters.
    pub(crate) fn letters(&mut self, kind: &'static str) -> String {
        let mut number = self.next();
        let letters: String = std::iter::repeat_with(|| {
            let letter = char::from(b'a' + u8::try_from(number % 26).unwrap());
            number /= 26;
            letter
        })
        .take(12)
        .collect();
        self.keep(kind, letters.clone());
        letters
    }

    /// So many digits, the first of them not zero.
    pub(crate) fn digits(&mut self, kind: &'static str, count: usize) -> String {
        let text = format!("{:020}", self.next());
        let digits = format!("7{}", &text[21 - count..]);
        self.keep(kind, digits.clone());
        digits
    }

    /// How many of each kind.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for planted in &self.planted {
            *counts.entry(planted.kind).or_default() += 1;
        }
        counts
    }

    /// State and proof key of the visit under way, opened with the installation's own key.
    pub(crate) async fn keep_visit(&mut self, folder: &Path, keys: &Arc<dyn KeyStore>) {
        let (db, vault) = opened(folder, keys).await;
        let (platform, attempt, body): (String, String, Vec<u8>) =
            sqlx::query_as("SELECT platform, attempt, body FROM pending_sign_ins")
                .fetch_one(db.reader())
                .await
                .unwrap();
        let row = format!("{platform}/{attempt}");
        let place = Place { table: "pending_sign_ins", row: &row, column: "body" };
        let visit: Value = serde_json::from_slice(&vault.open_sealed(&place, &body).unwrap()).unwrap();
        self.keep("state", visit["state"].as_str().unwrap());
        self.keep("verifier", visit["verifier"].as_str().unwrap());
        db.close().await;
    }

    /// The root key, and the private part of every consent key.
    pub(crate) async fn keep_keys(&mut self, folder: &Path, keys: &Arc<dyn KeyStore>) {
        self.keep("root key", keys.read().unwrap().unwrap().to_vec());
        let (db, vault) = opened(folder, keys).await;
        for id in vault.ids("consent_key").await.unwrap() {
            let document = vault.get("consent_key", &id).await.unwrap().unwrap();
            // RFC 8410: the seed follows sixteen bytes that are the same for all keys.
            self.keep("consent key", document[16..48].to_vec());
        }
        db.close().await;
    }

    /// Every code and token the club ever gave.
    pub(crate) async fn keep_tokens(&mut self, sandbox: &Path) {
        self.keep_tokens_of("oauth", sandbox).await;
    }

    /// Every code and token this platform ever gave.
    pub(crate) async fn keep_tokens_of(&mut self, platform: &str, sandbox: &Path) {
        sqlx::any::install_default_drivers();
        let pool = AnyPool::connect(&format!("sqlite://{}?mode=ro", sandbox.display())).await.unwrap();
        for kind in ["code", "access", "refresh"] {
            let asked = sqlx::query_as("SELECT id FROM documents WHERE kind = $1").bind(format!("{platform}_{kind}"));
            let rows: Vec<(String,)> = asked.fetch_all(&pool).await.unwrap();
            rows.into_iter().for_each(|(token,)| self.keep(kind, token));
        }
        pool.close().await;
    }

    /// What the gateway was given to prove itself with.
    pub(crate) fn keep_credentials(&mut self, credentials: &Value) {
        for (kind, pointer) in [
            ("gateway key", "/duffel/token"),
            ("webhook secret", "/duffel/webhook_secret"),
            ("gateway key", "/viator/key"),
            ("gateway key", "/wechatpay/apiv3_key"),
            ("gateway key", "/stripe/secret_key"),
            ("gateway key", "/paypal/client_secret"),
        ] {
            self.keep(kind, credentials.pointer(pointer).and_then(Value::as_str).expect(pointer));
        }
        for secret in credentials["stripe"]["webhook_secrets"].as_array().unwrap() {
            self.keep("gateway key", secret.as_str().unwrap());
        }
        // A key is found by any of its inner lines.
        for pointer in [
            "/wechatpay/merchant_private_key_pem",
            "/alipay/app_private_key_pem",
            "/alipayplus/merchant_private_key_pem",
        ] {
            let pem = credentials.pointer(pointer).and_then(Value::as_str).expect(pointer);
            let lines: Vec<&str> = pem.lines().filter(|line| line.len() == 64).collect();
            assert!(lines.len() > 10, "{pointer}");
            // The first lines name the kind of key and are no secret.
            lines[2..].iter().for_each(|line| self.keep("gateway key", *line));
        }
    }
}

async fn opened(folder: &Path, keys: &Arc<dyn KeyStore>) -> (Db, Vault) {
    let db = Db::open(folder).await.unwrap();
    let vault = Vault::open(db.clone(), Arc::clone(keys), SystemRandom::new()).await.unwrap();
    (db, vault)
}
