// Whether what was typed for the app lock can be sent. The vault decides; this only says it before it is asked.
import type { VaultKeptView } from "../api/bindings";

/** As the vault wants it, counted in characters a person would count. */
export const CHARS_MIN = 10;

export type Draft = { current: string; wanted: string; again: string };
export type Problem = "current_missing" | "too_short" | "not_the_same";

/** What is wrong with a passphrase to set; nothing when it can be sent. */
export function problemOf(draft: Draft, kept: VaultKeptView | null): Problem | null {
  if (kept === "both" && !draft.current) return "current_missing";
  if ([...draft.wanted].length < CHARS_MIN) return "too_short";
  return draft.wanted === draft.again ? null : "not_the_same";
}
