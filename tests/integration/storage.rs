//! Journals, projections, and what must never be found on disk.

use crate::world::{World, request_id, sample};
use serde_json::json;
use sqlx::{AnyPool, any::AnyPoolOptions};
use zhiyou_engine::{
    fault::FaultCode,
    store::{Db, rebuild},
};

async fn raw(world: &World) -> AnyPool {
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}/zhiyou.db", world.data_dir.path().display());
    AnyPoolOptions::new().max_connections(1).connect(&url).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn projections_rebuilt_from_the_journal_are_identical() {
    let mut world = World::new().await;
    world.confirmed().await;
    world.close_app().await;
    let db = Db::open(world.data_dir.path()).await.unwrap();
    let report = rebuild::run(&db).await.unwrap();
    assert!(report.identical && report.orders == 1 && report.rows >= 4, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_projection_is_noticed_by_a_rebuild() {
    let mut world = World::new().await;
    world.confirmed().await;
    world.close_app().await;
    let pool = raw(&world).await;
    sqlx::query("UPDATE order_items SET state = 'planned'").execute(&pool).await.unwrap();
    pool.close().await;
    let db = Db::open(world.data_dir.path()).await.unwrap();
    assert!(!rebuild::run(&db).await.unwrap().identical);
    assert!(rebuild::run(&db).await.unwrap().identical, "and mended by it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_in_the_journal_is_found() {
    let mut world = World::new().await;
    world.confirmed().await;
    world.close_app().await;
    let pool = raw(&world).await;
    sqlx::query("UPDATE journal SET fact = replace(fact, 'Shanghai', 'Shanghaj') WHERE seq = 1")
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    let db = Db::open(world.data_dir.path()).await.unwrap();
    assert!(rebuild::run(&db).await.unwrap_err().to_string().contains("does not follow"));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_tokens_and_secrets_are_on_disk_only_sealed() {
    let mut world = World::new().await;
    world.confirmed().await;
    let announced = world.sandbox.announcement().clone();
    let request = world.http.get(format!("{}/credentials", announced.control)).bearer_auth(&announced.control_token);
    let credentials: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
    world.close_app().await;
    let mut secrets = vec!["xia.lin@example.com".to_owned(), "1992-03-14".to_owned(), "林夏".to_owned()];
    secrets.push(credentials["duffel"]["token"].as_str().unwrap().to_owned());
    secrets.push(credentials["wechatpay"]["apiv3_key"].as_str().unwrap().to_owned());
    for entry in std::fs::read_dir(world.data_dir.path()).unwrap().flatten().filter(|entry| entry.path().is_file()) {
        let bytes = std::fs::read(entry.path()).unwrap();
        for secret in &secrets {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{} holds {secret:?}", entry.path().display());
        }
    }
}

/// A small disk of its own for a test, where this machine lets us mount one.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(at: &std::path::Path, bytes: u32) -> Option<Self> {
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"]).arg(at);
        mount.status().is_ok_and(|status| status.success()).then(|| Self(at.to_path_buf()))
    }

    /// Leaves not one page free.
    fn fill(&self) {
        use std::io::Write;
        let mut filler = std::fs::File::create(self.0.join("filler")).unwrap();
        while filler.write_all(&[0; 4096]).is_ok() {}
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_what_is_new_and_finishes_what_was_paid_once_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(folder.path(), 8 << 20) else {
        println!("did not run: this machine does not let us mount a small disk");
        return;
    };
    let mut world = World::in_folder(folder).await;
    let order = world.payable().await;
    disk.fill();
    let refused = world.ask("import_plan", json!({ "text": sample(), "request_id": request_id() })).await.unwrap_err();
    assert_eq!(refused.code, FaultCode::DiskFull);
    assert_eq!(world.call("list_plans", json!({})).await.as_array().unwrap().len(), 1);
    world.phone("pay", &order).await;
    let pending = world.call("get_order", json!({ "order_id": order["id"] })).await;
    assert_eq!(pending["state"], "payment_pending", "nothing is believed that could not be stored");
    disk.free();
    world.advance(1).await;
    world.until_state(&order, "confirmed").await;
    let book = world.book().await;
    assert_eq!(book["flights"].as_array().unwrap().len(), 1);
    assert_eq!(book["payments"].as_array().unwrap().iter().filter(|p| p["state"] == "SUCCESS").count(), 1);
    world.close_app().await;
}
