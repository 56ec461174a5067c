//! Requests to Alipay's gateway: common parameters, the signature over all of them, and how they travel.
//!
//! A call carries `biz_content` in a form and the rest in the query; a page's address carries everything in the query; the
//! mobile SDK takes the same as a string. Deliberately not here: answers.

use super::sign::{self, SIGN_TYPE, Serials, Signer};
use std::{collections::BTreeMap, fmt::Write as _};
use url::{Url, form_urlencoded};

/// How a payer gets to the channel's own page or app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    /// A page for a computer.
    Desktop,
    /// A page for a phone's browser, which opens the app.
    Phone,
    /// The channel's SDK inside a mobile app.
    App,
}

impl Page {
    /// Method and product code.
    pub(crate) const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Desktop => ("alipay.trade.page.pay", "FAST_INSTANT_TRADE_PAY"),
            Self::Phone => ("alipay.trade.wap.pay", "QUICK_WAP_WAY"),
            Self::App => ("alipay.trade.app.pay", "QUICK_MSECURITY_PAY"),
        }
    }
}

/// A request's parameters, signed.
#[derive(Debug, Clone)]
pub(crate) struct Signed(BTreeMap<String, String>);

impl Signed {
    /// Adds the parameters every request has and signs whatever there is. None only when memory or randomness fails.
    pub(crate) fn new(
        signer: &Signer,
        serials: Option<&Serials>,
        given: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Option<Self> {
        let fixed = [("format", "JSON"), ("charset", "utf-8"), ("sign_type", SIGN_TYPE), ("version", "1.0")];
        let names = serials.into_iter().flat_map(|serials| {
            [("app_cert_sn", serials.app_cert_sn.clone()), ("alipay_root_cert_sn", serials.alipay_root_cert_sn.clone())]
        });
        let all = fixed.map(|(name, value)| (name, value.to_owned())).into_iter().chain(names).chain(given);
        let parameters = all.map(|(name, value)| (name.to_owned(), value)).collect();
        Self::over(signer, parameters)
    }

    fn over(signer: &Signer, mut parameters: BTreeMap<String, String>) -> Option<Self> {
        parameters.retain(|_, value| !value.is_empty());
        let sign = signer.sign(&sign::content(&parameters))?;
        parameters.insert("sign".to_owned(), sign);
        Some(Self(parameters))
    }

    /// The address of a call, and its form.
    pub(crate) fn call(&self, gateway: &Url) -> (Url, String) {
        let mut url = gateway.clone();
        let inside = |name: &str| name == "biz_content";
        url.query_pairs_mut().clear().extend_pairs(self.0.iter().filter(|(name, _)| !inside(name)));
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(self.0.iter().filter(|(name, _)| inside(name)));
        (url, form.finish())
    }

    /// The address of a page that a browser opens.
    pub(crate) fn address(&self, gateway: &Url) -> String {
        format!("{gateway}?{}", self.text())
    }

    /// What the mobile SDK takes. Blanks are `%20`: it does not read `+` as one.
    pub(crate) fn text(&self) -> String {
        let pairs = self.0.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
        pairs.collect::<Vec<_>>().join("&")
    }
}

/// Percent-encodes all but letters, digits and `-_.!~*'()`, as `encodeURIComponent` does.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::config::tests::vector;
    use serde_json::Value;

    pub(crate) fn app_key() -> Signer {
        Signer::new(&vector("alipay/test_app_private_key_pkcs1.pem").into(), "key").unwrap()
    }

    fn pages() -> Vec<(Page, Value)> {
        let published: Value = serde_json::from_str(&vector("derived/alipay_request_pages.json")).unwrap();
        [(Page::Desktop, "page"), (Page::Phone, "wap"), (Page::App, "app")]
            .map(|(page, name)| (page, published[name].clone()))
            .to_vec()
    }

    fn parameters(case: &Value) -> BTreeMap<String, String> {
        let params = case["params"].as_object().unwrap();
        params.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
    }

    #[test]
    fn a_precreate_is_signed_exactly_as_the_official_client_does() {
        let case: Value = serde_json::from_str(&vector("derived/alipay_request_precreate.json")).unwrap();
        let parameters = parameters(&case);
        assert_eq!(sign::content(&parameters), case["content_to_sign"]);
        assert_eq!(Signed::over(&app_key(), parameters).unwrap().0["sign"], case["sign"]);
    }

    #[test]
    fn a_page_a_phone_page_and_an_app_string_are_those_of_the_official_client() {
        let gateway: Url = "https://openapi.alipay.com/gateway.do".parse().unwrap();
        for (page, case) in pages() {
            let given = parameters(&case);
            assert_eq!(given["method"], page.words().0);
            assert!(given["biz_content"].contains(page.words().1), "{page:?}");
            assert_eq!(sign::content(&given), case["content_to_sign"], "{page:?}");
            let signed = Signed::over(&app_key(), given).unwrap();
            assert_eq!(signed.0["sign"], case["sign"], "{page:?}");
            let pairs = |text: &str| -> BTreeMap<String, String> {
                form_urlencoded::parse(text.as_bytes()).into_owned().collect()
            };
            let theirs = case["text"].as_str().unwrap();
            let (_, theirs) = theirs.split_once('?').unwrap_or(("", theirs));
            assert_eq!(pairs(&signed.text()), pairs(theirs), "{page:?}");
            let address = signed.address(&gateway);
            assert!(address.starts_with("https://openapi.alipay.com/gateway.do?") && !address.contains('+'));
        }
    }

    #[test]
    fn the_same_fields_in_any_order_and_with_empty_ones_are_the_same_request() {
        let key = app_key();
        let one = Signed::new(&key, None, [("method", "m".to_owned()), ("biz_content", "{}".to_owned())]).unwrap();
        let given = [("biz_content", "{}".to_owned()), ("notify_url", String::new()), ("method", "m".to_owned())];
        assert_eq!(Signed::new(&key, None, given).unwrap().0, one.0);
    }

    #[test]
    fn a_call_carries_its_content_in_the_form_and_the_rest_in_the_query() {
        let content = r#"{"subject":"机票 & 酒店=套餐+1%2B"}"#;
        let serials = Serials { app_cert_sn: "a".to_owned(), alipay_root_cert_sn: "b_c".to_owned() };
        let signed =
            Signed::new(&app_key(), Some(&serials), [("biz_content", content.to_owned()), ("method", "m".to_owned())])
                .unwrap();
        let (url, form) = signed.call(&"http://127.0.0.1:1/gateway.do".parse().unwrap());
        let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!((query["app_cert_sn"].as_str(), query["alipay_root_cert_sn"].as_str()), ("a", "b_c"));
        assert!(query.contains_key("sign") && !query.contains_key("biz_content"));
        let body: Vec<(String, String)> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
        assert_eq!(body, [("biz_content".to_owned(), content.to_owned())]);
    }
}
