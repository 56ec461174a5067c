//! Journals, projections, and what must never be found on disk.

use crate::world::World;
use sqlx::{AnyPool, any::AnyPoolOptions};
use zhiyou_engine::store::{Db, rebuild};

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
