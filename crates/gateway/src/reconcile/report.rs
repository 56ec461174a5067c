//! A compared day as a person reads it, and what a run of several ends as.
//!
//! Numbers, amounts and instants only: no text of a payer or about one. Deliberately not here: any judgement.

use super::{Difference, Judged, KeptDay, Reconciled, Totals, line::Day};
use std::fmt::{self, Write as _};
use zhiyou_domain::{
    money::{Currency, Money},
    port::payments::Channel,
};

/// What a run ends as; the worst of its channels counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Everything matches.
    Clean,
    /// A bill could not be had, or a row not be judged without one.
    NotHad,
    /// There is a difference.
    Differs,
}

impl Verdict {
    /// Of one channel's day.
    #[must_use]
    pub fn of(judged: &Judged) -> Self {
        match judged {
            Judged::Compared(day) if !day.differences.is_empty() => Self::Differs,
            Judged::Compared(day) if day.undecided > 0 => Self::NotHad,
            Judged::Compared(_) => Self::Clean,
            Judged::NoBill | Judged::NotHad(..) => Self::NotHad,
        }
    }

    /// Of a day that the gateway looked at by itself; one that still waits says nothing.
    #[must_use]
    pub fn of_kept(kept: &KeptDay) -> Self {
        kept.judged.as_ref().map_or(Self::Clean, Self::of)
    }

    /// The exit code: 0, 1 for a difference, 2 for a bill that could not be had.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Differs => 1,
            Self::NotHad => 2,
        }
    }
}

/// A channel's day as text, with a line's end after every line.
#[must_use]
pub fn report(channel: Channel, day: Day, judged: &Judged) -> String {
    let mut text = String::new();
    // Writing into a string does not fail.
    let _ = write_report(&mut text, channel, day, judged);
    text
}

/// A day that the gateway looked at by itself, as text.
#[must_use]
pub fn report_kept(kept: &KeptDay) -> String {
    match &kept.judged {
        Some(judged) => report(kept.channel, kept.day, judged),
        None => format!("{} {}: waits for its bill\n", kept.channel.word(), kept.day),
    }
}

fn write_report(text: &mut String, channel: Channel, day: Day, judged: &Judged) -> fmt::Result {
    let name = channel.word();
    match judged {
        Judged::Compared(compared) => write_day(text, name, day, compared),
        Judged::NoBill => {
            writeln!(text, "{name} {day}: no bill: the day is not over, it is not made up yet, or nothing was paid")
        }
        Judged::NotHad(code, _) => writeln!(text, "{name} {day}: the bill could not be had: {code:?}"),
    }
}

fn write_day(text: &mut String, name: &str, day: Day, compared: &Reconciled) -> fmt::Result {
    let Reconciled { differences, totals, undecided } = compared;
    match differences.len() {
        0 => writeln!(text, "{name} {day}: no difference")?,
        1 => writeln!(text, "{name} {day}: 1 difference")?,
        count => writeln!(text, "{name} {day}: {count} differences")?,
    }
    for (currency, sums) in totals {
        write_totals(text, *currency, sums)?;
    }
    for difference in differences {
        write_difference(text, difference)?;
    }
    if *undecided > 0 {
        writeln!(text, "  {undecided} rows can be on the bill of a day beside, which could not be had")?;
    }
    Ok(())
}

fn write_totals(text: &mut String, currency: Currency, sums: &Totals) -> fmt::Result {
    let Totals { paid_here, paid_there, refunded_here, refunded_there, disputed_there, fees_there } = *sums;
    for (what, here, there) in [
        ("paid", Some(paid_here), paid_there),
        ("refunded", Some(refunded_here), refunded_there),
        ("disputed", None, disputed_there),
        ("fees", None, fees_there),
    ] {
        let here = here.map_or_else(|| "-".to_owned(), |minor| decimal(minor, currency));
        writeln!(text, "  {currency} {what:<9} here {here:>16}  there {:>16}", decimal(there, currency))?;
    }
    Ok(())
}

fn decimal(minor: i64, currency: Currency) -> String {
    Money::new(minor, currency).map_or_else(|_| minor.to_string(), Money::to_decimal)
}

fn write_difference(text: &mut String, difference: &Difference) -> fmt::Result {
    let number = |number: &Option<String>| number.as_deref().map_or_else(|| "-".to_owned(), plain);
    let amount = |amount: Option<Money>| {
        amount.map_or_else(|| "-".to_owned(), |amount| format!("{} {}", amount.currency(), amount.to_decimal()))
    };
    writeln!(
        text,
        "  {}: {}, ours {}, theirs {}, here {}, there {}, {}",
        difference.class.word(),
        difference.what.word(),
        number(&difference.ours),
        number(&difference.theirs),
        amount(difference.here),
        amount(difference.there),
        difference.at.to_rfc3339(),
    )
}

/// A number as it may stand on a terminal and in a log: another shop's number can be any text.
fn plain(number: &str) -> String {
    let kept = |letter: char| if letter.is_ascii_alphanumeric() || "-_.".contains(letter) { letter } else { '?' };
    number.chars().take(64).map(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::{Class, What};
    use std::collections::BTreeMap;
    use zhiyou_domain::{port::ReasonCode, time::UtcMicros};

    fn compared(differences: Vec<Difference>, undecided: usize) -> Judged {
        let sums = Totals { paid_here: 29_901, paid_there: 29_902, fees_there: 179, ..Totals::default() };
        Judged::Compared(Reconciled { differences, totals: BTreeMap::from([(Currency::CNY, sums)]), undecided })
    }

    fn differs() -> Difference {
        Difference {
            class: Class::AmountDiffers,
            what: What::Payment,
            ours: Some("01K9Z".to_owned()),
            theirs: Some("4200\u{1b}[31m 机".to_owned()),
            here: Money::new(29_901, Currency::CNY).ok(),
            there: Money::new(29_902, Currency::CNY).ok(),
            at: UtcMicros::parse_rfc3339("2026-11-20T10:00:00+08:00").unwrap(),
        }
    }

    #[test]
    fn a_difference_outweighs_a_missing_bill_which_outweighs_a_match() {
        let not_had = Judged::NotHad(ReasonCode::Network, String::new());
        for (judged, code) in [
            (compared(vec![], 0), 0),
            (compared(vec![differs()], 0), 1),
            (compared(vec![differs()], 3), 1),
            (compared(vec![], 3), 2),
            (Judged::NoBill, 2),
            (not_had, 2),
        ] {
            assert_eq!(Verdict::of(&judged).exit_code(), code, "{judged:?}");
        }
        assert_eq!([Verdict::NotHad, Verdict::Differs, Verdict::Clean].into_iter().max(), Some(Verdict::Differs));
    }

    #[test]
    fn a_day_is_told_with_its_sums_and_every_difference_and_no_foreign_text_reaches_the_terminal() {
        let day: Day = "2026-11-20".parse().unwrap();
        let text = report(Channel::Wechatpay, day, &compared(vec![differs()], 0));
        assert_eq!(
            text,
            "wechatpay 2026-11-20: 1 difference\n  \
               CNY paid      here           299.01  there           299.02\n  \
               CNY refunded  here             0.00  there             0.00\n  \
               CNY disputed  here                -  there             0.00\n  \
               CNY fees      here                -  there             1.79\n  \
               amount differs: payment, ours 01K9Z, theirs 4200??31m??, here CNY 299.01, there CNY 299.02, 2026-11-20T02:00:00Z\n"
        );
        let refused = Judged::NotHad(ReasonCode::NotAllowed, "the channel's own words".to_owned());
        let text = report(Channel::Alipay, day, &refused);
        assert_eq!(text, "alipay 2026-11-20: the bill could not be had: NotAllowed\n");
    }
}
