//! Finding many secrets at once: as they are, and in every form a program might write them down.
//!
//! Deliberately not here: which places may hold what (see `life`).

use crate::planted::Planted;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use std::collections::{BTreeSet, HashMap};

/// Every form is at least so long; it is found by its beginning.
const BEGINNING: usize = 8;

/// Forms of secrets by their beginnings.
pub(crate) struct Needles {
    by_beginning: HashMap<[u8; BEGINNING], Vec<(usize, Vec<u8>)>>,
    /// Whether any form begins with these two bytes: most places are left at once.
    begins: Vec<bool>,
}

impl Needles {
    pub(crate) fn of(planted: &[Planted]) -> Self {
        let mut by_beginning: HashMap<_, Vec<_>> = HashMap::new();
        let mut begins = vec![false; 1 << 16];
        for (number, planted) in planted.iter().enumerate() {
            for form in forms(&planted.secret) {
                let beginning: [u8; BEGINNING] = form.get(..BEGINNING).expect("long enough").try_into().unwrap();
                begins[pair(&form)] = true;
                by_beginning.entry(beginning).or_default().push((number, form));
            }
        }
        Self { by_beginning, begins }
    }

    /// Numbers of the secrets that are in `place`, in any form.
    pub(crate) fn found_in(&self, place: &[u8]) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        for at in 0..place.len().saturating_sub(BEGINNING - 1) {
            let rest = &place[at..];
            if !self.begins[pair(rest)] {
                continue;
            }
            let beginning: &[u8; BEGINNING] = rest[..BEGINNING].try_into().unwrap();
            let Some(candidates) = self.by_beginning.get(beginning) else { continue };
            found.extend(candidates.iter().filter(|(_, form)| rest.starts_with(form)).map(|(number, _)| *number));
        }
        found
    }
}

fn pair(bytes: &[u8]) -> usize {
    (usize::from(bytes[0]) << 8) | usize::from(bytes[1])
}

/// A secret as it is, in Base64 at each of its three alignments and in both alphabets, in hexadecimal, percent-encoded,
/// escaped as JSON and as Rust prints it, and as a list of numbers.
pub(crate) fn forms(secret: &[u8]) -> BTreeSet<Vec<u8>> {
    let mut forms = BTreeSet::from([secret.to_vec(), hex::encode(secret).into(), hex::encode_upper(secret).into()]);
    for before in 0..3 {
        let padded: Vec<u8> = std::iter::repeat_n(0, before).chain(secret.iter().copied()).collect();
        // Only the characters that hold nothing but bits of the secret.
        let (first, last) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
        for text in [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)] {
            forms.insert(text.as_bytes()[first..last].to_vec());
        }
    }
    let plus: String = url::form_urlencoded::byte_serialize(secret).collect();
    forms.insert(plus.replace('+', "%20").into());
    forms.insert(plus.into());
    let all: String = secret.iter().map(|byte| format!("%{byte:02X}")).collect();
    forms.insert(all.to_lowercase().into());
    forms.insert(all.into());
    match std::str::from_utf8(secret) {
        Ok(text) => {
            let json = serde_json::to_string(text).unwrap();
            forms.insert(json.trim_matches('"').into());
            let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            let mixed: String = text
                .chars()
                .map(|c| if c.is_ascii() { c.to_string() } else { c.escape_unicode().to_string() })
                .collect();
            let json_mixed: String = text
                .chars()
                .map(|c| {
                    let mut units = [0; 2];
                    let escape = |unit: &u16| format!("\\u{unit:04x}");
                    if c.is_ascii() { c.to_string() } else { c.encode_utf16(&mut units).iter().map(escape).collect() }
                })
                .collect();
            forms.extend([escaped, mixed, json_mixed, format!("{text:?}").trim_matches('"').to_owned()].map(Vec::from));
        }
        Err(_) => {
            let list: Vec<String> = secret.iter().map(u8::to_string).collect();
            forms.extend([list.join(","), list.join(", ")].map(Vec::from));
        }
    }
    forms
}

#[test]
fn a_secret_is_found_in_every_form_and_nothing_else_is() {
    let secrets = ["canary-Kq7/+x w\"é", "E98765432"].map(|text| Planted::text("test", text));
    let needles = Needles::of(&secrets);
    for (number, planted) in secrets.iter().enumerate() {
        for form in forms(&planted.secret) {
            let place = [b"before ".as_slice(), &form, b" after"].concat();
            assert!(needles.found_in(&place).contains(&number), "{}", String::from_utf8_lossy(&form));
            let cut = [b"before ".as_slice(), &form[..form.len() - 1]].concat();
            assert!(!needles.found_in(&cut).contains(&number) || form.len() > 20, "{}", String::from_utf8_lossy(&form));
        }
    }
    let inside = STANDARD_NO_PAD.encode(format!("{{\"number\":\"{}\"}}", "E98765432"));
    assert!(needles.found_in(inside.as_bytes()).contains(&1), "inside of something encoded");
    assert!(needles.found_in(&[0; 4096]).is_empty() && needles.found_in(b"E9876543").is_empty());
}
