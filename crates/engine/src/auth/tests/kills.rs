//! The program ended at every commit of a sign-in, a refresh and a sign-out, and opened anew: never two families of tokens
//! that the platform still takes, never a sign-in that is shown and has none, and nothing sealed that does not open. The
//! platform's own book says which families live.

use super::*;
use crate::{member, vault::VaultError};
use serde_json::json;

/// Where the person signs in.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// The club, where our client is known.
    Club,
    /// The club, which takes what is asked by a push.
    PushedTo,
    /// Turkish Airlines, where every visit registers a client of its own, and tokens are for its MCP server.
    Turkish,
}

const PLACES: [Place; 3] = [Place::Club, Place::PushedTo, Place::Turkish];

impl Place {
    /// The place with a book of its own, and an app that knows it.
    async fn open(self) -> (Club, App) {
        let club = Club::start().await;
        let platform = match self {
            Self::Club => world::club(&club.issuer),
            Self::PushedTo => {
                club.switch(json!({"switch": "par"})).await;
                world::club(&club.issuer)
            }
            Self::Turkish => turkish(&club.turkish),
        };
        (club, App::of(vec![platform]).await)
    }
}

/// The platform that the app of a test knows.
fn id(app: &App) -> &str {
    &app.platforms[0].id
}

/// Families of tokens that the app's platform would still take.
async fn living(app: &App, club: &Club) -> usize {
    let provider = if app.platforms[0].mcp.is_some() { "turkish" } else { "oauth" };
    club.live_families_of(provider).await.len()
}

/// Whether the platform takes the token.
async fn is_taken(app: &App, bearer: &Bearer) -> bool {
    match &app.platforms[0].mcp {
        Some(_) => member::read(&app.auth, id(app)).await.is_ok(),
        None => profile_status_at(&app.platforms[0].issuer, bearer.token.expose()).await == 200,
    }
}

/// What holds whenever the program was opened anew and the platform answers.
async fn whole(app: &App, club: &Club, point: usize) {
    let platform = &app.platforms[0];
    app.auth.pending(platform).await.unwrap_or_else(|error| panic!("point {point}: {error}"));
    let row = sign_ins::read(app.auth.db.reader(), id(app)).await.unwrap();
    let tokens = row.as_ref().map(|row| app.auth.open_tokens(row)).transpose();
    assert!(!matches!(tokens, Err(VaultError::Damaged)), "point {point}: tokens that do not open");
    assert!(app.auth.vault.ids("revocation").await.unwrap().is_empty(), "point {point}: everything is revoked");
    assert!(living(app, club).await <= 1, "point {point}: two families");
    match app.auth.access_token(id(app)).await {
        Ok(bearer) => {
            assert!(is_taken(app, &bearer).await, "point {point}");
            assert_eq!(living(app, club).await, 1, "point {point}");
            assert!(app.auth.is_connected(id(app)).await, "point {point}");
        }
        Err(error) => {
            assert!(matches!(error, AuthError::Expired | AuthError::NotConnected), "point {point}: {error}");
            assert!(!app.auth.is_connected(id(app)).await, "point {point}: shown and not there");
            assert_eq!(living(app, club).await, 0, "point {point}: alive and nobody's");
        }
    }
}

async fn signs_in(app: &App) {
    app.auth.start(id(app), DeepLink).await.unwrap();
    let link = decide(&app.visited(), "approve").await;
    app.auth.deep_link(&link).await;
}

/// Ends the program at every point of `act` in turn, after `before`, at every place; answers how many there are at each.
async fn killed_at_every_point(before: impl AsyncFn(&App), act: impl AsyncFn(&App)) -> [usize; 3] {
    let mut points = [0; 3];
    for (place, points) in PLACES.into_iter().zip(&mut points) {
        while killed_at(place, *points, &before, &act).await {
            *points += 1;
        }
    }
    points
}

/// Ends the program at this point of `act`; whether there is one.
async fn killed_at(place: Place, point: usize, before: &impl AsyncFn(&App), act: &impl AsyncFn(&App)) -> bool {
    let (club, mut app) = place.open().await;
    before(&app).await;
    let stops = app.auth.db.stops.clone();
    let ended = stops.cut(point, act(&app)).await;
    let platforms = app.platforms.clone();
    app.restart(platforms).await;
    app.auth.recover().await;
    whole(&app, &club, point).await;
    // Whatever it was, the person can sign in now, and that is the one sign-in.
    signs_in(&app).await;
    let state = app.auth.view(id(&app)).await.unwrap().state;
    assert!(connected(&state), "{place:?}, point {point}");
    whole(&app, &club, point).await;
    ended
}

#[tokio::test]
async fn a_sign_in_that_is_killed_at_any_commit_leaves_one_family_of_tokens_or_none() {
    // The visit begins, the return is claimed, the tokens are kept: before and after each.
    assert_eq!(killed_at_every_point(async |_: &App| (), signs_in).await, [6; 3]);
}

#[tokio::test]
async fn a_second_sign_in_that_is_killed_at_any_commit_never_leaves_two_families() {
    // And the first one's tokens are over.
    assert_eq!(killed_at_every_point(signs_in, signs_in).await, [8; 3]);
}

#[tokio::test]
async fn a_refresh_that_is_killed_at_any_commit_leaves_one_family_or_a_sign_in_that_says_it_is_over() {
    let signed_in_long_ago = async |app: &App| {
        signs_in(app).await;
        app.clock.advance_seconds(3600);
    };
    let refresh = async |app: &App| drop(app.auth.access_token(id(app)).await.unwrap());
    assert_eq!(killed_at_every_point(signed_in_long_ago, refresh).await, [2; 3]);
}

#[tokio::test]
async fn a_sign_out_that_is_killed_at_any_commit_leaves_the_sign_in_or_nothing() {
    let sign_out = async |app: &App| drop(app.auth.disconnect(id(app)).await.unwrap());
    assert_eq!(killed_at_every_point(signs_in, sign_out).await, [4; 3]);
}

/// Ends the program at every point of `end` with a closed vault, and of the telling after the vault was opened. Answers how
/// many there are.
async fn killed_with_a_closed_vault(before: impl AsyncFn(&App), end: impl AsyncFn(&App)) -> usize {
    let mut point = 0;
    loop {
        let club = Club::start().await;
        let mut app = App::with_passphrase(&club.issuer).await;
        before(&app).await;
        app.closed().await;
        let stops = app.auth.db.stops.clone();
        let mut ended = stops.cut(point, end(&app)).await;
        let wished = !ended || point > 0;
        if !ended {
            assert!(matches!(app.auth.access_token(CLUB).await, Err(AuthError::NotConnected)), "point {point}");
            app.closed().await;
            app.auth.vault.unlock(PASSPHRASE).await.unwrap();
            let (stops, within) = (app.auth.db.stops.clone(), point - WITHIN);
            ended = stops.cut(within, app.auth.recover()).await;
        }
        // What was wished stays wished, whatever the program saw of it.
        app.opened().await;
        whole(&app, &club, point).await;
        if wished {
            assert_eq!(club.live_families().await.len(), 0, "point {point}: alive after the wish");
        }
        if !ended {
            return point;
        }
        point += 1;
    }
}

/// Points of ending something with a closed vault: before and after its one commit.
const WITHIN: usize = 2;

#[tokio::test]
async fn a_sign_out_with_a_closed_vault_that_is_killed_at_any_commit_is_revoked_when_it_is_opened() {
    let sign_out = async |app: &App| drop(app.auth.disconnect(CLUB).await.unwrap());
    // It is opened, and forgotten once the platform was told: before and after each.
    assert_eq!(killed_with_a_closed_vault(signs_in, sign_out).await, WITHIN + 4);
}

#[tokio::test]
async fn a_return_that_was_cut_off_and_given_up_with_a_closed_vault_leaves_nothing_alive() {
    let cut_off = async |app: &App| {
        // The fifth point is before the tokens are kept: the platform gave them.
        assert!(app.auth.db.stops.clone().cut(4, signs_in(app)).await);
    };
    let sign_out = async |app: &App| drop(app.auth.disconnect(CLUB).await.unwrap());
    assert_eq!(killed_with_a_closed_vault(cut_off, sign_out).await, WITHIN + 4);
    let give_up = async |app: &App| drop(app.auth.cancel(CLUB).await.unwrap());
    assert_eq!(killed_with_a_closed_vault(cut_off, give_up).await, WITHIN + 4);
}

#[tokio::test]
async fn a_visit_that_is_given_up_and_killed_at_any_commit_leaves_nothing() {
    let given_up = async |app: &App| {
        app.auth.start(id(app), DeepLink).await.unwrap();
        app.auth.cancel(id(app)).await.unwrap();
    };
    assert_eq!(killed_at_every_point(async |_: &App| (), given_up).await, [4; 3]);
}

/// A return whose code the platform takes and does not answer; given up then, with the program ended at every point of
/// that. Answers how many there are.
async fn given_up_while_its_code_is_redeemed(give_up: impl AsyncFn(&App)) -> usize {
    let mut point = 0;
    loop {
        let club = Club::with(&[json!({"switch": "act_then_time_out", "op": "token", "mode": "hang"})]).await;
        let mut app = App::at(&club.issuer).await;
        app.auth.start(CLUB, DeepLink).await.unwrap();
        let link = decide(&app.visited(), "approve").await;
        let auth = app.auth.clone();
        let returning = tokio::spawn(async move { auth.deep_link(&link).await });
        until("the code is taken", async || club.live_families().await.len() == 1).await;
        let stops = app.auth.db.stops.clone();
        let ended = stops.cut(point, give_up(&app)).await;
        returning.abort();
        let platforms = app.platforms.clone();
        app.restart(platforms).await;
        app.auth.recover().await;
        assert_eq!(club.live_families().await.len(), 0, "point {point}: alive and nobody's");
        whole(&app, &club, point).await;
        signs_in(&app).await;
        whole(&app, &club, point).await;
        if !ended {
            return point;
        }
        point += 1;
    }
}

#[tokio::test]
async fn a_sign_in_given_up_while_its_code_is_redeemed_and_killed_then_leaves_nothing_alive() {
    let cancel = async |app: &App| drop(app.auth.cancel(CLUB).await.unwrap());
    assert_eq!(given_up_while_its_code_is_redeemed(cancel).await, 2);
    let sign_out = async |app: &App| drop(app.auth.disconnect(CLUB).await.unwrap());
    assert_eq!(given_up_while_its_code_is_redeemed(sign_out).await, 2);
    let begin_anew = async |app: &App| drop(app.auth.start(CLUB, DeepLink).await.unwrap());
    assert_eq!(given_up_while_its_code_is_redeemed(begin_anew).await, 2);
}

#[tokio::test]
async fn a_code_that_was_given_up_unsent_is_ended_and_what_it_gives_is_revoked() {
    let club = Club::start().await;
    let mut app = App::at(&club.issuer).await;
    // The fourth point is right after the return was claimed: its code was never sent.
    let stops = app.auth.db.stops.clone();
    assert!(stops.cut(3, signs_in(&app)).await);
    let platforms = app.platforms.clone();
    app.restart(platforms).await;
    app.auth.cancel(CLUB).await.unwrap();
    assert_eq!(app.auth.vault.ids("revocation").await.unwrap().len(), 1);
    let down = json!({"switch": "answer", "op": "token", "status": 503, "body": {"error": "temporarily_unavailable"}});
    club.switch(down).await;
    for left in [1, 0] {
        app.auth.recover().await;
        assert_eq!(app.auth.vault.ids("revocation").await.unwrap().len(), left);
        assert_eq!(club.live_families().await.len(), 0);
    }
    whole(&app, &club, 3).await;
}

#[tokio::test]
async fn what_a_platform_could_not_be_told_after_a_kill_it_is_told_when_it_answers() {
    let down = json!({"switch": "answer", "op": "revoke", "status": 503, "times": 2});
    let club = Club::with(&[down]).await;
    let mut app = App::at(&club.issuer).await;
    signs_in(&app).await;
    app.auth.disconnect(CLUB).await.unwrap();
    assert_eq!(club.live_families().await.len(), 1, "it was not told");
    assert!(matches!(app.auth.access_token(CLUB).await, Err(AuthError::NotConnected)), "here it is over");
    for left in [1, 0] {
        let platforms = app.platforms.clone();
        app.restart(platforms).await;
        app.auth.recover().await;
        assert_eq!(club.live_families().await.len(), left);
    }
    assert!(app.auth.vault.ids("revocation").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_code_that_was_cut_off_is_redeemed_when_the_platform_answers_again() {
    let club = Club::start().await;
    let mut app = App::at(&club.issuer).await;
    // The third point is right after the return was claimed: its code was never sent.
    let stops = app.auth.db.stops.clone();
    assert!(stops.cut(3, signs_in(&app)).await);
    club.switch(
        json!({"switch": "answer", "op": "token", "status": 503, "body": {"error": "temporarily_unavailable"}}),
    )
    .await;
    for done in [false, true] {
        let platforms = app.platforms.clone();
        app.restart(platforms).await;
        app.auth.recover().await;
        assert_eq!(connected(&app.state().await), done);
        assert_eq!(club.live_families().await.len(), usize::from(done));
    }
    whole(&app, &club, 3).await;
}

#[tokio::test]
async fn a_code_whose_answer_was_lost_stays_with_its_visit_and_the_next_try_ends_it() {
    let body = json!({"error": "temporarily_unavailable"});
    let club = Club::with(&[json!({"switch": "answer", "op": "token", "status": 503, "body": body, "times": 2})]).await;
    let app = App::at(&club.issuer).await;
    signs_in(&app).await;
    assert!(failed(&app.state().await, "provider"), "it is said that there is no sign-in");
    assert_eq!(app.auth.start(CLUB, DeepLink).await.unwrap_err().code, FaultCode::ProviderUnavailable);
    assert!(failed(&app.state().await, "provider"), "and no other visit takes its place");
    let view = app.auth.start(CLUB, DeepLink).await.unwrap();
    assert!(connected(&view.state), "the code was sent again");
    whole(&app, &club, 0).await;
}

#[tokio::test]
async fn no_visit_is_begun_while_a_code_that_was_cut_off_may_have_given_tokens() {
    let club = Club::start().await;
    let mut app = App::at(&club.issuer).await;
    let stops = app.auth.db.stops.clone();
    // The fifth point is before the tokens are kept: the platform gave them.
    assert!(stops.cut(4, signs_in(&app)).await);
    assert_eq!(club.live_families().await.len(), 1, "given, and nobody's");
    club.switch(
        json!({"switch": "answer", "op": "token", "status": 503, "body": {"error": "temporarily_unavailable"}}),
    )
    .await;
    let platforms = app.platforms.clone();
    app.restart(platforms).await;
    assert_eq!(app.auth.start(CLUB, DeepLink).await.unwrap_err().code, FaultCode::ProviderUnavailable);
    signs_in(&app).await;
    assert!(connected(&app.state().await));
    whole(&app, &club, 4).await;
}

#[tokio::test]
async fn a_code_that_this_run_is_redeeming_is_not_redeemed_again_by_a_recovery() {
    let (asked, mut is_asked) = tokio::sync::mpsc::channel::<()>(1);
    let go_on = Arc::new(tokio::sync::Notify::new());
    let gate = go_on.clone();
    let platform = Hostile::start(move |line| {
        let (asked, gate) = (asked.clone(), gate.clone());
        async move {
            if line != "POST /token" {
                return metadata();
            }
            asked.send(()).await.unwrap();
            gate.notified().await;
            ("200 OK", r#"{"access_token":"a","token_type":"Bearer","refresh_token":"r"}"#.to_owned())
        }
    })
    .await;
    let app = App::at(&platform.issuer).await;
    app.auth.start(CLUB, DeepLink).await.unwrap();
    let link = return_for(&app.visited(), "code", &platform.issuer);
    let auth = app.auth.clone();
    let returning = tokio::spawn(async move { auth.deep_link(&link).await });
    is_asked.recv().await.unwrap();
    app.auth.recover().await;
    go_on.notify_one();
    assert!(returning.await.unwrap() && connected(&app.state().await));
    assert_eq!(platform.was_asked("POST /token"), 1);
}
