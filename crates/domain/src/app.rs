//! What this build of the app is called by the system: the scheme of its links, and its own name.
//!
//! A build for developers is another app beside an installed one: it takes none of its links, and not its folder. On a phone it
//! is the same app, because there one takes the other's place. Deliberately not here: what a link may be, and what it does.

/// A link to this build of the app, from what follows its scheme.
#[macro_export]
macro_rules! link {
    ($rest:literal) => {
        if $crate::app::FOR_DEVELOPERS { concat!("zhiyou-dev://", $rest) } else { concat!("zhiyou://", $rest) }
    };
}

/// Whether this is a build for developers, beside which there may be an installed app.
pub const FOR_DEVELOPERS: bool = cfg!(all(debug_assertions, not(any(target_os = "android", target_os = "ios"))));

/// Scheme of the links to the app.
pub const SCHEME: &str = if FOR_DEVELOPERS { "zhiyou-dev" } else { "zhiyou" };

/// What every link to the app begins with.
pub const ROOT: &str = link!("");

/// The app's name among all apps of a system.
pub const IDENTIFIER: &str = if FOR_DEVELOPERS { "app.zhiyou.desktop.dev" } else { "app.zhiyou.desktop" };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_for_developers_has_links_and_a_name_of_its_own() {
        assert_eq!(ROOT, format!("{SCHEME}://"));
        assert_eq!(link!("auth/zz-club"), format!("{SCHEME}://auth/zz-club"));
        assert_eq!((SCHEME == "zhiyou-dev", IDENTIFIER.ends_with(".dev")), (FOR_DEVELOPERS, FOR_DEVELOPERS));
        // Neither is the beginning of the other's.
        assert!(!"zhiyou-dev://pay/x".starts_with("zhiyou://") && !"zhiyou://pay/x".starts_with("zhiyou-dev://"));
    }
}
