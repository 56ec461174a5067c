//! What the desk allows itself to charge, to the unit and to the microsecond.

use super::*;
use crate::{
    defence::take_away,
    pay::{Capabilities, Notice, Opened, Receipt, Refused},
    reconcile::line::Midnight,
};
use axum::http::HeaderMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::SeqCst};
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
struct Opening(AtomicUsize, AtomicBool);

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
        self.0.fetch_add(1, SeqCst);
        if self.1.load(SeqCst) {
            return never();
        }
        Outcome::Done(Opened { action: PaymentAction::Qr { content: "weixin://x".to_owned() }, provider_ref: None })
    }
    async fn query(&self, _: &Attempt) -> Outcome<PaymentSeen> {
        never()
    }
    async fn knows(&self, _: AttemptId) -> Outcome<bool> {
        never()
    }
    async fn close(&self, _: &Attempt) -> Outcome<PaymentSeen> {
        Outcome::Done(PaymentSeen::bare(PaymentState::Closed))
    }
    async fn refund(&self, _: &Refund, _: &Attempt) -> Outcome<RefundSeen> {
        never()
    }
    async fn query_refund(&self, _: &Refund, _: &Attempt) -> Outcome<Option<RefundSeen>> {
        never()
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
        let number = u128::try_from(self.opened.fetch_add(1, SeqCst)).unwrap();
        let wish = CreatePaymentIntent {
            attempt_id: AttemptId::from_ulid(ulid::Ulid::from_parts(1_795_000_000_000, number)),
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
        self.channel.1.store(true, SeqCst);
        for _ in 0..count {
            assert!(matches!(self.try_open(100).await, Outcome::Unknown(_)));
        }
        self.channel.1.store(false, SeqCst);
    }

    /// Whether a new payment is kept away from the channel: it is refused for that alone, and not sent.
    async fn is_left_alone(&self) -> bool {
        let sent = self.channel.0.load(SeqCst);
        let alone = self.open(100).await.is_err_and(|reason| reason.code == ReasonCode::ChannelFailing);
        assert_eq!(alone, self.channel.0.load(SeqCst) == sent, "what is refused is not sent");
        alone
    }

    fn pass(&self, minutes: i64) {
        self.clock.0.fetch_add(minutes * 60_000_000, SeqCst);
    }

    async fn refused(&self, minor: i64) -> bool {
        let sent = self.channel.0.load(SeqCst);
        let refused = self.open(minor).await.is_err_and(|reason| reason.code == ReasonCode::OverLimit);
        assert_eq!(refused, self.channel.0.load(SeqCst) == sent, "what is refused is not sent");
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
async fn a_channel_that_does_not_answer_gets_no_new_payment_and_what_exists_can_still_be_opened() {
    let world = World::with(vec![]).await;
    world.lose(9).await;
    assert!(!world.is_left_alone().await, "nine are no sample");
    world.lose(1).await;
    assert!(world.is_left_alone().await);
    let able = world.desk.abilities().await.unwrap();
    let health = able.channels[0].health;
    assert_eq!((health.succeeded, health.failed, health.may_try), (0, 10, false));
    world.opened.store(0, SeqCst);
    assert!(world.open(100).await.is_ok(), "the same payment again");
    assert!(!world.is_left_alone().await, "it answers again");
}

#[tokio::test]
async fn a_channel_that_is_left_alone_is_tried_by_one_payment_and_is_well_when_that_opens() {
    let world = World::with(vec![]).await;
    world.lose(10).await;
    assert!(world.is_left_alone().await);
    world.pass(10);
    world.lose(1).await;
    assert!(world.is_left_alone().await, "the one that tried had no answer");
    world.pass(10);
    assert!(!world.is_left_alone().await);
    assert!(!world.is_left_alone().await, "it is well again");
    let world = World::with(vec![]).await;
    world.lose(10).await;
    world.pass(24 * 60);
    assert_eq!(world.desk.abilities().await.unwrap().channels[0].health.failed, 0, "what is a day old does not count");
}

#[tokio::test]
async fn what_we_refuse_and_what_a_payer_gives_up_says_nothing_about_a_channel() {
    let world = World::with(vec![cap(100, 10_000)]).await;
    for _ in 0..12 {
        assert!(world.refused(101).await);
    }
    for _ in 0..12 {
        let id = world.open(100).await.unwrap();
        assert!(matches!(world.desk.close(id).await, Outcome::Done(_)));
    }
    let health = world.desk.abilities().await.unwrap().channels[0].health;
    assert_eq!((health.succeeded, health.failed), (0, 0));
    assert!(!world.is_left_alone().await);
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
