// What both languages have to say; a missing word does not compile.
import type {
  FaultCodeView, ItemStateView, OrderStateView, PaymentStateView, TimelineKindView,
} from "../api/bindings";

/** Words for codes; the open lists fall back to the code itself. */
export interface Codes {
  faults: Record<FaultCodeView, string>;
  timeline: Record<TimelineKindView, string>;
  itemStates: Record<ItemStateView, string>;
  orderStates: Record<OrderStateView, string>;
  paymentStates: Record<PaymentStateView, string>;
  problems: Record<string, string>;
  reasons: Record<string, string>;
  attention: Record<string, string>;
  signInFailures: Record<string, string>;
  scopes: Record<string, string>;
  cabins: Record<string, string>;
  boards: Record<string, string>;
  elements: Record<string, string>;
}
