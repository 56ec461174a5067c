//! What happens: store, saga runner, MCP client side, sign-in, vault, change feed and the API commands.
//!
//! Deliberately not here: a window, an HTTP server, merchant secrets and business rules (those are in the domain).
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod api;
mod audit;
pub mod auth;
pub mod booking;
mod calendar;
mod consent;
mod engine;
mod exports;
#[cfg(test)]
#[path = "../../../tests/fuzz/harness.rs"]
mod fuzz;
mod ids;
mod killed;
mod mcp;
mod people;
pub mod ports;
mod receipt;
pub mod secret;
pub mod store;
pub mod vault;

pub use engine::{Demo, Engine, Options};
pub use ids::Ids;
pub use zhiyou_domain::{defences, fault};
