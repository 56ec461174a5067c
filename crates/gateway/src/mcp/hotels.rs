//! MCP server `hotels`.
//!
//! Deliberately not here: suppliers.

use super::{Effect, Entry, flights::supplied, tool};
use crate::travel::HotelSupplier;
use std::sync::Arc;
use zhiyou_domain::port::{Answer, bookings as b, hotels as h};

/// Every tool of the server.
pub(crate) fn tools(supplier: &Arc<dyn HotelSupplier>) -> Vec<Entry> {
    vec![
        supplied!(
            supplier,
            "searchHotels",
            "Looks for rooms around a place, the cheapest few rates of each hotel.",
            Effect::Read,
            h::SearchHotels,
            search
        ),
        supplied!(
            supplier,
            "quoteHotel",
            "Checks a rate's price and availability; holds nothing.",
            Effect::Act { repeatable: true },
            h::QuoteHotel,
            quote
        ),
        supplied!(
            supplier,
            "bookHotel",
            "Books a quote from the merchant's balance. After an unknown outcome look it up with findHotelBooking.",
            Effect::Act { repeatable: false },
            h::BookHotel,
            book
        ),
        supplied!(supplier, "getHotelBooking", "Reads a booking.", Effect::Read, b::BookingRef, booking),
        supplied!(
            supplier,
            "findHotelBooking",
            "Looks up the booking made with a reference; tells whether there is one.",
            Effect::Read,
            b::FindBooking,
            find
        ),
        supplied!(
            supplier,
            "cancelHotel",
            "Cancels a booking at once; its terms say what comes back.",
            Effect::Undo { repeatable: false },
            b::BookingRef,
            cancel
        ),
    ]
}
