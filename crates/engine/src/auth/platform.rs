//! Platforms a traveller can sign in to: one data file each in `platforms/`.
//!
//! Deliberately not here: endpoints. They come from the issuer's own metadata document, checked at every use.

use crate::api::{command::ReturnBy, view::NameView};
use serde::Deserialize;
use url::Url;
use zhiyou_domain::fault::{Fault, FaultCode};

const FILES: &[&str] = &[include_str!("../../platforms/zz-club.json")];

/// A platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// Id, e.g. `zz-club`; also the path of its deep link.
    pub id: String,
    /// Name to show.
    pub name: NameView,
    /// Issuer identifier, compared byte for byte everywhere (RFC 8414 §3.3, RFC 9207 §2.4).
    pub issuer: String,
    /// Our public client id there.
    pub client_id: String,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// How the browser may come back; the platform has registered these.
    pub returns: Vec<ReturnBy>,
    /// Path of the loopback return where the platform compares it: RFC 8252 §7.3 leaves only the port free. `None`: a
    /// random one each time.
    pub loopback_path: Option<String>,
    /// Hosts beside the issuer's own where its endpoints may be, on the usual port.
    pub endpoint_hosts: Vec<String>,
}

/// A platform file is not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("platform file: {0}")]
pub struct PlatformError(String);

impl From<PlatformError> for Fault {
    fn from(error: PlatformError) -> Self {
        Self::new(FaultCode::Internal, error.to_string())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    id: String,
    name: NameView,
    /// Absent where the host names it at the start.
    issuer: Option<String>,
    client_id: String,
    scopes: Vec<String>,
    returns: Vec<ReturnBy>,
    /// Without the slash in front.
    loopback_path: Option<String>,
    #[serde(default)]
    endpoint_hosts: Vec<String>,
}

fn read(text: &str, given: &[(&str, String)]) -> Result<Platform, PlatformError> {
    let record: Record = serde_json::from_str(text).map_err(|error| PlatformError(error.to_string()))?;
    let found = given.iter().find(|(id, _)| *id == record.id).map(|(_, issuer)| issuer.clone());
    let issuer = record.issuer.or(found).ok_or_else(|| PlatformError(format!("{}: no issuer", record.id)))?;
    if !is_id(&record.id) {
        return Err(PlatformError(format!("{:?} is not an id", record.id)));
    }
    let Record { id, name, client_id, scopes, returns, loopback_path, endpoint_hosts, .. } = record;
    Ok(Platform { id, name, issuer, client_id, scopes, returns, loopback_path, endpoint_hosts })
}

/// Whether a text can be the path of a deep link as it stands.
pub(super) fn is_id(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// The issuer identifier that a URL stands for. A URL always has a path; an identifier without one is written without
/// the slash.
fn issuer_of(url: &Url) -> String {
    if url.path() == "/" && url.query().is_none() {
        return url.as_str().trim_end_matches('/').to_owned();
    }
    url.as_str().to_owned()
}

impl Platform {
    /// All platforms that come with the product. `zz_club` is the issuer of the member platform, which differs per
    /// installation.
    ///
    /// # Errors
    /// [`PlatformError`] when a file is not usable; that is a defect of the build.
    pub fn bundled(zz_club: &Url) -> Result<Vec<Self>, PlatformError> {
        let given = [("zz-club", issuer_of(zz_club))];
        FILES.iter().map(|text| read(text, &given)).collect()
    }

    /// The address of its deep link: one per platform, so that a code for one cannot be taken for another's.
    #[must_use]
    pub fn deep_link(&self) -> String {
        format!("zhiyou://auth/{}", self.id)
    }

    /// Host, and port where it is not the usual one, that the browser will show.
    #[must_use]
    pub fn host(&self) -> String {
        let Ok(url) = Url::parse(&self.issuer) else { return self.issuer.clone() };
        let host = url.host_str().unwrap_or_default();
        url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_platform_file_is_usable_and_listed() {
        let platforms = Platform::bundled(&Url::parse("http://127.0.0.1:8080").unwrap()).unwrap();
        let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/platforms")).unwrap().count();
        assert_eq!(platforms.len(), files);
        let club = platforms.iter().find(|platform| platform.id == "zz-club").unwrap();
        assert_eq!((club.issuer.as_str(), club.host().as_str()), ("http://127.0.0.1:8080", "127.0.0.1:8080"));
        assert_eq!(club.deep_link(), "zhiyou://auth/zz-club");
    }
}
