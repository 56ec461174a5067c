//! What sign-in promises, against the sandbox's member platform over real HTTP, and against one that misbehaves.

mod attack;
mod demands;
mod kills;
mod local;
mod log_ins;
mod members;
pub(super) mod naive;
mod returns;
mod servers;
mod table;
mod telling;
mod tokens;
mod ways;
pub(super) mod world;

use super::*;
use crate::{
    api::command::ReturnBy::{self, DeepLink, Loopback},
    secret::Sensitive,
    store::changes::{self, Entity},
    vault::VaultState,
};
use url::Url;
use world::*;
use zhiyou_domain::{app::ROOT, link};

const CLUB: &str = "zz-club";

/// Signs in by deep link and answers the access token.
async fn sign_in(app: &App) -> Sensitive<String> {
    app.auth.start(CLUB, DeepLink).await.unwrap();
    let link = decide(&app.visited(), "approve").await;
    assert!(app.auth.deep_link(&link).await, "the return was dropped");
    app.auth.access_token(CLUB).await.unwrap().token
}

fn connected(state: &SignInStateView) -> bool {
    matches!(state, SignInStateView::Connected { .. })
}

fn waiting(state: &SignInStateView) -> bool {
    matches!(state, SignInStateView::Waiting { .. })
}

fn failed(state: &SignInStateView, expected: &str) -> bool {
    matches!(state, SignInStateView::Failed { why } if why == expected)
}

#[tokio::test]
async fn a_person_signs_in_in_the_browser_and_comes_back_by_deep_link() {
    let app = App::start().await;
    assert_eq!(app.state().await, SignInStateView::Disconnected);
    let mut doorbell = app.auth.db.doorbell();
    let view = app.auth.start(CLUB, DeepLink).await.unwrap();
    let visit = app.visited();
    assert_eq!(view.state, SignInStateView::Waiting { url: visit.to_string(), expires_at_us: 1_700_000_600_000_000 });
    let parameter = |name: &str| visit.query_pairs().find(|(known, _)| known == name).unwrap().1.into_owned();
    assert_eq!(parameter("code_challenge_method"), "S256");
    assert_eq!((parameter("code_challenge").len(), parameter("state").len()), (43, 43));
    assert_eq!(parameter("redirect_uri"), link!("auth/zz-club"));
    assert_eq!(
        (parameter("scope"), parameter("client_id")),
        ("profile loyalty".to_owned(), "zhiyou-desktop".to_owned())
    );
    assert!(app.auth.deep_link(&decide(&visit, "approve").await).await);
    assert!(connected(&app.state().await) && app.auth.is_connected(CLUB).await);
    let bearer = app.auth.access_token(CLUB).await.unwrap();
    assert_eq!(profile_status(bearer.token.expose()).await, 200);
    assert!(bearer.may_go_to(&Url::parse(&issuer()).unwrap().join("/profile").unwrap()));
    assert!(!bearer.may_go_to(&Url::parse("http://127.0.0.1:1/profile").unwrap()), "another host");
    assert!(doorbell.has_changed().unwrap());
    doorbell.mark_unchanged();
    let told = changes::after(app.auth.db.reader(), 0, 10).await.unwrap();
    assert!(told.len() == 2 && told.iter().all(|change| change.entity == Entity::SignIn && change.id == CLUB));
}

#[tokio::test]
async fn a_person_comes_back_by_loopback_and_the_port_closes() {
    let app = App::start().await;
    app.auth.start(CLUB, Loopback).await.unwrap();
    let back = Url::parse(&decide(&app.visited(), "approve").await).unwrap();
    assert_eq!(back.host_str(), Some("127.0.0.1"));
    assert!(back.path().len() > 20, "the path cannot be guessed");
    let answer = client().get(back.clone()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    let page = answer.text().await.unwrap();
    assert!(page.contains("已登录") && page.contains("Signed in") && !page.contains("<script"), "{page}");
    assert!(policy.starts_with("default-src 'none'"));
    assert!(connected(&app.state().await));
    let address = ("127.0.0.1", back.port().unwrap());
    until("the port closes", async || tokio::net::TcpStream::connect(address).await.is_err()).await;
}

#[tokio::test]
async fn a_forged_loopback_return_is_refused_and_the_true_one_still_works() {
    let app = App::start().await;
    app.auth.start(CLUB, Loopback).await.unwrap();
    let back = Url::parse(&decide(&app.visited(), "approve").await).unwrap();
    let get = async |url: &Url, host: Option<&str>| {
        let request = client().get(url.clone());
        let request = if let Some(host) = host { request.header("host", host) } else { request };
        request.send().await.unwrap().status().as_u16()
    };
    let mut forged = back.clone();
    forged.set_query(Some("code=evil&state=evil"));
    assert_eq!(get(&forged, None).await, 400);
    assert_eq!(get(&back.join("/").unwrap(), None).await, 404);
    assert_eq!(get(&back, Some("evil.example")).await, 400, "a page whose name was pointed here");
    assert_eq!(client().post(back.clone()).send().await.unwrap().status(), 405);
    assert!(waiting(&app.state().await));
    assert_eq!(get(&back, None).await, 200);
    assert!(connected(&app.state().await));
}

#[tokio::test]
async fn a_person_who_refuses_is_told_so_and_nothing_is_awaited_any_more() {
    for by in [DeepLink, Loopback] {
        let app = App::start().await;
        app.auth.start(CLUB, by).await.unwrap();
        let back = decide(&app.visited(), "deny").await;
        match by {
            DeepLink => assert!(app.auth.deep_link(&back).await),
            Loopback => assert_eq!(client().get(&back).send().await.unwrap().status(), 200),
        }
        assert!(failed(&app.state().await, "denied"));
        assert!(!app.auth.deep_link(&back).await, "again");
    }
}

#[tokio::test]
async fn forged_returns_are_dropped_and_the_awaited_one_still_works() {
    let mut other = club(&issuer());
    other.id = "other-club".to_owned();
    let app = App::with(vec![club(&issuer()), other], true, TestBrowser::default(), true).await;
    app.auth.start(CLUB, DeepLink).await.unwrap();
    let good = decide(&app.visited(), "approve").await;
    let set = |name: &str, value: Option<&str>| {
        let mut url = Url::parse(&good).unwrap();
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let kept = pairs.into_iter().filter_map(|(known, old)| {
            if known != name { Some((known, old)) } else { value.map(|new| (known, new.to_owned())) }
        });
        url.query_pairs_mut().clear().extend_pairs(kept.collect::<Vec<_>>());
        url.to_string()
    };
    let state = Url::parse(&good).unwrap().query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let flipped: String =
        state.chars().enumerate().map(|(i, c)| if i == 7 { if c == 'A' { 'B' } else { 'A' } } else { c }).collect();
    let issuer = issuer();
    let forged = [
        ("no state", set("state", None)),
        ("unknown state", set("state", Some("x"))),
        ("one character differs", set("state", Some(&flipped))),
        ("a prefix", set("state", Some(&state[..42]))),
        ("longer", set("state", Some(&format!("{state}A")))),
        ("no issuer", set("iss", None)),
        ("empty issuer", set("iss", Some(""))),
        ("another issuer", set("iss", Some("https://evil.example"))),
        ("a slash more", set("iss", Some(&format!("{issuer}/")))),
        ("another case", set("iss", Some(&issuer.to_uppercase()))),
        ("an encoded issuer", set("iss", Some(&issuer.replace(':', "%3A")))),
        ("another platform's address", good.replace("zz-club", "other-club")),
        ("an unknown platform", good.replace("zz-club", "evil-club")),
        ("another scheme spelling", good.replace(ROOT, "ZHIYOU://")),
        ("an error of another issuer", set("iss", Some("https://evil.example")).replace("code=", "error=")),
        ("a token in the address", format!("{good}&access_token=evil")),
    ];
    for (count, (name, link)) in (1..).zip(&forged) {
        assert_ne!(link, &good, "{name}");
        assert!(!app.auth.deep_link(link).await, "{name}");
        assert!(waiting(&app.state().await), "{name}");
        assert_eq!(app.auth.dropped(), count, "{name}");
    }
    assert!(app.auth.deep_link(&good).await);
    assert!(connected(&app.state().await));
}

#[tokio::test]
async fn a_return_by_another_way_than_it_was_sent_is_dropped() {
    let mut other = club(&issuer());
    other.id = "other-club".to_owned();
    let app = App::with(vec![club(&issuer()), other], true, TestBrowser::default(), true).await;
    app.auth.start(CLUB, Loopback).await.unwrap();
    let back = decide(&app.visited(), "approve").await;
    let (_, query) = back.split_once('?').unwrap();
    // Another program has the scheme and passes on what it saw; or another platform's address is used.
    for way in [link!("auth/zz-club"), link!("auth/other-club")] {
        assert!(!app.auth.deep_link(&format!("{way}?{query}")).await, "{way}");
    }
    app.auth.start("other-club", Loopback).await.unwrap();
    let mut wrong = app.visited().query_pairs().find(|(name, _)| name == "redirect_uri").unwrap().1.into_owned();
    wrong.push_str(&format!("?{query}"));
    assert_eq!(client().get(&wrong).send().await.unwrap().status(), 400, "the listener of another platform");
    assert!(waiting(&app.state().await));
    assert_eq!(client().get(&back).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_return_works_once() {
    let app = App::start().await;
    app.auth.start(CLUB, DeepLink).await.unwrap();
    let link = decide(&app.visited(), "approve").await;
    let (one, two) = tokio::join!(app.auth.deep_link(&link), app.auth.deep_link(&link));
    assert!(one ^ two, "exactly one of two at once");
    assert!(!app.auth.deep_link(&link).await);
    let token = app.auth.access_token(CLUB).await.unwrap().token;
    assert_eq!(profile_status(token.expose()).await, 200, "the replay did not reach the platform, which would revoke");
}

#[tokio::test]
async fn a_late_return_is_dropped_and_the_person_sees_that_time_ran_out() {
    let app = App::start().await;
    app.auth.start(CLUB, DeepLink).await.unwrap();
    let link = decide(&app.visited(), "approve").await;
    app.clock.advance_seconds(600);
    assert!(!app.auth.deep_link(&link).await);
    assert!(failed(&app.state().await, "expired"));
    sign_in(&app).await;
}

#[tokio::test]
async fn starting_again_ends_the_first_visit() {
    for first in [DeepLink, Loopback] {
        let app = App::start().await;
        app.auth.start(CLUB, first).await.unwrap();
        let old = app.visited();
        app.auth.start(CLUB, DeepLink).await.unwrap();
        let new = app.visited();
        let proof = |url: &Url| url.query_pairs().find(|(name, _)| name == "code_challenge").unwrap().1.into_owned();
        assert_ne!(proof(&old), proof(&new), "every visit has its own proof key");
        let stale = decide(&old, "approve").await;
        match first {
            DeepLink => assert!(!app.auth.deep_link(&stale).await),
            Loopback => until("the old port closes", async || client().get(&stale).send().await.is_err()).await,
        }
        assert!(waiting(&app.state().await));
        assert!(app.auth.deep_link(&decide(&new, "approve").await).await);
    }
}

#[tokio::test]
async fn a_return_is_accepted_after_the_app_was_closed_and_opened_again() {
    for by in [DeepLink, Loopback] {
        let mut app = App::start().await;
        app.auth.start(CLUB, by).await.unwrap();
        let back = decide(&app.visited(), "approve").await;
        let platforms = app.platforms.clone();
        app.restart(platforms).await;
        assert!(waiting(&app.state().await));
        app.auth.resume().await;
        match by {
            DeepLink => assert!(app.auth.deep_link(&back).await),
            Loopback => assert_eq!(client().get(&back).send().await.unwrap().status(), 200),
        }
        assert!(connected(&app.state().await));
    }
}

#[tokio::test]
async fn a_code_of_somebody_else_is_worth_nothing_here() {
    let (victim, thief) = (App::start().await, App::start().await);
    thief.auth.start(CLUB, DeepLink).await.unwrap();
    let stolen = Url::parse(&decide(&thief.visited(), "approve").await).unwrap();
    let code = stolen.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    assert!(!victim.auth.deep_link(stolen.as_str()).await, "nothing is awaited");
    victim.auth.start(CLUB, DeepLink).await.unwrap();
    assert!(!victim.auth.deep_link(stolen.as_str()).await, "not the awaited state");
    // Even with the victim's own state the platform refuses: the code was asked for with another proof key.
    assert!(victim.auth.deep_link(&return_for(&victim.visited(), &code, &issuer())).await);
    assert!(failed(&victim.state().await, "provider"));
}

#[tokio::test]
async fn a_token_is_refreshed_before_its_end_by_one_call_for_all_who_ask() {
    let app = App::start().await;
    let first = sign_in(&app).await;
    assert_eq!(app.auth.access_token(CLUB).await.unwrap().token.expose(), first.expose(), "still good");
    app.clock.advance_seconds(3600 - 59);
    // The platform revokes everything when a refresh token comes twice: one call must serve them all.
    let asking: Vec<_> = (0..64)
        .map(|_| {
            let auth = app.auth.clone();
            tokio::spawn(async move { auth.access_token(CLUB).await.unwrap().token.expose().clone() })
        })
        .collect();
    let mut tokens = std::collections::HashSet::new();
    for task in asking {
        tokens.insert(task.await.unwrap());
    }
    assert_eq!(tokens.len(), 1);
    assert!(!tokens.contains(first.expose()));
    assert_eq!(profile_status(tokens.iter().next().unwrap()).await, 200);
    app.clock.advance_seconds(3600);
    let third = app.auth.access_token(CLUB).await.unwrap().token;
    assert_eq!(profile_status(third.expose()).await, 200, "the rotated refresh token was kept");
}

#[tokio::test]
async fn a_rotated_token_survives_a_restart() {
    let mut app = App::start().await;
    sign_in(&app).await;
    app.clock.advance_seconds(3600);
    let token = app.auth.access_token(CLUB).await.unwrap().token;
    let platforms = app.platforms.clone();
    app.restart(platforms).await;
    assert_eq!(app.auth.access_token(CLUB).await.unwrap().token.expose(), token.expose());
    app.clock.advance_seconds(3600);
    assert_eq!(profile_status(app.auth.access_token(CLUB).await.unwrap().token.expose()).await, 200);
}

async fn revoke_at_platform(token: &str) {
    let form = [("token", token), ("client_id", "zhiyou-desktop")];
    assert_eq!(client().post(format!("{}/revoke", issuer())).form(&form).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_and_then_the_sign_in_is_expired() {
    let app = App::start().await;
    let first = sign_in(&app).await;
    revoke_at_platform(first.expose()).await;
    assert_eq!(profile_status(first.expose()).await, 401);
    // Everybody who held it says so; it is replaced once.
    for _ in 0..8 {
        app.auth.rejected(CLUB, &first).await;
    }
    let second = app.auth.access_token(CLUB).await.unwrap().token;
    assert_ne!(second.expose(), first.expose());
    assert_eq!(profile_status(second.expose()).await, 200);
    app.auth.rejected(CLUB, &second).await;
    assert_eq!(app.state().await, SignInStateView::Revoked);
    assert!(matches!(app.auth.access_token(CLUB).await, Err(AuthError::Expired)));
    sign_in(&app).await;
}

#[tokio::test]
async fn a_sign_in_revoked_at_the_platform_is_revoked_here() {
    let app = App::start().await;
    sign_in(&app).await;
    let row = sign_ins::read(app.auth.db.reader(), CLUB).await.unwrap().unwrap();
    let tokens = app.auth.open_tokens(&row).unwrap().unwrap();
    revoke_at_platform(tokens.refresh.as_ref().unwrap()).await;
    app.clock.advance_seconds(3600);
    assert!(matches!(app.auth.access_token(CLUB).await, Err(AuthError::Expired)));
    assert!(!app.auth.is_connected(CLUB).await);
    assert_eq!(app.state().await, SignInStateView::Revoked);
}

#[tokio::test]
async fn disconnecting_forgets_the_tokens_here_and_revokes_them_there() {
    let app = App::start().await;
    let token = sign_in(&app).await;
    app.auth.start(CLUB, Loopback).await.unwrap();
    let view = app.auth.disconnect(CLUB).await.unwrap();
    assert_eq!(view.state, SignInStateView::Disconnected);
    assert_eq!(profile_status(token.expose()).await, 401);
    assert!(sign_ins::read(app.auth.db.reader(), CLUB).await.unwrap().unwrap().tokens.is_none());
    assert!(matches!(app.auth.access_token(CLUB).await, Err(AuthError::NotConnected)));
}

#[tokio::test]
async fn signing_in_again_leaves_no_second_family_of_tokens_alive() {
    let app = App::start().await;
    let first = sign_in(&app).await;
    app.auth.start(CLUB, DeepLink).await.unwrap();
    assert!(waiting(&app.state().await));
    assert_eq!(
        app.auth.access_token(CLUB).await.unwrap().token.expose(),
        first.expose(),
        "the old one works meanwhile"
    );
    assert!(app.auth.deep_link(&decide(&app.visited(), "approve").await).await);
    assert_eq!(profile_status(first.expose()).await, 401);
    assert_eq!(profile_status(app.auth.access_token(CLUB).await.unwrap().token.expose()).await, 200);
}

#[tokio::test]
async fn a_failed_second_try_does_not_cost_the_first_sign_in() {
    let app = App::start().await;
    let token = sign_in(&app).await;
    app.auth.start(CLUB, DeepLink).await.unwrap();
    assert!(app.auth.deep_link(&decide(&app.visited(), "deny").await).await);
    assert!(connected(&app.state().await));
    assert_eq!(app.auth.access_token(CLUB).await.unwrap().token.expose(), token.expose());
}

#[tokio::test]
async fn what_is_waited_for_is_known_from_the_store_alone_with_nothing_running_and_the_vault_closed() {
    let read = async |app: &App| crate::links::Awaited::read(app.folder.path()).await.unwrap();
    let mut app = App::with_passphrase(&issuer()).await;
    app.auth.start(CLUB, DeepLink).await.unwrap();
    let link = decide(&app.visited(), "approve").await;
    assert!(read(&app).await.awaits(&link), "while somebody writes");
    app.auth.db.close().await;
    let awaited = read(&app).await;
    assert!(awaited.awaits(&link) && crate::links::is_ours(&link));
    let forged = attack::set(&link, "state", Some(&"A".repeat(43)));
    for other in [forged.as_str(), &link.replace(CLUB, "other-club"), link!("pay/01KA0000000000000000000ABC"), ""] {
        assert!(!awaited.awaits(other), "{other}");
    }
    app.opened().await;
    assert!(app.auth.deep_link(&link).await && !read(&app).await.awaits(&link));
    let nowhere = tempfile::TempDir::new().unwrap();
    assert!(!crate::links::Awaited::read(nowhere.path()).await.unwrap().awaits(&link));
    assert!(nowhere.path().read_dir().unwrap().next().is_none(), "nothing is made by reading");
}

#[tokio::test]
async fn a_return_that_comes_while_the_vault_is_closed_waits_for_it_and_no_other_link_does() {
    let mut app = App::with_passphrase(&issuer()).await;
    app.auth.start(CLUB, DeepLink).await.unwrap();
    let link = decide(&app.visited(), "approve").await;
    app.closed().await;
    let forged = attack::set(&link, "state", Some(&"A".repeat(43)));
    assert!(app.auth.deep_link(&link).await, "it is taken");
    assert!(!app.auth.deep_link(&forged).await, "and takes no place of the true one");
    assert_eq!(app.auth.held().len(), 1);
    app.auth.recover().await;
    assert_eq!(app.auth.held().len(), 1, "the vault is closed still");
    app.auth.vault.unlock(PASSPHRASE).await.unwrap();
    app.auth.resume().await;
    app.auth.recover().await;
    assert!(connected(&app.state().await) && app.auth.held().is_empty());
}

#[tokio::test]
async fn a_return_that_waits_for_the_vault_is_forgotten_with_its_visit() {
    let mut app = App::with_passphrase(&issuer()).await;
    app.auth.start(CLUB, DeepLink).await.unwrap();
    let link = decide(&app.visited(), "approve").await;
    app.closed().await;
    assert!(app.auth.deep_link(&link).await);
    app.auth.cancel(CLUB).await.unwrap();
    assert!(app.auth.held().is_empty() && !app.auth.deep_link(&link).await);
}

#[tokio::test]
async fn a_link_is_known_to_be_awaited_by_its_state_alone_and_as_long_as_it_is() {
    let mut app = App::start().await;
    app.auth.start(CLUB, DeepLink).await.unwrap();
    let link = decide(&app.visited(), "approve").await;
    let forged = attack::set(&link, "state", Some("forged"));
    for other in [forged.as_str(), &link.replace(CLUB, "other-club"), link!("open/order/x"), link!("pay/x"), ""] {
        assert!(app.auth.awaits(&link) && !app.auth.awaits(other), "{other}");
    }
    // The code is not what it is known by, so another one does not lose its place; what it is worth is asked later.
    assert!(app.auth.awaits(&attack::set(&link, "code", Some("other"))));
    let platforms = app.platforms.clone();
    app.restart(platforms).await;
    assert!(!app.auth.awaits(&link));
    app.auth.resume().await;
    assert!(app.auth.awaits(&link));
    assert!(app.auth.deep_link(&link).await && !app.auth.awaits(&link));
    app.auth.start(CLUB, DeepLink).await.unwrap();
    let link = decide(&app.visited(), "approve").await;
    app.auth.cancel(CLUB).await.unwrap();
    assert!(!app.auth.awaits(&link));
    app.auth.start(CLUB, Loopback).await.unwrap();
    let visit = app.visited();
    assert!(
        !app.auth.awaits(&format!("{ROOT}auth/{CLUB}?code=a&state={}", attack::parameter(visit.as_str(), "state")))
    );
}

#[tokio::test]
async fn giving_up_ends_the_wait() {
    let app = App::start().await;
    app.auth.start(CLUB, DeepLink).await.unwrap();
    let link = decide(&app.visited(), "approve").await;
    assert_eq!(app.auth.cancel(CLUB).await.unwrap().state, SignInStateView::Disconnected);
    assert!(!app.auth.deep_link(&link).await);
    assert_eq!(app.state().await, SignInStateView::Disconnected);
}

#[tokio::test]
async fn tokens_that_arrive_after_giving_up_are_revoked_and_not_kept() {
    let (asked, mut is_asked) = tokio::sync::mpsc::channel::<()>(1);
    let go_on = Arc::new(tokio::sync::Notify::new());
    let gate = go_on.clone();
    let platform = Hostile::start(move |line| {
        let (asked, gate) = (asked.clone(), gate.clone());
        async move {
            match line.as_str() {
                "POST /token" => {
                    asked.send(()).await.unwrap();
                    gate.notified().await;
                    ("200 OK", r#"{"access_token":"a","token_type":"Bearer","refresh_token":"r"}"#.to_owned())
                }
                "POST /revoke" => ("200 OK", String::new()),
                _ => metadata(),
            }
        }
    })
    .await;
    let app = App::at(&platform.issuer).await;
    app.auth.start(CLUB, DeepLink).await.unwrap();
    let link = return_for(&app.visited(), "code", &platform.issuer);
    let auth = app.auth.clone();
    let returning = tokio::spawn(async move { auth.deep_link(&link).await });
    is_asked.recv().await.unwrap();
    app.auth.cancel(CLUB).await.unwrap();
    go_on.notify_one();
    assert!(!returning.await.unwrap());
    assert_eq!(app.state().await, SignInStateView::Disconnected);
    assert_eq!(platform.was_asked("POST /revoke"), 1);
}

#[tokio::test]
async fn without_a_browser_the_address_can_be_opened_by_hand() {
    let browser = TestBrowser { broken: true, ..TestBrowser::default() };
    let app = App::with(vec![club(&issuer())], true, browser, true).await;
    let SignInStateView::Waiting { url, .. } = app.auth.start(CLUB, DeepLink).await.unwrap().state else {
        panic!("not waiting")
    };
    assert!(app.auth.deep_link(&decide(&Url::parse(&url).unwrap(), "approve").await).await);
    assert!(connected(&app.state().await));
}

#[tokio::test]
async fn a_sign_in_that_cannot_begin_says_why() {
    let check = async |app: &App, platform: &str, by: ReturnBy, expected: FaultCode| {
        assert_eq!(app.auth.start(platform, by).await.unwrap_err().code, expected);
        assert!(app.browser.opened.lock().unwrap().is_empty(), "no page was opened");
    };
    check(&App::start().await, "no-club", DeepLink, FaultCode::NotFound).await;
    let mut only_links = club(&issuer());
    only_links.returns = vec![DeepLink];
    let app = App::with(vec![only_links], true, TestBrowser::default(), true).await;
    check(&app, CLUB, Loopback, FaultCode::MalformedInput).await;
    let app = App::with(vec![club(&issuer())], true, TestBrowser::default(), false).await;
    assert_eq!(app.auth.vault.state(), VaultState::NeedsPassphrase);
    check(&app, CLUB, DeepLink, FaultCode::VaultUnavailable).await;
    let app = App::with(vec![club(&issuer())], false, TestBrowser::default(), true).await;
    check(&app, CLUB, DeepLink, FaultCode::ProviderUnavailable).await;
    let gone = TcpPort::free().await;
    check(&App::at(&gone.issuer()).await, CLUB, DeepLink, FaultCode::ProviderUnavailable).await;
}

/// A port nobody listens on.
struct TcpPort(u16);

impl TcpPort {
    async fn free() -> Self {
        Self(tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port())
    }
    fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.0)
    }
}

#[tokio::test]
async fn metadata_that_is_huge_moved_or_of_another_issuer_is_not_used() {
    let huge = Hostile::start(|_| async { ("200 OK", "x".repeat(1_000_000)) }).await;
    let moved = Hostile::start(|line| async move {
        if line == "GET /elsewhere" { metadata() } else { ("302 Found\r\nlocation: {issuer}/elsewhere", String::new()) }
    })
    .await;
    let other = Hostile::start(|_| async {
        let (status, body) = metadata();
        (status, body.replacen("{issuer}", "{issuer}/other", 1))
    })
    .await;
    for platform in [huge, moved, other] {
        let app = App::at(&platform.issuer).await;
        let fault = app.auth.start(CLUB, DeepLink).await.unwrap_err();
        assert_eq!(fault.code, FaultCode::ProviderUnavailable, "{fault}");
        assert_eq!(platform.was_asked("GET /elsewhere"), 0);
    }
}

#[tokio::test]
async fn token_answers_that_may_not_be_used_end_the_sign_in() {
    for (status, body) in [
        ("307 Temporary Redirect\r\nlocation: {issuer}/thief", ""),
        ("302 Found\r\nlocation: {issuer}/thief", ""),
        ("200 OK", r#"{"access_token":"a","token_type":"Bearer","error":"invalid_grant"}"#),
        ("200 OK", r#"{"access_token":"a","token_type":"mac"}"#),
        ("200 OK", r#"{"access_token":"a"}"#),
        ("200 OK", r#"{"access_token":"a","token_type":"Bearer","scope":"profile admin"}"#),
        ("200 OK", r#"{"access_token":"a\r\nX-Evil: 1","token_type":"Bearer"}"#),
        ("200 OK", r#"{"access_token":7,"token_type":"Bearer"}"#),
        ("200 OK", "<html>"),
        ("500 Internal Server Error", "{}"),
    ] {
        let platform = Hostile::with_token_answer(status, body).await;
        let app = App::at(&platform.issuer).await;
        app.auth.start(CLUB, DeepLink).await.unwrap();
        assert!(app.auth.deep_link(&return_for(&app.visited(), "code", &platform.issuer)).await);
        assert!(failed(&app.state().await, "provider"), "{status} {body}");
        assert_eq!((platform.was_asked("POST /token"), platform.was_asked("POST /thief")), (1, 0), "{status} {body}");
    }
}

#[tokio::test]
async fn a_nonsense_lifetime_is_a_short_one() {
    for body in [
        r#"{"access_token":"a","token_type":"Bearer"}"#,
        r#"{"access_token":"a","token_type":"Bearer","expires_in":-5}"#,
        r#"{"access_token":"a","token_type":"Bearer","expires_in":"soon"}"#,
        r#"{"access_token":"a","token_type":"Bearer","expires_in":1.5}"#,
        r#"{"access_token":"a","token_type":"Bearer","expires_in":null}"#,
    ] {
        let platform = Hostile::with_token_answer("200 OK", body).await;
        let app = App::at(&platform.issuer).await;
        app.auth.start(CLUB, DeepLink).await.unwrap();
        assert!(app.auth.deep_link(&return_for(&app.visited(), "code", &platform.issuer)).await, "{body}");
        assert_eq!(app.auth.access_token(CLUB).await.unwrap().token.expose(), "a");
        app.clock.advance_seconds(600);
        assert!(matches!(app.auth.access_token(CLUB).await, Err(AuthError::Expired)), "no refresh token came with it");
    }
}

#[tokio::test]
async fn an_unreachable_platform_does_not_cost_the_sign_in() {
    let up = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let switch = up.clone();
    let platform = Hostile::start(move |line| {
        let up = switch.load(std::sync::atomic::Ordering::SeqCst);
        async move {
            let tokens = r#"{"access_token":"a","token_type":"Bearer","refresh_token":"r","expires_in":3600}"#;
            match line.as_str() {
                "POST /token" if up => ("200 OK", tokens.to_owned()),
                "POST /token" => ("503 Service Unavailable", r#"{"error":"temporarily_unavailable"}"#.to_owned()),
                _ => metadata(),
            }
        }
    })
    .await;
    let app = App::at(&platform.issuer).await;
    app.auth.start(CLUB, DeepLink).await.unwrap();
    assert!(app.auth.deep_link(&return_for(&app.visited(), "code", &platform.issuer)).await);
    up.store(false, std::sync::atomic::Ordering::SeqCst);
    app.clock.advance_seconds(3600 - 30);
    assert_eq!(app.auth.access_token(CLUB).await.unwrap().token.expose(), "a", "it lives for 30 seconds more");
    app.clock.advance_seconds(30);
    let refused = app.auth.access_token(CLUB).await.unwrap_err();
    assert!(refused.is_transient(), "{refused}");
    assert!(connected(&app.state().await));
    up.store(true, std::sync::atomic::Ordering::SeqCst);
    app.auth.access_token(CLUB).await.unwrap();
}

#[tokio::test]
async fn tokens_of_one_issuer_are_shown_to_no_other() {
    let mut app = App::start().await;
    let other = Hostile::start(|_| async { metadata() }).await;
    for ask_first in [true, false] {
        sign_in(&app).await;
        let platforms = app.platforms.clone();
        app.restart(vec![club(&other.issuer)]).await;
        assert_eq!(app.state().await, SignInStateView::Expired);
        if ask_first {
            assert!(matches!(app.auth.access_token(CLUB).await, Err(AuthError::Expired)));
        }
        app.auth.disconnect(CLUB).await.unwrap();
        assert!(other.asked.lock().unwrap().is_empty(), "{:?}", other.asked.lock().unwrap());
        app.restart(platforms).await;
    }
}

#[tokio::test]
async fn no_secret_of_a_sign_in_is_stored_or_printed_in_the_clear() {
    let app = App::start().await;
    let view = app.auth.start(CLUB, DeepLink).await.unwrap();
    let (_, pending) = app.auth.pending(&app.platforms[0]).await.unwrap().unwrap();
    assert!(!format!("{view:?}").contains(&pending.verifier));
    assert!((43..=128).contains(&pending.verifier.len()));
    let mut canaries = vec![pending.verifier.clone(), pending.state.clone()];
    let link = decide(&app.visited(), "approve").await;
    app.auth.deep_link(&link).await;
    let bearer = app.auth.access_token(CLUB).await.unwrap();
    assert!(!format!("{bearer:?}").contains(bearer.token.expose().as_str()));
    canaries.push(bearer.token.expose().clone());
    let row = sign_ins::read(app.auth.db.reader(), CLUB).await.unwrap().unwrap();
    canaries.push(app.auth.open_tokens(&row).unwrap().unwrap().refresh.clone().unwrap());
    for file in std::fs::read_dir(app.folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for canary in &canaries {
            assert!(!bytes.windows(canary.len()).any(|window| window == canary.as_bytes()));
        }
    }
}

#[tokio::test]
async fn a_flood_of_links_changes_nothing() {
    let app = App::start().await;
    app.auth.start(CLUB, DeepLink).await.unwrap();
    for number in 0..1000 {
        assert!(!app.auth.deep_link(&format!("{ROOT}auth/zz-club?code=c{number}&state=s{number}")).await);
    }
    assert_eq!(app.auth.dropped(), 1000);
    assert!(app.auth.deep_link(&decide(&app.visited(), "approve").await).await);
}
