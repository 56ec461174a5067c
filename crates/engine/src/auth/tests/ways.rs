//! How the browser comes back where nobody said how: by loopback where that can be had, else by deep link.

use super::{attack::parameter, *};

fn registered(returns: &[ReturnBy]) -> Platform {
    Platform { returns: returns.to_vec(), ..club(&issuer()) }
}

fn back(app: &App) -> String {
    parameter(app.visited().as_str(), "redirect_uri")
}

#[tokio::test]
async fn nobody_has_to_say_how_the_browser_comes_back() {
    for returns in [&[Loopback, DeepLink][..], &[DeepLink, Loopback], &[Loopback]] {
        let app = App::of(vec![registered(returns)]).await;
        let view = app.auth.start(CLUB, None).await.unwrap();
        assert!(view.returns.first() == Some(&Loopback) && back(&app).starts_with("http://127.0.0.1:"), "{returns:?}");
        let link = decide(&app.visited(), "approve").await;
        assert_eq!(client().get(link).send().await.unwrap().status(), 200);
        assert!(connected(&app.state().await), "{returns:?}");
    }
    let app = App::of(vec![registered(&[DeepLink])]).await;
    assert_eq!(app.auth.start(CLUB, None).await.unwrap().returns, [DeepLink]);
    assert_eq!(back(&app), link!("auth/zz-club"));
    assert!(app.auth.deep_link(&decide(&app.visited(), "approve").await).await && connected(&app.state().await));
}

#[tokio::test]
async fn where_no_port_can_be_had_the_browser_comes_back_by_deep_link() {
    let _portless = Portless::new();
    for returns in [[Loopback, DeepLink], [DeepLink, Loopback]] {
        let app = App::of(vec![registered(&returns)]).await;
        app.auth.start(CLUB, None).await.unwrap();
        assert_eq!(back(&app), link!("auth/zz-club"));
        assert!(app.auth.deep_link(&decide(&app.visited(), "approve").await).await && connected(&app.state().await));
    }
    // Who wished for a port, or can come back by nothing else, is told.
    for (returns, wish) in [(vec![Loopback, DeepLink], Some(Loopback)), (vec![Loopback], None)] {
        let app = App::of(vec![registered(&returns)]).await;
        assert!(app.auth.start(CLUB, wish).await.is_err(), "{returns:?}");
        assert!(app.browser.opened.lock().unwrap().is_empty() && app.state().await == SignInStateView::Disconnected);
    }
}

#[tokio::test]
async fn a_person_may_choose_among_what_the_platform_has_registered() {
    for way in [Loopback, DeepLink] {
        let app = App::start().await;
        app.auth.start(CLUB, way).await.unwrap();
        assert_eq!(back(&app).starts_with(link!("auth/")), way == DeepLink);
        let other = if way == Loopback { DeepLink } else { Loopback };
        let app = App::of(vec![registered(&[other])]).await;
        assert_eq!(app.auth.start(CLUB, way).await.unwrap_err().code, FaultCode::MalformedInput);
    }
}
