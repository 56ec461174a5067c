//! MCP server `payments`, as the engine sees it: the port of the desk.
//!
//! A payment's number and amount come from the engine, whose order they belong to. Only what is sure to do nothing but read is
//! said to read: asking some channels where a payment or a refund stands also ends what was begun there
//! (`docs/decisions/019`). Deliberately not here: channels and the rules around them, and what an agent may ask ([`super::agents`]).

use super::{Broken, Effect, Entry, tool};
use crate::pay::desk::Desk;
use zhiyou_domain::port::{Answer, payments as p};

/// A tool that calls one method of the desk.
macro_rules! at_the_desk {
    ($desk:ident, $name:literal, $description:literal, $effect:expr, $argument:ty, |$wish:ident| $($argument_of:tt)+) => {{
        let desk = $desk.clone();
        tool($name, $description, $effect, move |$wish: $argument, _| {
            let desk = desk.clone();
            async move { Ok(Answer::from(desk.$($argument_of)+.await)) }
        })
    }};
}

/// Every tool of the server.
pub(crate) fn tools(desk: &Desk) -> Vec<Entry> {
    let (again, back) = (Effect::Act { repeatable: true }, Effect::Undo { repeatable: true });
    let reading = desk.clone();
    vec![
        at_the_desk!(
            desk,
            "openPayment",
            "Opens a payment; the same attempt again shows the same payment.",
            again,
            p::CreatePaymentIntent,
            |wish| create(wish)
        ),
        at_the_desk!(
            desk,
            "settlePayment",
            "Asks the channel where a payment stands; takes what the payer approved, and opens once more what may not have arrived.",
            again,
            p::PaymentRef,
            |wish| status(wish.attempt_id)
        ),
        at_the_desk!(
            desk,
            "lookAtPayment",
            "Reads where a payment stands; takes, sends and closes nothing.",
            Effect::Read,
            p::PaymentRef,
            |wish| look_at(wish.attempt_id)
        ),
        at_the_desk!(
            desk,
            "closePayment",
            "Closes a payment unless money came first; tells which.",
            back,
            p::PaymentRef,
            |wish| close(wish.attempt_id)
        ),
        at_the_desk!(
            desk,
            "capturePayment",
            "Takes authorised money, all or a part; the rest is let go. The same amount again takes it once.",
            again,
            p::CapturePayment,
            |wish| capture(wish)
        ),
        at_the_desk!(desk, "voidPayment", "Lets authorised money go.", back, p::PaymentRef, |wish| void(
            wish.attempt_id
        )),
        at_the_desk!(
            desk,
            "refundPayment",
            "Gives money back; the same refund again gives back once.",
            back,
            p::CreateRefund,
            |wish| refund(wish)
        ),
        at_the_desk!(
            desk,
            "getRefundStatus",
            "Asks the channel where a refund stands; sends it once more under its key where its answer was lost.",
            back,
            p::RefundRef,
            |wish| refund_status(wish.refund_id)
        ),
        at_the_desk!(
            desk,
            "checkCredit",
            "Tells what a coupon or gift card is worth for an order.",
            Effect::Read,
            p::CheckCredit,
            |wish| check_credit(wish)
        ),
        tool("listChannels", "Tells what the configured payment channels can do.", Effect::Read, {
            let desk = desk.clone();
            move |_: p::ListChannels, _| {
                let desk = desk.clone();
                async move {
                    desk.abilities().await.map_err(|error| {
                        tracing::error!(%error, "what the channels can do cannot be read");
                        Broken
                    })
                }
            }
        }),
        tool(
            "listUpdates",
            "Reads what notifications brought after a cursor, in order, up to 256.",
            Effect::Read,
            move |wish: p::ListUpdates, _| {
                let desk = reading.clone();
                async move {
                    desk.updates(wish.after).await.map_err(|error| {
                        tracing::error!(%error, "the updates cannot be read");
                        Broken
                    })
                }
            },
        ),
    ]
}
