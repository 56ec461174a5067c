//! Attacks on what is on this machine: the proof key, the loopback listener (rows OA-11 to 13 and 40 to 44).

use super::{
    super::{
        defence::{Defence, off},
        loopback,
    },
    attack::*,
    *,
};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn oa_11_a_proof_key_has_43_to_128_characters_of_the_right_kind() {
    stands(Defence::LongVerifier, async || {
        let app = App::start().await;
        let mut wrong = false;
        for _ in 0..16 {
            app.auth.start(CLUB, DeepLink).await.unwrap();
            let (_, pending) = app.auth.pending(&app.platforms[0]).await.unwrap().unwrap();
            let unreserved = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
            wrong |= !(43..=128).contains(&pending.verifier.len()) || !pending.verifier.chars().all(unreserved);
        }
        vec![("a short key", wrong)]
    })
    .await;
}

#[tokio::test]
async fn oa_12_every_visit_has_its_own_proof_key_and_state() {
    stands(Defence::FreshVerifier, async || {
        let app = App::start().await;
        let (mut keys, mut states) = (std::collections::HashSet::new(), std::collections::HashSet::new());
        for _ in 0..8 {
            app.auth.start(CLUB, DeepLink).await.unwrap();
            keys.insert(parameter(app.visited().as_str(), "code_challenge"));
            states.insert(parameter(app.visited().as_str(), "state"));
        }
        assert_eq!(states.len(), 8);
        vec![("the same key", keys.len() < 8)]
    })
    .await;
}

#[tokio::test]
async fn oa_13_the_proof_key_is_in_no_address_line_row_or_view() {
    stands(Defence::HashedChallenge, async || {
        let app = App::start().await;
        let lines = Lines::listen();
        let view = app.auth.start(CLUB, DeepLink).await.unwrap();
        let (_, pending) = app.auth.pending(&app.platforms[0]).await.unwrap().unwrap();
        let verifier = pending.verifier.clone();
        // A platform that refuses plain keys answers the visit with an error; the address is what counts.
        if !off(Defence::HashedChallenge) {
            assert!(app.auth.deep_link(&decide(&app.visited(), "approve").await).await);
        }
        let told = changes::after(app.auth.db.reader(), 0, 100).await.unwrap();
        let shown =
            format!("{view:?} {:?} {:?} {told:?}", lines.heard(), centre::request_authorization(&app.auth, &[]).await);
        let in_files = std::fs::read_dir(app.folder.path()).unwrap().any(|file| {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            bytes.windows(verifier.len()).any(|window| window == verifier.as_bytes())
        });
        assert!(!in_files, "stored in the clear");
        vec![("the address", app.visited().as_str().contains(&verifier)), ("the view", shown.contains(&verifier))]
    })
    .await;
}

/// A visit by loopback under way, and the return that its platform sends.
async fn listening() -> (App, Url) {
    let app = App::start().await;
    app.auth.start(CLUB, Loopback).await.unwrap();
    let back = decide(&app.visited(), "approve").await;
    (app, Url::parse(&back).unwrap())
}

async fn status(url: &str, host: Option<&str>) -> u16 {
    let request = client().get(url);
    let request = if let Some(host) = host { request.header("host", host) } else { request };
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn oa_40_a_program_that_connects_first_is_refused_and_the_true_return_still_works() {
    stands(Defence::State, async || {
        let (app, back) = listening().await;
        let lines = Lines::listen();
        let forged = set(&set(back.as_str(), "code", Some("evil")), "state", Some("evil"));
        let got_in = status(&forged, None).await == 200;
        if !got_in {
            assert!(lines.heard().len() <= 1 && waiting(&app.state().await));
            assert_eq!(status(back.as_str(), None).await, 200);
            assert!(connected(&app.state().await));
        }
        vec![("first", got_in)]
    })
    .await;
}

#[tokio::test]
async fn oa_41_the_port_is_closed_within_a_second_of_the_end() {
    stands(Defence::ListenerCloses, async || {
        let (app, back) = listening().await;
        assert_eq!(status(back.as_str(), None).await, 200);
        assert!(connected(&app.state().await));
        let address = ("127.0.0.1", back.port().unwrap());
        let closed = async {
            while TcpStream::connect(address).await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        vec![("still open", tokio::time::timeout(std::time::Duration::from_secs(1), closed).await.is_err())]
    })
    .await;
}

#[tokio::test]
async fn oa_42_the_listener_is_reached_from_this_machine_only() {
    stands(Defence::LoopbackOnly, async || {
        let address = loopback::bind(0).await.unwrap().local_addr().unwrap();
        vec![("every interface", address.ip() != std::net::Ipv4Addr::LOCALHOST)]
    })
    .await;
    let (app, _) = listening().await;
    assert!(parameter(app.visited().as_str(), "redirect_uri").starts_with("http://127.0.0.1:"), "never a name");
}

#[tokio::test]
async fn oa_43_a_page_whose_name_was_pointed_here_is_refused() {
    stands(Defence::LiteralHost, async || {
        let mut seen = Vec::new();
        for (name, host) in [("its own name", "evil.example"), ("localhost", "localhost"), ("no port", "127.0.0.1")] {
            let (app, back) = listening().await;
            let got_in = status(back.as_str(), Some(host)).await == 200;
            assert_eq!(got_in, connected(&app.state().await));
            seen.push((name, got_in));
        }
        seen
    })
    .await;
}

#[tokio::test]
async fn oa_44_a_port_that_is_taken_keeps_nobody_from_signing_in() {
    // Whether we hold it or somebody else does, it is taken.
    let _squatter = TcpListener::bind(("127.0.0.1", naive::PORT)).await;
    stands(Defence::FreePort, async || {
        let app = App::start().await;
        let started = app.auth.start(CLUB, Loopback).await.is_ok();
        if started {
            let back = decide(&app.visited(), "approve").await;
            assert_eq!(status(&back, None).await, 200);
        }
        vec![("a squatter", !started)]
    })
    .await;
}
