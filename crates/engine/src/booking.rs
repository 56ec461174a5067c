//! Carrying orders out: writing facts, asking the suppliers and channels, and coming back after a crash.
//!
//! Deliberately not here: deciding (the domain's) and talking MCP (see [`crate::mcp`]).

pub(crate) mod book;
mod calls;
mod lookup;
pub(crate) mod runner;

pub(crate) use calls::{Ports, Travellers};
