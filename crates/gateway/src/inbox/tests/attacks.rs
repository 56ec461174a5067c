//! Every defence against an attack that nothing else stops: refused while all of them stand, and done without that one.

mod rows;

use super::all::All;
use super::*;
use super::{alipay, alipayplus, cards, paypal};
use crate::{
    defence::take_away,
    pay::{
        paypal::sign::{
            crc32,
            tests::{Authority, Host, NOW, good, stranger},
        },
        wechatpay::certificates::tests as certificates,
    },
};
use std::sync::atomic::Ordering;
use zhiyou_domain::port::payments::Channel::{Alipay, AlipayPlus as Plus, Paypal, Stripe, Wechatpay as Wechat};

/// The channels that each defence is taken away from. Where one is missing the channel has nothing of the kind: Alipay's notices
/// carry no time and no currency, cards, PayPal and Alipay+ have one application per account, and the words of PayPal and of
/// Alipay+ move nothing.
const TAKEN_AWAY: [(Defence, &[Channel]); 37] = [
    (Defence::Signature, &[Wechat, Alipay, Stripe, Paypal, Plus]),
    (Defence::Window, &[Wechat, Stripe, Paypal, Plus]),
    (Defence::Once, &[Wechat, Alipay, Stripe, Paypal, Plus]),
    (Defence::OneContent, &[Wechat, Alipay, Stripe, Paypal, Plus]),
    (Defence::Amount, &[Wechat, Alipay, Stripe]),
    (Defence::Currency, &[Wechat, Stripe]),
    (Defence::Merchant, &[Wechat, Alipay, Stripe]),
    (Defence::App, &[Wechat, Alipay]),
    (Defence::World, &[Stripe]),
    (Defence::Sealed, &[Wechat]),
    (Defence::OwnChannel, &[Wechat, Alipay, Stripe]),
    (Defence::RefundCompared, &[Wechat]),
    (Defence::DisputeBounded, &[Stripe, Plus]),
    (Defence::PaidStays, &[Wechat, Alipay]),
    (Defence::Size, &[Wechat, Alipay, Stripe, Paypal, Plus]),
    (Defence::SingleField, &[Alipay]),
    (Defence::CertificateHost, &[Paypal]),
    (Defence::CertificateChain, &[Paypal]),
    (Defence::CertificateName, &[Paypal]),
    (Defence::Validity, &[Wechat]),
    (Defence::FetchApart, &[Wechat]),
    (Defence::HintOnly, &[Paypal, Plus]),
    (Defence::AnyType, &[Wechat, Alipay, Stripe, Paypal, Plus]),
    (Defence::BodyOnly, &[Alipay]),
    (Defence::OneScheme, &[Wechat, Alipay, Stripe, Paypal, Plus]),
    (Defence::OneAnswer, &[Wechat, Alipay, Stripe, Paypal, Plus]),
    (Defence::ExactAnswer, &[Alipay]),
    (Defence::Written, &[Wechat, Alipay, Stripe, Paypal, Plus]),
    (Defence::NewKinds, &[Wechat, Alipay, Stripe, Paypal, Plus]),
    (Defence::Orphans, &[Wechat, Alipay, Stripe, Paypal, Plus]),
    (Defence::WholeEvents, &[Stripe]),
    (Defence::InnerDecides, &[Wechat]),
    (Defence::DecodedOnce, &[Alipay]),
    (Defence::RefundTold, &[Alipay]),
    (Defence::FailsClosed, &[Paypal]),
    (Defence::CodeHost, &[Wechat]),
    (Defence::PaidWins, &[Wechat]),
];

/// Those that are taken away where they are tried, beside the test of their row.
const BESIDE: [(Defence, &str); 18] = [
    (Defence::RolledSecrets, include_str!("../../pay/stripe/sign/tests.rs")),
    (Defence::ProbeKnown, include_str!("../../pay/wechatpay/sign/tests.rs")),
    (Defence::CertificateTime, include_str!("../../pay/paypal/sign/tests.rs")),
    (Defence::CertificateNamed, include_str!("../../pay/alipay/sign/tests.rs")),
    (Defence::FetchesBounded, include_str!("../../pay/paypal/sign/tests.rs")),
    (Defence::StrongSecret, include_str!("../../config/stripe.rs")),
    (Defence::KeyLength, include_str!("../../config.rs")),
    (Defence::OwnWebhook, include_str!("../../config/paypal.rs")),
    (Defence::PageHost, include_str!("../../pay/stripe/tests.rs")),
    (Defence::SameFields, include_str!("../../pay/desk/tests.rs")),
    (Defence::RefundReserved, include_str!("../../pay/desk/tests/refunds.rs")),
    (Defence::CertificateSerial, include_str!("../../pay/wechatpay/certificates/tests.rs")),
    (Defence::OwnUnit, include_str!("../../pay/stripe/amount.rs")),
    (Defence::FewGuesses, include_str!("../../pay/credit/tests.rs")),
    (Defence::FewGuessesOfAll, include_str!("../../pay/credit/tests.rs")),
    (Defence::PersonAsked, include_str!("../../mcp/agents/tests.rs")),
    (Defence::Scoped, include_str!("../../mcp/agents/tests.rs")),
    (Defence::Paced, include_str!("../../mcp/agents/tests.rs")),
];

/// A trade of WeChat Pay's about our payment, changed and told as genuine.
fn trade(all: &All, id: &str, change: impl FnOnce(&mut Value)) -> Message {
    all.world.sealed(id, "TRANSACTION.SUCCESS", "transaction", &transaction(change))
}

/// A card's payment, changed and told as genuine.
fn card(id: &str, change: impl FnOnce(&mut Value)) -> Message {
    cards::message(id, "payment_intent.succeeded", &cards::intent(change))
}

fn never(channel: Channel) -> Message {
    panic!("{channel:?} has nothing of the kind")
}

/// The payment is said to be paid with one thing wrong; what that is, `defence` looks for.
fn wrong(all: &All, channel: Channel, defence: Defence) -> Message {
    let form = |changes: &[(&str, &str)]| all.form(alipay::fields("EV-1", changes));
    match (defence, channel) {
        (Defence::Amount, Wechat) => trade(all, "EV-1", |trade| trade["amount"]["total"] = 29_900.into()),
        (Defence::Amount, Alipay) => form(&[("total_amount", "299.00")]),
        (Defence::Amount, Stripe) => card("EV-1", |intent| {
            intent["amount"] = 29_900.into();
            intent["amount_received"] = 29_900.into();
        }),
        (Defence::Currency, Wechat) => trade(all, "EV-1", |trade| trade["amount"]["currency"] = "HKD".into()),
        (Defence::Currency, Stripe) => card("EV-1", |intent| intent["currency"] = "hkd".into()),
        (Defence::Merchant, Wechat) => trade(all, "EV-1", |trade| trade["mchid"] = "1900000110".into()),
        (Defence::Merchant, Alipay) => form(&[("seller_id", "2088531891668730")]),
        (Defence::Merchant, Stripe) => {
            let mut event = cards::event("EV-1", "payment_intent.succeeded", &cards::intent(|_| {}));
            event["account"] = "acct_2Another".into();
            cards::signed(event.to_string())
        }
        (Defence::App, Wechat) => trade(all, "EV-1", |trade| trade["appid"] = "wx0".into()),
        (Defence::App, Alipay) => form(&[("app_id", "2021000122671081")]),
        (Defence::World, Stripe) => {
            let mut event = cards::event("EV-1", "payment_intent.succeeded", &cards::intent(|_| {}));
            event["livemode"] = true.into();
            cards::signed(event.to_string())
        }
        (_, channel) => never(channel),
    }
}

/// Something was changed on the way by who has no key.
fn forged(genuine: Message, channel: Channel) -> Message {
    let more = if channel == Alipay { "&x=1" } else { " " };
    Message { body: genuine.body.clone() + more, ..genuine }
}

/// Genuine once, and much too old by now.
fn old(all: &All, channel: Channel) -> Message {
    let at_s = NOW_S - 301;
    match channel {
        Wechat => {
            let mut message = all.world.paid("EV-1");
            let signature = all.world.platform.sign(&format!("{at_s}\nnonce\n{}\n", message.body)).unwrap();
            message.headers[0].1 = at_s.to_string();
            message.headers[3].1 = signature;
            message
        }
        Stripe => {
            let body = cards::paid("EV-1").body;
            let header = format!("t={at_s},v1={}", cards::signature(at_s, &body));
            Message { headers: vec![("Stripe-Signature", header)], body }
        }
        Paypal => {
            let body = all.paid(Paypal, "EV-1").body;
            all.transmitted(&NOW.plus_seconds(-4 * 24 * 3600 - 1).to_rfc3339(), "EV-1", body)
        }
        Plus => alipayplus::sent(&alipayplus::event(|_| {}), "2026-11-18T02:24:59Z"),
        Alipay | Channel::Credit => never(channel),
    }
}

/// The id of an event that was told, with another content.
fn another_content(all: &All, channel: Channel, told: &Message) -> Message {
    match channel {
        Wechat => trade(all, "EV-1", |trade| trade["transaction_id"] = "42".into()),
        Alipay => all.form(alipay::fields("EV-1", &[("trade_no", "42")])),
        Stripe => card("EV-1", |intent| intent["id"] = "pi_2".into()),
        Paypal => {
            let event = |bits: &str| paypal::capture(|event| event["summary"] = bits.into());
            Message { body: paypal::forge(event, crc32(told.body.as_bytes())), ..told.clone() }
        }
        Plus => alipayplus::paid("another"),
        Channel::Credit => never(channel),
    }
}

/// Genuine, and far too long.
fn long(all: &All, channel: Channel) -> Message {
    let text = "x".repeat(70_000);
    match channel {
        Wechat => {
            let mut envelope: Value = serde_json::from_str(&all.world.paid("EV-1").body).unwrap();
            envelope["summary"] = text.into();
            all.world.signed(envelope.to_string())
        }
        Alipay => all.form(alipay::fields("EV-1", &[("passback_params", &text)])),
        Stripe => card("EV-1", |intent| intent["description"] = text.into()),
        Paypal => all.hint("EV-1", &paypal::capture(|event| event["summary"] = text.into())),
        Plus => alipayplus::paid(&text),
        Channel::Credit => never(channel),
    }
}

/// A resource about somebody else's payment, made into one about ours without the key it was sealed with.
fn resealed(all: &All) -> Message {
    let number = "01KA0000000000000000000ZZZ";
    let other = transaction(|trade| trade["out_trade_no"] = number.into());
    let mut envelope: Value =
        serde_json::from_str(&all.world.sealed("EV-1", "TRANSACTION.SUCCESS", "transaction", &other).body).unwrap();
    let mut sealed = STANDARD.decode(envelope["resource"]["ciphertext"].as_str().unwrap()).unwrap();
    let at = other.to_string().find(number).unwrap();
    for (place, (theirs, ours)) in number.bytes().zip(PAYMENT.bytes()).enumerate() {
        sealed[at + place] ^= theirs ^ ours;
    }
    envelope["resource"]["ciphertext"] = STANDARD.encode(sealed).into();
    all.world.signed(envelope.to_string())
}

/// Whether a certificate that is not the channel's brings a notification in, or is so much as fetched.
async fn by_certificate(defence: Defence) -> bool {
    let authority = Authority::new();
    if defence == Defence::CertificateHost {
        let evil = Host::serving(200, None, String::new()).await;
        let own = Host::serving(200, None, authority.issue(good())).await;
        let all = All::at(Paypal, &authority, &own.base).await;
        let mut message = all.paid(Paypal, "EV-1");
        message.headers[3].1 = format!("{}/v1/notifications/certs/CERT-1", evil.base);
        all.tell(&message).await;
        return evil.asked.load(Ordering::SeqCst) > 0;
    }
    let chain = defence == Defence::CertificateChain;
    let pem = if chain { Authority::new().issue(good()) } else { authority.issue(stranger()) };
    let host = Host::serving(200, None, pem).await;
    let all = All::at(Paypal, &authority, &host.base).await;
    all.tell(&all.paid(Paypal, "EV-1")).await == 200
}

/// Whether the attack that only `defence` stops comes through.
async fn comes_through(defence: Defence, channel: Channel) -> bool {
    let all = All::start(channel).await;
    let genuine = all.paid(channel, "EV-1");
    match defence {
        Defence::Signature => all.tell(&forged(genuine, channel)).await == 200,
        Defence::Window => all.tell(&old(&all, channel)).await == 200,
        Defence::Once => {
            for _ in 0..2 {
                assert_eq!(all.tell(&genuine).await, 200);
            }
            all.world.updates().await.len() == 2
        }
        Defence::OneContent => {
            assert_eq!(all.tell(&genuine).await, 200);
            all.tell(&another_content(&all, channel, &genuine)).await == 200
        }
        Defence::Amount | Defence::Currency | Defence::Merchant | Defence::App | Defence::World => {
            all.tell(&wrong(&all, channel, defence)).await;
            all.is_paid().await
        }
        Defence::Sealed => {
            all.tell(&resealed(&all)).await;
            all.is_paid().await
        }
        Defence::OwnChannel => {
            let elsewhere = All::start(if channel == Stripe { Wechat } else { Stripe }).await;
            elsewhere.take(channel, &elsewhere.paid(channel, "EV-1")).await;
            elsewhere.is_paid().await
        }
        Defence::RefundCompared => {
            let mut resource = refund_resource("SUCCESS");
            resource["amount"]["refund"] = 1.into();
            all.tell(&all.world.sealed("EV-1", "REFUND.SUCCESS", "refund", &resource)).await;
            all.world.refund_row().await.state == Standing::At(RefundState::Succeeded)
        }
        Defence::DisputeBounded => {
            assert_eq!(all.tell(&genuine).await, 200);
            if channel == Plus {
                return all.tell(&alipayplus::sent(&alipayplus::lost("29902"), alipayplus::SENT)).await == 200;
            }
            let dispute = json!({"id": "du_1", "object": "dispute", "amount": 29_902, "currency": "cny",
                "status": "lost", "livemode": false, "charge": "ch_1", "payment_intent": "pi_1"});
            all.tell(&cards::message("EV-2", "charge.dispute.closed", &dispute)).await == 200
        }
        Defence::PaidStays => {
            assert_eq!(all.tell(&genuine).await, 200);
            let closed = if channel == Wechat {
                trade(&all, "EV-2", |trade| trade["trade_state"] = "CLOSED".into())
            } else {
                all.form(alipay::fields("EV-2", &[("trade_status", "TRADE_CLOSED"), ("gmt_payment", "")]))
            };
            assert_eq!(all.tell(&closed).await, 200);
            !all.is_paid().await
        }
        Defence::Size => all.tell(&long(&all, channel)).await == 200,
        Defence::SingleField => {
            let twice = Message { body: format!("total_amount=0.01&{}", genuine.body), ..genuine };
            all.tell(&twice).await == 200
        }
        Defence::CertificateHost | Defence::CertificateChain | Defence::CertificateName => {
            by_certificate(defence).await
        }
        Defence::Validity => certificates::an_old_certificate_is_believed().await,
        Defence::FetchApart => certificates::a_flood_is_passed_on().await,
        // A success that was true once: the payment was cancelled since, and the money is back with the payer.
        Defence::HintOnly if channel == Plus => {
            let closed = pay::PaymentSeen::bare(PaymentState::Closed);
            let mut tx = all.world.inbox.store.begin().await.unwrap();
            let id = AttemptId::parse_bare(PAYMENT).unwrap();
            attempts::observe(&mut tx, id, &closed, Frozen.now()).await.unwrap();
            all.world.inbox.store.commit(tx).await.unwrap();
            assert_eq!(all.tell(&genuine).await, 200);
            all.is_paid().await
        }
        Defence::HintOnly => {
            let denied = paypal::capture(|event| event["event_type"] = "PAYMENT.CAPTURE.DENIED".into());
            let denied = all.hint("EV-1", &denied);
            let paid = |bits: &str| paypal::capture(|event| event["summary"] = bits.into());
            let body = paypal::forge(paid, crc32(denied.body.as_bytes()));
            assert_eq!(all.tell(&Message { body, ..denied }).await, 200);
            all.is_paid().await
        }
        other => rows::comes_through(all, other, channel).await,
    }
}

#[tokio::test]
async fn every_defence_is_all_that_stands_against_some_attack_on_each_channel_that_has_it() {
    let (mut refused, mut exploited) = (0, 0);
    for (defence, channels) in TAKEN_AWAY {
        for channel in channels {
            take_away(None);
            assert!(!comes_through(defence, *channel).await, "{defence:?} of {channel:?} stops nothing");
            refused += 1;
            take_away(Some(defence));
            let through = comes_through(defence, *channel).await;
            take_away(None);
            assert!(through, "without {defence:?} of {channel:?} the attack fails all the same");
            exploited += 1;
        }
    }
    assert_eq!((refused, exploited), (91, 91));
    for defence in Defence::ALL {
        let here = TAKEN_AWAY.iter().any(|(one, _)| one == defence);
        let ways = [format!("without(Defence::{defence:?}, "), format!("take_away(Some(Defence::{defence:?}))")];
        let taken = |text: &str| ways.iter().any(|way| text.contains(way));
        let beside = BESIDE.iter().any(|(one, text)| one == defence && taken(text));
        assert!(here != beside, "{defence:?} is never taken away, or in two places");
    }
}

#[test]
fn every_defence_stands_in_the_table_of_faults_beside_what_it_is_for() {
    let (_, table) = include_str!("../../../../../docs/faults.md").split_once("## Notifications and payments").unwrap();
    let (table, _) = table.split_once("\n## Sign-in").unwrap();
    let lines: Vec<&str> = table.lines().collect();
    for defence in Defence::ALL {
        let word = format!("`{}`", defence.word());
        let named = |line: &&str| line.rsplit('|').nth(1).is_some_and(|cell| cell.contains(&word));
        assert!(lines.iter().any(named), "{defence:?}");
    }
}
