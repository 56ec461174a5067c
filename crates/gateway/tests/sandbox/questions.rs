//! A question that met no answer is asked again, also where it is no GET; an effect never is.

use crate::{code, world::World};
use serde_json::json;
use zhiyou_domain::{
    money::Money,
    port::{ReasonCode, payments as p},
};

/// Every channel and what it charges.
const CHANNELS: [(p::Channel, &str); 5] = [
    (p::Channel::Wechatpay, "CNY"),
    (p::Channel::Alipay, "CNY"),
    (p::Channel::Stripe, "USD"),
    (p::Channel::Paypal, "USD"),
    (p::Channel::AlipayPlus, "USD"),
];

async fn patient() -> World {
    let mut world = World::start().await;
    world.restart_gateway_with(|config| config.http.read_retries = 3).await;
    world
}

async fn open(world: &World, channel: p::Channel, currency: &str) -> p::CreatePaymentIntent {
    let amount = Money::new(1_000, currency.parse().unwrap()).unwrap();
    let wish = p::CreatePaymentIntent { channel, ..world.intent(amount) };
    world.done::<p::PaymentIntent>("openPayment", &wish).await;
    wish
}

async fn lose(world: &World, channel: p::Channel, op: &str, times: u32) {
    let switch = json!({"provider": channel.word(), "switch": "time_out_before", "op": op, "times": times});
    world.scenario(switch).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_asked_up_to_four_times_at_every_channel_whatever_its_method() {
    let world = patient().await;
    for (channel, currency) in CHANNELS {
        let reference = p::PaymentRef { attempt_id: open(&world, channel, currency).await.attempt_id };
        lose(&world, channel, "query", 3).await;
        let status = world.done::<p::PaymentStatus>("settlePayment", &reference).await;
        assert!(matches!(status.state, p::PaymentState::RequiresAction | p::PaymentState::NotFound), "{channel:?}");
        lose(&world, channel, "query", 4).await;
        let lost = code(world.call::<p::PaymentStatus>("settlePayment", &reference).await);
        assert_eq!(lost, ("unknown", ReasonCode::Network), "{channel:?}");
        world.done::<p::PaymentStatus>("settlePayment", &reference).await;
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_effect_is_sent_once_however_patient_the_client_is() {
    let world = patient().await;
    for (channel, currency) in CHANNELS {
        let amount = Money::new(1_000, currency.parse().unwrap()).unwrap();
        let wish = p::CreatePaymentIntent { channel, ..world.intent(amount) };
        lose(&world, channel, "create", 1).await;
        let lost = code(world.call::<p::PaymentIntent>("openPayment", &wish).await);
        assert_eq!(lost, ("unknown", ReasonCode::Network), "{channel:?}: the second time it would have been answered");
        world.done::<p::PaymentIntent>("openPayment", &wish).await;
    }
    world.stop().await;
}
