//! Travel suppliers behind a trait per kind, and the only place that names them.
//!
//! `travel/<name>/` holds a supplier. Deliberately not here: a supplier's wire format, and payments by travellers.

pub(crate) mod duffel;
pub(crate) mod member;
pub(crate) mod viator;

use async_trait::async_trait;
use zhiyou_domain::port::{Found, Outcome, activities as a, bookings as b, cars as c, flights as f, hotels as h};

/// A failed read before an effect: the effect itself was never sent.
pub(crate) fn before_effect<T, U>(ending: Outcome<T>) -> Result<T, Outcome<U>> {
    match ending {
        Outcome::Done(value) => Ok(value),
        Outcome::NotSent(reason) | Outcome::Unknown(reason) => Err(Outcome::NotSent(reason)),
        Outcome::Declined(reason) => Err(Outcome::Declined(reason)),
    }
}

/// The ending of a read for the caller of another tool.
pub(crate) fn passed<T, U>(ending: Outcome<T>) -> Result<T, Outcome<U>> {
    match ending {
        Outcome::Done(value) => Ok(value),
        Outcome::NotSent(reason) => Err(Outcome::NotSent(reason)),
        Outcome::Declined(reason) => Err(Outcome::Declined(reason)),
        Outcome::Unknown(reason) => Err(Outcome::Unknown(reason)),
    }
}

/// Sells flights. Effects are sent once: whether to try again is the caller's decision.
#[async_trait]
pub(crate) trait FlightSupplier: Send + Sync {
    /// Tool `searchFlights`.
    async fn search(&self, wish: f::SearchFlights) -> Outcome<f::FlightOffers>;
    /// Tool `getSeatMaps`.
    async fn seat_maps(&self, offer: f::OfferRef) -> Outcome<f::SeatMaps>;
    /// Tool `priceFlight`.
    async fn price(&self, wish: f::PriceFlight) -> Outcome<f::FlightPrice>;
    /// Tool `holdFlight`.
    async fn hold(&self, wish: f::HoldFlight) -> Outcome<f::FlightOrder>;
    /// Tool `bookFlight`.
    async fn book(&self, wish: f::BookFlight) -> Outcome<f::FlightOrder>;
    /// Tool `payHeldFlight`.
    async fn pay(&self, wish: f::PayHeldFlight) -> Outcome<f::FlightOrder>;
    /// Tool `getFlightOrder`.
    async fn order(&self, order: f::FlightOrderRef) -> Outcome<f::FlightOrder>;
    /// Tool `findFlightOrder`.
    async fn find(&self, wish: f::FindFlightOrder) -> Outcome<Found<f::FlightOrder>>;
    /// Tool `quoteFlightCancellation`.
    async fn quote_cancellation(&self, order: f::FlightOrderRef) -> Outcome<f::FlightCancellationQuote>;
    /// Tool `confirmFlightCancellation`.
    async fn confirm_cancellation(&self, wish: f::ConfirmFlightCancellation) -> Outcome<f::FlightCancelled>;
    /// Tool `listFlightChanges`.
    async fn changes(&self, order: f::FlightOrderRef) -> Outcome<f::FlightChanges>;
    /// Tool `acceptFlightChange`.
    async fn accept_change(&self, wish: f::AcceptFlightChange) -> Outcome<f::FlightChange>;
}

/// Sells hotel stays. Effects are sent once.
#[async_trait]
pub(crate) trait HotelSupplier: Send + Sync {
    /// Tool `searchHotels`.
    async fn search(&self, wish: h::SearchHotels) -> Outcome<h::HotelRates>;
    /// Tool `quoteHotel`.
    async fn quote(&self, wish: h::QuoteHotel) -> Outcome<b::Quote>;
    /// Tool `bookHotel`.
    async fn book(&self, wish: h::BookHotel) -> Outcome<b::Booking>;
    /// Tool `getHotelBooking`.
    async fn booking(&self, booking: b::BookingRef) -> Outcome<b::Booking>;
    /// Tool `findHotelBooking`.
    async fn find(&self, wish: b::FindBooking) -> Outcome<Found<b::Booking>>;
    /// Tool `cancelHotel`.
    async fn cancel(&self, booking: b::BookingRef) -> Outcome<b::Booking>;
}

/// Hires out cars. Effects are sent once.
#[async_trait]
pub(crate) trait CarSupplier: Send + Sync {
    /// Tool `searchCars`.
    async fn search(&self, wish: c::SearchCars) -> Outcome<c::CarRates>;
    /// Tool `quoteCar`.
    async fn quote(&self, wish: c::QuoteCar) -> Outcome<b::Quote>;
    /// Tool `bookCar`.
    async fn book(&self, wish: c::BookCar) -> Outcome<b::Booking>;
    /// Tool `getCarBooking`.
    async fn booking(&self, booking: b::BookingRef) -> Outcome<b::Booking>;
    /// Tool `findCarBooking`.
    async fn find(&self, wish: b::FindBooking) -> Outcome<Found<b::Booking>>;
    /// Tool `cancelCar`.
    async fn cancel(&self, booking: b::BookingRef) -> Outcome<b::Booking>;
}

/// Sells activities. Effects are sent once.
#[async_trait]
pub(crate) trait ActivitySupplier: Send + Sync {
    /// Tool `searchActivities`.
    async fn search(&self, wish: a::SearchActivities) -> Outcome<a::ActivityOptions>;
    /// Tool `holdActivity`.
    async fn hold(&self, wish: a::HoldActivity) -> Outcome<b::Quote>;
    /// Tool `bookActivity`.
    async fn book(&self, wish: a::BookActivity) -> Outcome<b::Booking>;
    /// Tool `getActivityBooking`.
    async fn booking(&self, booking: b::BookingRef) -> Outcome<b::Booking>;
    /// Tool `findActivityBooking`.
    async fn find(&self, wish: b::FindBooking) -> Outcome<Found<b::Booking>>;
    /// Tool `quoteActivityCancellation`.
    async fn quote_cancellation(&self, booking: b::BookingRef) -> Outcome<b::CancellationQuote>;
    /// Tool `cancelActivity`.
    async fn cancel(&self, booking: b::BookingRef) -> Outcome<b::Booking>;
}
