//! The life, and the search afterwards.
//!
//! What may be where is the list in [`allowed`], and nothing else may be anywhere.

use crate::{
    planted::{Nest, Planted},
    search::Needles,
    world::{World, request_id, sample},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};
use tracing_subscriber::{EnvFilter, Layer, fmt::MakeWriter, layer::SubscriberExt, util::SubscriberInitExt};
use url::Url;
use zeroize::Zeroizing;
use zhiyou_domain::app::ROOT;
use zhiyou_embedded::{logging, runtime::Client};
use zhiyou_engine::{
    api::NAMES,
    ports::{KeyStore, KeyStoreError},
};

/// People kept by hand.
const PEOPLE: usize = 108;
/// Visits to the platform.
const VISITS: usize = 20;

/// Whether a secret of this kind is meant to be here. One line for each place that holds or shows one on purpose.
fn allowed(kind: &str, place: &str) -> bool {
    match place {
        // A person asked for everything that is kept about them, in the clear.
        place if place.starts_with("exports/my-data-whole-") => {
            ["passport", "e-mail", "phone", "name", "member number"].contains(&kind)
        }
        // An export that did not ask for everything whole.
        place if place.starts_with("exports/my-data-") => kind == "name",
        // Names tell travellers apart; the address of a visit can be opened by hand, and carries its state.
        "answers to commands" => ["name", "state"].contains(&kind),
        // The merchant's own database: how suppliers sign, told only once, and notifications as they came, which are the
        // evidence in a dispute and name the payer's account.
        "gateway.db" | "gateway.db-wal" => ["webhook secret", "payer"].contains(&kind),
        // How tools of this person find the running app; readable by this person alone.
        "runtime.json" => kind == "control token",
        _ => false,
    }
}

/// A place that was searched.
struct Searched {
    name: String,
    bytes: Vec<u8>,
}

fn searched(name: &str, bytes: impl Into<Vec<u8>>) -> Searched {
    Searched { name: name.to_owned(), bytes: bytes.into() }
}

/// Every secret that is where it may not be.
fn misplaced(planted: &[Planted], places: &[Searched]) -> BTreeSet<String> {
    let needles = Needles::of(planted);
    let mut misplaced = BTreeSet::new();
    for place in places {
        for number in needles.found_in(&place.bytes) {
            let found = &planted[number];
            if !allowed(found.kind, &place.name) {
                let text = String::from_utf8_lossy(&found.secret);
                misplaced.insert(format!("{}: {} {text}", place.name, found.kind));
            }
        }
    }
    misplaced
}

/// Every file below the folder, by its name in it.
fn files(folder: &Path) -> Vec<Searched> {
    let (mut waiting, mut found) = (vec![folder.to_path_buf()], Vec::new());
    while let Some(next) = waiting.pop() {
        for entry in std::fs::read_dir(next).unwrap().flatten() {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            if kind.is_dir() {
                waiting.push(path);
            } else if kind.is_file() {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                found.push(Searched { name, bytes: std::fs::read(&path).unwrap() });
            }
        }
    }
    found
}

/// Lines of a log, kept.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn holds(place: &[u8], text: &str) -> bool {
    place.windows(text.len()).any(|window| window == text.as_bytes())
}

fn environment() -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in std::env::vars_os() {
        bytes.extend(name.as_encoded_bytes());
        bytes.push(b'=');
        bytes.extend(value.as_encoded_bytes());
        bytes.push(b'\n');
    }
    bytes.extend(std::fs::read("/proc/self/environ").unwrap_or_default());
    bytes.extend(std::fs::read("/proc/self/cmdline").unwrap_or_default());
    bytes
}

/// A system without a keyring.
pub(crate) struct NoKeyring;

impl KeyStore for NoKeyring {
    fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, KeyStoreError> {
        Err(KeyStoreError::Missing("none".to_owned()))
    }
    fn write(&self, _: &[u8]) -> Result<(), KeyStoreError> {
        Err(KeyStoreError::Missing("none".to_owned()))
    }
    fn delete(&self) -> Result<(), KeyStoreError> {
        Err(KeyStoreError::Missing("none".to_owned()))
    }
}

/// The example plan with a traveller of secrets.
pub(crate) fn plan(nest: &mut Nest) -> String {
    let mut plan: Value = serde_json::from_str(&sample()).unwrap();
    let traveller = &mut plan["travellers"][0];
    traveller["display_name"] = json!(format!("夏{}", nest.letters("name")));
    traveller["given_name"] = json!(nest.letters("name"));
    traveller["family_name"] = json!(nest.letters("name"));
    traveller["email"] = json!(format!("{}@example.com", nest.letters("e-mail")));
    traveller["phone_number"] = json!(format!("+{}", nest.digits("phone", 13)));
    plan.to_string()
}

pub(crate) fn person(nest: &mut Nest) -> Value {
    let documents: Vec<Value> = ["passport", "identity_card", "travel_permit"]
        .map(|kind| {
            let number = format!("E{}", nest.digits("passport", 12));
            json!({ "id": null, "kind": kind, "number": number, "country": "CN", "expires_on": "2031-01-02" })
        })
        .to_vec();
    let loyalty: Vec<Value> = ["ZZ", "YY"]
        .map(|programme| json!({ "programme": programme, "number": nest.digits("member number", 14) }))
        .to_vec();
    json!({
        "traveller_id": format!("trv_{}", ulid::Ulid::generate()),
        "display_name": format!("夏{}", nest.letters("name")), "title": "ms", "gender": "f",
        "given_name": nest.letters("name"), "family_name": nest.letters("name"),
        "born_on": "1992-03-14", "email": format!("{}@example.com", nest.letters("e-mail")),
        "phone_number": format!("+{}", nest.digits("phone", 13)), "residence_country": "CN",
        "documents": documents, "loyalty": loyalty, "seat": "window", "meal": "any",
    })
}

/// Signs in and out again and again, by both ways back, with forged returns in between.
async fn visits(world: &World, nest: &mut Nest) {
    let folder = world.data_dir.path();
    for number in 0..VISITS {
        let way = if number % 2 == 0 { "deep_link" } else { "loopback" };
        world.call("login_to_platform", json!({ "platform": "zz-club", "return_by": way })).await;
        nest.keep_visit(folder, &world.keys).await;
        let visit = world.opened();
        let junk = nest.letters("junk");
        let engine = world.app().engine();
        engine.deep_link(&format!("{ROOT}auth/zz-club?code={junk}&state={junk}&iss={junk}")).await;
        engine.deep_link(&format!("{ROOT}open/order/{junk}")).await;
        engine.deep_link(&format!("{ROOT}pay/{junk}")).await;
        engine.deep_link(&format!("{junk}://{junk}")).await;
        let back = world.approve(&visit).await;
        if way == "deep_link" {
            engine.deep_link(&back).await;
            engine.deep_link(&back).await;
        } else {
            let mut forged = Url::parse(&back).unwrap();
            forged.set_query(Some(&format!("code={junk}&state={junk}")));
            assert_eq!(world.http.get(forged).send().await.unwrap().status(), 400);
            assert_eq!(world.http.get(back).send().await.unwrap().status(), 200);
        }
        let rows = world.call("list_sign_ins", json!({ "plan_id": null })).await;
        assert_eq!(rows[0]["state"]["kind"], "connected", "{rows}");
        if number + 1 < VISITS {
            world.call("disconnect", json!({ "platform": "zz-club" })).await;
        }
    }
}

/// Answers of the platform that hold what must not be believed or written down.
async fn lying_platform(world: &World, nest: &mut Nest) {
    for (op, status) in [("token", 400), ("token", 200), ("token", 500), ("metadata", 200)] {
        let junk = nest.letters("junk");
        let body = json!({ "error": junk, "error_description": junk, "access_token": junk, "token_type": junk });
        world.call("disconnect", json!({ "platform": "zz-club" })).await;
        let lie =
            json!({ "provider": "oauth", "switch": "answer", "op": op, "status": status, "body": body, "times": 1 });
        if op == "metadata" {
            world.scenario(lie).await;
            assert!(world.ask("login_to_platform", sign_in()).await.is_err());
            continue;
        }
        world.call("login_to_platform", sign_in()).await;
        nest.keep_visit(world.data_dir.path(), &world.keys).await;
        let visit = world.opened();
        let back = world.approve(&visit).await;
        world.scenario(lie).await;
        world.app().engine().deep_link(&back).await;
    }
    world.scenario(json!({ "reset": true, "provider": "oauth" })).await;
    world.call("login_to_platform", sign_in()).await;
    let visit = world.opened();
    let back = world.approve(&visit).await;
    world.app().engine().deep_link(&back).await;
}

fn sign_in() -> Value {
    json!({ "platform": "zz-club", "return_by": "deep_link" })
}

/// An order of this plan with a chosen seat.
async fn seated(world: &World, plan: &Value) -> Value {
    let order = world.call("prepare_order", json!({ "plan_id": plan["id"], "request_id": request_id() })).await;
    let order = world.until_next(&order, "choose_seats").await;
    world.take_seat(&order).await;
    order
}

/// An order of this plan, confirmed.
async fn payable(world: &World, plan: &Value, channel: &str) -> Value {
    let order = seated(world, plan).await;
    let order = world.until_next(&order, "confirm").await;
    let wish = json!({
        "order_id": order["id"], "cart_hash": order["cart_hash"], "channel": channel, "request_id": request_id(),
    });
    world.call("confirm_order", wish).await;
    order
}

/// An order from its plan to its refund, paid by this channel.
async fn order(world: &World, text: &str, channel: &str) -> Value {
    let plan = world.import(text).await;
    let order = payable(world, &plan, channel).await;
    let about = json!({ "order_id": order["id"] });
    match channel {
        "wechatpay" | "alipay" => {
            let payable = |order: &Value| order["payment"]["qr"]["content"].is_string();
            let order = world.until(&order, "payable", payable).await;
            assert!(world.phone("pay", &order).await.is_success());
        }
        // PayPal takes no yuan, and the suppliers of the sandbox no other money from this plan.
        _ => {
            world.until(&order, "payable", |order| order["payment"]["state"] == "requires_action").await;
            world.call("open_payment", about.clone()).await;
            let page = world.opened();
            assert!(!world.http.post(page).form(&[("card", "4242")]).send().await.unwrap().status().is_client_error());
        }
    }
    let order = world.until_state(&order, "confirmed").await;
    let quote = json!({ "order_id": order["id"], "item_ids": [], "reason": "not_said", "request_id": request_id() });
    world.call("quote_cancellation", quote).await;
    let order = world.until(&order, "quoted", |order| order["can"]["accept_cancellation"] == true).await;
    let accept = json!({
        "order_id": order["id"], "quote_id": order["cancellation"]["quote_id"], "request_id": request_id(),
    });
    world.call("accept_cancellation", accept).await;
    world.until(&order, "refunded", |order| order["state"] == "refunded").await
}

/// Suppliers that repeat in their refusals whom they were asked for: one at the hold, one at a booking that is paid.
async fn repeating_suppliers(world: &World, nest: &mut Nest) {
    for op in ["create_order", "book_stay"] {
        let text = plan(nest);
        let plan: Value = serde_json::from_str(&text).unwrap();
        let who = ["family_name", "given_name", "display_name", "email", "phone_number"];
        let who = who.map(|field| plan["travellers"][0][field].as_str().unwrap());
        let no = json!({
            "provider": "duffel", "switch": "decline", "op": op, "type": "airline_error", "code": "duplicate_booking",
            "message": format!("there is a booking for {}", who.join("/")),
        });
        let plan = world.import(&text).await;
        if op == "create_order" {
            world.scenario(no).await;
            let order = seated(world, &plan).await;
            world.until_next(&order, "done").await;
            continue;
        }
        let order = payable(world, &plan, "wechatpay").await;
        world.scenario(no).await;
        let with_code = |order: &Value| order["payment"]["qr"]["content"].is_string();
        let order = world.until(&order, "payable", with_code).await;
        assert!(world.phone("pay", &order).await.is_success());
        world.until_next(&order, "done").await;
    }
}

/// Everything refused that can be: secrets where they do not belong, in every command.
async fn refusals(world: &World, nest: &mut Nest) {
    for name in NAMES {
        let junk = nest.letters("junk");
        for payload in [
            json!(junk),
            json!({ "text": junk, "order_id": junk, "plan_id": junk, "traveller_id": junk, "platform": junk }),
            json!({ "order_id": junk }),
            json!({ "plan_id": junk }),
            json!({ "platform": junk, "return_by": junk }),
            json!({ "platform": junk }),
            json!({ "passphrase": junk }),
            json!({ "after": junk }),
            json!({ "text": junk, "request_id": request_id() }),
            json!({ "action": junk, "resource": junk, "from_us": null, "to_us": null, "before": null }),
        ] {
            // Searching for a secret finds nothing and is no refusal.
            let _ = world.ask(name, payload).await;
        }
    }
    let junk = nest.letters("junk");
    assert!(world.ask(&junk, json!({})).await.is_err(), "a command of this name");
    let good: Value = serde_json::from_str(&plan(nest)).unwrap();
    for pointer in [
        "/format",
        "/title",
        "/destinations/0",
        "/starts_on",
        "/budget/amount",
        "/budget/currency",
        "/travellers",
        "/travellers/0/title",
        "/travellers/0/gender",
        "/travellers/0/born_on",
        "/travellers/0/email",
        "/travellers/0/phone_number",
        "/travellers/0/given_name",
        "/items",
        "/items/0",
        "/items/0/kind",
        "/items/0/origin",
        "/items/0/departure_date",
        "/items/0/cabin",
        "/items/0/price/amount",
        "/items/1/after/0",
        "/items/1/city",
        "/items/1/check_in",
        "/items/1/rooms",
    ] {
        let mut bad = good.clone();
        // A digit more makes it fit nowhere.
        let junk = format!("{}9", nest.letters("junk"));
        *bad.pointer_mut(pointer).expect(pointer) = json!(junk);
        let text = bad.to_string();
        if pointer != "/title" {
            assert!(world.ask("import_plan", json!({ "text": text, "request_id": request_id() })).await.is_err());
        }
    }
    for field in ["born_on", "email", "phone_number", "given_name", "residence_country", "documents", "seat"] {
        let mut bad = person(nest);
        bad[field] = json!(format!("{}9", nest.letters("junk")));
        assert!(world.ask("save_traveller", bad).await.is_err(), "{field}");
    }
    let (mut client, _) = Client::connect(world.data_dir.path()).await.unwrap();
    let junk = nest.letters("junk");
    for (command, payload) in [
        (junk.as_str(), json!({})),
        ("unlock_vault", json!({ "passphrase": junk })),
        ("save_traveller", person(nest)),
        ("get_order", json!({ "order_id": junk })),
    ] {
        assert!(client.call(command, payload).await.is_err());
    }
    world.call("list_travellers", json!({})).await;
}

/// Payers' accounts, as the channels know them.
async fn payers(nest: &mut Nest, sandbox: &Path) {
    sqlx::any::install_default_drivers();
    let pool = sqlx::AnyPool::connect(&format!("sqlite://{}?mode=ro", sandbox.display())).await.unwrap();
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT wire, inner FROM documents").fetch_all(&pool).await.unwrap();
    let mut found = 0;
    for document in rows.iter().flat_map(|(wire, inner)| [wire, inner]) {
        let document: Value = serde_json::from_str(document).unwrap();
        for pointer in ["/payer/openid", "/payer/payer_id", "/payer/email_address", "/buyer_user_id", "/buyer_logon_id"]
        {
            if let Some(payer) = document.pointer(pointer).and_then(Value::as_str) {
                nest.keep("payer", payer);
                found += 1;
            }
        }
    }
    assert!(found >= 3, "payers of three channels: {found}");
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_secrets_planted_in_a_whole_life_are_found_nowhere_but_where_they_are_meant_to_be() {
    // What the product writes when everything is asked for; and, not the product's, every message between engine and gateway.
    let (log, messages) = (Lines::default(), Lines::default());
    let between = tracing_subscriber::fmt::layer().with_writer(messages.clone());
    tracing_subscriber::registry()
        .with(logging::layer(EnvFilter::new("trace"), log.clone()))
        .with(between.with_filter(EnvFilter::new("rmcp=trace")))
        .init();
    let (mut nest, mut places) = (Nest::default(), Vec::new());

    with_a_keyring(&mut nest, &mut places).await;
    with_a_passphrase(&mut nest, &mut places).await;

    let messages = String::from_utf8(messages.text()).unwrap();
    let answers: String =
        messages.lines().filter(|line| line.contains("response ")).flat_map(|line| [line, "\n"]).collect();
    assert!(answers.contains("ord_") || answers.contains("offer"), "the tools' answers are here");
    places.push(searched("answers of tools", answers));
    places.push(searched("log", log.text()));
    places.push(searched("environment", environment()));

    let counts = nest.counts();
    println!("{} secrets: {counts:?}", nest.planted.len());
    for place in &places {
        println!("{:>9} bytes of {}", place.bytes.len(), place.name);
    }
    assert!(nest.planted.len() >= 1_000, "{counts:?}");
    for kind in [
        "passport",
        "e-mail",
        "phone",
        "name",
        "member number",
        "code",
        "access",
        "refresh",
        "state",
        "verifier",
        "gateway key",
        "webhook secret",
        "payer",
        "root key",
        "consent key",
        "passphrase",
        "junk",
        "control token",
    ] {
        assert!(counts.contains_key(kind), "no {kind} was planted");
    }
    let place = |name: &str| &places.iter().find(|place| place.name == name).expect(name).bytes;
    assert!(holds(place("log"), "TRACE") || holds(place("log"), "DEBUG"), "the log is as fine as it can be");
    assert!(holds(place("zhiyou.db"), "Shanghai") && holds(place("gateway.db"), "SQLite"), "the databases are read");
    assert!(holds(place("zhiyou.db"), "duplicate_booking"), "what a supplier's refusal is called became a fact");
    assert_eq!(misplaced(&nest.planted, &places), BTreeSet::new());

    // The search finds what is there: one secret nobody sealed, in each place in turn, once in the clear and once encoded.
    for kind in ["passport", "access", "passphrase"] {
        let secret = nest.planted.iter().find(|planted| planted.kind == kind).unwrap().clone();
        for form in crate::search::forms(&secret.secret) {
            let spilt = [searched("zhiyou.db-wal", [b"before".as_slice(), &form, b"after"].concat())];
            assert_eq!(misplaced(std::slice::from_ref(&secret), &spilt).len(), 1, "{kind}");
        }
    }
    let spilt = nest.letters("passport");
    tracing::error!(target: "zhiyou_engine", spilt, "a line that should not be");
    assert_eq!(misplaced(&nest.planted, &[searched("log", log.text())]).len(), 1);
}

async fn with_a_keyring(nest: &mut Nest, places: &mut Vec<Searched>) {
    let mut world = World::new().await;
    let announced = world.sandbox.announcement().clone();
    nest.keep("control token", announced.control_token.clone());
    let request = world.http.get(format!("{}/credentials", announced.control)).bearer_auth(&announced.control_token);
    let credentials: Value = request.send().await.unwrap().json().await.unwrap();
    nest.keep_credentials(&credentials);
    for _ in 0..PEOPLE {
        let person = person(nest);
        world.call("save_traveller", person).await;
    }
    visits(&world, nest).await;
    lying_platform(&world, nest).await;
    // Every use of a token from here on fetches a new one first.
    world.scenario(json!({ "provider": "oauth", "switch": "access_ttl_s", "value": 30 })).await;
    world.call("disconnect", json!({ "platform": "zz-club" })).await;
    world.sign_in().await;
    for channel in ["wechatpay", "alipay", "stripe"] {
        let text = plan(nest);
        let order = order(&world, &text, channel).await;
        let about = json!({ "order_id": order["id"] });
        world.call("list_consents", about).await;
        let about = json!({ "order_id": order["id"], "locale": "zh-CN" });
        world.call("export_calendar", about.clone()).await;
        world.call("export_receipt", about).await;
        nest.keep_keys(world.data_dir.path(), &world.keys).await;
        world.call("rotate_consent_key", json!({})).await;
    }
    repeating_suppliers(&world, nest).await;
    refusals(&world, nest).await;
    nest.keep_keys(world.data_dir.path(), &world.keys).await;
    world.call("export_my_data", json!({ "whole": false })).await;
    let exported = world.call("export_my_data", json!({ "whole": true })).await;
    let exported = std::fs::read(PathBuf::from(exported["path"].as_str().unwrap())).unwrap();
    let written = Needles::of(&nest.planted).found_in(&exported);
    assert!(written.len() > PEOPLE * 9, "an export on purpose holds everybody: {}", written.len());
    world.call("export_audit", json!({})).await;
    let wish = json!({ "action": "", "resource": "", "from_us": null, "to_us": null, "before": null });
    world.call("list_audit", wish).await;
    world.call("verify_audit", json!({})).await;
    let mut after = 0;
    loop {
        let batch = world.call("changes", json!({ "after": after })).await;
        after = batch["cursor"].as_i64().unwrap();
        if batch["more"] == false {
            break;
        }
    }
    // Once while it runs, with the log of the database, and once at rest.
    nest.keep_tokens(&world.sandbox_file).await;
    payers(nest, &world.sandbox_file).await;
    places.extend(files(world.data_dir.path()));
    let doorbell = *world.app().engine().doorbell().borrow();
    places.push(searched("events", doorbell.to_string()));
    world.close_app().await;
    places.extend(files(world.data_dir.path()));
    world.open_app().await;
    world.call("erase_my_data", json!({})).await;
    nest.keep("root key", world.keys.read().unwrap().unwrap().to_vec());
    world.close_app().await;
    places.extend(files(world.data_dir.path()));
    places.push(searched("answers to commands", world.answers.lock().unwrap().clone()));
}

async fn with_a_passphrase(nest: &mut Nest, places: &mut Vec<Searched>) {
    let mut world = World::with_keys(tempfile::tempdir().unwrap(), Arc::new(NoKeyring)).await;
    let passphrase = format!("pass {} 口令", nest.letters("passphrase"));
    nest.keep("passphrase", passphrase.clone());
    for wrong in ["", "short"] {
        assert!(world.ask("unlock_vault", json!({ "passphrase": wrong })).await.is_err());
    }
    world.call("unlock_vault", json!({ "passphrase": passphrase })).await;
    for _ in 0..3 {
        let person = person(nest);
        world.call("save_traveller", person).await;
    }
    world.sign_in().await;
    world.close_app().await;
    world.open_app().await;
    for _ in 0..3 {
        let wrong = format!("wrong {}", nest.letters("passphrase"));
        assert!(world.ask("unlock_vault", json!({ "passphrase": wrong })).await.is_err());
        assert!(world.ask("list_travellers", json!({})).await.is_err());
    }
    world.call("unlock_vault", json!({ "passphrase": passphrase })).await;
    assert_eq!(world.call("list_travellers", json!({})).await["travellers"].as_array().unwrap().len(), 3);
    nest.keep_tokens(&world.sandbox_file).await;
    places.extend(files(world.data_dir.path()));
    world.close_app().await;
    places.extend(files(world.data_dir.path()));
    places.push(searched("answers to commands", world.answers.lock().unwrap().clone()));
}
