//! A whole life with more than a thousand planted secrets, and the search for each of them, in every form, everywhere a
//! program leaves something behind.
//!
//! A program of its own: everything it writes to its log at the finest level, its environment and its folders are this
//! life's alone. Deliberately not here: the memory of the process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod crash;
mod life;
mod planted;
mod search;
#[allow(dead_code, reason = "the integration tests use the rest of it")]
#[path = "../integration/world.rs"]
mod world;
