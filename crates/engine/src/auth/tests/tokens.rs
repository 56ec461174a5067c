//! Attacks on tokens that were given, and accidents with them (rows OA-52 to 58, 60, 66 and 67).

use super::{super::defence::Defence, attack::*, *};
use serde_json::json;

async fn run(app: &App, statement: &'static str) {
    let mut tx = app.auth.db.begin().await.unwrap();
    sqlx::query(statement).execute(&mut *tx).await.unwrap();
    app.auth.db.commit(tx).await.unwrap();
}

/// New tokens are not written any more, as if the program ended just before.
async fn die_before_writing_tokens(app: &App) {
    run(
        app,
        "CREATE TRIGGER dies BEFORE UPDATE ON sign_ins WHEN NEW.tokens IS NOT NULL BEGIN SELECT RAISE(ABORT, 'died'); END",
    )
    .await;
}

#[tokio::test]
async fn oa_52_a_refresh_that_is_cut_off_leaves_exactly_one_pair_of_tokens() {
    stands(Defence::OneWrite, async || {
        let app = App::start().await;
        sign_in(&app).await;
        let before = row(&app).await.unwrap();
        app.clock.advance_seconds(3600);
        die_before_writing_tokens(&app).await;
        assert!(app.auth.access_token(CLUB).await.is_err());
        run(&app, "DROP TRIGGER dies").await;
        let after = row(&app).await.unwrap();
        let lost = after.tokens.is_none();
        assert!(lost || (after == before && app.auth.open_tokens(&after).unwrap().is_some()));
        vec![("lost", lost)]
    })
    .await;
}

/// A platform that counts, and gives new tokens whenever asked.
async fn generous() -> Hostile {
    let count = Arc::new(AtomicU64::new(0));
    Hostile::start(move |line| {
        let count = count.clone();
        async move {
            match line.split(['?', ' ']).nth(1) {
                Some("/token") => {
                    let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    let tokens = json!({"access_token": format!("access-token-{number}"), "token_type": "Bearer",
                        "refresh_token": format!("refresh-token-{number}"), "expires_in": 3600});
                    ("200 OK", tokens.to_string())
                }
                Some("/revoke") => ("200 OK", String::new()),
                _ => metadata(),
            }
        }
    })
    .await
}

async fn signed_in_at(platform: &Hostile) -> App {
    let app = App::at(&platform.issuer).await;
    app.auth.start(CLUB, DeepLink).await.unwrap();
    let link = return_for(&app.visited(), "code-of-the-visit", &platform.issuer);
    assert!(app.auth.deep_link(&link).await && connected(&app.state().await));
    app
}

#[tokio::test]
async fn oa_53_one_refresh_serves_all_who_ask() {
    stands(Defence::SingleFlight, async || {
        let platform = generous().await;
        let app = signed_in_at(&platform).await;
        app.clock.advance_seconds(3600);
        let asking: Vec<_> = (0..16)
            .map(|_| {
                let auth = app.auth.clone();
                tokio::spawn(async move { auth.access_token(CLUB).await.is_ok() })
            })
            .collect();
        for task in asking {
            task.await.unwrap();
        }
        vec![("several refreshes", platform.was_asked("POST /token") > 2)]
    })
    .await;
}

/// The platform has taken the old tokens back and its answer is on the way.
#[tokio::test]
async fn a_lock_in_the_middle_of_a_refresh_loses_no_tokens() {
    let (reached, answered) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let given = Arc::new(AtomicU64::new(0));
    let gate = (reached.clone(), answered.clone(), given.clone());
    let platform = Hostile::start(move |line| {
        let (reached, answered, given) = gate.clone();
        async move {
            if line.split(['?', ' ']).nth(1) != Some("/token") {
                return metadata();
            }
            let number = given.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            if number > 0 {
                reached.notify_one();
                answered.notified().await;
            }
            let tokens = json!({"access_token": format!("access-token-{number}"), "token_type": "Bearer",
                "refresh_token": format!("refresh-token-{number}"), "expires_in": 3600});
            ("200 OK", tokens.to_string())
        }
    })
    .await;
    let app = signed_in_at(&platform).await;
    app.clock.advance_seconds(3600);
    let refresh = app.auth.access_token(CLUB);
    tokio::pin!(refresh);
    tokio::select! {
        _ = &mut refresh => panic!("the platform has not answered"),
        () = reached.notified() => {}
    }
    let lock = async {
        let _resting = app.auth.rests().await;
        app.auth.vault.lock().await
    };
    tokio::pin!(lock);
    assert!(futures::poll!(&mut lock).is_pending(), "it waits for the platform");
    answered.notify_one();
    let (refreshed, locked) = tokio::join!(refresh, lock);
    assert!(refreshed.is_ok() && locked);
    app.auth.vault.reopen().await.unwrap();
    assert_eq!(app.auth.access_token(CLUB).await.unwrap().token.expose(), "access-token-1");
    assert_eq!(given.load(std::sync::atomic::Ordering::SeqCst), 2);
}

#[tokio::test]
async fn oa_54_after_a_refresh_that_was_never_written_the_person_signs_in_again_and_nothing_loops() {
    stands(Defence::GrantEnds, async || {
        let mut app = App::start().await;
        sign_in(&app).await;
        app.clock.advance_seconds(3600);
        die_before_writing_tokens(&app).await;
        assert!(app.auth.access_token(CLUB).await.is_err());
        run(&app, "DROP TRIGGER dies").await;
        let platforms = app.platforms.clone();
        app.restart(platforms).await;
        // The platform has given the old refresh token's successor to nobody.
        let first = app.auth.access_token(CLUB).await.unwrap_err();
        let loops = first.is_transient();
        if !loops {
            assert!(matches!(first, AuthError::Expired) && app.state().await == SignInStateView::Revoked);
            for _ in 0..3 {
                assert!(matches!(app.auth.access_token(CLUB).await, Err(AuthError::Expired)));
            }
            sign_in(&app).await;
        }
        vec![("tried for ever", loops)]
    })
    .await;
}

async fn refresh_as_thief(issuer: &str, token: &str) -> serde_json::Value {
    let form = [("grant_type", "refresh_token"), ("client_id", "zhiyou-desktop"), ("refresh_token", token)];
    let answer = client().post(format!("{issuer}/token")).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

#[tokio::test]
async fn oa_55_a_stolen_refresh_token_that_was_used_ends_both_and_the_person_is_told() {
    stands(Defence::GrantEnds, async || {
        let app = App::start().await;
        sign_in(&app).await;
        let stolen = app.auth.open_tokens(&row(&app).await.unwrap()).unwrap().unwrap().refresh.clone().unwrap();
        let thiefs = refresh_as_thief(&issuer(), &stolen).await;
        app.clock.advance_seconds(3600);
        let told = changes::after(app.auth.db.reader(), 0, 100).await.unwrap().len();
        assert!(app.auth.access_token(CLUB).await.is_err());
        assert_eq!(profile_status(thiefs["access_token"].as_str().unwrap()).await, 401, "the thief's are dead too");
        let kept = row(&app).await.unwrap().tokens.is_some();
        if !kept {
            assert_eq!(app.state().await, SignInStateView::Revoked);
            let shown = changes::after(app.auth.db.reader(), 0, 100).await.unwrap().len();
            assert_eq!(shown, told + 2, "that it is over, and that the platform was told");
        }
        vec![("dead tokens kept", kept)]
    })
    .await;
}

#[tokio::test]
async fn oa_56_a_refresh_token_is_never_shown_to_another_issuer() {
    stands(Defence::IssuerKeyed, async || {
        let mut app = App::start().await;
        sign_in(&app).await;
        let other = generous().await;
        app.restart(vec![club(&other.issuer)]).await;
        app.clock.advance_seconds(3600);
        let answer = app.auth.access_token(CLUB).await;
        let shown = other.was_asked("POST /token") > 0;
        assert!(shown || (matches!(answer, Err(AuthError::Expired)) && row(&app).await.unwrap().tokens.is_none()));
        vec![("another issuer", shown)]
    })
    .await;
}

#[tokio::test]
async fn oa_57_a_platform_that_refuses_every_token_is_asked_for_one_new_one() {
    stands(Defence::RefreshedOnce, async || {
        let platform = generous().await;
        let app = signed_in_at(&platform).await;
        for _ in 0..10 {
            let Ok(bearer) = app.auth.access_token(CLUB).await else { break };
            app.auth.rejected(CLUB, &bearer.token).await;
        }
        let refreshes = platform.was_asked("POST /token") - 1;
        assert!(refreshes >= 1);
        vec![("a loop", refreshes > 1)]
    })
    .await;
}

#[tokio::test]
async fn oa_58_a_token_is_refreshed_before_its_end_and_a_wrong_clock_costs_one_refusal() {
    stands(Defence::Margin, async || {
        let app = App::start().await;
        let first = sign_in(&app).await;
        app.clock.advance_seconds(3600 - 30);
        let given = app.auth.access_token(CLUB).await.unwrap().token;
        vec![("a token about to end", given.expose() == first.expose())]
    })
    .await;
    for skew_s in [-600, 600] {
        let app = App::start().await;
        app.clock.advance_seconds(skew_s);
        let first = sign_in(&app).await;
        revoke_at_platform(first.expose()).await;
        app.clock.advance_seconds(-skew_s);
        app.auth.rejected(CLUB, &first).await;
        assert_eq!(profile_status(app.auth.access_token(CLUB).await.unwrap().token.expose()).await, 200, "{skew_s}");
    }
}

#[tokio::test]
async fn oa_60_a_token_goes_to_its_own_platform_only() {
    stands(Defence::TokenOrigin, async || {
        let app = App::start().await;
        sign_in(&app).await;
        let bearer = app.auth.access_token(CLUB).await.unwrap();
        assert!(bearer.may_go_to(&Url::parse(&format!("{}/profile", issuer())).unwrap()));
        let may = |address: &str| bearer.may_go_to(&Url::parse(address).unwrap());
        let port = Url::parse(&issuer()).unwrap().port().unwrap();
        vec![
            ("another platform", may("https://other.example/profile")),
            ("another port", may("http://127.0.0.1:1/profile")),
            ("another scheme", may(&format!("https://127.0.0.1:{port}/profile"))),
            ("a host that begins alike", may(&format!("http://127.0.0.1.evil.example:{port}/profile"))),
            ("a user that looks like the host", may(&format!("http://127.0.0.1:{port}@evil.example/profile"))),
        ]
    })
    .await;
}

#[tokio::test]
async fn oa_66_no_secret_is_ever_part_of_an_address() {
    stands(Defence::BodyOnly, async || {
        let platform = generous().await;
        let app = signed_in_at(&platform).await;
        app.clock.advance_seconds(3600);
        app.auth.access_token(CLUB).await.unwrap();
        app.auth.disconnect(CLUB).await.unwrap();
        let asked = platform.asked.lock().unwrap().clone();
        assert!(asked.iter().filter(|line| line.starts_with("POST /token")).count() == 2);
        let secrets = ["access-token", "refresh-token", "code-of-the-visit"];
        vec![("an address", asked.iter().any(|line| secrets.iter().any(|secret| line.contains(secret))))]
    })
    .await;
}

#[tokio::test]
async fn oa_67_signing_out_revokes_forgets_and_ends_the_visit() {
    stands(Defence::Revoked, async || {
        let app = App::start().await;
        let token = sign_in(&app).await;
        app.auth.start(CLUB, Loopback).await.unwrap();
        let back = decide(&app.visited(), "approve").await;
        app.auth.disconnect(CLUB).await.unwrap();
        assert!(row(&app).await.unwrap().tokens.is_none());
        assert!(app.auth.pending(&app.platforms[0]).await.unwrap().is_none());
        until("the port closes", async || client().get(&back).send().await.is_err()).await;
        assert!(matches!(app.auth.access_token(CLUB).await, Err(AuthError::NotConnected)));
        vec![("alive at the platform", profile_status(token.expose()).await == 200)]
    })
    .await;
}

#[tokio::test]
async fn oa_67_signing_out_with_a_closed_vault_forgets_at_once_and_revokes_when_it_is_opened() {
    stands(Defence::KeptUnopened, async || {
        let mut app = App::with_passphrase(&issuer()).await;
        let token = sign_in(&app).await;
        app.closed().await;
        let view = app.auth.disconnect(CLUB).await.unwrap();
        assert_eq!(view.state, SignInStateView::Disconnected);
        let left = row(&app).await.unwrap();
        assert!(left.tokens.is_none() && !app.auth.is_connected(CLUB).await);
        assert!(matches!(app.auth.access_token(CLUB).await, Err(AuthError::NotConnected)));
        app.opened().await;
        assert!(matches!(app.auth.access_token(CLUB).await, Err(AuthError::NotConnected)), "it stays over");
        assert!(!app.auth.view(CLUB).await.unwrap().untold, "nothing is left to tell");
        vec![("alive at the platform", profile_status(token.expose()).await == 200)]
    })
    .await;
}

#[tokio::test]
async fn what_the_platform_is_still_to_be_told_is_shown_until_it_is_told() {
    let club = Club::with(&[json!({"switch": "answer", "op": "revoke", "status": 503})]).await;
    let mut app = App::with_passphrase(&club.issuer).await;
    sign_in(&app).await;
    app.closed().await;
    assert!(app.auth.disconnect(CLUB).await.unwrap().untold);
    app.opened().await;
    assert_eq!(club.live_families().await.len(), 1, "the platform did not answer");
    assert!(app.auth.view(CLUB).await.unwrap().untold);
    let rung = *app.auth.db.doorbell().borrow();
    app.auth.recover().await;
    assert_eq!(club.live_families().await.len(), 0);
    assert!(!app.auth.view(CLUB).await.unwrap().untold);
    assert!(*app.auth.db.doorbell().borrow() > rung, "the interface hears of it");
}

#[tokio::test]
async fn tokens_left_with_a_closed_vault_outlive_a_new_root_key_and_another_issuer_is_not_shown_them() {
    let club = Club::start().await;
    let mut app = App::with_passphrase(&club.issuer).await;
    sign_in(&app).await;
    app.closed().await;
    app.auth.disconnect(CLUB).await.unwrap();
    app.auth.vault.unlock(PASSPHRASE).await.unwrap();
    // Before anything is told: a new root key, and the platform has moved.
    app.auth.vault.rotate(Some(PASSPHRASE), app.clock.now()).await.unwrap();
    let elsewhere = Hostile::start(|_| async { metadata() }).await;
    let here = std::mem::replace(&mut app.platforms, vec![world::club(&elsewhere.issuer)]);
    app.opened().await;
    assert_eq!(elsewhere.was_asked("POST /revoke"), 0);
    assert_eq!(club.live_families().await.len(), 1);
    app.platforms = here;
    app.opened().await;
    assert_eq!(club.live_families().await.len(), 0);
}

#[tokio::test]
async fn a_refresh_that_answers_with_another_persons_tokens_replaces_ours_and_takes_nothing_else_along() {
    let club = Club::with(&[json!({"switch": "other_subject"})]).await;
    let app = App::at(&club.issuer).await;
    app.auth.start(CLUB, DeepLink).await.unwrap();
    assert!(app.auth.deep_link(&decide(&app.visited(), "approve").await).await);
    let before = row(&app).await.unwrap();
    app.clock.advance_seconds(3600);
    let token = app.auth.access_token(CLUB).await.unwrap().token;
    assert_eq!(profile_status_at(&club.issuer, token.expose()).await, 200);
    let after = row(&app).await.unwrap();
    assert_eq!((after.account, after.issuer, after.serial), (before.account, before.issuer, before.serial + 1));
}

#[tokio::test]
async fn a_platform_that_takes_a_refresh_token_twice_lets_a_lost_refresh_be_repeated() {
    let club = Club::with(&[json!({"switch": "reuse_refresh"})]).await;
    let app = App::at(&club.issuer).await;
    app.auth.start(CLUB, DeepLink).await.unwrap();
    assert!(app.auth.deep_link(&decide(&app.visited(), "approve").await).await);
    app.clock.advance_seconds(3600);
    die_before_writing_tokens(&app).await;
    assert!(app.auth.access_token(CLUB).await.is_err());
    run(&app, "DROP TRIGGER dies").await;
    let token = app.auth.access_token(CLUB).await.unwrap().token;
    assert_eq!(profile_status_at(&club.issuer, token.expose()).await, 200);
}
