//! The authentication centre: which platforms a plan needs and why, one log-in for each, and what stands open with them.
//!
//! A session of logging in lives for an hour and holds its visits to the browser together, each of which lives for ten
//! minutes (`docs/decisions/020`). Its name is random, stored in the clear, and proves nothing: whoever knows it learns where the
//! log-in stands. Deliberately not here: the visits ([`super::flow`]), and tokens, which nothing here gives out.

use super::{Auth, pending::WAIT_MIN, platform::Platform};
use crate::{
    api::{
        command::ReturnBy,
        view::{AuthSessionView, AuthStatusView, AuthenticatedApiView, SignInStateView, SignInView},
    },
    store::{
        Tx,
        auth_sessions::{self, SessionRow},
        sign_ins,
    },
};
use std::sync::Arc;
use zhiyou_domain::{
    fault::{Fault, FaultCode},
    id::ItemId,
    plan::Plan,
};

/// Minutes that a session lives.
pub(super) const SESSION_MIN: i64 = 60;

/// A platform that a plan needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlatformRequirement {
    /// Platform id.
    pub(crate) platform: String,
    /// What of the plan needs it.
    pub(crate) items: Vec<ItemId>,
}

/// The platforms that a plan needs, and what of it needs them, in the order of its items.
pub(crate) fn identify_required_platforms(plan: &Plan) -> Vec<PlatformRequirement> {
    let needs = |platform: String| {
        let named = plan.items.iter().filter(|item| item.member_platform.as_ref() == Some(&platform));
        let items = named.map(|item| item.id).collect();
        PlatformRequirement { platform, items }
    };
    plan.required_platforms().into_iter().map(needs).collect()
}

/// Every platform with what it is asked for and why: first those that are required, in their order, then the others. A
/// platform whose row cannot be read is shown as failed.
pub(crate) async fn request_authorization(auth: &Auth, required: &[PlatformRequirement]) -> Vec<SignInView> {
    let mut views = Vec::with_capacity(auth.platforms.len());
    for platform in &auth.platforms {
        let state = auth.state_of(platform).await.unwrap_or_else(|error| {
            tracing::error!(%error, platform = platform.id, "a sign-in could not be read");
            SignInStateView::Failed { why: "provider".to_owned() }
        });
        let mut view = auth.viewed(platform, state).await;
        if let Some(need) = required.iter().find(|need| need.platform == platform.id) {
            view.needed_for = need.items.iter().map(ToString::to_string).collect();
        }
        views.push(view);
    }
    let place = |view: &SignInView| required.iter().position(|need| need.platform == view.platform);
    views.sort_by_key(|view| place(view).unwrap_or(usize::MAX));
    views
}

/// Logs in to a platform: opens its page in the system browser, unless the person is connected already. Within a session
/// every call is a new visit; the earlier one ends.
///
/// # Errors
/// As [`Auth::start`].
pub(crate) async fn login_to_platform(
    auth: &Arc<Auth>,
    platform: &str,
    return_by: Option<ReturnBy>,
) -> Result<AuthSessionView, Fault> {
    if !auth.is_connected(platform).await {
        auth.start(platform, return_by).await?;
    }
    check_auth_status(auth, platform, None).await
}

/// Where a log-in stands, and what was granted; never a token.
///
/// # Errors
/// `NotFound` for an unknown platform, and for a session that is over or another platform's; the store's faults.
pub(crate) async fn check_auth_status(
    auth: &Auth,
    platform: &str,
    session: Option<&str>,
) -> Result<AuthSessionView, Fault> {
    let platform = auth.known(platform)?;
    let alive = auth.session(platform).await?;
    if session.is_some_and(|asked| alive.as_ref().is_none_or(|row| row.session != asked)) {
        return Err(Fault::new(FaultCode::NotFound, "no such session"));
    }
    let (status, url, granted) = match auth.state_of(platform).await? {
        SignInStateView::Connected { granted, .. } => (AuthStatusView::Authenticated, None, granted),
        SignInStateView::Waiting { url, .. } => (AuthStatusView::AuthRequired, Some(url), None),
        SignInStateView::Disconnected
        | SignInStateView::Expired
        | SignInStateView::Revoked
        | SignInStateView::Failed { .. }
        | SignInStateView::ThroughUs => (AuthStatusView::AuthRequired, None, None),
    };
    Ok(AuthSessionView {
        platform: platform.id.clone(),
        status,
        url,
        session_id: alive.as_ref().map(|row| row.session.clone()),
        expires_at_us: alive.map(|row| row.expires_at.0),
        granted,
    })
}

/// The platforms that the person is connected to, and what may be called there with the sign-in; never a token.
///
/// # Errors
/// The store's faults.
pub(crate) async fn authenticated_apis(auth: &Auth) -> Result<Vec<AuthenticatedApiView>, Fault> {
    let mut apis = Vec::new();
    for platform in &auth.platforms {
        let SignInStateView::Connected { granted, .. } = auth.state_of(platform).await? else { continue };
        let row = sign_ins::read(auth.db.reader(), &platform.id).await?;
        apis.push(AuthenticatedApiView {
            platform: platform.id.clone(),
            name: platform.name.clone(),
            host: platform.host(),
            scopes: row.and_then(|row| auth.scopes(&row)),
            granted,
            calls: platform.calls.clone(),
        });
    }
    Ok(apis)
}

impl Auth {
    /// Whether a tool is one that a platform's token is for.
    pub(crate) fn may_call(&self, platform: &str, tool: &str) -> bool {
        self.known(platform).is_ok_and(|platform| platform.calls.iter().any(|known| known == tool))
    }

    /// The platform's session, while it lives.
    async fn session(&self, platform: &Platform) -> Result<Option<SessionRow>, Fault> {
        let row = auth_sessions::read(self.db.reader(), &platform.id).await?;
        Ok(row.filter(|row| self.clock.now() < row.expires_at))
    }

    /// Puts the visit that is being written into the platform's session. One that would end before the visit does is over: a
    /// new one begins.
    pub(super) async fn keep_session(&self, tx: &mut Tx, platform: &Platform) -> Result<(), Fault> {
        let now = self.clock.now();
        let lives = |row: &SessionRow| now.plus_minutes(WAIT_MIN) <= row.expires_at;
        if auth_sessions::read(&mut **tx, &platform.id).await?.as_ref().is_some_and(lives) {
            return Ok(());
        }
        let session = self.random_text::<12>()?;
        let row = SessionRow { platform: platform.id.clone(), session, expires_at: now.plus_minutes(SESSION_MIN) };
        Ok(auth_sessions::put(tx, &row).await?)
    }
}
