//! Our book of a day against the channel's bills: a pure comparison that finds every difference and names its class.
//!
//! A line finds its row by number, whatever its day. A row has to be on a bill between the first and the last moment the
//! channel can have booked it: it is asked for once, on the day that its last moment falls on, and then the bills of the
//! days before count too. Deliberately not here: where rows and bills come from.

use super::line::{BillLine, Day, LineState, Midnight, What};
use std::collections::{BTreeMap, BTreeSet};
use zhiyou_domain::{
    id::{AttemptId, RefundId},
    money::{Currency, Money, MoneyError},
    time::UtcMicros,
};

/// The most bills of other days that are asked for because of one row.
const DAYS_MAX: usize = 31;

/// A row of our book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    /// Our number.
    pub(crate) ours: String,
    /// The channel's number, if it ever told us.
    pub(crate) theirs: Option<String>,
    pub(crate) amount: Money,
    pub(crate) standing: Standing,
    /// The first moment the channel can have booked it.
    pub(crate) first: UtcMicros,
    /// The last moment the channel can have booked it.
    pub(crate) last: UtcMicros,
}

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Payment,
    Refund,
    /// Our number is the payment's, the channel's is the dispute's.
    Dispute,
}

/// Where a row stands for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The money moved. A dispute's is taken.
    Moved,
    /// Asked for, or accepted; it may still move.
    Open,
    /// A person has to see to it.
    Manual,
    /// It will not move, or came back. A dispute's was won.
    Failed,
    /// The channel refused it before anything existed there.
    Never,
}

/// How the bill and the book differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// The channel moved money under a number that looks like one of ours and that we have no row of.
    MissingHere,
    /// Our row says that money moved, and no bill it can be on has it.
    MissingThere,
    /// Another amount.
    AmountDiffers,
    /// Another currency.
    CurrencyDiffers,
    /// Both know it and it stands differently: paid, given back or taken back there and not here, or the other way round.
    StateDiffers,
    /// The channel moved money more than once for one row of ours.
    Duplicate,
    /// The channel moved money under a number that is none of ours.
    Foreign,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 7] = [
        Self::MissingHere,
        Self::MissingThere,
        Self::AmountDiffers,
        Self::CurrencyDiffers,
        Self::StateDiffers,
        Self::Duplicate,
        Self::Foreign,
    ];

    /// As it is shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::MissingHere => "missing here",
            Self::MissingThere => "missing there",
            Self::AmountDiffers => "amount differs",
            Self::CurrencyDiffers => "currency differs",
            Self::StateDiffers => "state differs",
            Self::Duplicate => "duplicate",
            Self::Foreign => "foreign",
        }
    }
}

/// One difference; numbers and amounts only, no personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// How it differs.
    pub class: Class,
    /// What it is about.
    pub what: What,
    /// Our number, or the one the channel takes for ours.
    pub ours: Option<String>,
    /// The channel's number.
    pub theirs: Option<String>,
    /// What our row says.
    pub here: Option<Money>,
    /// What the bill says.
    pub there: Option<Money>,
    /// When, as the bill says, or as our row does where there is no line.
    pub at: UtcMicros,
}

/// The sums of a day in one currency, minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Payments that our book has on this day.
    pub paid_here: i64,
    /// Payments on the bill.
    pub paid_there: i64,
    /// Refunds that our book has on this day.
    pub refunded_here: i64,
    /// Refunds on the bill, less those that came back.
    pub refunded_there: i64,
    /// What was taken back on the bill, less what came back.
    pub disputed_there: i64,
    /// What the channel charged on the bill.
    pub fees_there: i64,
}

/// What a comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Compared {
    pub(crate) differences: Vec<Difference>,
    pub(crate) totals: BTreeMap<Currency, Totals>,
    /// Days whose bills have to be known before the day can be judged.
    pub(crate) wanted: BTreeSet<Day>,
    /// How many rows depend on those.
    pub(crate) undecided: usize,
}

/// Compares a day. `bills` has the bill of that day, and of the other days as far as they could be had.
///
/// # Errors
/// [`MoneyError::Overflow`] when a sum leaves the range of amounts.
pub(crate) fn compare(
    book: &[Entry],
    day: Day,
    midnight: Midnight,
    bills: &BTreeMap<Day, Vec<BillLine>>,
) -> Result<Compared, MoneyError> {
    let comparison = Comparison { index: Index::of(book), day, midnight, bills };
    let mut found = Compared::default();
    let mut matched: BTreeMap<usize, Vec<&BillLine>> = BTreeMap::new();
    for line in bills.get(&day).into_iter().flatten() {
        count(&mut found.totals, line)?;
        match comparison.index.of_line(line) {
            Some(at) => matched.entry(at).or_default().push(line),
            None => found.differences.extend(comparison.stranger(line)),
        }
    }
    for (at, entry) in book.iter().enumerate() {
        let lines = matched.get(&at).map(Vec::as_slice).unwrap_or_default();
        let present = comparison.judge(at, entry, lines, &mut found);
        if present && entry.standing == Standing::Moved {
            let totals = found.totals.entry(entry.amount.currency()).or_default();
            match entry.kind {
                Kind::Payment => totals.paid_here = plus(totals.paid_here, entry.amount)?,
                Kind::Refund => totals.refunded_here = plus(totals.refunded_here, entry.amount)?,
                Kind::Dispute => {}
            }
        }
    }
    found.differences.sort_by(|a, b| (a.at, a.class, &a.theirs, &a.ours).cmp(&(b.at, b.class, &b.theirs, &b.ours)));
    Ok(found)
}

fn plus(sum: i64, amount: Money) -> Result<i64, MoneyError> {
    let sum = sum.checked_add(amount.minor()).ok_or(MoneyError::Overflow)?;
    Money::new(sum, amount.currency()).map(Money::minor)
}

fn minus(sum: i64, amount: Money) -> Result<i64, MoneyError> {
    let sum = sum.checked_sub(amount.minor()).ok_or(MoneyError::Overflow)?;
    Money::new(sum, amount.currency()).map(Money::minor)
}

/// Adds a line to the sums; what did not happen is no money.
fn count(totals: &mut BTreeMap<Currency, Totals>, line: &BillLine) -> Result<(), MoneyError> {
    if let Some(fee) = line.fee {
        let totals = totals.entry(fee.currency()).or_default();
        totals.fees_there = plus(totals.fees_there, fee)?;
    }
    let totals = totals.entry(line.amount.currency()).or_default();
    match (line.what, line.state) {
        (What::Payment, LineState::Settled | LineState::Returned) => {
            totals.paid_there = plus(totals.paid_there, line.amount)?;
        }
        // A refund under way has left our account.
        (What::Refund, LineState::Settled | LineState::Pending | LineState::Returned) => {
            totals.refunded_there = plus(totals.refunded_there, line.amount)?;
        }
        (What::RefundReturned, _) => totals.refunded_there = minus(totals.refunded_there, line.amount)?,
        (What::Dispute, _) => totals.disputed_there = plus(totals.disputed_there, line.amount)?,
        (What::DisputeReturned, _) => totals.disputed_there = minus(totals.disputed_there, line.amount)?,
        (What::Fee, _) => totals.fees_there = plus(totals.fees_there, line.amount)?,
        (What::Payment, LineState::Pending | LineState::Failed)
        | (What::Refund, LineState::Failed)
        | (What::Other, _) => {}
    }
    Ok(())
}

/// Rows by their numbers.
struct Index<'a> {
    ours: BTreeMap<(Kind, &'a str), usize>,
    theirs: BTreeMap<(Kind, &'a str), usize>,
}

impl<'a> Index<'a> {
    fn of(book: &'a [Entry]) -> Self {
        let rows = || book.iter().enumerate();
        let theirs = |(at, entry): (usize, &'a Entry)| Some(((entry.kind, entry.theirs.as_deref()?), at));
        Self {
            ours: rows().map(|(at, entry)| ((entry.kind, entry.ours.as_str()), at)).collect(),
            theirs: rows().filter_map(theirs).collect(),
        }
    }

    fn find(&self, kind: Kind, number: &str) -> Option<usize> {
        self.theirs.get(&(kind, number)).or_else(|| self.ours.get(&(kind, number))).copied()
    }

    /// The row of a line: by the channel's number, which is the surer one, or by ours.
    fn of_line(&self, line: &BillLine) -> Option<usize> {
        match line.what {
            What::Payment => self.numbered(Kind::Payment, line),
            What::Refund | What::RefundReturned => self.numbered(Kind::Refund, line),
            What::Dispute | What::DisputeReturned => self.numbered(Kind::Dispute, line),
            What::Fee | What::Other => None,
        }
    }

    fn numbered(&self, kind: Kind, line: &BillLine) -> Option<usize> {
        let by_theirs = self.theirs.get(&(kind, line.theirs.as_str())).copied();
        by_theirs.or_else(|| self.ours.get(&(kind, line.ours.as_deref()?)).copied())
    }

    /// Whether a line is about a payment that we have a row of.
    fn knows_payment(&self, line: &BillLine) -> bool {
        let numbers = line.payment.iter().chain(&line.ours);
        numbers.into_iter().any(|number| self.find(Kind::Payment, number).is_some())
    }
}

struct Comparison<'a> {
    index: Index<'a>,
    day: Day,
    midnight: Midnight,
    bills: &'a BTreeMap<Day, Vec<BillLine>>,
}

impl Comparison<'_> {
    /// What a line without a row is.
    fn stranger(&self, line: &BillLine) -> Option<Difference> {
        let looks_ours = |number: &str| match line.what {
            What::Refund | What::RefundReturned => RefundId::parse_bare(number).is_ok(),
            What::Payment | What::Dispute | What::DisputeReturned | What::Fee | What::Other => {
                AttemptId::parse_bare(number).is_ok()
            }
        };
        let class = match line.what {
            What::Fee => return None,
            What::Other if self.index.knows_payment(line) => Class::StateDiffers,
            What::Other => return None,
            // Nothing moved.
            What::Payment if line.state == LineState::Failed => return None,
            What::Refund | What::RefundReturned | What::Dispute | What::DisputeReturned
                if self.index.knows_payment(line) =>
            {
                Class::StateDiffers
            }
            What::Refund if line.state == LineState::Failed => return None,
            What::Payment | What::Refund | What::RefundReturned | What::Dispute | What::DisputeReturned => {
                if line.ours.as_deref().or(line.payment.as_deref()).is_some_and(looks_ours) {
                    Class::MissingHere
                } else {
                    Class::Foreign
                }
            }
        };
        Some(difference(class, line, None))
    }

    /// Compares a row with its lines; answers whether the day has the row.
    fn judge(&self, at: usize, entry: &Entry, lines: &[&BillLine], found: &mut Compared) -> bool {
        self.judge_returns(entry, lines, found);
        let dispute = entry.kind == Kind::Dispute;
        // Under another number of the channel than the one we know, it is another movement.
        let own = |line: &BillLine| dispute || entry.theirs.as_deref().is_none_or(|number| number == line.theirs);
        let moved: Vec<&BillLine> = lines.iter().copied().filter(|line| is_movement(line.what)).collect();
        // Of equals the first one counts: a maximum is the last of equals.
        let counts = moved.iter().enumerate().rev().filter(|(_, line)| own(line));
        let primary =
            counts.max_by_key(|(_, line)| line.state != LineState::Failed).map(|(place, line)| (place, *line));
        for (place, line) in moved.iter().enumerate() {
            let repeats = line.state != LineState::Failed && primary.is_none_or(|(first, _)| first != place);
            if repeats && !dispute {
                found.differences.push(difference(Class::Duplicate, line, Some(entry)));
            }
        }
        let Some((_, primary)) = primary else { return self.miss(at, entry, found) };
        let class = if primary.amount.currency() != entry.amount.currency() {
            Some(Class::CurrencyDiffers)
        } else if primary.amount != entry.amount {
            Some(Class::AmountDiffers)
        } else if !agrees(entry, primary.state) {
            Some(Class::StateDiffers)
        } else {
            None
        };
        found.differences.extend(class.map(|class| difference(class, primary, Some(entry))));
        let elsewhere = entry.last < self.day.from(self.midnight) || entry.first >= self.day.until(self.midnight);
        if primary.state != LineState::Failed && entry.standing == Standing::Moved && !dispute {
            match self.on_other_days(at, entry) {
                Some(true) => found.differences.push(difference(Class::Duplicate, primary, Some(entry))),
                None if elsewhere => self.want(entry, found),
                Some(false) | None => {}
            }
        }
        true
    }

    /// What came back must be known to have failed, or to have been won.
    fn judge_returns(&self, entry: &Entry, lines: &[&BillLine], found: &mut Compared) {
        for line in lines.iter().filter(|line| !is_movement(line.what)) {
            let class = if line.amount.currency() != entry.amount.currency() {
                Class::CurrencyDiffers
            } else if line.amount != entry.amount {
                Class::AmountDiffers
            } else if matches!(entry.standing, Standing::Failed | Standing::Manual) {
                continue;
            } else {
                Class::StateDiffers
            };
            found.differences.push(difference(class, line, Some(entry)));
        }
    }

    /// A row without a line: whether the day has it all the same. It is judged on the day of its last moment.
    fn miss(&self, at: usize, entry: &Entry, found: &mut Compared) -> bool {
        let (from, until) = (self.day.from(self.midnight), self.day.until(self.midnight));
        let ours = entry.last >= from && entry.last < until;
        if !ours || entry.standing != Standing::Moved || entry.kind == Kind::Dispute {
            return false;
        }
        if entry.first < from {
            match self.on_other_days(at, entry) {
                Some(true) => return false,
                Some(false) => {}
                None => {
                    self.want(entry, found);
                    return false;
                }
            }
        }
        found.differences.push(Difference {
            class: Class::MissingThere,
            what: if entry.kind == Kind::Refund { What::Refund } else { What::Payment },
            ours: Some(entry.ours.clone()),
            theirs: entry.theirs.clone(),
            here: Some(entry.amount),
            there: None,
            at: entry.last,
        });
        true
    }

    /// The other days a row can be on.
    fn other_days(&self, entry: &Entry) -> impl Iterator<Item = Day> {
        let (first, last) = (self.midnight.day_of(entry.first), self.midnight.day_of(entry.last));
        let own = self.day;
        let days = std::iter::successors(Some(first), |day| Some(day.next())).take_while(move |day| *day <= last);
        days.filter(move |day| *day != own).take(DAYS_MAX)
    }

    /// Whether a bill of another day has the row; none as long as one of them is not known.
    fn on_other_days(&self, at: usize, entry: &Entry) -> Option<bool> {
        let has = |line: &BillLine| {
            is_movement(line.what) && line.state != LineState::Failed && self.index.of_line(line) == Some(at)
        };
        let known = |day: Day| self.bills.get(&day).map(|lines| lines.iter().any(has));
        if self.other_days(entry).any(|day| known(day) == Some(true)) {
            return Some(true);
        }
        self.other_days(entry).all(|day| known(day).is_some()).then_some(false)
    }

    fn want(&self, entry: &Entry, found: &mut Compared) {
        found.wanted.extend(self.other_days(entry).filter(|day| !self.bills.contains_key(day)));
        found.undecided += 1;
    }
}

/// Whether a line is about the movement, and not about its return.
const fn is_movement(what: What) -> bool {
    match what {
        What::Payment | What::Refund | What::Dispute => true,
        What::RefundReturned | What::DisputeReturned | What::Fee | What::Other => false,
    }
}

/// Whether where a row stands and how far its line got can both be true. A bill keeps the state of the moment it was made.
const fn agrees(entry: &Entry, line: LineState) -> bool {
    match (entry.kind, line, entry.standing) {
        // What brought a payment back is judged by its own line.
        (Kind::Payment, LineState::Settled | LineState::Returned, standing)
        | (Kind::Refund, LineState::Settled, standing) => matches!(standing, Standing::Moved),
        (Kind::Payment, LineState::Pending | LineState::Failed, standing) => !matches!(standing, Standing::Moved),
        (Kind::Refund, LineState::Pending, standing) => !matches!(standing, Standing::Never),
        (Kind::Refund, LineState::Failed | LineState::Returned, standing) => {
            !matches!(standing, Standing::Moved | Standing::Open)
        }
        // Taken when it began; whether it was won is another line.
        (Kind::Dispute, _, _) => true,
    }
}

fn difference(class: Class, line: &BillLine, entry: Option<&Entry>) -> Difference {
    let ours = entry.map(|entry| entry.ours.clone());
    Difference {
        class,
        what: line.what,
        ours: ours.or_else(|| line.ours.clone()).or_else(|| line.payment.clone()),
        theirs: Some(line.theirs.clone()),
        here: entry.map(|entry| entry.amount),
        there: Some(line.amount),
        at: line.at,
    }
}

#[cfg(test)]
mod tests;
