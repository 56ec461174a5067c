//! Notifications: prove who spoke, then only note whom to ask about.
//!
//! The signature covers a checksum of the body that anybody can forge another body for, so no notification brings money,
//! takes it away or closes anything: each one is a hint, and the question that follows decides. Its transmission id and its
//! event id may each be used for one content only. A dispute has no row of ours that could be asked about: what its
//! notification does not prove, the channel's own answer about that dispute does, and only that is passed on. Deliberately
//! not here: storing and applying, which is the inbox's.

use super::{
    Paypal,
    sign::{ProofError, Transmission},
    wire,
};
use crate::{
    defence::{Defence, off},
    pay::{DisputeSeen, Notice, NoticeContent, Refused},
};
use aws_lc_rs::digest;
use axum::http::HeaderMap;
use zhiyou_domain::{port::Outcome, time::UtcMicros};

pub(super) async fn read(
    channel: &Paypal,
    headers: &HeaderMap,
    body: &[u8],
    now: UtcMicros,
) -> Result<Notice, Refused> {
    let transmission = Transmission::read(headers, now).map_err(refused)?;
    match channel.certificates.key(transmission.certificate_url, now).await {
        Err(ProofError::Unreachable(_)) if off(Defence::FailsClosed) => {}
        key => {
            let key = key.map_err(refused)?;
            transmission.verify(&key, &channel.webhook_id, body).map_err(refused)?;
        }
    }
    let event: wire::Event = serde_json::from_slice(body).map_err(|error| Refused::Unreadable(error.to_string()))?;
    let (event_id, second_id) = (transmission.id.to_owned(), Some(event.id.clone()));
    let digest = hex::encode(digest::digest(&digest::SHA256, body));
    let content = match &event.resource.dispute_id {
        Some(id) if event.resource_type == "dispute" => disputed(channel, id, now).await?,
        Some(_) | None => said(event, body),
    };
    Ok(Notice { event_id, second_id, digest, content })
}

/// What the channel itself says about the dispute a notification names.
async fn disputed(channel: &Paypal, id: &str, now: UtcMicros) -> Result<NoticeContent, Refused> {
    match channel.dispute(id).await {
        Outcome::Done(Some(dispute)) => dispute_content(id, &dispute, now),
        Outcome::Done(None) => Ok(NoticeContent::Ignored("a dispute the channel does not know".to_owned())),
        Outcome::NotSent(reason) | Outcome::Declined(reason) | Outcome::Unknown(reason) => {
            Err(Refused::Unprovable(format!("the dispute cannot be asked about: {}", reason.detail)))
        }
    }
}

fn dispute_content(id: &str, dispute: &wire::Dispute, asked: UtcMicros) -> Result<NoticeContent, Refused> {
    if dispute.dispute_id != id {
        return Err(Refused::Unprovable("the answer is about another dispute".to_owned()));
    }
    let payment = match dispute.disputed_transactions.as_slice() {
        [one] => one.seller_transaction_id.clone(),
        _ => None,
    };
    let Some(payment) = payment else {
        tracing::error!(id, "a dispute that does not name one payment: somebody has to look at the channel");
        return Ok(NoticeContent::Ignored("a dispute that does not name one payment".to_owned()));
    };
    Ok(match dispute.about() {
        Ok(amount) => {
            let (dispute_id, state) = (dispute.dispute_id.clone(), dispute.state());
            let seen = DisputeSeen { dispute_id, amount: Some(amount), state, as_of_us: Some(asked) };
            NoticeContent::Dispute(payment, seen)
        }
        Err(problem) => NoticeContent::Foreign(problem.to_owned()),
    })
}

#[cfg(not(test))]
fn said(event: wire::Event, _: &[u8]) -> NoticeContent {
    content(event)
}

/// Without the rule that a notification is a hint, the body would be believed.
#[cfg(test)]
fn said(event: wire::Event, body: &[u8]) -> NoticeContent {
    if off(Defence::HintOnly) { tests::believed(body) } else { content(event) }
}

fn refused(error: ProofError) -> Refused {
    match error {
        ProofError::Unreachable(_) => Refused::Unprovable(error.to_string()),
        ProofError::Header(_)
        | ProofError::Algorithm
        | ProofError::Window
        | ProofError::Address
        | ProofError::Certificate(_)
        | ProofError::Wrong => Refused::NotAuthentic(error.to_string()),
    }
}

/// Whom it is about. An order carries our number in its purchase unit, what follows from it carries it itself; a refund
/// carries the refund's.
fn content(event: wire::Event) -> NoticeContent {
    let of_unit = || event.resource.purchase_units.first().and_then(|unit| unit.custom_id.clone());
    let found = match event.resource_type.as_str() {
        "checkout-order" => of_unit().map(NoticeContent::PaymentHint),
        "capture" | "authorization" => event.resource.custom_id.clone().map(NoticeContent::PaymentHint),
        "refund" => event.resource.custom_id.clone().map(NoticeContent::RefundHint),
        _ => None,
    };
    found.unwrap_or_else(|| NoticeContent::Ignored(format!("{} of {}", event.event_type, event.resource_type)))
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;

#[cfg(test)]
mod tests {
    use super::super::standing::captured;
    use super::{NoticeContent, Refused, UtcMicros, dispute_content, wire};
    use serde_json::{Value, json};
    use zhiyou_domain::port::payments::DisputeState;

    const ASKED: UtcMicros = UtcMicros(1_795_000_000_000_000);

    /// A dispute as the channel answers it, changed.
    fn dispute(change: impl FnOnce(&mut Value)) -> Result<NoticeContent, Refused> {
        let mut dispute = json!({
            "dispute_id": "PP-D-4012", "create_time": "2026-11-20T04:18:00.000Z", "reason": "MERCHANDISE_OR_SERVICE_NOT_RECEIVED",
            "disputed_transactions": [{"seller_transaction_id": "3C679366HH908993F", "transaction_status": "COMPLETED",
                "gross_amount": {"currency_code": "USD", "value": "299.01"}}],
            "status": "WAITING_FOR_SELLER_RESPONSE", "dispute_life_cycle_stage": "CHARGEBACK",
            "dispute_amount": {"currency_code": "USD", "value": "96.00"},
        });
        change(&mut dispute);
        dispute_content("PP-D-4012", &serde_json::from_value(dispute).unwrap(), ASKED)
    }

    fn ends(code: Value, refunded: Value) -> (DisputeState, i64) {
        let said = dispute(|dispute| {
            dispute["status"] = "RESOLVED".into();
            dispute["dispute_outcome"] = json!({"outcome_code": code, "amount_refunded": refunded});
        });
        let Ok(NoticeContent::Dispute(number, seen)) = said else { panic!("{said:?}") };
        assert_eq!((number.as_str(), seen.dispute_id.as_str()), ("3C679366HH908993F", "PP-D-4012"));
        assert_eq!(seen.as_of_us, Some(ASKED), "it was asked, so that it answers as of now");
        (seen.state, seen.amount.unwrap().minor())
    }

    #[test]
    fn a_dispute_is_won_or_lost_only_where_the_channel_says_for_whom() {
        use DisputeState::{Lost, Open, Won};
        let usd = |value: &str| json!({"currency_code": "USD", "value": value});
        assert_eq!(ends("RESOLVED_BUYER_FAVOUR".into(), Value::Null), (Lost, 9_600));
        assert_eq!(ends("RESOLVED_BUYER_FAVOUR".into(), usd("50.00")), (Lost, 5_000), "what the payer got back");
        for code in ["RESOLVED_SELLER_FAVOUR", "CANCELED_BY_BUYER", "DENIED"] {
            assert_eq!(ends(code.into(), Value::Null), (Won, 9_600), "{code}");
        }
        for code in ["RESOLVED_WITH_PAYOUT", "ACCEPTED", "NONE", "LOST", "SOMETHING_NEW"] {
            assert_eq!(ends(code.into(), usd("50.00")), (Open, 9_600), "{code}");
        }
        assert_eq!(ends(Value::Null, Value::Null), (Open, 9_600));
        for status in ["OPEN", "WAITING_FOR_BUYER_RESPONSE", "UNDER_REVIEW", "OTHER", "SOMETHING_NEW"] {
            let said = dispute(|dispute| {
                dispute["status"] = status.into();
                dispute["dispute_outcome"] = json!({"outcome_code": "RESOLVED_BUYER_FAVOUR"});
            });
            assert!(matches!(said, Ok(NoticeContent::Dispute(_, seen)) if seen.state == Open), "{status}");
        }
    }

    #[test]
    fn an_answer_about_another_dispute_another_currency_or_not_one_payment_moves_nothing() {
        let other = dispute(|dispute| dispute["dispute_id"] = "PP-D-4013".into());
        assert!(matches!(other, Err(Refused::Unprovable(_))));
        let none = dispute(|dispute| dispute["disputed_transactions"] = json!([]));
        let unnamed = dispute(|dispute| dispute["disputed_transactions"] = json!([{}]));
        let two = dispute(|dispute| {
            let one = dispute["disputed_transactions"][0].clone();
            dispute["disputed_transactions"] = json!([one, one]);
        });
        for said in [none, unnamed, two] {
            assert!(matches!(said, Ok(NoticeContent::Ignored(_))), "{said:?}");
        }
        for (value, currency) in [("0.00", "USD"), ("-1.00", "USD"), ("96.00", "CNY"), ("96.001", "USD")] {
            let odd = dispute(|dispute| dispute["dispute_amount"] = json!({"currency_code": currency, "value": value}));
            assert!(matches!(odd, Ok(NoticeContent::Foreign(_))), "{odd:?}");
        }
    }

    /// What a reader does that trusts the body: money came, as it says.
    pub(super) fn believed(body: &[u8]) -> NoticeContent {
        let event: serde_json::Value = serde_json::from_slice(body).unwrap();
        let capture: wire::Capture = serde_json::from_value(event["resource"].clone()).unwrap();
        let total = capture.amount.as_ref().unwrap().money().unwrap();
        NoticeContent::Payment(capture.custom_id.clone().unwrap(), captured(&capture, total).unwrap())
    }
}
