//! The chain of an order's journal: how rows are written down and how they are hashed, for every driver.
//!
//! Each row's hash covers the row and the hash before it, so that a changed, missing or swapped row is found.
//! Deliberately not here: where rows are kept.

use super::{Fact, Order};
use crate::{
    defect::{Defect, planted},
    id::OrderId,
    time::UtcMicros,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Version of the fact encoding this program writes; a newer one is refused, never guessed.
pub const FORMAT: i64 = 3;

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Position, from 1.
    pub seq: u64,
    /// When it was written.
    pub at: UtcMicros,
    /// Version of the encoding.
    pub format: i64,
    /// The fact, as JSON.
    pub fact: String,
    /// SHA-256 over the row and the hash before it.
    pub hash: Vec<u8>,
}

/// Why a journal cannot be used. The order is frozen; others go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// The chain or a fact does not verify.
    #[error("journal row {seq}: {why}")]
    Damaged {
        /// Row.
        seq: u64,
        /// What is wrong.
        why: String,
    },
    /// A newer version wrote it.
    #[error("journal format {format}")]
    Newer {
        /// That format.
        format: i64,
    },
}

fn damaged(seq: u64, why: impl ToString) -> Unusable {
    Unusable::Damaged { seq, why: why.to_string() }
}

/// Writes facts down after row `after` whose hash is `last` (empty for none).
///
/// # Errors
/// [`Unusable::Damaged`] when a fact cannot be written as JSON.
pub fn rows(order: OrderId, after: u64, last: &[u8], at: UtcMicros, facts: &[Fact]) -> Result<Vec<Row>, Unusable> {
    let mut hash = last.to_vec();
    let row = |(seq, fact): (u64, &Fact)| {
        let text = serde_json::to_string(fact).map_err(|error| damaged(seq, error))?;
        hash = chained(&hash, order, seq, (at, FORMAT), &text);
        Ok(Row { seq, at, format: FORMAT, fact: text, hash: hash.clone() })
    };
    (after + 1..).zip(facts).map(row).collect()
}

fn chained(last: &[u8], order: OrderId, seq: u64, (at, format): (UtcMicros, i64), fact: &str) -> Vec<u8> {
    let mut digest = Sha256::new();
    digest.update(last);
    digest.update(order.to_string());
    digest.update(seq.to_be_bytes());
    digest.update(at.0.to_be_bytes());
    digest.update(format.to_be_bytes());
    digest.update(fact);
    digest.finalize().to_vec()
}

/// Verifies that each row follows from the ones before it, without reading the facts.
///
/// # Errors
/// [`Unusable`] names the first row that does not follow, or a format this program does not know.
pub fn verify_chain(order: OrderId, rows: &[Row]) -> Result<(), Unusable> {
    let mut last: &[u8] = &[];
    for (seq, row) in (1_u64..).zip(rows) {
        let follows = row.seq == seq && chained(last, order, row.seq, (row.at, row.format), &row.fact) == row.hash;
        if row.format > FORMAT {
            return Err(Unusable::Newer { format: row.format });
        }
        if !follows && !planted(Defect::ChainUnverified) {
            return Err(damaged(seq, "it does not follow from the rows before it"));
        }
        last = &row.hash;
    }
    Ok(())
}

/// Verifies a whole journal and reads its facts.
///
/// # Errors
/// [`Unusable`] names the first row that does not follow from the ones before it, or cannot be read.
pub fn verify(order: OrderId, rows: &[Row]) -> Result<Vec<(UtcMicros, Fact)>, Unusable> {
    verify_chain(order, rows)?;
    rows.iter().map(fact).collect()
}

fn fact(row: &Row) -> Result<(UtcMicros, Fact), Unusable> {
    Ok((row.at, read(row.format, &row.fact).map_err(|error| damaged(row.seq, error))?))
}

/// Reads a fact as a format wrote it.
///
/// # Errors
/// When the text is not a fact of that format.
pub fn read(format: i64, text: &str) -> serde_json::Result<Fact> {
    // Format 3 knows one more fact, and what "paid already" means.
    if format > 2 {
        return serde_json::from_str(text);
    }
    let mut fact: Value = serde_json::from_str(text)?;
    let opening = fact["key"]["op"]["op"] == "open_payment" && fact["end"]["end"] == "declined";
    if opening && fact["end"]["reason"]["code"] == "already_paid" {
        // Until format 3 this was a refusal like any other, and what follows in the journal follows from that.
        fact["end"]["reason"]["code"] = json!("not_allowed");
    }
    if format == 1 && fact["fact"] == "confirmed" {
        // Until format 2 one payment paid everything.
        let authorise = fact.get("authorise").cloned().unwrap_or(Value::Bool(false));
        fact["parts"] = json!([{
            "attempt": fact["attempt"], "channel": fact["channel"], "amount": fact["total"], "authorise": authorise,
        }]);
    }
    serde_json::from_value(fact)
}

/// The order after all rows, from a snapshot that may be behind them; from the first row when there is none that fits.
///
/// # Errors
/// [`Unusable::Damaged`] when a row cannot be read or does not fit.
pub fn resume(snapshot: Option<Order>, rows: &[Row]) -> Result<Order, Unusable> {
    let behind = |order: &Order| usize::try_from(order.version).ok().filter(|seen| *seen <= rows.len());
    let Some((mut order, seen)) = snapshot.and_then(|order| behind(&order).map(|seen| (order, seen))) else {
        return replay(&rows.iter().map(fact).collect::<Result<Vec<_>, Unusable>>()?);
    };
    for row in rows.iter().skip(seen) {
        let (at, fact) = fact(row)?;
        order.advance_by(at, &fact).map_err(|error| damaged(row.seq, error))?;
    }
    Ok(order)
}

/// The order its facts make.
///
/// # Errors
/// [`Unusable::Damaged`] when a fact does not fit the ones before it, or there is none.
pub fn replay(facts: &[(UtcMicros, Fact)]) -> Result<Order, Unusable> {
    let Some(((at, first), rest)) = facts.split_first() else { return Err(damaged(1, "it is empty")) };
    let order = Order::create(*at, first).map_err(|error| damaged(1, error))?;
    let apply = |order: Order, (seq, (at, fact)): (u64, &(UtcMicros, Fact))| {
        order.apply(*at, fact).map_err(|error| damaged(seq, error))
    };
    (2_u64..).zip(rest).try_fold(order, apply)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::StepEnd;

    #[test]
    fn paid_already_means_in_every_format_what_it_meant_when_it_was_written() {
        let text = r#"{"fact":"step_ended","key":{"order":"ord_01K5N4F7S00000000000000003","op":{"op":"open_payment","attempt":"pay_01K5N4F7S00000000000000039"},"n":1},"end":{"end":"declined","reason":{"code":"already_paid","detail":"x"}}}"#;
        let code = |format| match read(format, text).unwrap() {
            Fact::StepEnded { end: StepEnd::Declined { reason }, .. } => reason.code,
            other => panic!("{other:?}"),
        };
        use crate::port::ReasonCode::{AlreadyPaid, NotAllowed};
        assert_eq!([1, 2, FORMAT].map(code), [NotAllowed, NotAllowed, AlreadyPaid]);
    }

    #[test]
    fn a_sentence_that_an_earlier_version_kept_still_verifies_and_is_read_as_no_word() {
        let order = "ord_01K5N4F7S00000000000000003".parse().unwrap();
        let ended = |detail: &str| {
            format!(
                r#"{{"fact":"step_ended","key":{{"order":"{order}","op":{{"op":"open_payment","attempt":"pay_01K5N4F7S00000000000000039"}},"n":1}},"end":{{"end":"declined","reason":{{"code":"sold_out","detail":"{detail}"}}}}}}"#
            )
        };
        let mut rows: Vec<Row> = Vec::new();
        for (seq, detail) in (1..).zip(["sold_out: no seat for LIN/XIA", "sold_out"]) {
            let (last, fact) = (rows.last().map(|row| row.hash.clone()).unwrap_or_default(), ended(detail));
            let hash = chained(&last, order, seq, (UtcMicros(0), FORMAT), &fact);
            rows.push(Row { seq, at: UtcMicros(0), format: FORMAT, fact, hash });
        }
        let details = verify(order, &rows).unwrap().into_iter().map(|(_, fact)| match fact {
            Fact::StepEnded { end: StepEnd::Declined { reason }, .. } => String::from(reason.detail),
            other => panic!("{other:?}"),
        });
        assert_eq!(details.collect::<Vec<_>>(), ["", "sold_out"]);
    }
}
