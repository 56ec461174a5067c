//! Locking the vault over the joined parts: what a locked one keeps to itself, and what waits for it.

use crate::world::{World, request_id, sample};
use serde_json::{Value, json};
use zhiyou_embedded::runtime::Client;
use zhiyou_engine::fault::FaultCode;

async fn vault(world: &World) -> Value {
    world.call("get_session", json!({})).await["vault"].clone()
}

async fn settings(world: &World, lock_after_min: Value) -> Value {
    let wish = json!({ "locale": "en", "theme": "dark", "channel": null, "lock_after_min": lock_after_min });
    world.call("set_settings", wish).await
}

/// Waits by the doorbell until the vault is in the state.
async fn until(world: &World, state: &str) {
    let mut doorbell = world.app().engine().doorbell();
    let waiting = async {
        while vault(world).await["state"] != state {
            doorbell.changed().await.unwrap();
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), waiting).await.expect(state);
}

async fn noted(world: &World) -> Vec<Value> {
    let wish = json!({ "action": "vault", "resource": "", "from_us": null, "to_us": null, "before": null });
    let rows = world.call("list_audit", wish).await["rows"].clone();
    rows.as_array().unwrap().iter().map(|row| json!([row["action"], row["result"], row["agent"]])).collect()
}

#[tokio::test]
async fn a_locked_vault_shows_nobody_gives_no_token_and_is_opened_by_the_person_alone() {
    let mut world = World::new().await;
    let plan = world.import(&sample()).await;
    assert_eq!(plan["travellers"][0]["display_name"], "林夏");
    world.sign_in().await;
    let cursor = world.call("get_session", json!({})).await["cursor"].clone();
    let locked = world.call("lock_vault", json!({})).await;
    assert_eq!(locked["vault"], json!({ "state": "locked_by_person", "choices": ["reopen"], "kept": "keyring" }));
    // The page hears of it, and of every view that had more in it.
    let told = world.call("changes", json!({ "after": cursor })).await;
    assert_eq!((&told["session"], &told["travellers"]), (&json!(true), &json!(true)));
    assert!(!told.to_string().contains("林夏"), "{told}");
    assert_eq!(told["plans"][0]["id"], plan["id"]);
    let all = world.call("list_plans", json!({})).await;
    assert!(!all.to_string().contains("林夏"));
    let wish = json!({ "text": sample(), "request_id": request_id() });
    for (command, wish) in [
        ("list_travellers", json!({})),
        ("import_plan", wish),
        ("export_my_data", json!({ "whole": false })),
        ("login_to_platform", json!({ "platform": "turkish-airlines", "return_by": "loopback" })),
        ("rotate_root_key", json!({ "passphrase": null })),
    ] {
        let fault = world.ask(command, wish).await.unwrap_err();
        assert_eq!(fault.code, FaultCode::VaultLocked, "{command}: {fault}");
    }
    // No program opens it, and neither does a new start.
    let (mut client, _) = Client::connect(world.data_dir.path()).await.unwrap();
    for command in ["retry_keyring", "lock_vault", "note_use"] {
        let refused = client.call(command, json!({})).await.unwrap_err();
        assert!(format!("{refused:?}").contains("only_in_window"), "{command}: {refused:?}");
    }
    world.close_app().await;
    world.open_app().await;
    assert_eq!(vault(&world).await["state"], "locked_by_person");
    world.call("retry_keyring", json!({})).await;
    assert_eq!(vault(&world).await["state"], "open");
    assert_eq!(world.call("list_plans", json!({})).await[0]["travellers"][0]["display_name"], "林夏");
    assert_eq!(
        noted(&world).await,
        [
            json!(["vault.retry_keyring", "done", "window"]),
            json!(["vault.rotate_root_key", "refused:vault_locked", "window"]),
            json!(["vault.lock", "done", "window"]),
        ]
    );
    world.close_app().await;
    world.open_app().await;
    assert_eq!(vault(&world).await["state"], "open", "the lock is over");
}

#[tokio::test]
async fn a_vault_with_an_app_lock_wants_its_passphrase_from_the_person_also_after_a_restart() {
    let mut world = World::new().await;
    world.import(&sample()).await;
    let (words, other) = ("correct horse battery", "another passphrase");
    let set = |current: Option<&str>, wanted: Option<&str>| json!({ "current": current, "wanted": wanted });
    let guarded = world.call("set_app_lock", set(None, Some(words))).await;
    assert_eq!(guarded["vault"], json!({ "state": "open", "choices": [], "kept": "both" }));
    let (mut client, _) = Client::connect(world.data_dir.path()).await.unwrap();
    let refused = client.call("set_app_lock", set(Some(words), None)).await.unwrap_err();
    assert!(format!("{refused:?}").contains("only_in_window"), "{refused:?}");
    let wrong = world.ask("set_app_lock", set(Some(other), None)).await.unwrap_err();
    assert_eq!(wrong.code, FaultCode::WrongPassphrase);
    let locked = json!({ "state": "locked", "choices": ["enter_passphrase", "erase"], "kept": "both" });
    assert_eq!(world.call("lock_vault", json!({})).await["vault"], locked);
    world.close_app().await;
    world.open_app().await;
    assert_eq!(world.call("retry_keyring", json!({})).await["vault"], locked, "the keyring alone opens nothing");
    let wrong = world.ask("unlock_vault", json!({ "passphrase": other })).await.unwrap_err();
    assert_eq!(wrong.code, FaultCode::WrongPassphrase);
    assert_eq!(world.call("unlock_vault", json!({ "passphrase": words })).await["vault"]["state"], "open");
    assert_eq!(world.call("list_plans", json!({})).await[0]["travellers"][0]["display_name"], "林夏");
    world.call("set_app_lock", set(Some(words), Some(other))).await;
    assert_eq!(world.call("set_app_lock", set(Some(other), None)).await["vault"]["kept"], "keyring");
    let done = |action: &str| json!([format!("vault.{action}"), "done", "window"]);
    let refused = |action: &str| json!([format!("vault.{action}"), "refused:wrong_passphrase", "window"]);
    assert_eq!(
        noted(&world).await,
        [
            done("remove_app_lock"),
            done("set_app_lock"),
            done("unlock"),
            refused("unlock"),
            json!(["vault.retry_keyring", "failed:closed", "window"]),
            done("lock"),
            refused("set_app_lock"),
            done("set_app_lock"),
        ]
    );
}

#[tokio::test]
async fn a_return_that_comes_to_a_locked_vault_waits_for_the_person_to_open_it() {
    let world = World::new().await;
    let back = world.consent("deep_link").await;
    world.call("lock_vault", json!({})).await;
    world.app().engine().deep_link(&back).await;
    let kind = async || world.call("list_sign_ins", json!({ "plan_id": null })).await[0]["state"]["kind"].clone();
    assert_ne!(kind().await, "connected");
    world.call("retry_keyring", json!({})).await;
    let mut doorbell = world.app().engine().doorbell();
    while kind().await != "connected" {
        doorbell.changed().await.unwrap();
    }
}

#[tokio::test]
async fn a_local_return_to_a_locked_vault_finds_nobody_and_the_same_page_works_once_it_is_open() {
    let world = World::new().await;
    let back = world.consent("loopback").await;
    world.call("lock_vault", json!({})).await;
    assert!(world.http.get(&back).send().await.is_err(), "nobody listens who could check it");
    world.call("retry_keyring", json!({})).await;
    assert!(world.http.get(&back).send().await.unwrap().status().is_success());
    let rows = world.call("list_sign_ins", json!({ "plan_id": null })).await;
    assert_eq!(rows[0]["state"]["kind"], "connected");
}

#[tokio::test]
async fn while_an_order_is_paid_or_booked_the_vault_is_not_locked() {
    let world = World::new().await;
    let order = world.payable().await;
    assert_eq!(world.ask("lock_vault", json!({})).await.unwrap_err().code, FaultCode::WrongState);
    assert!(world.phone("pay", &order).await.is_success());
    world.until_state(&order, "confirmed").await;
    assert_eq!(world.call("lock_vault", json!({})).await["vault"]["state"], "locked_by_person");
}

/// Calls that could not be made because the vault is closed, as the journals say.
async fn held_up(world: &World) -> i64 {
    let file = format!("sqlite://{}?mode=ro", world.data_dir.path().join("zhiyou.db").display());
    sqlx::any::install_default_drivers();
    let pool = sqlx::AnyPool::connect(&file).await.unwrap();
    let count = sqlx::query_scalar("SELECT COUNT(*) FROM journal WHERE fact LIKE '%vault_closed%'");
    count.fetch_one(&pool).await.unwrap()
}

#[tokio::test]
async fn a_locked_vault_holds_up_a_draft_and_fails_none_of_it() {
    let world = World::new().await;
    let order = world.prepare().await;
    world.until_next(&order, "sign_in").await;
    world.sign_in().await;
    let order = world.until_next(&order, "choose_seats").await;
    world.call("lock_vault", json!({})).await;
    world.take_seat(&order).await;
    let mut doorbell = world.app().engine().doorbell();
    // More often than anything is tried in vain.
    for tries in 1..=7 {
        while held_up(&world).await < tries {
            let rung = tokio::time::timeout(std::time::Duration::from_secs(30), doorbell.changed()).await;
            rung.expect("another try").unwrap();
        }
        world.advance(1).await;
    }
    world.call("retry_keyring", json!({})).await;
    world.advance(1).await;
    world.until_next(&order, "confirm").await;
}

#[tokio::test]
async fn a_window_that_nobody_uses_locks_the_vault_after_the_time_that_was_chosen() {
    let world = World::new().await;
    for odd in [0, -1, 1441] {
        let wish = json!({ "locale": "en", "theme": "dark", "channel": null, "lock_after_min": odd });
        assert_eq!(world.ask("set_settings", wish).await.unwrap_err().code, FaultCode::MalformedInput, "{odd}");
    }
    world.advance(600).await;
    assert_eq!(vault(&world).await["state"], "open", "off unless it is chosen");
    assert_eq!(settings(&world, json!(10)).await["settings"]["lock_after_min"], 10);
    let (mut client, _) = Client::connect(world.data_dir.path()).await.unwrap();
    client.call("set_settings", json!({ "locale": "en", "theme": "dark", "channel": null })).await.unwrap();
    let kept = world.call("get_session", json!({})).await["settings"]["lock_after_min"].clone();
    assert_eq!(kept, 10, "no program turns it off");
    world.advance(9).await;
    world.call("note_use", json!({})).await;
    world.advance(9).await;
    assert_eq!(vault(&world).await["state"], "open", "it was used meanwhile");
    world.advance(2).await;
    let mut doorbell = world.app().engine().doorbell();
    until(&world, "locked_by_person").await;
    // Closed first, and told of then.
    while noted(&world).await.is_empty() {
        let rung = tokio::time::timeout(std::time::Duration::from_secs(30), doorbell.changed()).await;
        rung.expect("a note").unwrap();
    }
    assert_eq!(noted(&world).await, [json!(["vault.lock", "done", "core"])]);
    world.call("retry_keyring", json!({})).await;
    assert_eq!(vault(&world).await["state"], "open", "opening it is use");
}
