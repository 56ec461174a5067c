//! MCP server `payments`.
//!
//! Deliberately not here: channels, and the rules around them.

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
            "createPaymentIntent",
            "Opens a payment; the same attempt again shows the same payment.",
            again,
            p::CreatePaymentIntent,
            |wish| create(wish)
        ),
        at_the_desk!(
            desk,
            "getPaymentStatus",
            "Asks the channel where a payment stands.",
            Effect::Read,
            p::PaymentRef,
            |wish| status(wish.attempt_id)
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
            "createRefund",
            "Gives money back; the same refund again gives back once.",
            back,
            p::CreateRefund,
            |wish| refund(wish)
        ),
        at_the_desk!(
            desk,
            "getRefundStatus",
            "Asks the channel where a refund stands.",
            Effect::Read,
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
                let abilities = desk.abilities();
                async move { Ok(abilities) }
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
