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
    pub permissions: Vec<Permission>,
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
    /// What is called with its token, by the names of the tools; nothing else is.
    pub calls: Vec<String>,
    /// Whether its issuer is the sandbox's, on this machine: plain HTTP to loopback addresses is for such alone.
    pub sandbox: bool,
}

/// Something that a platform is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permission {
    /// The platform's word for it; absent where it has none, or it is not known.
    pub scope: Option<String>,
    /// The same as a person reads it.
    pub means: NameView,
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
    /// Path of the loopback return that is registered there, where it is not the file's; see [`is_path`].
    pub loopback_path: Option<String>,
    /// Whether it is the sandbox's.
    pub sandbox: bool,
}

impl Installed {
    /// A platform out on the internet.
    #[must_use]
    pub const fn at(platform: &'static str, issuer: Url) -> Self {
        Self { platform, issuer, client_id: None, loopback_path: None, sandbox: false }
    }

    /// A platform of the sandbox.
    #[must_use]
    pub const fn sandboxed(platform: &'static str, issuer: Url) -> Self {
        Self { platform, issuer, client_id: None, loopback_path: None, sandbox: true }
    }
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
    #[serde(default)]
    calls: Vec<String>,
}

fn check_id(id: &str) -> Result<(), PlatformError> {
    if is_id(id) { Ok(()) } else { Err(PlatformError(format!("{id:?} is not an id"))) }
}

/// Whether a text can be the path of a deep link as it stands.
pub(super) fn is_id(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Whether a text can be the path of a loopback return: no slash in front, and nothing that is written in two ways.
#[must_use]
pub fn is_path(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && !part.chars().all(|c| c == '.')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
    };
    text.len() <= 128 && text.split('/').all(part)
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
    let loopback_path = installed.and_then(|installed| installed.loopback_path.clone()).or(record.loopback_path);
    if let Some(path) = loopback_path.as_deref().filter(|path| !is_path(path)) {
        return Err(PlatformError(format!("{}: {path:?} is not a path", record.id)));
    }
    Ok(Some(Platform {
        id: record.id,
        name: record.name,
        purpose: record.purpose,
        issuer,
        client_id: installed.and_then(|installed| installed.client_id.clone()).or(record.client_id),
        scopes: record.permissions.iter().filter_map(|permission| permission.scope.clone()).collect(),
        permissions: record.permissions,
        returns: record.returns,
        loopback_path,
        endpoint_hosts: record.endpoint_hosts,
        mcp,
        link_hosts: record.link_hosts,
        calls: record.calls,
        sandbox: installed.is_some_and(|installed| installed.sandbox),
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

    /// What a person reads of granted scopes: the file's words for those it has words for, the platform's own word for
    /// others, and what it has no word for at all, which comes with every sign-in.
    pub(super) fn granted(&self, scopes: &[String]) -> Vec<NameView> {
        let known = |permission: &&Permission| permission.scope.as_ref().is_none_or(|scope| scopes.contains(scope));
        let named = self.permissions.iter().filter(known).map(|permission| permission.means.clone());
        let has_words = |scope: &String| self.permissions.iter().any(|known| known.scope.as_ref() == Some(scope));
        let others = scopes.iter().filter(|scope| !has_words(scope));
        named.chain(others.map(|scope| NameView { en: scope.clone(), zh: None })).collect()
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
        Installed::at(platform, issuer.parse().unwrap())
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
            let means = |permission: &Permission| texts(&permission.means);
            assert!(!platform.permissions.is_empty() && platform.permissions.iter().all(means), "{}", platform.id);
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
    fn an_installation_says_which_loopback_path_it_registered_and_no_other_kind_of_text() {
        let own = |path: &str| {
            let own = installed("oidc", "https://id.example.com");
            Platforms::bundled(&[Installed { loopback_path: Some(path.to_owned()), ..own }])
        };
        let platforms = own("zhiyou/return").unwrap().sign_in;
        assert_eq!(platforms.iter().find_map(|known| known.loopback_path.as_deref()), Some("zhiyou/return"));
        for path in ["", "/", "/zhiyou", "zhiyou/", "a//b", "..", "a/../b", "a?b", "a#b", "a%2fb", "a b", "é", "\\"] {
            assert!(own(path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn only_what_an_installation_says_is_the_sandboxs_is() {
        let issuer: Url = "http://127.0.0.1:9".parse().unwrap();
        let here = [Installed::sandboxed("zz-club", issuer.clone()), Installed::at("oidc", issuer)];
        let eased = Platforms::bundled(&here).unwrap().sign_in.into_iter().filter(|platform| platform.sandbox);
        assert_eq!(eased.map(|platform| platform.id).collect::<Vec<_>>(), ["zz-club"]);
    }

    #[test]
    fn what_was_granted_is_told_in_the_files_words_and_else_in_the_platforms() {
        let club = &Platforms::bundled(&[installed("zz-club", "http://127.0.0.1:8080")]).unwrap().sign_in[0];
        let told = |scopes: &[&str]| {
            let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
            club.granted(&scopes).into_iter().map(|name| name.en).collect::<Vec<_>>()
        };
        assert_eq!(told(&["loyalty"]), ["your member number and tier"]);
        assert_eq!(told(&["profile", "lounge"]), ["your name", "lounge"]);
        assert!(told(&[]).is_empty());
        let turkish = &Platforms::bundled(&[]).unwrap().sign_in[0];
        assert_eq!(turkish.granted(&[]).len(), turkish.permissions.len(), "it has no words of its own");
    }

    #[test]
    fn a_token_never_has_an_address_beside_its_issuers_host() {
        let issuer = Url::parse("https://id.example.com").unwrap();
        for path in ["https://evil.example/mcp", "//evil.example/mcp", "mcp", "/\\evil.example/mcp", ""] {
            assert!(own_address(&issuer, path).is_err(), "{path}");
        }
    }
}
