// Screens by address, so that each can be opened by link, reloaded and left.
export type Route =
  | { screen: "trips" }
  | { screen: "orders" }
  | { screen: "sign-in"; plan: string | null }
  | { screen: "travellers" }
  | { screen: "settings" }
  | { screen: "trip"; id: string }
  | { screen: "order"; id: string }
  | { screen: "pay"; id: string }
  | { screen: "seats"; id: string; item: string };

export function parseRoute(hash: string): Route {
  const [screen, id, part, item] = hash.replace(/^#\/?/, "").split("/");
  switch (screen) {
    case "orders":
    case "travellers":
    case "settings":
      return { screen };
    case "sign-in":
      return { screen, plan: id || null };
    case "trip":
      if (id) return { screen, id };
      break;
    case "order":
      if (id && part === "pay") return { screen: "pay", id };
      if (id && part === "seats" && item) return { screen: "seats", id, item };
      if (id) return { screen, id };
      break;
  }
  return { screen: "trips" };
}
