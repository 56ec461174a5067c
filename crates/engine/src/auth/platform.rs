//! Platforms and suppliers by data files, one each in `platforms/`: where a traveller can sign in, and what is reached
//! through us with nothing to sign in to.
//!
//! Deliberately not here: endpoints. They come from the issuer's own metadata document, checked at every use. Neither are
//! secrets: those of suppliers and channels live in the gateway.

use crate::api::{command::ReturnBy, view::NameView};
use serde::Deserialize;
use url::Url;
use zhiyou_domain::{
    app::ROOT,
    fault::{Fault, FaultCode},
};

/// Where a traveller signs in first, then what is reached through us; shown in this order.
const FILES: &[&str] = &[
    include_str!("../../platforms/zz-club.json"),
    include_str!("../../platforms/turkish-airlines.json"),
    include_str!("../../platforms/oidc.json"),
    include_str!("../../platforms/duffel.json"),
    include_str!("../../platforms/viator.json"),
    include_str!("../../platforms/stripe.json"),
    include_str!("../../platforms/booking-com.json"),
    include_str!("../../platforms/getyourguide.json"),
];

/// A platform that a traveller can sign in to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// Id, e.g. `zz-club`; also the path of its deep link.
    pub id: String,
    /// Name to show.
    pub name: NameView,
    /// What a sign-in is for.
    pub purpose: NameView,
    /// Issuer identifier, compared byte for byte everywhere (RFC 8414 §3.3, RFC 9207 §2.4).
    pub issuer: String,
    /// Our public client id there; `None`: every visit registers a client of its own (RFC 7591).
    pub client_id: Option<String>,
    /// What is asked for, in the platform's words; nothing: the platform decides.
    pub scopes: Vec<String>,
    /// The same as a person reads it.
    pub permissions: Vec<NameView>,
    /// How the browser may come back; the platform has registered these, or is told them.
    pub returns: Vec<ReturnBy>,
    /// Path of the loopback return where the platform compares it: RFC 8252 §7.3 leaves only the port free. `None`: a
    /// random one each time.
    pub loopback_path: Option<String>,
    /// Hosts beside the issuer's own where its endpoints may be, on the usual port.
    pub endpoint_hosts: Vec<String>,
    /// Its own MCP server, which tokens are asked for and sent to (RFC 8707); on the issuer's own host.
    pub mcp: Option<Url>,
    /// Hosts that its links to book lead to.
    pub link_hosts: Vec<String>,
}

/// A supplier or channel that is reached with a secret of ours: a traveller has nothing to sign in to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThroughUs {
    /// Id.
    pub id: String,
    /// Name to show.
    pub name: NameView,
    /// Host that the gateway asks.
    pub host: String,
    /// What is true of it.
    pub purpose: NameView,
    /// Whether the gateway has an adapter for it; what it has none for helps nobody.
    pub in_use: bool,
}

/// What an installation says of a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Platform id.
    pub platform: &'static str,
    /// Its issuer here.
    pub issuer: Url,
    /// Our client id there, where it is not the file's.
    pub client_id: Option<String>,
}

/// Every file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platforms {
    /// Where a traveller can sign in here.
    pub sign_in: Vec<Platform>,
    /// What is reached through us.
    pub through_us: Vec<ThroughUs>,
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
#[serde(tag = "kind", rename_all = "snake_case")]
enum Record {
    SignIn(SignIn),
    ThroughUs(ThroughUs),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    id: String,
    name: NameView,
    purpose: NameView,
    /// Absent where each installation has another.
    issuer: Option<String>,
    client_id: Option<String>,
    permissions: Vec<Permission>,
    returns: Vec<ReturnBy>,
    /// Without the slash in front.
    loopback_path: Option<String>,
    #[serde(default)]
    endpoint_hosts: Vec<String>,
    /// Path on the issuer's host, with the slash in front.
    mcp: Option<String>,
    #[serde(default)]
    link_hosts: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Permission {
    /// Absent where the platform has no word for it, or it is not known.
    scope: Option<String>,
    means: NameView,
}

fn check_id(id: &str) -> Result<(), PlatformError> {
    if is_id(id) { Ok(()) } else { Err(PlatformError(format!("{id:?} is not an id"))) }
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

impl Platforms {
    /// Everything that comes with the product, as `here` says for this installation. A platform without an issuer is not
    /// offered.
    ///
    /// # Errors
    /// [`PlatformError`] when a file is not usable; that is a defect of the build.
    pub fn bundled(here: &[Installed]) -> Result<Self, PlatformError> {
        let mut platforms = Self { sign_in: Vec::new(), through_us: Vec::new() };
        for text in FILES {
            match serde_json::from_str(text).map_err(|error| PlatformError(error.to_string()))? {
                Record::ThroughUs(supplier) => {
                    check_id(&supplier.id)?;
                    platforms.through_us.push(supplier);
                }
                Record::SignIn(record) => platforms.sign_in.extend(offered(record, here)?),
            }
        }
        Ok(platforms)
    }
}

fn offered(record: SignIn, here: &[Installed]) -> Result<Option<Platform>, PlatformError> {
    check_id(&record.id)?;
    let installed = here.iter().find(|installed| installed.platform == record.id);
    let issuer = installed.map(|installed| issuer_of(&installed.issuer)).or(record.issuer);
    let Some(issuer) = issuer else { return Ok(None) };
    let base = Url::parse(&issuer).map_err(|error| PlatformError(format!("{}: issuer: {error}", record.id)))?;
    let mcp = record.mcp.map(|path| own_address(&base, &path)).transpose()?;
    Ok(Some(Platform {
        id: record.id,
        name: record.name,
        purpose: record.purpose,
        issuer,
        client_id: installed.and_then(|installed| installed.client_id.clone()).or(record.client_id),
        scopes: record.permissions.iter().filter_map(|permission| permission.scope.clone()).collect(),
        permissions: record.permissions.into_iter().map(|permission| permission.means).collect(),
        returns: record.returns,
        loopback_path: record.loopback_path,
        endpoint_hosts: record.endpoint_hosts,
        mcp,
        link_hosts: record.link_hosts,
    }))
}

/// An address on the issuer's own host: a token is sent nowhere else.
fn own_address(issuer: &Url, path: &str) -> Result<Url, PlatformError> {
    let url = issuer.join(path).map_err(|error| PlatformError(format!("{path:?}: {error}")))?;
    let own = path.starts_with('/') && url.origin() == issuer.origin();
    if own { Ok(url) } else { Err(PlatformError(format!("{path:?} is not on the issuer's host"))) }
}

impl Platform {
    /// The client id of a visit or of tokens: the one that was registered for them, else our own.
    pub(super) fn client<'a>(&'a self, registered: &'a Option<String>) -> &'a str {
        registered.as_deref().or(self.client_id.as_deref()).unwrap_or_default()
    }

    /// The address of its deep link: one per platform, so that a code for one cannot be taken for another's.
    #[must_use]
    pub fn deep_link(&self) -> String {
        format!("{ROOT}auth/{}", self.id)
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
    use zhiyou_domain::link;

    fn installed(platform: &'static str, issuer: &str) -> Installed {
        Installed { platform, issuer: issuer.parse().unwrap(), client_id: None }
    }

    #[test]
    fn every_platform_file_is_usable_and_listed() {
        let here = ["zz-club", "oidc"].map(|platform| installed(platform, "http://127.0.0.1:8080"));
        let platforms = Platforms::bundled(&here).unwrap();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/platforms");
        for file in std::fs::read_dir(folder).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            let id = name.strip_suffix(".json").unwrap();
            let signs_in = platforms.sign_in.iter().filter(|platform| platform.id == id).count();
            let through_us = platforms.through_us.iter().filter(|platform| platform.id == id).count();
            assert_eq!(signs_in + through_us, 1, "{name}");
        }
        assert_eq!(platforms.sign_in.len() + platforms.through_us.len(), FILES.len());
        let texts = |name: &NameView| !name.en.is_empty() && name.zh.as_ref().is_some_and(|zh| !zh.is_empty());
        for platform in &platforms.sign_in {
            assert!(texts(&platform.name) && texts(&platform.purpose), "{}", platform.id);
            assert!(!platform.permissions.is_empty() && platform.permissions.iter().all(texts), "{}", platform.id);
            assert!(!platform.returns.is_empty(), "{}", platform.id);
            assert!(
                platform.link_hosts.iter().all(|host| host.contains('.') && !host.contains('/')),
                "{}",
                platform.id
            );
        }
        for supplier in &platforms.through_us {
            assert!(texts(&supplier.name) && texts(&supplier.purpose) && !supplier.host.is_empty(), "{}", supplier.id);
        }
    }

    /// Whether a platform is shown a document of ours for a client id, in which somebody could name other addresses.
    fn publishes_a_document(file: &str) -> bool {
        let file: serde_json::Value = serde_json::from_str(file).unwrap();
        file["client_id"].as_str().is_some_and(|id| id.contains("://") || id.contains('/') || Url::parse(id).is_ok())
    }

    #[test]
    fn oa_73_no_client_id_is_the_address_of_a_document() {
        for file in FILES {
            assert!(!publishes_a_document(file), "{file}");
            let mut weaker: serde_json::Value = serde_json::from_str(file).unwrap();
            weaker["client_id"] = "https://zhiyou.example.com/client.json".into();
            assert!(publishes_a_document(&weaker.to_string()));
        }
        assert!(FILES.iter().any(|file| file.contains("\"client_id\": \"")));
    }

    #[test]
    fn a_platform_is_where_its_file_says_unless_the_installation_says_where() {
        let club = &Platforms::bundled(&[installed("zz-club", "http://127.0.0.1:8080")]).unwrap().sign_in[0];
        assert_eq!((club.issuer.as_str(), club.host().as_str()), ("http://127.0.0.1:8080", "127.0.0.1:8080"));
        assert_eq!(club.deep_link(), link!("auth/zz-club"));
        // Nobody said where the club or a platform of one's own are: they are not offered.
        let [turkish] = &Platforms::bundled(&[]).unwrap().sign_in[..] else { panic!() };
        assert_eq!(
            (turkish.id.as_str(), turkish.issuer.as_str()),
            ("turkish-airlines", "https://mcp.turkishtechlab.com")
        );
        assert_eq!(turkish.mcp.as_ref().unwrap().as_str(), "https://mcp.turkishtechlab.com/mcp");
        let here = [installed("turkish-airlines", "http://127.0.0.1:9")];
        let turkish = &Platforms::bundled(&here).unwrap().sign_in[0];
        assert_eq!(turkish.mcp.as_ref().unwrap().as_str(), "http://127.0.0.1:9/mcp");
        let mut own = installed("oidc", "https://id.example.com/realms/me");
        own.client_id = Some("zhiyou".to_owned());
        let own = &Platforms::bundled(&[own]).unwrap().sign_in[1];
        assert_eq!((own.issuer.as_str(), own.client(&None)), ("https://id.example.com/realms/me", "zhiyou"));
        assert_eq!(own.client(&Some("registered".to_owned())), "registered");
    }

    #[test]
    fn a_token_never_has_an_address_beside_its_issuers_host() {
        let issuer = Url::parse("https://id.example.com").unwrap();
        for path in ["https://evil.example/mcp", "//evil.example/mcp", "mcp", "/\\evil.example/mcp", ""] {
            assert!(own_address(&issuer, path).is_err(), "{path}");
        }
    }
}
