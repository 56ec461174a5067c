//! The authentication centre: what a plan needs, one log-in with its session, and what stands open.

use super::{
    super::centre::{authenticated_apis, check_auth_status, login_to_platform, request_authorization},
    attack::parameter,
    *,
};
use crate::{
    api::view::{AuthSessionView, AuthStatusView},
    auth::centre::PlatformRequirement,
};
use serde_json::json;

async fn log_in(app: &App) -> AuthSessionView {
    login_to_platform(&app.auth, CLUB, Some(DeepLink)).await.unwrap()
}

async fn come_back(app: &App) {
    assert!(app.auth.deep_link(&decide(&app.visited(), "approve").await).await);
}

async fn status(app: &App, session: Option<&str>) -> Result<AuthSessionView, FaultCode> {
    check_auth_status(&app.auth, CLUB, session).await.map_err(|fault| fault.code)
}

#[tokio::test]
async fn a_log_in_has_a_session_of_an_hour_and_each_of_its_visits_ten_minutes() {
    let app = App::start().await;
    let first = log_in(&app).await;
    assert_eq!(first.status, AuthStatusView::AuthRequired);
    assert_eq!(first.url.as_deref(), Some(app.visited().as_str()));
    assert_eq!(first.expires_at_us, Some(1_700_003_600_000_000));
    let session = first.session_id.clone().unwrap();
    assert_eq!(session.len(), 16);
    assert!(!app.visited().as_str().contains(&session), "it says nothing of the visit");
    let state = parameter(app.visited().as_str(), "state");
    // The visit's time is over; the session goes on, and another visit renews it.
    app.clock.advance_seconds(600);
    let between = status(&app, Some(&session)).await.unwrap();
    assert_eq!((between.url, between.status), (None, AuthStatusView::AuthRequired));
    let second = log_in(&app).await;
    assert_eq!((&second.session_id, second.expires_at_us), (&first.session_id, first.expires_at_us));
    assert_ne!(parameter(app.visited().as_str(), "state"), state, "of the old visit nothing is left");
    come_back(&app).await;
    let ended = status(&app, Some(&session)).await.unwrap();
    assert_eq!((ended.status, ended.url), (AuthStatusView::Authenticated, None));
    // After its hour the session is nobody's; the sign-in stands.
    app.clock.advance_seconds(3000);
    assert_eq!(status(&app, Some(&session)).await.unwrap_err(), FaultCode::NotFound);
    let later = status(&app, None).await.unwrap();
    assert_eq!((later.status, later.session_id), (AuthStatusView::Authenticated, None));
}

#[tokio::test]
async fn no_visit_outlives_its_session() {
    let app = App::start().await;
    let first = log_in(&app).await;
    app.clock.advance_seconds(3000);
    assert_eq!(log_in(&app).await.session_id, first.session_id, "a whole visit is left");
    app.clock.advance_seconds(1);
    let next = log_in(&app).await;
    assert_ne!(next.session_id, first.session_id);
    assert_eq!(next.expires_at_us, Some(app.clock.now().plus_minutes(60).0));
}

#[tokio::test]
async fn a_session_survives_a_restart_and_ends_when_the_person_gives_up_or_signs_out() {
    let mut app = App::start().await;
    let session = log_in(&app).await.session_id;
    let platforms = app.platforms.clone();
    app.restart(platforms).await;
    assert_eq!(status(&app, session.as_deref()).await.unwrap().session_id, session);
    app.auth.cancel(CLUB).await.unwrap();
    assert_eq!(status(&app, session.as_deref()).await.unwrap_err(), FaultCode::NotFound);
    let session = log_in(&app).await.session_id;
    come_back(&app).await;
    app.auth.disconnect(CLUB).await.unwrap();
    assert_eq!(status(&app, session.as_deref()).await.unwrap_err(), FaultCode::NotFound);
    assert_eq!(status(&app, None).await.unwrap().status, AuthStatusView::AuthRequired);
}

#[tokio::test]
async fn who_is_connected_is_told_so_and_no_page_is_opened() {
    let app = App::start().await;
    log_in(&app).await;
    come_back(&app).await;
    let opened = app.browser.opened.lock().unwrap().len();
    assert_eq!(log_in(&app).await.status, AuthStatusView::Authenticated);
    assert_eq!(app.browser.opened.lock().unwrap().len(), opened);
    for platform in ["no-club", ""] {
        let fault = login_to_platform(&app.auth, platform, None).await.unwrap_err();
        assert_eq!(fault.code, FaultCode::NotFound);
        assert_eq!(check_auth_status(&app.auth, platform, None).await.unwrap_err().code, FaultCode::NotFound);
    }
}

#[tokio::test]
async fn what_was_granted_is_told_in_words_and_the_token_never() {
    let narrower = json!({"switch": "patch", "op": "token", "merge": {"scope": "profile"}});
    let club = Club::with(&[narrower]).await;
    let app = App::at(&club.issuer).await;
    assert!(authenticated_apis(&app.auth).await.unwrap().is_empty());
    log_in(&app).await;
    come_back(&app).await;
    let told = status(&app, None).await.unwrap();
    let granted = told.granted.clone().unwrap();
    assert_eq!(granted.iter().map(|name| name.en.as_str()).collect::<Vec<_>>(), ["your name"]);
    let apis = authenticated_apis(&app.auth).await.unwrap();
    let [api] = &apis[..] else { panic!("{apis:?}") };
    assert_eq!(api.scopes.as_deref(), Some(&["profile".to_owned()][..]));
    assert_eq!((&api.calls[..], &api.host), (&["getMemberProfile".to_owned()][..], &app.platforms[0].host()));
    assert!(app.auth.may_call(CLUB, "getMemberProfile") && !app.auth.may_call(CLUB, "get_active_flights"));
    let token = app.auth.access_token(CLUB).await.unwrap().token;
    let said = format!("{}{}", serde_json::to_string(&told).unwrap(), serde_json::to_string(&apis).unwrap());
    assert!(!said.contains(token.expose().as_str()));
}

#[tokio::test]
async fn while_the_vault_is_closed_it_is_not_said_what_was_granted() {
    let mut app = App::with_passphrase(&issuer()).await;
    sign_in(&app).await;
    app.closed().await;
    let told = status(&app, None).await.unwrap();
    assert_eq!((told.status, told.granted), (AuthStatusView::Authenticated, None));
    assert_eq!(authenticated_apis(&app.auth).await.unwrap()[0].scopes, None);
}

#[tokio::test]
async fn what_a_plan_needs_comes_first_and_names_what_needs_it() {
    let mut other = club(&issuer());
    other.id = "other-club".to_owned();
    let app = App::of(vec![club(&issuer()), other]).await;
    let item: zhiyou_domain::id::ItemId = "itm_01KA0000000000000000000ABC".parse().unwrap();
    let need = |platform: &str| PlatformRequirement { platform: platform.to_owned(), items: vec![item] };
    let asked = request_authorization(&app.auth, &[need("unknown"), need("other-club")]).await;
    let told: Vec<_> = asked.iter().map(|row| (row.platform.as_str(), row.needed_for.len())).collect();
    assert_eq!(told, [("other-club", 1), (CLUB, 0)]);
    assert_eq!(asked[0].needed_for, [item.to_string()]);
    assert!(asked.iter().all(|row| row.permissions.len() == 2 && !row.purpose.en.is_empty()));
}

#[tokio::test]
async fn a_sign_in_whose_time_is_over_is_expired_and_one_that_is_taken_back_before_is_revoked() {
    for (seconds, expected) in [(600, SignInStateView::Expired), (60, SignInStateView::Revoked)] {
        // No refresh token comes with it.
        let tokens = r#"{"access_token":"a","token_type":"Bearer","expires_in":600}"#;
        let platform = Hostile::with_token_answer("200 OK", tokens).await;
        let app = App::at(&platform.issuer).await;
        app.auth.start(CLUB, DeepLink).await.unwrap();
        assert!(app.auth.deep_link(&return_for(&app.visited(), "code", &platform.issuer)).await);
        let token = app.auth.access_token(CLUB).await.unwrap().token;
        app.clock.advance_seconds(seconds);
        app.auth.rejected(CLUB, &token).await;
        assert!(matches!(app.auth.access_token(CLUB).await, Err(AuthError::Expired)), "{seconds}");
        assert_eq!(app.state().await, expected, "{seconds}");
    }
}
