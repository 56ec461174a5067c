// What an item is called in one short line.
import type { OrderItemView } from "../api/bindings";
import { inWords } from "../messages/words.svelte";

export function itemName(item: OrderItemView): string {
  const { detail, offer } = item;
  if (offer?.kind === "hotel") return offer.name;
  if (offer?.kind === "car") return offer.car_name;
  if (offer?.kind === "activity") return offer.title;
  if (detail.kind === "flight") return `${inWords(detail.origin_city)} → ${inWords(detail.destination_city)}`;
  return detail.kind === "activity" ? detail.name : detail.kind === "car" ? inWords(detail.pick_up_city) : inWords(detail.city);
}
