// Generated from crates/engine/src/api by `cargo xtask bindings`; do not edit.
// Amounts are integers of minor units, instants are UTC microseconds; both are exact as numbers.

export type AcceptCancellation = { 
/**
 * Order.
 */
order_id: string, 
/**
 * The quote that was shown.
 */
quote_id: string, 
/**
 * Made by the caller.
 */
request_id: string, };
export type ArchivePlan = { 
/**
 * Plan.
 */
plan_id: string, 
/**
 * Away or back.
 */
archived: boolean, };
export type AttentionView = { 
/**
 * Number of the debt within the order.
 */
debt: number, 
/**
 * `outcome_unknown`, `refund_manual`, `release_failed`, `cancel_failed`, `supplier_refund_unknown`, `amount_mismatch`
 */
kind: string, 
/**
 * Who has to act: `support`, `merchant`, `nobody`.
 */
owner: string, 
/**
 * Since when.
 */
since_us: number, 
/**
 * What undoes it, should it turn out to have happened when nobody wants it: `release`, `cancel`, `close`.
 */
undo: string | null, 
/**
 * Whether a person may say it is settled.
 */
can_settle: boolean, 
/**
 * Item concerned.
 */
item_id: string | null, 
/**
 * Amount concerned.
 */
amount: MoneyView | null, };
export type AuditCheckView = { 
/**
 * Rows that were ever appended.
 */
rows: number, 
/**
 * Rows that are missing or do not follow from the ones before them; at most a hundred are named.
 */
damaged: Array<number>, 
/**
 * Risk scores that are missing or were changed, by their own numbers; at most a hundred are named.
 */
damaged_scores: Array<number>, };
export type AuditRowView = { 
/**
 * Position, from 1.
 */
seq: number, 
/**
 * When.
 */
at_us: number, 
/**
 * Whose doing: `local`.
 */
who: string, 
/**
 * E.g. `payment.confirm`; the part before the dot is the category.
 */
action: string, 
/**
 * E.g. `order:ord_…`; empty for nothing in particular.
 */
resource: string, 
/**
 * `done`, `refused:<fault code>` or `failed:<why>`.
 */
result: string, 
/**
 * `local`, or `socket` for a program on this machine.
 */
address: string, 
/**
 * `window`, `tool`, or `core` for what the app does by itself.
 */
agent: string, 
/**
 * Risk score of a payment, 0 to 100; it comes a moment after the row.
 */
risk: number | null, 
/**
 * What was unusual, the weightiest first.
 */
risk_reasons: Array<string>, };
export type AuditView = { 
/**
 * Rows.
 */
rows: Array<AuditRowView>, 
/**
 * Whether there are older ones that match.
 */
more: boolean, };
export type AuthSessionView = { 
/**
 * Platform id.
 */
platform: string, 
/**
 * Where it stands.
 */
status: AuthStatusView, 
/**
 * Address to sign in at, while a visit to it is under way; it was opened in the system browser.
 */
url: string | null, 
/**
 * Names the session, while one lives; not a secret.
 */
session_id: string | null, 
/**
 * When the session ends: an hour after it began. A visit ends sooner, and another log-in within the session renews it.
 */
expires_at_us: number | null, 
/**
 * What the platform granted; absent until it did, and while the vault is closed.
 */
granted: Array<NameView> | null, };
export type AuthStatusView = "auth_required" | "authenticated";
export type AuthenticatedApiView = { 
/**
 * Platform id.
 */
platform: string, 
/**
 * Name of the platform.
 */
name: NameView, 
/**
 * The one host that the sign-in is for.
 */
host: string, 
/**
 * What was granted, in the platform's words; absent while the vault is closed.
 */
scopes: Array<string> | null, 
/**
 * The same as a person reads it.
 */
granted: Array<NameView> | null, 
/**
 * What this app calls there with the sign-in, by the names of the tools.
 */
calls: Array<string>, };
export type CabinElementView = { 
/**
 * `seat`, `restricted`, `bassinet`, `empty`, `exit_row`, `lavatory`, `galley`, `closet`, `stairs`.
 */
kind: string, 
/**
 * `12A`, seats only.
 */
designator: string | null, 
/**
 * Airline's name of the seat.
 */
name: string | null, 
/**
 * What the airline wants known.
 */
disclosures: Array<string>, 
/**
 * For whom it is free and at what price; empty when taken.
 */
offers: Array<SeatOfferView>, };
export type CabinRowView = { 
/**
 * Sections from left to right, divided by aisles.
 */
sections: Array<Array<CabinElementView>>, };
export type CabinView = { 
/**
 * 0 main, 1 upper.
 */
deck: number, 
/**
 * `economy`, …
 */
class: string, 
/**
 * First and last row index beside the wings.
 */
wings: [number, number] | null, 
/**
 * Rows.
 */
rows: Array<CabinRowView>, };
export type CancelOrder = { 
/**
 * Order.
 */
order_id: string, 
/**
 * Made by the caller.
 */
request_id: string, };
export type CancelReasonView = "plans_changed" | "better_offer" | "mistake" | "emergency" | "not_said";
export type CancelSignIn = { 
/**
 * Platform id.
 */
platform: string, };
export type CancellationItemView = { 
/**
 * Item.
 */
item_id: string, 
/**
 * What comes back; absent while unknown.
 */
refund: MoneyView | null, };
export type CancellationStateView = "quoting" | "quoted" | "accepted" | "done" | "failed" | "lapsed";
export type CancellationView = { 
/**
 * `qte_…`
 */
quote_id: string, 
/**
 * Where it stands.
 */
state: CancellationStateView, 
/**
 * Items that cannot be cancelled, each with its reason and what can be done instead.
 */
refused: Array<CannotCancelView>, 
/**
 * What is lost.
 */
fee: MoneyView, 
/**
 * What comes back.
 */
refund: MoneyView, 
/**
 * Per item.
 */
items: Array<CancellationItemView>, 
/**
 * When the quote lapses.
 */
expires_at_us: number | null, };
export type CannotCancelView = { 
/**
 * Item.
 */
item_id: string, 
/**
 * Why, as a code: `not_allowed`, `already_closed`, …
 */
reason: string, 
/**
 * What can be done instead: `cancel_others`, `keep`, `contact` (the supplier, with the reference).
 */
alternatives: Array<string>, };
export type ChangeStandingView = "open" | "kept" | "stale" | "by_phone";
export type Changes = { 
/**
 * The last cursor the caller has applied.
 */
after: number, };
export type ChangesView = { 
/**
 * Cursor after this batch.
 */
cursor: number, 
/**
 * The core's clock now.
 */
now_us: number, 
/**
 * Whether more is waiting.
 */
more: boolean, 
/**
 * Orders that changed, whole, newest state.
 */
orders: Array<OrderView>, 
/**
 * Plans that changed.
 */
plans: Array<PlanView>, 
/**
 * Sign-ins that changed.
 */
sign_ins: Array<SignInView>, 
/**
 * Whether travellers changed and should be read again.
 */
travellers: boolean, 
/**
 * Whether session data (settings, vault, clock) changed and should be read again.
 */
session: boolean, 
/**
 * A screen somebody asked for by a link, e.g. `order/ord_…`; consumed by reading it.
 */
open_screen: string | null, };
export type ChannelView = { 
/**
 * Which.
 */
channel: ChannelWord, 
/**
 * Whether it is what we would take.
 */
recommended: boolean, 
/**
 * Why it cannot be used now: `currency`, `amount`, `failing`, `undecided`, `instalments`, `device`; empty when it can.
 */
bars: Array<string>, 
/**
 * What speaks for it: `preferred`, `used_last`, `at_home`, `sets_aside`, `quick_refund`, `lowest_fee`.
 */
reasons: Array<string>, 
/**
 * What the channel keeps; the merchant bears it.
 */
fee: MoneyView, 
/**
 * Whether it is paid on the channel's own page instead of by a code.
 */
hosted: boolean, 
/**
 * Whether money is set aside first and only what is booked is taken.
 */
sets_aside: boolean, 
/**
 * How long a refund usually takes, minutes.
 */
refund_min: number, 
/**
 * How many instalments can be asked for.
 */
instalments: Array<number>, };
export type ChannelWord = "wechatpay" | "alipay" | "stripe" | "paypal" | "alipayplus" | "credit";
export type CheckAuthStatus = { 
/**
 * Platform id.
 */
platform: string, 
/**
 * Only if this is the session of it that lives.
 */
session_id: string | null, };
export type CheckOrderCredit = { 
/**
 * Order.
 */
order_id: string, 
/**
 * What the traveller typed.
 */
code: string, };
export type CheckPayment = { 
/**
 * Order.
 */
order_id: string, };
export type CheckPayments = Record<symbol, never>;
export type ChooseSeats = { 
/**
 * Order.
 */
order_id: string, 
/**
 * Item.
 */
item_id: string, 
/**
 * At most one per segment and traveller.
 */
seats: Array<SeatWish>, 
/**
 * Made by the caller.
 */
request_id: string, };
export type CivilView = { 
/**
 * `2026-12-04T18:30:00`, the wall clock of the place.
 */
local: string, 
/**
 * IANA zone.
 */
zone: string, 
/**
 * The instant, UTC microseconds.
 */
at_us: number, };
export type CompareOrder = { 
/**
 * Order.
 */
order_id: string, };
export type ComparedView = { 
/**
 * The item; absent for the payment.
 */
item_id: string | null, 
/**
 * What is stored.
 */
stored: StandingView, 
/**
 * What the provider says; absent when it did not answer.
 */
live: StandingView | null, 
/**
 * Whether both say the same; absent without an answer.
 */
same: boolean | null, 
/**
 * When it was asked.
 */
asked_at_us: number, };
export type ConfidenceView = "assumed" | "terms" | "quoted";
export type ConfirmOrder = { 
/**
 * Order.
 */
order_id: string, 
/**
 * The hash that was shown.
 */
cart_hash: string, 
/**
 * How to pay what a code leaves; needed unless it leaves nothing.
 */
channel: ChannelWord | null, 
/**
 * What else pays a part of it; nothing is booked before both are paid.
 */
second: SecondPayment | null, 
/**
 * A code that pays a part before anything else does.
 */
credit: CreditWish | null, 
/**
 * In how many instalments the payer pays off what the first channel pays.
 */
instalments: number | null, 
/**
 * Made by the caller.
 */
request_id: string, };
export type ConflictView = { 
/**
 * The later item.
 */
item_id: string, 
/**
 * The item it comes after.
 */
after_id: string, 
/**
 * `cycle`, `too_late`, `short_connection`, `other_place`, `outside_stay`
 */
problem: string, 
/**
 * Minutes too late, or minutes there are for a connection.
 */
minutes: number | null, };
export type ConsentView = { 
/**
 * When.
 */
at_us: number, 
/**
 * What was shown, as canonical JSON; the signature is over exactly these characters.
 */
payload: string, 
/**
 * Name of the key.
 */
key_id: string, 
/**
 * Ed25519, hexadecimal.
 */
signature: string, 
/**
 * Whether it verifies under the public key of this name.
 */
verifies: boolean, };
export type CreditView = { 
/**
 * How much of the order it pays.
 */
amount: MoneyView, 
/**
 * What is left to pay by a channel.
 */
to_pay: MoneyView, 
/**
 * Until when it can be used, where it ends.
 */
ends_at_us: number | null, };
export type CreditWish = { 
/**
 * What the traveller typed.
 */
code: string, 
/**
 * What it was shown to be worth, minor units of the total's currency.
 */
amount_minor: number, };
export type DeadlineKindView = "holds_expire" | "pay_by" | "quote_expires";
export type DeadlineView = { 
/**
 * When.
 */
at_us: number, 
/**
 * What happens then.
 */
kind: DeadlineKindView, };
export type DestinationView = { 
/**
 * Its names.
 */
name: NameView, 
/**
 * ISO country code.
 */
country: string, };
export type Disconnect = { 
/**
 * Platform id.
 */
platform: string, };
export type DocumentKindView = "passport" | "identity_card" | "travel_permit";
export type DocumentView = { 
/**
 * Names it in a command.
 */
id: number, 
/**
 * Kind.
 */
kind: DocumentKindView, 
/**
 * Masked: `****5678`.
 */
number: string, 
/**
 * Country that issued it, ISO 3166-1 alpha-2.
 */
country: string, 
/**
 * Last day on which it is valid.
 */
expires_on: string, 
/**
 * What is wrong with that day.
 */
expiry: ExpiryView | null, };
export type DocumentWish = { 
/**
 * Which; none for a new one.
 */
id: number | null, 
/**
 * Kind.
 */
kind: DocumentKindView, 
/**
 * Number; none leaves the one that is kept.
 */
number: string | null, 
/**
 * Country that issued it, ISO 3166-1 alpha-2.
 */
country: string, 
/**
 * Last day on which it is valid.
 */
expires_on: string, };
export type EraseMyData = Record<symbol, never>;
export type ErasedView = { 
/**
 * The session afterwards.
 */
session: SessionView, 
/**
 * Platforms that could not be told that their tokens are over: the person revokes there.
 */
untold: Array<UntoldView>, };
export type ExpiryView = "expired" | "before_trip_ends" | "within_six_months";
export type ExportAudit = Record<symbol, never>;
export type ExportCalendar = { 
/**
 * Order.
 */
order_id: string, 
/**
 * Language of its words; Chinese for `system`.
 */
locale: LocaleSetting, };
export type ExportMyData = { 
/**
 * Numbers of documents, contacts and birthdays whole, in the clear. What is not said is masked.
 */
whole: boolean, };
export type ExportReceipt = { 
/**
 * Order.
 */
order_id: string, 
/**
 * Language of its words; Chinese for `system`.
 */
locale: LocaleSetting, };
export type ExportedView = { 
/**
 * Where it is.
 */
path: string, };
export type FaultCodeView = "malformed_input" | "too_large" | "not_found" | "wrong_state" | "cart_changed" | "items_conflict" | "over_budget" | "auth_required" | "vault_unavailable" | "vault_locked" | "wrong_passphrase" | "hold_expired" | "seat_taken" | "provider_unavailable" | "browser_unavailable" | "channel_barred" | "credit_refused" | "only_in_window" | "disk_full" | "database_in_use" | "history_damaged" | "newer_version" | "internal";
export type FaultView = { 
/**
 * Code the interface has words for.
 */
code: FaultCodeView, 
/**
 * Values for the words.
 */
params: { [key in string]: string }, };
export type FigureView = { 
/**
 * Amount.
 */
amount: MoneyView, 
/**
 * Where it was heard; absent while nothing moved.
 */
source: SourceView | null, };
export type GenderView = "m" | "f";
export type GetOrder = { 
/**
 * Which.
 */
order_id: string, };
export type GetPlan = { 
/**
 * Which.
 */
plan_id: string, };
export type GetSeatMaps = { 
/**
 * Order.
 */
order_id: string, 
/**
 * Item.
 */
item_id: string, };
export type GetSession = Record<symbol, never>;
export type HandOverFlight = { 
/**
 * Platform id.
 */
platform: string, 
/**
 * Airport of departure, e.g. `PEK`.
 */
origin: string, 
/**
 * Airport of arrival.
 */
destination: string, 
/**
 * Day of departure, `2027-01-31`.
 */
departs_on: string, };
export type HandOverStatusView = "external";
export type HandOverView = { 
/**
 * Platform id.
 */
platform: string, 
/**
 * The page, to open by hand where no browser opened.
 */
url: string, 
/**
 * Always `external`: nothing is booked, held or paid by it, and we do not learn what came of it.
 */
status: HandOverStatusView, };
export type ImportPlan = { 
/**
 * The text of the file, at most 1 MiB; it names travellers.
 */
text: string, 
/**
 * Made by the caller.
 */
request_id: string, };
export type ImportSample = { 
/**
 * Language of the sample.
 */
locale: LocaleSetting, 
/**
 * Made by the caller.
 */
request_id: string, };
export type ItemDetailView = { "kind": "flight", 
/**
 * IATA code.
 */
origin: string, 
/**
 * City of origin.
 */
origin_city: NameView, 
/**
 * IATA code.
 */
destination: string, 
/**
 * City of destination.
 */
destination_city: NameView, 
/**
 * Local date.
 */
departure_date: string, 
/**
 * `economy`, …
 */
cabin: string, } | { "kind": "hotel", 
/**
 * City.
 */
city: NameView, 
/**
 * Local date.
 */
check_in: string, 
/**
 * Local date.
 */
check_out: string, 
/**
 * Nights between.
 */
nights: number, 
/**
 * Rooms.
 */
rooms: number, } | { "kind": "activity", 
/**
 * Name in the plan.
 */
name: string, 
/**
 * City.
 */
city: NameView, 
/**
 * When it begins.
 */
starts: CivilView, } | { "kind": "car", 
/**
 * IATA code of the airport where it is picked up.
 */
pick_up: string, 
/**
 * City of the airport.
 */
pick_up_city: NameView, 
/**
 * When.
 */
starts: CivilView, 
/**
 * When it goes back.
 */
ends: CivilView, };
export type ItemStateView = "planned" | "held" | "booking" | "booked" | "change_proposed" | "changed" | "cancel_quoted" | "cancelling" | "cancelled" | "failed" | "expired" | "unknown";
export type KeepChange = { 
/**
 * Order.
 */
order_id: string, 
/**
 * Item.
 */
item_id: string, 
/**
 * Made by the caller.
 */
request_id: string, };
export type ListAudit = { 
/**
 * A category or an action, e.g. `payment` or `payment.confirm`; everything when empty.
 */
action: string, 
/**
 * A resource, whole, e.g. `order:ord_…`; everything when empty.
 */
resource: string, 
/**
 * Not before this moment.
 */
from_us: number | null, 
/**
 * Not after this moment.
 */
to_us: number | null, 
/**
 * Only rows before this one: the next page begins at the last one of this.
 */
before: number | null, };
export type ListAuthenticatedApis = Record<symbol, never>;
export type ListConsents = { 
/**
 * Order.
 */
order_id: string, };
export type ListOrderChannels = { 
/**
 * Order.
 */
order_id: string, 
/**
 * How much of it a channel is to pay, minor units; all that is to be paid when `null`.
 */
amount_minor: number | null, 
/**
 * In how many instalments the payer wants to pay it off.
 */
instalments: number | null, };
export type ListOrders = { 
/**
 * Only those made before this moment; the page after another one begins where that ended.
 */
before_us: number | null, };
export type ListPlans = Record<symbol, never>;
export type ListSignIns = { 
/**
 * Plan to mark needs for.
 */
plan_id: string | null, };
export type ListTravellers = Record<symbol, never>;
export type LocaleSetting = "system" | "zh-CN" | "en";
export type LockVault = Record<symbol, never>;
export type LoginToPlatform = { 
/**
 * Platform id.
 */
platform: string, 
/**
 * How the browser comes back; where it is not said, the best way that can be had.
 */
return_by: ReturnBy | null, };
export type LoyaltyView = { 
/**
 * Programme; names it in a command.
 */
programme: string, 
/**
 * Masked: `****5678`.
 */
number: string, };
export type LoyaltyWish = { 
/**
 * Programme.
 */
programme: string, 
/**
 * Number; none leaves the one that is kept.
 */
number: string | null, };
export type MealView = "any" | "vegetarian" | "vegan" | "halal" | "kosher" | "gluten_free";
export type MemberFlightView = { 
/**
 * Flight number, e.g. `TK89`.
 */
number: string, 
/**
 * Airport of departure.
 */
origin: string, 
/**
 * Airport of arrival.
 */
destination: string, 
/**
 * Local time of departure, `2027-01-31T00:40`.
 */
departs_at: string, };
export type MemberView = { 
/**
 * Platform id.
 */
platform: string, 
/**
 * Miles that expire, the first to expire first.
 */
miles: Array<MilesView>, 
/**
 * Coming flights, the first to leave first.
 */
flights: Array<MemberFlightView>, 
/**
 * What the platform said in words of its own, where it could not be read as either; plain text.
 */
texts: Array<string>, };
export type MilesView = { 
/**
 * How many.
 */
amount: number, 
/**
 * Their last day, `2027-01-31`.
 */
expires_on: string, };
export type MoneyMapView = { 
/**
 * Received from the traveller.
 */
paid: FigureView, 
/**
 * Passed on to suppliers for booked items.
 */
committed: FigureView, 
/**
 * With us, waiting for a booking.
 */
held: FigureView, 
/**
 * On its way back.
 */
refund_in_transit: FigureView, 
/**
 * Came back.
 */
refunded: FigureView, 
/**
 * What cancelling everything now would bring back, by the stated terms.
 */
refundable_now: FigureView, 
/**
 * What open matters are about.
 */
open_matters: FigureView, };
export type MoneyView = { 
/**
 * Minor units.
 */
amount_minor: number, 
/**
 * ISO 4217 code, three letters.
 */
currency: string, 
/**
 * Decimal digits of the minor unit, for formatting.
 */
exponent: number, };
export type NameView = { 
/**
 * English.
 */
en: string, 
/**
 * Chinese, when known.
 */
zh: string | null, };
export type NextStepView = { "kind": "wait_for_holds" } | { "kind": "choose_seats", 
/**
 * Item.
 */
item_id: string, } | { "kind": "sign_in", 
/**
 * Platform ids.
 */
platforms: Array<string>, } | { "kind": "confirm" } | { "kind": "pay" } | { "kind": "wait_for_booking" } | { "kind": "wait_for_refund" } | { "kind": "done" };
export type NoteUse = Record<symbol, never>;
export type OfferView = { "kind": "flight", 
/**
 * Airline name.
 */
airline: string, 
/**
 * IATA code of the airline.
 */
airline_code: string, 
/**
 * Segments in order.
 */
segments: Array<SegmentView>, 
/**
 * Refund terms: `allowed`, `not_allowed`, `not_stated`.
 */
refund: string, 
/**
 * Fee of a refund, when named.
 */
refund_fee: MoneyView | null, } | { "kind": "hotel", 
/**
 * Hotel name.
 */
name: string, 
/**
 * Address.
 */
address: string, 
/**
 * Room.
 */
room: string, 
/**
 * `room_only`, `breakfast`, …
 */
board: string, 
/**
 * What cancelling costs.
 */
terms: TermsView, } | { "kind": "car", 
/**
 * Hire company.
 */
company: string, 
/**
 * Name of the car.
 */
car_name: string, 
/**
 * ACRISS code.
 */
acriss: string, 
/**
 * Where it is picked up.
 */
pick_up_place: string, 
/**
 * What cancelling costs.
 */
terms: TermsView, } | { "kind": "activity", 
/**
 * Title.
 */
title: string, 
/**
 * Where to meet, when stated.
 */
meeting_point: string | null, 
/**
 * When it begins.
 */
starts: CivilView, 
/**
 * How long it takes, minutes.
 */
duration_min: number, 
/**
 * What cancelling costs.
 */
terms: TermsView, };
export type OpenPayment = { 
/**
 * Order.
 */
order_id: string, };
export type OpenPhone = Record<symbol, never>;
export type OrderCanView = { 
/**
 * `confirm_order`
 */
confirm: boolean, 
/**
 * `cancel_order`: nothing is booked yet, so it costs nothing.
 */
cancel_free: boolean, 
/**
 * `quote_cancellation`
 */
quote_cancellation: boolean, 
/**
 * `accept_cancellation`
 */
accept_cancellation: boolean, 
/**
 * `retry_payment`
 */
retry_payment: boolean, };
export type OrderItemView = { 
/**
 * `itm_…`
 */
id: string, 
/**
 * What the plan asked for.
 */
detail: ItemDetailView, 
/**
 * How much it matters.
 */
priority: PriorityView, 
/**
 * Where it stands.
 */
state: ItemStateView, 
/**
 * Why it failed, as a code.
 */
failure: string | null, 
/**
 * Whether it was lost although the trip goes on, so that it can be booked again (`prepare_repair`).
 */
lost: boolean, 
/**
 * The order that books it again, `ord_…`, while that one goes on or has it.
 */
rebooked_by: string | null, 
/**
 * What is being booked, once known.
 */
offer: OfferView | null, 
/**
 * What the supplier wants it changed to.
 */
proposed: ProposedChangeView | null, 
/**
 * Price with chosen seats, once known.
 */
price: MoneyView | null, 
/**
 * Whether the supplier really holds it; otherwise only the price is checked and it is booked right after payment.
 */
held_firmly: boolean, 
/**
 * When hold or price lapses.
 */
expires_at_us: number | null, 
/**
 * Chosen seats.
 */
seats: Array<SeatChoiceView>, 
/**
 * Reference to show at the counter: PNR or confirmation number.
 */
reference: string | null, 
/**
 * Ticket numbers.
 */
documents: Array<string>, 
/**
 * Member number the supplier recorded.
 */
loyalty: string | null, 
/**
 * What the traveller needs to know there: how to get in, where to meet.
 */
instructions: string | null, };
export type OrderStateView = "draft" | "payment_pending" | "payment_processing" | "confirmed" | "partially_confirmed" | "cancelled" | "failed" | "refund_requested" | "refunded";
export type OrderView = { 
/**
 * `ord_…`
 */
id: string, 
/**
 * The plan it was made from.
 */
plan_id: string, 
/**
 * Title of the plan.
 */
title: string, 
/**
 * Where it stands.
 */
state: OrderStateView, 
/**
 * Grows by one with every fact.
 */
version: number, 
/**
 * When it was made.
 */
created_at_us: number, 
/**
 * What the traveller has to do now.
 */
next: NextStepView, 
/**
 * Items in time order.
 */
items: Array<OrderItemView>, 
/**
 * What would be charged now; grows as holds come in.
 */
total: MoneyView, 
/**
 * Spending limit.
 */
budget: MoneyView, 
/**
 * Names the exact cart; confirming repeats it. Absent until every item is held or priced.
 */
cart_hash: string | null, 
/**
 * What is lost at worst: if booking fails half-way after paying, or, once booked, if everything is cancelled now.
 */
worst_case: MoneyView, 
/**
 * When time alone makes the worst case worse.
 */
worst_case_rises_at_us: number | null, 
/**
 * Items that cannot follow one another as they are now, or as suppliers want to change them.
 */
conflicts: Array<ConflictView>, 
/**
 * The earliest deadline and what it is about.
 */
deadline: DeadlineView | null, 
/**
 * The newest payment attempt.
 */
payment: PaymentView | null, 
/**
 * What pays it, once it is confirmed: one payment, or two.
 */
parts: Array<PaymentPartView>, 
/**
 * Where the money is.
 */
money: MoneyMapView, 
/**
 * The open or accepted cancellation quote.
 */
cancellation: CancellationView | null, 
/**
 * What happened, oldest first.
 */
timeline: Array<TimelineEntryView>, 
/**
 * Matters that need a person; never empty text codes.
 */
attention: Array<AttentionView>, 
/**
 * The order some of whose items this one books again.
 */
repairs: string | null, 
/**
 * What may be asked of it now.
 */
can: OrderCanView, 
/**
 * Its stored history cannot be used, and why: nothing more happens to it here, what is shown is the last known state.
 */
frozen: FaultCodeView | null, };
export type PaymentPartView = { 
/**
 * By which channel.
 */
channel: ChannelWord, 
/**
 * How much.
 */
amount: MoneyView, 
/**
 * In how many instalments the payer pays it off.
 */
instalments: number | null, 
/**
 * Where its payment stands; `null` until what comes before it is paid.
 */
state: PaymentStateView | null, 
/**
 * How unusual it is for the traveller; `null` for a credit. The channel decides what that means.
 */
screening: ScreeningView | null, };
export type PaymentStateView = "created" | "requires_action" | "processing" | "authorised" | "captured" | "voided" | "failed" | "expired" | "unknown";
export type PaymentView = { 
/**
 * `pay_…`
 */
attempt_id: string, 
/**
 * `wechatpay`, `alipay`, `stripe`, `paypal`, `alipayplus`, `credit`
 */
channel: string, 
/**
 * What is charged.
 */
amount: MoneyView, 
/**
 * Where it stands.
 */
state: PaymentStateView, 
/**
 * QR code to scan, while it can be paid.
 */
qr: QrView | null, 
/**
 * Whether it is paid on the channel's own page, which `open_payment` opens in the system browser.
 */
hosted: boolean, 
/**
 * Last moment to pay.
 */
expires_at_us: number, 
/**
 * The channel's own number.
 */
transaction_id: string | null, };
export type PersonView = { 
/**
 * `trv_…`
 */
id: string, 
/**
 * Name to show.
 */
display_name: string, 
/**
 * Title.
 */
title: TitleView, 
/**
 * Gender as on the document.
 */
gender: GenderView, 
/**
 * Given name, Latin letters.
 */
given_name: string, 
/**
 * Family name, Latin letters.
 */
family_name: string, 
/**
 * Masked: `1992-**-**`.
 */
born_on: string, 
/**
 * Masked: `x***@example.com`.
 */
email: string, 
/**
 * Masked: `****0000`.
 */
phone_number: string, 
/**
 * Country of residence, ISO 3166-1 alpha-2.
 */
residence_country: string | null, 
/**
 * Travel documents.
 */
documents: Array<DocumentView>, 
/**
 * Memberships.
 */
loyalty: Array<LoyaltyView>, 
/**
 * Where to sit.
 */
seat: SeatWishView, 
/**
 * What to eat.
 */
meal: MealView, 
/**
 * Trips to come that name this traveller.
 */
trips: number, 
/**
 * Whether an order that names this traveller is being booked: nothing it is booked with can change now.
 */
busy: boolean, };
export type PlanBookingView = "draft" | "confirmed" | "booking";
export type PlanItemView = { 
/**
 * `itm_…`
 */
id: string, 
/**
 * What it is.
 */
detail: ItemDetailView, 
/**
 * How much it matters.
 */
priority: PriorityView, 
/**
 * Expected price, when the plan named one.
 */
price: MoneyView | null, 
/**
 * Ids of the items it comes after.
 */
after: Array<string>, };
export type PlanStorageView = "draft" | "completed" | "archived";
export type PlanView = { 
/**
 * `pln_…`
 */
id: string, 
/**
 * Title as written in the plan.
 */
title: string, 
/**
 * Where it goes.
 */
destinations: Array<DestinationView>, 
/**
 * First and last day, local dates.
 */
starts_on: string, 
/**
 * See `starts_on`.
 */
ends_on: string, 
/**
 * Who travels; names only.
 */
travellers: Array<TravellerView>, 
/**
 * Spending limit.
 */
budget: MoneyView, 
/**
 * Sum of the expected prices of all items.
 */
expected_total: MoneyView, 
/**
 * Items in time order.
 */
items: Array<PlanItemView>, 
/**
 * Where its booking stands.
 */
booking: PlanBookingView, 
/**
 * Where it is stored.
 */
storage: PlanStorageView, 
/**
 * Platforms it needs, connected or not.
 */
sign_ins: Array<SignInView>, 
/**
 * The newest order made from it, when there is one.
 */
order_id: string | null, 
/**
 * State of that order.
 */
order_state: OrderStateView | null, };
export type PrepareOrder = { 
/**
 * Plan.
 */
plan_id: string, 
/**
 * Made by the caller.
 */
request_id: string, };
export type PrepareRepair = { 
/**
 * The order they were lost from.
 */
order_id: string, 
/**
 * Items a supplier cancelled or that could not be booked.
 */
item_ids: Array<string>, 
/**
 * Made by the caller.
 */
request_id: string, };
export type PreviewChannels = { 
/**
 * How much, minor units.
 */
amount_minor: number, 
/**
 * ISO 4217 code.
 */
currency: string, 
/**
 * Whether who pays is at home in mainland China; as for an order when `null`.
 */
domestic: boolean | null, 
/**
 * What who pays likes to pay by; what the settings say when `null`.
 */
preferred: ChannelWord | null, 
/**
 * How many items it pays for; one when `null`.
 */
items: number | null, 
/**
 * In how many instalments it is to be paid off.
 */
instalments: number | null, };
export type PriorityView = "must_have" | "preferred" | "optional";
export type ProposedChangeView = { 
/**
 * What it becomes.
 */
offer: OfferView, 
/**
 * Where it stands.
 */
standing: ChangeStandingView, };
export type QrView = { 
/**
 * Text of the code.
 */
content: string, 
/**
 * Modules per side, without the quiet zone.
 */
size: number, 
/**
 * SVG path of the dark modules in module units (`M0 0h1v1h-1z…`).
 */
path: string, };
export type QuoteCancellation = { 
/**
 * Order.
 */
order_id: string, 
/**
 * Items; all booked ones when empty.
 */
item_ids: Array<string>, 
/**
 * Why; kept with the order.
 */
reason: CancelReasonView, 
/**
 * Made by the caller.
 */
request_id: string, };
export type ReadMember = { 
/**
 * Platform id.
 */
platform: string, };
export type RefreshPayment = { 
/**
 * Order.
 */
order_id: string, };
export type RemoveTraveller = { 
/**
 * Which.
 */
traveller_id: string, };
export type RetryKeyring = Record<symbol, never>;
export type RetryPayment = { 
/**
 * Order.
 */
order_id: string, 
/**
 * By which channel; the same one when not said.
 */
channel: ChannelWord | null, 
/**
 * Made by the caller.
 */
request_id: string, };
export type ReturnBy = "deep_link" | "loopback";
export type RotateConsentKey = Record<symbol, never>;
export type RotateRootKey = { 
/**
 * The passphrase, where the vault has one.
 */
passphrase: string | null, };
export type SaveTraveller = { 
/**
 * Made by the caller for a new one.
 */
traveller_id: string, 
/**
 * Name to show.
 */
display_name: string, 
/**
 * Title.
 */
title: TitleView, 
/**
 * Gender as on the document.
 */
gender: GenderView, 
/**
 * Latin letters.
 */
given_name: string, 
/**
 * Latin letters.
 */
family_name: string, 
/**
 * `1992-03-14`.
 */
born_on: string | null, 
/**
 * E-mail.
 */
email: string | null, 
/**
 * Phone, E.164.
 */
phone_number: string | null, 
/**
 * ISO 3166-1 alpha-2.
 */
residence_country: string | null, 
/**
 * All documents; those that are missing are removed.
 */
documents: Array<DocumentWish>, 
/**
 * All memberships; those that are missing are removed.
 */
loyalty: Array<LoyaltyWish>, 
/**
 * Where to sit.
 */
seat: SeatWishView, 
/**
 * What to eat.
 */
meal: MealView, };
export type ScreeningView = { 
/**
 * 0 (nothing unusual) to 100.
 */
score: number, 
/**
 * What it is made of, the weightiest first.
 */
reasons: Array<UnusualView>, };
export type SeatChoiceView = { 
/**
 * Segment.
 */
segment_id: string, 
/**
 * `trv_…`
 */
traveller_id: string, 
/**
 * `12A`
 */
designator: string, 
/**
 * Price.
 */
price: MoneyView, };
export type SeatMapView = { 
/**
 * The segment.
 */
segment: SegmentView, 
/**
 * Cabins, front to back.
 */
cabins: Array<CabinView>, };
export type SeatMapsView = { 
/**
 * One per segment that has a map, in order.
 */
maps: Array<SeatMapView>, 
/**
 * When the offer lapses.
 */
expires_at_us: number, };
export type SeatOfferView = { 
/**
 * Service id to send back.
 */
service_id: string, 
/**
 * `trv_…`
 */
traveller_id: string, 
/**
 * Price.
 */
price: MoneyView, };
export type SeatWish = { 
/**
 * Segment.
 */
segment_id: string, 
/**
 * Traveller.
 */
traveller_id: string, 
/**
 * Seat, e.g. `12A`.
 */
designator: string, };
export type SeatWishView = "any" | "window" | "aisle";
export type SecondPayment = { 
/**
 * How to pay it.
 */
channel: ChannelWord, 
/**
 * How much of the total it pays, minor units of the total's currency.
 */
amount_minor: number, };
export type SegmentView = { 
/**
 * Segment id.
 */
id: string, 
/**
 * `ZZ1862`
 */
flight_number: string, 
/**
 * IATA.
 */
origin: string, 
/**
 * Airport name.
 */
origin_name: string, 
/**
 * City.
 */
origin_city: NameView, 
/**
 * IATA.
 */
destination: string, 
/**
 * Airport name.
 */
destination_name: string, 
/**
 * City.
 */
destination_city: NameView, 
/**
 * Local departure.
 */
departs: CivilView, 
/**
 * Local arrival.
 */
arrives: CivilView, 
/**
 * Minutes.
 */
duration_min: number, 
/**
 * Aircraft.
 */
aircraft: string | null, };
export type SessionView = { 
/**
 * Product version.
 */
version: string, 
/**
 * Whether all providers are the embedded sandbox; the band is shown on every screen.
 */
demo: boolean, 
/**
 * Where the data lives.
 */
data_dir: string, 
/**
 * Saved settings.
 */
settings: SettingsView, 
/**
 * The vault, and what can be done when it is closed.
 */
vault: VaultView, 
/**
 * Change-feed cursor to resume from.
 */
cursor: number, 
/**
 * The core's clock now, UTC microseconds; countdowns run on it.
 */
now_us: number, };
export type SetAppLock = { 
/**
 * The passphrase there is; none where there is none.
 */
current: string | null, 
/**
 * The passphrase from now on, at least 10 characters; none does without.
 */
wanted: string | null, };
export type SetItemPriority = { 
/**
 * Plan.
 */
plan_id: string, 
/**
 * Item.
 */
item_id: string, 
/**
 * New priority.
 */
priority: PriorityView, };
export type SetSettings = { 
/**
 * Language.
 */
locale: LocaleSetting, 
/**
 * Theme.
 */
theme: ThemeSetting, 
/**
 * Preferred channel; none leaves the choice to the app.
 */
channel: ChannelWord | null, 
/**
 * Locks the vault after so many minutes without use, at most a day; never when there is none.
 */
lock_after_min: number | null, };
export type SettingsView = { 
/**
 * Language.
 */
locale: LocaleSetting, 
/**
 * Theme.
 */
theme: ThemeSetting, 
/**
 * Preferred payment channel.
 */
channel: ChannelWord | null, 
/**
 * Minutes without use after which the vault is locked; never when there is none.
 */
lock_after_min: number | null, };
export type SettleDebt = { 
/**
 * Order.
 */
order_id: string, 
/**
 * Number of the debt.
 */
debt: number, 
/**
 * Made by the caller.
 */
request_id: string, };
export type SignInStateView = { "kind": "disconnected" } | { "kind": "waiting", 
/**
 * Address to open by hand.
 */
url: string, 
/**
 * When the wait ends.
 */
expires_at_us: number, } | { "kind": "connected", 
/**
 * Name at the platform, when known.
 */
account: string | null, 
/**
 * What the platform granted; absent while the vault is closed.
 */
granted: Array<NameView> | null, } | { "kind": "expired" } | { "kind": "revoked" } | { "kind": "failed", 
/**
 * `denied`, `expired`, `provider` or `keyring`.
 */
why: string, } | { "kind": "through_us" };
export type SignInView = { 
/**
 * Platform id, e.g. `zz-club`.
 */
platform: string, 
/**
 * Name of the platform.
 */
name: NameView, 
/**
 * What a sign-in is for, or why there is none.
 */
purpose: NameView, 
/**
 * Host the browser will show; of what is reached through us, the host that is asked.
 */
host: string, 
/**
 * What is asked for.
 */
permissions: Array<NameView>, 
/**
 * How the browser can come back here, the best way first.
 */
returns: Array<ReturnBy>, 
/**
 * Whether it can be asked about the member's own things once connected; see `ReadMember`.
 */
readable: boolean, 
/**
 * Where it stands.
 */
state: SignInStateView, 
/**
 * Whether the platform is still to be told that an earlier sign-in is over: as soon as the vault is open and it answers.
 */
untold: boolean, 
/**
 * Items of the shown plan that need it.
 */
needed_for: Array<string>, };
export type SourceView = "notification" | "poll" | "local";
export type StandingView = { 
/**
 * `booked`, `undecided`, `cancelled`; for payments `paid`, `unpaid`.
 */
state: string, 
/**
 * Confirmation or transaction number.
 */
reference: string | null, 
/**
 * Price or amount.
 */
amount: MoneyView | null, };
export type TermsView = { 
/**
 * Until when it costs nothing, on the clock of the place; absent when it never does or no longer.
 */
free_until: CivilView | null, 
/**
 * What it costs now; absent when that could not be read.
 */
fee_now: MoneyView | null, 
/**
 * When the fee next changes by time alone.
 */
changes_at: CivilView | null, 
/**
 * How sure the figure is.
 */
confidence: ConfidenceView, 
/**
 * The supplier's own words, where they could not be read as figures.
 */
text: string | null, };
export type ThemeSetting = "system" | "light" | "dark";
export type TimelineEntryView = { 
/**
 * Position in the order's journal.
 */
seq: number, 
/**
 * When.
 */
at_us: number, 
/**
 * What, as a code the interface has words for.
 */
kind: TimelineKindView, 
/**
 * Item concerned.
 */
item_id: string | null, 
/**
 * Amount concerned.
 */
amount: MoneyView | null, 
/**
 * Reference concerned: PNR, confirmation or transaction number.
 */
reference: string | null, };
export type TimelineKindView = "created" | "offer_found" | "seats_chosen" | "seats_skipped" | "held" | "priced" | "confirmed" | "payment_opened" | "paid" | "payment_failed" | "payment_closed" | "paid_late" | "booked" | "item_failed" | "outcome_unknown" | "cancelled_by_traveller" | "expired" | "released" | "cancel_quoted" | "cancel_accepted" | "item_cancelled" | "refund_requested" | "given_back" | "refunded" | "refund_needs_attention" | "authorised" | "money_taken" | "money_released" | "disputed" | "dispute_decided" | "order_confirmed" | "order_failed" | "supplier_cancelled" | "change_proposed" | "change_accepted" | "change_withdrawn" | "debt_due" | "debt_settled" | "second_chance" | "second_chance_accepted" | "quote_lapsed" | "free_cancel_soon" | "free_cancel_ended" | "check_in_open" | "begins";
export type TitleView = "mr" | "ms" | "mrs" | "miss" | "dr";
export type TravellerView = { 
/**
 * `trv_…`
 */
id: string, 
/**
 * Name to show, as the plan wrote it.
 */
display_name: string, };
export type TravellersView = { 
/**
 * Travellers.
 */
travellers: Array<PersonView>, 
/**
 * Travellers whose details do not open any more.
 */
unreadable: number, };
export type UnlockVault = { 
/**
 * At least 10 characters when it is chosen.
 */
passphrase: string, };
export type UntoldView = { 
/**
 * Id.
 */
platform: string, 
/**
 * Name.
 */
name: NameView, 
/**
 * Where its tokens are revoked by hand.
 */
host: string, };
export type UnusualView = "new_device" | "burst" | "amount" | "currency" | "channel" | "country";
export type VaultChoiceView = "choose_passphrase" | "enter_passphrase" | "retry_keyring" | "reopen" | "erase";
export type VaultKeptView = "keyring" | "passphrase" | "both";
export type VaultStateView = "open" | "needs_passphrase" | "locked" | "locked_by_person" | "keyring_locked" | "keyring_denied" | "keyring_missing" | "keyring_full" | "keyring_ambiguous" | "keyring_failed" | "key_lost";
export type VaultView = { 
/**
 * Whether it is open, or why not.
 */
state: VaultStateView, 
/**
 * What can be done about a closed one, best first.
 */
choices: Array<VaultChoiceView>, 
/**
 * What keeps its key; nothing before it was first opened.
 */
kept: VaultKeptView | null, };
export type VerifyAudit = Record<symbol, never>;
export type WaysToPayView = { 
/**
 * The channels, the best first.
 */
channels: Array<ChannelView>, 
/**
 * Whether there are codes that pay a part.
 */
credits: boolean, };

export interface Api {
  get_session: { command: GetSession; result: SessionView };
  list_plans: { command: ListPlans; result: Array<PlanView> };
  import_plan: { command: ImportPlan; result: PlanView };
  import_sample: { command: ImportSample; result: PlanView };
  get_plan: { command: GetPlan; result: PlanView };
  set_item_priority: { command: SetItemPriority; result: PlanView };
  archive_plan: { command: ArchivePlan; result: PlanView };
  list_sign_ins: { command: ListSignIns; result: Array<SignInView> };
  login_to_platform: { command: LoginToPlatform; result: AuthSessionView };
  check_auth_status: { command: CheckAuthStatus; result: AuthSessionView };
  list_authenticated_apis: { command: ListAuthenticatedApis; result: Array<AuthenticatedApiView> };
  cancel_sign_in: { command: CancelSignIn; result: SignInView };
  disconnect: { command: Disconnect; result: SignInView };
  read_member: { command: ReadMember; result: MemberView };
  hand_over_flight: { command: HandOverFlight; result: HandOverView };
  prepare_order: { command: PrepareOrder; result: OrderView };
  prepare_repair: { command: PrepareRepair; result: OrderView };
  list_orders: { command: ListOrders; result: Array<OrderView> };
  get_order: { command: GetOrder; result: OrderView };
  get_seat_maps: { command: GetSeatMaps; result: SeatMapsView };
  choose_seats: { command: ChooseSeats; result: OrderView };
  confirm_order: { command: ConfirmOrder; result: OrderView };
  list_channels: { command: ListOrderChannels; result: WaysToPayView };
  preview_channels: { command: PreviewChannels; result: WaysToPayView };
  check_credit: { command: CheckOrderCredit; result: CreditView };
  open_payment: { command: OpenPayment; result: null };
  check_payment: { command: CheckPayment; result: OrderView };
  check_payments: { command: CheckPayments; result: null };
  refresh_payment: { command: RefreshPayment; result: OrderView };
  retry_payment: { command: RetryPayment; result: OrderView };
  cancel_order: { command: CancelOrder; result: OrderView };
  quote_cancellation: { command: QuoteCancellation; result: OrderView };
  accept_cancellation: { command: AcceptCancellation; result: OrderView };
  keep_change: { command: KeepChange; result: OrderView };
  settle_debt: { command: SettleDebt; result: OrderView };
  compare_order: { command: CompareOrder; result: Array<ComparedView> };
  export_calendar: { command: ExportCalendar; result: ExportedView };
  export_receipt: { command: ExportReceipt; result: ExportedView };
  set_settings: { command: SetSettings; result: SessionView };
  unlock_vault: { command: UnlockVault; result: SessionView };
  retry_keyring: { command: RetryKeyring; result: SessionView };
  lock_vault: { command: LockVault; result: SessionView };
  note_use: { command: NoteUse; result: null };
  rotate_root_key: { command: RotateRootKey; result: SessionView };
  set_app_lock: { command: SetAppLock; result: SessionView };
  open_phone: { command: OpenPhone; result: null };
  list_travellers: { command: ListTravellers; result: TravellersView };
  save_traveller: { command: SaveTraveller; result: TravellersView };
  remove_traveller: { command: RemoveTraveller; result: TravellersView };
  export_my_data: { command: ExportMyData; result: ExportedView };
  erase_my_data: { command: EraseMyData; result: ErasedView };
  list_consents: { command: ListConsents; result: Array<ConsentView> };
  rotate_consent_key: { command: RotateConsentKey; result: null };
  list_audit: { command: ListAudit; result: AuditView };
  verify_audit: { command: VerifyAudit; result: AuditCheckView };
  export_audit: { command: ExportAudit; result: ExportedView };
  changes: { command: Changes; result: ChangesView };
}
