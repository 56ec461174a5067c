//! MCP server `cars`.
//!
//! Deliberately not here: suppliers.

use super::{Effect, Entry, flights::supplied, tool};
use crate::travel::CarSupplier;
use std::sync::Arc;
use zhiyou_domain::port::{Answer, bookings as b, cars as c};

/// Every tool of the server.
pub(crate) fn tools(supplier: &Arc<dyn CarSupplier>) -> Vec<Entry> {
    vec![
        supplied!(
            supplier,
            "searchCars",
            "Looks for prepaid cars around a place, cheapest first.",
            Effect::Read,
            c::SearchCars,
            search
        ),
        supplied!(
            supplier,
            "quoteCar",
            "Checks a rate's price and conditions; holds nothing.",
            Effect::Act { repeatable: true },
            c::QuoteCar,
            quote
        ),
        supplied!(
            supplier,
            "bookCar",
            "Books a quote from the merchant's balance. After an unknown outcome look it up with findCarBooking.",
            Effect::Act { repeatable: false },
            c::BookCar,
            book
        ),
        supplied!(supplier, "getCarBooking", "Reads a booking.", Effect::Read, b::BookingRef, booking),
        supplied!(
            supplier,
            "findCarBooking",
            "Looks up the booking made with a reference; tells whether there is one.",
            Effect::Read,
            b::FindBooking,
            find
        ),
        supplied!(
            supplier,
            "cancelCar",
            "Cancels a booking at once; its terms say what comes back.",
            Effect::Undo { repeatable: false },
            b::BookingRef,
            cancel
        ),
    ]
}
