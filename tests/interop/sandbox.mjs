// The running sandbox: its announcement, its control port, the merchant's console and the phone.
// Not here: anything of a provider's client.
import assert from 'node:assert/strict';

const line = process.env.ZHIYOU_SANDBOX_JSON;
assert.ok(line, 'set ZHIYOU_SANDBOX_JSON to the line the sandbox announced, or use `npm run with-sandbox`');

export const announcement = JSON.parse(line);

async function json(url, init) {
  const answer = await fetch(url, init);
  const text = await answer.text();
  return { status: answer.status, body: text ? JSON.parse(text) : null };
}

export async function control(path, body) {
  const headers = { authorization: `Bearer ${announcement.control_token}`, 'content-type': 'application/json' };
  const init = body === undefined ? { headers } : { method: 'POST', headers, body: JSON.stringify(body) };
  const { status, body: answer } = await json(announcement.control + path, init);
  assert.equal(status, 200, `${path}: ${status} ${JSON.stringify(answer)}`);
  return answer;
}

export const credentials = await control('/credentials');

export async function phone(verb, text) {
  const headers = { 'content-type': 'application/json' };
  return json(`${announcement.phone}/api/${verb}`, { method: 'POST', headers, body: JSON.stringify({ text }) });
}

// A calendar date some days ahead, by the sandbox's clock.
export async function day(ahead) {
  const { now } = await control('/clock');
  return new Date(Date.parse(now) + ahead * 86_400_000).toISOString().slice(0, 10);
}

// Decimal text to integer minor units; amounts never become floats.
export function fen(text) {
  const match = /^(\d+)\.(\d{2})$/.exec(text);
  assert.ok(match, `${text} is no amount`);
  return Number(match[1]) * 100 + Number(match[2]);
}

export function decimal(minor) {
  const digits = String(minor).padStart(3, '0');
  return `${digits.slice(0, -2)}.${digits.slice(-2)}`;
}
