//! Signatures: SHA-256 with RSA PKCS#1 v1.5 over path, client, time and body, base64, and that encoded as in an address.
//!
//! Source: the signing code of the official clients. Deliberately not here: where the texts come from.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::alipay::sign as rsa;

/// The text a signature covers.
fn content(path: &str, client_id: &str, time: &str, body: &str) -> String {
    format!("POST {path}\n{client_id}.{time}.{body}")
}

/// Whether a `Signature` header is the merchant's over this request.
pub(super) fn verified(
    public_key_pem: &str,
    header: &str,
    path: &str,
    client_id: &str,
    time: &str,
    body: &[u8],
) -> bool {
    let part = |name: &str| header.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
    let (Some("RSA256"), Some(encoded), Ok(body)) = (part("algorithm"), part("signature"), str::from_utf8(body)) else {
        return false;
    };
    let named = format!("signature={encoded}");
    let Some((_, signature)) = url::form_urlencoded::parse(named.as_bytes()).next() else { return false };
    STANDARD
        .decode(signature.as_bytes())
        .is_ok_and(|signature| rsa::genuine(public_key_pem, &content(path, client_id, time, body), &signature))
}

/// The `Signature` header of the channel; none only for a damaged key or when the library fails.
pub(super) fn header(private_key_pem: &str, path: &str, client_id: &str, time: &str, body: &str) -> Option<String> {
    let signature = rsa::sign(private_key_pem, &content(path, client_id, time, body))?;
    let encoded: String = url::form_urlencoded::byte_serialize(signature.as_bytes()).collect();
    Some(format!("algorithm=RSA256,keyVersion=1,signature={encoded}"))
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
    fn a_recorded_answer_of_the_channel_is_signed_as_we_sign_and_every_change_of_it_is_not() {
        let case: Value = serde_json::from_str(&vector("alipayplus/response_pay.json")).unwrap();
        let text = |name: &str| case[name].as_str().unwrap();
        let (client, time) =
            (case["headers"]["client-id"].as_str().unwrap(), case["headers"]["response-time"].as_str().unwrap());
        let signature = case["headers"]["signature"].as_str().unwrap();
        let check = |path: &str, client: &str, time: &str, body: &str, signature: &str| {
            verified(text("public_key_pem"), signature, path, client, time, body.as_bytes())
        };
        assert!(check(text("path"), client, time, text("body"), signature));
        assert!(!check("/ams/api/v1/payments/pay", client, time, text("body"), signature));
        assert!(!check(text("path"), "SANDBOX_5YEV2N2ZV8LC00921", time, text("body"), signature));
        assert!(!check(text("path"), client, "2025-05-19T01:52:33Z", text("body"), signature));
        assert!(!check(text("path"), client, time, &text("body").replace("1000", "1001"), signature));
        assert!(!check(text("path"), client, time, text("body"), &signature.replace("RSA256", "RSA1")));
        let own = header(&vector("wechat/java_wechat_pay_private_key.pem"), "/p", "c", "t", "{}").unwrap();
        assert!(verified(&vector("wechat/java_wechat_pay_public_key.pem"), &own, "/p", "c", "t", b"{}"));
    }
}
