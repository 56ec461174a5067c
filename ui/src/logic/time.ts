// Dates and times as text. Local times are never moved to another zone: they name the place whose clock they keep.
import type { CivilView } from "../api/bindings";

export type Locale = "zh-CN" | "en";

const CITIES_ZH: Record<string, string> = {
  Shanghai: "上海", Tokyo: "东京", Seoul: "首尔", Hong_Kong: "香港", Macau: "澳门", Taipei: "台北", Singapore: "新加坡",
  Bangkok: "曼谷", London: "伦敦", Paris: "巴黎", New_York: "纽约", Los_Angeles: "洛杉矶", Dubai: "迪拜", Sydney: "悉尼",
};

export function zoneCity(zone: string, locale: Locale): string {
  const city = zone.split("/").at(-1) ?? zone;
  return locale === "zh-CN" ? (CITIES_ZH[city] ?? city.replaceAll("_", " ")) : city.replaceAll("_", " ");
}

/** `上海时间` / `Shanghai time`. */
export function clockOf(zone: string, locale: Locale): string {
  return locale === "zh-CN" ? `${zoneCity(zone, locale)}时间` : `${zoneCity(zone, locale)} time`;
}

export function timeOf(civil: CivilView): string {
  return civil.local.slice(11, 16);
}

/** `12月4日 周五` / `Fri, Dec 4`, for a local date `2026-12-04`. */
export function dateText(date: string, locale: Locale): string {
  const [year = 0, month = 1, day = 1] = date.slice(0, 10).split("-").map(Number);
  const format = new Intl.DateTimeFormat(locale, { month: "short", day: "numeric", weekday: "short", timeZone: "UTC" });
  const text = format.format(new Date(Date.UTC(year, month - 1, day)));
  return locale === "zh-CN" ? text.replace(/(日)(周)/, "$1 $2") : text;
}

/** Date, time and clock of a place in one line. */
export function civilText(civil: CivilView, locale: Locale): string {
  const joined = `${dateText(civil.local, locale)} ${timeOf(civil)}`;
  return locale === "zh-CN" ? `${joined}（${clockOf(civil.zone, locale)}）` : `${joined} (${clockOf(civil.zone, locale)})`;
}

/** An instant on this device's clock: date, and time to the second, or to the minute where that is enough. */
export function instantText(atUs: number, locale: Locale, to: "second" | "minute" = "second"): string {
  const at = new Date(Math.floor(atUs / 1000));
  const two = (part: number) => String(part).padStart(2, "0");
  const date = dateText(`${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`, locale);
  return `${date} ${two(at.getHours())}:${two(at.getMinutes())}${to === "second" ? `:${two(at.getSeconds())}` : ""}`;
}

/** The first microsecond of a day on this device's calendar, `2026-12-04`; nothing for no day. */
export function dayStartUs(day: string): number | null {
  const [year, month, date] = day.split("-").map(Number);
  return year && month && date ? new Date(year, month - 1, date).getTime() * 1000 : null;
}

/** The last microsecond of that day, however long it is. */
export function dayEndUs(day: string): number | null {
  const [year, month, date] = day.split("-").map(Number);
  return year && month && date ? new Date(year, month - 1, date + 1).getTime() * 1000 - 1 : null;
}

export function durationText(minutes: number, locale: Locale): string {
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  if (locale === "zh-CN") return `${hours > 0 ? `${hours} 小时` : ""}${rest > 0 ? `${hours > 0 ? " " : ""}${rest} 分` : ""}`;
  return `${hours > 0 ? `${hours} h` : ""}${rest > 0 ? `${hours > 0 ? " " : ""}${rest} min` : ""}`;
}

/** `28:41` under an hour, `2 小时 5 分` above, `0:00` when over. */
export function countdownText(leftUs: number, locale: Locale): string {
  const seconds = Math.max(0, Math.floor(leftUs / 1_000_000));
  if (seconds >= 3600) return durationText(Math.floor(seconds / 60), locale);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
