//! What an app does that lacks one of the defences. Only tests are built with it.

use super::super::{
    Auth, AuthError, Platform,
    callback::{Callback, CallbackError, read_query},
    defence::{Defence, off},
    pending::Pending,
};
use crate::store::{
    pending_sign_ins,
    sign_ins::{self, SignInRow, State},
};
use url::Url;

/// The port of a listener that always takes the same.
pub(in super::super) const PORT: u16 = 47_113;

/// Reads whatever looks like a link to the app: the last word of its path is the platform.
pub(in super::super) fn read_link(link: &str) -> Result<(&str, Callback), CallbackError> {
    let link = link.split('#').next().unwrap_or_default();
    let (address, query) = link.split_once('?').ok_or(CallbackError::Route)?;
    let platform = address.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
    Ok((platform, read_query(query)?))
}

/// Whose return it is: that of whichever visit has its state, or of a visit made up for it.
pub(in super::super) async fn whose<'a>(
    auth: &'a Auth,
    platform: &'a Platform,
    by: &str,
    callback: &Callback,
) -> &'a Platform {
    if off(Defence::Awaited) && auth.pending(platform).await.unwrap().is_none() {
        make_up(auth, platform, by, callback).await;
    }
    if off(Defence::OwnAddress) {
        for other in &auth.platforms {
            if let Some((_, pending)) = auth.pending(other).await.unwrap()
                && pending.state == *callback.state.expose()
            {
                return other;
            }
        }
    }
    platform
}

async fn make_up(auth: &Auth, platform: &Platform, by: &str, callback: &Callback) {
    let server = auth.discover(platform).await.unwrap();
    let pending = Pending {
        state: callback.state.expose().clone(),
        verifier: String::new(),
        issuer: platform.issuer.clone(),
        client: None,
        iss_in_response: false,
        token_endpoint: server.token,
        redirect: by.to_owned(),
        url: String::new(),
        code: None,
    };
    let row = auth.seal_pending(platform, "made-up", &pending).unwrap();
    let mut tx = auth.db.begin().await.unwrap();
    pending_sign_ins::put(&mut tx, &row).await.unwrap();
    auth.db.commit(tx).await.unwrap();
}

/// Compares issuers as addresses.
pub(in super::super) fn same_issuer(said: &str, expected: &str) -> bool {
    let plain = said.replace("%3A", ":").replace("%2F", "/");
    Url::parse(&plain).is_ok_and(|said| Url::parse(expected).is_ok_and(|expected| said == expected))
}

/// Shows the verifier itself as the challenge.
pub(in super::super) fn plain_challenge(mut url: Url, verifier: &str) -> Url {
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    url.query_pairs_mut().clear().extend_pairs(pairs.iter().map(|(name, value)| match name.as_str() {
        "code_challenge" => (name.as_str(), verifier),
        "code_challenge_method" => (name.as_str(), "plain"),
        _ => (name.as_str(), value.as_str()),
    }));
    url
}

/// Puts what is posted into the address as well.
pub(in super::super) fn in_address(mut url: Url, form: &[(&str, &str)]) -> Url {
    url.query_pairs_mut().extend_pairs(form);
    url
}

/// Forgets the old tokens before the new ones are written; otherwise the row as it is.
pub(in super::super) async fn forget_first(
    auth: &Auth,
    platform: &Platform,
    row: &SignInRow,
) -> Result<SignInRow, AuthError> {
    if !off(Defence::OneWrite) {
        return Ok(row.clone());
    }
    let empty = auth.plain_row(platform, Some(row), State::Expired);
    let mut tx = auth.db.begin().await?;
    sign_ins::put(&mut tx, &empty, auth.clock.now()).await?;
    auth.db.commit(tx).await?;
    Ok(empty)
}
