// What both judgements need: the recorded requests, a server of somebody else's, and what a missing one means.
// Not here: anything of one provider.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../../', import.meta.url));

export function recorded(file) {
  const { requests } = JSON.parse(readFileSync(`${root}vectors/derived/${file}`, 'utf8'));
  assert.ok(requests.length > 0);
  return requests;
}

// Skips a test whose judge is not on this machine; where every check has to run, that is a failure.
export function absent(t, what) {
  assert.ok(!process.env.CI, `${what} is missing, and this check may not be left out`);
  t.skip(`not run: ${what} is missing`);
}

export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const { port } = server.address();
  await new Promise((resolve) => { server.close(resolve); });
  return port;
}

// Starts a program and waits until it has printed `ready`; what it printed is told when it ends before that.
export async function started(command, args, ready, options = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  let printed = '';
  await new Promise((resolve, reject) => {
    const hear = (chunk) => {
      printed += chunk;
      if (printed.includes(ready)) resolve();
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('error', reject);
    child.once('close', () => reject(new Error(`${command} ended: ${printed}`)));
  });
  return child;
}

export async function stopped(child) {
  const gone = new Promise((resolve) => { child.once('close', resolve); });
  child.kill();
  await gone;
}
