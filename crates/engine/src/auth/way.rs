//! How the browser comes back (RFC 8252 §7 and §8.3).
//!
//! By loopback where the platform has registered it: a port is held by whoever listens on it, and a scheme of our own can be
//! registered by any program. The deep link is the way where nothing can listen: on a phone, which puts an app to sleep while
//! the browser is in front, and where no port can be had. Deliberately not here: what comes back.

use super::platform::Platform;
use crate::api::command::ReturnBy;

/// Whether this system lets an app listen while the browser is in front.
pub(super) const LISTENS: bool = !cfg!(any(target_os = "android", target_os = "ios"));

/// Ways that the platform has registered and this system has, the best first.
pub(super) fn offered(platform: &Platform, listens: bool) -> Vec<ReturnBy> {
    let best = [ReturnBy::Loopback, ReturnBy::DeepLink];
    let can = |way: &ReturnBy| platform.returns.contains(way) && (listens || *way != ReturnBy::Loopback);
    best.into_iter().filter(can).collect()
}

/// Ways to try in turn: the one that is wished for and no other, else all that are offered. None: there is no way back.
pub(super) fn ways(platform: &Platform, wish: Option<ReturnBy>, listens: bool) -> Vec<ReturnBy> {
    let mut ways = offered(platform, listens);
    ways.retain(|way| wish.is_none_or(|wish| wish == *way));
    ways
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Installed, Platforms},
        ReturnBy::{DeepLink, Loopback},
        *,
    };

    fn registered(returns: &[ReturnBy]) -> Platform {
        let here = [Installed::at("zz-club", "https://id.example.com".parse().unwrap())];
        let club = Platforms::bundled(&here).unwrap().sign_in.remove(0);
        Platform { returns: returns.to_vec(), ..club }
    }

    #[test]
    fn loopback_comes_first_in_whichever_order_it_was_registered_and_a_phone_has_the_deep_link_alone() {
        for returns in [[DeepLink, Loopback], [Loopback, DeepLink]] {
            let platform = registered(&returns);
            assert_eq!(ways(&platform, None, true), [Loopback, DeepLink]);
            assert_eq!(ways(&platform, None, false), [DeepLink]);
            assert_eq!(ways(&platform, Some(DeepLink), true), [DeepLink]);
            assert_eq!(ways(&platform, Some(Loopback), true), [Loopback], "a wish has no second choice");
        }
    }

    #[test]
    fn what_was_not_registered_or_cannot_be_had_is_no_way() {
        for (returns, wish, listens, left) in [
            (vec![Loopback], None, true, vec![Loopback]),
            (vec![Loopback], Some(DeepLink), true, vec![]),
            (vec![Loopback], None, false, vec![]),
            (vec![DeepLink], None, true, vec![DeepLink]),
            (vec![DeepLink], Some(Loopback), true, vec![]),
            (vec![DeepLink, Loopback], Some(Loopback), false, vec![]),
        ] {
            assert_eq!(ways(&registered(&returns), wish, listens), left, "{returns:?} {wish:?} {listens}");
        }
    }
}
