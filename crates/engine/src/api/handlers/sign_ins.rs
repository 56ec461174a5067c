//! The sign-in centre.

use super::super::{command::*, view::*};
use crate::{
    auth::{
        ThroughUs,
        centre::{self, PlatformRequirement},
    },
    engine::Engine,
    member,
};
use zhiyou_domain::{
    fault::{Fault, FaultCode},
    places,
};

pub(crate) async fn list_sign_ins(engine: &Engine, wish: ListSignIns) -> Result<Vec<SignInView>, Fault> {
    let required = match wish.plan_id {
        Some(id) => centre::identify_required_platforms(&super::plans::get(engine, id).await?),
        None => Vec::new(),
    };
    let mut rows = all(engine, &required).await;
    rows.extend(engine.through_us.iter().filter(|supplier| supplier.in_use).map(through_us));
    Ok(rows)
}

/// What a person need not sign in to, said where they would look for it.
fn through_us(supplier: &ThroughUs) -> SignInView {
    SignInView {
        platform: supplier.id.clone(),
        name: supplier.name.clone(),
        purpose: supplier.purpose.clone(),
        host: supplier.host.clone(),
        permissions: Vec::new(),
        returns: Vec::new(),
        readable: false,
        state: SignInStateView::ThroughUs,
        untold: false,
        needed_for: Vec::new(),
    }
}

pub(crate) async fn read_member(engine: &Engine, wish: ReadMember) -> Result<MemberView, Fault> {
    member::read(&engine.auth, &wish.platform).await
}

pub(crate) async fn hand_over_flight(engine: &Engine, wish: HandOverFlight) -> Result<HandOverView, Fault> {
    let malformed = |path: &str| {
        Fault::new(FaultCode::MalformedInput, "not a flight").with("path", path).with("problem", "malformed")
    };
    for (path, airport) in [("origin", &wish.origin), ("destination", &wish.destination)] {
        places::airport(airport).ok_or_else(|| malformed(path))?;
    }
    let departs_on = wish.departs_on.parse().map_err(|_| malformed("departs_on"))?;
    let leg = member::Leg { origin: wish.origin, destination: wish.destination, departs_on };
    let page = member::booking_page(&engine.auth, &wish.platform, &leg).await?;
    let url = page.to_string();
    engine.auth.open_browser(page).await;
    Ok(HandOverView { platform: wish.platform, url, status: HandOverStatusView::External })
}

pub(crate) async fn login_to_platform(engine: &Engine, wish: LoginToPlatform) -> Result<AuthSessionView, Fault> {
    centre::login_to_platform(&engine.auth, &wish.platform, wish.return_by).await
}

pub(crate) async fn check_auth_status(engine: &Engine, wish: CheckAuthStatus) -> Result<AuthSessionView, Fault> {
    centre::check_auth_status(&engine.auth, &wish.platform, wish.session_id.as_deref()).await
}

pub(crate) async fn list_authenticated_apis(
    engine: &Engine,
    _: ListAuthenticatedApis,
) -> Result<Vec<AuthenticatedApiView>, Fault> {
    centre::authenticated_apis(&engine.auth).await
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

/// Every platform, those that are required first.
pub(crate) async fn all(engine: &Engine, required: &[PlatformRequirement]) -> Vec<SignInView> {
    centre::request_authorization(&engine.auth, required).await
}

/// One platform, whatever needs it.
pub(crate) async fn one(engine: &Engine, platform: &str) -> Option<SignInView> {
    all(engine, &[]).await.into_iter().find(|row| row.platform == platform)
}
