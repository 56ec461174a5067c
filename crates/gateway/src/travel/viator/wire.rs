//! What Viator writes: errors, amounts as JSON numbers, departures, holds, bookings, cancellation policies.
//!
//! Deliberately not here: requests.

use crate::http::{Answered, Failure};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use zhiyou_domain::{
    money::{Currency, Money, MoneyError},
    policy::{Fee, Terms, Tier},
    port::{Outcome, Reason, ReasonCode, Word, activities as a, bookings as b},
    time::{TimeError, UtcMicros, ZonedCivil},
};

#[derive(Debug, Deserialize)]
struct ErrorBody {
    code: String,
}

/// An answer that does not read as documented.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// An amount.
    #[error("amount: {0}")]
    Money(#[from] MoneyError),
    /// A time.
    #[error("time: {0}")]
    Time(#[from] TimeError),
    /// Something is missing or unknown.
    #[error("missing or unknown: {0}")]
    Missing(&'static str),
}

pub(super) fn converted<T>(result: Result<T, Unreadable>) -> Outcome<T> {
    result.map_or_else(|error| fault(Word::named(&error)), Outcome::Done)
}

fn fault<T>(text: impl Into<Word>) -> Outcome<T> {
    Outcome::Unknown(Reason::new(ReasonCode::ProviderFault, text))
}

/// How an exchange ended.
pub(super) fn ending<T: DeserializeOwned>(result: Result<Answered, Failure>) -> Outcome<T> {
    let answer = match result {
        Ok(answer) => answer,
        Err(failure) => return failure.into(),
    };
    let status = answer.status;
    if (200..300).contains(&status) {
        return serde_json::from_slice(&answer.body)
            .map_or_else(|error| fault(Word::from("status").and(status).and(Word::named(&error))), Outcome::Done);
    }
    let body = serde_json::from_slice::<ErrorBody>(&answer.body).ok();
    let text = body.as_ref().map_or_else(|| Word::from("status").and(status), |body| Word::said(&body.code));
    match (status, body) {
        (429, _) => Outcome::NotSent(Reason::new(ReasonCode::RateLimited, text)),
        (404, Some(_)) => Outcome::Declined(Reason::new(ReasonCode::NotFound, text)),
        (401 | 403, Some(_)) => Outcome::Declined(Reason::new(ReasonCode::NotAllowed, text)),
        (400..=499, Some(_)) => Outcome::Declined(Reason::new(ReasonCode::InvalidRequest, text)),
        // A refusal without the supplier's error body came from somebody between us, and a 5xx may have acted.
        _ => fault(text),
    }
}

/// An amount written as a JSON number, kept as it is written.
fn money(number: &RawValue, currency: Currency) -> Result<Money, Unreadable> {
    Ok(Money::parse_decimal(number.get(), currency)?)
}

#[derive(Debug, Deserialize)]
pub(super) struct SearchAnswer {
    products: Option<Products>,
}

#[derive(Debug, Deserialize)]
struct Products {
    #[serde(default)]
    results: Vec<ProductSummary>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProductSummary {
    product_code: String,
}

impl SearchAnswer {
    /// Codes of the products found, the best match first.
    pub(super) fn codes(&self) -> impl Iterator<Item = &str> {
        self.products.iter().flat_map(|products| products.results.iter().map(|found| found.product_code.as_str()))
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Product {
    product_code: String,
    title: String,
    time_zone: String,
    cancellation_policy: Option<Policy>,
    itinerary: Option<Itinerary>,
    logistics: Option<Logistics>,
}

#[derive(Debug, Deserialize)]
struct Itinerary {
    duration: Option<Length>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Length {
    fixed_duration_in_minutes: Option<u32>,
    variable_duration_to_minutes: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct Logistics {
    #[serde(default)]
    start: Vec<MeetingPoint>,
}

#[derive(Debug, Deserialize)]
struct MeetingPoint {
    description: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Availability {
    currency: String,
    #[serde(default)]
    bookable_items: Vec<Bookable>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bookable {
    product_option_code: Option<String>,
    start_time: Option<String>,
    available: bool,
    total_price: Option<Price>,
}

#[derive(Debug, Deserialize)]
struct Price {
    price: Amounts,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Amounts {
    /// What the partner pays.
    partner_total_price: Box<RawValue>,
}

impl Availability {
    /// What is free that day, as we offer it.
    pub(super) fn options(&self, product: &Product, wish: &a::SearchActivities) -> Vec<a::ActivityOption> {
        let free = self.bookable_items.iter().filter(|item| item.available);
        free.filter_map(|item| {
            let option = self.option(item, product, wish);
            option.inspect_err(|error| tracing::warn!(%error, "a departure could not be read and is left out")).ok()
        })
        .collect()
    }

    fn option(
        &self,
        item: &Bookable,
        product: &Product,
        wish: &a::SearchActivities,
    ) -> Result<a::ActivityOption, Unreadable> {
        let date = wish.starts.local.date();
        let time = item.start_time.as_deref().unwrap_or("00:00");
        let starts = ZonedCivil::parse(&format!("{date}T{time}:00"), &product.time_zone)?;
        let price = item.total_price.as_ref().ok_or(Unreadable::Missing("totalPrice"))?;
        let length = product.itinerary.as_ref().and_then(|itinerary| itinerary.duration.as_ref());
        let minutes =
            length.and_then(|length| length.fixed_duration_in_minutes.or(length.variable_duration_to_minutes));
        Ok(a::ActivityOption {
            product_code: product.product_code.clone(),
            option_code: item.product_option_code.clone().unwrap_or_default(),
            title: product.title.clone(),
            meeting_point: product
                .logistics
                .as_ref()
                .and_then(|logistics| logistics.start.first()?.description.clone()),
            duration_min: minutes.unwrap_or(0),
            adults: wish.adults,
            total: money(&price.price.partner_total_price, self.currency.parse()?)?,
            terms: product
                .cancellation_policy
                .as_ref()
                .map_or_else(|| Terms::unread(""), |policy| policy.before(&starts)),
            starts,
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Policy {
    #[serde(rename = "type")]
    kind: PolicyKind,
    #[serde(default)]
    description: String,
    #[serde(default)]
    refund_eligibility: Vec<Window>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum PolicyKind {
    Standard,
    AllSalesFinal,
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Window {
    /// Whole days before the start at which the window ends.
    day_range_min: i64,
    percentage_refundable: u16,
    end_timestamp: Option<String>,
}

impl Window {
    fn fee(&self) -> Option<Fee> {
        let kept = 100_u16.checked_sub(self.percentage_refundable)?;
        Some(if kept == 0 { Fee::Free } else { Fee::Share { basis_points: kept * 100 } })
    }
}

impl Policy {
    /// Terms of something that starts then, from whole days before it.
    fn before(&self, starts: &ZonedCivil) -> Terms {
        match (self.kind, self.refund_eligibility.is_empty()) {
            (PolicyKind::AllSalesFinal, _) => return Terms::no_refund(),
            (PolicyKind::Standard, true) => {
                let day = Tier { anchor: starts.clone(), offset_min: -24 * 60, fee: Fee::Free };
                return Terms::Stated { tiers: vec![day] };
            }
            (PolicyKind::Other, true) => return Terms::unread(&self.description),
            (PolicyKind::Standard | PolicyKind::Other, false) => {}
        }
        let tier = |window: &Window| {
            let offset_min = window.day_range_min.checked_mul(-24 * 60)?;
            Some(Tier { anchor: starts.clone(), offset_min, fee: window.fee()? })
        };
        self.stated(tier)
    }

    /// Terms of something booked: the windows have their instants now.
    fn booked(&self) -> Terms {
        if self.kind == PolicyKind::AllSalesFinal {
            return Terms::no_refund();
        }
        self.stated(|window| {
            let until = UtcMicros::parse_rfc3339(window.end_timestamp.as_deref()?).ok()?;
            Tier::until_instant(until, window.fee()?).ok()
        })
    }

    /// All windows as tiers, ascending; one that cannot be read makes the whole unread.
    fn stated(&self, tier: impl Fn(&Window) -> Option<Tier>) -> Terms {
        let until = |tier: &Tier| tier.until().map_or(i64::MAX, |until| until.0);
        match self.refund_eligibility.iter().map(tier).collect::<Option<Vec<Tier>>>() {
            Some(mut tiers) if !tiers.is_empty() => {
                tiers.sort_by_key(until);
                // Windows in which nothing comes back say what the end of the list says.
                while tiers.last().is_some_and(|tier| tier.fee == Fee::Share { basis_points: 10_000 }) {
                    tiers.pop();
                }
                Terms::Stated { tiers }
            }
            Some(_) | None => Terms::unread(&self.description),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Hold {
    booking_ref: String,
    booking_hold_info: HoldInfo,
    currency: Option<String>,
    total_price: Option<Price>,
}

#[derive(Debug, Deserialize)]
struct HoldInfo {
    availability: Validity,
    pricing: Validity,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Validity {
    status: String,
    valid_until: Option<String>,
}

impl Validity {
    fn until(&self) -> Result<Option<UtcMicros>, Unreadable> {
        let held = self.valid_until.as_deref().filter(|_| self.status == "HOLDING");
        Ok(held.map(UtcMicros::parse_rfc3339).transpose()?)
    }
}

impl Hold {
    /// Place and price are held apart; what we promise ends with the first of them.
    pub(super) fn ours(&self, option: &a::ActivityOption, now: UtcMicros) -> Result<b::Quote, Unreadable> {
        let (place, price) = (self.booking_hold_info.availability.until()?, self.booking_hold_info.pricing.until()?);
        let total = match (&self.total_price, &self.currency) {
            (Some(total), Some(currency)) => money(&total.price.partner_total_price, currency.parse()?)?,
            _ => option.total,
        };
        Ok(b::Quote {
            quote_id: self.booking_ref.clone(),
            total,
            terms: option.terms.clone(),
            expires_at_us: [place, price].into_iter().flatten().min().unwrap_or(super::until(now)),
            kept: place.is_some(),
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BookingAnswer {
    status: Status,
    rejection_reason_code: Option<RejectionReason>,
    booking_ref: Option<String>,
    currency: Option<String>,
    total_price: Option<Price>,
    cancellation_policy: Option<Policy>,
    voucher_info: Option<Voucher>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Status {
    Confirmed,
    Rejected,
    Failed,
    #[serde(alias = "CANCELLED")]
    Canceled,
    Pending,
    InProgress,
    OnHold,
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum RejectionReason {
    BookableItemIsNoLongerAvailable,
    DuplicateBooking,
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct Voucher {
    url: Option<String>,
}

impl BookingAnswer {
    /// Whether the reference was used before.
    pub(super) fn is_duplicate(&self) -> bool {
        self.status == Status::Rejected && self.rejection_reason_code == Some(RejectionReason::DuplicateBooking)
    }

    /// How the booking itself ended: a rejection booked nothing.
    pub(super) fn booked(&self, currency: Currency) -> Outcome<b::Booking> {
        let refused = |code| Outcome::Declined(Reason::new(code, Word::named(&self.rejection_reason_code)));
        match (self.status, self.rejection_reason_code) {
            (Status::Rejected, Some(RejectionReason::BookableItemIsNoLongerAvailable)) => refused(ReasonCode::SoldOut),
            (Status::Rejected | Status::Failed, _) => refused(ReasonCode::NotAllowed),
            _ => match self.ours() {
                Ok(booking) if booking.total.currency() == currency => Outcome::Done(booking),
                Ok(_) => fault("another currency than agreed"),
                Err(error) => fault(Word::named(&error)),
            },
        }
    }

    pub(super) fn ours(&self) -> Result<b::Booking, Unreadable> {
        let state = match self.status {
            Status::Confirmed => b::BookingState::Confirmed,
            Status::Rejected | Status::Failed => b::BookingState::Rejected,
            Status::Canceled => b::BookingState::Cancelled,
            Status::Pending | Status::InProgress | Status::OnHold => b::BookingState::Pending,
            // Neither success nor failure: the caller has to look again.
            Status::Unknown => return Err(Unreadable::Missing("a known status")),
        };
        let currency = self.currency.as_deref().map_or(Ok(Currency::CNY), str::parse)?;
        let total = match &self.total_price {
            Some(total) => money(&total.price.partner_total_price, currency)?,
            None if state == b::BookingState::Rejected => Money::zero(currency),
            None => return Err(Unreadable::Missing("totalPrice")),
        };
        let booking_id = self.booking_ref.clone().ok_or(Unreadable::Missing("bookingRef"))?;
        Ok(b::Booking {
            reference: booking_id.clone(),
            booking_id,
            state,
            total,
            terms: self.cancellation_policy.as_ref().map_or_else(|| Terms::unread(""), Policy::booked),
            refunded: None,
            instructions: self.voucher_info.as_ref().and_then(|voucher| voucher.url.clone()),
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CancelQuote {
    status: CancelStatus,
    refund_details: Option<RefundDetails>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum CancelStatus {
    Cancellable,
    Cancelled,
    NotCancellable,
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RefundDetails {
    refund_amount: Box<RawValue>,
    currency_code: String,
}

impl CancelQuote {
    /// What comes back, as far as it can be read.
    pub(super) fn refund(&self) -> Option<Money> {
        let details = self.refund_details.as_ref()?;
        money(&details.refund_amount, details.currency_code.parse().ok()?).ok()
    }

    pub(super) fn ours(&self) -> Outcome<b::CancellationQuote> {
        let declined = |code, text| Outcome::Declined(Reason::new(code, text));
        match self.status {
            CancelStatus::Cancellable => self.refund().map_or_else(
                || fault("the quote names no refund"),
                |refund| Outcome::Done(b::CancellationQuote { refund }),
            ),
            CancelStatus::Cancelled => declined(ReasonCode::AlreadyClosed, "already cancelled"),
            CancelStatus::NotCancellable => declined(ReasonCode::NotAllowed, "not cancellable"),
            CancelStatus::Unknown => fault("a status we do not know"),
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct CancelAnswer {
    status: CancelEnd,
    reason: Option<CancelReason>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum CancelEnd {
    Accepted,
    Declined,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum CancelReason {
    AlreadyCancelled,
    NotCancellable,
    #[serde(other)]
    Other,
}

impl CancelAnswer {
    /// Why it was not cancelled now; one that already was is as good.
    pub(super) fn refusal(&self) -> Option<Reason> {
        match (self.status, self.reason) {
            (CancelEnd::Accepted, _) | (CancelEnd::Declined, Some(CancelReason::AlreadyCancelled)) => None,
            (CancelEnd::Declined, reason) => Some(Reason::new(ReasonCode::NotAllowed, Word::named(&reason))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn booking(text: &str) -> BookingAnswer {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn amounts_written_as_numbers_keep_every_digit() {
        let text = r#"{"status":"CONFIRMED","bookingRef":"BR-1","currency":"CNY",
            "totalPrice":{"price":{"recommendedRetailPrice":1,"partnerNetPrice":1,"bookingFee":0,"partnerTotalPrice":90071992547409.91}}}"#;
        assert_eq!(booking(text).ours().unwrap().total.minor(), 9_007_199_254_740_991);
        let whole = text.replace("90071992547409.91", "168.5");
        assert_eq!(booking(&whole).ours().unwrap().total.minor(), 16_850);
        assert!(booking(&text.replace("90071992547409.91", "1e3")).ours().is_err());
    }

    #[test]
    fn a_booking_is_confirmed_pending_rejected_or_not_known() {
        let state = |status: &str| {
            let price = r#""totalPrice":{"price":{"partnerTotalPrice":1}}"#;
            booking(&format!(r#"{{"status":"{status}","bookingRef":"BR-1","currency":"CNY",{price}}}"#)).ours()
        };
        for (word, wanted) in [
            ("CONFIRMED", b::BookingState::Confirmed),
            ("PENDING", b::BookingState::Pending),
            ("IN_PROGRESS", b::BookingState::Pending),
            ("ON_HOLD", b::BookingState::Pending),
            ("REJECTED", b::BookingState::Rejected),
            ("FAILED", b::BookingState::Rejected),
            ("CANCELED", b::BookingState::Cancelled),
        ] {
            assert_eq!(state(word).unwrap().state, wanted, "{word}");
        }
        assert!(state("LIMBO").is_err());
        let full = booking(r#"{"status":"REJECTED","rejectionReasonCode":"BOOKABLE_ITEM_IS_NO_LONGER_AVAILABLE"}"#);
        assert!(matches!(full.booked(Currency::CNY), Outcome::Declined(reason) if reason.code == ReasonCode::SoldOut));
    }

    #[test]
    fn policies_become_terms_on_the_clock_of_the_place() {
        let policy = |text: &str| serde_json::from_str::<Policy>(text).unwrap();
        let starts = ZonedCivil::parse("2026-12-04T14:00:00", "Asia/Shanghai").unwrap();
        let at = |text: &str| Some(UtcMicros::parse_rfc3339(text).unwrap());
        let standard = policy(r#"{"type":"STANDARD"}"#).before(&starts);
        assert_eq!(standard.free_until(), at("2026-12-03T06:00:00Z"));
        assert_eq!(policy(r#"{"type":"ALL_SALES_FINAL"}"#).before(&starts), Terms::no_refund());
        let custom = r#"{"type":"CUSTOM","refundEligibility":[{"dayRangeMin":0,"dayRangeMax":2,"percentageRefundable":0},
            {"dayRangeMin":2,"dayRangeMax":7,"percentageRefundable":50},{"dayRangeMin":7,"percentageRefundable":100}]}"#;
        let terms = policy(custom).before(&starts);
        assert_eq!(terms.changes(), [at("2026-11-27T06:00:00Z").unwrap(), at("2026-12-02T06:00:00Z").unwrap()]);
        let price = Money::new(10_000, Currency::CNY).unwrap();
        let refund = |text: &str| terms.evaluate(price, at(text).unwrap()).unwrap().refund.minor();
        assert_eq!(
            [refund("2026-11-20T00:00:00Z"), refund("2026-12-01T00:00:00Z"), refund("2026-12-03T00:00:00Z")],
            [10_000, 5_000, 0]
        );
        assert!(matches!(policy(r#"{"type":"CUSTOM","description":"ask"}"#).before(&starts), Terms::Unread { .. }));
    }
}
