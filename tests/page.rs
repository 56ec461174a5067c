//! A payer in the browser, on a channel's own page.

use reqwest::Client;
use url::Url;

/// What the payer presses on the page of a channel, so that it pays.
pub(crate) fn form_of(channel: &str) -> &'static [(&'static str, &'static str)] {
    match channel {
        "stripe" => &[("card", "4242")],
        "paypal" => &[("decision", "approve")],
        "alipayplus" => &[("wallet", "ALIPAY_CN"), ("decision", "pay")],
        "wechatpay" => &[("decision", "pay")],
        other => panic!("{other} has no page"),
    }
}

/// Presses it; answers where the browser is sent then. `None` when the page is no longer one to pay on.
pub(crate) async fn press(http: &Client, page: &Url, form: &[(&str, &str)]) -> Option<String> {
    let text = http.get(page.clone()).send().await.ok()?.text().await.ok()?;
    let between = |from: &str| text.split_once(from)?.1.split_once('"').map(|(found, _)| found);
    let mut form = form.to_vec();
    form.extend(between("name=\"number\" value=\"").map(|number| ("number", number)));
    let action = page.join(&between("action=\"")?.replace("&amp;", "&")).ok()?;
    let answer = http.post(action).form(&form).send().await.ok()?;
    answer.headers().get("location")?.to_str().ok().map(str::to_owned)
}

/// The app's link that the return page at `address` opens.
pub(crate) async fn link(http: &Client, address: &str) -> Option<String> {
    let page = http.get(address).send().await.ok()?.text().await.ok()?;
    let (_, link) = page.split_once("href=\"zhiyou")?;
    link.split_once('"').map(|(rest, _)| format!("zhiyou{rest}"))
}
