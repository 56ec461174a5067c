//! Engine, gateway and sandbox together, without a window: the main job and what can go wrong in it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod channels;
mod credit;
mod faults;
mod hosted;
mod input;
mod locking;
mod main_job;
mod member;
#[path = "../page.rs"]
mod page;
mod people;
mod screening;
mod sign_ins;
mod storage;
mod tools;
mod window;
mod world;
