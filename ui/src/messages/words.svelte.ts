// The words in the chosen language, and the chosen theme.
import type { NameView } from "../api/bindings";
import { core } from "../api/core.svelte";
import type { Locale } from "../logic/time";
import { en } from "./en";
import { zh, type Words } from "./zh-CN";

export function locale(): Locale {
  const chosen = core.session?.settings.locale ?? "system";
  if (chosen !== "system") return chosen;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh-CN" : "en";
}

export function words(): Words {
  return locale() === "zh-CN" ? zh : en;
}

/** A name in the chosen language; the English one where there is no Chinese one. */
export function inWords(name: NameView): string {
  return (locale() === "zh-CN" && name.zh) || name.en;
}

/** `light` or `dark`, following the system unless one was chosen. */
export function theme(systemIsDark: boolean): "light" | "dark" {
  const chosen = core.session?.settings.theme ?? "system";
  if (chosen === "system") return systemIsDark ? "dark" : "light";
  return chosen;
}
