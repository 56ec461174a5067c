// What an item is called in one short line.
import type { OrderItemView } from "../api/bindings";
import { placeName } from "../messages/words.svelte";

export function itemName(item: OrderItemView): string {
  const { detail, offer } = item;
  if (offer?.kind === "hotel") return offer.name;
  if (offer?.kind === "car") return offer.car_name;
  if (offer?.kind === "activity") return offer.title;
  if (detail.kind === "flight") return `${placeName(detail.origin_city)} → ${placeName(detail.destination_city)}`;
  return detail.kind === "activity" ? detail.name : detail.kind === "car" ? placeName(detail.pick_up_city) : placeName(detail.city);
}
