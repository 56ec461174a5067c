//! The rows of the table of faults that a sender can play, against a running gateway: a payment is paid at its channel and the bad
//! notification comes first. It is answered as the table says and no money comes of it; the genuine one, or a question, does the rest.

use super::{scannable, world::World};
use serde_json::{Value, json};
use zhiyou_domain::{
    money::Money,
    port::payments::{self as p, Channel},
};
use zhiyou_gateway::AlipayKeys;

/// A row, how its bad notification is answered, and how the genuine one after it.
type Row = (&'static str, u16, u16);

/// What is genuine in another dress: it counts.
const COUNTS: [&str; 2] = ["WH-07", "AL-03"];

/// Where the second answer is a refusal too, the bad one has used up the event's name, and only a question is left.
const OF_WECHAT_PAY: [Row; 24] = [
    ("WH-01", 401, 200),
    ("WH-03", 401, 200),
    ("WH-04", 401, 200),
    ("WH-05", 401, 200),
    ("WH-06", 401, 200),
    ("WH-07", 200, 200),
    ("WH-10", 401, 200),
    ("WH-11", 401, 200),
    ("WH-12", 401, 200),
    ("WH-13", 413, 200),
    ("WH-16", 400, 200),
    ("WH-17", 400, 200),
    ("WH-18", 400, 200),
    ("WH-19", 200, 200),
    ("WH-20", 200, 200),
    ("WH-27", 401, 200),
    ("WX-01", 401, 200),
    ("WX-02", 401, 200),
    ("WX-05", 401, 200),
    ("WX-06", 400, 200),
    ("WX-08", 200, 200),
    ("WX-09", 400, 200),
    ("WX-10", 400, 200),
    ("WX-11", 200, 400),
];

const OF_ALIPAY: [Row; 17] = [
    ("WH-01", 401, 200),
    ("WH-04", 401, 200),
    ("WH-05", 401, 200),
    ("WH-07", 200, 200),
    ("WH-13", 413, 200),
    ("WH-16", 400, 200),
    ("WH-17", 400, 200),
    ("WH-19", 200, 200),
    ("WH-20", 200, 200),
    ("WH-27", 401, 200),
    ("AL-01", 401, 200),
    ("AL-02", 401, 200),
    ("AL-03", 200, 200),
    ("AL-04", 400, 200),
    ("AL-05", 400, 200),
    ("AL-06", 200, 200),
    ("AL-09", 200, 200),
];

const OF_CARDS: [Row; 22] = [
    ("WH-01", 401, 200),
    ("WH-03", 401, 200),
    ("WH-04", 401, 200),
    ("WH-05", 401, 200),
    ("WH-06", 401, 200),
    ("WH-07", 200, 200),
    ("WH-10", 401, 200),
    ("WH-11", 401, 200),
    ("WH-12", 401, 200),
    ("WH-13", 413, 200),
    ("WH-16", 400, 200),
    ("WH-17", 400, 200),
    ("WH-18", 400, 200),
    ("WH-19", 200, 200),
    ("WH-20", 200, 200),
    ("WH-27", 401, 200),
    ("ST-01", 401, 200),
    ("ST-03", 401, 200),
    ("ST-04", 400, 200),
    ("ST-05", 400, 200),
    ("ST-06", 400, 200),
    ("ST-07", 400, 200),
];

const OF_PAYPAL: [Row; 23] = [
    ("WH-01", 401, 200),
    ("WH-03", 401, 200),
    ("WH-04", 401, 200),
    ("WH-05", 401, 200),
    ("WH-06", 401, 200),
    ("WH-07", 200, 200),
    ("WH-10", 401, 200),
    ("WH-11", 401, 200),
    ("WH-12", 401, 200),
    ("WH-13", 413, 200),
    ("WH-17", 200, 200),
    ("WH-18", 200, 200),
    ("WH-19", 200, 200),
    ("WH-20", 200, 200),
    ("WH-27", 401, 200),
    ("PP-01", 401, 200),
    ("PP-02", 401, 200),
    ("PP-03", 401, 200),
    ("PP-05", 401, 200),
    ("PP-06", 401, 200),
    ("PP-07", 200, 400),
    ("PP-09", 200, 200),
    ("PP-10", 200, 200),
];

const OF_ALIPAYPLUS: [Row; 16] = [
    ("WH-01", 401, 200),
    ("WH-03", 401, 200),
    ("WH-04", 401, 200),
    ("WH-05", 401, 200),
    ("WH-06", 401, 200),
    ("WH-07", 200, 200),
    ("WH-10", 401, 200),
    ("WH-11", 401, 200),
    ("WH-12", 401, 200),
    ("WH-13", 413, 200),
    ("WH-16", 400, 400),
    ("WH-17", 200, 400),
    ("WH-18", 200, 400),
    ("WH-19", 200, 200),
    ("WH-20", 200, 200),
    ("WH-27", 401, 200),
];

/// A payment that is open, and what the payer has of it: a code, or a page.
async fn opened(world: &World, channel: Channel) -> (p::CreatePaymentIntent, String) {
    let code = if channel == Channel::Paypal { "USD" } else { "CNY" };
    let amount = Money::new(29_901, code.parse().unwrap()).unwrap();
    let intent = p::CreatePaymentIntent { channel, ..world.intent(amount) };
    let shown = match world.done::<p::PaymentIntent>("openPayment", &intent).await.action {
        p::PaymentAction::Redirect { url } => url,
        code => scannable(code),
    };
    (intent, shown)
}

async fn pay(world: &World, channel: Channel, shown: &str) {
    match channel {
        Channel::Wechatpay | Channel::Alipay | Channel::Credit => world.phone_pays(shown).await,
        Channel::Stripe => {
            let (status, ..) = world.press(shown, ("card", "4242"), &world.address("stripe", "")).await;
            assert_eq!(status, 303);
        }
        Channel::Paypal => drop(world.payer_decides(shown, "approve").await),
        Channel::AlipayPlus => drop(world.payer_decides(shown, "pay").await),
    }
}

/// The tries of this kind among the notifications since then: what each was about, and how it was answered.
async fn tries(world: &World, since: usize, variant: &str) -> Vec<(String, u16)> {
    let mut found = Vec::new();
    for one in world.notifications().await.into_iter().skip(since) {
        for attempt in one["attempts"].as_array().unwrap().iter().filter(|attempt| attempt["variant"] == variant) {
            let status = attempt["status"].as_u64().and_then(|status| status.try_into().ok());
            found.push((one["about"].as_str().unwrap().to_owned(), status.unwrap()));
        }
    }
    found
}

/// Waits for the one try of this kind.
async fn until_tried(world: &World, since: usize, variant: &str) -> (String, u16) {
    world.until(|| async { !tries(world, since, variant).await.is_empty() }).await;
    let [one] = tries(world, since, variant).await.try_into().unwrap();
    one
}

/// Whether the channel's word brought money.
async fn brought(world: &World, intent: &p::CreatePaymentIntent) -> bool {
    world.updates(0).await.iter().any(|update| match &update.content {
        p::UpdateContent::Payment { status } => status.attempt_id == intent.attempt_id && status.captured.is_some(),
        _ => false,
    })
}

async fn play(world: &World, channel: Channel, (row, bad, genuine): Row) {
    let (intent, shown) = opened(world, channel).await;
    let since = world.notifications().await.len();
    world.scenario(json!({"provider": channel.word(), "switch": "notify", "row": row})).await;
    pay(world, channel, &shown).await;
    let (about, answered) = until_tried(world, since, row).await;
    assert_eq!(answered, bad, "{row} of {channel:?}");
    let only_hints = matches!(channel, Channel::Paypal | Channel::AlipayPlus);
    assert_eq!(brought(world, &intent).await, COUNTS.contains(&row) && !only_hints, "{row} of {channel:?}");
    world.scenario(json!({"reset": true})).await;
    world.notify(&about, "resend").await;
    assert_eq!(until_tried(world, since, "genuine").await.1, genuine, "{row} of {channel:?}, and the genuine one");
    let told = genuine == 200 && !only_hints;
    assert_eq!(brought(world, &intent).await, told, "{row} of {channel:?}, and the genuine one");
    let status: p::PaymentStatus = world.done("settlePayment", &p::PaymentRef { attempt_id: intent.attempt_id }).await;
    assert_eq!((status.state, status.captured), (p::PaymentState::Captured, Some(intent.amount)), "{row}");
}

async fn every_row_is_played(channel: Channel, rows: &[Row]) {
    let world = World::start().await;
    for row in rows {
        play(&world, channel, *row).await;
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_that_wechat_pay_can_play_is_answered_as_the_table_says_and_ends_paid() {
    every_row_is_played(Channel::Wechatpay, &OF_WECHAT_PAY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_that_alipay_can_play_is_answered_as_the_table_says_and_ends_paid() {
    every_row_is_played(Channel::Alipay, &OF_ALIPAY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_that_the_cards_channel_can_play_is_answered_as_the_table_says_and_ends_paid() {
    every_row_is_played(Channel::Stripe, &OF_CARDS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_that_paypal_can_play_is_answered_as_the_table_says_and_ends_paid() {
    every_row_is_played(Channel::Paypal, &OF_PAYPAL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_that_alipayplus_can_play_is_answered_as_the_table_says_and_ends_paid() {
    every_row_is_played(Channel::AlipayPlus, &OF_ALIPAYPLUS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn al_10_a_notice_that_names_a_certificate_nobody_has_is_refused_where_certificates_count() {
    let mut world = World::start().await;
    let keys = world.credentials().await["alipay"].clone();
    let pem = |name: &str| keys[name].as_str().unwrap().to_owned();
    world
        .restart_gateway_with(|config| {
            config.alipay.as_mut().unwrap().keys = AlipayKeys::Certificates {
                app_pem: pem("app_certificate_pem"),
                root_pem: pem("root_certificate_pem"),
                alipay_pems: vec![pem("alipay_certificate_pem")],
            };
        })
        .await;
    play(&world, Channel::Alipay, ("AL-10", 401, 200)).await;
    world.stop().await;
}

/// Nothing that a sender can play is left out, and what nobody can play is refused with what there is.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_a_sender_cannot_play_is_refused_with_those_it_can() {
    let world = World::start().await;
    let of_alipay = [&OF_ALIPAY[..], &[("AL-10", 401, 200)]].concat();
    let all: [(&str, &[Row]); 5] = [
        ("wechatpay", &OF_WECHAT_PAY),
        ("alipay", &of_alipay),
        ("stripe", &OF_CARDS),
        ("paypal", &OF_PAYPAL),
        ("alipayplus", &OF_ALIPAYPLUS),
    ];
    for (provider, rows) in all {
        for row in ["WH-24", "wx-10", "", "ZZ-99"] {
            let (status, said) = world.refused(json!({"provider": provider, "switch": "notify", "row": row})).await;
            let (_, plays) = said["error"].as_str().unwrap().split_once("it plays ").unwrap();
            let names: Vec<&str> = rows.iter().map(|(name, ..)| *name).collect();
            assert_eq!((status, plays), (400, names.join(", ").as_str()));
        }
    }
    for (switch, word) in [
        (json!({"provider": "duffel", "switch": "notify", "row": "WH-01"}), "duffel has no rows"),
        (json!({"provider": "stripe", "switch": "notify", "mode": "never"}), "mode is one of"),
        (json!({"provider": "wechatpay", "switch": "drop_notifications"}), "there is no switch drop_notifications"),
        (json!({"provider": "wechat", "switch": "notify"}), "there is no provider wechat"),
    ] {
        let (status, said) = world.refused(switch).await;
        assert!(status == 400 && said["error"].as_str().unwrap().starts_with(word), "{said}");
    }
    assert_eq!(world.scenarios().await["switches"], Value::Array(vec![]), "nothing of it is set");
    world.stop().await;
}
