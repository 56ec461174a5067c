// The only place that knows how the core is reached: the app's own window, or a browser on this machine.
import type { Api, FaultView } from "./bindings";

export interface Transport {
  call<Name extends keyof Api>(name: Name, command: Api[Name]["command"]): Promise<Api[Name]["result"]>;
  /** Rings whenever something changed; carries nothing. */
  onRing(ring: () => void): void;
}

function isFault(value: unknown): value is FaultView {
  return typeof value === "object" && value !== null && "code" in value && "params" in value;
}

/** What any failure looks like to the screens. */
export function toFault(error: unknown): FaultView {
  return isFault(error) ? error : { code: "internal", params: {} };
}

async function inWindow(): Promise<Transport> {
  const { Channel, invoke } = await import("@tauri-apps/api/core");
  return {
    call: (name, command) => invoke("rpc", { name, payload: command }),
    onRing(ring) {
      // A ring may have been missed before the channel was taken.
      void invoke("bell", { channel: new Channel<null>(ring) }).then(ring);
    },
  };
}

function inBrowser(): Transport {
  const fromAddress = /#token=([0-9a-f]+)/.exec(location.hash)?.[1];
  if (fromAddress) {
    sessionStorage.setItem("token", fromAddress);
    history.replaceState(null, "", location.pathname);
  }
  const token = sessionStorage.getItem("token") ?? "";
  return {
    async call(name, command) {
      const answer = await fetch(`/rpc/${name}`, {
        method: "POST",
        headers: { "content-type": "application/json", "x-zhiyou-token": token },
        body: JSON.stringify(command),
      });
      const body: unknown = await answer.json().catch(() => null);
      if (!answer.ok) throw toFault(body);
      return body as never;
    },
    onRing(ring) {
      const bell = new EventSource(`/changes?token=${token}`);
      bell.onmessage = ring;
      // A ring may have been missed while the line was down.
      bell.onopen = ring;
    },
  };
}

export const transport: Promise<Transport> = "__TAURI_INTERNALS__" in window ? inWindow() : Promise.resolve(inBrowser());
