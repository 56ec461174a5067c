//! An airline's own change of a booked flight: what is open now, telling the airline that it is kept, and seeing whether it
//! knows.
//!
//! Deliberately not here: whether the traveller keeps it.

use super::{Heard, Ports, inconsistent, later};
use zhiyou_domain::{
    booking::recipe::Seen,
    id::ItemId,
    order::{Fact, Offer, Order, OrderItem, StepResult},
    port::{Outcome, Reason, ReasonCode, flights::*},
};

impl Ports {
    pub(super) async fn accept_change(&self, order: &Order, item: ItemId) -> Outcome<StepResult> {
        let Some((order_id, change_id)) = order.item(item).and_then(named) else {
            return inconsistent("no change is proposed");
        };
        let request = AcceptFlightChange { order_id, change_id };
        let told: Outcome<FlightChange> = self.flights.call("acceptFlightChange", &request).await;
        told.map(|change| StepResult::ChangeKept { change_id: change.change_id })
    }

    pub(super) async fn see_accepted_change(&self, order: &Order, item: ItemId) -> Seen {
        let closed = || Seen::Refused(Reason::new(ReasonCode::AlreadyClosed, "no change is proposed any more"));
        let Some((order_id, change_id)) = order.item(item).and_then(named) else { return closed() };
        match self.changes(order_id).await {
            Outcome::Done(list) => match list.changes.into_iter().find(|change| change.change_id == change_id) {
                Some(change) if change.state == FlightChangeState::Accepted => {
                    Seen::There(StepResult::ChangeKept { change_id })
                }
                Some(change) if change.state == FlightChangeState::Open => Seen::NotThere,
                Some(_) | None => Seen::Refused(Reason::new(ReasonCode::OfferExpired, "no longer offered")),
            },
            Outcome::NotSent(_) | Outcome::Declined(_) | Outcome::Unknown(_) => Seen::Silent,
        }
    }

    /// What has become of a change whose answer the airline refused.
    pub(super) async fn see_change(&self, order: &Order, item: ItemId) -> Heard {
        match self.reread(order, item).await {
            Outcome::Done(Some(fact)) => Heard::fact(fact),
            Outcome::Done(None) => match order.item(item).and_then(named) {
                // Nothing waits any more, and the booking is as it was.
                Some((_, change_id)) => Heard::fact(Fact::ChangeSettled { item, change_id, kept: false }),
                None => Heard::Later,
            },
            Outcome::NotSent(reason) | Outcome::Declined(reason) | Outcome::Unknown(reason) => later(&reason),
        }
    }

    /// What the airline changed about a booked flight, where we do not know it yet.
    pub(super) async fn flight_changes(&self, place: &OrderItem) -> Outcome<Option<Fact>> {
        let (Some(Offer::Flight(offer)), Some(order_id)) = (&place.offer, place.supplier_order.clone()) else {
            return Outcome::Done(None);
        };
        self.changes(order_id).await.map(|list| news(place, offer, list.changes.into_iter().next_back()?))
    }

    async fn changes(&self, order_id: String) -> Outcome<FlightChanges> {
        self.flights.call("listFlightChanges", &FlightOrderRef { order_id }).await
    }
}

/// The airline's order and the change an item waits with.
fn named(place: &OrderItem) -> Option<(String, String)> {
    place.supplier_order.clone().zip(place.proposed.as_ref()?.change_id.clone())
}

/// What the newest change says that the item does not know.
fn news(place: &OrderItem, offer: &FlightOffer, newest: FlightChange) -> Option<Fact> {
    let item = place.wanted.id;
    let change_id = newest.change_id;
    let ours = place.proposed.as_ref().and_then(|change| change.change_id.as_ref()) == Some(&change_id);
    let same = newest.segments == offer.segments || newest.segments.is_empty();
    let segments = newest.segments;
    let changed = |change_id| {
        let offer = Box::new(Offer::Flight(FlightOffer { segments, ..offer.clone() }));
        Fact::ChangeProposed { item, offer, change_id }
    };
    match newest.state {
        FlightChangeState::Open if same => None,
        FlightChangeState::Open => Some(changed(Some(change_id))),
        FlightChangeState::Accepted if ours => Some(Fact::ChangeSettled { item, change_id, kept: true }),
        FlightChangeState::Accepted if same => None,
        // Accepted, and not by us: it is so already, and the traveller is told.
        FlightChangeState::Accepted => Some(changed(None)),
        FlightChangeState::Over => ours.then_some(Fact::ChangeSettled { item, change_id, kept: false }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use zhiyou_domain::{
        id::{OrderId, PlanId},
        order::{ChangeStanding, NewOrder, OrderKind, ProposedChange},
        time::UtcMicros,
    };

    fn place() -> (OrderItem, FlightOffer) {
        let at = |local: &str| json!({ "local": local, "zone": "Asia/Shanghai" });
        let airport = json!({ "iata": "PVG", "name": "Pudong", "city": "Shanghai" });
        let offer = json!({
            "offerId": "off_1", "ownerName": "Duffel Airways", "ownerCode": "ZZ", "passengerIds": ["pas_1"],
            "segments": [{
                "segmentId": "seg_1", "flightNumber": "ZZ1", "origin": airport, "destination": airport,
                "departs": at("2026-12-04T08:00:00"), "arrives": at("2026-12-04T10:00:00"), "durationMin": 120,
            }],
            "total": { "amountMinor": 82_000, "currency": "CNY" }, "expiresAtUs": 0, "holdable": true,
            "refund": { "kind": "not_stated" }, "change": { "kind": "not_stated" },
        });
        let offer: FlightOffer = serde_json::from_value(offer).unwrap();
        let wanted = json!({
            "id": "itm_01K9DC3HDMRX6QTBYB9RWF9WEC", "priority": "must_have", "supplier": "duffel", "travellers": [],
            "after": [], "member_platform": null, "request": {
                "kind": "flight", "origin": "PEK", "destination": "SHA", "departure_date": "2026-12-04", "cabin": "economy",
            },
        });
        let new = NewOrder {
            id: OrderId::from_ulid(ulid::Ulid::nil()),
            kind: OrderKind::Travel,
            plan: PlanId::from_ulid(ulid::Ulid::nil()),
            budget: offer.total,
            required_platforms: Vec::new(),
            items: vec![serde_json::from_value(wanted).unwrap()],
            repairs: None,
        };
        let created = Fact::Created { order: Box::new(new) };
        let mut place = Order::create(UtcMicros(0), &created).unwrap().items.remove(0);
        place.offer = Some(Offer::Flight(offer.clone()));
        (place, offer)
    }

    fn change(offer: &FlightOffer, state: FlightChangeState, hours: i64) -> FlightChange {
        let mut segments = offer.segments.clone();
        for segment in &mut segments {
            segment.departs.local = segment.departs.local.checked_add(jiff::Span::new().hours(hours)).unwrap();
        }
        FlightChange { change_id: "aic_1".to_owned(), state, segments }
    }

    #[test]
    fn only_what_the_item_does_not_know_is_news() {
        use FlightChangeState::{Accepted, Open, Over};
        let (mut place, offer) = place();
        let told = |place: &OrderItem, state, hours| news(place, &offer, change(&offer, state, hours));
        assert_eq!(told(&place, Open, 0), None);
        assert!(matches!(told(&place, Open, 1), Some(Fact::ChangeProposed { change_id: Some(_), .. })));
        assert!(matches!(told(&place, Accepted, 1), Some(Fact::ChangeProposed { change_id: None, .. })));
        assert_eq!((told(&place, Accepted, 0), told(&place, Over, 1)), (None, None));
        let (change_id, standing) = (Some("aic_1".to_owned()), ChangeStanding::Open);
        place.proposed = Some(ProposedChange { offer: Offer::Flight(offer.clone()), change_id, standing });
        assert!(matches!(told(&place, Accepted, 1), Some(Fact::ChangeSettled { kept: true, .. })));
        assert!(matches!(told(&place, Over, 1), Some(Fact::ChangeSettled { kept: false, .. })));
    }
}
