//! The defences of who calls by name, so that a test can take one away and show what it was for.
//!
//! In the product all of them stand: [`off`] is `false` at compile time. Deliberately not here: the defences themselves, each of
//! which is where it holds, and those of notifications ([`crate::defence`]).

zhiyou_domain::defences! {
    /// A token is shown as a bearer token and in no other way.
    Scheme = "bearer-scheme",
    /// A token that is bound to a key is no bearer token.
    Unbound = "unbound-tokens",
}
