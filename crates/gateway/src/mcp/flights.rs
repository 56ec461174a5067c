//! MCP server `flights`.
//!
//! Deliberately not here: suppliers.

use super::{Effect, Entry, tool};
use crate::travel::{FlightSupplier, member::Members};
use std::sync::Arc;
use zhiyou_domain::port::{Answer, flights as f};

/// A tool that calls one method of the supplier.
macro_rules! supplied {
    ($supplier:ident, $name:literal, $description:literal, $effect:expr, $argument:ty, $method:ident) => {{
        let supplier = Arc::clone($supplier);
        tool($name, $description, $effect, move |wish: $argument, _| {
            let supplier = Arc::clone(&supplier);
            async move { Ok(Answer::from(supplier.$method(wish).await)) }
        })
    }};
}
pub(super) use supplied;

/// Every tool of the server.
pub(crate) fn tools(supplier: &Arc<dyn FlightSupplier>, members: Members) -> Vec<Entry> {
    let (once, many) = (Effect::Act { repeatable: false }, Effect::Act { repeatable: true });
    vec![
        supplied!(
            supplier,
            "searchFlights",
            "Looks for one-way offers, cheapest first.",
            Effect::Read,
            f::SearchFlights,
            search
        ),
        supplied!(
            supplier,
            "getSeatMaps",
            "Reads the seat maps of an offer, one for each segment.",
            Effect::Read,
            f::OfferRef,
            seat_maps
        ),
        supplied!(
            supplier,
            "priceFlight",
            "Prices an offer together with chosen seats.",
            Effect::Read,
            f::PriceFlight,
            price
        ),
        supplied!(
            supplier,
            "holdFlight",
            "Holds an offer with its seats without paying. After an unknown outcome look it up with findFlightOrder.",
            once,
            f::HoldFlight,
            hold
        ),
        supplied!(
            supplier,
            "bookFlight",
            "Books an offer at once from the merchant's balance. After an unknown outcome look it up with findFlightOrder.",
            once,
            f::BookFlight,
            book
        ),
        supplied!(
            supplier,
            "payHeldFlight",
            "Pays a held order from the merchant's balance; it is ticketed.",
            many,
            f::PayHeldFlight,
            pay
        ),
        supplied!(supplier, "getFlightOrder", "Reads an order.", Effect::Read, f::FlightOrderRef, order),
        supplied!(
            supplier,
            "findFlightOrder",
            "Looks up the order made with a reference; tells whether there is one.",
            Effect::Read,
            f::FindFlightOrder,
            find
        ),
        supplied!(
            supplier,
            "quoteFlightCancellation",
            "Asks what cancelling an order would give back; cancels nothing.",
            many,
            f::FlightOrderRef,
            quote_cancellation
        ),
        supplied!(
            supplier,
            "confirmFlightCancellation",
            "Cancels an order as quoted.",
            Effect::Undo { repeatable: true },
            f::ConfirmFlightCancellation,
            confirm_cancellation
        ),
        supplied!(
            supplier,
            "listFlightChanges",
            "Lists what the airline changed about an order by itself, and what waits for an answer.",
            Effect::Read,
            f::FlightOrderRef,
            changes
        ),
        supplied!(
            supplier,
            "acceptFlightChange",
            "Tells the airline that its change of an order is kept.",
            many,
            f::AcceptFlightChange,
            accept_change
        ),
        tool(
            "getMemberProfile",
            "Reads who the signed-in traveller is at a member platform.",
            Effect::Read,
            move |query: f::MemberProfileQuery, token| {
                let members = members.clone();
                async move { Ok(Answer::from(members.profile(query, token).await)) }
            },
        ),
    ]
}
