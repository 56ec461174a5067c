//! The defences of the window by name, so that a test can take one away and show what it was for.
//!
//! In the product all of them stand: [`off`] is `false` at compile time. Deliberately not here: the defences themselves,
//! each of which is where it holds, and those that are the framework's or the web view's own (`tauri.conf.json`).

zhiyou_engine::defences! {
    /// The window goes to its own pages only.
    OwnPages = "own-pages",
    /// What the window may ask is for the main window only, whatever is granted.
    OwnWindow = "own-window",
    /// The browser is given web addresses only.
    WebAddresses = "web-addresses",
    /// Plain HTTP is for this machine only.
    SecureWeb = "secure-web",
    /// No address hides its host behind a name before an `@`.
    NoUserPart = "no-user-part",
    /// A link is short.
    ShortLinks = "short-links",
    /// Few links wait.
    FewLinks = "few-links",
    /// What is no link of ours takes no place.
    OursOnly = "ours-only",
    /// What is waited for is known before any link is heard.
    KnownFirst = "known-first",
    /// A return that is waited for has a place of its own.
    AwaitedFirst = "awaited-first",
    /// A page is told the code of a fault and its values.
    CodesOnly = "codes-only",
}

/// Shows what a defence is for: the attack comes to nothing as long as it stands, and succeeds without it.
///
/// `attack` answers whether it succeeded.
#[cfg(test)]
pub(crate) fn stands(defence: Defence, attack: impl Fn() -> bool) {
    assert!(!attack(), "the attack succeeds although {defence:?} stands");
    take_away(Some(defence));
    let succeeded = attack();
    take_away(None);
    assert!(succeeded, "the attack fails without {defence:?} too");
}
