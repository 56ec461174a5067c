//! What is given back while answers are lost and refusals are about something else.

use super::*;
use std::collections::BTreeMap;
use zhiyou_domain::{
    id::RefundId,
    port::payments::{CreateRefund, RefundState, RefundStatus},
};

/// How a channel ends a call about a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Ends {
    /// The money goes back, and it is told.
    #[default]
    Gives,
    /// The money goes back, and nobody learns of it.
    LosesAnswers,
    /// Whoever asks is refused, for what is wrong with us.
    RefusesUs,
    /// A new request is refused; what there is, is told.
    RefusesMore,
}

/// What a channel gave back, by number: the same number once.
#[derive(Default)]
pub(super) struct Refunds {
    ends: Mutex<Ends>,
    given: Mutex<BTreeMap<String, i64>>,
}

impl Refunds {
    pub(super) fn ask(&self, refund: &Refund, attempt: &Attempt) -> Outcome<RefundSeen> {
        let ends = *self.ends.lock().unwrap();
        if matches!(ends, Ends::RefusesUs | Ends::RefusesMore) {
            return Outcome::Declined(Reason::new(ReasonCode::NotAllowed, "NO_AUTH"));
        }
        self.given.lock().unwrap().insert(refund.refund_id.bare(), refund.amount.minor());
        if ends == Ends::LosesAnswers { never() } else { Outcome::Done(seen(refund, attempt)) }
    }

    pub(super) fn tell(&self, refund: &Refund, attempt: &Attempt) -> Outcome<Option<RefundSeen>> {
        match *self.ends.lock().unwrap() {
            Ends::LosesAnswers => never(),
            Ends::RefusesUs => Outcome::Declined(Reason::new(ReasonCode::NotAllowed, "NO_AUTH")),
            Ends::Gives | Ends::RefusesMore => {
                let there = self.given.lock().unwrap().contains_key(&refund.refund_id.bare());
                Outcome::Done(there.then(|| seen(refund, attempt)))
            }
        }
    }
}

fn seen(refund: &Refund, attempt: &Attempt) -> RefundSeen {
    RefundSeen {
        state: RefundState::Succeeded,
        payment_number: attempt.attempt_id.bare(),
        amount: refund.amount,
        total: attempt.amount,
        provider_ref: None,
    }
}

/// What the traveller is told of a refund.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Arrived,
    Unknown,
    Declined(ReasonCode),
}

impl World {
    /// A payment of a hundred yuan that was paid.
    async fn paid(&self) -> AttemptId {
        let id = self.open(10_000).await.unwrap();
        *self.channel.stands.lock().unwrap() = Some(PaymentState::Captured);
        assert_eq!(self.desk.status(id).await.map(|status| status.state), Outcome::Done(PaymentState::Captured));
        id
    }

    /// Asks for a refund, whose number is its own, of a channel that ends so.
    async fn back(&self, attempt_id: AttemptId, own: u128, minor: i64, ends: Ends) -> Told {
        *self.channel.refunds.ends.lock().unwrap() = ends;
        let refund_id = RefundId::from_ulid(ulid::Ulid::from_parts(1_795_000_000_001, own));
        let wish = CreateRefund { refund_id, attempt_id, amount: cny(minor), reason: "r".to_owned() };
        match self.desk.refund(wish).await {
            Outcome::Done(RefundStatus { state: RefundState::Succeeded, .. }) => Told::Arrived,
            Outcome::Unknown(_) => Told::Unknown,
            Outcome::Declined(reason) => Told::Declined(reason.code),
            other => panic!("{other:?}"),
        }
    }

    fn given_back(&self) -> i64 {
        self.channel.refunds.given.lock().unwrap().values().sum()
    }
}

const TOO_MUCH: Told = Told::Declined(ReasonCode::InvalidRequest);
const REFUSED: Told = Told::Declined(ReasonCode::NotAllowed);

/// What went back of a hundred yuan whose first refund of fifty is lost, then refused, and followed by one of sixty.
async fn lost_then_refused() -> i64 {
    let world = World::with(vec![]).await;
    let id = world.paid().await;
    assert_eq!(world.back(id, 1, 5_000, Ends::LosesAnswers).await, Told::Unknown);
    world.back(id, 1, 5_000, Ends::RefusesUs).await;
    world.back(id, 2, 6_000, Ends::Gives).await;
    world.given_back()
}

#[tokio::test]
async fn a_refund_that_may_have_arrived_stays_reserved_when_asking_again_is_refused() {
    let world = World::with(vec![]).await;
    let id = world.paid().await;
    assert_eq!(world.back(id, 1, 5_000, Ends::LosesAnswers).await, Told::Unknown);
    for _ in 0..2 {
        assert_eq!(world.back(id, 1, 5_000, Ends::RefusesUs).await, Told::Unknown, "it is not known to be nowhere");
        assert_eq!(world.back(id, 2, 6_000, Ends::Gives).await, TOO_MUCH);
    }
    assert_eq!(
        world.back(id, 1, 5_000, Ends::RefusesMore).await,
        Told::Arrived,
        "asked, the channel says that it has it"
    );
    assert_eq!(world.back(id, 1, 5_000, Ends::RefusesUs).await, Told::Unknown, "what arrived is not refused");
    assert_eq!(world.back(id, 2, 6_000, Ends::Gives).await, TOO_MUCH);
    assert_eq!(world.back(id, 3, 5_000, Ends::Gives).await, Told::Arrived);
    assert_eq!(world.given_back(), 10_000);

    assert_eq!(lost_then_refused().await, 5_000);
    take_away(Some(Defence::RefundReserved));
    let given = lost_then_refused().await;
    take_away(None);
    assert_eq!(given, 11_000, "more than was paid");
}

#[tokio::test]
async fn a_refund_that_was_never_there_frees_its_amount_at_once_or_when_the_channel_says_so() {
    let world = World::with(vec![]).await;
    let id = world.paid().await;
    assert_eq!(world.back(id, 1, 5_000, Ends::RefusesUs).await, REFUSED, "nothing was sent before");
    assert_eq!(world.back(id, 1, 5_000, Ends::RefusesUs).await, REFUSED, "and nothing of it was there");
    assert_eq!(world.back(id, 2, 6_000, Ends::LosesAnswers).await, Told::Unknown);
    world.channel.refunds.given.lock().unwrap().clear();
    assert_eq!(world.back(id, 3, 5_000, Ends::Gives).await, TOO_MUCH);
    assert_eq!(world.back(id, 2, 6_000, Ends::RefusesMore).await, REFUSED, "the channel has no such refund");
    assert_eq!(world.back(id, 3, 10_000, Ends::Gives).await, Told::Arrived);
    assert_eq!(world.given_back(), 10_000);
}
