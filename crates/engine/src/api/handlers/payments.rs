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
    people,
    store::{
        orders::{self, PaymentRow},
        settings,
    },
};
use aws_lc_rs::digest::{SHA256, digest};
use zhiyou_domain::{
    booking::pay_by,
    fault::{Fault, FaultCode},
    id::{AttemptId, TravellerId},
    link,
    money::{Currency, Money, MoneyError},
    order::{Attempt, AttemptState, Fact, Order, OrderItem, PaymentPart, Source, cart, risk},
    places,
    plan::ItemRequest,
    port::{
        Outcome,
        payments::{
            Abilities, Ability, Channel, CheckCredit, CreditCode, CreditStatus, ListChannels, PaymentAction,
            PaymentIntent, PaymentRef, PaymentStatus,
        },
    },
    routing::{self, Ask, Route},
    screening::{self, History, Screening},
    time::UtcMicros,
};

/// Earlier trips that are looked at.
const TRIPS_MAX: i64 = 20;

pub(crate) async fn list_channels(engine: &Engine, wish: ListOrderChannels) -> Result<WaysToPayView, Fault> {
    let order = engine.book.get(wish.order_id).await?;
    let to_pay = to_pay(&order)?;
    let amount = match wish.amount_minor {
        Some(minor) => Money::new(minor, to_pay.currency()).map_err(internal)?,
        None => to_pay,
    };
    let (abilities, routes) = routes(engine, &order, amount, wish.instalments).await?;
    Ok(ways(&abilities, &routes))
}

pub(crate) async fn preview_channels(engine: &Engine, wish: PreviewChannels) -> Result<WaysToPayView, Fault> {
    let wrong = |path: &str, problem: &str| {
        let fault = Fault::new(FaultCode::MalformedInput, format!("{path}: {problem}"));
        fault.with("path", path).with("problem", problem)
    };
    let currency: Currency = wish.currency.parse().map_err(|_| wrong("currency", "unknown_currency"))?;
    let amount = Money::new(wish.amount_minor, currency).map_err(|_| wrong("amount_minor", "out_of_range"))?;
    if !amount.is_positive() {
        return Err(wrong("amount_minor", "out_of_range"));
    }
    let items = usize::try_from(wish.items.unwrap_or(1)).map_err(|_| wrong("items", "out_of_range"))?;
    let domestic = match wish.domestic {
        Some(domestic) => domestic,
        None => is_domestic(engine, &[], currency).await,
    };
    let preferred = match wish.preferred {
        Some(channel) => Some(channel),
        None => preferred(engine).await?,
    };
    let used_last = used_last(engine).await?;
    let ask = Ask {
        amount,
        items,
        at_risk: items > 1,
        domestic,
        preferred,
        used_last,
        undecided: None,
        instalments: wish.instalments,
        presentable: engine.browser.presentable(),
    };
    let (abilities, routes) = ranked(engine, &ask).await?;
    Ok(ways(&abilities, &routes))
}

fn ways(abilities: &Abilities, routes: &[Route]) -> WaysToPayView {
    let ability = |route: &Route| abilities.channels.iter().find(|ability| ability.channel == route.channel);
    let best = routes.first().filter(|route| route.bars.is_empty()).map(|route| route.channel);
    let view = |route: &Route| Some(convert::channel(route, ability(route)?, best == Some(route.channel)));
    WaysToPayView { channels: routes.iter().filter_map(view).collect(), credits: abilities.credits }
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

/// What the merchant tells those apart by who ask about codes: a name without a meaning, the same as long as this installation.
async fn asker(engine: &Engine) -> Result<String, Fault> {
    const NAME: &str = "asker";
    if let Some(known) = settings::get(engine.db.reader(), NAME).await? {
        return Ok(known);
    }
    let fresh = engine.ids.ulid().to_string();
    let mut tx = engine.db.begin().await?;
    settings::put(&mut tx, NAME, &fresh).await?;
    engine.db.commit(tx).await?;
    Ok(fresh)
}

/// What a code is worth for an order of this total.
async fn credit(engine: &Engine, code: &CreditCode, order_total: Money) -> Result<Credit, Fault> {
    let wish = CheckCredit { code: code.clone(), order_total, asker: Some(asker(engine).await?) };
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

/// What is to be paid next: the part that was agreed to, else all of it.
fn to_pay(order: &Order) -> Result<Money, Fault> {
    match cart::unpaid_part(order) {
        Some((_, part)) => Ok(part.amount),
        None => cart::total(order).map_err(internal),
    }
}

/// Every configured channel with its place for so much of this order.
async fn routes(
    engine: &Engine,
    order: &Order,
    amount: Money,
    instalments: Option<u8>,
) -> Result<(Abilities, Vec<Route>), Fault> {
    let now = engine.clock.now();
    let travellers: Vec<TravellerId> =
        order.items.iter().flat_map(|item| item.wanted.travellers.iter().copied()).collect();
    let ask = Ask {
        amount,
        items: cart::cart_items(order).count(),
        at_risk: risk::exposure(order, now).map_err(internal)?.loss.is_positive()
            || cart::cart_items(order).any(|item| item.hold.as_ref().is_none_or(|hold| !hold.firm)),
        domestic: is_domestic(engine, &travellers, amount.currency()).await,
        preferred: preferred(engine).await?,
        used_last: used_last(engine).await?,
        undecided: undecided(order),
        instalments,
        presentable: engine.browser.presentable(),
    };
    ranked(engine, &ask).await
}

/// Every configured channel with its place for a payment.
async fn ranked(engine: &Engine, ask: &Ask) -> Result<(Abilities, Vec<Route>), Fault> {
    let abilities: Abilities =
        engine.ports.payments.read("listChannels", &ListChannels {}).await.map_err(unavailable)?;
    let weights = abilities.weights.unwrap_or_default();
    let routes = routing::route(ask, &abilities.channels, &weights).map_err(internal)?;
    Ok((abilities, routes))
}

/// Whether who pays is at home in mainland China: by where the travellers say they live, else by the currency. What language
/// somebody reads says nothing about where they live.
async fn is_domestic(engine: &Engine, travellers: &[TravellerId], currency: Currency) -> bool {
    for id in travellers {
        // A vault that is closed tells nothing, and nobody has to open it to pay.
        let known = people::get(&engine.vault, *id).await.ok().flatten();
        if let Some(country) = known.as_ref().and_then(|person| person.traveller.residence_country.as_deref()) {
            return country == "CN";
        }
    }
    currency == Currency::CNY
}

async fn used_last(engine: &Engine) -> Result<Option<Channel>, Fault> {
    let known = orders::payments_since(engine.db.reader(), UtcMicros(0)).await?;
    Ok(known.iter().find(|row| is_used(row)).map(|row| row.channel))
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

/// What a channel can do, when it may be used for so much of this order now.
async fn usable(
    engine: &Engine,
    order: &Order,
    amount: Money,
    channel: Channel,
    instalments: Option<u8>,
) -> Result<Ability, Fault> {
    let (abilities, routes) = routes(engine, order, amount, instalments).await?;
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
        let code = digest(&SHA256, credit.code.expose().trim().to_uppercase().as_bytes());
        format!(" credit {} {}", hex::encode(code), credit.amount_minor)
    });
    let instalments = wish.instalments.map_or(String::new(), |count| format!(" in {count}"));
    let channel = wish.channel.map_or("", Channel::word);
    format!("{} {} {channel}{second}{credit}{instalments}", wish.order_id, wish.cart_hash)
}

/// What a cart is paid by: a credit, then all of the rest by one channel, or a part of it by a second one. What sets money
/// aside comes first. Where a credit leaves nothing, no channel is needed, and none is looked at.
///
/// # Errors
/// `ChannelBarred`; `CreditRefused`; `CartChanged` when the code is worth something else than was shown; `MalformedInput` for
/// an amount that is not a part of what is to be paid, and for a rest that nothing pays.
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
    if rest.is_zero() && wish.second.is_none() {
        return Ok(parts);
    }
    let Some(first) = wish.channel else {
        let fault = Fault::new(FaultCode::MalformedInput, "something is left to pay, and by nothing");
        return Err(fault.with("path", "channel").with("problem", "missing"));
    };
    let mut wanted = vec![(first, rest, wish.instalments)];
    if let Some(second) = wish.second {
        let amount = Money::new(second.amount_minor, total.currency()).map_err(internal)?;
        rest = rest.minus(amount).map_err(internal)?;
        if !amount.is_positive() || !rest.is_positive() {
            let fault = Fault::new(FaultCode::MalformedInput, "a second payment is a part of what is to be paid");
            return Err(fault.with("path", "second.amount_minor").with("problem", "out_of_range"));
        }
        wanted = vec![(first, rest, wish.instalments), (second.channel, amount, None)];
    }
    let mut paid = Vec::new();
    for (channel, amount, instalments) in wanted {
        let authorise = usable(engine, order, amount, channel, instalments).await?.authorises;
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
    let (channel, url) = match action {
        Some((channel, PaymentAction::Redirect { url })) => (channel, url.clone()),
        Some((channel, PaymentAction::PhonePage { .. })) => (channel, phone_page(engine, &order).await?),
        Some((_, PaymentAction::Qr { .. } | PaymentAction::App { .. } | PaymentAction::Nothing)) | None => {
            return Err(Fault::new(FaultCode::WrongState, "no page is to be opened"));
        }
    };
    attempt.into_iter().for_each(|attempt| engine.payer_leaves(attempt.id));
    let url = page::address(&url, channel, engine.demo.is_some());
    let url = url.ok_or_else(|| Fault::new(FaultCode::Internal, "a page that is not to be opened"))?;
    engine.browser.open(&url).map_err(|error| Fault::new(FaultCode::BrowserUnavailable, error.to_string()))
}

/// The page for phones that the channel shows now: it is good for minutes, and asking again gives the same payment.
async fn phone_page(engine: &Engine, order: &Order) -> Result<String, Fault> {
    match opened_again(engine, order).await?.action {
        PaymentAction::PhonePage { url } => Ok(url),
        PaymentAction::Qr { .. }
        | PaymentAction::Redirect { .. }
        | PaymentAction::App { .. }
        | PaymentAction::Nothing => Err(Fault::new(FaultCode::WrongState, "the channel shows no page any more")),
    }
}

/// What the channel says the payer of the newest attempt does now; the same payment as ever.
async fn opened_again(engine: &Engine, order: &Order) -> Result<PaymentIntent, Fault> {
    let attempt = waiting(order, engine.clock.now())?;
    match engine.ports.open_again(order, attempt.id).await {
        Outcome::Done(intent) => Ok(intent),
        Outcome::Declined(reason) | Outcome::NotSent(reason) | Outcome::Unknown(reason) => Err(unavailable(reason)),
    }
}

/// The attempt that waits for its payer, in an order that has not ended and in time.
fn waiting(order: &Order, now: UtcMicros) -> Result<&Attempt, Fault> {
    let waits = |attempt: &&Attempt| attempt.state == AttemptState::RequiresAction && attempt.pay_by > now;
    let attempt = order.attempts.last().filter(waits).filter(|_| order.ending.is_none());
    attempt.ok_or_else(|| Fault::new(FaultCode::WrongState, "nothing is to be paid"))
}

/// The code or page of now. A new one is written down; the payment stays the same, and so does the last moment to pay it.
pub(crate) async fn refresh_payment(engine: &Engine, wish: RefreshPayment) -> Result<OrderView, Fault> {
    let order = engine.book.get(wish.order_id).await?;
    let PaymentIntent { attempt_id, action, .. } = opened_again(engine, &order).await?;
    let shown = |order: &Order, now: UtcMicros| {
        let attempt = waiting(order, now)?;
        if attempt.id != attempt_id {
            return Err(Fault::new(FaultCode::WrongState, "another payment took its place"));
        }
        let news = attempt.action.as_ref() != Some(&action);
        Ok(news.then(|| Fact::PaymentShown { attempt: attempt_id, action: action.clone() }).into_iter().collect())
    };
    changed(engine, engine.book.record(order.id, shown).await?).await
}

pub(crate) async fn check_payment(engine: &Engine, wish: CheckPayment) -> Result<OrderView, Fault> {
    let order = engine.book.get(wish.order_id).await?;
    let Some(attempt) = order.attempts.last() else {
        return Err(Fault::new(FaultCode::WrongState, "nothing is to be paid"));
    };
    let query = PaymentRef { attempt_id: attempt.id };
    match engine.ports.payments.call::<_, PaymentStatus>("settlePayment", &query).await {
        Outcome::Done(status) => {
            let fact = Fact::PaymentReported { status, source: Source::Poll };
            changed(engine, engine.book.record(order.id, |_, _| Ok(vec![fact.clone()])).await?).await
        }
        Outcome::Declined(reason) | Outcome::NotSent(reason) | Outcome::Unknown(reason) => Err(unavailable(reason)),
    }
}

pub(crate) async fn check_payments(engine: &Engine, _: CheckPayments) -> Result<(), Fault> {
    engine.ask_about_payments().await
}

pub(crate) async fn retry_payment(engine: &Engine, wish: RetryPayment) -> Result<OrderView, Fault> {
    let order = engine.book.get(wish.order_id).await?;
    let wrong = || Fault::new(FaultCode::WrongState, "no earlier payment, or no time left");
    let earlier = order.attempts.last().ok_or_else(wrong)?;
    let channel = wish.channel.unwrap_or(earlier.channel);
    let instalments = earlier.instalments.filter(|_| channel == earlier.channel);
    let authorise = usable(engine, &order, to_pay(&order)?, channel, instalments).await?.authorises;
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
    let id = link.strip_prefix(link!("pay/"))?;
    AttemptId::parse_bare(id.strip_suffix('/').unwrap_or(id)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use zhiyou_domain::app::ROOT;

    #[test]
    fn a_return_names_an_attempt_of_ours_and_nothing_else() {
        let id = "01KA0000000000000000000ABC";
        assert_eq!(returned(&format!("{ROOT}pay/{id}")).unwrap().bare(), id);
        for link in [link!("pay/"), link!("pay/1"), link!("pay/return?status=success"), link!("open/order/x")] {
            assert_eq!(returned(link), None, "{link}");
        }
        assert_eq!(returned(&format!("{ROOT}pay/{id}?status=success")), None, "what a forger adds is not read");
    }
}
