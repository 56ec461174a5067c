//! What a traveller does in the window, from the plan to the end of the order.

use crate::{
    driver::Driver,
    stage::{BusWithoutKeyring, Stage, count, rings},
};
use serde_json::{Value, json};
use zhiyou_domain::{app::ROOT, link};

/// What no screen shows in passing: e-mail addresses, phone numbers, a passport's number.
const PERSONAL: [&str; 5] =
    ["canary.one@example.com", "+8613912345678", "canary.two@example.com", "+8613987654321", "E76543210"];

pub(crate) const STATE: &str = "[data-testid=order-state]";

fn plan() -> Value {
    let example = include_str!("../../examples/shanghai-weekend.zh-CN.json");
    serde_json::from_str(example).unwrap()
}

pub(crate) async fn import(stage: &Stage, plan: Value) {
    let window = &stage.window;
    window.click("[data-testid=import-open]").await;
    window.fill("[data-testid=import-text]", &plan.to_string()).await;
    window.click("[data-testid=import-submit]").await;
}

/// Import, review, hold; a sign-in is wanted then.
pub(crate) async fn hold(stage: &Stage) {
    import(stage, plan()).await;
    stage.window.click("[data-testid=review-hold]").await;
    stage.window.attribute("[data-testid=next-step]", "data-kind", "sign_in").await;
}

/// Chooses how the browser comes back, on the screen of sign-ins.
async fn come_back_by(window: &Driver, way: &str) {
    let offered = format!("return document.querySelector('[data-testid=sign-in-return] option[value={way}]') !== null");
    window.until("the way back", &offered).await;
    window.fill("[data-testid=sign-in-return]", way).await;
}

/// Asks for a sign-in and allows it in a browser; the link that leads back.
async fn allowed(stage: &Stage) -> String {
    let window = &stage.window;
    window.run("sessionStorage.setItem('came from', location.hash); location.hash = '#/sign-in'").await;
    come_back_by(window, "deep_link").await;
    window.click("[data-testid=sign-in-connect-zz-club]").await;
    let address = window
        .until(
            "an address to open",
            "return document.querySelector('[data-testid=sign-in-url-zz-club]')?.textContent.trim()",
        )
        .await;
    let browser = stage.browser().await;
    browser.open(address.as_str().unwrap()).await;
    browser.click("#approve").await;
    let back = browser.until("the way back", "return document.querySelector('#return')?.getAttribute('href')").await;
    let back = back.as_str().unwrap();
    assert!(back.starts_with(link!("auth/zz-club?")), "{back}");
    browser.close().await;
    back.to_owned()
}

/// Sign in through a browser and back by a link of the desktop.
pub(crate) async fn sign_in(stage: &Stage) {
    let window = &stage.window;
    let back = allowed(stage).await;
    // A forged link first: it is dropped and the pending sign-in stays intact.
    let forged = format!("{ROOT}auth/zz-club?code=forged&state={:A>43}", "forged");
    for link in [&forged, &back] {
        Stage::follow(link).await;
    }
    window.attribute("[data-testid=sign-in-state-zz-club]", "data-state", "connected").await;
    window.run("location.hash = sessionStorage.getItem('came from')").await;
}

pub(crate) async fn seat(stage: &Stage) {
    let window = &stage.window;
    window.click("[data-testid=go-seats]").await;
    window.click("[data-free=true]").await;
    window.click("[data-testid=seats-submit]").await;
}

async fn seat_and_confirm(stage: &Stage) {
    seat(stage).await;
    let window = &stage.window;
    window.click("[data-testid=confirm-submit]").await;
    window.until("a code", "return document.querySelector('[data-testid=qr]') !== null").await;
}

/// The code in the picture of the window, read by somebody else, is what the traveller's phone gets.
pub(crate) async fn phone(stage: &Stage, button: &str) {
    let shown =
        stage.window.until("a code", "return document.querySelector('[data-testid=qr-content]')?.textContent").await;
    let shown = shown.as_str().unwrap();
    let ours = ["weixin://wxpay/bizpayurl?pr=", "https://qr.alipay.com/"];
    assert!(ours.iter().any(|kind| shown.starts_with(kind)), "{shown:?}");
    // The screen may still show what stood there before.
    let read = async {
        loop {
            painted(&stage.window).await;
            let code = stage.read_code();
            if code == shown {
                return code;
            }
        }
    };
    let code = tokio::time::timeout(std::time::Duration::from_secs(60), read).await.expect("the code can be read");
    let browser = stage.browser().await;
    let page = stage.announced["phone"].as_str().unwrap();
    let mut address: url::Url = page.parse().unwrap();
    address.query_pairs_mut().append_pair("text", &code);
    browser.open(address.as_str()).await;
    browser.click(button).await;
    browser.until("an answer", "return document.querySelector('#result').hidden === false").await;
    browser.close().await;
}

async fn payable() -> Stage {
    let stage = Stage::new(&[]).await;
    hold(&stage).await;
    sign_in(&stage).await;
    seat_and_confirm(&stage).await;
    stage
}

/// A channel that does not answer: the screen says that it is not known, that it is asked again, and offers no second payment.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_whose_opening_nobody_answered_is_not_known_and_goes_on_when_somebody_does() {
    let stage = Stage::new(&[]).await;
    hold(&stage).await;
    sign_in(&stage).await;
    seat(&stage).await;
    let window = &stage.window;
    let silence =
        json!({ "provider": "wechatpay", "switch": "time_out_before", "op": "create", "cut": true, "times": 500 });
    stage.scenario(silence).await;
    window.click("[data-testid=confirm-submit]").await;
    window.attribute("[data-testid=payment-state]", "data-state", "unknown").await;
    window.click("[data-testid=pay-check]").await;
    rings(window).await;
    let told = "return [document.querySelector('[data-testid=payment-state]').innerText, document.querySelector('[data-testid=pay-retry]') !== null]";
    let told = window.run(told).await;
    assert!(told[0].as_str().unwrap().contains("every 5 seconds") && told[1] == false, "{told}");
    pictures(&stage, "pay-unknown").await;
    stage.scenario(json!({ "reset": true })).await;
    window.attribute("[data-testid=payment-state]", "data-state", "requires_action").await;
    phone(&stage, PAY).await;
    window.attribute(STATE, "data-state", "confirmed").await;
    assert_eq!(count(&stage.book().await["payments"], "state", "SUCCESS"), 1);
    stage.close().await;
}

pub(crate) const PAY: &str = "#pay";
const REFUSE: &str = "#refuse";

#[tokio::test(flavor = "multi_thread")]
async fn a_trip_is_imported_signed_in_seated_confirmed_scanned_and_paid() {
    let stage = payable().await;
    phone(&stage, PAY).await;
    stage.window.attribute(STATE, "data-state", "confirmed").await;
    let book = stage.book().await;
    assert_eq!((count(&book["flights"], "state", "ticketed"), count(&book["stays"], "status", "confirmed")), (1, 1));
    assert_eq!(count(&book["payments"], "state", "SUCCESS"), 1);
    let shown = stage.window.run("return document.querySelector('[data-testid=item-reference-0]').textContent").await;
    assert_eq!(shown, book["flights"][0]["booking_reference"]);
    let member = stage.window.run("return document.querySelector('[data-testid=item-loyalty-0]').textContent").await;
    assert!(member.as_str().unwrap().contains("ZZ1234567890"));
    stage.close().await;
}

/// Waits until what the page says is also what it shows.
async fn painted(window: &Driver) {
    window
        .run("return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")
        .await;
}

/// The screen as it stands, in both languages, both themes, wide and narrow.
pub(crate) async fn pictures(stage: &Stage, name: &str) {
    let window = &stage.window;
    for (size, width) in [("wide", 1280), ("narrow", 360)] {
        window.size(width, 800).await;
        for locale in ["zh-CN", "en"] {
            for theme in ["light", "dark"] {
                let settings = format!("{{ locale: {locale:?}, theme: {theme:?} }}");
                window
                    .run(&format!(
                        "window.__TAURI_INTERNALS__.invoke('rpc', {{ name: 'set_settings', payload: {settings} }})"
                    ))
                    .await;
                let shown = format!(
                    "const page = document.documentElement; return page.lang === {locale:?} && page.dataset.theme === {theme:?}"
                );
                window.until("the language and the theme", &shown).await;
                painted(window).await;
                stage.keep_picture(&format!("{name}-{locale}-{theme}-{size}")).await;
            }
        }
    }
    window.size(1280, 800).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_comes_back_to_a_closed_app_starts_it_and_counts() {
    let mut stage = Stage::new(&[]).await;
    let back = allowed(&stage).await;
    stage.start_by(&back, "SELECT 1 FROM sign_ins WHERE platform = 'zz-club' AND state = 'connected'").await;
    stage.window.run("location.hash = '#/sign-in'").await;
    stage.window.attribute("[data-testid=sign-in-state-zz-club]", "data-state", "connected").await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_trip_needs_comes_first_and_nobody_has_to_choose_the_way_back() {
    let stage = Stage::new(&[]).await;
    let window = &stage.window;
    hold(&stage).await;
    window.click("[data-testid=next-step] a").await;
    window.attribute("[data-testid=sign-in-zz-club]", "data-needed", "true").await;
    window.attribute("[data-testid=sign-in-turkish-airlines]", "data-needed", "false").await;
    let first = "return document.querySelector('main li').dataset.testid === 'sign-in-zz-club'\
        && document.querySelector('[data-testid=sign-in-why-zz-club]') !== null";
    window.until("what is needed, first, and why", first).await;
    pictures(&stage, "sign-in-plan").await;
    window.click("[data-testid=sign-in-connect-zz-club]").await;
    let shown = "return document.querySelector('[data-testid=sign-in-url-zz-club]')?.textContent.trim()";
    let address = window.until("an address", shown).await;
    assert!(address.as_str().unwrap().contains("redirect_uri=http%3A%2F%2F127.0.0.1%3A"), "{address}");
    let browser = stage.browser().await;
    browser.open(address.as_str().unwrap()).await;
    browser.click("#approve").await;
    window.attribute("[data-testid=sign-in-state-zz-club]", "data-state", "connected").await;
    browser.close().await;
    window
        .until("what was granted", "return document.querySelector('[data-testid=sign-in-granted-zz-club]') !== null")
        .await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_screen_has_its_picture_in_both_languages_themes_and_widths_and_shows_nobodys_numbers() {
    let stage = Stage::new(&[]).await;
    let window = &stage.window;
    pictures(&stage, "empty").await;
    let mut plan = plan();
    plan["travellers"][0]["email"] = json!(PERSONAL[0]);
    plan["travellers"][0]["phone_number"] = json!(PERSONAL[1]);
    import(&stage, plan).await;
    window.until("the review", "return document.querySelector('[data-testid=review-hold]') !== null").await;
    let person = json!({
        "traveller_id": "trv_01KA0000000000000000000ABC", "display_name": "苏木", "title": "ms", "gender": "f",
        "given_name": "Mu", "family_name": "Su", "born_on": "1992-03-14", "email": PERSONAL[2],
        "phone_number": PERSONAL[3], "residence_country": "CN", "loyalty": [], "seat": "window", "meal": "any",
        "documents": [{ "id": null, "kind": "passport", "number": PERSONAL[4], "country": "CN", "expires_on": "2031-01-02" }],
    });
    let save =
        format!("return window.__TAURI_INTERNALS__.invoke('rpc', {{ name: 'save_traveller', payload: {person} }})");
    window.run(&save).await;
    pictures(&stage, "review").await;
    window.click("[data-testid=review-hold]").await;
    window.attribute("[data-testid=next-step]", "data-kind", "sign_in").await;
    pictures(&stage, "sign-in-needed").await;
    sign_in(&stage).await;
    window.click("[data-testid=go-seats]").await;
    window.click("[data-free=true]").await;
    pictures(&stage, "seats").await;
    window.click("[data-testid=seats-submit]").await;
    window.until("the confirmation", "return document.querySelector('[data-testid=confirm-submit]') !== null").await;
    pictures(&stage, "confirm").await;
    window.click("[data-testid=confirm-submit]").await;
    window.until("a code", "return document.querySelector('[data-testid=qr]') !== null").await;
    pictures(&stage, "pay").await;
    phone(&stage, PAY).await;
    window.attribute(STATE, "data-state", "confirmed").await;
    window.click("[data-testid=compare]").await;
    let same = "return document.querySelectorAll('[data-testid=compared][data-same=true]').length === 3";
    window.until("flight, hotel and payment compared", same).await;
    pictures(&stage, "order").await;
    let flight = stage.book().await["flights"][0]["id"].clone();
    stage.scenario(json!({ "switch": "airline_changes", "id": flight, "minutes": 95 })).await;
    window.until("the airline's change", "return document.querySelector('[data-testid=change-0]') !== null").await;
    pictures(&stage, "change").await;
    window.click("[data-testid=keep-0]").await;
    window.attribute("[data-testid=item-state-0]", "data-state", "changed").await;
    window.click("[data-testid=cancel-quote]").await;
    window.until("a quote", "return document.querySelector('[data-testid=cancel-accept]') !== null").await;
    pictures(&stage, "cancel").await;
    let stay = stage.book().await["stays"][0]["id"].clone();
    stage.scenario(json!({ "switch": "supplier_cancels", "id": stay })).await;
    window.until("the hotel lost", "return document.querySelector('[data-testid=rebook-1]') !== null").await;
    pictures(&stage, "lost").await;
    for (name, sign) in [
        ("trips", "[data-testid=trip-card]"),
        ("orders", "[data-testid=nav-orders][aria-current]"),
        ("sign-in", "[data-testid=sign-in-state-zz-club]"),
        ("travellers", "[data-testid=traveller]"),
        ("settings", "[data-testid=locale-select]"),
    ] {
        window.run(&format!("location.hash = '#/{name}'")).await;
        window.until(name, &format!("return document.querySelector({sign:?}) !== null")).await;
        pictures(&stage, name).await;
    }
    window.run("document.querySelector('[data-testid=audit]').open = true").await;
    window.until("the log", "return document.querySelector('[data-testid=audit-row]') !== null").await;
    window.run("document.querySelector('[data-testid=audit]').scrollIntoView()").await;
    pictures(&stage, "security-log").await;
    window.run("location.hash = '#/travellers'").await;
    window.click("[data-testid=traveller-edit]").await;
    window.until("the form", "return document.querySelector('[data-testid=traveller-save]') !== null").await;
    pictures(&stage, "traveller-form").await;
    window.run("document.querySelector('dialog').close()").await;
    window.run("window.dispatchEvent(new KeyboardEvent('keydown', { key: 'k', ctrlKey: true }))").await;
    window.until("the palette", "return document.querySelector('[data-testid=palette]') !== null").await;
    pictures(&stage, "palette").await;
    let read = stage.read();
    assert!(read.contains("苏木") && read.contains("上海"), "the screens were read");
    for personal in PERSONAL {
        assert!(!read.contains(personal), "{personal} stands on a screen");
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_on_the_phone_and_ended_in_the_window_costs_nothing() {
    let stage = payable().await;
    phone(&stage, REFUSE).await;
    stage.window.click("[data-testid=cancel-free]").await;
    stage.window.attribute(STATE, "data-state", "cancelled").await;
    let book = stage.book().await;
    assert_eq!(count(&book["payments"], "state", "SUCCESS"), 0);
    assert_eq!(count(&book["flights"], "state", "held"), 0);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn time_running_out_ends_the_order_and_the_window_shows_it() {
    let stage = payable().await;
    stage.advance(31).await;
    stage.window.attribute(STATE, "data-state", "cancelled").await;
    assert_eq!(count(&stage.book().await["flights"], "state", "cancelled"), 1);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_is_quoted_accepted_and_refunded() {
    let stage = payable().await;
    phone(&stage, PAY).await;
    let window = &stage.window;
    window.attribute(STATE, "data-state", "confirmed").await;
    window.click("[data-testid=cancel-quote]").await;
    let quoted =
        window.until("a refund", "return document.querySelector('[data-testid=cancel-refund]')?.dataset.minor").await;
    window.click("[data-testid=cancel-accept]").await;
    window.attribute(STATE, "data-state", "refunded").await;
    let book = stage.book().await;
    assert_eq!(book["refunds"][0]["refund_fen"].to_string(), quoted.as_str().unwrap());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_paying_and_opened_again_the_order_is_confirmed_once() {
    let mut stage = payable().await;
    phone(&stage, PAY).await;
    stage.kill_and_reopen().await;
    stage.window.run("location.hash = '#/orders'").await;
    stage.window.click("main a[href^='#/order/']").await;
    stage.window.attribute(STATE, "data-state", "confirmed").await;
    let book = stage.book().await;
    assert_eq!((count(&book["flights"], "state", "ticketed"), count(&book["stays"], "status", "confirmed")), (1, 1));
    assert_eq!(count(&book["payments"], "state", "SUCCESS"), 1);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_doorbell_the_window_stays_as_it_is() {
    let stage = Stage::new(&[("ZHIYOU_TEST_NO_EVENTS", "1")]).await;
    let window = &stage.window;
    // A hotel that waits for nothing.
    let mut plan = plan();
    plan["items"][1]["after"] = json!([]);
    import(&stage, plan).await;
    window.click("[data-testid=review-hold]").await;
    window.attribute("[data-testid=item-state-1]", "data-state", "planned").await;
    // The core goes on and has checked the hotel's price; the page was not told.
    let held = "const id = location.hash.split('/')[2]; return window.__TAURI_INTERNALS__ \
        .invoke('rpc', { name: 'get_order', payload: { order_id: id } }).then((order) => order.items[1].state === 'held')";
    window.until("the core to go on", held).await;
    let shown = "return document.querySelector('[data-testid=item-state-1]').dataset.state";
    assert_eq!(window.run(shown).await, "planned");
    // Looking at the window again asks once.
    window.run("window.dispatchEvent(new Event('focus'))").await;
    window.attribute("[data-testid=item-state-1]", "data-state", "held").await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_loaded_anew_hears_the_doorbell_again() {
    let stage = Stage::new(&[]).await;
    let window = &stage.window;
    window.run("window.before = true; setTimeout(() => location.reload(), 0)").await;
    let anew = "return window.before === undefined && document.querySelector('[data-testid=demo-band]') !== null";
    window.until("the page anew", anew).await;
    let mut plan = plan();
    plan["items"][1]["after"] = json!([]);
    import(&stage, plan).await;
    window.click("[data-testid=review-hold]").await;
    // Nobody looks at the window: only the doorbell can tell it.
    window.attribute("[data-testid=item-state-1]", "data-state", "held").await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn anything_is_found_by_keyboard_and_archiving_is_undone() {
    let stage = Stage::new(&[]).await;
    let window = &stage.window;
    import(&stage, plan()).await;
    window.until("the review", "return document.querySelector('[data-testid=review-hold]') !== null").await;
    let opened = window.run("return location.hash").await;
    window.run("location.hash = '#/settings'").await;
    window.keys("\u{e009}k\u{e000}").await;
    window.until("the palette", "return document.activeElement.dataset.testid === 'palette-text'").await;
    window.keys("shanghai").await;
    window
        .until(
            "the trip",
            "return document.querySelector('[role=option][aria-selected=true]')?.textContent.includes('上海周末')",
        )
        .await;
    window.keys("\u{e007}").await;
    window.until("the trip's screen", &format!("return location.hash === {opened}")).await;
    window.run("location.hash = '#/trips'").await;
    window.click("[data-testid=trip-archive]").await;
    window.until("the trip put away", "return document.querySelector('[data-testid=trip-card]') === null").await;
    window.click("[data-testid=archive-undo]").await;
    window.until("the trip back", "return document.querySelector('[data-testid=trip-card]') !== null").await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_keyring_a_passphrase_keeps_the_sign_in_that_came_back_by_the_local_address() {
    const PASSPHRASE: &str = "山高月小 水落石出 x";
    let bus = BusWithoutKeyring::start();
    let environment = [("DBUS_SESSION_BUS_ADDRESS", bus.address.as_str())];
    let mut stage = Stage::new(&environment).await;
    let vault = |state: &str| {
        format!(
            "return window.__TAURI_INTERNALS__.invoke('rpc', {{ name: 'get_session', payload: {{}} }})\
             .then((session) => session.vault.state === {state:?})"
        )
    };
    stage.window.until("a vault without a key", &vault("needs_passphrase")).await;
    stage
        .window
        .until(
            "the dialog",
            "return document.querySelector('[data-testid=vault-why][data-state=needs_passphrase]') !== null",
        )
        .await;
    stage.window.fill("[data-testid=passphrase]", "short").await;
    stage.window.click("[data-testid=passphrase-submit]").await;
    let told = "return document.querySelector('[data-testid=fault][data-code=malformed_input]')?.innerText";
    let told = stage.window.until("what is wrong with it", told).await;
    let told = told.as_str().unwrap();
    assert!(told.contains("10 characters") && !told.contains("imported"), "{told}");
    pictures(&stage, "passphrase").await;
    stage.window.fill("[data-testid=passphrase]", PASSPHRASE).await;
    stage.window.click("[data-testid=passphrase-submit]").await;
    stage.window.until("the vault open", &vault("open")).await;

    stage.window.run("location.hash = '#/sign-in'").await;
    come_back_by(&stage.window, "loopback").await;
    stage.window.click("[data-testid=sign-in-connect-zz-club]").await;
    let address = stage
        .window
        .until("an address", "return document.querySelector('[data-testid=sign-in-url-zz-club]')?.textContent.trim()")
        .await;
    let browser = stage.browser().await;
    browser.open(address.as_str().unwrap()).await;
    browser.click("#approve").await;
    stage.window.attribute("[data-testid=sign-in-state-zz-club]", "data-state", "connected").await;
    browser.close().await;

    stage.window.close().await;
    stage.reopen(&environment).await;
    stage.window.until("a locked vault", &vault("locked")).await;
    stage.window.fill("[data-testid=passphrase]", "a wrong passphrase").await;
    stage.window.click("[data-testid=passphrase-submit]").await;
    stage.window.until("the refusal", "return document.querySelector('dialog [role=alert]') !== null").await;
    stage.window.fill("[data-testid=passphrase]", PASSPHRASE).await;
    stage.window.click("[data-testid=passphrase-submit]").await;
    stage.window.until("the vault open", &vault("open")).await;
    stage.window.run("location.hash = '#/sign-in'").await;
    stage.window.attribute("[data-testid=sign-in-state-zz-club]", "data-state", "connected").await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_books_through_the_running_app_and_the_window_shows_it() {
    let stage = Stage::new(&[]).await;
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/shanghai-weekend.en.json");
    let order = stage.tool(&["book", example, "--pay", "auto"]);
    assert_eq!(order["state"], "confirmed");
    stage.window.run("location.hash = '#/orders'").await;
    stage.window.click(&format!("main a[href='#/order/{}']", order["id"].as_str().unwrap())).await;
    stage.window.attribute(STATE, "data-state", "confirmed").await;
    assert_eq!(count(&stage.book().await["payments"], "state", "SUCCESS"), 1);
    stage.close().await;
}
