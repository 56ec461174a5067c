//! Attacks with returns: forged, stolen, replayed, mixed up, and sent to somebody else (rows OA-01 to 08, 14 to 23, 34 to 39,
//! 47, 68, 69 and 72).

use super::{super::defence::Defence, attack::*, *};
use serde_json::json;

const OTHER: &str = "other-club";

#[tokio::test]
async fn oa_01_a_return_without_a_state_is_dropped() {
    stands(Defence::State, async || {
        forged(&[
            ("no state", &|good| set(good, "state", None)),
            ("an empty state", &|good| set(good, "state", Some(""))),
        ])
        .await
    })
    .await;
}

#[tokio::test]
async fn oa_02_a_return_with_an_unknown_state_is_dropped() {
    stands(Defence::State, async || forged(&[("unknown", &|good| set(good, "state", Some("x")))]).await).await;
}

#[tokio::test]
async fn oa_03_the_same_return_a_second_time_is_dropped_and_costs_nothing() {
    stands(Defence::SingleUse, async || {
        let (app, good) = visiting().await;
        assert!(app.auth.deep_link(&good).await);
        let token = app.auth.access_token(CLUB).await.unwrap().token;
        let again = delivered(&app, &good).await;
        // A code that comes twice makes the platform revoke what it gave for it.
        assert_eq!(again, profile_status(token.expose()).await != 200);
        vec![("again", again)]
    })
    .await;
}

#[tokio::test]
async fn oa_04_a_return_after_ten_minutes_is_dropped() {
    stands(Defence::TimeLimit, async || {
        let (app, good) = visiting().await;
        app.clock.advance_seconds(600);
        vec![("late", delivered(&app, &good).await)]
    })
    .await;
}

/// A platform that says nothing of naming itself, and takes every code.
async fn evil() -> Hostile {
    Hostile::start(|line| async move {
        match line.as_str() {
            "POST /token" => ("400 Bad Request", r#"{"error":"invalid_grant"}"#.to_owned()),
            _ => {
                let (status, body) = metadata();
                (status, body.replace(r#","authorization_response_iss_parameter_supported":true"#, ""))
            }
        }
    })
    .await
}

/// An app that knows an honest platform and, as `other-club`, an evil one.
async fn between(honest: &str, evil: &str) -> App {
    let mut other = club(evil);
    other.id = OTHER.to_owned();
    App::with(vec![club(honest), other], true, TestBrowser::default(), true).await
}

#[tokio::test]
async fn oa_05_a_code_for_one_platform_with_the_state_of_another_is_dropped() {
    stands(Defence::OwnAddress, async || {
        let evil = evil().await;
        let app = between(&issuer(), &evil.issuer).await;
        app.auth.start(OTHER, DeepLink).await.unwrap();
        let state = parameter(app.visited().as_str(), "state");
        app.auth.start(CLUB, DeepLink).await.unwrap();
        let good = decide(&app.visited(), "approve").await;
        let forged = set(&set(&good, "state", Some(&state)), "iss", None);
        let taken = delivered(&app, &forged).await;
        assert_eq!(taken, evil.was_asked("POST /token") > 0, "the code reached the other platform");
        if !taken {
            assert!(app.auth.deep_link(&good).await && connected(&app.state().await));
        }
        vec![("the other's state", taken)]
    })
    .await;
}

#[tokio::test]
async fn oa_06_a_state_that_is_nearly_right_is_dropped() {
    let changed = |good: &str, change: &dyn Fn(&str) -> String| {
        let state = parameter(good, "state");
        set(good, "state", Some(&change(&state)))
    };
    stands(Defence::State, async || {
        forged(&[
            ("one bit", &|good| {
                changed(good, &|state| {
                    let mut bytes = state.as_bytes().to_vec();
                    bytes[7] ^= 1;
                    String::from_utf8(bytes).unwrap()
                })
            }),
            ("a prefix", &|good| changed(good, &|state| state[..42].to_owned())),
            ("longer", &|good| changed(good, &|state| format!("{state}A"))),
            ("another case", &|good| {
                changed(good, &|state| {
                    state
                        .chars()
                        .map(|c| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
                        .collect()
                })
            }),
        ])
        .await
    })
    .await;
}

/// The return of a visit that somebody else made up: no proof key, and a state of his own.
async fn attackers_return(issuer: &str, redirect: &str, state: &str) -> String {
    let fields = [
        ("response_type", "code"),
        ("client_id", "zhiyou-desktop"),
        ("redirect_uri", redirect),
        ("scope", "profile loyalty"),
        ("state", state),
    ];
    decide(&Url::parse_with_params(&format!("{issuer}/authorize"), fields).unwrap(), "approve").await
}

/// A platform that forgives a missing proof key, as many do.
async fn lax() -> Club {
    Club::with(&[json!({"switch": "proof_key_optional"})]).await
}

#[tokio::test]
async fn oa_07_an_attackers_code_in_the_victims_own_return_is_worth_nothing() {
    stands(Defence::ProofKey, async || {
        let club = lax().await;
        let code = parameter(&attackers_return(&club.issuer, link!("auth/zz-club"), "his-own").await, "code");
        let victim = App::at(&club.issuer).await;
        victim.auth.start(CLUB, DeepLink).await.unwrap();
        assert!(victim.auth.deep_link(&return_for(&victim.visited(), &code, &club.issuer)).await);
        let state = victim.state().await;
        assert!(connected(&state) || (failed(&state, "provider") && row(&victim).await.unwrap().tokens.is_none()));
        vec![("injected", connected(&state))]
    })
    .await;
}

#[tokio::test]
async fn oa_08_a_return_of_an_attackers_visit_is_dropped_where_nothing_is_awaited() {
    stands(Defence::Awaited, async || {
        let club = lax().await;
        let link = attackers_return(&club.issuer, link!("auth/zz-club"), "his-own").await;
        let victim = App::at(&club.issuer).await;
        let taken = delivered(&victim, &link).await;
        assert_eq!(taken, connected(&victim.state().await), "signed in as the attacker");
        vec![("nothing awaited", taken)]
    })
    .await;
}

/// Whether somebody who only has the code gets tokens for it.
async fn redeemed_without_proof(issuer: &str, link: &str) -> bool {
    let (redirect, _) = link.split_once('?').unwrap();
    let code = parameter(link, "code");
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "zhiyou-desktop"),
        ("redirect_uri", redirect),
        ("code", code.as_str()),
    ];
    client().post(format!("{issuer}/token")).form(&form).send().await.unwrap().status() == 200
}

#[tokio::test]
async fn oa_14_a_program_that_steals_the_link_cannot_redeem_its_code() {
    stands(Defence::ProofKey, async || {
        let mut seen = Vec::new();
        for (name, by) in [("the scheme", DeepLink), ("the port", Loopback)] {
            let club = lax().await;
            let app = App::at(&club.issuer).await;
            app.auth.start(CLUB, by).await.unwrap();
            let link = decide(&app.visited(), "approve").await;
            seen.push((name, redeemed_without_proof(&club.issuer, &link).await));
        }
        seen
    })
    .await;
}

#[tokio::test]
async fn oa_15_a_program_that_uses_our_client_id_has_to_ask_the_person_and_gets_nothing_of_ours() {
    stands(Defence::State, async || {
        let (app, good) = visiting().await;
        let before = row(&app).await;
        let thief = App::start().await;
        thief.auth.start(CLUB, DeepLink).await.unwrap();
        let page = client().get(thief.visited()).send().await.unwrap();
        assert_eq!((page.status().as_u16(), page.headers().get("location")), (200, None), "the person is asked");
        // Its return is ours by address: the scheme is the same.
        let taken = delivered(&app, &decide(&thief.visited(), "approve").await).await;
        if !taken {
            assert!(waiting(&app.state().await) && row(&app).await == before, "ours is as it was");
            thief.auth.start(CLUB, Loopback).await.unwrap();
            let back = decide(&thief.visited(), "approve").await;
            assert_eq!(client().get(&back).send().await.unwrap().status(), 200);
            assert!(app.auth.deep_link(&good).await);
            let (ours, his) =
                (app.auth.access_token(CLUB).await.unwrap(), thief.auth.access_token(CLUB).await.unwrap());
            assert_ne!(ours.token.expose(), his.token.expose());
        }
        vec![("its return in our visit", taken)]
    })
    .await;
}

#[tokio::test]
async fn oa_16_an_honest_code_in_a_visit_to_an_evil_platform_is_dropped_unsent() {
    stands(Defence::Issuer, async || {
        let evil = evil().await;
        let app = between(&issuer(), &evil.issuer).await;
        app.auth.start(OTHER, Loopback).await.unwrap();
        // The evil platform sends the browser on to the honest one, with everything else as it was.
        let visit = app.visited();
        let honest = Url::parse_with_params(&format!("{}/authorize", issuer()), visit.query_pairs()).unwrap();
        let back = decide(&honest, "approve").await;
        let lines = Lines::listen();
        let status = client().get(&back).send().await.unwrap().status().as_u16();
        let sent = evil.was_asked("POST /token") > 0;
        assert!(sent || (status == 400 && lines.heard().len() <= 1), "{status}");
        vec![("mixed up", sent)]
    })
    .await;
}

#[tokio::test]
async fn oa_17_a_return_without_the_issuer_that_was_promised_is_dropped() {
    stands(Defence::IssuerPresent, async || forged(&[("no issuer", &|good| set(good, "iss", None))]).await).await;
}

#[tokio::test]
async fn oa_18_an_issuer_that_is_nearly_right_is_dropped() {
    let changed = |good: &str, change: &dyn Fn(&str) -> String| set(good, "iss", Some(&change(&issuer())));
    stands(Defence::IssuerExact, async || {
        forged(&[
            ("a slash more", &|good| changed(good, &|iss| format!("{iss}/"))),
            ("another case", &|good| changed(good, &|iss| iss.replace("http", "HTTP"))),
            ("another spelling of the host", &|good| changed(good, &|iss| iss.replace("127.0.0.1", "127.1"))),
            ("another spelling of the port", &|good| changed(good, &|iss| iss.replace("127.0.0.1:", "127.0.0.1:0"))),
            ("percent-encoded", &|good| changed(good, &|iss| iss.replace(':', "%3A").replace('/', "%2F"))),
        ])
        .await
    })
    .await;
}

#[tokio::test]
async fn oa_19_a_wrong_issuer_that_nobody_announced_is_dropped() {
    stands(Defence::Issuer, async || {
        let silent = json!({"switch": "patch", "op": "metadata", "times": 9,
            "merge": {"authorization_response_iss_parameter_supported": null}});
        let club = Club::with(&[silent, json!({"switch": "wrong_iss"})]).await;
        let app = App::at(&club.issuer).await;
        app.auth.start(CLUB, DeepLink).await.unwrap();
        let link = decide(&app.visited(), "approve").await;
        vec![("unannounced", delivered(&app, &link).await)]
    })
    .await;
}

#[tokio::test]
async fn oa_20_an_error_of_a_wrong_issuer_ends_nothing_and_its_text_is_shown_nowhere() {
    let phishing = "call-0900-to-unlock";
    stands(Defence::IssuerBeforeError, async || {
        forged(&[("an error", &|good| {
            let error = set(&set(good, "code", None), "error", Some("access_denied"));
            set(&set(&error, "iss", Some("https://evil.example")), "error_description", Some(phishing))
        })])
        .await
    })
    .await;
    // The text is for nobody even where the issuer is right.
    let (app, good) = visiting().await;
    let error = set(&set(&good, "code", None), "error", Some("server_error"));
    let error = set(&error, "error_description", Some(phishing));
    let lines = Lines::listen();
    assert!(app.auth.deep_link(&error).await && failed(&app.state().await, "provider"));
    assert!(
        !format!("{:?}{:?}", lines.heard(), centre::request_authorization(&app.auth, &[]).await).contains(phishing)
    );
}

#[tokio::test]
async fn oa_21_a_visit_that_an_evil_platform_sends_on_to_an_honest_one_is_dropped_unsent() {
    stands(Defence::OwnAddress, async || {
        // The honest platform does not name itself: only the address tells the two apart.
        let honest = Club::with(&[json!({"switch": "omit_iss", "times": 9})]).await;
        let evil = evil().await;
        let app = between(&honest.issuer, &evil.issuer).await;
        app.auth.start(OTHER, DeepLink).await.unwrap();
        let visit = app.visited();
        let swapped = visit.query_pairs().map(|(name, value)| {
            let value = if name == "redirect_uri" { link!("auth/zz-club").into() } else { value };
            (name, value)
        });
        let honest_page = Url::parse_with_params(&format!("{}/authorize", honest.issuer), swapped).unwrap();
        let taken = delivered(&app, &decide(&honest_page, "approve").await).await;
        assert_eq!(taken, evil.was_asked("POST /token") > 0, "the code reached the evil platform");
        vec![("account takeover", taken)]
    })
    .await;
}

#[tokio::test]
async fn oa_22_an_attackers_code_for_an_honest_platform_is_dropped_in_a_visit_to_an_evil_one() {
    stands(Defence::Awaited, async || {
        let (honest, evil) = (lax().await, evil().await);
        let app = between(&honest.issuer, &evil.issuer).await;
        app.auth.start(OTHER, DeepLink).await.unwrap();
        let state = parameter(app.visited().as_str(), "state");
        let link = attackers_return(&honest.issuer, link!("auth/zz-club"), &state).await;
        let taken = delivered(&app, &link).await;
        assert_eq!(taken, connected(&app.state().await), "signed in as the attacker");
        vec![("forced", taken)]
    })
    .await;
}

#[tokio::test]
async fn oa_23_a_visit_that_began_on_another_device_does_not_end_here() {
    stands(Defence::Awaited, async || {
        let club = lax().await;
        let victim = App::at(&club.issuer).await;
        // The victim opens the address that the attacker sent, approves, and the return comes to the victim's device.
        let link = attackers_return(&club.issuer, link!("auth/zz-club"), "of-another-device").await;
        vec![("another device", delivered(&victim, &link).await)]
    })
    .await;
    // The attacker's own app never sees a return, so it never gets what the victim approved.
    let attacker = App::start().await;
    attacker.auth.start(CLUB, DeepLink).await.unwrap();
    let link = decide(&attacker.visited(), "approve").await;
    assert!(!App::start().await.auth.deep_link(&link).await && waiting(&attacker.state().await));
}

#[tokio::test]
async fn oa_34_a_link_by_another_route_is_dropped() {
    let replaced = |good: &str, route: &str| good.replace(link!("auth/zz-club"), route);
    stands(Defence::ExactRoute, async || {
        forged(&[
            ("another host", &|good| replaced(good, link!("evil/zz-club"))),
            ("no slashes", &|good| replaced(good, "zhiyou:auth/zz-club")),
            ("no host", &|good| replaced(good, "zhiyou:zz-club")),
            ("another case", &|good| replaced(good, "ZHIYOU://auth/zz-club")),
            ("a user", &|good| replaced(good, link!("user@auth/zz-club"))),
            ("a port", &|good| replaced(good, link!("auth:80/zz-club"))),
            ("a longer path", &|good| replaced(good, link!("auth/zz-club/"))),
            ("another scheme", &|good| replaced(good, "https://evil.example/zz-club")),
            ("a fragment", &|good| format!("{good}#x")),
        ])
        .await
    })
    .await;
}

#[tokio::test]
async fn oa_35_a_parameter_that_comes_twice_is_not_chosen_from() {
    let first = |good: &str, pair: &str| good.replace('?', &format!("?{pair}&"));
    stands(Defence::SingleValued, async || {
        forged(&[
            ("two codes", &|good| first(good, "code=evil")),
            ("two states", &|good| first(good, "state=evil")),
            ("two issuers", &|good| first(good, "iss=evil")),
            ("two spellings", &|good| first(good, "c%6fde=evil")),
        ])
        .await
    })
    .await;
}

#[tokio::test]
async fn oa_36_a_code_in_the_fragment_is_dropped() {
    stands(Defence::QueryOnly, async || forged(&[("a fragment", &|good| good.replace('?', "#"))]).await).await;
}

#[tokio::test]
async fn oa_37_a_return_with_a_token_in_it_is_dropped() {
    stands(Defence::CodeOnly, async || {
        forged(&[
            ("an access token", &|good| format!("{good}&access_token=evil")),
            ("an id token", &|good| format!("{good}&id_token=evil")),
            ("a token type", &|good| format!("{good}&token_type=Bearer")),
        ])
        .await
    })
    .await;
}

#[tokio::test]
async fn oa_38_a_return_that_is_too_long_or_not_printable_is_dropped() {
    stands(Defence::TextLimits, async || {
        forged(&[
            ("a megabyte", &|good| format!("{good}&x={}", "a".repeat(1_000_000))),
            ("a null", &|good| format!("{good}&x=%00")),
            ("a line break", &|good| format!("{good}&x=%0d%0aSet-Cookie:a")),
            ("a raw line break", &|good| format!("{good}&x=\r\n")),
            ("a reversed text", &|good| format!("{good}&x=\u{202e}moc")),
        ])
        .await
    })
    .await;
    // Overlong and broken UTF-8 is harmless where it is not used, and cannot become a state.
    let (app, good) = visiting().await;
    assert!(!delivered(&app, &set(&good, "state", None).replace('?', "?state=%C0%AE%ED%A0%80&")).await);
    assert!(app.auth.deep_link(&format!("{good}&x=%C0%AE%ED%A0%80%F5")).await);
}

#[tokio::test]
async fn oa_39_after_a_refusal_nothing_is_awaited_any_more() {
    stands(Defence::SingleUse, async || {
        let app = App::start().await;
        app.auth.start(CLUB, DeepLink).await.unwrap();
        let visit = app.visited();
        assert!(app.auth.deep_link(&decide(&visit, "deny").await).await);
        assert!(failed(&app.state().await, "denied") || waiting(&app.state().await));
        vec![(
            "a code after the refusal",
            delivered(&app, &return_for(&visit, "a-code-from-somewhere", &issuer())).await,
        )]
    })
    .await;
}

#[tokio::test]
async fn oa_47_a_code_from_the_browsers_history_cannot_be_redeemed() {
    stands(Defence::ProofKey, async || {
        // Even a platform that takes codes twice.
        let club = lax().await;
        club.switch(json!({"switch": "reuse_codes"})).await;
        let app = App::at(&club.issuer).await;
        app.auth.start(CLUB, DeepLink).await.unwrap();
        let link = decide(&app.visited(), "approve").await;
        assert!(app.auth.deep_link(&link).await && connected(&app.state().await));
        vec![("the history", redeemed_without_proof(&club.issuer, &link).await)]
    })
    .await;
}

#[tokio::test]
async fn oa_68_a_second_visit_ends_the_first() {
    stands(Defence::OneVisit, async || {
        let (app, stale) = visiting().await;
        app.auth.start(CLUB, DeepLink).await.unwrap();
        let fresh = app.visited();
        let taken = delivered(&app, &stale).await;
        assert!(taken || app.auth.deep_link(&decide(&fresh, "approve").await).await, "the second one works");
        vec![("the first one's return", taken)]
    })
    .await;
}

#[tokio::test]
async fn oa_69_a_thousand_forged_returns_send_nothing() {
    stands(Defence::State, async || {
        let evil = evil().await;
        let app = App::at(&evil.issuer).await;
        app.auth.start(CLUB, DeepLink).await.unwrap();
        for number in 0..1000 {
            app.auth.deep_link(&format!("{ROOT}auth/zz-club?code=c{number}&state=s{number}")).await;
        }
        let sent = evil.was_asked("POST /token") > 0;
        assert!(sent || (app.auth.dropped() == 1000 && waiting(&app.state().await)));
        assert!(sent || noted_drops(&app).await == 1, "one line for all of them");
        vec![("a flood", sent)]
    })
    .await;
}

#[tokio::test]
async fn oa_72_whatever_another_program_delivers_is_nobodys_without_a_visit() {
    stands(Defence::Awaited, async || {
        let mut seen = Vec::new();
        for (name, query) in [("a code", "code=c&state=s"), ("an error", "error=access_denied&state=s")] {
            let app = App::start().await;
            seen.push((name, delivered(&app, &format!("{ROOT}auth/zz-club?{query}")).await));
        }
        seen
    })
    .await;
}
