//! What happens: store, saga runner, MCP client side, sign-in, vault, change feed and the API commands.
//!
//! Deliberately not here: a window, an HTTP server, merchant secrets and business rules (those are in the domain).
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![cfg_attr(fuzzing, allow(dead_code, unused_imports))]

pub mod api;
mod audit;
pub mod auth;
pub mod booking;
mod calendar;
mod consent;
mod engine;
mod exports;
#[cfg(any(test, fuzzing))]
#[path = "../../../tests/fuzz/harness.rs"]
mod fuzz;
mod ids;
mod killed;
pub mod links;
mod locking;
mod mcp;
mod member;
mod people;
pub mod ports;
mod receipt;
pub mod secret;
pub mod store;
pub mod vault;

pub use engine::{Demo, Engine, Options};
pub use ids::Ids;
pub use zhiyou_domain::{app, defences, fault, link};

#[cfg(fuzzing)]
fuzz::fuzzed! {
    deep_link: crate::auth::fuzz::fuzz_a_deep_link_is_dropped_or_prints_back_to_the_same_return;
    callback: crate::auth::fuzz::fuzz_a_callback_is_dropped_or_prints_back_to_the_same_return;
    loopback: crate::auth::fuzz::fuzz_a_loopback_request_is_refused_or_is_for_exactly_the_awaited_address;
    screen: crate::engine::fuzz::fuzz_a_link_selects_nothing_or_what_prints_back_to_the_same;
}
