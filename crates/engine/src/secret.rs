//! Values that must not be shown: they print as `<redacted>`, cannot be serialized and are wiped when dropped.
//!
//! Deliberately not here: keeping them (the vault does) and comparing them.

use std::fmt;
use zeroize::Zeroize;

/// A secret. [`Sensitive::expose`] is the only way to its value, so that every use can be found by name.
#[derive(Clone)]
pub struct Sensitive<T: Zeroize>(T);

impl<T: Zeroize> Sensitive<T> {
    /// Takes a secret into custody.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for the one place that needs it.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> Drop for Sensitive<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> fmt::Debug for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl<T: Zeroize> fmt::Display for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_redacted_in_every_form() {
        let secret = Sensitive::new("canary-7f".to_owned());
        let shown = format!("{secret} {secret:?} {:#?}", Some(&secret));
        assert!(!shown.contains("canary") && shown.contains("<redacted>"), "{shown}");
        assert_eq!(secret.expose(), "canary-7f");
    }

    #[test]
    fn se_04_no_type_that_holds_a_secret_or_a_person_prints_it() {
        use crate::{
            api::command::{Passphrase, Personal, SaveTraveller, UnlockVault},
            people::{Document, Loyalty, Person},
        };
        let person: Person = serde_json::from_value(serde_json::json!({
            "id": "trv_01KA0000000000000000000ABC", "display_name": "canary", "title": "ms", "gender": "f",
            "given_name": "canary", "family_name": "canary", "born_on": "1992-03-14", "email": "canary@example.com",
            "phone_number": "canary",
            "documents": [{ "id": 1, "kind": "passport", "number": "canary", "country": "CN", "expires_on": "2030-01-02" }],
            "loyalty": [{ "programme": "canary", "number": "canary" }],
        }))
        .unwrap();
        let (document, loyalty): (&Document, &Loyalty) = (&person.documents[0], &person.loyalty[0]);
        let words: Passphrase = serde_json::from_str("\"canary\"").unwrap();
        let personal: Personal = serde_json::from_str("\"canary\"").unwrap();
        let unlock: UnlockVault = serde_json::from_str("{\"passphrase\":\"canary\"}").unwrap();
        let save: SaveTraveller = serde_json::from_value(serde_json::json!({
            "traveller_id": "trv_01KA0000000000000000000ABC", "display_name": "canary", "title": "ms", "gender": "f",
            "given_name": "canary", "family_name": "canary", "born_on": "canary", "email": "canary",
            "phone_number": "canary", "residence_country": null,
            "documents": [{ "id": null, "kind": "passport", "number": "canary", "country": "CN", "expires_on": "x" }],
            "loyalty": [], "seat": "any", "meal": "any",
        }))
        .unwrap();
        let traveller = &person.traveller;
        let shown = format!(
            "{person:?} {document:?} {loyalty:?} {traveller:?} {words:?} {personal:?} {unlock:?} {save:#?} {:?}",
            Sensitive::new(b"canary".to_vec()),
        );
        assert!(!shown.contains("canary"), "{shown}");
    }
}
