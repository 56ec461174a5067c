//! An issuer's metadata (RFC 8414), believed only as far as it was checked.
//!
//! Deliberately not here: a cache. A sign-in and an hourly refresh can afford to ask, and a document that was checked
//! long ago is worth less than one that was checked now.

use super::{
    defence::{Defence, off},
    http::{Http, HttpError},
    platform::Platform,
};
use serde::Deserialize;
use url::{Host, Url};

/// What we use of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) authorization: Url,
    pub(super) token: Url,
    pub(super) revocation: Option<Url>,
    /// Where clients register themselves (RFC 7591).
    pub(super) registration: Option<Url>,
    /// Where requests are pushed to (RFC 9126); they are, wherever they can be.
    pub(super) pushed_requests: Option<Url>,
    /// Responses carry `iss` (RFC 9207); one without it is not from this issuer.
    pub(super) iss_in_response: bool,
}

/// Why an issuer is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum MetadataError {
    /// It did not answer, or not with a document.
    #[error("metadata: {0}")]
    Http(#[from] HttpError),
    /// It answered with this status.
    #[error("metadata: HTTP {0}")]
    Status(u16),
    /// The document is not what RFC 8414 describes.
    #[error("metadata: not a metadata document")]
    Malformed,
    /// The document speaks for another issuer.
    #[error("metadata: another issuer")]
    Issuer,
    /// An address in it, or the issuer itself, may not be used.
    #[error("metadata: {0} may not be used")]
    Address(&'static str),
    /// What it protects is another's, or says that another issuer stands before it.
    #[error("metadata: another resource")]
    Resource,
    /// It does not promise to check our proof key (RFC 7636), or not with SHA-256.
    #[error("metadata: no S256")]
    NoProofKey,
    /// It wants clients to sign who they are. Ours is public and has no key; what it signed could be good elsewhere.
    #[error("metadata: clients have to sign")]
    SignedClients,
    /// It does not give codes.
    #[error("metadata: no authorization code")]
    NoCode,
    /// It wants requests pushed and does not say where.
    #[error("metadata: no address for pushed requests")]
    NoPush,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    revocation_endpoint: Option<String>,
    registration_endpoint: Option<String>,
    pushed_authorization_request_endpoint: Option<String>,
    #[serde(default)]
    require_pushed_authorization_requests: bool,
    response_types_supported: Vec<String>,
    /// How clients say who they are. Many that take public clients do not say so here.
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
    #[serde(default)]
    code_challenge_methods_supported: Vec<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// What a protected resource says of itself (RFC 9728).
#[derive(Deserialize)]
struct ResourceDocument {
    resource: String,
    #[serde(default)]
    authorization_servers: Vec<String>,
}

/// Checks what the platform protects: it says that it is what our file says, and that this issuer stands before it
/// (RFC 9728 §3.3). Where it says nothing of itself, our file is all there is.
pub(super) async fn check_resource(http: &Http, platform: &Platform) -> Result<(), MetadataError> {
    let Some(mcp) = platform.mcp.as_ref().filter(|_| !off(Defence::Resource)) else { return Ok(()) };
    let mut place = mcp.clone();
    place.set_path(&format!("/.well-known/oauth-protected-resource{}", mcp.path()));
    let document: ResourceDocument = match http.get(place).await? {
        (200, body) => serde_json::from_slice(&body).map_err(|_| MetadataError::Malformed)?,
        (404, _) => return Ok(()),
        (status, _) => return Err(MetadataError::Status(status)),
    };
    let guarded = document.authorization_servers.contains(&platform.issuer);
    if document.resource == mcp.as_str() && guarded { Ok(()) } else { Err(MetadataError::Resource) }
}

/// Fetches and checks the metadata of the platform's issuer. `demo` allows plain HTTP to a loopback address.
pub(super) async fn discover(http: &Http, platform: &Platform, demo: bool) -> Result<Server, MetadataError> {
    let base = address("issuer", &platform.issuer, demo)?;
    let mut last = 0;
    for url in places(&base) {
        match http.get(url).await? {
            (200, body) => return check(&body, &platform.issuer, &platform.endpoint_hosts, demo),
            (status, _) => last = status,
        }
    }
    Err(MetadataError::Status(last))
}

/// RFC 8414 §3.1, then the older place of OpenID Connect Discovery (RFC 8414 §5).
fn places(issuer: &Url) -> [Url; 2] {
    let path = issuer.path().trim_end_matches('/');
    let at = |path: String| {
        let mut url = issuer.clone();
        url.set_path(&path);
        url
    };
    [
        at(format!("/.well-known/oauth-authorization-server{path}")),
        at(format!("{path}/.well-known/openid-configuration")),
    ]
}

pub(super) fn check(body: &[u8], issuer: &str, hosts: &[String], demo: bool) -> Result<Server, MetadataError> {
    let document: Document = serde_json::from_slice(body).map_err(|_| MetadataError::Malformed)?;
    if document.issuer != issuer && !off(Defence::MetadataIssuer) {
        return Err(MetadataError::Issuer);
    }
    let promised = document.code_challenge_methods_supported.iter().any(|method| method == "S256");
    if !promised && !off(Defence::ProofKeyPromise) {
        return Err(MetadataError::NoProofKey);
    }
    if !document.response_types_supported.iter().any(|kind| kind == "code") {
        return Err(MetadataError::NoCode);
    }
    let methods = &document.token_endpoint_auth_methods_supported;
    let signed = !methods.is_empty() && methods.iter().all(|method| method.ends_with("_jwt"));
    if signed && !off(Defence::PublicClient) {
        return Err(MetadataError::SignedClients);
    }
    let base = address("issuer", issuer, demo)?;
    let endpoint = |name, text: &str| {
        let url = address(name, text, demo)?;
        // A document could send codes of one platform to another. Whatever it says, an endpoint is the issuer's own, or
        // on a host that the platform's file names, which proves by TLS who it is.
        let named = url.scheme() == "https" && url.port().is_none();
        let listed = matches!(url.host(), Some(Host::Domain(host)) if hosts.iter().any(|known| known == host));
        let ours = url.origin() == base.origin() || (named && listed);
        if ours || off(Defence::OwnHosts) || off(Defence::SafeScheme) {
            Ok(url)
        } else {
            Err(MetadataError::Address(name))
        }
    };
    if document.require_pushed_authorization_requests && document.pushed_authorization_request_endpoint.is_none() {
        return Err(MetadataError::NoPush);
    }
    Ok(Server {
        authorization: endpoint("authorization_endpoint", &document.authorization_endpoint)?,
        token: endpoint("token_endpoint", &document.token_endpoint)?,
        revocation: document.revocation_endpoint.map(|text| endpoint("revocation_endpoint", &text)).transpose()?,
        registration: document
            .registration_endpoint
            .map(|text| endpoint("registration_endpoint", &text))
            .transpose()?,
        pushed_requests: document
            .pushed_authorization_request_endpoint
            .map(|text| endpoint("pushed_authorization_request_endpoint", &text))
            .transpose()?,
        iss_in_response: document.authorization_response_iss_parameter_supported,
    })
}

/// An address we may ask or open: HTTPS to a named host, or in demo mode HTTP to a loopback address.
fn address(name: &'static str, text: &str, demo: bool) -> Result<Url, MetadataError> {
    let refused = || MetadataError::Address(name);
    // What the URL parser would repair or a desktop's opener might interpret is refused as it stands.
    let odd = |c: char| !c.is_ascii_graphic() || "\"'<>\\^`{|}$;()*!".contains(c);
    if (text.len() > 2048 || text.contains(odd)) && !off(Defence::PlainCharacters) {
        return Err(refused());
    }
    let url = Url::parse(text).map_err(|_| refused())?;
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(refused());
    }
    if off(Defence::SafeScheme) || off(Defence::PublicHosts) {
        return Ok(url);
    }
    let allowed = match (url.scheme(), url.host()) {
        ("https", Some(Host::Domain(host))) => !is_local_name(host),
        ("https" | "http", Some(Host::Ipv4(ip))) => demo && ip.is_loopback(),
        ("https" | "http", Some(Host::Ipv6(ip))) => demo && ip.is_loopback(),
        _ => false,
    };
    if allowed { Ok(url) } else { Err(refused()) }
}

fn is_local_name(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    !host.contains('.') || [".localhost", ".local", ".internal"].iter().any(|tail| host.ends_with(tail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const ISSUER: &str = "https://id.example.com";

    fn document() -> Value {
        json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://id.example.com/authorize",
            "token_endpoint": "https://token.example.com/token",
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["plain", "S256"],
        })
    }

    fn hosts() -> Vec<String> {
        vec!["token.example.com".to_owned()]
    }

    #[track_caller]
    fn check_refused(name: &str, value: Value) {
        let mut changed = document();
        if value.is_null() {
            changed.as_object_mut().unwrap().remove(name);
        } else {
            changed[name] = value.clone();
        }
        assert!(check(changed.to_string().as_bytes(), ISSUER, &hosts(), false).is_err(), "{name} = {value}");
    }

    #[test]
    fn a_sound_document_is_used() {
        let server = check(document().to_string().as_bytes(), ISSUER, &hosts(), false).unwrap();
        assert_eq!(server.token.as_str(), "https://token.example.com/token");
        assert!(!server.iss_in_response && server.revocation.is_none());
    }

    #[test]
    fn another_issuer_even_by_one_byte_is_refused() {
        for issuer in
            ["https://id.example.com/", "https://ID.example.com", "https://id.example.com:443", "https://evil.example"]
        {
            check_refused("issuer", json!(issuer));
        }
    }

    #[test]
    fn an_endpoint_is_on_the_issuers_own_host_or_on_one_that_the_platforms_file_names() {
        let body = document().to_string();
        assert!(matches!(check(body.as_bytes(), ISSUER, &[], false), Err(MetadataError::Address("token_endpoint"))));
        for address in
            ["https://evil.example.com/x", "https://token.example.com:8443/x", "https://id.example.com:444/x"]
        {
            for name in [
                "authorization_endpoint",
                "token_endpoint",
                "registration_endpoint",
                "pushed_authorization_request_endpoint",
            ] {
                check_refused(name, json!(address));
            }
        }
    }

    #[test]
    fn a_server_that_wants_requests_pushed_says_where() {
        check_refused("require_pushed_authorization_requests", json!(true));
        let mut pushed = document();
        pushed["require_pushed_authorization_requests"] = json!(true);
        pushed["pushed_authorization_request_endpoint"] = json!("https://id.example.com/par");
        let server = check(pushed.to_string().as_bytes(), ISSUER, &hosts(), false).unwrap();
        assert_eq!(server.pushed_requests.unwrap().as_str(), "https://id.example.com/par");
    }

    #[test]
    fn a_server_without_s256_or_code_is_refused() {
        check_refused("code_challenge_methods_supported", Value::Null);
        check_refused("code_challenge_methods_supported", json!(["plain"]));
        check_refused("code_challenge_methods_supported", json!([]));
        check_refused("response_types_supported", json!(["token"]));
    }

    #[test]
    fn a_server_where_every_client_has_to_sign_is_refused_and_one_that_takes_others_too_is_not() {
        let name = "token_endpoint_auth_methods_supported";
        check_refused(name, json!(["private_key_jwt"]));
        check_refused(name, json!(["private_key_jwt", "client_secret_jwt"]));
        for methods in [json!([]), json!(["none"]), json!(["private_key_jwt", "client_secret_basic"])] {
            let mut public = document();
            public[name] = methods.clone();
            assert!(check(public.to_string().as_bytes(), ISSUER, &hosts(), false).is_ok(), "{methods}");
        }
    }

    #[test]
    fn addresses_that_lead_elsewhere_are_refused() {
        for address in [
            "http://id.example.com/x",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "data:text/html,x",
            "smb://host/share",
            "\\\\host\\share",
            "https://user@id.example.com/x",
            "https://id.example.com/x#y",
            "https://169.254.169.254/x",
            "https://10.0.0.8/x",
            "https://0x7f000001/x",
            "https://2130706433/x",
            "https://127.1/x",
            "https://[::1]/x",
            "https://[fe80::1]/x",
            "https://[::ffff:127.0.0.1]/x",
            "https://localhost/x",
            "https://router.local/x",
            "https://intranet/x",
            "https://id.example.com/$(id)",
            "https://id.example.com/a b",
            "https://id.example.com/\"&calc",
            "",
        ] {
            for name in ["authorization_endpoint", "token_endpoint", "revocation_endpoint"] {
                check_refused(name, json!(address));
            }
        }
    }

    #[test]
    fn plain_http_is_for_loopback_in_demo_mode_only() {
        let local = |port: u16| {
            let base = format!("http://127.0.0.1:{port}");
            json!({"issuer": "http://127.0.0.1:7000", "authorization_endpoint": format!("{base}/a"),
                "token_endpoint": format!("{base}/t"), "response_types_supported": ["code"],
                "code_challenge_methods_supported": ["S256"]})
            .to_string()
        };
        assert!(check(local(7000).as_bytes(), "http://127.0.0.1:7000", &[], true).is_ok());
        assert!(check(local(7000).as_bytes(), "http://127.0.0.1:7000", &[], false).is_err(), "not demo");
        assert!(check(local(7001).as_bytes(), "http://127.0.0.1:7000", &[], true).is_err(), "another port");
    }

    #[test]
    fn nesting_and_other_json_are_refused_without_harm() {
        for body in ["[".repeat(60_000), "null".to_owned(), "{}".to_owned(), String::new()] {
            assert!(matches!(check(body.as_bytes(), ISSUER, &[], false), Err(MetadataError::Malformed)));
        }
    }
}
