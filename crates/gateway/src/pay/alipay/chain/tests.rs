//! The channel's genuine certificate leads up to its root, and nothing that only looks like it does.

use super::*;
use crate::{config::tests::vector, defence::take_away};

/// When the published certificate was in use.
const THEN: UtcMicros = UtcMicros(1_609_459_200_000_000);

fn one(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

fn genuine() -> CertificateDer<'static> {
    one(&vector("alipay/alipayCertPublicKey_RSA2.crt"))
}

fn roots() -> Roots {
    Roots::new(&vector("alipay/alipayRootCert.crt"))
}

/// An authority of our own with a published RSA key.
struct Authority {
    pem: String,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

fn key(file: &str) -> rcgen::KeyPair {
    rcgen::KeyPair::from_pkcs8_pem_and_sign_algo(&vector(file), &rcgen::PKCS_RSA_SHA256).unwrap()
}

fn named(name: &str, until: i32) -> rcgen::CertificateParams {
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    params
}

impl Authority {
    fn new(name: &str, until: i32, above: Option<&Self>) -> Self {
        let mut params = named(name, until);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self::from(params, above)
    }

    fn from(params: rcgen::CertificateParams, above: Option<&Self>) -> Self {
        let key = key("wechat/java_merchant_private_key.pem");
        let certificate = match above {
            Some(above) => params.signed_by(&key, &above.issuer),
            None => params.self_signed(&key),
        };
        Self { pem: certificate.unwrap().pem(), issuer: rcgen::Issuer::new(params, key) }
    }

    fn issue(&self, until: i32) -> CertificateDer<'static> {
        let key = key("wechat/java_wechat_pay_private_key.pem");
        named("Channel", until).signed_by(&key, &self.issuer).unwrap().der().clone()
    }
}

fn year(year: i16) -> UtcMicros {
    let date = jiff::civil::date(year, 1, 1).to_zoned(jiff::tz::TimeZone::UTC).unwrap();
    UtcMicros(date.timestamp().as_microsecond())
}

#[test]
fn al_11_the_genuine_certificate_leads_up_to_the_published_root_and_a_foreign_one_does_not() {
    let (from, until) = roots().lead(&genuine(), &[]).unwrap();
    assert!(from < THEN && THEN < until && until < year(2023), "{from:?} {until:?}");
    // Another root file, another issuer with the same names, and the genuine one under no root at all.
    let foreign = Authority::new("Ant Financial Certification Authority R1", 2040, None);
    assert!(Roots::new(&foreign.pem).lead(&genuine(), &[]).is_err());
    assert!(Roots::new("").lead(&genuine(), &[]).is_err());
    let leaf = foreign.issue(2030);
    assert!(Roots::new(&foreign.pem).lead(&leaf, &[]).is_ok());
    let with = [one(&foreign.pem)];
    assert!(roots().lead(&leaf, &with).is_err(), "what comes with a certificate is no root");
    take_away(Some(Defence::CertificateChain));
    let believed = roots().lead(&leaf, &with);
    take_away(None);
    assert!(believed.is_ok(), "nothing else stops it");
}

#[test]
fn al_11_every_flipped_bit_of_the_signature_is_found() {
    let (genuine, roots) = (genuine(), roots());
    let signed = genuine.len() - 256;
    for bit in signed * 8..genuine.len() * 8 {
        let mut changed = genuine.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(roots.lead(&CertificateDer::from(changed), &[]).is_err(), "bit {bit}");
    }
    let mut renamed = genuine.to_vec();
    let at = renamed.windows(16).position(|at| at == b"2088831204659217").unwrap();
    renamed[at + 15] = b'8';
    assert!(roots.lead(&CertificateDer::from(renamed), &[]).is_err(), "another account");
}

#[test]
fn al_11_a_chain_is_valid_as_long_as_all_of_it_is_and_only_authorities_issue() {
    let root = Authority::new("Root", 2032, None);
    let between = Authority::new("Between", 2028, Some(&root));
    let leaf = between.issue(2035);
    let roots = Roots::new(&root.pem);
    assert!(roots.lead(&leaf, &[]).is_err(), "what is in between is missing");
    assert_eq!(roots.lead(&leaf, &[one(&between.pem)]).unwrap(), (year(2020), year(2028)));
    assert_eq!(roots.lead(&root.issue(2035), &[]).unwrap(), (year(2020), year(2032)));
    let both = Roots::new(&format!("{}{}", root.pem, between.pem));
    assert_eq!(both.lead(&leaf, &[]).unwrap(), (year(2020), year(2028)), "it may be in the root file, too");
    assert!(Roots::new(&between.pem).lead(&leaf, &[]).is_err(), "and is no root there");
    // Whoever has a certificate cannot issue another one.
    let end = Authority::from(named("End", 2035), Some(&root));
    assert!(roots.lead(&end.issue(2030), &[one(&end.pem)]).is_err());
}

#[test]
fn what_no_strict_parser_reads_and_what_is_not_rsa_is_passed_over() {
    let file = vector("alipay/alipayRootCert.crt");
    assert_eq!((CertificateDer::pem_slice_iter(file.as_bytes()).count(), rsa_blocks(&file).len()), (4, 2));
    assert_eq!(roots().anchors.len(), 2);
}
