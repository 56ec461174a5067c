//! Which addresses are pages to pay on: the channel's own, by https; in the demo, this machine's.
//!
//! The address came through the merchant side from the channel, and is opened in the traveller's browser to be paid on; so
//! it is held to what the channel is known to use. Deliberately not here: opening it.

use url::{Host, Url};
use zhiyou_domain::port::payments::Channel;

/// Longest address read, bytes.
const LENGTH_MAX: usize = 8192;

/// What an address has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    /// Without characters that a parser would repair or a program might interpret.
    PlainCharacters,
    /// Without a name before its host.
    NoUserPart,
    /// By https.
    Secure,
    /// On a host the channel uses.
    OwnHost,
}

const CHECKS: &[Check] = &[Check::PlainCharacters, Check::NoUserPart, Check::Secure, Check::OwnHost];

/// The address of a channel's page, if it is one.
pub(super) fn address(text: &str, channel: Channel, demo: bool) -> Option<Url> {
    checked(text, channel, demo, CHECKS)
}

fn checked(text: &str, channel: Channel, demo: bool, checks: &[Check]) -> Option<Url> {
    let url: Url = text.parse().ok()?;
    // In the demo the pages are this machine's.
    let here = demo && url.scheme() == "http" && is_loopback(&url);
    let holds = |check: &Check| match check {
        Check::PlainCharacters => {
            text.len() <= LENGTH_MAX && !text.contains(|c: char| !c.is_ascii_graphic() || "\"<>\\^`{|}".contains(c))
        }
        Check::NoUserPart => url.username().is_empty() && url.password().is_none(),
        Check::Secure => url.scheme() == "https" || here,
        Check::OwnHost => {
            url.port().is_none() && url.host_str().is_some_and(|host| hosts(channel).contains(&host)) || here
        }
    };
    checks.iter().all(holds).then_some(url)
}

/// Hosts of the channel's pages where money is real: those its documentation names, and the merchant side holds it to.
const fn hosts(channel: Channel) -> &'static [&'static str] {
    match channel {
        // Paid by agreeing to it; there is no page.
        Channel::Credit => &[],
        // The page for phones.
        Channel::Wechatpay => &["wx.tenpay.com"],
        Channel::Alipay => &["openapi.alipay.com"],
        Channel::Stripe => &["checkout.stripe.com"],
        Channel::Paypal => &["www.paypal.com"],
        Channel::AlipayPlus => &["open-sea-global.alipayplus.com", "open-sea.alipayplus.com"],
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(_)) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channels_own_page_is_opened_and_in_the_demo_this_machines() {
        for (channel, page) in [
            (Channel::Stripe, "https://checkout.stripe.com/c/pay/cs_test_a1#fidkdWxOYHwnPyd1blpxYHZxWjA0%2F"),
            (Channel::Paypal, "https://www.paypal.com/checkoutnow?token=5O190127TN364715T"),
            (
                Channel::Wechatpay,
                "https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=wx20&package=2150917749&redirect_url=https%3A%2F%2Fgw.zhiyou.cn%2Fpay%2Freturn%2F01KA",
            ),
            (Channel::Alipay, "https://openapi.alipay.com/gateway.do?app_id=1&sign=a%2Bb%3D"),
            (
                Channel::AlipayPlus,
                "https://open-sea-global.alipayplus.com/api/open/v1/ac/cashier/self/codevalue/checkout.htm?codeValue=https%3A%2F%2Fglobal.alipay.com%2F281&loadMode=2",
            ),
        ] {
            for demo in [false, true] {
                assert_eq!(address(page, channel, demo).unwrap().as_str(), page);
            }
        }
        assert!(address("http://127.0.0.1:4000/c/pay/1", Channel::Stripe, true).is_some());
        assert!(address("http://127.0.0.1:4000/c/pay/1", Channel::Stripe, false).is_none());
    }

    /// Refused with all checks, opened with all but one.
    #[track_caller]
    fn stands(check: Check, text: &str) {
        for demo in [false, true] {
            assert!(address(text, Channel::Stripe, demo).is_none(), "{text:?}");
        }
        let others: Vec<Check> = CHECKS.iter().copied().filter(|other| *other != check).collect();
        assert!(checked(text, Channel::Stripe, false, &others).is_some(), "{text:?} is refused without {check:?} too");
    }

    #[test]
    fn ta_20_no_page_of_others_is_opened_to_pay_on() {
        for text in [
            "https://evil.com/c/pay/cs_1",
            "https://checkout.stripe.com.evil.com/",
            "https://evilcheckout.stripe.com/",
            "https://checkout.stripe.com./",
            "https://checkout.stripe.com:8443/",
            "https://xn--80ak6aa92e.com/",
            "https://www.paypal.com/checkoutnow?token=1",
            "https://127.0.0.1/",
        ] {
            stands(Check::OwnHost, text);
        }
        for text in ["https://pay@checkout.stripe.com/", "https://:x@checkout.stripe.com/"] {
            stands(Check::NoUserPart, text);
        }
        for text in [
            "https:\\\\checkout.stripe.com/",
            "ht\ttps://checkout.stripe.com/",
            " https://checkout.stripe.com/",
            "https://checkout.stripe.com/\"|calc",
        ] {
            stands(Check::PlainCharacters, text);
        }
        for text in ["http://checkout.stripe.com/", "ftp://checkout.stripe.com/"] {
            stands(Check::Secure, text);
        }
        // A letter of another script, and another host before the `@`: two checks at once.
        for text in ["https://checkout.\u{455}tripe.com/", "https://checkout.stripe.com@evil.com/"] {
            assert!(address(text, Channel::Stripe, false).is_none(), "{text:?}");
        }
    }
}
