//! The security audit log: search, verify, export; and the key that signs what is agreed to.

use super::super::{command::*, view::*};
use crate::{
    audit::{self, Action, Entry, Resource},
    consent,
    engine::Engine,
    exports,
    store::{audit as rows, consents},
};
use zhiyou_domain::{fault::Fault, time::UtcMicros};

/// Rows in one page.
const PAGE: i64 = 50;
/// Rows read at once while they are exported.
const BATCH: i64 = 1_000;

pub(crate) async fn list_audit(engine: &Engine, wish: ListAudit) -> Result<AuditView, Fault> {
    let search = rows::Search {
        action: wish.action,
        resource: wish.resource,
        from: wish.from_us.map(UtcMicros),
        to: wish.to_us.map(UtcMicros),
        before: wish.before,
    };
    // One more than is shown says whether there are more.
    let mut found = rows::search(engine.db.reader(), &search, PAGE.saturating_add(1)).await?;
    let page = usize::try_from(PAGE).unwrap_or(usize::MAX);
    let more = found.len() > page;
    found.truncate(page);
    Ok(AuditView { rows: found.into_iter().map(view).collect(), more })
}

fn view(row: rows::Row) -> AuditRowView {
    AuditRowView {
        seq: row.seq,
        at_us: row.at.0,
        who: row.who,
        action: row.action,
        resource: row.resource,
        result: row.result,
        address: row.address,
        agent: row.agent,
        risk: row.score.or(row.risk),
        risk_reasons: row.reasons.split_whitespace().map(str::to_owned).collect(),
    }
}

pub(crate) async fn verify_audit(engine: &Engine, _: VerifyAudit) -> Result<AuditCheckView, Fault> {
    let report = audit::verify(&engine.db).await?;
    Ok(AuditCheckView { rows: report.rows, damaged: report.damaged, damaged_scores: report.damaged_scores })
}

pub(crate) async fn export_audit(engine: &Engine, _: ExportAudit) -> Result<ExportedView, Fault> {
    let now = engine.clock.now();
    // Noted first, so that the file tells of itself.
    audit::note_alone(&engine.db, Entry::done(Action::AuditExport, Resource::None), now).await;
    let (mut text, mut seq) = (String::new(), 0);
    loop {
        let batch = rows::after(engine.db.reader(), seq, BATCH).await?;
        let Some(newest) = batch.last().map(|row| row.seq) else { break };
        seq = newest;
        for row in &batch {
            text.push_str(&audit::line(row));
            text.push('\n');
        }
    }
    Ok(exports::write(&engine.data_dir, &format!("audit-{}.jsonl", stamp(now)), text.into_bytes()).await?)
}

/// `20261204T074005Z`, for a file's name.
pub(super) fn stamp(at: UtcMicros) -> String {
    let text = at.to_rfc3339();
    let second: String = text.chars().take(19).filter(char::is_ascii_alphanumeric).collect();
    format!("{second}Z")
}

pub(crate) async fn list_consents(engine: &Engine, wish: ListConsents) -> Result<Vec<ConsentView>, Fault> {
    let mut views = Vec::new();
    for consent in consents::of_order(engine.db.reader(), wish.order_id).await? {
        let verifies = consent::verify(&engine.db, &consent).await?;
        let (at_us, signature) = (consent.at.0, hex::encode(&consent.signature));
        views.push(ConsentView { at_us, payload: consent.payload, key_id: consent.key, signature, verifies });
    }
    Ok(views)
}

pub(crate) async fn rotate_consent_key(engine: &Engine, _: RotateConsentKey) -> Result<(), Fault> {
    consent::rotate(&engine.db, &engine.vault, engine.clock.now()).await
}
