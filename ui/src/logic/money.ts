// Amounts as text, by integer and string arithmetic only.
import type { MoneyView } from "../api/bindings";

const SYMBOLS: Record<string, string> = { CNY: "¥" };

/** `¥1,640.00` where the symbol is unmistakable here, else `USD 1,640.00`. */
export function formatMoney(money: MoneyView): string {
  const negative = money.amount_minor < 0;
  const digits = String(Math.abs(money.amount_minor)).padStart(money.exponent + 1, "0");
  const whole = digits.slice(0, digits.length - money.exponent).replace(/\B(?=(\d{3})+$)/g, ",");
  const fraction = money.exponent > 0 ? `.${digits.slice(-money.exponent)}` : "";
  const symbol = SYMBOLS[money.currency] ?? `${money.currency} `;
  return `${negative ? "−" : ""}${symbol}${whole}${fraction}`;
}

export function addMoney(parts: MoneyView[], zero: MoneyView): MoneyView {
  return parts.reduce((sum, part) => ({ ...sum, amount_minor: sum.amount_minor + part.amount_minor }), {
    ...zero,
    amount_minor: 0,
  });
}

/** Share of a whole in per cent, for the width of a bar; never above 100. */
export function share(part: MoneyView, whole: MoneyView): number {
  if (whole.amount_minor <= 0) return 0;
  return Math.min(100, Math.round((part.amount_minor * 100) / whole.amount_minor));
}

/** `1,640.5` as minor units of a currency with so many decimals; null for what is no such amount. */
export function parseMoney(text: string, exponent: number): number | null {
  const found = /^(\d{1,12})(?:\.(\d*))?$/.exec(text.trim().replace(/,/g, ""));
  const fraction = found?.[2] ?? "";
  if (!found || fraction.length > exponent) return null;
  return Number(`${found[1]}${fraction.padEnd(exponent, "0")}`);
}
