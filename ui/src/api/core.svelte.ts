// What the core told us, by id. Nothing here is decided; nothing is asked for on a timer.
import type { Api, FaultView, OrderView, PlanView, SessionView, SignInView } from "./bindings";
import { dropRequest, requestId } from "../logic/request";
import { toFault, transport } from "./transport";

interface Known {
  session: SessionView | null;
  plans: Record<string, PlanView>;
  orders: Record<string, OrderView>;
  /** Whether there are orders older than those known. */
  olderOrders: boolean;
  signIns: Record<string, SignInView>;
  /** Rises whenever travellers changed; their details are read where they are shown and kept nowhere else. */
  travellersChanged: number;
  /** Core time minus this device's, microseconds. */
  offsetUs: number;
  fault: FaultView | null;
}

export const core: Known = $state({ session: null, plans: {}, orders: {}, olderOrders: false, signIns: {}, travellersChanged: 0, offsetUs: 0, fault: null });

let cursor = 0;
let pulling: Promise<void> | null = null;
let rungMeanwhile = false;

export async function rpc<Name extends keyof Api>(name: Name, command: Api[Name]["command"]): Promise<Api[Name]["result"]> {
  try {
    return await (await transport).call(name, command);
  } catch (error) {
    throw toFault(error);
  }
}

type WithRequest = { [Name in keyof Api]: Api[Name]["command"] extends { request_id: string } ? Name : never }[keyof Api];

/** Sends a command that carries a request id; the id is stored first and used again until it succeeded. */
export async function ask<Name extends WithRequest>(
  name: Name,
  command: Omit<Api[Name]["command"], "request_id">,
): Promise<Api[Name]["result"]> {
  const what = `${name} ${JSON.stringify(command)}`;
  const result = await rpc(name, { ...command, request_id: requestId(what) } as Api[Name]["command"]);
  dropRequest(what);
  return result;
}

const ORDERS_PAGE = 50;

export function keepOrder(order: OrderView): OrderView {
  const known = core.orders[order.id];
  if (!known || known.version <= order.version) core.orders[order.id] = order;
  return order;
}

export function keepPlan(plan: PlanView): PlanView {
  core.plans[plan.id] = plan;
  for (const row of plan.sign_ins) keepSignIn(row);
  return plan;
}

export function keepSignIn(row: SignInView): void {
  core.signIns[row.platform] = row;
  for (const plan of Object.values(core.plans)) {
    plan.sign_ins = plan.sign_ins.map((old) => (old.platform === row.platform ? { ...row, needed_for: old.needed_for } : old));
  }
}

export function keepSession(session: SessionView): void {
  core.session = session;
  setClock(session.now_us);
}

function setClock(nowUs: number): void {
  core.offsetUs = nowUs - Date.now() * 1000;
}

async function pullAll(): Promise<void> {
  let more = true;
  while (more || rungMeanwhile) {
    rungMeanwhile = false;
    const batch = await rpc("changes", { after: cursor });
    cursor = batch.cursor;
    more = batch.more;
    setClock(batch.now_us);
    batch.orders.forEach(keepOrder);
    batch.plans.forEach(keepPlan);
    batch.sign_ins.forEach(keepSignIn);
    if (batch.travellers) core.travellersChanged += 1;
    if (batch.session) keepSession(await rpc("get_session", {}));
    if (batch.open_screen) location.hash = `#/${batch.open_screen}`;
  }
}

/** Reads what changed. A ring during a pull leads to one more round, never to two pulls at once. */
export function pull(): void {
  rungMeanwhile = true;
  pulling ??= pullAll()
    .catch((error: unknown) => {
      core.fault = toFault(error);
    })
    .finally(() => {
      pulling = null;
    });
}

/** Reads the page of orders made before a moment. */
export async function loadOrders(before_us: number | null): Promise<void> {
  const page = await rpc("list_orders", { before_us });
  page.forEach(keepOrder);
  core.olderOrders = page.length === ORDERS_PAGE;
}

/** Whoever looks at the window again may have paid meanwhile, and what rang while the network was away was not heard. */
function back(): void {
  pull();
  rpc("check_payments", {}).catch((error: unknown) => {
    core.fault = toFault(error);
  });
}

export async function start(): Promise<void> {
  try {
    const session = await rpc("get_session", {});
    cursor = session.cursor;
    keepSession(session);
    (await transport).onRing(pull);
    window.addEventListener("focus", back);
    window.addEventListener("online", back);
    (await rpc("list_sign_ins", { plan_id: null })).forEach(keepSignIn);
    (await rpc("list_plans", {})).forEach(keepPlan);
    await loadOrders(null);
    pull();
  } catch (error) {
    core.fault = toFault(error);
  }
}
