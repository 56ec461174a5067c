//! What the inbox does with notifications of Alipay+, row by row of the list of attacks and faults.

use super::all::All;
use super::*;
use crate::pay::alipayplus::sign;

const PATH: &str = "/notify/alipayplus";
/// The client id of the sample merchant.
pub(super) const CLIENT: &str = "5YEV2N2ZV8LC00920";
/// When the sample notification was sent: half a minute ago.
pub(super) const SENT: &str = "2026-11-20T02:24:30Z";
/// How a kept notification is answered, and how a refused one is.
const KEPT: &str = r#"{"result":{"resultCode":"SUCCESS","resultStatus":"S","resultMessage":"success"}}"#;
const REFUSED: &str = r#"{"result":{"resultCode":"PROCESS_FAIL","resultStatus":"F","resultMessage":"failure"}}"#;

/// A success of our payment, changed.
pub(super) fn event(change: impl FnOnce(&mut Value)) -> Value {
    let mut event = json!({
        "notifyType": "PAYMENT_RESULT",
        "result": {"resultCode": "SUCCESS", "resultStatus": "S", "resultMessage": "success"},
        "paymentRequestId": PAYMENT, "paymentId": "202611201940108001001889C0238417260",
        "paymentAmount": {"currency": "CNY", "value": "29901"}, "paymentCreateTime": "2026-11-20T10:24:00+08:00",
        "paymentTime": "2026-11-20T10:24:29+08:00", "metadata": "",
    });
    change(&mut event);
    event
}

/// A result of our payment or of its refund, told apart by type and status.
pub(super) fn result(notify_type: &str, status: &str) -> Value {
    event(|event| {
        event["notifyType"] = notify_type.into();
        event["result"]["resultStatus"] = status.into();
        event["refundRequestId"] = REFUND.into();
        event["refundAmount"] = json!({"currency": "CNY", "value": "10000"});
    })
}

/// What is told of a dispute about our payment.
fn dispute(change: impl FnOnce(&mut Value)) -> Value {
    let mut dispute = json!({
        "disputeNotificationType": "DISPUTE_CREATED", "disputeId": "202611212501310115730104",
        "disputeAmount": {"currency": "CNY", "value": "10000"}, "disputeTime": "2026-11-20T10:24:00+08:00",
        "disputeReasonCode": "4853", "disputeSource": "Mastercard", "defendable": true,
        "paymentId": "202611201940108001001889C0238417260", "paymentRequestId": PAYMENT,
    });
    change(&mut dispute);
    dispute
}

/// One that was judged against us, over so many fen.
pub(super) fn lost(fen: &str) -> Value {
    dispute(|dispute| {
        dispute["disputeNotificationType"] = "DISPUTE_JUDGED".into();
        dispute["disputeJudgedResult"] = "ACCEPT_BY_MERCHANT".into();
        dispute["disputeJudgedAmount"] = json!({"currency": "CNY", "value": fen});
    })
}

pub(super) fn paid(mark: &str) -> Message {
    sent(&event(|event| event["metadata"] = mark.into()), SENT)
}

/// The event as the channel sends it, at that time.
pub(super) fn sent(event: &Value, time: &str) -> Message {
    to(PATH, CLIENT, time, event.to_string())
}

/// A body, genuinely signed for an address and a client.
fn to(path: &str, client_id: &str, time: &str, body: String) -> Message {
    let headers = vec![
        ("Client-Id", client_id.to_owned()),
        ("Request-Time", time.to_owned()),
        ("Signature", sign::tests::signed(path, client_id, time, &body)),
    ];
    Message { headers, body }
}

async fn start() -> All {
    All::start(Channel::AlipayPlus).await
}

async fn answers(all: &All, message: &Message) -> (u16, String) {
    all.take(Channel::AlipayPlus, message).await
}

#[tokio::test]
async fn a_genuine_success_is_answered_in_the_channels_form_and_is_a_reason_to_ask_and_no_money() {
    let all = start().await;
    for _ in 0..2 {
        assert_eq!(answers(&all, &paid("")).await, (200, KEPT.to_owned()));
    }
    assert!(!all.is_paid().await);
    let attempt_id = AttemptId::parse_bare(PAYMENT).unwrap();
    let [update] = all.world.updates().await.try_into().unwrap();
    assert_eq!(update.content, UpdateContent::PaymentHint { attempt_id });
    assert_eq!(all.world.kept().await, [(format!("PAYMENT_RESULT.{PAYMENT}.S"), "applied".to_owned())]);
    let back = result("REFUND_RESULT", "S");
    assert_eq!(answers(&all, &sent(&back, SENT)).await, (200, KEPT.to_owned()));
    let refund_id = RefundId::parse_bare(REFUND).unwrap();
    assert_eq!(all.world.updates().await[1].content, UpdateContent::RefundHint { refund_id });
    assert_eq!(all.world.refund_row().await.state, Standing::At(RefundState::Pending));
}

#[tokio::test]
async fn ap_01_wh_28_a_success_that_is_older_than_our_cancellation_brings_no_money() {
    let all = start().await;
    let closed = pay::PaymentSeen::bare(PaymentState::Closed);
    let id = AttemptId::parse_bare(PAYMENT).unwrap();
    let mut tx = all.world.inbox.store.begin().await.unwrap();
    attempts::observe(&mut tx, id, &closed, Frozen.now()).await.unwrap();
    all.world.inbox.store.commit(tx).await.unwrap();
    assert_eq!(answers(&all, &paid("")).await.0, 200);
    assert_eq!(all.world.attempt().await.state, PaymentState::Closed, "the channel gave that money back");
}

#[tokio::test]
async fn wh_01_to_06_10_11_26_what_is_not_proved_leaves_no_trace_and_learns_nothing() {
    let all = start().await;
    let genuine = paid("");
    let without = |gone: &str| {
        let headers = genuine.headers.iter().filter(|(name, _)| *name != gone).cloned().collect();
        Message { headers, body: genuine.body.clone() }
    };
    let body = || event(|_| {}).to_string();
    // Signed by us: whoever has our key is not the channel.
    let own = crate::pay::rsa::Signer::new(&vector("alipay/test_app_private_key_pkcs1.pem").into(), "key").unwrap();
    let content = String::from_utf8(sign::content(PATH, CLIENT, SENT, genuine.body.as_bytes())).unwrap();
    let mut strange = genuine.clone();
    strange.headers[2].1 = sign::header(&own.sign(&content).unwrap());
    for refused in [
        without("Client-Id"),
        without("Request-Time"),
        without("Signature"),
        strange,
        Message { body: genuine.body.replace("29901", "29902"), ..genuine.clone() },
        Message { body: serde_json::to_string_pretty(&event(|_| {})).unwrap(), ..genuine.clone() },
        to("/notify/alipay", CLIENT, SENT, body()),
        to(PATH, CLIENT, "2026-11-18T02:24:59Z", body()),
        to(PATH, CLIENT, "2026-11-20T02:30:01Z", body()),
        to(PATH, CLIENT, "1795141500", body()),
    ] {
        assert_eq!(answers(&all, &refused).await, (401, REFUSED.to_owned()), "{:?}", refused.headers);
    }
    all.world.assert_untouched().await;
    assert!(all.world.kept().await.is_empty());
    // As old as the channel's last try may be.
    assert_eq!(answers(&all, &to(PATH, CLIENT, "2026-11-18T02:25:01Z", body())).await.0, 200);
}

#[tokio::test]
async fn wh_12_a_clock_four_minutes_behind_passes_and_six_minutes_behind_is_refused() {
    let all = start().await;
    assert_eq!(answers(&all, &sent(&event(|_| {}), "2026-11-20T02:31:00Z")).await.0, 401);
    assert_eq!(answers(&all, &sent(&event(|_| {}), "2026-11-20T10:29:00+08:00")).await.0, 200);
}

#[tokio::test]
async fn wh_09_14_sixty_four_copies_at_once_count_once() {
    let all = start().await;
    let message = paid("");
    let copies = futures::future::join_all((0..64).map(|_| answers(&all, &message))).await;
    assert!(copies.iter().all(|answer| *answer == (200, KEPT.to_owned())));
    assert_eq!((all.world.updates().await.len(), all.world.kept().await.len()), (1, 1));
}

#[tokio::test]
async fn wh_17_18_no_amount_currency_or_state_in_a_notification_is_believed() {
    for amount in [
        json!({"currency": "CNY", "value": "1"}),
        json!({"currency": "USD", "value": "29901"}),
        json!({"currency": "CNY", "value": "299.01"}),
        Value::Null,
    ] {
        for (kind, status) in [("PAYMENT_RESULT", "S"), ("PAYMENT_RESULT", "F"), ("PAYMENT_PENDING", "S")] {
            let all = start().await;
            let mut told = result(kind, status);
            told["paymentAmount"] = amount.clone();
            assert_eq!(answers(&all, &sent(&told, SENT)).await.0, 200, "{kind} {status} {amount}");
            assert_eq!(all.world.attempt().await.state, PaymentState::RequiresAction);
            assert_eq!(all.world.updates().await.len(), 1, "a reason to ask");
        }
    }
}

#[tokio::test]
async fn wh_21_a_database_that_fails_is_answered_so_that_the_channel_tries_again() {
    let all = start().await;
    all.world.inbox.store.close().await;
    assert_eq!(answers(&all, &paid("")).await, (500, REFUSED.to_owned()));
}

#[tokio::test]
async fn wh_16_a_notification_to_another_merchant_is_kept_and_refused() {
    let all = start().await;
    let other = to(PATH, "SOMEBODYELSE00920", SENT, event(|_| {}).to_string());
    assert_eq!(answers(&all, &other).await, (400, REFUSED.to_owned()));
    all.world.assert_untouched().await;
    assert_eq!(all.world.kept().await[0].1, "foreign");
}

#[tokio::test]
async fn ap_02_one_event_has_one_content() {
    let all = start().await;
    assert_eq!(answers(&all, &paid("a")).await.0, 200);
    assert_eq!(answers(&all, &paid("b")).await, (400, REFUSED.to_owned()), "the same number and end, another body");
    assert_eq!(all.world.updates().await.len(), 1);
    let failed = sent(&result("PAYMENT_RESULT", "F"), SENT);
    assert_eq!(answers(&all, &failed).await.0, 200, "another end of it is another event");
}

#[tokio::test]
async fn wh_19_20_a_kind_we_do_not_know_is_kept_and_a_number_of_nobodys_is_an_orphan() {
    let all = start().await;
    let kinds = ["AUTHCODE_CREATED", "CAPTURE_RESULT", "DISPUTE_CREATED"];
    for kind in kinds {
        assert_eq!(answers(&all, &sent(&result(kind, "S"), SENT)).await.0, 200, "{kind}");
    }
    for number in ["01KA0000000000000000000ZZZ", "not-a-number"] {
        let stranger = event(|event| event["paymentRequestId"] = number.into());
        assert_eq!(answers(&all, &sent(&stranger, SENT)).await, (200, KEPT.to_owned()));
    }
    all.world.assert_untouched().await;
    let kept = all.world.kept().await;
    assert_eq!(kept.iter().filter(|(_, word)| word == "ignored").count(), 3);
    assert_eq!(kept.iter().filter(|(_, word)| word == "orphan").count(), 2);
    for unreadable in ["{}", "[]", r#"{"notifyType":"PAYMENT_RESULT"}"#] {
        assert_eq!(answers(&all, &to(PATH, CLIENT, SENT, unreadable.to_owned())).await.0, 400, "{unreadable}");
    }
}

#[tokio::test]
async fn what_a_payer_wants_back_is_recorded_as_the_channel_says_and_decided_only_where_it_says_for_whom() {
    use zhiyou_domain::port::payments::{DisputeState, DisputeStatus};
    let judged = |result: &str| {
        dispute(|dispute| {
            dispute["disputeNotificationType"] = "DISPUTE_JUDGED".into();
            dispute["disputeJudgedResult"] = result.into();
        })
    };
    let kind = |kind: &str| dispute(|dispute| dispute["disputeNotificationType"] = kind.into());
    let silent = |kind: &str| {
        dispute(|dispute| {
            dispute["disputeNotificationType"] = kind.into();
            dispute.as_object_mut().unwrap().remove("disputeAmount");
        })
    };
    for (told, recorded) in [
        (kind("DISPUTE_CREATED"), Some((DisputeState::Open, 10_000))),
        (lost("5000"), Some((DisputeState::Lost, 5_000))),
        (judged("ACCEPT_BY_MERCHANT"), Some((DisputeState::Lost, 10_000))),
        (judged("ACCEPT_BY_CUSTOMER"), Some((DisputeState::Won, 10_000))),
        (kind("DISPUTE_CANCELLED"), Some((DisputeState::Won, 10_000))),
        (silent("DISPUTE_CANCELLED"), Some((DisputeState::Won, 29_901))),
        (kind("DISPUTE_ACCEPTED"), Some((DisputeState::Lost, 10_000))),
        (kind("RDR_RESOLVED"), Some((DisputeState::Open, 10_000))),
        (silent("DISPUTE_ACCEPTED"), None),
        (silent("DISPUTE_CREATED"), None),
        (judged("VALIDATE_FAIL"), None),
        (judged("SOMETHING_NEW"), None),
        (kind("DEFENSE_DUE_ALERT"), None),
        (kind("SOMETHING_NEW"), None),
    ] {
        let all = start().await;
        for _ in 0..2 {
            assert_eq!(answers(&all, &sent(&told, SENT)).await, (200, KEPT.to_owned()), "{told}");
        }
        let expected = recorded.map(|(state, minor)| DisputeStatus {
            attempt_id: AttemptId::parse_bare(PAYMENT).unwrap(),
            dispute_id: "202611212501310115730104".to_owned(),
            amount: Money::new(minor, Currency::CNY).unwrap(),
            state,
            as_of_us: None,
        });
        let expected: Vec<_> = expected.into_iter().map(|status| UpdateContent::Dispute { status }).collect();
        let updates: Vec<_> = all.world.updates().await.into_iter().map(|update| update.content).collect();
        assert_eq!(updates, expected, "{told}");
        assert_eq!(all.world.refund_row().await.state, Standing::At(RefundState::Pending), "nothing else moves");
    }
}

#[tokio::test]
async fn a_dispute_over_more_than_was_paid_in_other_money_or_before_its_payment_is_known_records_nothing() {
    let all = start().await;
    for (odd, status) in [
        (lost("29902"), 400),
        (dispute(|dispute| dispute["disputeAmount"] = json!({"currency": "USD", "value": "10000"})), 400),
        (dispute(|dispute| dispute["disputeAmount"] = json!({"currency": "CNY", "value": "0"})), 400),
        (dispute(|dispute| dispute["paymentRequestId"] = "01KA0000000000000000000ZZZ".into()), 503),
    ] {
        assert_eq!(answers(&all, &sent(&odd, SENT)).await.0, status, "{odd}");
    }
    assert_eq!(all.world.updates().await.len(), 0);
}
