//! Seat maps as the supplier writes them, and as ours.
//!
//! Everything but the layout may be absent; what we do not know is drawn as empty. Deliberately not here: any request.

use super::super::wire::{Unreadable, money};
use serde::Deserialize;
use zhiyou_domain::port::flights as f;

#[derive(Debug, Deserialize)]
pub(super) struct Map {
    segment_id: String,
    cabins: Vec<Cabin>,
}

#[derive(Debug, Deserialize)]
struct Cabin {
    #[serde(default)]
    deck: u8,
    cabin_class: CabinClass,
    aisles: u8,
    wings: Option<Wings>,
    rows: Vec<Row>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CabinClass {
    First,
    Business,
    PremiumEconomy,
    Economy,
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Deserialize)]
struct Wings {
    first_row_index: u32,
    last_row_index: u32,
}

#[derive(Debug, Deserialize)]
struct Row {
    sections: Vec<Section>,
}

#[derive(Debug, Deserialize)]
struct Section {
    #[serde(default)]
    elements: Vec<Element>,
}

#[derive(Debug, Deserialize)]
struct Element {
    #[serde(rename = "type")]
    kind: Kind,
    designator: Option<String>,
    name: Option<String>,
    disclosures: Option<Vec<String>>,
    available_services: Option<Vec<Service>>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Seat,
    RestrictedSeatGeneral,
    Bassinet,
    Empty,
    ExitRow,
    Lavatory,
    Galley,
    Closet,
    Stairs,
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Deserialize)]
struct Service {
    id: String,
    passenger_id: String,
    total_amount: String,
    total_currency: String,
}

impl Map {
    pub(super) fn ours(self) -> Result<f::SeatMap, Unreadable> {
        let cabins = self.cabins.into_iter().map(Cabin::ours).collect::<Result<_, _>>()?;
        Ok(f::SeatMap { segment_id: self.segment_id, cabins })
    }
}

impl Cabin {
    fn ours(self) -> Result<f::Cabin, Unreadable> {
        Ok(f::Cabin {
            deck: self.deck,
            class: match self.cabin_class {
                CabinClass::First => f::CabinClass::First,
                CabinClass::Business => f::CabinClass::Business,
                CabinClass::PremiumEconomy => f::CabinClass::PremiumEconomy,
                // Only the heading of the cabin depends on it.
                CabinClass::Economy | CabinClass::Unknown => f::CabinClass::Economy,
            },
            aisles: self.aisles,
            wings: self.wings.map(|wings| (wings.first_row_index, wings.last_row_index)),
            rows: self.rows.into_iter().map(Row::ours).collect::<Result<_, _>>()?,
        })
    }
}

impl Row {
    fn ours(self) -> Result<f::SeatRow, Unreadable> {
        let section = |section: Section| section.elements.into_iter().map(Element::ours).collect::<Result<Vec<_>, _>>();
        Ok(f::SeatRow { sections: self.sections.into_iter().map(section).collect::<Result<_, _>>()? })
    }
}

impl Element {
    fn ours(self) -> Result<f::SeatElement, Unreadable> {
        let kind = match self.kind {
            Kind::Seat => f::SeatElementKind::Seat,
            Kind::RestrictedSeatGeneral => f::SeatElementKind::Restricted,
            Kind::Bassinet => f::SeatElementKind::Bassinet,
            Kind::Empty | Kind::Unknown => f::SeatElementKind::Empty,
            Kind::ExitRow => f::SeatElementKind::ExitRow,
            Kind::Lavatory => f::SeatElementKind::Lavatory,
            Kind::Galley => f::SeatElementKind::Galley,
            Kind::Closet => f::SeatElementKind::Closet,
            Kind::Stairs => f::SeatElementKind::Stairs,
        };
        let services = self.available_services.unwrap_or_default();
        Ok(f::SeatElement {
            kind,
            designator: self.designator,
            name: self.name,
            disclosures: self.disclosures.unwrap_or_default(),
            services: services.into_iter().map(Service::ours).collect::<Result<_, _>>()?,
        })
    }
}

impl Service {
    fn ours(self) -> Result<f::SeatService, Unreadable> {
        let price = money(&self.total_amount, &self.total_currency)?;
        Ok(f::SeatService { service_id: self.id, passenger_id: self.passenger_id, price })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<f::SeatMap> {
        #[derive(Deserialize)]
        struct File {
            data: Vec<Map>,
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/seat_maps_sample.json");
        let file: File = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        file.data.into_iter().map(|map| map.ours().unwrap()).collect()
    }

    #[test]
    fn every_row_of_the_sample_has_one_section_more_than_aisles() {
        for cabin in sample().iter().flat_map(|map| &map.cabins) {
            assert!(cabin.rows.iter().all(|row| row.sections.len() == usize::from(cabin.aisles) + 1));
        }
    }

    #[test]
    fn a_seat_carries_one_priced_service_for_each_passenger_and_a_taken_one_none() {
        let maps = sample();
        let elements = maps
            .iter()
            .flat_map(|map| &map.cabins)
            .flat_map(|cabin| &cabin.rows)
            .flat_map(|row| &row.sections)
            .flatten();
        let seats: Vec<_> = elements.filter(|element| element.kind == f::SeatElementKind::Seat).collect();
        let seat = |name: &str| *seats.iter().find(|seat| seat.designator.as_deref() == Some(name)).unwrap();
        assert_eq!(seat("28A").services.len(), 2);
        assert_eq!(seat("28A").services[0].price.to_string(), "GBP 35.00");
        assert!(seat("28B").services.is_empty());
    }

    #[test]
    fn an_unknown_element_is_drawn_as_empty() {
        let element: Element = serde_json::from_str(r#"{"type":"jacuzzi"}"#).unwrap();
        assert_eq!(element.ours().unwrap().kind, f::SeatElementKind::Empty);
    }
}
