//! Which fault happened in which state, so that an empty cell is seen.

use std::collections::BTreeMap;
use zhiyou_domain::order::OrderState;

/// Kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    RequestLost,
    AnswerLost,
    AnswerLate,
    NotSent,
    Declined,
    ReadFails,
    NoticeLost,
    NoticeDoubled,
    Crash,
    StaleWriter,
    DiskFull,
    ClockJump,
    SupplierCancels,
    AirlineChanges,
    WrongAmount,
    CaptureLapses,
    AsideLeaves,
    ClosePending,
    KeyRefused,
    Disputed,
    RefundManual,
}

impl Fault {
    pub(crate) const ALL: &[Self] = &[
        Self::RequestLost,
        Self::AnswerLost,
        Self::AnswerLate,
        Self::NotSent,
        Self::Declined,
        Self::ReadFails,
        Self::NoticeLost,
        Self::NoticeDoubled,
        Self::Crash,
        Self::StaleWriter,
        Self::DiskFull,
        Self::ClockJump,
        Self::SupplierCancels,
        Self::AirlineChanges,
        Self::WrongAmount,
        Self::CaptureLapses,
        Self::AsideLeaves,
        Self::ClosePending,
        Self::KeyRefused,
        Self::Disputed,
        Self::RefundManual,
    ];

    /// States in which the fault can happen at all: where nothing is called, no call fails.
    pub(crate) const fn possible(self, state: OrderState) -> bool {
        use OrderState::{
            Cancelled, Confirmed, Draft, Failed, PartiallyConfirmed, PaymentPending, PaymentProcessing,
            RefundRequested, Refunded,
        };
        match self {
            // Passed through within one commit; nothing can happen in it.
            _ if matches!(state, Failed) => false,
            Self::SupplierCancels | Self::AirlineChanges | Self::Disputed => {
                matches!(state, Confirmed | PartiallyConfirmed)
            }
            Self::WrongAmount | Self::ClosePending => matches!(state, PaymentPending),
            Self::CaptureLapses | Self::KeyRefused => matches!(state, PaymentProcessing),
            Self::AsideLeaves => matches!(state, PaymentPending | PaymentProcessing | Cancelled | RefundRequested),
            Self::RefundManual => matches!(state, PartiallyConfirmed | RefundRequested),
            // After a whole refund only late money is told of, and that until it is heard.
            Self::NoticeLost | Self::NoticeDoubled => !matches!(state, Draft | Refunded),
            Self::RequestLost | Self::AnswerLost | Self::AnswerLate | Self::NotSent => !matches!(state, Refunded),
            Self::Declined => !matches!(state, PaymentPending | Refunded),
            Self::ReadFails => !matches!(state, Refunded),
            Self::Crash | Self::StaleWriter | Self::DiskFull | Self::ClockJump => true,
        }
    }
}

/// The matrix.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cover {
    cells: BTreeMap<(Fault, OrderState), u64>,
    pub(crate) stale_writes: u64,
}

impl Cover {
    pub(crate) fn hit(&mut self, fault: Fault, state: OrderState) {
        *self.cells.entry((fault, state)).or_insert(0) += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (cell, count) in &other.cells {
            *self.cells.entry(*cell).or_insert(0) += count;
        }
    }

    /// Cells that could have been hit and were not.
    pub(crate) fn empty(&self) -> Vec<(Fault, OrderState)> {
        let all = Fault::ALL.iter().flat_map(|fault| OrderState::ALL.iter().map(move |state| (*fault, *state)));
        all.filter(|(fault, state)| fault.possible(*state) && !self.cells.contains_key(&(*fault, *state))).collect()
    }

    /// The matrix as text, a line per fault.
    pub(crate) fn table(&self) -> String {
        let mut text = format!("{:16}", "");
        OrderState::ALL.iter().for_each(|state| text.push_str(&format!("{:>20}", state.word())));
        for fault in Fault::ALL {
            text.push_str(&format!("\n{:16}", format!("{fault:?}")));
            for state in OrderState::ALL {
                let cell = match self.cells.get(&(*fault, *state)) {
                    Some(count) => count.to_string(),
                    None if fault.possible(*state) => "EMPTY".to_owned(),
                    None => "-".to_owned(),
                };
                text.push_str(&format!("{cell:>20}"));
            }
        }
        text
    }
}
