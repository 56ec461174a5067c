// Our sign-in against `oidc-provider`, unmodified: a certified authorization server that was not written here.
// A person's browser is played by fetch with cookies; the app is `crates/engine/examples/sign_in.rs`.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import Provider from 'oidc-provider';

const CLIENT = 'zhiyou-desktop';
const PATH = 'zhiyou/return';
const SCOPES = ['openid', 'profile'];
const OWN = ['cargo', 'run', '--quiet', '--package', 'zhiyou-engine', '--example', 'sign_in', '--'];
const COMMAND = process.env.ZHIYOU_SIGN_IN ? [process.env.ZHIYOU_SIGN_IN] : OWN;

let server;
let issuer;
let seen;
// A place where nothing is published, as at servers that know OpenID Connect's alone.
let unpublished;

before(async () => {
  const { createServer } = await import('node:http');
  let handle;
  server = createServer((request, response) => {
    if (request.url !== unpublished) return handle(request, response);
    seen.missed = (seen.missed ?? 0) + 1;
    return response.writeHead(404).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{
      client_id: CLIENT,
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      // The port is free for native clients (RFC 8252 §7.3), the path is compared.
      redirect_uris: [`http://127.0.0.1/${PATH}`],
    }],
    claims: { openid: ['sub'], profile: ['name'] },
    features: { devInteractions: { enabled: true }, revocation: { enabled: true } },
    issueRefreshToken: async (_context, client) => client.grantTypeAllowed('refresh_token'),
  });
  handle = provider.callback();
  const count = (name) => () => { seen[name] = (seen[name] ?? 0) + 1; };
  for (const name of ['refresh_token.consumed', 'grant.revoked', 'server_error']) provider.on(name, count(name));
  provider.on('authorization_code.saved', (code) => { seen.method = code.codeChallengeMethod; });
  provider.on('access_token.saved', (token) => { seen.scopes = [...token.scopes]; });
  provider.on('refresh_token.saved', (token) => { seen.refresh = token.jti; });
});

after(() => { server.close(); server.closeAllConnections(); });

/** The app: its lines come out of `next`, its commands go into `ask`. */
function app() {
  seen = {};
  const [program, ...words] = [...COMMAND, issuer, CLIENT, PATH];
  const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    assert.ok(!done, 'the app ended early');
    return JSON.parse(value);
  };
  const ask = (command) => { child.stdin.write(`${command}\n`); return next(); };
  const close = async () => {
    const gone = once(child, 'close');
    child.stdin.end();
    const [code] = await gone;
    assert.equal(code, 0);
  };
  return { next, ask, close };
}

/** A browser: follows redirects and keeps cookies until the address leaves the provider. */
function browser() {
  const cookies = new Map();
  return async function go(url, form) {
    while (url.startsWith(issuer)) {
      const headers = { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') };
      const body = form && new URLSearchParams(form);
      const answer = await fetch(url, { method: form ? 'POST' : 'GET', body, headers, redirect: 'manual' });
      for (const cookie of answer.headers.getSetCookie()) {
        const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
        cookies.set(name, value);
      }
      form = undefined;
      const location = answer.headers.get('location');
      if (!location) return { url, page: await answer.text() };
      url = new URL(location, url).href;
    }
    return { url };
  };
}

/** The person signs in at the provider and agrees, or leaves; answers the page that the app showed at the end. */
async function decide(visit, agrees) {
  const go = browser();
  let at = await go(visit);
  const action = () => new URL(/<form[^>]* action="([^"]+)"/.exec(at.page)[1], at.url).href;
  at = await go(action(), { prompt: 'login', login: 'lin-xia', password: 'x' });
  at = agrees ? await go(action(), { prompt: 'consent' }) : await go(`${at.url}/abort`);
  assert.match(at.url, new RegExp(`^http://127\\.0\\.0\\.1:\\d+/${PATH}\\?`));
  assert.equal(new URL(at.url).searchParams.get('iss'), issuer);
  const answer = await fetch(at.url);
  assert.equal(answer.status, 200);
  return answer.text();
}

async function signedIn() {
  const zhiyou = app();
  const { visit } = await zhiyou.next();
  assert.match(await decide(visit, true), /Signed in/);
  assert.equal((await zhiyou.next()).ended.kind, 'connected');
  return zhiyou;
}

test('sign-in by loopback return with a proof key; the token works', async () => {
  const zhiyou = await signedIn();
  assert.equal(seen.method, 'S256');
  assert.deepEqual(seen.scopes, SCOPES);
  assert.deepEqual(await zhiyou.ask(`fetch ${issuer}/me`), { status: 200 });
  assert.deepEqual(await zhiyou.ask('fetch http://127.0.0.1:9/me'), { no_token: 'another host' });
  await zhiyou.close();
});

test('tokens are refreshed before their end and the refresh token rotates', async () => {
  const zhiyou = await signedIn();
  const first = seen.refresh;
  for (const round of [1, 2]) {
    await zhiyou.ask('later 3590');
    assert.deepEqual(await zhiyou.ask(`fetch ${issuer}/me`), { status: 200 });
    assert.equal(seen['refresh_token.consumed'], round);
  }
  assert.notEqual(seen.refresh, first);
  assert.equal(seen['grant.revoked'], undefined);
  await zhiyou.close();
});

test('disconnecting revokes the grant', async () => {
  const zhiyou = await signedIn();
  assert.equal((await zhiyou.ask('disconnect')).ended.kind, 'disconnected');
  assert.equal(seen['grant.revoked'], 1);
  assert.deepEqual(await zhiyou.ask(`fetch ${issuer}/me`), { no_token: 'not_connected' });
  await zhiyou.close();
});

test('a server that publishes at the place of OpenID Connect alone is found there', async () => {
  unpublished = '/.well-known/oauth-authorization-server';
  try {
    const zhiyou = await signedIn();
    assert.ok(seen.missed > 0);
    assert.deepEqual(await zhiyou.ask(`fetch ${issuer}/me`), { status: 200 });
    await zhiyou.close();
  } finally {
    unpublished = undefined;
  }
});

test('a grant revoked at the provider is an expired sign-in', async () => {
  const zhiyou = await signedIn();
  const body = new URLSearchParams({ token: seen.refresh, client_id: CLIENT });
  assert.equal((await fetch(`${issuer}/token/revocation`, { method: 'POST', body })).status, 200);
  assert.deepEqual(await zhiyou.ask(`fetch ${issuer}/me`), { no_token: 'expired' });
  await zhiyou.close();
});

test('a person who leaves the page is told that nothing was connected', async () => {
  const zhiyou = app();
  const { visit } = await zhiyou.next();
  assert.match(await decide(visit, false), /Not signed in/);
  assert.deepEqual((await zhiyou.next()).ended, { kind: 'failed', why: 'denied' });
  assert.equal(seen['server_error'], undefined);
  await zhiyou.close();
});
