//! The account's transactions of a UTC day, page by page.
//!
//! Source: developer.paypal.com, Transaction Search and its event codes. A transaction can take three hours to appear; the
//! answer says up to when it is complete. A whole account's list is limited to 10,000 a request. Deliberately not here: what
//! the lines mean for our book, and authorisations, which move nothing.

use super::{Paypal, integrity, wire};
use crate::reconcile::line::{Bill, BillLine, Day, LineState, Midnight, What};
use wire::{Amount, TransactionInfo, TransactionStatus};
use zhiyou_domain::{
    money::Money,
    port::{Outcome, Reason, ReasonCode},
    time::UtcMicros,
};

/// The most a page holds.
const PAGE: u32 = 500;
/// How long a transaction takes to appear at most, minutes.
const APPEARS_MIN: i64 = 3 * 60;
/// Pages that are read of a day before giving up.
const PAGES_MAX: u32 = 20;

impl Paypal {
    /// Everything that moved on a day; none before all of it can be seen.
    pub(super) async fn transactions_of(&self, day: Day) -> Outcome<Bill> {
        let (from, until) = (day.from(Midnight::Utc), day.until(Midnight::Utc));
        if self.clock.now() < until.plus_minutes(APPEARS_MIN) {
            return Outcome::Done(Bill::NotYet);
        }
        let mut lines = Vec::new();
        let mut promised = None;
        for number in 1..=PAGES_MAX {
            // Both ends belong to the window, in whole seconds.
            let path = format!(
                "/v1/reporting/transactions?start_date={day}T00:00:00Z&end_date={day}T23:59:59Z&fields=transaction_info\
                 &balance_affecting_records_only=Y&page_size={PAGE}&page={number}"
            );
            let page = match self.get(&path).await.outcome::<wire::Transactions>() {
                Outcome::Done(page) => page,
                other => return other.map(|_| Bill::NotYet),
            };
            let complete = page.last_refreshed_datetime.as_deref().map(instant).transpose();
            match complete {
                Err(problem) => return integrity(problem),
                Ok(Some(complete)) if complete < until => return Outcome::Done(Bill::NotYet),
                Ok(Some(_) | None) => {}
            }
            if page.page != number || *promised.get_or_insert(page.total_items) != page.total_items {
                return integrity("another page than was asked for");
            }
            for detail in &page.transaction_details {
                match line(&detail.transaction_info) {
                    Ok(line) if line.at >= from && line.at < until => lines.push(line),
                    Ok(_) => return integrity("a transaction of another day"),
                    Err(problem) => return integrity(problem),
                }
            }
            if number >= page.total_pages {
                return if u64::try_from(lines.len()) == Ok(page.total_items) {
                    Outcome::Done(Bill::Of(lines))
                } else {
                    integrity("other transactions than were promised")
                };
            }
        }
        Outcome::Unknown(Reason::new(ReasonCode::ProviderFault, "too many transactions on one day"))
    }
}

/// What an event code means. A code that is not known moves something: it is shown if it names a number of ours.
fn what(code: &str) -> What {
    match code {
        "T1106" | "T1201" => What::Dispute,
        "T1107" => What::Refund,
        "T1202" => What::DisputeReturned,
        "T1108" | "T1109" => What::Fee,
        _ if code.starts_with("T00") => What::Payment,
        _ if code.starts_with("T01") => What::Fee,
        _ => What::Other,
    }
}

fn line(info: &TransactionInfo) -> Result<BillLine, &'static str> {
    let amount = info.transaction_amount.moved()?;
    let kept = info.fee_amount.as_ref().map(Amount::moved).transpose()?;
    let what = match what(&info.transaction_event_code) {
        // Money that we paid to somebody.
        What::Payment if !amount.is_positive() => What::Other,
        known => known,
    };
    let size = if amount.is_positive() { amount } else { negated(amount)? };
    let told = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    Ok(BillLine {
        what,
        theirs: info.transaction_id.clone(),
        ours: told(&info.custom_field).or_else(|| told(&info.invoice_id)),
        payment: told(&info.paypal_reference_id),
        amount: match what {
            What::Fee => negated(amount)?,
            What::Other => amount,
            What::Payment | What::Refund | What::RefundReturned | What::Dispute | What::DisputeReturned => size,
        },
        fee: kept.map(negated).transpose()?,
        at: instant(&info.transaction_initiation_date)?,
        state: match info.transaction_status {
            // What reversed it is a transaction of its own.
            TransactionStatus::S | TransactionStatus::V => LineState::Settled,
            TransactionStatus::P => LineState::Pending,
            TransactionStatus::D => LineState::Failed,
            TransactionStatus::Unknown => return Err("a transaction in an unknown state"),
        },
    })
}

fn negated(amount: Money) -> Result<Money, &'static str> {
    Money::zero(amount.currency()).minus(amount).map_err(|_| "an impossible amount")
}

/// `2026-11-20T04:03:52+0000`: the offset comes without a colon.
fn instant(text: &str) -> Result<UtcMicros, &'static str> {
    let (head, tail) = text.split_at_checked(text.len().saturating_sub(5)).ok_or("an unreadable time")?;
    let spelled = match (tail.get(..3), tail.get(3..)) {
        (Some(hours), Some(minutes)) if hours.starts_with(['+', '-']) => format!("{head}{hours}:{minutes}"),
        _ => text.to_owned(),
    };
    UtcMicros::parse_rfc3339(&spelled).map_err(|_| "an unreadable time")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_with_and_without_a_colon() {
        let wanted = UtcMicros::parse_rfc3339("2026-11-20T04:03:52Z").unwrap();
        for text in [
            "2026-11-20T04:03:52Z",
            "2026-11-20T04:03:52+0000",
            "2026-11-20T12:03:52+08:00",
            "2026-11-19T21:03:52-0700",
        ] {
            assert_eq!(instant(text), Ok(wanted), "{text}");
        }
        for text in ["", "2026-11-20", "2026-11-20T04:03:52", "机票机票"] {
            assert!(instant(text).is_err(), "{text}");
        }
    }

    #[test]
    fn event_codes_say_which_way_money_went() {
        let info = |code: &str, value: &str| {
            let text = format!(
                r#"{{"transaction_id":"5TY05013RG002845M","transaction_event_code":"{code}",
                "transaction_initiation_date":"2026-11-20T04:03:52+0000","transaction_amount":{{"currency_code":"USD","value":"{value}"}},
                "fee_amount":{{"currency_code":"USD","value":"-0.59"}},"transaction_status":"S","invoice_id":"N1"}}"#
            );
            line(&serde_json::from_str(&text).unwrap()).unwrap()
        };
        for (code, value, what, minor) in [
            ("T0006", "10.00", What::Payment, 1_000),
            ("T0006", "-10.00", What::Other, -1_000),
            ("T1107", "-10.00", What::Refund, 1_000),
            ("T1106", "-10.00", What::Dispute, 1_000),
            ("T1201", "-10.00", What::Dispute, 1_000),
            ("T1202", "10.00", What::DisputeReturned, 1_000),
            ("T0106", "-20.00", What::Fee, 2_000),
            ("T0400", "-99.00", What::Other, -9_900),
            ("T1110", "-10.00", What::Other, -1_000),
        ] {
            let line = info(code, value);
            assert_eq!((line.what, line.amount.minor()), (what, minor), "{code} {value}");
            assert_eq!((line.fee.map(Money::minor), line.ours.as_deref()), (Some(59), Some("N1")));
        }
    }
}
