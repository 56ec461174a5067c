//! The merchant side: provider adapters with their secrets, MCP servers over them, and the webhook inbox.
//!
//! The engine reaches everything through three MCP servers (`flights`, `hotels`, `payments`); providers reach the loopback
//! listener. Each effect is sent once per call and ends as done, not sent, declined or unknown; whether to ask again is the
//! engine's decision. Deliberately not here: orders, travellers' stored tokens, the interface.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod checkup;
mod config;
mod console;
mod defence;
mod http;
mod inbox;
mod mcp;
mod pay;
mod reconcile;
mod rest;
mod secret;
mod start;
mod store;
mod travel;

#[cfg(test)]
#[path = "../../../tests/fuzz/harness.rs"]
mod fuzz;
#[cfg(test)]
mod outcomes;

pub use checkup::{Finding, check_up};
pub use config::{
    AlipayConfig, AlipayKeys, AlipayPresents, CapConfig, Config, ConfigError, DuffelConfig, HttpConfig,
    MemberPlatformConfig, PaypalConfig, PlatformKeyConfig, Profile, RestConfig, StripeConfig, ViatorConfig,
    WechatConfig,
};
pub use console::{Console, ConsoleError, Notification};
pub use reconcile::{
    Books, Class, Day, DayError, Difference, Judged, ReconcileError, Reconciled, Totals, Verdict, What, report,
};
pub use secret::Sensitive;
pub use start::{Gateway, StartError, sandbox_config, start};
pub use store::StoreError;

/// Tells the time. In demo mode it is the sandbox's, so that signatures' windows move with it.
pub trait Clock: Send + Sync + 'static {
    /// Now, UTC microseconds.
    fn now(&self) -> zhiyou_domain::time::UtcMicros;
}
