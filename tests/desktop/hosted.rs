//! Paying on a channel's own page, in the traveller's browser.

use crate::{
    journeys::{PAY, STATE, hold, import, phone, pictures, seat, sign_in},
    stage::{Stage, count, rings},
};
use serde_json::json;
use zhiyou_domain::{app::ROOT, link};

/// In a page: the link that opens the app.
fn way_back() -> String {
    format!("document.querySelector(\"a[href^='{ROOT}pay/']\")")
}

/// In the page: the choice of a list by its value, or whose words have this part.
fn choose(list: &str, part: &str) -> String {
    format!(
        "const list = document.querySelector('[data-testid={list}]'); list.value = [...list.options]\
         .find((option) => option.value === '{part}' || option.textContent.includes('{part}')).value; list.dispatchEvent(new Event('change', {{ bubbles: true }}))"
    )
}

/// A card, the bank's own question, a forged way back, and the real one.
#[tokio::test(flavor = "multi_thread")]
async fn a_card_is_paid_on_the_channels_own_page_and_the_way_back_is_only_a_hint() {
    let stage = Stage::new(&[]).await;
    // Nobody tells us that it is paid: only asking does.
    stage.scenario(json!({ "provider": "stripe", "switch": "notify", "mode": "drop", "times": 100 })).await;
    hold(&stage).await;
    sign_in(&stage).await;
    seat(&stage).await;
    let window = &stage.window;
    window.click("[data-testid=method-stripe]").await;
    pictures(&stage, "confirm-card").await;
    window.click("[data-testid=confirm-submit]").await;
    window.until("the page's button", "return document.querySelector('[data-testid=open-payment]') !== null").await;
    pictures(&stage, "pay-card").await;
    window.click("[data-testid=open-payment]").await;
    let browser = stage.browser().await;
    browser.open(&stage.opened().await).await;
    browser.click("button[value='3155']").await;
    let forged = link!("pay/01KA0000000000000000000ABC?status=success");
    Stage::follow(forged).await;
    // What the link could have changed would have been asked for before this comes back.
    rings(window).await;
    window.attribute("[data-testid=payment-state]", "data-state", "requires_action").await;
    browser.click("button[value=approve]").await;
    let back = browser.until("the way back", &format!("return {}?.getAttribute('href')", way_back())).await;
    browser.close().await;
    Stage::follow(back.as_str().unwrap()).await;
    window.attribute(STATE, "data-state", "confirmed").await;
    let book = stage.book().await;
    assert_eq!((count(&book["flights"], "state", "ticketed"), book["payments"].as_array().unwrap().len()), (1, 1));
    stage.close().await;
}

/// PayPal, whose approval is not yet money; and a way back that finds the app closed.
#[tokio::test(flavor = "multi_thread")]
async fn a_trip_in_dollars_is_approved_at_paypal_and_the_way_back_starts_a_closed_app() {
    let mut stage = Stage::in_currency("USD", &[]).await;
    stage.scenario(json!({ "provider": "paypal", "switch": "notify", "mode": "drop", "times": 100 })).await;
    let example = include_str!("../../examples/new-york-weekend.zh-CN.json");
    import(&stage, serde_json::from_str(example).unwrap()).await;
    stage.window.click("[data-testid=review-hold]").await;
    seat(&stage).await;
    stage.window.click("[data-testid=method-paypal]").await;
    pictures(&stage, "confirm-paypal").await;
    stage.window.click("[data-testid=confirm-submit]").await;
    let button = "return document.querySelector('[data-testid=open-payment]') !== null";
    stage.window.until("the page's button", button).await;
    stage.window.click("[data-testid=open-payment]").await;
    let browser = stage.browser().await;
    browser.open(&stage.opened().await).await;
    browser.click("#approve").await;
    let back = browser.until("the way back", &format!("return {}?.getAttribute('href')", way_back())).await;
    browser.close().await;
    stage.start_by(back.as_str().unwrap(), "SELECT 1 FROM orders WHERE state = 'confirmed'").await;
    stage.window.click("[data-testid=trip-card]").await;
    stage.window.attribute(STATE, "data-state", "confirmed").await;
    let book = stage.book().await;
    assert_eq!((count(&book["flights"], "state", "ticketed"), book["payments"].as_array().unwrap().len()), (1, 1));
    assert_eq!(book["payments"][0]["channel"], "paypal");
    stage.close().await;
}

/// A part by card, set aside first; the rest by a code.
#[tokio::test(flavor = "multi_thread")]
async fn a_trip_is_paid_by_a_coupon_a_card_and_a_code_and_booked_once_all_are_paid() {
    let stage = Stage::new(&[]).await;
    hold(&stage).await;
    sign_in(&stage).await;
    seat(&stage).await;
    let window = &stage.window;
    window.fill("[data-testid=credit-code]", "NOSUCHCODE").await;
    window.click("[data-testid=credit-apply]").await;
    window.until("a refusal", "return document.querySelector('[data-testid=credit-refused]') !== null").await;
    pictures(&stage, "confirm-credit-refused").await;
    window.fill("[data-testid=credit-code]", "welcome50").await;
    window.click("[data-testid=credit-apply]").await;
    window.until("what it pays", "return document.querySelector('[data-testid=credit-line]') !== null").await;
    window.click("[data-testid=method-wechatpay]").await;
    window.click("[data-testid=divide]").await;
    window.run(&choose("second-channel", "Stripe")).await;
    window.fill("[data-testid=second-amount]", "500").await;
    pictures(&stage, "confirm-divided").await;
    window.click("[data-testid=confirm-submit]").await;
    window.until("the page's button", "return document.querySelector('[data-testid=open-payment]') !== null").await;
    pictures(&stage, "pay-divided").await;
    window.click("[data-testid=open-payment]").await;
    let browser = stage.browser().await;
    browser.open(&stage.opened().await).await;
    browser.click("button[value='4242']").await;
    browser.until("the way back", &format!("return {} !== null", way_back())).await;
    browser.close().await;
    window.until("a code", "return document.querySelector('[data-testid=qr]') !== null").await;
    window.attribute("[data-testid=payment-part-1]", "data-state", "authorised").await;
    pictures(&stage, "pay-divided-second").await;
    phone(&stage, PAY).await;
    window.attribute(STATE, "data-state", "confirmed").await;
    for part in 0..3 {
        window.attribute(&format!("[data-testid=payment-part-{part}]"), "data-state", "captured").await;
    }
    // The coupon is the merchant's own: two channels have heard of a payment.
    assert_eq!(stage.book().await["payments"].as_array().unwrap().len(), 2);
    stage.close().await;
}

/// 花呗 pays the first part off; only what can be paid off is offered for it, anything for the other.
#[tokio::test(flavor = "multi_thread")]
async fn one_part_is_paid_off_in_six_and_another_channel_pays_the_rest_at_once() {
    let stage = Stage::new(&[]).await;
    hold(&stage).await;
    sign_in(&stage).await;
    seat(&stage).await;
    let window = &stage.window;
    let offered = "return document.querySelector('[data-testid=instalments]')?.textContent.includes('6')";
    window.until("what can be paid off", offered).await;
    window.run(&choose("instalments", "6")).await;
    window
        .until("what cannot be paid off", "return document.querySelector('[data-testid=method-wechatpay]').disabled")
        .await;
    window.click("[data-testid=method-alipay]").await;
    window.click("[data-testid=divide]").await;
    let offered = "return document.querySelector('[data-testid=second-channel] option[value=wechatpay]') !== null";
    window.until("what else can pay a part", offered).await;
    window.run(&choose("second-channel", "wechatpay")).await;
    window.fill("[data-testid=second-amount]", "300").await;
    pictures(&stage, "confirm-instalments").await;
    window.click("[data-testid=confirm-submit]").await;
    window.until("a code", "return document.querySelector('[data-testid=qr]') !== null").await;
    phone(&stage, PAY).await;
    window.attribute("[data-testid=payment-part-0]", "data-state", "captured").await;
    window.until("the other code", "return document.body.textContent.includes('weixin://')").await;
    phone(&stage, PAY).await;
    window.attribute(STATE, "data-state", "confirmed").await;
    let book = stage.book().await;
    assert_eq!((count(&book["flights"], "state", "ticketed"), book["payments"].as_array().unwrap().len()), (1, 2));
    stage.close().await;
}
