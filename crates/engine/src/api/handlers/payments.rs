//! Paying: which channels there are and why, opening a hosted page, asking now, trying again.
//!
//! Deliberately not here: which channel is best (the domain's routing), and anything a channel does.

mod page;

use super::{
    super::{command::*, convert, view::*},
    orders::{asked, changed, unavailable},
};
use crate::{
    engine::Engine,
    store::{
        orders::{self, PaymentRow},
        settings,
    },
};
use aws_lc_rs::digest::{SHA256, digest};
use zhiyou_domain::{
    booking::pay_by,
    fault::{Fault, FaultCode},
    id::AttemptId,
    money::{Money, MoneyError},
    order::{AttemptState, Fact, Order, OrderItem, PaymentPart, Source, cart, risk},
    places,
    plan::ItemRequest,
    port::{
        Outcome,
        payments::{
            Abilities, Ability, Channel, CheckCredit, CreditStatus, ListChannels, PaymentAction, PaymentRef,
            PaymentStatus,
        },
    },
    routing::{self, Ask, Candidate, Health, Route},
    screening::{self, History, Screening},
    time::UtcMicros,
};

/// Earlier trips that are looked at.
const TRIPS_MAX: i64 = 20;
/// Payments of so many hours tell how a channel does.
const HEALTH_MIN: i64 = 24 * 60;

pub(crate) async fn list_channels(engine: &Engine, wish: ListOrderChannels) -> Result<WaysToPayView, Fault> {
    let order = engine.book.get(wish.order_id).await?;
    let (abilities, routes) = routes(engine, &order, wish.instalments).await?;
    let ability = |route: &Route| abilities.channels.iter().find(|ability| ability.channel == route.channel);
    let best = routes.first().filter(|route| route.bars.is_empty()).map(|route| route.channel);
    let view = |route: &Route| Some(convert::channel(route, ability(route)?, best == Some(route.channel)));
    Ok(WaysToPayView { channels: routes.iter().filter_map(view).collect(), credits: abilities.credits })
}

pub(crate) async fn check_credit(engine: &Engine, wish: CheckOrderCredit) -> Result<CreditView, Fault> {
    let order = engine.book.get(wish.order_id).await?;
    if order.confirmed.is_some() {
        return Err(Fault::new(FaultCode::WrongState, "what pays the order is agreed to"));
    }
    let total = cart::total(&order).map_err(internal)?;
    let found = credit(engine, &wish.code, total).await?;
    let to_pay = total.minus(found.amount).map_err(internal)?;
    let (amount, to_pay) = (convert::money(found.amount), convert::money(to_pay));
    Ok(CreditView { amount, to_pay, ends_at_us: found.ends_at_us.map(|at| at.0) })
}

/// A credit and what it is worth.
struct Credit {
    id: String,
    amount: Money,
    ends_at_us: Option<UtcMicros>,
}

/// What a code is worth for an order of this total.
async fn credit(engine: &Engine, code: &str, order_total: Money) -> Result<Credit, Fault> {
    let wish = CheckCredit { code: code.to_owned(), order_total };
    let refused = |why: &str| Fault::new(FaultCode::CreditRefused, "the code is worth nothing here").with("why", why);
    match engine.ports.payments.call::<_, CreditStatus>("checkCredit", &wish).await {
        Outcome::Done(CreditStatus::Usable { credit_id, amount, ends_at_us }) => {
            Ok(Credit { id: credit_id, amount, ends_at_us })
        }
        Outcome::Done(CreditStatus::Refused { why, minimum }) => Err(match minimum {
            Some(least) => refused(why.word()).with("minimum", least.minor()).with("currency", least.currency()),
            None => refused(why.word()),
        }),
        Outcome::Declined(reason) | Outcome::NotSent(reason) | Outcome::Unknown(reason) => Err(unavailable(reason)),
    }
}

fn internal(error: MoneyError) -> Fault {
    Fault::new(FaultCode::Internal, error.to_string())
}

/// Every configured channel with its place for this order.
async fn routes(engine: &Engine, order: &Order, instalments: Option<u8>) -> Result<(Abilities, Vec<Route>), Fault> {
    let abilities: Abilities =
        engine.ports.payments.read("listChannels", &ListChannels {}).await.map_err(unavailable)?;
    let now = engine.clock.now();
    let amount = match cart::unpaid_part(order) {
        Some((_, part)) => part.amount,
        None => cart::total(order).map_err(internal)?,
    };
    let known = orders::payments_since(engine.db.reader(), UtcMicros(0)).await?;
    let recent = orders::payments_since(engine.db.reader(), now.plus_minutes(-HEALTH_MIN)).await?;
    let ask = Ask {
        amount,
        items: cart::cart_items(order).count(),
        at_risk: risk::exposure(order, now).map_err(internal)?.loss.is_positive()
            || cart::cart_items(order).any(|item| item.hold.as_ref().is_none_or(|hold| !hold.firm)),
        domestic: amount.currency() == zhiyou_domain::money::Currency::CNY,
        preferred: preferred(engine).await?,
        used_last: known.iter().find(|row| is_used(row)).map(|row| row.channel),
        undecided: undecided(order),
        instalments,
    };
    let candidate =
        |ability: &Ability| Candidate { ability: ability.clone(), health: health(&recent, ability.channel) };
    let candidates: Vec<Candidate> = abilities.channels.iter().map(candidate).collect();
    let weights = abilities.weights.unwrap_or_default();
    let routes = routing::route(&ask, &candidates, &weights).map_err(internal)?;
    Ok((abilities, routes))
}

/// Whether a payment says what the traveller likes to pay by.
fn is_used(row: &PaymentRow) -> bool {
    row.state == AttemptState::Captured && row.channel != Channel::Credit
}

/// The channel the traveller chose in the settings.
pub(crate) async fn preferred(engine: &Engine) -> Result<Option<Channel>, Fault> {
    Ok(settings::get(engine.db.reader(), "channel").await?.as_deref().and_then(Channel::of_word))
}

/// The channel of a payment that may still be paid, or of which nobody knows.
fn undecided(order: &Order) -> Option<Channel> {
    cart::payable(order).map(|attempt| attempt.channel)
}

/// What the payer gave up or let lapse says nothing about the channel.
fn health(recent: &[PaymentRow], channel: Channel) -> Health {
    let count = |wanted: &[AttemptState]| {
        let such = recent.iter().filter(|row| row.channel == channel && wanted.contains(&row.state));
        u32::try_from(such.count()).unwrap_or(u32::MAX)
    };
    Health {
        succeeded: count(&[AttemptState::Captured, AttemptState::Authorised]),
        failed: count(&[AttemptState::Failed]),
    }
}

/// What a channel can do, when it may be used for this order now.
pub(super) async fn usable(
    engine: &Engine,
    order: &Order,
    channel: Channel,
    instalments: Option<u8>,
) -> Result<Ability, Fault> {
    let (abilities, routes) = routes(engine, order, instalments).await?;
    let barred = |why: &str| {
        let fault = Fault::new(FaultCode::ChannelBarred, format!("{} cannot be used: {why}", channel.word()));
        fault.with("channel", channel.word()).with("why", why)
    };
    let route = routes.iter().find(|route| route.channel == channel).ok_or_else(|| barred("not_configured"))?;
    if let Some(bar) = route.bars.first() {
        return Err(barred(convert::bar(*bar)));
    }
    abilities.channels.into_iter().find(|ability| ability.channel == channel).ok_or_else(|| barred("not_configured"))
}

/// What was asked for, by which a repeat is known. A code stands there as its digest only.
pub(super) fn spelled(wish: &ConfirmOrder) -> String {
    let second = wish.second.map_or(String::new(), |other| format!(" {} {}", other.channel.word(), other.amount_minor));
    let credit = wish.credit.as_ref().map_or(String::new(), |credit| {
        let code = digest(&SHA256, credit.code.trim().to_uppercase().as_bytes());
        format!(" credit {} {}", hex::encode(code), credit.amount_minor)
    });
    let instalments = wish.instalments.map_or(String::new(), |count| format!(" in {count}"));
    format!("{} {} {}{second}{credit}{instalments}", wish.order_id, wish.cart_hash, wish.channel.word())
}

/// What a cart is paid by: a credit, then all of the rest by one channel, or a part of it by a second one. What sets money
/// aside comes first.
///
/// # Errors
/// `ChannelBarred`; `CreditRefused`; `CartChanged` when the code is worth something else than was shown; `MalformedInput` for
/// an amount that is not a part of what is to be paid.
pub(super) async fn parts(engine: &Engine, order: &Order, wish: &ConfirmOrder) -> Result<Vec<PaymentPart>, Fault> {
    let total = cart::total(order).map_err(internal)?;
    let (mut parts, mut rest) = (Vec::new(), total);
    if let Some(shown) = &wish.credit {
        let found = credit(engine, &shown.code, total).await?;
        if found.amount.minor() != shown.amount_minor {
            return Err(Fault::new(FaultCode::CartChanged, "the code is worth something else now"));
        }
        rest = total.minus(found.amount).map_err(internal)?;
        let part = PaymentPart::new(AttemptId::from_ulid(engine.ids.ulid()), Channel::Credit, found.amount);
        parts.push(PaymentPart { authorise: true, credit: Some(found.id), ..part });
    }
    let mut wanted = vec![(wish.channel, rest, wish.instalments)];
    if let Some(second) = wish.second {
        let amount = Money::new(second.amount_minor, total.currency()).map_err(internal)?;
        rest = rest.minus(amount).map_err(internal)?;
        if !amount.is_positive() || !rest.is_positive() {
            let fault = Fault::new(FaultCode::MalformedInput, "a second payment is a part of what is to be paid");
            return Err(fault.with("path", "second.amount_minor").with("problem", "out_of_range"));
        }
        wanted = vec![(wish.channel, rest, wish.instalments), (second.channel, amount, None)];
    }
    let mut paid = Vec::new();
    for (channel, amount, instalments) in wanted.into_iter().filter(|(_, amount, _)| amount.is_positive()) {
        let authorise = usable(engine, order, channel, instalments).await?.authorises;
        let part = PaymentPart::new(AttemptId::from_ulid(engine.ids.ulid()), channel, amount);
        paid.push(PaymentPart { authorise, instalments, ..part });
    }
    paid.sort_by_key(|part| !part.authorise);
    parts.extend(paid);
    Ok(parts)
}

/// How unusual paying this order by this channel is for the traveller.
pub(super) async fn screening(engine: &Engine, order: &Order, channel: Channel) -> Result<Screening, Fault> {
    let (reader, now) = (engine.db.reader(), engine.clock.now());
    let rows = orders::payments_since(reader, UtcMicros(0)).await?;
    let device_since = settings::get(reader, "device_since").await?.and_then(|text| text.parse().ok()).map(UtcMicros);
    let paid = rows.iter().filter(|row| row.state == AttemptState::Captured);
    let mut travelled = Vec::new();
    for id in orders::newest(reader, order.created_at, TRIPS_MAX).await? {
        // A frozen order says nothing.
        if let Ok(earlier) = engine.book.get(id).await {
            travelled.extend(countries(&earlier));
        }
    }
    let history = History {
        device_since,
        opened: rows.iter().map(|row| row.opened_at).collect(),
        paid: paid.clone().map(|row| row.amount).collect(),
        channels: paid.map(|row| row.channel).collect(),
        countries: travelled,
    };
    let amount = cart::total(order).map_err(|error| Fault::new(FaultCode::Internal, error.to_string()))?;
    Ok(screening::screen(&screening::Payment { amount, channel, countries: countries(order) }, &history, now))
}

/// Where an order's trip goes.
fn countries(order: &Order) -> Vec<String> {
    let of_city = |city: &str| places::city(city).map(|city| city.country.clone());
    let of_airport = |iata: &str| places::airport(iata).map(|airport| airport.country.to_owned());
    let country = |item: &OrderItem| match &item.wanted.request {
        ItemRequest::Flight { destination, .. } => of_airport(destination),
        ItemRequest::Hotel { city, .. } | ItemRequest::Activity { city, .. } => of_city(city),
        ItemRequest::Car { airport, .. } => of_airport(airport),
    };
    order.items.iter().filter_map(country).collect()
}

/// Opens the channel's own page in the system browser; the money is asked about, whatever the page says.
pub(crate) async fn open_payment(engine: &Engine, wish: OpenPayment) -> Result<(), Fault> {
    let order = engine.book.get(wish.order_id).await?;
    let payable = |attempt: &&zhiyou_domain::order::Attempt| attempt.state == AttemptState::RequiresAction;
    let attempt = order.attempts.last().filter(payable);
    let action = attempt.and_then(|attempt| Some((attempt.channel, attempt.action.as_ref()?)));
    let Some((channel, PaymentAction::Redirect { url })) = action else {
        return Err(Fault::new(FaultCode::WrongState, "no page is to be opened"));
    };
    attempt.into_iter().for_each(|attempt| engine.payer_leaves(attempt.id));
    let url = page::address(url, channel, engine.demo.is_some());
    let url = url.ok_or_else(|| Fault::new(FaultCode::Internal, "a page that is not to be opened"))?;
    engine.browser.open(&url).map_err(|error| Fault::new(FaultCode::BrowserUnavailable, error.to_string()))
}

pub(crate) async fn check_payment(engine: &Engine, wish: CheckPayment) -> Result<OrderView, Fault> {
    let order = engine.book.get(wish.order_id).await?;
    let Some(attempt) = order.attempts.last() else {
        return Err(Fault::new(FaultCode::WrongState, "nothing is to be paid"));
    };
    let query = PaymentRef { attempt_id: attempt.id };
    match engine.ports.payments.call::<_, PaymentStatus>("getPaymentStatus", &query).await {
        Outcome::Done(status) => {
            let fact = Fact::PaymentReported { status, source: Source::Poll };
            changed(engine, engine.book.record(order.id, |_, _| Ok(vec![fact.clone()])).await?).await
        }
        Outcome::Declined(reason) | Outcome::NotSent(reason) | Outcome::Unknown(reason) => Err(unavailable(reason)),
    }
}

pub(crate) async fn retry_payment(engine: &Engine, wish: RetryPayment) -> Result<OrderView, Fault> {
    let order = engine.book.get(wish.order_id).await?;
    let wrong = || Fault::new(FaultCode::WrongState, "no earlier payment, or no time left");
    let earlier = order.attempts.last().ok_or_else(wrong)?;
    let channel = wish.channel.unwrap_or(earlier.channel);
    let instalments = earlier.instalments.filter(|_| channel == earlier.channel);
    let authorise = usable(engine, &order, channel, instalments).await?.authorises;
    let screening = screening(engine, &order, channel).await?;
    let attempt = AttemptId::from_ulid(engine.ids.ulid());
    let facts = |order: &Order, now: UtcMicros| {
        let (pay_by, screening) = (pay_by(order, now).ok_or_else(wrong)?, Some(screening.clone()));
        Ok(vec![Fact::PaymentRetried { attempt, channel, pay_by, authorise, instalments, screening }])
    };
    let detail = wish.channel.map_or("", Channel::word);
    let view = asked(engine, wish.order_id, wish.request_id, "retry_payment", detail, facts).await;
    engine.score_payments();
    view
}

/// The payment attempt a link of the return page names; nothing else of the link is read.
pub(crate) fn returned(link: &str) -> Option<AttemptId> {
    AttemptId::parse_bare(link.strip_prefix("zhiyou://pay/")?.trim_end_matches('/')).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_return_names_an_attempt_of_ours_and_nothing_else() {
        let id = "01KA0000000000000000000ABC";
        assert_eq!(returned(&format!("zhiyou://pay/{id}")).unwrap().bare(), id);
        for link in ["zhiyou://pay/", "zhiyou://pay/1", "zhiyou://pay/return?status=success", "zhiyou://open/order/x"] {
            assert_eq!(returned(link), None, "{link}");
        }
        assert_eq!(returned(&format!("zhiyou://pay/{id}?status=success")), None, "what a forger adds is not read");
    }
}
