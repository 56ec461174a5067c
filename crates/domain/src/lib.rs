//! What is true: money, ids, time, plans, orders, the contracts of the ports, and every decision about them.
//!
//! Everything here is a pure function of its arguments: `(state, fact) -> state`, `(state, now) -> actions`.
//! Deliberately not here: a clock, randomness, IO of any kind, an async runtime, storage, a provider's wire
//! format, and the view types of the interface.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![cfg_attr(fuzzing, allow(dead_code, unused_imports))]

pub mod app;
pub mod booking;
pub mod defect;
pub mod defence;
pub mod driver;
pub mod fault;
#[cfg(any(test, fuzzing))]
#[path = "../../../tests/fuzz/harness.rs"]
mod fuzz;
pub mod id;
pub mod money;
pub mod order;
pub mod places;
pub mod plan;
pub mod policy;
pub mod port;
pub mod routing;
pub mod screening;
pub mod time;

#[cfg(fuzzing)]
fuzz::fuzzed! {
    plan: crate::plan::import::fuzz::fuzz_a_plan_file_is_refused_with_its_place_or_prints_back_to_the_same_plan;
}
