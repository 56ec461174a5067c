//! How a payment is shown to its payer: which of the four creates is called, what it needs beside the payment, and what of
//! its answer the payer gets.
//!
//! Sources: native, H5, JSAPI and app payment pages, and their pages on calling the payment up. Deliberately not here: the
//! payment itself, which is the same in all four.

use super::{
    sign::{self, Signer},
    wire,
};
use crate::{
    config::WechatPresents,
    defence::{Defence, off},
};
use url::Url;
use zhiyou_domain::port::payments::{PaymentAction, Presentation};

/// Only such a text is shown as a QR code.
const CODE_PREFIX: &str = "weixin://wxpay/";
/// Only there a page is opened where money is real.
const PAGE_ORIGIN: &str = "https://wx.tenpay.com";
/// Longest number of a prepared payment.
const PREPAY_BYTES_MAX: usize = 64;

/// Who shows the payment.
pub(super) struct Shown<'a> {
    pub(super) appid: &'a str,
    pub(super) mchid: &'a str,
    pub(super) signer: &'a Signer,
    /// Where the channel answers: on this machine its pages are there too.
    pub(super) base_url: &'a Url,
    /// Where the channel's page sends the payer afterwards, paid or not.
    pub(super) return_url: &'a str,
    pub(super) now_s: i64,
}

/// How a payer pays, as the router compares it.
pub(super) const fn presentation(presents: &WechatPresents) -> Presentation {
    match presents {
        WechatPresents::Qr => Presentation::Qr,
        WechatPresents::H5 { .. } => Presentation::PhonePage,
        WechatPresents::Jsapi { .. } | WechatPresents::App => Presentation::App,
    }
}

/// The path of the create.
pub(super) const fn path(presents: &WechatPresents) -> &'static str {
    match presents {
        WechatPresents::Qr => "/v3/pay/transactions/native",
        WechatPresents::H5 { .. } => "/v3/pay/transactions/h5",
        WechatPresents::Jsapi { .. } => "/v3/pay/transactions/jsapi",
        WechatPresents::App => "/v3/pay/transactions/app",
    }
}

/// Where the page is opened; needed by H5 alone.
pub(super) fn scene(presents: &WechatPresents) -> Option<wire::SceneInfo> {
    match presents {
        WechatPresents::H5 { payer_client_ip } => Some(wire::SceneInfo {
            payer_client_ip: payer_client_ip.to_string(),
            h5_info: wire::H5Info { kind: "Wap" },
        }),
        WechatPresents::Qr | WechatPresents::Jsapi { .. } | WechatPresents::App => None,
    }
}

/// Who pays; needed inside of WeChat alone.
pub(super) fn payer(presents: &WechatPresents) -> Option<wire::Payer<'_>> {
    match presents {
        WechatPresents::Jsapi { openid } => Some(wire::Payer { openid: openid.expose() }),
        WechatPresents::Qr | WechatPresents::H5 { .. } | WechatPresents::App => None,
    }
}

/// What the payer does next.
///
/// # Errors
/// What is wrong with the answer.
pub(super) fn action(
    presents: &WechatPresents,
    created: wire::Created,
    shown: &Shown<'_>,
) -> Result<PaymentAction, &'static str> {
    match presents {
        WechatPresents::Qr if created.code_url.starts_with(CODE_PREFIX) || off(Defence::CodeHost) => {
            Ok(PaymentAction::Qr { content: created.code_url })
        }
        WechatPresents::Qr => Err("the code to scan is not a payment code"),
        WechatPresents::H5 { .. } => page(&created.h5_url, shown).map(|url| PaymentAction::PhonePage { url }),
        WechatPresents::Jsapi { .. } => with_prepared(&created.prepay_id, |id| jsapi(id, &sign::nonce()?, shown)),
        WechatPresents::App => with_prepared(&created.prepay_id, |id| app(id, &sign::nonce()?, shown)),
    }
}

/// The channel's page, and where it leads back to.
fn page(h5_url: &str, shown: &Shown<'_>) -> Result<String, &'static str> {
    let mut url: Url = h5_url.parse().map_err(|_| "the page to pay on is no address")?;
    let origin = url.origin().ascii_serialization();
    let here = shown.base_url.scheme() == "http" && url.origin() == shown.base_url.origin();
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    if !plain || (origin != PAGE_ORIGIN && !here) {
        return Err("the page to pay on is not the channel's");
    }
    url.query_pairs_mut().append_pair("redirect_url", shown.return_url);
    Ok(url.into())
}

fn with_prepared(prepay_id: &str, signed: impl FnOnce(&str) -> Option<String>) -> Result<PaymentAction, &'static str> {
    let plain = prepay_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if prepay_id.is_empty() || prepay_id.len() > PREPAY_BYTES_MAX || !plain {
        return Err("the prepared payment has no number");
    }
    let parameters = signed(prepay_id).ok_or("the parameters could not be signed")?;
    Ok(PaymentAction::App { parameters })
}

/// For a page inside of WeChat. Source: `JSAPI调起支付`.
fn jsapi(prepay_id: &str, nonce: &str, shown: &Shown<'_>) -> Option<String> {
    let (time_stamp, package) = (shown.now_s.to_string(), format!("prepay_id={prepay_id}"));
    let pay_sign = shown.signer.sign(&sign::handed_over(shown.appid, &time_stamp, nonce, &package))?;
    let parameters = wire::JsapiParameters {
        app_id: shown.appid,
        time_stamp: &time_stamp,
        nonce_str: nonce,
        package: &package,
        sign_type: "RSA",
        pay_sign: &pay_sign,
    };
    serde_json::to_string(&parameters).ok()
}

/// For WeChat's SDK in an app. Source: `APP调起支付`.
fn app(prepay_id: &str, nonce: &str, shown: &Shown<'_>) -> Option<String> {
    let timestamp = shown.now_s.to_string();
    let sign = shown.signer.sign(&sign::handed_over(shown.appid, &timestamp, nonce, prepay_id))?;
    let parameters = wire::AppParameters {
        appid: shown.appid,
        partnerid: shown.mchid,
        prepayid: prepay_id,
        package: "Sign=WXPay",
        noncestr: nonce,
        timestamp: &timestamp,
        sign: &sign,
    };
    serde_json::to_string(&parameters).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::vector;
    use serde_json::{Value, json};

    const APPID: &str = "wxd678efh567hg6787";
    const NONCE: &str = "5K8264ILTKCH16CQ2502SI8ZNMTM67VS";
    const PREPARED: &str = "wx201410272009395522657a690389285100";

    fn signer() -> Signer {
        Signer::new(&vector("wechat/java_merchant_private_key.pem").into(), "1900000109", "5F1C").unwrap()
    }

    /// Works with everything a payment is shown by.
    fn shown<T>(base_url: &str, work: impl FnOnce(&Shown<'_>) -> T) -> T {
        work(&Shown {
            appid: APPID,
            mchid: "1900000109",
            signer: &signer(),
            base_url: &base_url.parse().unwrap(),
            return_url: "https://gw.zhiyou.cn/pay/return/01KA0000000000000000000ABC",
            now_s: 1_414_561_699,
        })
    }

    #[test]
    fn what_is_handed_to_wechat_is_signed_exactly_as_the_official_client_does() {
        let published: Value = serde_json::from_str(&vector("derived/wechat_paysign.json")).unwrap();
        let read = |text: Option<String>| -> Value { serde_json::from_str(&text.unwrap()).unwrap() };
        let inside = shown("https://api.mch.weixin.qq.com", |shown| read(jsapi(PREPARED, NONCE, shown)));
        assert_eq!(
            inside,
            json!({"appId": APPID, "timeStamp": "1414561699", "nonceStr": NONCE,
                "package": format!("prepay_id={PREPARED}"), "signType": "RSA", "paySign": published["jsapi"]["paySign"]})
        );
        let outside = shown("https://api.mch.weixin.qq.com", |shown| read(app(PREPARED, NONCE, shown)));
        assert_eq!(
            outside,
            json!({"appid": APPID, "partnerid": "1900000109", "prepayid": PREPARED, "package": "Sign=WXPay",
                "noncestr": NONCE, "timestamp": "1414561699", "sign": published["app"]["sign"]})
        );
        let message = |kind: &str| published[kind]["message"].as_str().unwrap().to_owned();
        let package = format!("prepay_id={PREPARED}");
        assert_eq!(sign::handed_over(APPID, "1414561699", NONCE, &package), message("jsapi"));
        assert_eq!(sign::handed_over(APPID, "1414561699", NONCE, PREPARED), message("app"));
    }

    #[test]
    fn only_the_channels_own_page_is_opened_and_it_leads_back_to_ours() {
        let own = "https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=wx20&package=2150917749";
        let live = |url: &str| shown("https://api.mch.weixin.qq.com", |shown| page(url, shown));
        let back = "https%3A%2F%2Fgw.zhiyou.cn%2Fpay%2Freturn%2F01KA0000000000000000000ABC";
        assert_eq!(live(own), Ok(format!("{own}&redirect_url={back}")));
        for odd in [
            "",
            "weixin://wxpay/bizpayurl?pr=1",
            "http://wx.tenpay.com/cgi-bin/",
            "https://wx.tenpay.com.evil.cn/",
            "https://wx.tenpay.com:8443/",
            "https://u:p@wx.tenpay.com/",
            "https://wx.tenpay.com/#redirect_url=https://evil.cn",
            "http://127.0.0.1:4000/cgi-bin/",
        ] {
            assert!(live(odd).is_err(), "{odd:?}");
        }
        let here = |url: &str| shown("http://127.0.0.1:4000", |shown| page(url, shown));
        assert!(here("http://127.0.0.1:4000/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=1").is_ok());
        assert!(here("http://127.0.0.1:4001/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=1").is_err());
    }

    #[test]
    fn an_answer_to_another_create_shows_nothing() {
        let answers = |code_url: &str, h5_url: &str, prepay_id: &str| wire::Created {
            code_url: code_url.to_owned(),
            h5_url: h5_url.to_owned(),
            prepay_id: prepay_id.to_owned(),
        };
        let h5 = WechatPresents::H5 { payer_client_ip: [203, 0, 113, 7].into() };
        let jsapi = WechatPresents::Jsapi { openid: "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o".to_owned().into() };
        for (presents, created) in [
            (WechatPresents::Qr, answers("", "https://wx.tenpay.com/", "wx1")),
            (h5, answers("weixin://wxpay/bizpayurl?pr=1", "", "wx1")),
            (jsapi, answers("weixin://wxpay/bizpayurl?pr=1", "https://wx.tenpay.com/", "")),
            (WechatPresents::App, answers("", "", "wx1\",\"x\":\"")),
        ] {
            let made = shown("https://api.mch.weixin.qq.com", |shown| action(&presents, created, shown));
            assert!(made.is_err(), "{made:?}");
        }
    }
}
