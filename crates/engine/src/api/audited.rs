//! Which commands the audit log tells of, and about what.
//!
//! Deliberately not here: what was done; it is noted in the transaction that does it. From here come refusals, and the
//! commands of tools.

use super::NAMES;
use crate::audit::Action;
use serde_json::Value;
use zhiyou_domain::id::{OrderId, TravellerId};

/// What a command names, as far as the audit log may know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum About {
    /// Nothing in particular, or nothing that is an id.
    Nothing,
    /// An order.
    Order(OrderId),
    /// A traveller.
    Traveller(TravellerId),
    /// A platform, by what the caller calls it; it may be unknown.
    Platform(String),
}

/// Commands whose refusal is noted.
const AUDITED: &[(&str, Action)] = &[
    ("login_to_platform", Action::SignInStart),
    ("cancel_sign_in", Action::SignInCancel),
    ("disconnect", Action::SignInDisconnect),
    ("confirm_order", Action::PaymentConfirm),
    ("retry_payment", Action::PaymentRetry),
    ("cancel_order", Action::OrderCancel),
    ("accept_cancellation", Action::CancellationAccept),
    ("keep_change", Action::ChangeKeep),
    ("settle_debt", Action::DebtSettle),
    ("set_settings", Action::SettingsSave),
    ("unlock_vault", Action::VaultUnlock),
    ("lock_vault", Action::VaultLock),
    ("retry_keyring", Action::VaultRetry),
    ("rotate_root_key", Action::RootKeyRotate),
    ("set_app_lock", Action::AppLockSet),
    ("save_traveller", Action::TravellerSave),
    ("remove_traveller", Action::TravellerRemove),
    ("export_my_data", Action::DataExport),
    ("erase_my_data", Action::DataErase),
    ("rotate_consent_key", Action::ConsentKeyRotate),
    ("export_audit", Action::AuditExport),
];

/// Reads that a tool repeats all the time and that tell it nothing personal; noting them would bury the rest.
const READS: &[&str] = &[
    "get_session",
    "list_plans",
    "get_plan",
    "list_sign_ins",
    "check_auth_status",
    "list_authenticated_apis",
    "list_orders",
    "get_order",
    "get_seat_maps",
    "list_channels",
    "preview_channels",
    "check_credit",
    "compare_order",
    "list_consents",
    "changes",
];

/// What a refusal of this command is noted as.
pub(crate) fn about(command: &str, payload: &Value) -> Option<(Action, About)> {
    let (_, action) = AUDITED.iter().find(|(name, _)| *name == command)?;
    let whole = *action == Action::DataExport && payload.get("whole") == Some(&Value::Bool(true));
    let action = if whole { Action::DataExportWhole } else { *action };
    let field = |name: &str| payload.get(name).and_then(Value::as_str);
    let order = field("order_id").and_then(|id| id.parse().ok()).map(About::Order);
    let traveller = || field("traveller_id").and_then(|id| id.parse().ok()).map(About::Traveller);
    let platform = || field("platform").map(|id| About::Platform(id.to_owned()));
    Some((action, order.or_else(traveller).or_else(platform).unwrap_or(About::Nothing)))
}

/// The name under which a tool's command is noted.
pub(crate) fn told_of(command: &str) -> Option<&'static str> {
    NAMES.iter().copied().find(|name| *name == command && !READS.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_name_is_a_command_and_what_is_about_a_thing_names_it_by_its_id_alone() {
        assert!(AUDITED.iter().map(|(name, _)| name).chain(READS).all(|name| NAMES.contains(name)), "renamed");
        let order = "ord_01KA0000000000000000000ABC";
        let (action, about_it) = about("confirm_order", &json!({ "order_id": order })).unwrap();
        assert_eq!((action, about_it), (Action::PaymentConfirm, About::Order(order.parse().unwrap())));
        let (_, about_it) = about("save_traveller", &json!({ "traveller_id": "E12345678" })).unwrap();
        assert_eq!(about_it, About::Nothing);
        assert_eq!(about("get_order", &json!({ "order_id": order })), None);
        for (whole, action) in [(true, Action::DataExportWhole), (false, Action::DataExport)] {
            assert_eq!(about("export_my_data", &json!({ "whole": whole })), Some((action, About::Nothing)));
        }
    }

    #[test]
    fn of_a_tool_everything_is_noted_but_the_reads_it_repeats_and_names_that_are_not_ours() {
        assert_eq!(told_of("export_calendar"), Some("export_calendar"));
        assert_eq!(told_of("list_travellers"), Some("list_travellers"));
        // It is a question that acts: what a payer approved is taken by it.
        assert_eq!(told_of("check_payments"), Some("check_payments"));
        assert_eq!((told_of("changes"), told_of("canary-E12345678")), (None, None));
    }
}
