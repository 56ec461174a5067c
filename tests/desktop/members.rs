//! Platforms and the vault in the window: connected, disconnected, taken back and run out; locked and opened again.

use crate::stage::Stage;
use serde_json::json;

const CLUB: &str = "zz-club";
const TURKISH: &str = "turkish-airlines";
const PASSPHRASE: &str = "山高月小 水落石出 x";

/// Asks for a sign-in on its screen and allows it in the traveller's browser, which comes back by itself.
async fn connect(stage: &Stage, platform: &str) {
    let window = &stage.window;
    window.run("location.hash = '#/sign-in'").await;
    window.fill("[data-testid=sign-in-return]", "loopback").await;
    window.click(&format!("[data-testid=sign-in-connect-{platform}]")).await;
    let shown = format!("return document.querySelector('[data-testid=sign-in-url-{platform}]')?.textContent.trim()");
    let address = window.until("an address to open", &shown).await;
    let browser = stage.browser().await;
    browser.open(address.as_str().unwrap()).await;
    browser.click("#approve").await;
    is(stage, platform, "connected").await;
    browser.close().await;
}

/// Waits until the screen says so of the platform.
async fn is(stage: &Stage, platform: &str, state: &str) {
    stage.window.attribute(&format!("[data-testid=sign-in-state-{platform}]"), "data-state", state).await;
}

async fn read(stage: &Stage) {
    stage.window.click(&format!("[data-testid=member-read-{TURKISH}]")).await;
}

/// Waits until the member's own things are shown.
async fn sees(stage: &Stage) {
    let shown = format!(
        "const text = document.querySelector('[data-testid=member-{TURKISH}]')?.textContent ?? ''; \
         return text.includes('4,200') && text.includes('TK89')"
    );
    stage.window.until("miles and flights", &shown).await;
}

/// The link that is waited for is copied, as what can be pasted shows, and the visit is given up.
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_is_waited_for_can_be_opened_by_its_link_and_given_up() {
    let stage = Stage::new(&[]).await;
    let window = &stage.window;
    window.run("location.hash = '#/sign-in'").await;
    window.click(&format!("[data-testid=sign-in-connect-{CLUB}]")).await;
    is(&stage, CLUB, "waiting").await;
    let address = format!("return document.querySelector('[data-testid=sign-in-url-{CLUB}]')?.textContent.trim()");
    let address = window.until("an address to open", &address).await;
    window.click(&format!("[data-testid=sign-in-copy-{CLUB}]")).await;
    let told = format!("return document.querySelector('[data-testid=sign-in-copied-{CLUB}]')?.dataset.copied");
    if window.until("what came of copying", &told).await == "selected" {
        window.keys("\u{e009}c\u{e000}").await;
    }
    window.keys("\u{e009}k\u{e000}").await;
    window.until("a field", "return document.activeElement?.dataset.testid === 'palette-text'").await;
    window.keys("\u{e009}v\u{e000}").await;
    window.until("the link", &format!("return document.activeElement.value === {address}")).await;
    window.keys("\u{e00c}").await;
    window.until("no palette", "return document.querySelector('[data-testid=palette]') === null").await;
    window.click(&format!("[data-testid=sign-in-cancel-{CLUB}]")).await;
    is(&stage, CLUB, "disconnected").await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_is_disconnected_and_connected_again() {
    let stage = Stage::new(&[]).await;
    connect(&stage, CLUB).await;
    stage.window.click(&format!("[data-testid=sign-in-disconnect-{CLUB}]")).await;
    is(&stage, CLUB, "disconnected").await;
    let gone = format!("return document.querySelector('[data-testid=sign-in-granted-{CLUB}]') === null");
    stage.window.until("nothing is granted any more", &gone).await;
    connect(&stage, CLUB).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_was_taken_back_or_ran_out_says_so_and_is_made_again() {
    let stage = Stage::new(&[]).await;
    connect(&stage, TURKISH).await;
    read(&stage).await;
    sees(&stage).await;
    stage.scenario(json!({ "provider": "turkish", "switch": "revoke_all" })).await;
    read(&stage).await;
    is(&stage, TURKISH, "revoked").await;
    // The next one gives nothing to ask again with.
    let bare = json!({ "refresh_token": null });
    stage.scenario(json!({ "provider": "turkish", "switch": "patch", "op": "token", "times": 1, "merge": bare })).await;
    connect(&stage, TURKISH).await;
    read(&stage).await;
    sees(&stage).await;
    stage.advance(120).await;
    read(&stage).await;
    is(&stage, TURKISH, "expired").await;
    connect(&stage, TURKISH).await;
    read(&stage).await;
    sees(&stage).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_sees_miles_and_flights_and_is_handed_over_to_the_airlines_own_page() {
    let stage = Stage::new(&[]).await;
    let window = &stage.window;
    connect(&stage, TURKISH).await;
    read(&stage).await;
    sees(&stage).await;
    for (field, text) in [("origin", "PEK"), ("destination", "IST"), ("day", "2026-12-24")] {
        window.fill(&format!("[data-testid=hand-over-{field}-{TURKISH}]"), text).await;
    }
    window.click(&format!("[data-testid=hand-over-{TURKISH}]")).await;
    let page = format!("[data-testid=hand-over-url-{TURKISH}]");
    window.attribute(&page, "data-status", "external").await;
    let shown = window.run(&format!("return document.querySelector({page:?}).textContent")).await;
    assert!(shown.as_str().unwrap().starts_with("https://www.turkishairlines.com/"), "{shown}");
    // Nothing is an order by it, here or there.
    window.run("location.hash = '#/orders'").await;
    assert_eq!(stage.book().await["flights"], json!([]));
    // What it said is the member's own: it is gone with the lock.
    window.run("location.hash = '#/sign-in'").await;
    read(&stage).await;
    sees(&stage).await;
    window.run("window.__TAURI_INTERNALS__.invoke('rpc', { name: 'lock_vault', payload: {} })").await;
    let gone = format!("return document.querySelector('[data-testid=member-{TURKISH}]') === null");
    window.until("nothing of the member's", &gone).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vault_is_locked_and_opened_by_a_click_and_with_an_app_lock_by_its_passphrase_alone() {
    let mut stage = Stage::new(&[]).await;
    let window = &stage.window;
    let why =
        |state: &str| format!("return document.querySelector('[data-testid=vault-why]')?.dataset.state === {state:?}");
    window.run("location.hash = '#/settings'").await;
    window.click("[data-testid=vault-lock]").await;
    window.until("why it is closed", &why("locked_by_person")).await;
    window.click("[data-testid=vault-reopen]").await;
    window.click("[data-testid=app-lock]").await;
    window.fill("[data-testid=app-lock-wanted]", PASSPHRASE).await;
    window.fill("[data-testid=app-lock-again]", PASSPHRASE).await;
    window.click("[data-testid=app-lock-submit]").await;
    window.until("that it is set", "return document.querySelector('[data-testid=app-lock-said]') !== null").await;
    window.click("[data-testid=vault-lock]").await;
    window.until("why it is closed", &why("locked")).await;
    window.fill("[data-testid=passphrase]", "a wrong passphrase").await;
    window.click("[data-testid=passphrase-submit]").await;
    window.until("the refusal", "return document.querySelector('dialog [role=alert]') !== null").await;
    let click = "return document.querySelector('[data-testid=vault-reopen]') === null";
    window.until("no way in by a click", click).await;
    window.fill("[data-testid=passphrase]", PASSPHRASE).await;
    window.click("[data-testid=passphrase-submit]").await;
    window.until("it is open", "return document.querySelector('[data-testid=vault-lock]') !== null").await;
    // After a start it is closed, and asks by itself.
    stage.window.close().await;
    stage.reopen(&[]).await;
    let window = &stage.window;
    window.until("why it is closed", &why("locked")).await;
    window.fill("[data-testid=passphrase]", PASSPHRASE).await;
    window.click("[data-testid=passphrase-submit]").await;
    window.run("location.hash = '#/settings'").await;
    window.until("it is open", "return document.querySelector('[data-testid=vault-lock]') !== null").await;
    stage.close().await;
}
