//! Defects the simulator plants on purpose, one per defence, to show that it would find them.
//!
//! Without the feature `defects` every question is answered `false` at compile time. Programs that ship refuse to be built
//! in release with it (see [`COMPILED`]). Deliberately not here: defects of the simulator's own driver and providers.

use std::fmt;

/// Whether the switch is compiled in.
pub const COMPILED: bool = cfg!(feature = "defects");

macro_rules! defects {
    ($($(#[$doc:meta])* $name:ident = $word:literal),* $(,)?) => {
        /// A defence that can be taken away.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Defect {
            $($(#[$doc])* $name,)*
        }

        impl Defect {
            /// Every defect.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

defects! {
    /// SG-14: an unknown outcome is done again at once.
    BlindRetry = "blind-retry",
    /// SG-25: an unknown outcome counts as refused.
    UnknownIsDeclined = "unknown-is-declined",
    /// SG-03: nothing is done about steps that were open when the program ended.
    NoRecovery = "no-recovery",
    /// SG-04: steps that were open when the program ended count as not sent.
    RecoveryForgets = "recovery-forgets",
    /// SG-15: "not there" is believed at the first look-up.
    AbsentAtOnce = "absent-at-once",
    /// SG-02: "not there" is never believed.
    AbsentNever = "absent-never",
    /// SG-11: holds of an order that ended are not let go.
    HoldsKept = "holds-kept",
    /// SG-66: what is booked is not cancelled when a must-have fails.
    NoUnwind = "no-unwind",
    /// SG-65: a partly booked order gives everything back.
    RefundWhole = "refund-whole",
    /// SG-34: a failed order keeps the money.
    NoRefund = "no-refund",
    /// SG-36: refunds that are under way are not counted.
    RefundTwice = "refund-twice",
    /// SG-41: a second payment is kept.
    KeepSecondPayment = "keep-second-payment",
    /// SG-60: money that arrives after a close is not seen.
    ClosedBeatsPaid = "closed-beats-paid",
    /// SG-60: a late "closed" takes arrived money back out of the books.
    PaidRegresses = "paid-regresses",
    /// SG-40: money on an order the traveller ended is booked with.
    BookAfterCancel = "book-after-cancel",
    /// SG-39: the traveller's end of an order is lost while its payment is open.
    CancelLost = "cancel-lost",
    /// SG-42: an order ends without closing its payment first.
    EndWithoutClosing = "end-without-closing",
    /// SG-27: another amount than was asked for counts as paid.
    AnyAmount = "any-amount",
    /// SG-30: a second chance is taken at a higher price.
    DearerSecondChance = "dearer-second-chance",
    /// SG-31: a cart past its time can be confirmed.
    StaleCart = "stale-cart",
    /// SG-11: what a must-have depends on may fail.
    NoInheritance = "no-inheritance",
    /// SG-11: items are held and booked without what they come after.
    DependenciesIgnored = "dependencies-ignored",
    /// SG-33: booking begins before the money has arrived.
    CommitUnpaid = "commit-unpaid",
    /// SG-08: a booked item is booked again.
    CommitTwice = "commit-twice",
    /// SG-59: a repeated report of a payment counts again.
    ReportsCountTwice = "reports-count-twice",
    /// SG-60: an arrived refund falls back to "under way".
    RefundRegresses = "refund-regresses",
    /// SG-37: a refund that needs a person counts as arrived.
    ManualIsArrived = "manual-is-arrived",
    /// SG-10: a cancellation that was not sent counts as done.
    UndoForgotten = "undo-forgotten",
    /// SG-67: a cancellation the supplier refused counts as done.
    RefusedUndoIsDone = "refused-undo-is-done",
    /// SG-20: a booking still being decided on counts as confirmed.
    PendingIsConfirmed = "pending-is-confirmed",
    /// SG-20: a booking still being decided on is never asked about.
    PendingForgotten = "pending-forgotten",
    /// SG-32: a supplier's own cancellation is not recorded.
    SupplierCancelIgnored = "supplier-cancel-ignored",
    /// SG-38: payments are not asked about; only notifications count.
    PaymentsNotAsked = "payments-not-asked",
    /// SG-38: refunds are not asked about.
    RefundsNotAsked = "refunds-not-asked",
    /// SG-18: what cannot be found out is never shown to a person.
    NoDebts = "no-debts",
    /// SG-46: nothing happens when the time to pay is over.
    DeadlineForgotten = "deadline-forgotten",
    /// SG-39: a hold that is answered after the order ended is dropped.
    LateHoldDropped = "late-hold-dropped",
    /// SG-74: a payment can be retried while one is open.
    RetryWhileOpen = "retry-while-open",
    /// I2: a supplier's refund is not entered in the ledger.
    LedgerForgets = "ledger-forgets",
    /// SG-44: a writer whose lease was taken over still writes.
    NoFence = "no-fence",
    /// SG-43: a writer may overwrite what another one wrote after it read.
    NoVersionCheck = "no-version-check",
    /// SG-01: a call begins before its intent is written.
    CallBeforeIntent = "call-before-intent",
    /// SG-48: a call begins although its intent could not be written.
    IntentErrorIgnored = "intent-error-ignored",
    /// SG-50: the chain of the journal is not verified.
    ChainUnverified = "chain-unverified",
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(feature = "defects")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Defect>> = const { std::cell::Cell::new(None) };
}

/// Plants a defect in this thread, or removes it.
#[cfg(feature = "defects")]
pub fn plant(defect: Option<Defect>) {
    PLANTED.set(defect);
}

/// Whether a defect is planted in this thread.
#[must_use]
#[cfg(feature = "defects")]
pub fn planted(defect: Defect) -> bool {
    PLANTED.get() == Some(defect)
}

/// Whether a defect is planted: never, because the switch is not compiled in.
#[must_use]
#[cfg(not(feature = "defects"))]
pub const fn planted(_: Defect) -> bool {
    false
}
