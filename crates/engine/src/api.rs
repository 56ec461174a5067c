//! What the interface can ask of the engine, in one list.
//!
//! The list below feeds the dispatch and the TypeScript types alike, so neither can know a command the other does not.
//! Deliberately not here: transport. A host (the shell, the browser host, a remote gateway) carries name and payload.

mod audited;
mod bindings;
pub(crate) mod cards;
pub mod command;
pub(crate) mod convert;
mod defence;
mod dispatch;
pub(crate) mod handlers;
pub mod view;

pub(crate) use audited::{About, about, told_of};
pub use bindings::typescript;
pub use dispatch::NAMES;
pub(crate) use dispatch::dispatch;

/// Commands that spend: a person's, in our own window.
const ONLY_IN_WINDOW: &[&str] =
    &["confirm_order", "retry_payment", "accept_cancellation", "keep_change", "settle_debt"];

/// Commands about the vault and what is kept in it: a person's, in our own window, in the demo too.
const NEVER_A_TOOL: &[&str] = &[
    "unlock_vault",
    "retry_keyring",
    // A closed vault holds up what is to be booked; and a window that a program says is in use is never locked.
    "lock_vault",
    "note_use",
    "read_member",
    "hand_over_flight",
    "save_traveller",
    "remove_traveller",
    "export_my_data",
    "erase_my_data",
    "rotate_consent_key",
    "rotate_root_key",
    "set_app_lock",
    "export_audit",
];

/// The command's name as ours; what a caller sends could be anything.
pub(crate) fn name_of(command: &str) -> Option<&'static str> {
    NAMES.iter().copied().find(|name| *name == command)
}

/// Whether a tool that is not the window may send a command. In the demo no money moves, so it may book there; the
/// vault's passphrase and what is personal are a person's everywhere.
pub(crate) fn tool_may(command: &str, demo: bool) -> bool {
    !NEVER_A_TOOL.contains(&command) && (demo || !ONLY_IN_WINDOW.contains(&command))
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
            login_to_platform: LoginToPlatform => AuthSessionView;
            check_auth_status: CheckAuthStatus => AuthSessionView;
            list_authenticated_apis: ListAuthenticatedApis => Vec<AuthenticatedApiView>;
            cancel_sign_in: CancelSignIn => SignInView;
            disconnect: Disconnect => SignInView;
            read_member: ReadMember => MemberView;
            hand_over_flight: HandOverFlight => HandOverView;
            prepare_order: PrepareOrder => OrderView;
            prepare_repair: PrepareRepair => OrderView;
            list_orders: ListOrders => Vec<OrderView>;
            get_order: GetOrder => OrderView;
            get_seat_maps: GetSeatMaps => SeatMapsView;
            choose_seats: ChooseSeats => OrderView;
            confirm_order: ConfirmOrder => OrderView;
            list_channels: ListOrderChannels => WaysToPayView;
            preview_channels: PreviewChannels => WaysToPayView;
            check_credit: CheckOrderCredit => CreditView;
            open_payment: OpenPayment => ();
            check_payment: CheckPayment => OrderView;
            check_payments: CheckPayments => ();
            refresh_payment: RefreshPayment => OrderView;
            retry_payment: RetryPayment => OrderView;
            cancel_order: CancelOrder => OrderView;
            quote_cancellation: QuoteCancellation => OrderView;
            accept_cancellation: AcceptCancellation => OrderView;
            keep_change: KeepChange => OrderView;
            settle_debt: SettleDebt => OrderView;
            compare_order: CompareOrder => Vec<ComparedView>;
            export_calendar: ExportCalendar => ExportedView;
            export_receipt: ExportReceipt => ExportedView;
            set_settings: SetSettings => SessionView;
            unlock_vault: UnlockVault => SessionView;
            retry_keyring: RetryKeyring => SessionView;
            lock_vault: LockVault => SessionView;
            note_use: NoteUse => ();
            rotate_root_key: RotateRootKey => SessionView;
            set_app_lock: SetAppLock => SessionView;
            open_phone: OpenPhone => ();
            list_travellers: ListTravellers => TravellersView;
            save_traveller: SaveTraveller => TravellersView;
            remove_traveller: RemoveTraveller => TravellersView;
            export_my_data: ExportMyData => ExportedView;
            erase_my_data: EraseMyData => ErasedView;
            list_consents: ListConsents => Vec<ConsentView>;
            rotate_consent_key: RotateConsentKey => ();
            list_audit: ListAudit => AuditView;
            verify_audit: VerifyAudit => AuditCheckView;
            export_audit: ExportAudit => ExportedView;
            changes: Changes => ChangesView;
        }
    };
}
pub(crate) use commands;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_never_spends_outside_the_demo_and_never_opens_the_vault_or_touches_what_is_personal() {
        assert!(ONLY_IN_WINDOW.iter().all(|name| NAMES.contains(name)), "a command was renamed");
        for name in ONLY_IN_WINDOW {
            assert!(!tool_may(name, false) && tool_may(name, true), "{name}");
        }
        for name in NEVER_A_TOOL {
            assert!(NAMES.contains(name) && !tool_may(name, false) && !tool_may(name, true), "{name}");
        }
        assert!(tool_may("get_order", false) && tool_may("prepare_order", false) && tool_may("cancel_order", false));
    }
}
