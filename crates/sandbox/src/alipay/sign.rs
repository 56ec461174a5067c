//! RSA2 signatures: SHA-256 with PKCS#1 v1.5, base64, over parameters by name or over a text as it is.
//!
//! Source: the documentation's signing pages. Deliberately not here: where the texts come from.

use std::collections::BTreeMap;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::keys::der;

/// `k=v` joined with `&`, sorted, without `sign` and what is empty.
pub(super) fn content(parameters: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for (name, value) in parameters {
        if name == "sign" || value.is_empty() {
            continue;
        }
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        text.push_str(value);
    }
    text
}

/// Whether the parameters carry the application's signature over themselves.
pub(super) fn verified(public_key_pem: &str, parameters: &BTreeMap<String, String>) -> bool {
    let signature = parameters.get("sign").and_then(|sign| STANDARD.decode(sign).ok());
    signature.is_some_and(|signature| genuine(public_key_pem, &content(parameters), &signature))
}

/// Whether a signature over a text is this key's.
pub(crate) fn genuine(public_key_pem: &str, text: &str, signature: &[u8]) -> bool {
    let Ok(key) = der(public_key_pem) else { return false };
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &key);
    key.verify(text.as_bytes(), signature).is_ok()
}

/// The signature of a text; none only for a damaged key or when the library fails.
pub(crate) fn sign(private_key_pem: &str, text: &str) -> Option<String> {
    let key = KeyPair::from_pkcs8(&der(private_key_pem).ok()?).ok()?;
    let mut signature = vec![0_u8; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).ok()?;
    Some(STANDARD.encode(signature))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn vector(name: &str) -> String {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors").join(name);
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_derived_request_is_accepted_and_every_change_of_it_is_not() {
        let case: Value = serde_json::from_str(&vector("derived/alipay_request_precreate.json")).unwrap();
        let mut parameters: BTreeMap<String, String> = serde_json::from_value(case["params"].clone()).unwrap();
        parameters.insert("sign".to_owned(), case["sign"].as_str().unwrap().to_owned());
        let key = vector("alipay/test_app_public_key.pem");
        assert_eq!(content(&parameters), case["content_to_sign"]);
        assert!(verified(&key, &parameters));
        for name in parameters.keys() {
            let mut changed = parameters.clone();
            changed.get_mut(name).unwrap().insert(0, 'x');
            assert!(!verified(&key, &changed), "{name}");
            changed.remove(name);
            assert!(!verified(&key, &changed), "without {name}");
        }
        let mut more = parameters.clone();
        more.insert("return_url".to_owned(), "https://x".to_owned());
        assert!(!verified(&key, &more));
    }

    #[test]
    fn an_answer_and_a_notice_are_signed_as_the_official_client_verifies_them() {
        let key = vector("wechat/java_wechat_pay_private_key.pem");
        let answer: Value = serde_json::from_str(&vector("derived/alipay_response_precreate.json")).unwrap();
        let signature = sign(&key, answer["signed_substring"].as_str().unwrap()).unwrap();
        assert!(answer["raw"].as_str().unwrap().contains(&signature));
        let notice: Value = serde_json::from_str(&vector("derived/alipay_notify_trade_success.json")).unwrap();
        assert_eq!(sign(&key, notice["content_to_sign"].as_str().unwrap()).unwrap(), notice["fields"]["sign"]);
    }
}
