//! Carrying orders out: writing facts, asking the suppliers and channels, and coming back after a crash.
//!
//! Deliberately not here: deciding (the domain's) and talking MCP (see [`crate::mcp`]).

pub mod book;
mod calls;
pub mod questions;
pub mod runner;
pub mod steps;
#[cfg(test)]
mod tests;
mod updates;

pub(crate) use calls::{Ports, Standing, Travellers};
pub(crate) use steps::Suppliers;
