//! What the desk allows itself to charge, to the unit and to the microsecond, and when it leaves a channel alone.

mod health;
mod refunds;

use super::*;
use crate::{
    defence::take_away,
    pay::{Capabilities, Notice, Opened, Receipt, Refused},
    reconcile::line::Midnight,
};
use axum::http::HeaderMap;
use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::SeqCst},
};
use zhiyou_domain::{
    money::Currency,
    port::payments::{PaymentAction, Presentation},
};

/// Midnight in Beijing between 20 and 21 November 2026, microseconds.
const MIDNIGHT_US: i64 = 1_795_190_400_000_000;

struct Moved(AtomicI64);

impl Clock for Moved {
    fn now(&self) -> UtcMicros {
        UtcMicros(self.0.load(SeqCst))
    }
}

/// A channel that opens everything, unless it is silent, and counts how often it was asked.
#[derive(Default)]
struct Opening {
    asked: AtomicUsize,
    silent: AtomicBool,
    /// What it shows is made without asking it.
    made_here: AtomicBool,
    /// Why it opens nothing.
    refuses: Mutex<Option<Reason>>,
    /// Where it says that a payment stands, if it answers.
    stands: Mutex<Option<PaymentState>>,
    refunds: refunds::Refunds,
}

fn never<T>() -> Outcome<T> {
    Outcome::Unknown(Reason::new(ReasonCode::Network, "not asked in these tests"))
}

#[async_trait::async_trait]
impl PaymentChannel for Opening {
    fn capabilities(&self) -> Capabilities<'_> {
        Capabilities {
            currencies: &[Currency::CNY],
            presents: Presentation::Qr,
            authorises: false,
            opens_by_call: !self.made_here.load(SeqCst),
            bounds: &[],
            fee_bp: 0,
            refund_min: 0,
            description_bytes_max: 127,
            refund_reason_bytes_max: 80,
            midnight: Midnight::Beijing,
        }
    }
    fn receipt(&self) -> Receipt {
        Receipt { content_type: "text/plain", kept: "", refused: "" }
    }
    async fn create(&self, _: &Attempt) -> Outcome<Opened> {
        self.asked.fetch_add(1, SeqCst);
        if self.silent.load(SeqCst) {
            return never();
        }
        if let Some(reason) = self.refuses.lock().unwrap().clone() {
            return Outcome::Declined(reason);
        }
        Outcome::Done(Opened { action: PaymentAction::Qr { content: "weixin://x".to_owned() }, provider_ref: None })
    }
    async fn query(&self, attempt: &Attempt) -> Outcome<PaymentSeen> {
        let Some(state) = *self.stands.lock().unwrap() else { return never() };
        let number = (state == PaymentState::Captured).then(|| attempt.attempt_id.bare());
        Outcome::Done(PaymentSeen { transaction_id: number, total: Some(attempt.amount), ..PaymentSeen::bare(state) })
    }
    async fn knows(&self, _: AttemptId) -> Outcome<bool> {
        never()
    }
    async fn close(&self, _: &Attempt) -> Outcome<PaymentSeen> {
        Outcome::Done(PaymentSeen::bare(PaymentState::Closed))
    }
    async fn refund(&self, refund: &Refund, attempt: &Attempt) -> Outcome<RefundSeen> {
        self.refunds.ask(refund, attempt)
    }
    async fn query_refund(&self, refund: &Refund, attempt: &Attempt) -> Outcome<Option<RefundSeen>> {
        self.refunds.tell(refund, attempt)
    }
    async fn verify_notification(&self, _: &HeaderMap, _: &[u8], _: UtcMicros) -> Result<Notice, Refused> {
        Err(Refused::Probe)
    }
}

struct World {
    _folder: tempfile::TempDir,
    desk: Desk,
    clock: Arc<Moved>,
    channel: Arc<Opening>,
    opened: AtomicI64,
}

fn cny(minor: i64) -> Money {
    Money::new(minor, Currency::CNY).unwrap()
}

/// The number of the payment that is opened after so many.
fn number(count: u128) -> AttemptId {
    AttemptId::from_ulid(ulid::Ulid::from_parts(1_795_000_000_000, count))
}

impl World {
    async fn with(caps: Vec<CapConfig>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clock, channel) = (Arc::new(Moved(AtomicI64::new(MIDNIGHT_US))), Arc::new(Opening::default()));
        let desk = Desk {
            store: Store::open(folder.path()).await.unwrap(),
            channels: Channels::default().with(Channel::Wechatpay, Arc::<Opening>::clone(&channel)),
            clock: Arc::<Moved>::clone(&clock),
            notify_base: "http://127.0.0.1:1".to_owned(),
            turns: Turns::default(),
            caps: caps.into(),
            settlements: Arc::default(),
            instalments: Arc::default(),
            credits: Arc::default(),
            guesses: Guesses::default(),
            weights: None,
        };
        Self { _folder: folder, desk, clock, channel, opened: AtomicI64::new(0) }
    }

    /// Opens a payment; answers its number, or why not.
    async fn open(&self, minor: i64) -> Result<AttemptId, Reason> {
        match self.try_open(minor).await {
            Outcome::Done(intent) => Ok(intent.attempt_id),
            Outcome::Declined(reason) => Err(reason),
            other => panic!("{other:?}"),
        }
    }

    async fn try_open(&self, minor: i64) -> Outcome<PaymentIntent> {
        let count = u128::try_from(self.opened.fetch_add(1, SeqCst)).unwrap();
        let wish = CreatePaymentIntent {
            attempt_id: number(count),
            channel: Channel::Wechatpay,
            amount: cny(minor),
            description: "x".to_owned(),
            expires_at_us: self.clock.now().plus_minutes(15),
            authorise: false,
            instalments: None,
            credit: None,
        };
        self.desk.create(wish).await
    }

    /// Opens so many payments while the channel does not answer.
    async fn lose(&self, count: usize) {
        self.channel.silent.store(true, SeqCst);
        for _ in 0..count {
            assert!(matches!(self.try_open(100).await, Outcome::Unknown(_)));
        }
        self.channel.silent.store(false, SeqCst);
    }

    /// Whether a new payment is kept away from the channel: it is refused for that alone, and not sent.
    async fn is_left_alone(&self) -> bool {
        let sent = self.channel.asked.load(SeqCst);
        let alone = self.open(100).await.is_err_and(|reason| reason.code == ReasonCode::ChannelFailing);
        assert_eq!(alone, self.channel.asked.load(SeqCst) == sent, "what is refused is not sent");
        alone
    }

    fn pass(&self, minutes: i64) {
        self.clock.0.fetch_add(minutes * 60_000_000, SeqCst);
    }

    async fn refused(&self, minor: i64) -> bool {
        let sent = self.channel.asked.load(SeqCst);
        let refused = self.open(minor).await.is_err_and(|reason| reason.code == ReasonCode::OverLimit);
        assert_eq!(refused, self.channel.asked.load(SeqCst) == sent, "what is refused is not sent");
        refused
    }
}

fn cap(payment: i64, day: i64) -> CapConfig {
    CapConfig { channel: Channel::Wechatpay, per_payment: cny(payment), per_day: cny(day) }
}

#[tokio::test]
async fn a_cap_holds_to_the_unit_and_is_enforced_before_anything_is_sent() {
    let world = World::with(vec![cap(10_000, 25_000)]).await;
    assert!(world.refused(10_001).await);
    assert!(!world.refused(10_000).await);
    assert!(!world.refused(10_000).await);
    assert!(world.refused(5_001).await);
    assert!(!world.refused(5_000).await);
    assert!(world.refused(1).await);
}

#[tokio::test]
async fn a_day_ends_at_midnight_in_beijing() {
    let world = World::with(vec![cap(10_000, 10_000)]).await;
    world.clock.0.store(MIDNIGHT_US - 1, SeqCst);
    assert!(!world.refused(10_000).await);
    assert!(world.refused(1).await);
    world.clock.0.store(MIDNIGHT_US, SeqCst);
    assert!(!world.refused(10_000).await, "a new day");
    world.clock.0.store(MIDNIGHT_US + 24 * 3_600_000_000 - 1, SeqCst);
    assert!(world.refused(1).await, "still the same day");
    assert_eq!(beijing_day(UtcMicros(MIDNIGHT_US - 1)).1, UtcMicros(MIDNIGHT_US));
    assert_eq!(UtcMicros(MIDNIGHT_US).to_rfc3339(), "2026-11-20T16:00:00Z");
}

#[tokio::test]
async fn asking_again_for_a_payment_counts_once_and_a_closed_one_no_longer() {
    let world = World::with(vec![cap(10_000, 10_000)]).await;
    let id = world.open(10_000).await.unwrap();
    world.opened.store(0, SeqCst);
    assert_eq!(world.open(10_000).await, Ok(id), "the same payment");
    assert!(world.refused(1).await);
    assert_eq!(world.desk.close(id).await.map(|status| status.state), Outcome::Done(PaymentState::Closed));
    assert!(!world.refused(10_000).await);
}

#[tokio::test]
async fn pm_08_pm_09_one_number_is_one_payment_of_one_amount() {
    let world = World::with(vec![]).await;
    let id = world.open(10_000).await.unwrap();
    let again = async |minor| {
        world.opened.store(0, SeqCst);
        world.open(minor).await
    };
    assert_eq!(again(10_000).await, Ok(id), "asked twice, one payment");
    assert!(again(10_001).await.is_err_and(|reason| reason.code == ReasonCode::InvalidRequest));
    take_away(Some(Defence::SameFields));
    let other = again(10_001).await;
    take_away(None);
    assert_eq!(other, Ok(id), "shown one amount, and asked for another");
}

#[tokio::test]
async fn payments_at_once_never_share_the_rest_of_a_day() {
    let world = World::with(vec![cap(10_000, 15_000)]).await;
    let endings = tokio::join!(world.open(10_000), world.open(10_000), world.open(10_000));
    let opened = [endings.0.is_ok(), endings.1.is_ok(), endings.2.is_ok()].into_iter().filter(|ok| *ok).count();
    assert_eq!(opened, 1);
}

#[tokio::test]
async fn a_capped_channel_charges_only_in_currencies_with_a_cap_and_the_tightest_cap_counts() {
    let usd = |minor| Money::new(minor, "USD".parse().unwrap()).unwrap();
    let dollars = CapConfig { channel: Channel::Wechatpay, per_payment: usd(1), per_day: usd(1) };
    let world = World::with(vec![dollars]).await;
    assert!(world.refused(1).await);
    let world = World::with(vec![cap(50_000, 50_000), cap(10_000, 100_000)]).await;
    assert!(world.refused(10_001).await);
    let elsewhere = CapConfig { channel: Channel::Stripe, ..cap(1, 1) };
    assert!(!World::with(vec![elsewhere]).await.refused(10_001).await);
}

#[tokio::test]
async fn how_much_one_payment_can_be_follows_the_caps_and_what_is_left_of_the_day() {
    let world = World::with(vec![cap(10_000, 15_000)]).await;
    let most = async || world.desk.abilities().await.unwrap().channels[0].bounds.clone();
    let bounds = |most| vec![Bounds { currency: Currency::CNY, least: None, most: Some(most) }];
    assert_eq!(most().await, bounds(10_000));
    world.open(10_000).await.unwrap();
    assert_eq!(most().await, bounds(5_000));
    let able = &world.desk.abilities().await.unwrap().channels[0];
    assert!(able.takes(cny(5_000)) && !able.takes(cny(5_001)));
    assert!(world.refused(5_001).await && !world.refused(5_000).await, "as the desk itself decides");
}

/// A payment that was opened by an earlier version is still the same payment.
#[tokio::test]
async fn what_came_into_a_request_later_changes_no_payment_that_does_without_it() {
    let world = World::with(vec![]).await;
    let id = world.open(10_000).await.unwrap();
    let kept = attempts::find(world.desk.store.reader(), id).await.unwrap().unwrap();
    let (amount, ends) = (kept.amount.to_string(), kept.expires_at_us.0.to_string());
    assert_eq!(kept.fingerprint, fingerprint(&["wechatpay", &amount, "x", &ends, "charge"]));
    assert_eq!(amount, "CNY 100.00", "and so is how an amount is spelled");
}
