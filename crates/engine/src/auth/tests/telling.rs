//! No tokens live at a platform that nobody has: answers that say nothing or cannot be used, a platform that ends a sign-in
//! itself, a return that is given up on its way, and a platform that cannot be told at once.

use super::{super::loopback, *};
use serde_json::json;
use tokio::sync::{Notify, mpsc};

const DOWN: &str = "<html><h1>Bad Gateway</h1></html>";
const TOKENS: &str = r#"{"access_token":"a","token_type":"Bearer","refresh_token":"r","expires_in":3600}"#;

/// A platform whose token endpoint answers this once and afterwards as it should; so does its revocation.
async fn at_first(status: &'static str, body: &'static str) -> Hostile {
    let count = Arc::new(AtomicU64::new(0));
    Hostile::start(move |line| {
        let count = count.clone();
        async move {
            match line.as_str() {
                "POST /token" if count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 => {
                    (status, body.to_owned())
                }
                "POST /token" => ("200 OK", TOKENS.to_owned()),
                "POST /revoke" => ("200 OK", String::new()),
                _ => metadata(),
            }
        }
    })
    .await
}

async fn returns(app: &App, issuer: &str) {
    app.auth.start(CLUB, DeepLink).await.unwrap();
    assert!(app.auth.deep_link(&return_for(&app.visited(), "code", issuer)).await);
}

#[tokio::test]
async fn a_code_whose_answer_says_nothing_of_it_stays_with_its_visit_and_is_redeemed_again() {
    for (status, body) in [
        ("502 Bad Gateway", DOWN),
        ("504 Gateway Timeout", ""),
        ("500 Internal Server Error", r#"{"error":"invalid_request"}"#),
        ("429 Too Many Requests", r#"{"error":"slow_down"}"#),
        ("408 Request Timeout", DOWN),
        ("403 Forbidden", DOWN),
        ("200 OK", DOWN),
        ("200 OK", r#"{"access_token":"a"}"#),
    ] {
        let platform = at_first(status, body).await;
        let app = App::at(&platform.issuer).await;
        returns(&app, &platform.issuer).await;
        assert!(failed(&app.state().await, "provider"), "{status} {body}");
        let (visit, pending) = app.auth.pending(&app.platforms[0]).await.unwrap().expect("the visit");
        assert!(visit.used && pending.code.as_deref() == Some("code"), "{status} {body}");
        app.auth.recover().await;
        assert!(connected(&app.state().await), "{status} {body}");
        assert_eq!(platform.was_asked("POST /token"), 2);
    }
}

#[tokio::test]
async fn a_code_whose_answer_nobody_can_read_is_sent_again_for_an_hour_and_then_no_more() {
    let platform = Hostile::with_token_answer("200 OK", DOWN).await;
    let app = App::at(&platform.issuer).await;
    returns(&app, &platform.issuer).await;
    for (seconds, kept) in [(1800, true), (1799, true), (1, false)] {
        app.clock.advance_seconds(seconds);
        app.auth.recover().await;
        assert_eq!(app.auth.pending(&app.platforms[0]).await.unwrap().is_some(), kept, "{seconds}");
    }
    assert_eq!(platform.was_asked("POST /token"), 4);
    // The code of a visit that was given up is not sent for ever either.
    returns(&app, &platform.issuer).await;
    app.auth.cancel(CLUB).await.unwrap();
    for (seconds, left) in [(0, true), (3600, false)] {
        app.clock.advance_seconds(seconds);
        app.auth.recover().await;
        assert_eq!(app.auth.view(CLUB).await.unwrap().untold, left, "{seconds}");
    }
}

#[tokio::test]
async fn tokens_that_may_not_be_used_are_revoked_wherever_they_come() {
    let wider = json!({"switch": "patch", "op": "token", "merge": {"scope": "profile loyalty admin"}});
    // In a return, and then a sign-in that is as it should be.
    let club = Club::with(std::slice::from_ref(&wider)).await;
    let app = App::at(&club.issuer).await;
    app.auth.start(CLUB, DeepLink).await.unwrap();
    assert!(app.auth.deep_link(&decide(&app.visited(), "approve").await).await);
    assert!(failed(&app.state().await, "provider"));
    assert_eq!(club.live_families().await.len(), 0);
    sign_in(&app).await;
    assert_eq!(club.live_families().await.len(), 1);
    // In a second return, which costs the first sign-in nothing.
    club.switch(wider.clone()).await;
    app.auth.start(CLUB, DeepLink).await.unwrap();
    assert!(app.auth.deep_link(&decide(&app.visited(), "approve").await).await);
    assert!(connected(&app.state().await));
    assert_eq!(club.live_families().await.len(), 1);
    // For a code that was cut off, and for one that was given up.
    for given_up in [false, true] {
        let club = Club::start().await;
        let mut app = App::at(&club.issuer).await;
        app.auth.start(CLUB, DeepLink).await.unwrap();
        let link = decide(&app.visited(), "approve").await;
        let stops = app.auth.db.stops.clone();
        // The second point is right after the return was claimed: its code was never sent.
        assert!(
            stops
                .cut(1, async {
                    app.auth.deep_link(&link).await;
                })
                .await
        );
        let platforms = app.platforms.clone();
        app.restart(platforms).await;
        if given_up {
            app.auth.cancel(CLUB).await.unwrap();
        }
        club.switch(wider.clone()).await;
        app.auth.recover().await;
        assert_eq!(club.live_families().await.len(), 0, "given up: {given_up}");
        assert!(app.auth.pending(&app.platforms[0]).await.unwrap().is_none(), "given up: {given_up}");
        assert!(!app.auth.view(CLUB).await.unwrap().untold, "given up: {given_up}");
    }
}

#[tokio::test]
async fn refreshed_tokens_that_may_not_be_used_are_revoked_and_an_answer_that_says_nothing_ends_no_sign_in() {
    let club = Club::start().await;
    let app = App::at(&club.issuer).await;
    sign_in(&app).await;
    app.clock.advance_seconds(3600);
    let down = json!({"switch": "answer", "op": "token", "status": 502, "body": DOWN,
        "headers": {"content-type": "text/html"}});
    club.switch(down).await;
    assert!(app.auth.access_token(CLUB).await.unwrap_err().is_transient());
    assert!(connected(&app.state().await));
    app.auth.access_token(CLUB).await.unwrap();
    app.clock.advance_seconds(3600);
    club.switch(json!({"switch": "patch", "op": "token", "merge": {"scope": "profile loyalty admin"}})).await;
    assert!(app.auth.access_token(CLUB).await.unwrap_err().is_transient());
    app.auth.recover().await;
    assert_eq!(club.live_families().await.len(), 0, "what was given is over");
    assert!(matches!(app.auth.access_token(CLUB).await, Err(AuthError::Expired)));
}

#[tokio::test]
async fn a_sign_in_whose_new_token_is_refused_too_is_over_at_the_platform_as_well() {
    let club = Club::start().await;
    let app = App::at(&club.issuer).await;
    sign_in(&app).await;
    for _ in 0..2 {
        let token = app.auth.access_token(CLUB).await.unwrap().token;
        assert_eq!(club.live_families().await.len(), 1);
        app.auth.rejected(CLUB, &token).await;
    }
    assert_eq!(app.state().await, SignInStateView::Revoked);
    assert_eq!(club.live_families().await.len(), 0, "the refresh token lived");
    assert!(!app.auth.view(CLUB).await.unwrap().untold);
}

#[tokio::test]
async fn a_return_by_loopback_that_is_given_up_on_its_way_comes_to_its_end_and_its_tokens_are_revoked() {
    for sign_out in [false, true] {
        let (asked, mut is_asked) = mpsc::channel::<()>(1);
        let (go_on, revoked) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (gate, told) = (go_on.clone(), revoked.clone());
        let platform = Hostile::start(move |line| {
            let (asked, gate, told) = (asked.clone(), gate.clone(), told.clone());
            async move {
                match line.as_str() {
                    "POST /token" => {
                        asked.send(()).await.unwrap();
                        gate.notified().await;
                        ("200 OK", TOKENS.to_owned())
                    }
                    "POST /revoke" => {
                        told.notify_one();
                        ("200 OK", String::new())
                    }
                    _ => metadata(),
                }
            }
        })
        .await;
        let app = App::at(&platform.issuer).await;
        app.auth.start(CLUB, Loopback).await.unwrap();
        let back = return_for(&app.visited(), "code", &platform.issuer);
        let port = Url::parse(&back).unwrap().port().unwrap();
        let browser = tokio::spawn(async move { client().get(&back).send().await });
        is_asked.recv().await.unwrap();
        if sign_out {
            app.auth.disconnect(CLUB).await.unwrap();
        } else {
            app.auth.cancel(CLUB).await.unwrap();
        }
        until("the port closes", async || loopback::bind(port).await.is_ok()).await;
        // Whoever listened has gone, and the conversation alone is left.
        until("nobody listens", async || Arc::weak_count(&app.auth) <= 1).await;
        assert_eq!(platform.was_asked("POST /revoke"), 0, "nothing is known of tokens yet");
        go_on.notify_one();
        assert_eq!(browser.await.unwrap().unwrap().status(), 400, "nobody waits for it any more");
        revoked.notified().await;
        until("everything is told", async || !app.auth.view(CLUB).await.unwrap().untold).await;
        assert_eq!(platform.was_asked("POST /revoke"), 1);
        assert_eq!(app.state().await, SignInStateView::Disconnected);
    }
}

/// Follows what is owed in the background, until this is dropped.
struct Following(tokio::task::JoinHandle<()>);

impl Following {
    fn of(app: &App) -> Self {
        let auth = app.auth.clone();
        Self(tokio::spawn(async move { auth.follow().await }))
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Turns the clock on until nothing is owed any more.
async fn told_in_time(app: &App) {
    until("everything is told", async || {
        app.clock.advance_seconds(5);
        app.auth.look_again();
        !app.auth.owes().await
    })
    .await;
}

#[tokio::test]
async fn what_a_platform_could_not_be_told_it_is_told_when_it_answers_while_the_program_runs() {
    let club = Club::start().await;
    let app = App::at(&club.issuer).await;
    let _following = Following::of(&app);
    sign_in(&app).await;
    assert!(!app.auth.owes().await);
    club.switch(json!({"switch": "answer", "op": "revoke", "status": 503, "times": 3})).await;
    assert!(app.auth.disconnect(CLUB).await.unwrap().untold);
    assert_eq!(club.live_families().await.len(), 1);
    told_in_time(&app).await;
    assert_eq!(club.live_families().await.len(), 0);
    assert!(!app.auth.view(CLUB).await.unwrap().untold);
}

#[tokio::test]
async fn a_code_that_was_cut_off_or_given_up_is_ended_while_the_program_runs() {
    for given_up in [false, true] {
        let club = Club::with(&[json!({"switch": "answer", "op": "token", "status": 502, "body": DOWN})]).await;
        let app = App::at(&club.issuer).await;
        let _following = Following::of(&app);
        app.auth.start(CLUB, DeepLink).await.unwrap();
        assert!(app.auth.deep_link(&decide(&app.visited(), "approve").await).await);
        assert!(failed(&app.state().await, "provider") && app.auth.owes().await);
        if given_up {
            app.auth.cancel(CLUB).await.unwrap();
        }
        told_in_time(&app).await;
        assert_eq!(connected(&app.state().await), !given_up);
        assert_eq!(club.live_families().await.len(), usize::from(!given_up));
    }
}

#[tokio::test]
async fn a_closed_vault_owes_nothing_until_it_is_opened() {
    let club = Club::with(&[json!({"switch": "answer", "op": "revoke", "status": 503})]).await;
    let app = App::with_passphrase(&club.issuer).await;
    let _following = Following::of(&app);
    sign_in(&app).await;
    app.auth.disconnect(CLUB).await.unwrap();
    assert!(app.auth.owes().await);
    {
        let _resting = app.auth.rests().await;
        assert!(app.auth.vault.lock().await);
    }
    assert!(app.auth.view(CLUB).await.unwrap().untold && !app.auth.owes().await);
    app.auth.vault.unlock(PASSPHRASE).await.unwrap();
    told_in_time(&app).await;
    assert_eq!(club.live_families().await.len(), 0);
}
