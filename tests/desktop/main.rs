//! The real window, driven from outside through the web view's own driver, in a session of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod attacks;
mod driver;
mod hosted;
mod journeys;
mod keyrings;
mod members;
mod stage;
