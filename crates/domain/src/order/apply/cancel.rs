//! How a traveller's cancellation changes an order: quoted first, accepted exactly as quoted, one item or all.
//!
//! Deliberately not here: what a supplier does on its own (see [`super::changes`]).

use super::{Illegal, illegal};
use crate::{
    id::{ItemId, QuoteId, RefundId},
    money::Money,
    order::{
        CancelReason, Cancellation, CancellationState, ItemState, Op, Order, OrderItem, OrderState, TimelineKind,
        debt::Matter, fact::ItemCancelQuote,
    },
    port::ReasonCode,
    time::UtcMicros,
};

impl Order {
    pub(super) fn cancel_quote_requested(
        &mut self,
        quote: QuoteId,
        wanted: &[ItemId],
        reason: CancelReason,
    ) -> Result<(), Illegal> {
        self.expect(OrderState::CANCELLABLE_BY_QUOTE, "a cancellation quote")?;
        self.drop_cancel_quotes();
        let booked = self.items.iter().filter(|item| ItemState::CANCELLABLE.contains(&item.state));
        let chosen = booked.map(|item| item.wanted.id).filter(|id| wanted.is_empty() || wanted.contains(id));
        let items: Vec<ItemId> = chosen.collect();
        if items.iter().any(|id| self.is_open(Op::AcceptChange { item: *id })) {
            return illegal("the supplier is being told that its change is kept");
        }
        if items.is_empty() || !wanted.iter().all(|id| items.contains(id)) {
            return illegal("only booked items can be cancelled");
        }
        self.cancellation = Some(Cancellation {
            quote,
            items,
            reason,
            state: CancellationState::Quoting,
            refused: Vec::new(),
            refund: None,
        });
        Ok(())
    }

    /// Open quotes no longer count; what they were for stays booked.
    fn drop_cancel_quotes(&mut self) {
        for item in self.items.iter_mut().filter(|item| item.state == ItemState::CancelQuoted) {
            item.state = item.booked_state();
            item.cancel_quote = None;
        }
    }

    pub(super) fn item_cancel_quoted(
        &mut self,
        at: UtcMicros,
        item: ItemId,
        quote: &ItemCancelQuote,
    ) -> Result<(), Illegal> {
        let unwinding = self.state == OrderState::RefundRequested && self.ending.is_some();
        let waits = |asked: &Cancellation| asked.state == CancellationState::Quoting && asked.items.contains(&item);
        if !unwinding && !self.cancellation.as_ref().is_some_and(waits) {
            // Another item was refused meanwhile, so that nothing is cancelled.
            return illegal("a quote nobody waits for");
        }
        let place = self.item_mut(item)?;
        if !ItemState::CANCELLABLE.contains(&place.state) {
            return illegal("only a booked item is quoted");
        }
        let refund_fits = place.price().is_some_and(|price| quote.refund.exceeds(price) == Ok(false));
        if !refund_fits || quote.refund.minor() < 0 {
            return illegal("a refund above the price or below zero");
        }
        place.cancel_quote = Some(quote.clone());
        // What has to be undone needs no consent; what the traveller asked about waits for it.
        place.state = if unwinding { ItemState::Cancelling } else { ItemState::CancelQuoted };
        let waiting = |id: &ItemId| self.item(*id).is_some_and(|item| item.state != ItemState::CancelQuoted);
        let quoted = self.cancellation.as_ref().is_some_and(|c| !c.items.iter().any(waiting));
        if let Some(cancellation) =
            self.cancellation.as_mut().filter(|c| c.state == CancellationState::Quoting && quoted)
        {
            cancellation.state = CancellationState::Quoted;
            let refund = self.quoted_refund()?;
            self.note(at, TimelineKind::CancelQuoted, None, Some(refund), None);
        }
        Ok(())
    }

    /// A quote nobody accepted in time is gone; what it was for stays booked.
    pub(super) fn quotes_lapsed(&mut self, at: UtcMicros) {
        self.drop_cancel_quotes();
        if let Some(cancellation) = self.cancellation.as_mut().filter(|c| c.state == CancellationState::Quoted) {
            cancellation.state = CancellationState::Lapsed;
            self.note(at, TimelineKind::QuoteLapsed, None, None, None);
        }
    }

    /// A quote about something that is gone by itself is no longer what was asked or shown: it is asked for anew.
    pub(super) fn quote_overtaken(&mut self, at: UtcMicros, item: ItemId) {
        let open = |asked: &&mut Cancellation| {
            matches!(asked.state, CancellationState::Quoting | CancellationState::Quoted) && asked.items.contains(&item)
        };
        if let Some(cancellation) = self.cancellation.as_mut().filter(open) {
            cancellation.state = CancellationState::Lapsed;
            self.drop_cancel_quotes();
            self.note(at, TimelineKind::QuoteLapsed, None, None, None);
        }
    }

    pub(super) fn item_cancel_refused(
        &mut self,
        at: UtcMicros,
        item: ItemId,
        reason: ReasonCode,
    ) -> Result<(), Illegal> {
        if self.state == OrderState::RefundRequested && self.ending.is_some() {
            let amount = self.item(item).and_then(OrderItem::price);
            self.owe(at, Matter::CancelFailed { item }, amount);
            // Undoing goes on without it; the traveller keeps what cannot be given back.
            let kept = self.item_mut(item)?;
            kept.failure = Some(reason);
            return Ok(());
        }
        match self.cancellation.as_mut() {
            Some(cancellation) if cancellation.state == CancellationState::Quoting => {
                cancellation.state = CancellationState::Failed;
                cancellation.refused.push((item, reason));
                self.drop_cancel_quotes();
                Ok(())
            }
            _ => illegal("a refused quote nobody asked for"),
        }
    }

    pub(super) fn cancel_accepted(&mut self, at: UtcMicros, quote: QuoteId, refund: RefundId) -> Result<(), Illegal> {
        self.expect(OrderState::CANCELLABLE_BY_QUOTE, "accepting a cancellation")?;
        let amount = self.quoted_refund()?;
        let open = self.items.iter().filter(|item| item.state == ItemState::CancelQuoted);
        let lapsed = open.filter_map(|item| item.cancel_quote.as_ref()).any(|quote| quote.expires_at <= at);
        let Some(cancellation) = self.cancellation.as_mut() else { return illegal("there is no quote") };
        if cancellation.quote != quote || cancellation.state != CancellationState::Quoted || lapsed {
            return illegal("this quote is not open");
        }
        cancellation.state = CancellationState::Accepted;
        cancellation.refund = Some(refund);
        for item in self.items.iter_mut().filter(|item| item.state == ItemState::CancelQuoted) {
            item.state = ItemState::Cancelling;
        }
        self.note(at, TimelineKind::CancelAccepted, None, Some(amount), None);
        let some_stay = self.items.iter().any(|item| ItemState::CANCELLABLE.contains(&item.state));
        self.go(if amount.is_positive() || some_stay { OrderState::RefundRequested } else { OrderState::Cancelled })
    }

    /// Sum of the open quotes' refunds.
    pub(super) fn quoted_refund(&self) -> Result<Money, Illegal> {
        let open = self.items.iter().filter(|item| item.state == ItemState::CancelQuoted);
        let refunds = open.filter_map(|item| item.cancel_quote.as_ref()).map(|quote| quote.refund);
        Money::sum(self.budget.currency(), refunds).map_err(|error| Illegal(error.to_string()))
    }
}
