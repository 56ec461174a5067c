//! Defects the simulator plants on purpose, one per defence, to show that it would find them.
//!
//! Without the feature `defects` every question is answered `false` at compile time. Programs that ship refuse to be built
//! in release with it (see [`COMPILED`]). Deliberately not here: defects of the simulator's own driver and providers.

use std::fmt;

/// Whether the switch is compiled in.
pub const COMPILED: bool = cfg!(feature = "defects");

macro_rules! defects {
    ($($(#[$doc:meta])* $name:ident = $row:literal, $word:literal),* $(,)?) => {
        /// A defence that can be taken away.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Defect {
            $($(#[$doc])* $name,)*
        }

        impl Defect {
            /// Every defect.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The row of the fault table, or the invariant, that its defence is for.
            #[must_use]
            pub const fn row(self) -> &'static str {
                match self {
                    $(Self::$name => $row,)*
                }
            }

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
    /// An unknown outcome is done again at once.
    BlindRetry = "SG-14", "blind-retry",
    /// An unknown outcome counts as refused.
    UnknownIsDeclined = "SG-25", "unknown-is-declined",
    /// Nothing is done about steps that were open when the program ended.
    NoRecovery = "SG-03", "no-recovery",
    /// Steps that were open when the program ended count as not sent.
    RecoveryForgets = "SG-04", "recovery-forgets",
    /// "not there" is believed at the first look-up.
    AbsentAtOnce = "SG-15", "absent-at-once",
    /// "not there" is never believed.
    AbsentNever = "SG-02", "absent-never",
    /// Holds of an order that ended are not let go.
    HoldsKept = "SG-11", "holds-kept",
    /// What is booked is not cancelled when a must-have fails.
    NoUnwind = "SG-66", "no-unwind",
    /// A partly booked order gives everything back.
    RefundWhole = "SG-65", "refund-whole",
    /// A failed order keeps the money.
    NoRefund = "SG-34", "no-refund",
    /// Refunds that are under way are not counted.
    RefundTwice = "SG-36", "refund-twice",
    /// A second payment is kept.
    KeepSecondPayment = "SG-41", "keep-second-payment",
    /// One part of a divided payment counts as all of it.
    PartIsWhole = "I3", "part-is-whole",
    /// A payment that is paid already when its opening is asked for again counts as refused.
    PaidIsRefused = "SG-25", "paid-is-refused",
    /// Money that arrives after a close is not seen.
    ClosedBeatsPaid = "SG-60", "closed-beats-paid",
    /// A late "closed" takes arrived money back out of the books.
    PaidRegresses = "SG-60", "paid-regresses",
    /// Money on an order the traveller ended is booked with.
    BookAfterCancel = "SG-40", "book-after-cancel",
    /// The traveller's end of an order is lost while its payment is open.
    CancelLost = "SG-39", "cancel-lost",
    /// An order ends without closing its payment first.
    EndWithoutClosing = "SG-42", "end-without-closing",
    /// Another amount than was asked for counts as paid.
    AnyAmount = "SG-27", "any-amount",
    /// A second chance is taken at a higher price.
    DearerSecondChance = "SG-30", "dearer-second-chance",
    /// A second chance is taken although its money is gone.
    ChanceUnpaid = "SG-30", "chance-unpaid",
    /// A cart past its time can be confirmed.
    StaleCart = "SG-31", "stale-cart",
    /// What a must-have depends on may fail.
    NoInheritance = "SG-11", "no-inheritance",
    /// Items are held and booked without what they come after.
    DependenciesIgnored = "SG-11", "dependencies-ignored",
    /// Booking begins before the money has arrived.
    CommitUnpaid = "SG-33", "commit-unpaid",
    /// A booked item is booked again.
    CommitTwice = "SG-08", "commit-twice",
    /// A repeated report of a payment counts again.
    ReportsCountTwice = "SG-59", "reports-count-twice",
    /// An arrived refund falls back to "under way".
    RefundRegresses = "SG-60", "refund-regresses",
    /// A refund that needs a person counts as arrived.
    ManualIsArrived = "SG-37", "manual-is-arrived",
    /// A cancellation that was not sent counts as done.
    UndoForgotten = "SG-10", "undo-forgotten",
    /// A cancellation the supplier refused counts as done.
    RefusedUndoIsDone = "SG-67", "refused-undo-is-done",
    /// A booking still being decided on counts as confirmed.
    PendingIsConfirmed = "SG-20", "pending-is-confirmed",
    /// A booking still being decided on is never asked about.
    PendingForgotten = "SG-20", "pending-forgotten",
    /// A supplier's own cancellation is not recorded.
    SupplierCancelIgnored = "SG-32", "supplier-cancel-ignored",
    /// A supplier's change of what is booked is not recorded.
    ChangesIgnored = "SG-32", "changes-ignored",
    /// A change counts as kept before the supplier knows it.
    ChangeKeptUntold = "SG-32", "change-kept-untold",
    /// Payments are not asked about; only notifications count.
    PaymentsNotAsked = "SG-38", "payments-not-asked",
    /// Refunds are not asked about.
    RefundsNotAsked = "SG-38", "refunds-not-asked",
    /// What cannot be found out is never shown to a person.
    NoDebts = "SG-18", "no-debts",
    /// Nothing happens when the time to pay is over.
    DeadlineForgotten = "SG-46", "deadline-forgotten",
    /// A deadline that was announced is announced again.
    DeadlineRepeats = "SG-46", "deadline-repeats",
    /// A hold that is answered after the order ended is dropped.
    LateHoldDropped = "SG-39", "late-hold-dropped",
    /// A payment can be retried while one is open.
    RetryWhileOpen = "SG-74", "retry-while-open",
    /// What was set aside is not taken although everything is booked.
    CaptureForgotten = "SG-35", "capture-forgotten",
    /// All that was set aside is taken, whatever was booked.
    CaptureWhole = "SG-35", "capture-whole",
    /// What was set aside is not let go when nothing is booked.
    VoidForgotten = "SG-35", "void-forgotten",
    /// What a supplier is still deciding on is forgotten once the money is gone.
    UndecidedLeft = "SG-35", "undecided-left",
    /// What a bank has taken back is refunded on top.
    DisputeRefunded = "SG-73", "dispute-refunded",
    /// A supplier's refund is not entered in the ledger.
    LedgerForgets = "I2", "ledger-forgets",
    /// A writer whose lease was taken over still writes.
    NoFence = "SG-44", "no-fence",
    /// A writer may overwrite what another one wrote after it read.
    NoVersionCheck = "SG-43", "no-version-check",
    /// A call begins before its intent is written.
    CallBeforeIntent = "SG-01", "call-before-intent",
    /// A call begins although its intent could not be written.
    IntentErrorIgnored = "SG-48", "intent-error-ignored",
    /// The chain of the journal is not verified.
    ChainUnverified = "SG-50", "chain-unverified",
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} {}", self.row(), self.word()))
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
