//! What the audit log promises.

use super::*;
use std::collections::BTreeSet;
use tempfile::TempDir;
use zhiyou_domain::screening::{Screening, Unusual};

const AT: UtcMicros = UtcMicros(1_796_000_000_000_000);

fn order() -> OrderId {
    "ord_01KA0000000000000000000ABC".parse().unwrap()
}

async fn open() -> (TempDir, Db) {
    let folder = TempDir::new().unwrap();
    let db = Db::open(folder.path()).await.unwrap();
    (folder, db)
}

async fn write(db: &Db, action: Action, resource: Resource<'_>) {
    let mut tx = db.begin().await.unwrap();
    note(&mut tx, action, resource, AT).await.unwrap();
    db.commit(tx).await.unwrap();
}

fn report(rows: i64, damaged: &[i64]) -> Report {
    Report { rows, damaged: damaged.to_vec(), damaged_scores: Vec::new() }
}

async fn harm(db: &Db, sql: &'static str) {
    let mut tx = db.begin().await.unwrap();
    sqlx::query(sql).execute(&mut *tx).await.unwrap();
    db.commit(tx).await.unwrap();
}

async fn ten(db: &Db) {
    for _ in 0..5 {
        write(db, Action::SettingsSave, Resource::None).await;
        write(db, Action::PaymentConfirm, Resource::Order(order())).await;
    }
}

#[tokio::test]
async fn an_untouched_log_verifies_and_one_that_grew_meanwhile_too() {
    let (_folder, db) = open().await;
    assert_eq!(verify(&db).await.unwrap(), report(0, &[]));
    ten(&db).await;
    assert_eq!(verify(&db).await.unwrap(), report(10, &[]));
}

#[tokio::test]
async fn a_change_of_any_field_of_any_row_is_found_and_the_rest_still_verifies() {
    for harm_to_four in [
        "UPDATE audit SET at_us = at_us + 1 WHERE seq = 4",
        "UPDATE audit SET who = 'other' WHERE seq = 4",
        "UPDATE audit SET category = 'vault' WHERE seq = 4",
        "UPDATE audit SET action = 'payment.retry' WHERE seq = 4",
        "UPDATE audit SET resource = 'order:ord_01KA0000000000000000000ABD' WHERE seq = 4",
        "UPDATE audit SET result = 'refused:cart_changed' WHERE seq = 4",
        "UPDATE audit SET address = 'socket' WHERE seq = 4",
        "UPDATE audit SET agent = 'tool' WHERE seq = 4",
        "UPDATE audit SET risk = 0 WHERE seq = 4",
        "UPDATE audit SET format = 1 WHERE seq = 4",
        "UPDATE audit SET format = 3 WHERE seq = 4",
        // Between two fields: the same characters, cut elsewhere.
        "UPDATE audit SET who = 'localpay', category = 'ment' WHERE seq = 4",
        "DELETE FROM audit WHERE seq = 4",
    ] {
        let (_folder, db) = open().await;
        ten(&db).await;
        harm(&db, harm_to_four).await;
        let found = verify(&db).await.unwrap();
        assert_eq!(found.rows, 10, "{harm_to_four}");
        // A row that is gone is missed by the one after it as well.
        assert_eq!(found.damaged.first(), Some(&4), "{harm_to_four}");
        assert!(found.damaged.iter().all(|seq| (4..=5).contains(seq)), "{harm_to_four}: {:?}", found.damaged);
    }
}

#[tokio::test]
async fn rows_cut_off_at_the_end_are_missed_and_the_log_goes_on_after_them() {
    let (_folder, db) = open().await;
    ten(&db).await;
    harm(&db, "DELETE FROM audit WHERE seq > 8").await;
    assert_eq!(verify(&db).await.unwrap(), report(10, &[9, 10]));
    write(&db, Action::VaultUnlock, Resource::None).await;
    assert_eq!(verify(&db).await.unwrap(), report(11, &[9, 10]));
}

#[tokio::test]
async fn what_is_rolled_back_is_not_told_of_and_leaves_no_gap() {
    let (_folder, db) = open().await;
    write(&db, Action::SettingsSave, Resource::None).await;
    let mut tx = db.begin().await.unwrap();
    note(&mut tx, Action::DataErase, Resource::None, AT).await.unwrap();
    tx.rollback().await.unwrap();
    write(&db, Action::SettingsSave, Resource::None).await;
    assert_eq!(verify(&db).await.unwrap(), report(2, &[]));
}

#[tokio::test]
async fn rows_are_found_by_action_category_resource_and_time_newest_first_page_by_page() {
    let (_folder, db) = open().await;
    ten(&db).await;
    write(&db, Action::PaymentRetry, Resource::Order(order())).await;
    let find = |search: audit::Search| {
        let db = db.clone();
        async move {
            let rows = audit::search(db.reader(), &search, 4).await.unwrap();
            rows.iter().map(|row| row.seq).collect::<Vec<_>>()
        }
    };
    let of = |action: &str, resource: &str| audit::Search {
        action: action.to_owned(),
        resource: resource.to_owned(),
        ..audit::Search::default()
    };
    let about = format!("order:{}", order());
    assert_eq!(find(of("", "")).await, [11, 10, 9, 8]);
    assert_eq!(find(of("payment", "")).await, [11, 10, 8, 6]);
    assert_eq!(find(audit::Search { before: Some(6), ..of("payment", "") }).await, [4, 2]);
    assert_eq!(find(of("payment.retry", "")).await, [11]);
    assert_eq!(find(of("", &about)).await, [11, 10, 8, 6]);
    assert_eq!(find(of("payment.retry", &about)).await, [11]);
    assert_eq!(find(of("configuration", &about)).await, Vec::<i64>::new());
    assert_eq!(find(audit::Search { from: Some(AT), ..of("payment.retry", "") }).await, [11]);
    assert_eq!(find(audit::Search { from: Some(AT.plus_seconds(1)), ..of("", "") }).await, Vec::<i64>::new());
    assert_eq!(find(audit::Search { to: Some(AT.plus_seconds(-1)), ..of("", "") }).await, Vec::<i64>::new());
}

#[tokio::test]
async fn a_row_says_who_asked_and_from_where() {
    let (_folder, db) = open().await;
    Origin::Window.during(write(&db, Action::SettingsSave, Resource::None)).await;
    Origin::Tool.during(write(&db, Action::SettingsSave, Resource::None)).await;
    write(&db, Action::TokenRefresh, Resource::Platform("zz-club")).await;
    let rows = audit::after(db.reader(), 0, 9).await.unwrap();
    let from = |row: &Row| format!("{} {} {}", row.who, row.address, row.agent);
    assert_eq!(
        rows.iter().map(from).collect::<Vec<_>>(),
        ["local local window", "local socket tool", "local local core"]
    );
    assert_eq!(rows[2].resource, "platform:zz-club");
    let line: serde_json::Value = serde_json::from_str(&line(&rows[1])).unwrap();
    assert_eq!((line["action"].as_str(), line["agent"].as_str()), (Some("configuration.save"), Some("tool")));
    assert_eq!(line["hash"].as_str().unwrap().len(), 64);
}

/// A row as the first version of this program wrote it, with the hash that it reckoned.
#[tokio::test]
async fn a_row_of_format_1_verifies_as_before_and_what_follows_it_is_chained_to_it() {
    let (_folder, db) = open().await;
    let old = "INSERT INTO audit (seq, at_us, who, category, action, resource, result, address, agent, format, hash)
         VALUES (1, 1796000000000000, 'local', 'payment', 'payment.confirm', 'order:ord_01KA0000000000000000000ABC', 'done',
                 'local', 'window', 1, x'95c356e20d78b0eedbfcc3228ce073f4b0dfe9385f8ad2c90d6bf11928374dad')";
    harm(&db, old).await;
    harm(&db, "UPDATE counters SET value = 1 WHERE name = 'audit'").await;
    write(&db, Action::SettingsSave, Resource::None).await;
    assert_eq!(verify(&db).await.unwrap(), report(2, &[]));
    let rows = audit::after(db.reader(), 0, 9).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.format).collect::<Vec<_>>(), [1, 2]);
    harm(&db, "UPDATE audit SET risk = 5 WHERE seq = 1").await;
    assert_eq!(verify(&db).await.unwrap(), report(2, &[1]));
}

async fn scored(db: &Db, seq: i64, score: u8) {
    let mut tx = db.begin().await.unwrap();
    let row = audit::after(db.reader(), seq - 1, 1).await.unwrap().remove(0);
    let screening = Screening { score, reasons: vec![Unusual::Burst, Unusual::Country] };
    risk::write(&mut tx, (row.seq, &row.hash), &screening, AT).await.unwrap();
    db.commit(tx).await.unwrap();
}

#[tokio::test]
async fn a_score_comes_later_changes_nothing_of_its_row_and_is_found_with_it() {
    let (_folder, db) = open().await;
    ten(&db).await;
    scored(&db, 4, 40).await;
    scored(&db, 2, 5).await;
    assert_eq!(verify(&db).await.unwrap(), report(10, &[]));
    let found = audit::search(db.reader(), &audit::Search::default(), 10).await.unwrap();
    let scores: Vec<_> = found.iter().filter_map(|row| Some((row.seq, row.score?, row.reasons.as_str()))).collect();
    assert_eq!(scores, [(4, 40, "burst country"), (2, 5, "burst country")]);
    let line: serde_json::Value = serde_json::from_str(&line(&found[6])).unwrap();
    assert_eq!((&line["risk"], &line["risk_reasons"]), (&serde_json::json!(40), &serde_json::json!("burst country")));
    // Once, and never again.
    let mut tx = db.begin().await.unwrap();
    let screening = Screening { score: 1, reasons: Vec::new() };
    assert!(risk::write(&mut tx, (4, &found[6].hash), &screening, AT).await.is_err());
}

#[tokio::test]
async fn a_score_that_was_changed_moved_or_taken_away_is_found_and_its_row_still_verifies() {
    for (harm_to_scores, damaged) in [
        ("UPDATE audit_risk SET score = 0 WHERE seq = 4", vec![2]),
        ("UPDATE audit_risk SET reasons = '' WHERE seq = 4", vec![2]),
        ("UPDATE audit_risk SET at_us = 0 WHERE seq = 4", vec![2]),
        ("UPDATE audit_risk SET seq = 5 WHERE seq = 4", vec![2]),
        // What follows a score that is gone does not follow any more.
        ("DELETE FROM audit_risk WHERE seq = 4", vec![2, 3]),
        ("DELETE FROM audit_risk WHERE seq = 6", vec![3]),
        ("DELETE FROM audit_risk", vec![1, 2, 3]),
    ] {
        let (_folder, db) = open().await;
        ten(&db).await;
        for seq in [2, 4, 6] {
            scored(&db, seq, 40).await;
        }
        harm(&db, harm_to_scores).await;
        let found = verify(&db).await.unwrap();
        assert_eq!((found.damaged, found.damaged_scores), (vec![], damaged), "{harm_to_scores}");
    }
}

#[tokio::test]
async fn what_floods_us_is_one_row_for_each_kind_and_minute() {
    let (_folder, db) = open().await;
    let drops = drops::Drops::default();
    let entry = |why| Entry { came: Came::Failed(why), ..Entry::done(Action::LinkDrop, Resource::None) };
    for seconds in 0..120 {
        for why in ["flood", "oversized"] {
            drops.note(&db, entry(why), AT.plus_seconds(seconds)).await;
        }
    }
    // A clock that was put back silences nothing.
    drops.note(&db, entry("flood"), AT.plus_seconds(-500)).await;
    assert_eq!(verify(&db).await.unwrap(), report(5, &[]));
}

#[test]
fn every_action_has_a_name_of_its_own_that_begins_with_its_category() {
    let names: BTreeSet<&str> = Action::ALL.iter().map(|action| action.word()).collect();
    assert_eq!(names.len(), Action::ALL.len());
    for action in Action::ALL {
        assert!(action.word().starts_with(&format!("{}.", action.category())), "{action:?}");
    }
    let categories: BTreeSet<&str> = Action::ALL.iter().map(|action| action.category()).collect();
    let wanted = ["agent", "configuration", "payment", "profile", "sign_in", "token", "vault"];
    assert_eq!(categories.into_iter().collect::<Vec<_>>(), wanted);
}

#[test]
fn a_refusal_names_its_code() {
    assert_eq!(Came::Refused(FaultCode::CartChanged).text(), "refused:cart_changed");
    assert_eq!(Came::Failed("denied").text(), "failed:denied");
}
