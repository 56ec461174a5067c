//! Travellers, masked.

use super::super::view::*;
use crate::people::{Person, mask};
use jiff::civil::Date;
use zhiyou_domain::port::flights::{Gender, Title};

/// A person as shown; `trips_end` are the days on which trips to come end.
pub(crate) fn person(person: &Person, trips_end: &[Date], busy: bool, today: Date) -> PersonView {
    let traveller = &person.traveller;
    PersonView {
        id: traveller.id.to_string(),
        display_name: traveller.display_name.clone(),
        title: title(traveller.title),
        gender: gender(traveller.gender),
        given_name: traveller.given_name.clone(),
        family_name: traveller.family_name.clone(),
        born_on: mask::date(traveller.born_on),
        email: mask::email(&traveller.email),
        phone_number: mask::number(&traveller.phone_number),
        residence_country: traveller.residence_country.clone(),
        documents: person
            .documents
            .iter()
            .map(|document| DocumentView {
                id: document.id,
                kind: document.kind,
                number: mask::number(&document.number),
                country: document.country.clone(),
                expires_on: document.expires_on.to_string(),
                expiry: document.expiry(today, trips_end),
            })
            .collect(),
        loyalty: person
            .loyalty
            .iter()
            .map(|card| LoyaltyView { programme: card.programme.clone(), number: mask::number(&card.number) })
            .collect(),
        seat: person.seat,
        meal: person.meal,
        trips: u32::try_from(trips_end.len()).unwrap_or(u32::MAX),
        busy,
    }
}

const fn title(title: Title) -> TitleView {
    match title {
        Title::Mr => TitleView::Mr,
        Title::Ms => TitleView::Ms,
        Title::Mrs => TitleView::Mrs,
        Title::Miss => TitleView::Miss,
        Title::Dr => TitleView::Dr,
    }
}

pub(crate) const fn title_from(view: TitleView) -> Title {
    match view {
        TitleView::Mr => Title::Mr,
        TitleView::Ms => Title::Ms,
        TitleView::Mrs => Title::Mrs,
        TitleView::Miss => Title::Miss,
        TitleView::Dr => Title::Dr,
    }
}

const fn gender(gender: Gender) -> GenderView {
    match gender {
        Gender::M => GenderView::M,
        Gender::F => GenderView::F,
    }
}

pub(crate) const fn gender_from(view: GenderView) -> Gender {
    match view {
        GenderView::M => Gender::M,
        GenderView::F => Gender::F,
    }
}
