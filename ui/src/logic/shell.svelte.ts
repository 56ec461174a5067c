// What belongs to the window and not to a screen: the clock's tick, the vault dialog, going somewhere, running a command.
import type { FaultView } from "../api/bindings";
import { core } from "../api/core.svelte";
import { parseRoute } from "./route";

export const shell = $state({
  route: parseRoute(location.hash),
  /** Milliseconds of this device; moves countdown digits and nothing else. */
  nowMs: Date.now(),
  vaultAsked: false,
});

let afterVault: (() => void) | null = null;

export function startShell(): void {
  window.addEventListener("hashchange", () => {
    shell.route = parseRoute(location.hash);
  });
  setInterval(() => {
    shell.nowMs = Date.now();
  }, 1000);
}

export function go(hash: string): void {
  location.hash = hash;
}

/** Time left until an instant of the core's clock, microseconds. */
export function leftUs(atUs: number): number {
  return atUs - (shell.nowMs * 1000 + core.offsetUs);
}

/** Asks for the passphrase; what was interrupted goes on once the vault is open. */
export function askVault(after: (() => void) | null): void {
  afterVault = after;
  shell.vaultAsked = true;
}

export function closeVault(opened: boolean): void {
  shell.vaultAsked = false;
  const next = afterVault;
  afterVault = null;
  if (opened) next?.();
}

const VAULT_FAULTS: readonly string[] = ["vault_unavailable", "vault_locked"];

export interface Act {
  /** Name of the command under way. */
  readonly busy: string | null;
  fault: FaultView | null;
  run(name: string, work: () => Promise<unknown>): Promise<void>;
}

/** One command at a time per screen, with its fault kept until the next try. */
export function act(): Act {
  let busy: string | null = $state(null);
  let fault: FaultView | null = $state(null);
  async function run(name: string, work: () => Promise<unknown>): Promise<void> {
    if (busy !== null) return;
    busy = name;
    fault = null;
    try {
      await work();
    } catch (error) {
      fault = error as FaultView;
      if (VAULT_FAULTS.includes(fault.code)) askVault(() => void run(name, work));
    } finally {
      busy = null;
    }
  }
  return {
    get busy() {
      return busy;
    },
    get fault() {
      return fault;
    },
    set fault(value) {
      fault = value;
    },
    run,
  };
}
