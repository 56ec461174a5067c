//! Whether a certificate of the channel leads up to a root of the configured file.
//!
//! The channel's own authorities sign with RSA; the root file as downloaded also holds an SM2 and an odd ECDSA certificate,
//! which are passed over. What is in between may come with the certificate or in the root file; the channel's present one,
//! which not every download holds, is known here. Time is not judged here but told: it counts when something is proved.
//! Revocation lists are not read. Deliberately not here: what a certificate is named, and whose key it holds.

use crate::defence::{Defence, off};
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime, pem::PemObject};
use std::time::Duration;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert, aws_lc_rs as algorithms};
use x509_parser::prelude::{FromDer, X509Certificate};
use zhiyou_domain::time::UtcMicros;

/// `Ant Financial Certification Authority Class 2 R1`, valid until November 2037, as the channel gives it with merchants'
/// downloads. It is no root: it helps only where R1 is in the root file.
const BETWEEN: &str = include_str!("class2.pem");
/// Root certificates count when they are signed with RSA.
const RSA_SIGNATURES: &str = "1.2.840.113549.1.1.";
/// What certificates may be signed with.
const ALGORITHMS: [&dyn SignatureVerificationAlgorithm; 3] = [
    algorithms::RSA_PKCS1_2048_8192_SHA256,
    algorithms::RSA_PKCS1_2048_8192_SHA384,
    algorithms::RSA_PKCS1_2048_8192_SHA512,
];

/// From when until when something is valid.
pub(super) type Validity = (UtcMicros, UtcMicros);

/// The certificates of a root file that are signed with RSA, in the file's order. The published file also holds ones no
/// strict parser reads.
pub(super) fn rsa_blocks(root_pem: &str) -> Vec<CertificateDer<'static>> {
    let blocks = CertificateDer::pem_slice_iter(root_pem.as_bytes()).filter_map(Result::ok);
    let rsa = |der: &CertificateDer<'_>| {
        X509Certificate::from_der(der)
            .is_ok_and(|(_, read)| read.signature_algorithm.algorithm.to_id_string().starts_with(RSA_SIGNATURES))
    };
    blocks.filter(rsa).collect()
}

/// The roots of a file.
pub(super) struct Roots {
    anchors: Vec<TrustAnchor<'static>>,
    validity: Vec<Validity>,
    between: Vec<CertificateDer<'static>>,
}

impl Roots {
    /// Reads a root file. A certificate in it that somebody else issued is no root, and may stand in between.
    pub(super) fn new(root_pem: &str) -> Self {
        let mut roots = Self { anchors: Vec::new(), validity: Vec::new(), between: Vec::new() };
        for der in rsa_blocks(root_pem) {
            let Ok((_, read)) = X509Certificate::from_der(&der) else { continue };
            if read.subject() != read.issuer() {
                roots.between.push(der);
            } else if let Ok(anchor) = anchor_from_trusted_cert(&der) {
                roots.anchors.push(anchor.to_owned());
                roots.validity.push(validity(&read));
            }
        }
        roots.between.extend(CertificateDer::from_pem_slice(BETWEEN.as_bytes()).ok());
        roots
    }

    /// Leads a certificate up to a root; `with` came in the same file. Answers when every part of the chain is valid.
    pub(super) fn lead(
        &self,
        leaf: &CertificateDer<'_>,
        with: &[CertificateDer<'static>],
    ) -> Result<Validity, &'static str> {
        let (_, read) = X509Certificate::from_der(leaf).map_err(|_| "is not a certificate")?;
        let own = validity(&read);
        if off(Defence::CertificateChain) {
            return Ok(own);
        }
        let end = EndEntityCert::try_from(leaf).map_err(|_| "is not a certificate of an end")?;
        let between: Vec<CertificateDer<'_>> = with.iter().chain(&self.between).cloned().collect();
        // Whoever issued it was valid then; until when all of them are is told below.
        let issued_s = u64::try_from(own.0.0.div_euclid(1_000_000)).map_err(|_| "was issued at an impossible time")?;
        let time = UnixTime::since_unix_epoch(Duration::from_secs(issued_s));
        let path = end
            .verify_for_usage(&ALGORITHMS, &self.anchors, &between, time, KeyUsage::client_auth(), None, None)
            .map_err(|error| {
                tracing::error!(%error, "a certificate of the channel does not lead up to a root");
                "does not lead up to a root of alipay.root_certificate"
            })?;
        let root = self.anchors.iter().position(|anchor| anchor == path.anchor());
        let root = root.and_then(|at| self.validity.get(at)).copied().ok_or("leads up to no root")?;
        let mut whole = within(own, root);
        for part in path.intermediate_certificates() {
            let der = part.der();
            let (_, read) = X509Certificate::from_der(&der).map_err(|_| "is issued by something unreadable")?;
            whole = within(whole, validity(&read));
        }
        Ok(whole)
    }
}

fn within(one: Validity, other: Validity) -> Validity {
    (one.0.max(other.0), one.1.min(other.1))
}

fn validity(certificate: &X509Certificate<'_>) -> Validity {
    let micros = |time: x509_parser::time::ASN1Time| UtcMicros(0).plus_seconds(time.timestamp());
    (micros(certificate.validity().not_before), micros(certificate.validity().not_after))
}

#[cfg(test)]
mod tests;
