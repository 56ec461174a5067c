//! A whole life with more than a thousand planted secrets, and the search for each of them, in every form, everywhere a
//! program leaves something behind.
//!
//! A program of its own: everything it writes to its log at the finest level, its environment and its folders are this
//! life's alone. The memory of the app is looked at beside it, in a program of its own again (`memory`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod crash;
mod life;
mod memory;
mod planted;
mod search;
#[allow(dead_code, reason = "the integration tests use the rest of it")]
#[path = "../integration/world.rs"]
mod world;
