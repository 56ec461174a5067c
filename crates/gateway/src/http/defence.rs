//! The defences of what is asked of others by name, so that a test can take one away and show what it was for.
//!
//! In the product all of them stand: [`off`] is `false` at compile time. Deliberately not here: the defences themselves, each of
//! which is where it holds, and those of notifications ([`crate::defence`]).

zhiyou_domain::defences! {
    /// A traveller's token goes to the host that gave it.
    TokenHost = "token-host",
    /// A redirect is an answer.
    Unfollowed = "redirect-unfollowed",
}
