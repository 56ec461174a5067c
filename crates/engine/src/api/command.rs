//! What the interface may ask: one struct per command.
//!
//! Every field is checked when it is read; unknown fields are refused. `request_id` (`req_…`) is made and stored by the
//! caller first; repeating it returns the same result. Deliberately not here: what a command does.

use super::view::{
    CancelReasonView, DocumentKindView, GenderView, LocaleSetting, MealView, PriorityView, SeatWishView, ThemeSetting,
    TitleView,
};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use zhiyou_domain::{
    id::{ItemId, OrderId, PlanId, QuoteId, RequestId, TravellerId},
    port::payments::{Channel, CreditCode},
};

macro_rules! command {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty $(as $ts:literal)?),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_doc])* $(#[ts(type = $ts)])? pub $field: $type,)*
        }
    };
}

command!(
    /// Reads the session.
    GetSession {}
);
command!(
    /// Lists plans, newest first, archived ones last.
    ListPlans {}
);
command!(
    /// Imports a plan file's text.
    ImportPlan {
        /// The text of the file, at most 1 MiB; it names travellers.
        text: Personal as "string",
        /// Made by the caller.
        request_id: RequestId as "string",
    }
);
command!(
    /// Imports the sample trip that comes with the product.
    ImportSample {
        /// Language of the sample.
        locale: LocaleSetting,
        /// Made by the caller.
        request_id: RequestId as "string",
    }
);
command!(
    /// Reads a plan.
    GetPlan {
        /// Which.
        plan_id: PlanId as "string",
    }
);
command!(
    /// Changes how much an item matters; only before an order is made.
    SetItemPriority {
        /// Plan.
        plan_id: PlanId as "string",
        /// Item.
        item_id: ItemId as "string",
        /// New priority.
        priority: PriorityView,
    }
);
command!(
    /// Puts a plan away or takes it back.
    ArchivePlan {
        /// Plan.
        plan_id: PlanId as "string",
        /// Away or back.
        archived: bool,
    }
);
command!(
    /// Lists platforms; those the plan needs are marked.
    ListSignIns {
        /// Plan to mark needs for.
        plan_id: Option<PlanId> as "string | null",
    }
);
command!(
    /// Opens the platform's page in the system browser and waits for the return; of a platform that is connected, nothing.
    LoginToPlatform {
        /// Platform id.
        platform: String,
        /// How the browser comes back; where it is not said, the best way that can be had.
        return_by: Option<ReturnBy>,
    }
);
command!(
    /// Tells where a log-in stands and what was granted.
    CheckAuthStatus {
        /// Platform id.
        platform: String,
        /// Only if this is the session of it that lives.
        session_id: Option<String>,
    }
);
command!(
    /// Lists the platforms that the person is connected to, and what may be called there.
    ListAuthenticatedApis {}
);
command!(
    /// Gives up waiting for the browser.
    CancelSignIn {
        /// Platform id.
        platform: String,
    }
);
command!(
    /// Revokes and forgets the platform's tokens.
    Disconnect {
        /// Platform id.
        platform: String,
    }
);
command!(
    /// Asks a connected platform about the member's own things: nothing is changed there.
    ReadMember {
        /// Platform id.
        platform: String,
    }
);
command!(
    /// Opens the airline's own booking page for a flight, in the system browser. Nothing is booked by it.
    HandOverFlight {
        /// Platform id.
        platform: String,
        /// Airport of departure, e.g. `PEK`.
        origin: String,
        /// Airport of arrival.
        destination: String,
        /// Day of departure, `2027-01-31`.
        departs_on: String,
    }
);
command!(
    /// Makes an order from a plan; holds begin at once.
    PrepareOrder {
        /// Plan.
        plan_id: PlanId as "string",
        /// Made by the caller.
        request_id: RequestId as "string",
    }
);
command!(
    /// Lists orders, newest first, a page of at most 50.
    ListOrders {
        /// Only those made before this moment; the page after another one begins where that ended.
        before_us: Option<i64> as "number | null",
    }
);
command!(
    /// Reads an order.
    GetOrder {
        /// Which.
        order_id: OrderId as "string",
    }
);
command!(
    /// Reads the seat maps of a flight item.
    GetSeatMaps {
        /// Order.
        order_id: OrderId as "string",
        /// Item.
        item_id: ItemId as "string",
    }
);
command!(
    /// Chooses seats for a flight item; an empty list leaves them to the airline. The hold is made next.
    ChooseSeats {
        /// Order.
        order_id: OrderId as "string",
        /// Item.
        item_id: ItemId as "string",
        /// At most one per segment and traveller.
        seats: Vec<SeatWish>,
        /// Made by the caller.
        request_id: RequestId as "string",
    }
);
/// One wished seat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct SeatWish {
    /// Segment.
    pub segment_id: String,
    /// Traveller.
    #[ts(type = "string")]
    pub traveller_id: TravellerId,
    /// Seat, e.g. `12A`.
    pub designator: String,
}
/// A part of the total that another channel pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct SecondPayment {
    /// How to pay it.
    #[ts(type = "ChannelWord")]
    pub channel: Channel,
    /// How much of the total it pays, minor units of the total's currency.
    #[ts(type = "number")]
    pub amount_minor: i64,
}
/// A code that pays a part of the total.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct CreditWish {
    /// What the traveller typed.
    #[ts(type = "string")]
    pub code: CreditCode,
    /// What it was shown to be worth, minor units of the total's currency.
    #[ts(type = "number")]
    pub amount_minor: i64,
}
command!(
    /// Confirms exactly the cart that was shown; the payment opens.
    ConfirmOrder {
        /// Order.
        order_id: OrderId as "string",
        /// The hash that was shown.
        cart_hash: String,
        /// How to pay what a code leaves; needed unless it leaves nothing.
        channel: Option<Channel> as "ChannelWord | null",
        /// What else pays a part of it; nothing is booked before both are paid.
        second: Option<SecondPayment>,
        /// A code that pays a part before anything else does.
        credit: Option<CreditWish>,
        /// In how many instalments the payer pays off what the first channel pays.
        instalments: Option<u8>,
        /// Made by the caller.
        request_id: RequestId as "string",
    }
);
command!(
    /// Lists how an order can be paid, the best way first, and why.
    ListOrderChannels {
        /// Order.
        order_id: OrderId as "string",
        /// How much of it a channel is to pay, minor units; all that is to be paid when `null`.
        amount_minor: Option<i64> as "number | null",
        /// In how many instalments the payer wants to pay it off.
        instalments: Option<u8>,
    }
);
command!(
    /// Ranks the ways to pay for a payment that is only supposed; nothing is opened and nothing kept.
    PreviewChannels {
        /// How much, minor units.
        amount_minor: i64 as "number",
        /// ISO 4217 code.
        currency: String,
        /// Whether who pays is at home in mainland China; as for an order when `null`.
        domestic: Option<bool>,
        /// What who pays likes to pay by; what the settings say when `null`.
        preferred: Option<Channel> as "ChannelWord | null",
        /// How many items it pays for; one when `null`.
        items: Option<u32>,
        /// In how many instalments it is to be paid off.
        instalments: Option<u8>,
    }
);
command!(
    /// Tells what a code is worth for an order; nothing is set aside.
    CheckOrderCredit {
        /// Order.
        order_id: OrderId as "string",
        /// What the traveller typed.
        code: CreditCode as "string",
    }
);
command!(
    /// Opens the payment page of a hosted channel in the system browser.
    OpenPayment {
        /// Order.
        order_id: OrderId as "string",
    }
);
command!(
    /// Asks the channel now ("I have paid").
    CheckPayment {
        /// Order.
        order_id: OrderId as "string",
    }
);
command!(
    /// Asks the channels now about every payment that is open: the window is looked at again, or the network is back.
    CheckPayments {}
);
command!(
    /// Asks the channel for the code of the payment that is to be paid: a new one where the old one is over. It stays the same
    /// payment.
    RefreshPayment {
        /// Order.
        order_id: OrderId as "string",
    }
);
command!(
    /// Opens a new payment after one was refused or lapsed.
    RetryPayment {
        /// Order.
        order_id: OrderId as "string",
        /// By which channel; the same one when not said.
        channel: Option<Channel> as "ChannelWord | null",
        /// Made by the caller.
        request_id: RequestId as "string",
    }
);
command!(
    /// Ends an order while nothing is booked; costs nothing.
    CancelOrder {
        /// Order.
        order_id: OrderId as "string",
        /// Made by the caller.
        request_id: RequestId as "string",
    }
);
command!(
    /// Asks what cancelling some or all booked items costs; nothing is cancelled yet.
    QuoteCancellation {
        /// Order.
        order_id: OrderId as "string",
        /// Items; all booked ones when empty.
        item_ids: Vec<ItemId> as "Array<string>",
        /// Why; kept with the order.
        reason: CancelReasonView,
        /// Made by the caller.
        request_id: RequestId as "string",
    }
);
command!(
    /// Cancels at the quoted cost.
    AcceptCancellation {
        /// Order.
        order_id: OrderId as "string",
        /// The quote that was shown.
        quote_id: QuoteId as "string",
        /// Made by the caller.
        request_id: RequestId as "string",
    }
);
command!(
    /// Keeps a booked item as the supplier changed it.
    KeepChange {
        /// Order.
        order_id: OrderId as "string",
        /// Item.
        item_id: ItemId as "string",
        /// Made by the caller.
        request_id: RequestId as "string",
    }
);
command!(
    /// Says that a matter a person had to act on is settled.
    SettleDebt {
        /// Order.
        order_id: OrderId as "string",
        /// Number of the debt.
        debt: i64 as "number",
        /// Made by the caller.
        request_id: RequestId as "string",
    }
);
command!(
    /// Makes an order that books lost items of another one again, priced anew and confirmed on its own.
    PrepareRepair {
        /// The order they were lost from.
        order_id: OrderId as "string",
        /// Items a supplier cancelled or that could not be booked.
        item_ids: Vec<ItemId> as "Array<string>",
        /// Made by the caller.
        request_id: RequestId as "string",
    }
);
command!(
    /// Asks the suppliers and the channel what they have now, beside what is stored.
    CompareOrder {
        /// Order.
        order_id: OrderId as "string",
    }
);
command!(
    /// Writes a calendar file of what is booked, with alarms.
    ExportCalendar {
        /// Order.
        order_id: OrderId as "string",
        /// Language of its words; Chinese for `system`.
        locale: LocaleSetting,
    }
);
command!(
    /// Writes a page of what was paid for an order and given back, to keep or print.
    ExportReceipt {
        /// Order.
        order_id: OrderId as "string",
        /// Language of its words; Chinese for `system`.
        locale: LocaleSetting,
    }
);
command!(
    /// Saves settings.
    SetSettings {
        /// Language.
        locale: LocaleSetting,
        /// Theme.
        theme: ThemeSetting,
        /// Preferred channel; none leaves the choice to the app.
        channel: Option<Channel> as "ChannelWord | null",
        /// Locks the vault after so many minutes without use, at most a day; never when there is none.
        lock_after_min: Option<i64> as "number | null",
    }
);
command!(
    /// Chooses a passphrase for a vault without a keyring, or opens the vault with it.
    UnlockVault {
        /// At least 10 characters when it is chosen.
        passphrase: Passphrase as "string",
    }
);
command!(
    /// Replaces the root key and seals everything anew.
    RotateRootKey {
        /// The passphrase, where the vault has one.
        passphrase: Option<Passphrase> as "string | null",
    }
);
command!(
    /// Sets a passphrase that is needed besides the system keyring, changes it, or gives it up.
    SetAppLock {
        /// The passphrase there is; none where there is none.
        current: Option<Passphrase> as "string | null",
        /// The passphrase from now on, at least 10 characters; none does without.
        wanted: Option<Passphrase> as "string | null",
    }
);
command!(
    /// Tries the system keyring again; opens a vault that the person locked.
    RetryKeyring {}
);
command!(
    /// Locks the vault: its key goes out of memory, and only a person opens it again. Refused while a payment or a booking is
    /// under way.
    LockVault {}
);
command!(
    /// Says that somebody uses the window, see `SetSettings::lock_after_min`.
    NoteUse {}
);
command!(
    /// Opens the sandbox's phone page in the system browser; demo mode only.
    OpenPhone {}
);
command!(
    /// Lists travellers with masked details.
    ListTravellers {}
);
command!(
    /// Saves a traveller, new or changed. Doing it again changes nothing more. A masked field that is missing or empty
    /// stays as it is kept.
    SaveTraveller {
        /// Made by the caller for a new one.
        traveller_id: TravellerId as "string",
        /// Name to show.
        display_name: Personal as "string",
        /// Title.
        title: TitleView,
        /// Gender as on the document.
        gender: GenderView,
        /// Latin letters.
        given_name: Personal as "string",
        /// Latin letters.
        family_name: Personal as "string",
        /// `1992-03-14`.
        born_on: Option<Personal> as "string | null",
        /// E-mail.
        email: Option<Personal> as "string | null",
        /// Phone, E.164.
        phone_number: Option<Personal> as "string | null",
        /// ISO 3166-1 alpha-2.
        residence_country: Option<String>,
        /// All documents; those that are missing are removed.
        documents: Vec<DocumentWish>,
        /// All memberships; those that are missing are removed.
        loyalty: Vec<LoyaltyWish>,
        /// Where to sit.
        seat: SeatWishView,
        /// What to eat.
        meal: MealView,
    }
);
/// A document of a traveller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct DocumentWish {
    /// Which; none for a new one.
    #[ts(type = "number | null")]
    pub id: Option<i64>,
    /// Kind.
    pub kind: DocumentKindView,
    /// Number; none leaves the one that is kept.
    #[ts(type = "string | null")]
    pub number: Option<Personal>,
    /// Country that issued it, ISO 3166-1 alpha-2.
    pub country: String,
    /// Last day on which it is valid.
    pub expires_on: String,
}
/// A membership of a traveller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct LoyaltyWish {
    /// Programme.
    pub programme: String,
    /// Number; none leaves the one that is kept.
    #[ts(type = "string | null")]
    pub number: Option<Personal>,
}
command!(
    /// Removes a traveller.
    RemoveTraveller {
        /// Which.
        traveller_id: TravellerId as "string",
    }
);
command!(
    /// Writes what is kept about the person to a file: numbers, contacts and birthdays masked, unless all of it is wanted whole.
    ExportMyData {
        /// Numbers of documents, contacts and birthdays whole, in the clear. What is not said is masked.
        #[serde(default)]
        whole: bool,
    }
);
command!(
    /// Destroys the keys of everything that is sealed, and signs out everywhere. It cannot be undone. Answers which platforms
    /// could not be told.
    EraseMyData {}
);
command!(
    /// Lists what was agreed to about an order, and whether each signature verifies.
    ListConsents {
        /// Order.
        order_id: OrderId as "string",
    }
);
command!(
    /// Replaces the key that signs what is agreed to.
    RotateConsentKey {}
);
command!(
    /// Searches the security audit log, newest first, a page of at most 50.
    ListAudit {
        /// A category or an action, e.g. `payment` or `payment.confirm`; everything when empty.
        action: String,
        /// A resource, whole, e.g. `order:ord_…`; everything when empty.
        resource: String,
        /// Not before this moment.
        from_us: Option<i64> as "number | null",
        /// Not after this moment.
        to_us: Option<i64> as "number | null",
        /// Only rows before this one: the next page begins at the last one of this.
        before: Option<i64> as "number | null",
    }
);
command!(
    /// Verifies the chain of the security audit log.
    VerifyAudit {}
);
command!(
    /// Writes the security audit log to a file, one JSON object a line.
    ExportAudit {}
);
command!(
    /// Reads what changed after a cursor.
    Changes {
        /// The last cursor the caller has applied.
        after: i64 as "number",
    }
);

/// How the browser comes back after a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ReturnBy {
    /// `zhiyou://auth/<platform>`.
    DeepLink,
    /// `http://127.0.0.1:<port>/…`.
    Loopback,
}

/// A passphrase on its way to the vault; it cannot be printed and is wiped when dropped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Passphrase(zeroize::Zeroizing<String>);

impl Passphrase {
    /// The text, for the key derivation.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<redacted>")
    }
}

/// A personal detail on its way to the vault; it cannot be printed and is wiped when dropped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Personal(zeroize::Zeroizing<String>);

impl Personal {
    /// The text, for the check and the seal.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Personal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<redacted>")
    }
}
