//! What each command does.
//!
//! A handler checks, calls one part of the engine, and converts the answer. Deliberately not here: decisions about money
//! and states (the domain's), and the effects of booking (the runner's).

pub(crate) mod audit;
pub(crate) mod orders;
pub(crate) mod payments;
pub(crate) mod people;
pub(crate) mod plans;
pub(crate) mod session;
pub(crate) mod sign_ins;
