//! Which hotels exist and what their rooms cost: three to six invented houses per city, drawn from the seed.
//!
//! Names are fictional. Deliberately not here: searching and booking (`stays`).

use jiff::civil::Date;
use jiff::{Span, Timestamp};
use serde_json::{Value, json};

use crate::clock::utc;
use crate::draw::{Draw, tag};
use crate::geo::{self, City, Point};
use crate::money::{self, AccountCurrency};

/// One house.
pub(super) struct Hotel {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) city: City,
    pub(super) at: Point,
    stars: i64,
    night_fen: i64,
    /// The provider's test hotel in the middle of the ocean.
    test: bool,
}

/// One price of one room.
pub(super) struct Rate {
    pub(super) room: usize,
    board: &'static str,
    pub(super) refundable: bool,
    pub(super) night_fen: i64,
}

const HOUSES: [(&str, &str); 12] = [
    ("云栖", "Cloudrest"),
    ("望江", "Riverview"),
    ("听松", "Pine Whisper"),
    ("晴川", "Clearwater"),
    ("锦里", "Brocade Lane"),
    ("揽月", "Moonreach"),
    ("归雁", "Wild Goose"),
    ("知味", "Savour"),
    ("拾光", "Golden Hour"),
    ("青舍", "Green Cottage"),
    ("逸林", "Free Forest"),
    ("星河", "Starriver"),
];
const KINDS: [(&str, &str, i64, i64); 4] = [
    ("大酒店", "Grand Hotel", 5, 68_000),
    ("酒店", "Hotel", 4, 42_000),
    ("精品酒店", "Boutique Hotel", 4, 52_000),
    ("旅舍", "Inn", 3, 21_000),
];
/// Name, bed type, beds, price in percent.
const ROOMS: [(&str, &str, i64, i64); 3] = [
    ("标准大床房 Standard Queen Room", "queen", 1, 100),
    ("标准双床房 Standard Twin Room", "single", 2, 105),
    ("豪华大床房 Deluxe King Room", "king", 1, 145),
];
/// Board and its price in fen per night.
const BOARDS: [(&str, i64); 2] = [("room_only", 0), ("breakfast", 6800)];

/// The hotels within `radius_km` of a point, nearest first.
pub(super) fn around(seed: u64, here: Point, radius_km: i64) -> Vec<Hotel> {
    let cities =
        geo::cities().iter().filter(|city| geo::distance_km(here, centre(city)) <= radius_km.saturating_add(8));
    let mut found: Vec<(i64, Hotel)> = cities
        .flat_map(|city| in_city(seed, city))
        .chain(test_hotel())
        .map(|hotel| (geo::distance_km(here, hotel.at), hotel))
        .filter(|(km, _)| *km <= radius_km)
        .collect();
    found.sort_by_key(|(km, _)| *km);
    found.into_iter().map(|(_, hotel)| hotel).collect()
}

/// The hotel of that id.
pub(super) fn find(seed: u64, id: &str) -> Option<Hotel> {
    geo::cities().iter().flat_map(|city| in_city(seed, city)).chain(test_hotel()).find(|hotel| hotel.id == id)
}

fn centre(city: &City) -> Point {
    Point { latitude: city.lat, longitude: city.lon }
}

fn in_city(seed: u64, city: &City) -> Vec<Hotel> {
    let mut draw = Draw::new(seed, &["hotels", &city.name]);
    let count = draw.between(3, 6);
    let first = draw.below(12);
    (0..count.unsigned_abs())
        .filter_map(|index| {
            let (zh, en) = HOUSES.get(usize::try_from((first + index * 5) % 12).ok()?)?;
            let (kind_zh, kind_en, stars, night_fen) = KINDS.get(usize::try_from(index % 4).ok()?)?;
            let offset = |draw: &mut Draw| i32::try_from(draw.between(-3200, 3200)).unwrap_or(0);
            let (north, east) = (offset(&mut draw), offset(&mut draw));
            Some(Hotel {
                id: format!("acc_0000{}", tag(seed, &["hotel", &city.name, &index.to_string()])),
                name: format!("{}{zh}{kind_zh} {en} {kind_en} {}", city.zh, city.name),
                city: city.clone(),
                at: geo::moved(centre(city), north, east),
                stars: *stars,
                night_fen: night_fen * (80 + draw.between(0, 60)) / 100 / 100 * 100,
                test: false,
            })
        })
        .collect()
}

fn test_hotel() -> Option<Hotel> {
    let mut city = geo::cities().first()?.clone();
    (city.name, city.zh, city.country, city.tz) =
        ("Duffel Island".to_owned(), "测试岛".to_owned(), "PN".to_owned(), "Pacific/Pitcairn".to_owned());
    let at = Point { latitude: -24.38, longitude: -128.32 };
    Some(Hotel {
        id: "acc_0000DuffelTestHotel".to_owned(),
        name: "Duffel Test Hotel".to_owned(),
        city,
        at,
        stars: 4,
        night_fen: 30_000,
        test: true,
    })
}

impl Hotel {
    /// The rates of a stay: every room with every board, refundable and (cheaper) not.
    pub(super) fn rates(&self) -> Vec<Rate> {
        let mut rates = Vec::new();
        for (room, (.., percent)) in ROOMS.iter().enumerate() {
            for (board, board_fen) in BOARDS {
                for refundable in [true, false] {
                    let full = self.night_fen * percent / 100 + board_fen;
                    let night_fen = if refundable { full } else { full * 85 / 100 };
                    rates.push(Rate { room, board, refundable, night_fen });
                }
            }
        }
        rates
    }

    /// The accommodation as Duffel shows it; `rates` are pairs of room number and rate.
    pub(super) fn wire(&self, rates: &[(usize, Value)]) -> Value {
        let rooms = ROOMS.iter().enumerate().map(|(index, (name, bed, beds, _))| {
            let own: Vec<&Value> = rates.iter().filter(|(room, _)| *room == index).map(|(_, rate)| rate).collect();
            json!({"name": name, "beds": [{"type": bed, "count": beds}], "photos": [], "rates": own})
        });
        json!({
            "id": self.id,
            "name": self.name,
            "description": format!("{}, {} stars, invented for the sandbox.", self.name, self.stars),
            "rating": self.stars,
            "ratings": [{"source": "northstar", "value": self.stars}],
            "review_score": null,
            "review_count": null,
            "chain": null,
            "brand": null,
            "email": "stay@example.com",
            "phone_number": "+861055500000",
            "photos": [],
            "amenities": [{"type": "wifi", "description": "Wi-Fi"}, {"type": "24_hour_front_desk", "description": "24-hour front desk"}],
            "check_in_information": {"check_in_after_time": "15:00", "check_out_before_time": "12:00"},
            "key_collection": {"instructions": "前台领取 Collect at the front desk."},
            "supported_loyalty_programme": null,
            "location": {
                "address": {"line_one": format!("{} 1", self.city.name), "city_name": self.city.name, "country_code": self.city.country, "postal_code": "000000"},
                "geographic_coordinates": {"latitude": self.at.latitude, "longitude": self.at.longitude},
            },
            "rooms": rooms.collect::<Vec<_>>(),
        })
    }

    /// Until when how much comes back, ascending; empty for a non-refundable rate.
    ///
    /// All of it until 18:00 of the day before in the hotel's own time, then all but the first night until check-in time.
    pub(super) fn timeline(&self, refundable: bool, check_in: Date, total: i64, first_night: i64) -> Vec<(i64, i64)> {
        let local = |date: Option<Date>, hour: i8| {
            let at = date?.at(hour, 0, 0, 0).to_zoned(geo::zone(&self.city.tz)).ok()?;
            Some(Timestamp::from(at).as_microsecond())
        };
        let eve = local(check_in.checked_sub(Span::new().days(1)).ok(), 18);
        let arrival = local(Some(check_in), 15);
        let steps = [(eve, total), (arrival, total - first_night)];
        steps
            .into_iter()
            .filter(|(_, refund)| refundable && *refund > 0)
            .filter_map(|(at, refund)| Some((at?, refund)))
            .collect()
    }

    /// Where its rates come from.
    pub(super) fn source(&self) -> &'static str {
        if self.test { "duffel_hotel_group" } else { "duffel" }
    }
}

impl Rate {
    /// The rate as Duffel shows it, with its amounts for the whole stay.
    pub(super) fn wire(
        &self,
        hotel: &Hotel,
        id: &str,
        (total, account): (i64, AccountCurrency),
        timeline: &[(i64, i64)],
        expires_us: i64,
    ) -> Value {
        let currency = account.code();
        let tax = total * 6 / 106;
        let steps: Vec<Value> = timeline
            .iter()
            .map(|(before_us, refund)| json!({"before": utc(*before_us), "refund_amount": money::text(*refund), "currency": currency}))
            .collect();
        json!({
            "id": id,
            "total_amount": money::text(total), "total_currency": currency,
            "base_amount": money::text(total - tax), "base_currency": currency,
            "tax_amount": money::text(tax), "tax_currency": currency,
            "fee_amount": money::text(0), "fee_currency": currency,
            "due_at_accommodation_amount": money::text(0), "due_at_accommodation_currency": currency,
            "board_type": self.board,
            "payment_type": "pay_now",
            "available_payment_methods": ["balance"],
            "cancellation_timeline": steps,
            "conditions": [{"title": "Cancellation", "description": if self.refundable { "可取消 Refundable as stated." } else { "不可退 Non-refundable." }}],
            "source": hotel.source(),
            "expires_at": utc(expires_us),
            "quantity_available": 5,
            "supported_loyalty_programme": null,
            "loyalty_programme_required": false,
            "estimated_commission_amount": null, "estimated_commission_currency": null,
            "code": null, "name": null, "description": null, "negotiated_rate_id": null,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_city_has_three_to_six_hotels_with_names_of_their_own() {
        for city in geo::cities() {
            let hotels = around(7, centre(city), 6);
            assert!(hotels.len() >= 3, "{}", city.name);
            let mut names: Vec<_> = in_city(7, city).into_iter().map(|hotel| hotel.name).collect();
            names.sort();
            names.dedup();
            assert!((3..=6).contains(&names.len()), "{}", city.name);
        }
        assert_eq!(around(7, Point { latitude: -24.38, longitude: -128.32 }, 2).len(), 1);
    }

    #[test]
    fn the_timeline_is_in_the_hotels_own_time() {
        let tokyo = geo::cities().iter().find(|city| city.name == "Tokyo").unwrap();
        let hotel = in_city(7, tokyo).remove(0);
        let timeline = hotel.timeline(true, "2026-12-20".parse().unwrap(), 90_000, 30_000);
        let shown: Vec<_> = timeline.iter().map(|(at, refund)| (utc(*at), *refund)).collect();
        assert_eq!(
            shown,
            [("2026-12-19T09:00:00.000000Z".to_owned(), 90_000), ("2026-12-20T06:00:00.000000Z".to_owned(), 60_000)]
        );
        assert!(hotel.timeline(false, "2026-12-20".parse().unwrap(), 90_000, 30_000).is_empty());
        assert_eq!(
            hotel.timeline(true, "2026-12-20".parse().unwrap(), 30_000, 30_000).len(),
            1,
            "one night: nothing left after the first step"
        );
    }
}
