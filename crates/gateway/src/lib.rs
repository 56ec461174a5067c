//! The merchant side: provider adapters with their secrets, MCP servers over them, and the webhook inbox.
//!
//! The engine reaches everything through three MCP servers (`flights`, `hotels`, `payments`); providers reach the loopback
//! listener. Each effect is sent once per call and ends as done, not sent, declined or unknown; whether to ask again is the
//! engine's decision. Deliberately not here: orders, travellers' stored tokens, the interface.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![cfg_attr(fuzzing, allow(dead_code, unused_imports))]

mod checkup;
mod config;
mod console;
mod defence;
mod gate;
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

#[cfg(any(test, fuzzing))]
#[path = "../../../tests/fuzz/harness.rs"]
mod fuzz;
#[cfg(test)]
mod outcomes;

pub use checkup::{Finding, check_up};
pub use config::{
    AlipayConfig, AlipayKeys, AlipayPlusConfig, AlipayPresents, CapConfig, Config, ConfigError, CreditConfig,
    DailyConfig, DuffelConfig, HttpConfig, InstalmentConfig, MemberPlatformConfig, PaypalConfig, PlatformKeyConfig,
    Profile, RestConfig, SettlementConfig, StripeConfig, StripeMethod, StripeMethodConfig, ViatorConfig, WechatConfig,
    WechatPresents,
};
pub use console::{Console, ConsoleError, Notification};
pub use reconcile::{
    Books, Class, Day, DayError, Difference, Judged, KeptDay, ReconcileError, Reconciled, Totals, Verdict, What,
    report, report_kept,
};
pub use secret::Sensitive;
pub use start::{Gateway, StartError, sandbox_config, start};
pub use store::StoreError;

/// Tells the time. In demo mode it is the sandbox's, so that signatures' windows move with it.
pub trait Clock: Send + Sync + 'static {
    /// Now, UTC microseconds.
    fn now(&self) -> zhiyou_domain::time::UtcMicros;
}

#[cfg(fuzzing)]
fuzz::fuzzed! {
    wechatpay: crate::pay::wechatpay::webhook::fuzz::fuzz_what_a_wechat_pay_notification_holds_is_refused_or_says_the_same_however_it_is_spelled;
    wechatpay_envelope: crate::pay::wechatpay::webhook::fuzz::fuzz_a_wechat_pay_notification_that_was_changed_is_never_accepted;
    alipay: crate::pay::alipay::webhook::fuzz::fuzz_what_an_alipay_notice_says_is_refused_or_the_same_when_it_is_written_down_again;
    alipay_envelope: crate::pay::alipay::webhook::fuzz::fuzz_an_alipay_notice_without_a_right_signature_is_never_accepted;
    stripe: crate::pay::stripe::webhook::fuzz::fuzz_a_signed_stripe_event_is_refused_or_says_the_same_however_it_is_spelled;
    stripe_envelope: crate::pay::stripe::webhook::fuzz::fuzz_a_stripe_event_that_was_changed_is_never_accepted;
    paypal: crate::pay::paypal::webhook::fuzz::fuzz_a_paypal_event_is_unreadable_or_the_same_hint_however_it_is_spelled;
    alipayplus: crate::pay::alipayplus::webhook::fuzz::fuzz_an_alipayplus_event_is_unreadable_or_the_same_hint_however_it_is_spelled;
    duffel: crate::travel::duffel::webhook::tests::fuzz_a_signed_event_is_refused_or_says_the_same_however_it_is_spelled;
}
