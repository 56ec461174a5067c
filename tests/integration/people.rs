//! Travellers, the audit log and signed consents over the joined parts; and the erasing of a person.

use crate::world::{World, request_id, sample};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use zhiyou_embedded::runtime::Client;
use zhiyou_engine::fault::FaultCode;

const PASSPORT: &str = "E98765432";

fn traveller(id: &Value) -> Value {
    json!({
        "traveller_id": id, "display_name": "林夏", "title": "ms", "gender": "f", "given_name": "Xia",
        "family_name": "Lin", "born_on": null, "email": null, "phone_number": null, "residence_country": "CN",
        "documents": [
            { "id": null, "kind": "passport", "number": PASSPORT, "country": "CN", "expires_on": "2020-01-02" }
        ],
        "loyalty": [], "seat": "window", "meal": "any",
    })
}

async fn rows(world: &World, action: &str) -> Vec<Value> {
    let wish = json!({ "action": action, "resource": "", "from_us": null, "to_us": null, "before": null });
    world.call("list_audit", wish).await["rows"].as_array().unwrap().clone()
}

async fn intact(world: &World) -> i64 {
    let check = world.call("verify_audit", json!({})).await;
    assert_eq!(check["damaged"], json!([]), "{check}");
    check["rows"].as_i64().unwrap()
}

/// Everything under the data folder that is not the sandbox's or the gateway's: what the engine keeps.
fn kept_by_the_engine(world: &World) -> Vec<u8> {
    let mut bytes = Vec::new();
    for name in ["zhiyou.db", "zhiyou.db-wal"] {
        bytes.extend(std::fs::read(world.data_dir.path().join(name)).unwrap_or_default());
    }
    for file in std::fs::read_dir(world.data_dir.path().join("exports")).into_iter().flatten() {
        bytes.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    bytes
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn travellers_of_plans_appear_once_masked_and_warn_of_a_passport_that_runs_out() {
    let world = World::new().await;
    let first = world.import(&sample()).await;
    let second = world.import(&sample()).await;
    assert_eq!(first["travellers"], second["travellers"]);
    let all = world.call("list_travellers", json!({})).await;
    assert_eq!(all["travellers"].as_array().unwrap().len(), 1);
    let id = &all["travellers"][0]["id"];
    assert_eq!((id, all["travellers"][0]["trips"].as_i64()), (&first["travellers"][0]["id"], Some(2)));
    let saved = world.call("save_traveller", traveller(id)).await;
    assert_eq!(saved["travellers"][0]["documents"][0]["number"], "****5432");
    assert_eq!(saved["travellers"][0]["documents"][0]["expiry"], "expired");
    assert!(!saved.to_string().contains(PASSPORT));
    let again = world.call("save_traveller", {
        let mut same = traveller(id);
        same["documents"][0]["id"] = saved["travellers"][0]["documents"][0]["id"].clone();
        same["documents"][0]["number"] = Value::Null;
        same
    });
    assert_eq!(again.await, saved, "saving again what is masked changes nothing");
    assert_eq!(rows(&world, "profile.save_traveller").await.len(), 1);
    let refused = world.ask("save_traveller", json!({ "canary": PASSPORT })).await.unwrap_err();
    assert_eq!(refused.code, FaultCode::MalformedInput);
    assert!(!refused.to_string().contains(PASSPORT));
    assert_eq!(rows(&world, "profile").await[0]["result"], "refused:malformed_input");
    assert!(!holds(&kept_by_the_engine(&world), PASSPORT));
}

#[tokio::test]
async fn a_tool_cannot_rewrite_a_known_traveller_by_a_plan_and_what_the_window_changes_is_noted() {
    let world = World::new().await;
    world.import(&sample()).await;
    let other = sample().replace("xia.lin@example.com", "another@example.com");
    assert_ne!(other, sample());
    let (mut client, _) = Client::connect(world.data_dir.path()).await.unwrap();
    let by_tool = client.call("import_plan", json!({ "text": other, "request_id": request_id() })).await.unwrap();
    let known = world.call("list_travellers", json!({})).await;
    assert_eq!(known["travellers"].as_array().unwrap().len(), 1);
    assert_eq!(known["travellers"][0]["email"], "x***@example.com");
    assert_eq!(by_tool["travellers"][0]["id"], known["travellers"][0]["id"]);
    assert!(rows(&world, "profile.save_traveller").await.is_empty(), "nobody was changed");
    world.import(&other).await;
    let known = world.call("list_travellers", json!({})).await;
    assert_eq!(known["travellers"][0]["email"], "a***@example.com");
    let noted = rows(&world, "profile.save_traveller").await;
    let about = format!("traveller:{}", known["travellers"][0]["id"].as_str().unwrap());
    assert_eq!((noted.len(), &noted[0]["resource"], &noted[0]["agent"]), (1, &json!(about), &json!("window")));
}

#[tokio::test]
async fn what_was_agreed_to_is_signed_beside_the_order_and_noted() {
    let world = World::new().await;
    let held = world.held().await;
    let order = world.confirm(&held).await;
    let about = json!({ "order_id": order["id"] });
    let consents = world.call("list_consents", about.clone()).await;
    let shown: Value = serde_json::from_str(consents[0]["payload"].as_str().unwrap()).unwrap();
    assert_eq!(shown["cart_hash"], held["cart_hash"]);
    assert_eq!(shown["total"]["amountMinor"], held["total"]["amount_minor"]);
    assert_eq!((&shown["payments"][0]["channel"], &shown["order_id"]), (&json!("wechatpay"), &order["id"]));
    assert_eq!(shown["payments"][0]["amount"], shown["total"]);
    assert_eq!(consents[0]["verifies"], true);
    let payable = world.until(&order, "payable", |order| order["payment"]["qr"]["content"].is_string()).await;
    assert!(world.phone("pay", &payable).await.is_success());
    world.until_state(&order, "confirmed").await;
    world
        .call(
            "quote_cancellation",
            json!({ "order_id": order["id"], "item_ids": [], "reason": "not_said", "request_id": request_id() }),
        )
        .await;
    let quoted = world.until(&order, "quoted", |order| order["can"]["accept_cancellation"] == true).await;
    let quote = &quoted["cancellation"];
    world
        .call(
            "accept_cancellation",
            json!({ "order_id": order["id"], "quote_id": quote["quote_id"], "request_id": request_id() }),
        )
        .await;
    world.call("rotate_consent_key", json!({})).await;
    let consents = world.call("list_consents", about).await;
    let agreed: Value = serde_json::from_str(consents[1]["payload"].as_str().unwrap()).unwrap();
    assert_eq!(agreed["refund"]["amountMinor"], quote["refund"]["amount_minor"]);
    assert_eq!(agreed["fee"]["amountMinor"], quote["fee"]["amount_minor"]);
    assert!(consents.as_array().unwrap().iter().all(|consent| consent["verifies"] == true), "after a rotation too");
    world.until(&order, "refunded", |order| order["state"] == "refunded").await;
    let resource = format!("order:{}", order["id"].as_str().unwrap());
    for action in ["payment.confirm", "payment.accept_cancellation", "payment.refund"] {
        let noted = rows(&world, action).await;
        assert_eq!((noted.len(), noted[0]["resource"].as_str()), (1, Some(resource.as_str())), "{action}");
        let agent = if action == "payment.refund" { "core" } else { "window" };
        assert_eq!(noted[0]["agent"], agent, "{action}");
    }
    assert!(rows(&world, "sign_in").await.iter().any(|row| row["action"] == "sign_in.finish"));
    intact(&world).await;
}

#[tokio::test]
async fn a_refused_confirmation_is_noted_and_signs_nothing() {
    let world = World::new().await;
    let order = world.held().await;
    let wish = json!({
        "order_id": order["id"], "cart_hash": "0".repeat(64), "channel": "wechatpay", "request_id": request_id(),
    });
    assert_eq!(world.ask("confirm_order", wish).await.unwrap_err().code, FaultCode::CartChanged);
    assert_eq!(world.call("list_consents", json!({ "order_id": order["id"] })).await, json!([]));
    assert_eq!(rows(&world, "payment.confirm").await[0]["result"], "refused:cart_changed");
}

#[tokio::test]
async fn erasing_leaves_an_order_that_still_verifies_and_nobody_to_be_read() {
    let mut world = World::new().await;
    let order = world.confirmed().await;
    let all = world.call("list_travellers", json!({})).await;
    world.call("save_traveller", traveller(&all["travellers"][0]["id"])).await;
    let export = async |wish: Value| {
        let export = world.call("export_my_data", wish).await;
        let path = std::path::Path::new(export["path"].as_str().unwrap()).to_owned();
        let exported: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        (path, exported)
    };
    // Masked, unless all of it is asked for.
    for wish in [json!({}), json!({ "whole": false })] {
        let (_, masked) = export(wish).await;
        assert_eq!(
            (&masked["whole"], &masked["travellers"][0]["documents"][0]["number"]),
            (&json!(false), &json!("****5432"))
        );
        for secret in [PASSPORT, "+8613800000000", "xia.lin@example.com"] {
            assert!(!masked.to_string().contains(secret), "{secret}");
        }
    }
    let (path, exported) = export(json!({ "whole": true })).await;
    assert_eq!(exported["travellers"][0]["documents"][0]["number"], PASSPORT);
    let noted = rows(&world, "profile").await;
    let noted: Vec<_> = noted.iter().take(3).map(|row| row["action"].as_str().unwrap()).collect();
    assert_eq!(noted, ["profile.export_whole", "profile.export", "profile.export"]);
    assert_eq!(exported["orders"][0]["id"], order["id"]);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let before = intact(&world).await;

    let erased = world.call("erase_my_data", json!({})).await;
    assert_eq!((&erased["untold"], &erased["session"]["vault"]["state"]), (&json!([]), &json!("open")));
    assert_eq!(world.call("list_travellers", json!({})).await, json!({ "travellers": [], "unreadable": 0 }));
    assert!(!path.exists(), "the file with everything in the clear is gone");
    let sign_ins = world.call("list_sign_ins", json!({ "plan_id": null })).await;
    assert_eq!(sign_ins[0]["state"]["kind"], "disconnected");
    for secret in [PASSPORT, "+8613800000000", "xia.lin@example.com", "林夏"] {
        assert!(!holds(&kept_by_the_engine(&world), secret), "{secret}");
    }
    assert!(intact(&world).await > before);
    assert_eq!(rows(&world, "profile.erase").await[0]["result"], "done");
    let rebuilt = world.app().engine().rebuild().await.unwrap();
    assert!(rebuilt.identical && rebuilt.orders == 1, "{rebuilt:?}");
    let consents = world.call("list_consents", json!({ "order_id": order["id"] })).await;
    assert_eq!(consents[0]["verifies"], true, "the public key stayed");

    // And all of it after a restart, with somebody new.
    world.close_app().await;
    world.open_app().await;
    let shown = world.call("get_order", json!({ "order_id": order["id"] })).await;
    assert_eq!((shown["state"].as_str(), &shown["frozen"]), (Some("confirmed"), &Value::Null));
    intact(&world).await;
    world.import(&sample()).await;
    assert_eq!(world.call("list_travellers", json!({})).await["travellers"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_a_supplier_repeats_of_a_traveller_becomes_no_fact_and_is_nowhere_before_and_after_erasing() {
    let world = World::new().await;
    let told = ["LIN/XIA", "xia.lin@example.com", "+8613800000000"];
    let no = json!({
        "provider": "duffel", "switch": "decline", "op": "create_order", "type": "airline_error", "code": "duplicate_booking",
        "message": format!("there is a booking for {}", told.join(" ")),
    });
    world.import(&sample()).await;
    world.sign_in().await;
    world.scenario(no).await;
    let order = world.prepare().await;
    let order = world.until_next(&order, "choose_seats").await;
    world.take_seat(&order).await;
    world.until_next(&order, "done").await;
    let nowhere = || {
        let kept = kept_by_the_engine(&world);
        assert!(holds(&kept, "duplicate_booking"), "what the refusal is called is a fact");
        for secret in told {
            assert!(!holds(&kept, secret), "{secret}");
        }
    };
    nowhere();
    world.call("erase_my_data", json!({})).await;
    nowhere();
    let rebuilt = world.app().engine().rebuild().await.unwrap();
    assert!(rebuilt.identical && rebuilt.orders == 1, "{rebuilt:?}");
}

#[tokio::test]
async fn platforms_that_could_not_be_told_when_everything_was_erased_are_named() {
    for locked in [false, true] {
        let world = World::new().await;
        world.import(&sample()).await;
        world.sign_in().await;
        world
            .scenario(json!({ "provider": "oauth", "switch": "answer", "op": "revoke", "status": 503, "times": 99 }))
            .await;
        if locked {
            world.call("lock_vault", json!({})).await;
        }
        let rows = world.call("list_sign_ins", json!({ "plan_id": null })).await;
        let erased = world.call("erase_my_data", json!({})).await;
        let untold = json!([{ "platform": "zz-club", "name": rows[0]["name"], "host": rows[0]["host"] }]);
        assert_eq!(erased["untold"], untold, "locked: {locked}");
        assert_eq!(erased["session"]["vault"]["state"], "open", "a new vault");
        let rows = world.call("list_sign_ins", json!({ "plan_id": null })).await;
        assert_eq!((&rows[0]["state"]["kind"], &rows[0]["untold"]), (&json!("disconnected"), &json!(false)));
        assert_eq!(world.call("list_travellers", json!({})).await["travellers"], json!([]));
    }
}

#[tokio::test]
async fn while_an_order_is_being_booked_nobody_in_it_is_erased_removed_or_renamed() {
    let world = World::new().await;
    let order = world.payable().await;
    let all = world.call("list_travellers", json!({})).await;
    assert_eq!(all["travellers"][0]["busy"], true);
    let id = &all["travellers"][0]["id"];
    let mut renamed = traveller(id);
    renamed["given_name"] = json!("Other");
    for (command, wish) in
        [("erase_my_data", json!({})), ("remove_traveller", json!({ "traveller_id": id })), ("save_traveller", renamed)]
    {
        assert_eq!(world.ask(command, wish).await.unwrap_err().code, FaultCode::WrongState, "{command}");
    }
    assert!(world.phone("pay", &order).await.is_success());
    world.until_state(&order, "confirmed").await;
    world.call("remove_traveller", json!({ "traveller_id": id })).await;
    assert_eq!(world.call("list_travellers", json!({})).await["travellers"], json!([]));
}

#[tokio::test]
async fn a_tool_is_noted_and_gets_nothing_personal() {
    let world = World::new().await;
    let (mut client, _) = Client::connect(world.data_dir.path()).await.unwrap();
    let plan = client.call("import_plan", json!({ "text": sample(), "request_id": request_id() })).await.unwrap();
    let seen = client.call("list_travellers", json!({})).await.unwrap();
    for secret in ["+8613800000000", "xia.lin@"] {
        assert!(!seen.to_string().contains(secret), "{secret}");
    }
    let id = &plan["travellers"][0]["id"];
    for (command, wish) in [
        ("save_traveller", traveller(id)),
        ("remove_traveller", json!({ "traveller_id": id })),
        ("export_my_data", json!({})),
        ("erase_my_data", json!({})),
        ("export_audit", json!({})),
    ] {
        let refused = client.call(command, wish).await.unwrap_err();
        assert!(format!("{refused:?}").contains("only_in_window"), "{command}: {refused:?}");
    }
    client.call("get_session", json!({})).await.unwrap();
    let noted = rows(&world, "agent").await;
    assert_eq!(noted.len(), 7, "{noted:#?}");
    assert!(noted.iter().all(|row| row["address"] == "socket" && row["agent"] == "tool"));
    assert_eq!(noted[0]["result"], "refused:only_in_window");
    let exported = world.call("export_audit", json!({})).await;
    let text = std::fs::read_to_string(exported["path"].as_str().unwrap()).unwrap();
    assert_eq!(i64::try_from(text.lines().count()).unwrap(), intact(&world).await);
    for secret in ["+8613800000000", "xia.lin", "林夏", "Lin", PASSPORT] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn a_damaged_audit_row_is_reported_and_the_app_goes_on() {
    let mut world = World::new().await;
    world.import(&sample()).await;
    let settings = json!({ "locale": "en", "theme": "dark", "channel": null });
    world.call("set_settings", settings.clone()).await;
    world.call("set_settings", settings.clone()).await;
    world.close_app().await;
    let url = format!("sqlite://{}", world.data_dir.path().join("zhiyou.db").display());
    sqlx::any::install_default_drivers();
    let pool = sqlx::AnyPool::connect(&url).await.unwrap();
    sqlx::query("UPDATE audit SET result = 'refused:internal' WHERE seq = 1").execute(&pool).await.unwrap();
    pool.close().await;
    world.open_app().await;
    assert_eq!(world.call("verify_audit", json!({})).await["damaged"], json!([1]));
    world.call("set_settings", settings).await;
    let check = world.call("verify_audit", json!({})).await;
    assert_eq!(check, json!({ "rows": 3, "damaged": [1], "damaged_scores": [] }));
}
