//! The sandbox over its own wire: faults, time, restarts and the rules that keep money and seats single.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "wire/alipay.rs"]
mod alipay;
#[path = "wire/alipayplus.rs"]
mod alipayplus;
#[path = "wire/bench.rs"]
mod bench;
#[path = "wire/cards.rs"]
mod cards;
#[path = "wire/control.rs"]
mod control;
#[path = "wire/flights.rs"]
mod flights;
#[path = "wire/payments.rs"]
mod payments;
#[path = "wire/paypal.rs"]
mod paypal;
#[path = "wire/sign_in.rs"]
mod sign_in;
#[path = "wire/stays.rs"]
mod stays;
#[path = "wire/turkish.rs"]
mod turkish;
