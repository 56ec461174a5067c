// Request ids: made and stored before the first send, so that a repeat after a crash or a reload is the same request.
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** A ULID: 48 bits of time, 80 bits of randomness, Crockford base 32. */
export function ulid(now: number, random: (bytes: Uint8Array<ArrayBuffer>) => void): string {
  const bytes = new Uint8Array(16);
  random(bytes);
  let time = BigInt(now);
  let value = time << 80n;
  for (let index = 0; index < 10; index += 1) value |= BigInt(bytes[index] ?? 0) << BigInt(index * 8);
  time = value;
  let text = "";
  for (let index = 0; index < 26; index += 1) {
    text = ALPHABET.charAt(Number(time & 31n)) + text;
    time >>= 5n;
  }
  return text;
}

/** The id of something new that the caller names, so that saving it twice saves it once. */
export function freshId(prefix: string): string {
  return `${prefix}_${ulid(Date.now(), (bytes) => crypto.getRandomValues(bytes))}`;
}

/** A short name for what a request is for: the command, and a digest of the rest, since a plan names its travellers. */
export function keyOf(what: string): string {
  let [a, b] = [0x811c9dc5, 0x9747b28c];
  for (let index = 0; index < what.length; index += 1) {
    a = Math.imul(a ^ what.charCodeAt(index), 0x01000193);
    b = Math.imul(b ^ what.charCodeAt(index), 0x85ebca6b) ^ (b >>> 13);
  }
  return `request ${what.split(" ", 1)[0]} ${what.length} ${(a >>> 0).toString(16)}${(b >>> 0).toString(16)}`;
}

export function requestId(what: string): string {
  const key = keyOf(what);
  const stored = sessionStorage.getItem(key);
  if (stored) return stored;
  const id = freshId("req");
  sessionStorage.setItem(key, id);
  return id;
}

export function dropRequest(what: string): void {
  sessionStorage.removeItem(keyOf(what));
}
