//! Where connections of sign-in may go: a name's public addresses only.
//!
//! The addresses that were checked are the ones that are connected to, so a name that answers differently the second time
//! (DNS rebinding) reaches nothing. A proxy that the person has set up may be anywhere. Deliberately not here: which names
//! may be asked (see [`super::metadata`]).

use super::defence::{Defence, off};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
};
use url::Url;

/// Addresses of a name.
pub(super) type Found = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;
/// How names are looked up.
pub(super) type LookUp = Arc<dyn Fn(String) -> Found + Send + Sync>;

/// A name has no address that may be connected to.
#[derive(Debug, thiserror::Error)]
#[error("no public address")]
struct NotPublic;

/// Looks names up and lets public addresses through.
pub(super) struct Guarded {
    look_up: LookUp,
    proxies: Vec<String>,
}

impl Guarded {
    pub(super) fn new(look_up: LookUp) -> Self {
        let variables = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"];
        let proxies = variables.iter().filter_map(|name| std::env::var(name).ok()).filter_map(|text| host(&text));
        Self { look_up, proxies: proxies.collect() }
    }
}

/// The host of a proxy's address, which may come without a scheme.
fn host(proxy: &str) -> Option<String> {
    let text = if proxy.contains("://") { proxy.to_owned() } else { format!("http://{proxy}") };
    Url::parse(&text).ok()?.host_str().map(str::to_owned)
}

/// The system's own look-up.
pub(super) fn system() -> LookUp {
    Arc::new(|name| Box::pin(async move { Ok(tokio::net::lookup_host((name.as_str(), 0)).await?.collect()) }))
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let found = (self.look_up)(name.as_str().to_owned());
        let anywhere = self.proxies.iter().any(|proxy| proxy.eq_ignore_ascii_case(name.as_str()));
        Box::pin(async move {
            let mut addresses = found.await?;
            if !anywhere {
                addresses.retain(|address| is_public(address.ip()) || off(Defence::CheckedConnection));
            }
            if addresses.is_empty() {
                return Err(NotPublic.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is one of the internet at large. 198.18.0.0/15 passes: proxies that take over the network give
/// such stand-ins for every name, and nothing else lives there.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    // Carriers' and overlay networks (RFC 6598), protocol assignments (RFC 6890), and what was never given out.
    let shared = a == 100 && (64..128).contains(&b);
    let protocol = (a, b, c) == (192, 0, 0);
    !(ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_documentation()
        || a == 0
        || a >= 240
        || shared
        || protocol)
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    if let Some(inner) = ip.to_ipv4() {
        return is_public_v4(inner) && ip.to_ipv4_mapped().is_some();
    }
    let [first, second, third, .., high, low] = ip.segments();
    let [a, b] = high.to_be_bytes();
    let [c, d] = low.to_be_bytes();
    // Addresses that carry one of the older kind are as public as it: NAT64 (RFC 6052) and 6to4 (RFC 3056).
    if (first, second) == (0x64, 0xff9b) {
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    if first == 0x2002 {
        let ([a, b], [c, d]) = (second.to_be_bytes(), third.to_be_bytes());
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    // Global unicast is 2000::/3; Teredo and documentation are in it.
    first & 0xe000 == 0x2000 && (first, second) != (0x2001, 0) && (first, second) != (0x2001, 0xdb8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_internet_at_large_are_public() {
        for text in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.100.100.200",
            "192.0.0.192",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "2002:7f00:1::1",
            "2001::1",
            "2001:db8::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in ["93.184.216.34", "198.18.0.7", "2606:2800:220:1::1", "64:ff9b::5db8:d822", "2002:5db8:d822::1"] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[tokio::test]
    async fn a_name_is_connected_to_at_its_public_addresses_and_a_proxy_anywhere() {
        let look_up: LookUp = Arc::new(|_| {
            let addresses = ["10.0.0.1:0", "93.184.216.34:0"].map(|text| text.parse().unwrap());
            Box::pin(async move { Ok(addresses.to_vec()) })
        });
        let guarded = Guarded { look_up, proxies: vec!["proxy.intranet".to_owned()] };
        let count = async |name: &str| guarded.resolve(name.parse().unwrap()).await.unwrap().count();
        assert_eq!((count("id.example.com").await, count("Proxy.intranet").await), (1, 2));
        let inner: LookUp = Arc::new(|_| Box::pin(async { Ok(vec!["127.0.0.1:0".parse().unwrap()]) }));
        let guarded = Guarded { look_up: inner, proxies: Vec::new() };
        assert!(guarded.resolve("id.example.com".parse().unwrap()).await.is_err());
    }

    #[test]
    fn the_host_of_a_proxy_is_found_with_and_without_a_scheme() {
        for text in ["http://proxy.intranet:3128", "proxy.intranet:3128", "socks5://user:pw@proxy.intranet"] {
            assert_eq!(host(text).as_deref(), Some("proxy.intranet"), "{text}");
        }
    }
}
