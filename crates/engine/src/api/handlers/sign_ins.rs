//! The sign-in centre.

use super::super::{command::*, view::*};
use crate::engine::Engine;
use std::collections::BTreeSet;
use zhiyou_domain::fault::{Fault, FaultCode};

pub(crate) async fn list_sign_ins(engine: &Engine, wish: ListSignIns) -> Result<Vec<SignInView>, Fault> {
    let needed = match wish.plan_id {
        Some(id) => super::plans::get(engine, id).await?.required_platforms().into_iter().collect(),
        None => BTreeSet::new(),
    };
    Ok(all(engine, &needed).await)
}

pub(crate) async fn start_sign_in(engine: &Engine, wish: StartSignIn) -> Result<SignInView, Fault> {
    engine.auth.start(&wish.platform, wish.return_by).await?;
    found(engine, &wish.platform).await
}

pub(crate) async fn cancel_sign_in(engine: &Engine, wish: CancelSignIn) -> Result<SignInView, Fault> {
    engine.auth.cancel(&wish.platform).await?;
    found(engine, &wish.platform).await
}

pub(crate) async fn disconnect(engine: &Engine, wish: Disconnect) -> Result<SignInView, Fault> {
    engine.auth.disconnect(&wish.platform).await?;
    found(engine, &wish.platform).await
}

async fn found(engine: &Engine, platform: &str) -> Result<SignInView, Fault> {
    one(engine, platform).await.ok_or_else(|| Fault::new(FaultCode::NotFound, "no such platform"))
}

/// Every platform, those in `needed` marked.
pub(crate) async fn all(engine: &Engine, needed: &BTreeSet<String>) -> Vec<SignInView> {
    let mut rows = engine.auth.list().await;
    for row in &mut rows {
        row.needed = needed.contains(&row.platform);
    }
    rows
}

/// One platform, not marked.
pub(crate) async fn one(engine: &Engine, platform: &str) -> Option<SignInView> {
    engine.auth.list().await.into_iter().find(|row| row.platform == platform)
}
