//! What the interface can ask of the engine, in one list.
//!
//! The list below feeds the dispatch and the TypeScript types alike, so neither can know a command the other does not.
//! Deliberately not here: transport. A host (the shell, the browser host, a remote gateway) carries name and payload.

mod bindings;
pub mod command;
mod convert;
mod dispatch;
pub(crate) mod handlers;
pub mod view;

pub use bindings::typescript;
pub use dispatch::NAMES;
pub(crate) use dispatch::dispatch;

/// Commands that spend, or open what was locked: a person's, in our own window.
const ONLY_IN_WINDOW: &[&str] =
    &["confirm_order", "retry_payment", "accept_cancellation", "keep_change", "settle_debt", "unlock_vault"];

/// Whether a tool that is not the window may send a command. In the demo no money moves, so it may book there; the
/// vault's passphrase is a person's everywhere.
pub(crate) fn tool_may(command: &str, demo: bool) -> bool {
    !ONLY_IN_WINDOW.contains(&command) || (demo && command != "unlock_vault")
}

/// Calls `$use! { name: Command => Result; … }` with every command of the API.
macro_rules! commands {
    ($use:ident) => {
        $use! {
            get_session: GetSession => SessionView;
            list_plans: ListPlans => Vec<PlanView>;
            import_plan: ImportPlan => PlanView;
            import_sample: ImportSample => PlanView;
            get_plan: GetPlan => PlanView;
            set_item_priority: SetItemPriority => PlanView;
            archive_plan: ArchivePlan => PlanView;
            list_sign_ins: ListSignIns => Vec<SignInView>;
            start_sign_in: StartSignIn => SignInView;
            cancel_sign_in: CancelSignIn => SignInView;
            disconnect: Disconnect => SignInView;
            prepare_order: PrepareOrder => OrderView;
            prepare_repair: PrepareRepair => OrderView;
            list_orders: ListOrders => Vec<OrderView>;
            get_order: GetOrder => OrderView;
            get_seat_maps: GetSeatMaps => SeatMapsView;
            choose_seats: ChooseSeats => OrderView;
            confirm_order: ConfirmOrder => OrderView;
            list_channels: ListOrderChannels => Vec<ChannelView>;
            open_payment: OpenPayment => ();
            check_payment: CheckPayment => OrderView;
            retry_payment: RetryPayment => OrderView;
            cancel_order: CancelOrder => OrderView;
            quote_cancellation: QuoteCancellation => OrderView;
            accept_cancellation: AcceptCancellation => OrderView;
            keep_change: KeepChange => OrderView;
            settle_debt: SettleDebt => OrderView;
            compare_order: CompareOrder => Vec<ComparedView>;
            export_calendar: ExportCalendar => ExportedView;
            set_settings: SetSettings => SessionView;
            unlock_vault: UnlockVault => SessionView;
            retry_keyring: RetryKeyring => SessionView;
            open_phone: OpenPhone => ();
            changes: Changes => ChangesView;
        }
    };
}
pub(crate) use commands;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_never_spends_outside_the_demo_and_never_opens_the_vault() {
        assert!(ONLY_IN_WINDOW.iter().all(|name| NAMES.contains(name)), "a command was renamed");
        for name in ONLY_IN_WINDOW {
            assert!(!tool_may(name, false), "{name}");
        }
        assert!(tool_may("confirm_order", true) && !tool_may("unlock_vault", true));
        assert!(tool_may("get_order", false) && tool_may("prepare_order", false) && tool_may("cancel_order", false));
    }
}
