//! The example Stripe publishes of each object, read by the types that read its answers.
//!
//! Vectors: `vectors/stripe/fixtures`. They are shapes: an example is not a payment of ours, and is not believed to be one.

use super::*;
use crate::config::tests::vector;

fn read<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_str(&vector(&format!("stripe/fixtures/{name}"))).unwrap()
}

#[test]
fn the_published_example_of_every_object_is_read() {
    let session: wire::Session = read("checkout.session.json");
    assert!(is_id(&session.id, "cs_") && !session.livemode && session.amount_total.is_none());
    let intent: wire::Intent = read("payment_intent.json");
    assert_eq!((intent.amount, intent.amount_received, intent.currency.as_str()), (1_099, Some(0), "usd"));
    assert_eq!(
        (intent.status, intent.capture_method),
        (IntentStatus::RequiresPaymentMethod, Some(CaptureMethod::Automatic))
    );
    let charge: wire::Charge = read("charge.json");
    assert_eq!(charge.created, 1_234_567_890);
    let source: wire::Source = read("charge.json");
    assert_eq!((source.object, source.amount, source.amount_captured), (wire::SourceKind::Charge, 100, Some(0)));
    let refund: wire::Refund = read("refund.json");
    assert_eq!((refund.amount, refund.status), (100, Some(wire::RefundStatus::Succeeded)));
    let movement: wire::Movement = read("balance_transaction.json");
    assert_eq!((movement.amount, movement.fee, movement.reporting_category), (100, 0, wire::Category::Charge));
    assert!(movement.source.as_ref().is_some_and(|source| source.object().is_none()), "not asked for in full");
    let event: wire::Event = read("event.json");
    assert_eq!((event.kind.as_str(), event.livemode), ("plan.created", Some(false)));
    let endpoint: wire::Endpoint = read("webhook_endpoint.json");
    assert_eq!(endpoint.status, "enabled");
}

#[tokio::test]
async fn a_published_example_is_no_payment_of_ours() {
    let session: Value = read("checkout.session.json");
    let bench = Bench::start(move |_| ok(session.clone())).await;
    assert!(integrity_fault(&bench.channel.create(&attempt()).await));
}
