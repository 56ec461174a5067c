//! MCP server `activities`.
//!
//! Deliberately not here: suppliers.

use super::{Effect, Entry, flights::supplied, tool};
use crate::travel::ActivitySupplier;
use std::sync::Arc;
use zhiyou_domain::port::{Answer, activities as a, bookings as b};

/// Every tool of the server.
pub(crate) fn tools(supplier: &Arc<dyn ActivitySupplier>) -> Vec<Entry> {
    vec![
        supplied!(
            supplier,
            "searchActivities",
            "Looks for activities in a city on a day, the best match first.",
            Effect::Read,
            a::SearchActivities,
            search
        ),
        supplied!(
            supplier,
            "holdActivity",
            "Holds an option for a while; the hold lapses by itself.",
            Effect::Act { repeatable: true },
            a::HoldActivity,
            hold
        ),
        supplied!(
            supplier,
            "bookActivity",
            "Books a hold on the merchant's account; the state may be pending. A reference is good for one booking.",
            Effect::Act { repeatable: true },
            a::BookActivity,
            book
        ),
        supplied!(supplier, "getActivityBooking", "Reads a booking.", Effect::Read, b::BookingRef, booking),
        supplied!(
            supplier,
            "findActivityBooking",
            "Looks up the booking made with a reference; tells whether there is one.",
            Effect::Read,
            b::FindBooking,
            find
        ),
        supplied!(
            supplier,
            "quoteActivityCancellation",
            "Says what cancelling gives back now.",
            Effect::Read,
            b::BookingRef,
            quote_cancellation
        ),
        supplied!(
            supplier,
            "cancelActivity",
            "Cancels a booking; ask quoteActivityCancellation just before.",
            Effect::Undo { repeatable: false },
            b::BookingRef,
            cancel
        ),
    ]
}
