// Starts a sandbox (the command given, else this repository's own), runs the tests against it, stops it.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const folder = mkdtempSync(join(tmpdir(), 'zhiyou-interop-'));
const own = ['cargo', 'run', '--quiet', '--package', 'zhiyou-sandbox', '--example', 'serve', '--', folder, '7'];
const command = process.argv.length > 2 ? process.argv.slice(2) : own;
const sandbox = spawn(command[0], command.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] });
sandbox.on('error', (error) => { console.error(error.message); process.exitCode = 1; });

const announced = await new Promise((resolve) => {
  const lines = createInterface({ input: sandbox.stdout });
  lines.once('line', resolve);
  lines.once('close', () => resolve(null));
});
if (announced === null) {
  console.error('the sandbox ended without announcing itself');
  process.exitCode = 1;
} else {
  const env = { ...process.env, ZHIYOU_SANDBOX_JSON: announced };
  const tests = spawn('npm', ['test'], { stdio: 'inherit', env });
  process.exitCode = await new Promise((resolve) => { tests.once('close', (code) => resolve(code ?? 1)); });
  sandbox.stdin.end();
  const gone = new Promise((resolve) => { sandbox.once('close', resolve); });
  const late = setTimeout(() => sandbox.kill(), 5000);
  await gone;
  clearTimeout(late);
}
rmSync(folder, { recursive: true, force: true });
