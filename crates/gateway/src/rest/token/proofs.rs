//! Proofs of a key (RFC 9449) at our own doors: no proof is a credential, genuine or not, and a token that is bound to a
//! key is none without one (rows OA-62 and OA-63).

use super::super::{
    defence::{Defence, take_away},
    router,
};
use crate::{
    Clock,
    config::{Profile, RestConfig, rest_sample, tests::sample},
    gate::Gate,
    http::Http,
    inbox::Inbox,
    mcp::{
        self, Server,
        http::{Agents, Doors},
        pace::Pace,
        page::Pages,
        scope::Resource,
    },
    pay::{Channels, desk::Desk, turns::Turns, wechatpay::Wechatpay},
    rest::token::Tokens,
    store::Store,
};
use aws_lc_rs::{
    digest, hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use zhiyou_domain::{port::payments::Channel, time::UtcMicros};

const KEY: &str = "q3Z8vT1nW6yB4kR9mC2xJ7hL5sD0fGaE";
const NOW_S: i64 = 1_795_141_500;
const CREATE: &str = "/api/v1/payment/orders/create";
const PAYMENTS: &str = "/mcp/payments";

/// A case of an attack, and whether it got in.
type Seen = Vec<(&'static str, bool)>;

struct Frozen;

impl Clock for Frozen {
    fn now(&self) -> UtcMicros {
        UtcMicros(NOW_S * 1_000_000)
    }
}

fn encode(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

/// A key of a client that proves it, as RFC 9449 wants.
struct Client(EcdsaKeyPair);

impl Client {
    fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn public(&self) -> Value {
        let point = self.0.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        json!({"crv": "P-256", "kty": "EC", "x": x, "y": y})
    }

    /// Its thumbprint (RFC 7638): the public key's members in their order.
    fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, self.public().to_string().as_bytes()))
    }

    /// A proof for `url` and `token`, then changed.
    fn proof(&self, method: &str, url: &str, token: &str, change: impl FnOnce(&mut Value)) -> String {
        let hash = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, token.as_bytes()));
        let mut claims = json!({"jti": "jti-1", "htm": method, "htu": url, "iat": NOW_S, "ath": hash});
        change(&mut claims);
        let header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": self.public()});
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// The same proof under a header that names another algorithm.
fn renamed(proof: &str, alg: &str, key: &str) -> String {
    let claims = proof.split('.').nth(1).unwrap();
    let signed = format!("{}.{claims}", encode(&json!({"typ": "dpop+jwt", "alg": alg})));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), signed.as_bytes());
    if alg == "none" { format!("{signed}.") } else { format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag)) }
}

/// A genuine token for one of our doors, bound to a key where one is named.
fn token(door: &str, key: Option<&str>) -> String {
    let audience = if door == PAYMENTS { "zhiyou/mcp" } else { "zhiyou" };
    let mut claims = json!({"sub": "user-1", "aud": audience, "exp": NOW_S + 600});
    if let Some(key) = key {
        claims["cnf"] = json!({"jkt": key});
    }
    let signed = format!("{}.{}", encode(&json!({"alg": "HS256", "typ": "JWT"})), encode(&claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes()), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// Both doors on a real socket: the REST surface, and the tools for agents.
struct Doorway {
    _folder: tempfile::TempDir,
    address: String,
    store: Store,
}

impl Doorway {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let (clock, tracker): (Arc<dyn Clock>, _) = (Arc::new(Frozen), TaskTracker::new());
        let merchant = sample(folder.path().to_owned(), "http://127.0.0.1:1", "http://127.0.0.1:2").wechatpay;
        let channel = Wechatpay::new(&merchant, Http::new(Profile::Sandbox).unwrap(), Arc::clone(&clock)).unwrap();
        let channels = Channels::default().with(Channel::Wechatpay, Arc::new(channel));
        let desk = Desk {
            store: store.clone(),
            channels: channels.clone(),
            clock: Arc::clone(&clock),
            notify_base: "http://127.0.0.1:1".to_owned(),
            turns: Turns::default(),
            caps: Arc::default(),
            settlements: Arc::default(),
            instalments: Arc::default(),
            credits: Arc::default(),
            guesses: Default::default(),
            weights: None,
        };
        let gate = Gate::new(desk).unwrap();
        let config = RestConfig { jwt_keys: vec![KEY.to_owned().into()], ..rest_sample() };
        let resource = Resource::new("http://127.0.0.1:1", "payments", &[]);
        let inbox = Inbox::new(store.clone(), channels, Arc::clone(&clock), Profile::Sandbox);
        let tools = mcp::agents::tools(&gate, &Pages::default());
        let payments = Server::new("payments", Vec::new(), tracker.clone()).with_agents(tools);
        let tokens = Tokens::of_agents(&config, &resource);
        let agents = Agents { tokens, resource: resource.clone(), pace: Pace::default() };
        let doors = Doors { engine: None, agents: Some(Arc::new(agents)), clock };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let address = format!("http://{authority}");
        let (hosts, origins) = (vec![authority], vec![address.clone()]);
        let tools = mcp::http::router(&[payments], &doors, &hosts, &origins, &CancellationToken::new());
        let routes = router(&config, &resource, gate, inbox, tracker).merge(tools);
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { _folder: folder, address, store }
    }

    /// Knocks at a door; whether it opened. A refusal is 401 and has done nothing.
    async fn knock(&self, door: &str, scheme: &str, token: &str, proof: &str) -> bool {
        let before = self.orders().await;
        let body = if door == PAYMENTS {
            let params = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}});
            json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})
        } else {
            json!({"kind": "product", "reference": "r", "description": "d", "amount": {"minor": 100, "currency": "CNY"}})
        };
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client
            .post(format!("{}{door}", self.address))
            .header("authorization", format!("{scheme} {token}"))
            .header("dpop", proof)
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json")
            .header("idempotency-key", "k");
        let status = request.body(body.to_string()).send().await.unwrap().status().as_u16();
        assert!(matches!(status, 200 | 201 | 401), "{door}: {status}");
        assert!(status != 401 || self.orders().await == before, "refused, and created all the same");
        status != 401
    }

    async fn orders(&self) -> i64 {
        let (count,): (i64,) =
            sqlx::query_as("SELECT count(*) FROM shop_orders").fetch_one(self.store.reader()).await.unwrap();
        count
    }
}

/// Runs the attack with all defences, where no case may get in, and without this one, where every case has to.
async fn stands(taken: Defence, attack: impl AsyncFn() -> Seen) {
    let seen = attack().await;
    assert!(!seen.is_empty() && seen.iter().all(|(_, got_in)| !got_in), "{seen:?}: got in");
    take_away(Some(taken));
    let seen = attack().await;
    take_away(None);
    assert!(seen.iter().all(|(_, got_in)| *got_in), "{seen:?}: refused even without {}", taken.word());
}

/// The six ways in which a proof does not fit (RFC 9449 §4.3), for a token and the request it is shown with.
fn wrong_proofs(client: &Client, url: &str, token: &str) -> Vec<(&'static str, String)> {
    let genuine = client.proof("POST", url, token, |_| {});
    let changed = |change: fn(&mut Value)| client.proof("POST", url, token, change);
    vec![
        ("another address", changed(|claims| claims["htu"] = json!("https://elsewhere.example/"))),
        ("another method", changed(|claims| claims["htm"] = json!("GET"))),
        ("another token", changed(|claims| claims["ath"] = json!(encode(&json!("another"))))),
        ("another key", Client::new().proof("POST", url, token, |_| {})),
        ("long ago", changed(|claims| claims["iat"] = json!(NOW_S - 301))),
        ("in the future", changed(|claims| claims["iat"] = json!(NOW_S + 301))),
        ("no algorithm", renamed(&genuine, "none", KEY)),
        ("an algorithm of shared keys", renamed(&genuine, "HS256", KEY)),
    ]
}

#[tokio::test]
async fn oa_62_a_proof_that_is_shown_twice_opens_nothing_either_time() {
    stands(Defence::Unbound, async || {
        let (doorway, client, mut seen) = (Doorway::open().await, Client::new(), Vec::new());
        for door in [CREATE, PAYMENTS] {
            let token = token(door, Some(&client.thumbprint()));
            let proof = client.proof("POST", &format!("{}{door}", doorway.address), &token, |_| {});
            for time in ["the first time", "the second time"] {
                seen.push((time, doorway.knock(door, "Bearer", &token, &proof).await));
                let by_proof = doorway.knock(door, "DPoP", &token, &proof).await;
                assert!(!by_proof, "{door}: {time}, by the scheme of proofs");
            }
        }
        seen
    })
    .await;
}

#[tokio::test]
async fn oa_63_a_token_that_is_bound_to_a_key_is_no_bearer_token_whatever_proof_comes_with_it() {
    stands(Defence::Unbound, async || {
        let (doorway, client, mut seen) = (Doorway::open().await, Client::new(), Vec::new());
        for door in [CREATE, PAYMENTS] {
            let token = token(door, Some(&client.thumbprint()));
            seen.push(("no proof at all", doorway.knock(door, "Bearer", &token, "").await));
            for (name, proof) in wrong_proofs(&client, &format!("{}{door}", doorway.address), &token) {
                seen.push((name, doorway.knock(door, "Bearer", &token, &proof).await));
            }
        }
        seen
    })
    .await;
}

#[tokio::test]
async fn oa_63_the_scheme_of_proofs_is_no_way_in_whatever_the_proof() {
    stands(Defence::Scheme, async || {
        let (doorway, client, mut seen) = (Doorway::open().await, Client::new(), Vec::new());
        for door in [CREATE, PAYMENTS] {
            let token = token(door, None);
            for (name, proof) in wrong_proofs(&client, &format!("{}{door}", doorway.address), &token) {
                seen.push((name, doorway.knock(door, "DPoP", &token, &proof).await));
            }
        }
        seen
    })
    .await;
    let (doorway, client) = (Doorway::open().await, Client::new());
    for door in [CREATE, PAYMENTS] {
        let token = token(door, None);
        let proof = client.proof("POST", &format!("{}{door}", doorway.address), &token, |_| {});
        assert!(!doorway.knock(door, "DPoP", &token, &proof).await, "{door}: also where the proof fits");
        assert!(doorway.knock(door, "Bearer", &token, "").await, "{door}: the token is good as what it is");
    }
}

#[test]
fn every_defence_of_who_calls_is_in_the_table() {
    let table = include_str!("../../../../../docs/faults.md");
    for known in Defence::ALL {
        assert!(table.lines().any(|line| line.ends_with(&format!("| `{}` |", known.word()))), "{known:?}");
    }
}
