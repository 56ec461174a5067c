// What an item is called in one short line.
import type { ItemDetailView, OrderItemView } from "../api/bindings";
import { inWords } from "../messages/words.svelte";

export function itemName(item: OrderItemView): string {
  const { detail, offer } = item;
  if (offer?.kind === "hotel") return offer.name;
  if (offer?.kind === "car") return offer.car_name;
  if (offer?.kind === "activity") return offer.title;
  return wishName(detail);
}

/** The same of what is wished for, before there is an offer. */
export function wishName(detail: ItemDetailView): string {
  if (detail.kind === "flight") return `${inWords(detail.origin_city)} → ${inWords(detail.destination_city)}`;
  return detail.kind === "activity" ? detail.name : detail.kind === "car" ? inWords(detail.pick_up_city) : inWords(detail.city);
}
