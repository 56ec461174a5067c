import audit from "../../../crates/engine/src/audit.rs?raw";
import callback from "../../../crates/engine/src/auth/callback.rs?raw";
import flow from "../../../crates/engine/src/auth/flow.rs?raw";
import engine from "../../../crates/engine/src/engine.rs?raw";
import session from "../../../crates/engine/src/api/handlers/session.rs?raw";
import shellLinks from "../../../crates/engine/src/links.rs?raw";
import bindings from "../api/bindings.ts?raw";
import { describe, expect, it } from "vitest";
import { en } from "../messages/en";
import { zh } from "../messages/zh-CN";
import { problemOf } from "./app-lock";
import { toldOf } from "./fault";
import { find } from "./find";
import { formatMoney, parseMoney, share } from "./money";
import { keyOf, ulid } from "./request";
import { parseRoute } from "./route";
import { civilText, countdownText, dateText, dayEndUs, dayStartUs, durationText, instantText } from "./time";

const money = (amount_minor: number, currency = "CNY", exponent = 2) => ({ amount_minor, currency, exponent });

describe("money", () => {
  it("is written from integers, whatever the currency's places", () => {
    expect(formatMoney(money(328_400))).toBe("¥3,284.00");
    expect(formatMoney(money(5))).toBe("¥0.05");
    expect(formatMoney(money(-400))).toBe("−¥4.00");
    expect(formatMoney(money(1_234_567, "JPY", 0))).toBe("JPY 1,234,567");
    expect(formatMoney(money(1_234, "KWD", 3))).toBe("KWD 1.234");
    expect(formatMoney(money(9_007_199_254_740_991))).toBe("¥90,071,992,547,409.91");
  });
  it("fills a bar and never overflows it", () => {
    expect(share(money(50), money(200))).toBe(25);
    expect(share(money(500), money(200))).toBe(100);
    expect(share(money(1), money(0))).toBe(0);
  });
});

describe("the app lock", () => {
  const draft = (change: object) => ({ current: "", wanted: "正确的马与电池订书钉", again: "正确的马与电池订书钉", ...change });
  it("takes a passphrase of ten characters, whatever they take in memory, that was typed twice", () => {
    expect(problemOf(draft({}), "keyring")).toBe(null);
    expect(problemOf(draft({ wanted: "🐎🔋🐎🔋🐎🔋🐎🔋🐎", again: "🐎🔋🐎🔋🐎🔋🐎🔋🐎" }), "keyring")).toBe("too_short");
    expect(problemOf(draft({ again: "正确的马与电池订书针" }), "keyring")).toBe("not_the_same");
  });
  it("wants the one there is before it is changed", () => {
    expect(problemOf(draft({}), "both")).toBe("current_missing");
    expect(problemOf(draft({ current: "short" }), "both")).toBe(null);
  });
});

describe("an amount that is typed", () => {
  it("becomes whole minor units, without a float in between", () => {
    expect(parseMoney("500", 2)).toBe(50_000);
    expect(parseMoney(" 1,640.5 ", 2)).toBe(164_050);
    expect(parseMoney("0.29", 2)).toBe(29);
    expect(parseMoney("1000", 0)).toBe(1000);
  });
  it("is nothing when it is no amount of the currency", () => {
    for (const wrong of ["", "x", "-1", "1.234", "1e3", "٣", ".5", "12345678901234567890"]) expect(parseMoney(wrong, 2)).toBeNull();
    expect(parseMoney("1.5", 0)).toBeNull();
  });
});

describe("time", () => {
  const departs = { local: "2026-12-04T18:30:00", zone: "Asia/Shanghai", at_us: 0 };
  it("names the place whose clock it keeps", () => {
    expect(civilText(departs, "zh-CN")).toBe("12月4日 周五 18:30（上海时间）");
    expect(civilText(departs, "en")).toBe("Fri, Dec 4 18:30 (Shanghai time)");
    expect(dateText("2026-12-06", "en")).toBe("Sun, Dec 6");
  });
  it("dates an instant on this device's clock", () => {
    const at = new Date(2026, 11, 3, 18, 5, 9).getTime() * 1000;
    expect(instantText(at, "zh-CN", "minute")).toBe("12月3日 周四 18:05");
    expect(instantText(at, "en")).toBe("Thu, Dec 3 18:05:09");
  });
  it("knows where a day begins and ends on this device's clock", () => {
    const [start, end] = [dayStartUs("2026-12-03") ?? 0, dayEndUs("2026-12-03") ?? 0];
    expect(instantText(start, "en")).toBe("Thu, Dec 3 00:00:00");
    expect(instantText(end, "en")).toBe("Thu, Dec 3 23:59:59");
    expect(dayStartUs("2026-12-04")).toBe(end + 1);
    for (const none of ["", "2026", "x"]) expect([dayStartUs(none), dayEndUs(none)]).toEqual([null, null]);
  });
  it("counts down in minutes and seconds under an hour, and stops at zero", () => {
    expect(countdownText(28 * 60_000_000 + 41_000_000, "en")).toBe("28:41");
    expect(countdownText(-5, "en")).toBe("0:00");
    expect(countdownText(125 * 60_000_000, "zh-CN")).toBe("2 小时 5 分");
    expect(durationText(135, "en")).toBe("2 h 15 min");
  });
});

describe("request ids", () => {
  it("are ULIDs the core accepts", () => {
    const id = ulid(1_795_000_000_000, (bytes) => bytes.fill(255));
    expect(id).toMatch(/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/);
    expect(id.slice(10)).toBe("Z".repeat(16));
    expect(ulid(1, (bytes) => bytes.fill(0))).toBe("00000000010000000000000000");
  });
});

describe("the name under which a request id is stored", () => {
  it("holds nothing of what is sent, and differs for what differs", () => {
    const plan = (name: string) => `import_plan ${JSON.stringify({ text: `{"travellers":[{"email":"${name}@example.com"}]}` })}`;
    expect(keyOf(plan("xia.lin"))).toMatch(/^request import_plan \d+ [0-9a-f]+$/);
    expect(keyOf(plan("xia.lin"))).not.toBe(keyOf(plan("xia.lim")));
    expect(keyOf(plan("xia.lin"))).toBe(keyOf(plan("xia.lin")));
  });
});

describe("routes", () => {
  it("open every screen by address and fall back to the trips", () => {
    expect(parseRoute("#/order/ord_1/seats/itm_2")).toEqual({ screen: "seats", id: "ord_1", item: "itm_2" });
    expect(parseRoute("#/order/ord_1/pay")).toEqual({ screen: "pay", id: "ord_1" });
    expect(parseRoute("#/travellers")).toEqual({ screen: "travellers" });
    expect(parseRoute("#/sign-in")).toEqual({ screen: "sign-in", plan: null });
    expect(parseRoute("#/sign-in/pln_1")).toEqual({ screen: "sign-in", plan: "pln_1" });
    expect(parseRoute("#/trip/pln_1")).toEqual({ screen: "trip", id: "pln_1" });
    for (const odd of ["", "#/", "#/trip", "#/nowhere", "#/../x"]) expect(parseRoute(odd)).toEqual({ screen: "trips" });
  });
});

describe("words", () => {
  const variants = (type: string) => {
    const line = bindings.split("\n").find((text) => text.startsWith(`export type ${type} =`)) ?? "";
    return [...line.matchAll(/"([a-z_]+)"/g)].map((match) => match[1] ?? "");
  };
  const cases: [string, (words: typeof zh) => Record<string, unknown>][] = [
    ["FaultCodeView", (words) => words.faults],
    ["TimelineKindView", (words) => words.timeline],
    ["ItemStateView", (words) => words.item],
    ["PaymentStateView", (words) => words.payment],
    ["OrderStateView", (words) => words.state],
    ["DeadlineKindView", (words) => words.deadline],
    ["VaultStateView", (words) => words.vault.state],
    ["VaultStateView", (words) => words.vault.why],
    ["UnusualView", (words) => words.unusual.reasons],
    ["ExpiryView", (words) => words.travellers.expiry],
    ["DocumentKindView", (words) => words.travellers.documentKinds],
    ["SeatWishView", (words) => words.travellers.seats],
    ["MealView", (words) => words.travellers.meals],
    ["TitleView", (words) => words.travellers.titles],
  ];
  it.each(cases)("exist in both languages for every %s", (type, table) => {
    const all = variants(type);
    expect(all.length).toBeGreaterThan(2);
    for (const code of all) for (const language of [zh, en]) expect(table(language)[code], `${type}.${code}`).toBeTruthy();
  });
});

describe("a fault", () => {
  const entered = { code: "malformed_input", params: { path: "passphrase", problem: "passphrase_length" } } as const;
  it("names the place in a plan, and of everything else says what happened and then what was wrong", () => {
    for (const language of [zh, en]) {
      const { faults, importing, problems } = language;
      const wrong = problems["passphrase_length"] ?? "";
      expect(toldOf(entered, true, language)).toEqual([importing.problem("passphrase", wrong)]);
      expect(toldOf(entered, false, language)).toEqual([faults.malformed_input, wrong]);
      expect(toldOf({ code: "disk_full", params: { path: "x" } }, true, language)).toEqual([faults.disk_full]);
      expect(toldOf({ code: "malformed_input", params: { problem: "a word nobody knows" } }, false, language)).toEqual([faults.malformed_input]);
    }
  });
});

describe("the security log", () => {
  const actions = [...audit.matchAll(/= "([a-z_]+)"\."([a-z_]+)";/g)].map(([, category, verb]) => ({ category: category ?? "", action: `${category}.${verb}` }));
  it("has words in both languages for everything the core notes", () => {
    expect(actions.length).toBeGreaterThan(20);
    for (const { category, action } of actions) {
      for (const language of [zh, en]) {
        expect(language.audit.actions[action], action).toBeTruthy();
        expect(language.audit.categories[category], category).toBeTruthy();
      }
    }
  });
  const codes = [...(/export type FaultCodeView = ([^;]+);/.exec(bindings)?.[1] ?? "").matchAll(/"([a-z_]+)"/g)].map(([, word]) => word ?? "");
  const failures = [...`${flow}${session}`.matchAll(/(?:Nothing|Came::Failed|let why = Some)\("([a-z_]+)"/g)].map(([, word]) => word ?? "");
  it("has words in both languages for every reason something was refused or failed", () => {
    for (const word of ["wrong_passphrase", "internal"]) expect(codes).toContain(word);
    for (const word of ["closed", "unanswered", "denied"]) expect(failures).toContain(word);
    for (const word of [...codes, ...failures]) for (const language of [zh, en]) expect(language.audit.reasons[word], word).toBeTruthy();
  });
});

describe("a text of the interface", () => {
  const screens = import.meta.glob<string>(["../**/*.svelte"], { query: "?raw", import: "default", eager: true });
  const shown = Object.entries(screens).flatMap(([file, text]) => [...text.matchAll(/(?<!=)\{words\(\)\.([\w.]+)\}/g)].map(([, path]) => [file, path ?? ""] as const));
  it("is a text wherever it is shown as one, and no function that nobody calls", () => {
    expect(shown.length).toBeGreaterThan(100);
    for (const [file, path] of shown) for (const language of [zh, en]) {
      const text = path.split(".").reduce<unknown>((words, key) => (words as Record<string, unknown>)[key], language);
      expect(typeof text, `${file}: ${path}`).toBe("string");
    }
  });
});

describe("what was dropped", () => {
  const returns = flow.slice(0, flow.indexOf("/// Begins a sign-in")) + (flow.match(/(?:dropped_for|note_drop)\([^)]*\)/g) ?? []).join("\n");
  const drops = engine.slice(engine.indexOf("fn returned_from_payment"), engine.indexOf("fn clock_moved"));
  const sources = [returns, callback.slice(0, callback.indexOf("pub(super) fn read_link")), shellLinks, drops];
  const found = sources.flatMap((text) => [...text.matchAll(/(?:=> |dropped_for\([^"\n]*|note_drop\([^"\n]*|Came::Failed\()"([a-z_]+)"/g)].map(([, word]) => word ?? ""));
  it("has words in both languages for every reason", () => {
    for (const word of ["nothing_awaited", "unknown_state", "oversized", "flood", "unknown_platform", "unknown_payment"]) expect(found).toContain(word);
    for (const word of found) for (const language of [zh, en]) expect(language.audit.reasons[word], word).toBeTruthy();
  });
});

describe("finding", () => {
  const entries = [
    { key: "1", title: "Settings", also: "设置" },
    { key: "2", title: "上海周末", also: "Shanghai RZPNX8 林夏" },
    { key: "3", title: "A weekend in Shanghai", also: "上海" },
  ];
  const keys = (text: string) => find(entries, text).map((entry) => entry.key);
  it("finds by any word in either language, a beginning first, and everything by nothing", () => {
    expect(keys("")).toEqual(["1", "2", "3"]);
    expect(keys("shanghai")).toEqual(["2", "3"]);
    expect(keys("上海")).toEqual(["2", "3"]);
    expect(keys("a week")).toEqual(["3"]);
    expect(keys("rzpnx8 林夏")).toEqual(["2"]);
    expect(keys("设置")).toEqual(["1"]);
    expect(keys("paris")).toEqual([]);
  });
});
