//! An order as a calendar file (RFC 5545): what is booked, when free cancellation ends, and alarms before both.
//!
//! Deliberately not here: where the file goes.

use crate::api::view::LocaleSetting;
use icalendar::{Alarm, Calendar, Component, Event, EventLike, Trigger};
use zhiyou_domain::{
    order::{
        Offer, Order, OrderItem,
        deadline::{self, DeadlineKind},
        state::ItemState,
    },
    plan::ItemRequest,
    time::UtcMicros,
};

/// Hours before a beginning at which the calendar speaks up: in time for check-in, and in time to leave.
const ALARM_HOURS: [i64; 2] = [24, 3];

/// The calendar of what is booked; `made_at` is when the file was made.
pub(crate) fn text(order: &Order, title: &str, locale: LocaleSetting, made_at: UtcMicros) -> String {
    let chinese = locale != LocaleSetting::En;
    let mut calendar = Calendar::new();
    calendar.name(title);
    for item in order.items.iter().filter(|item| ItemState::BOOKED.contains(&item.state)) {
        if let Some(event) = booked(item, chinese, made_at) {
            calendar.push(event);
        }
    }
    for deadline in deadline::deadlines(order).iter().filter(|deadline| deadline.kind == DeadlineKind::FreeCancelEnds) {
        let Some(item) = deadline.item.and_then(|id| order.item(id)) else { continue };
        let what = name(item, chinese);
        let summary = if chinese {
            format!("免费取消到此为止：{what}")
        } else {
            format!("Free cancellation ends: {what}")
        };
        let mut event = Event::new();
        event.uid(&format!("{}-free@zhiyou", item.wanted.id)).summary(&summary).alarm(alarm(24, &summary));
        event.add_property("DTSTAMP", stamp(made_at)).add_property("DTSTART", stamp(deadline.at));
        calendar.push(event.done());
    }
    calendar.done().to_string()
}

fn booked(item: &OrderItem, chinese: bool, made_at: UtcMicros) -> Option<Event> {
    let summary = name(item, chinese);
    let mut event = Event::new();
    event.uid(&format!("{}@zhiyou", item.wanted.id)).summary(&summary).add_property("DTSTAMP", stamp(made_at));
    if let Some(reference) = &item.reference {
        let word = if chinese { "订单号" } else { "Reference" };
        event.description(&format!("{word} {reference}"));
    }
    if let ItemRequest::Hotel { check_in, check_out, .. } = &item.wanted.request {
        // A stay is on days, and not at moments.
        let day = |date: &jiff::civil::Date| date.strftime("%Y%m%d").to_string();
        for (property, date) in [("DTSTART", check_in), ("DTEND", check_out)] {
            let mut property = icalendar::Property::new(property, day(date));
            event.append_property(property.append_parameter(icalendar::Parameter::new("VALUE", "DATE")).done());
        }
    } else {
        event.add_property("DTSTART", stamp(deadline::begins_at(item)?));
        if let Some(end) = ends_at(item) {
            event.add_property("DTEND", stamp(end));
        }
        for hours in ALARM_HOURS {
            event.alarm(alarm(hours, &summary));
        }
    }
    if let Some(place) = place(item) {
        event.location(&place);
    }
    Some(event.done())
}

fn ends_at(item: &OrderItem) -> Option<UtcMicros> {
    match (item.offer.as_ref()?, &item.wanted.request) {
        (Offer::Flight(offer), _) => offer.segments.last()?.arrives.to_utc().ok(),
        (Offer::Activity(option), _) => Some(option.starts.to_utc().ok()?.plus_minutes(i64::from(option.duration_min))),
        (Offer::Car(_), ItemRequest::Car { ends, .. }) => ends.to_utc().ok(),
        (Offer::Car(_) | Offer::Hotel(_), _) => None,
    }
}

pub(crate) fn name(item: &OrderItem, chinese: bool) -> String {
    match &item.offer {
        Some(Offer::Flight(offer)) => {
            let numbers: Vec<&str> = offer.segments.iter().map(|segment| segment.flight_number.as_str()).collect();
            let ends = offer.segments.first().zip(offer.segments.last());
            let ends = ends.map(|(from, to)| format!("{} → {}", from.origin.iata, to.destination.iata));
            format!("{} {}", numbers.join(" + "), ends.unwrap_or_default())
        }
        Some(Offer::Hotel(rate)) => rate.hotel_name.clone(),
        Some(Offer::Car(rate)) if chinese => format!("取车：{}", rate.car_name),
        Some(Offer::Car(rate)) => format!("Pick up {}", rate.car_name),
        Some(Offer::Activity(option)) => option.title.clone(),
        None => String::new(),
    }
}

fn place(item: &OrderItem) -> Option<String> {
    match item.offer.as_ref()? {
        Offer::Flight(offer) => offer.segments.first().map(|segment| segment.origin.name.clone()),
        Offer::Hotel(rate) => Some(rate.address.clone()),
        Offer::Car(rate) => Some(rate.pick_up_place.clone()),
        Offer::Activity(option) => option.meeting_point.clone(),
    }
}

fn alarm(hours: i64, text: &str) -> Alarm {
    Alarm::display(text, Trigger::before_start(chrono::Duration::hours(hours)))
}

/// An instant as the calendar writes it, in UTC.
fn stamp(at: UtcMicros) -> String {
    let plain: String =
        at.to_rfc3339().chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '.').collect();
    let seconds = plain.split(['.', 'Z']).next().unwrap_or_default();
    format!("{seconds}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_written_in_utc_to_the_second() {
        let at = UtcMicros::parse_rfc3339("2026-12-04T07:40:05.250Z").unwrap();
        assert_eq!(stamp(at), "20261204T074005Z");
    }
}
