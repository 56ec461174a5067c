// Finding a place, a trip, an order or an action by a few typed letters.
export interface Findable {
  key: string;
  title: string;
  /** Everything else it may be found by, in either language. */
  also: string;
}

/** Entries that contain every typed word, those whose title begins with the text first; otherwise in the given order. */
export function find<Entry extends Findable>(entries: Entry[], text: string): Entry[] {
  const typed = text.trim().toLowerCase();
  const parts = typed.split(/\s+/);
  const found = entries.filter((entry) => {
    const all = `${entry.title} ${entry.also}`.toLowerCase();
    return parts.every((part) => all.includes(part));
  });
  const first = (entry: Entry) => (entry.title.toLowerCase().startsWith(typed) ? 0 : 1);
  return found.sort((a, b) => first(a) - first(b));
}
