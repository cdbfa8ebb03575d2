/**
 * Two engines of one machine as Windows runs them: named pipes, the keychain, a program's account and name, an agent at the pipe, files that another process holds,
 * kills and what is left of them. `npm run test:wine` runs it under Wine; nothing in it is Wine's own, so that it runs anywhere.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { createServer, request, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { IdentityView, ServiceView, SessionView, StatusView } from '../../main/api/views.ts';
import { removeTree } from '../../main/files/remove-tree.ts';
import { culvert, culvertJson, culvertProgram, startCulvert, type RunningCulvert } from '../support/culvert.ts';
import { listening } from '../support/listening.ts';
import { until } from '../support/until.ts';

let home: string;
let target: Server;
let overlay: RunningCulvert;
let host: RunningCulvert;
let device: RunningCulvert;
const at = (name: string): string => join(home, name);
const state = (): string[] => ['--state', at('device')];
/** A program of its own that is bound as an agent. */
const robot = process.platform === 'win32' ? 'robot.exe' : 'robot';
const passphrase = { input: 'correct horse\n' };
const runDevice = () =>
  startCulvert(['run', '--mode', 'proxy', '--proxy-listen', '127.0.0.1:0', ...state()], { timeoutMs: 120_000 });
const ready = async (name: string): Promise<void> => {
  await until(async () => (await statusOf(name))?.state === 'ready', 60_000);
};
const statusOf = async (name: string) =>
  (await culvertJson<StatusView>(['status', ...state()])).identities.find((one) => one.name === name);

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'culvert-engines-'));
  target = createServer((asked, answer) => answer.end(`seen ${asked.url ?? ''}`));
  const port = await listening(target);
  const web = {
    name: 'web',
    configs: {
      'intercept.v1': { protocols: ['tcp'], addresses: ['web.dark'], portRanges: [{ low: 80, high: 80 }] },
      'host.v1': { protocol: 'tcp', address: '127.0.0.1', port },
    },
    dial: ['dev', 'other'],
    bind: ['box'],
  };
  writeFileSync(at('seed.json'), JSON.stringify({ identities: ['dev', 'other', 'box'], services: [web] }));
  const dir = at('overlay');
  overlay = await startCulvert(['overlay', '--listen', '127.0.0.1:0', '--dir', dir, '--seed', at('seed.json')], {
    timeoutMs: 120_000,
  });
  const enrolled = await culvert(
    ['enroll', join(dir, 'box.jwt'), '--keystore', 'file', '--passphrase-fd', '0', '--state', at('host')],
    passphrase,
  );
  expect(enrolled).toMatchObject({ code: 0 });
  writeFileSync(at('culvert-passphrase'), 'correct horse\n', { mode: 0o600 });
  host = await startCulvert(['run', '--mode', 'host', '--state', at('host')], {
    env: { CREDENTIALS_DIRECTORY: home },
    timeoutMs: 120_000,
  });
  await until(async () => {
    const services = await culvertJson<ServiceView[]>(['services', '--state', at('host')]);
    return services.length === 1 && services.every((service) => (service.hosted?.terminators ?? 0) > 0);
  }, 60_000);
}, 400_000);

afterAll(async () => {
  for (const one of [device, host, overlay]) await one?.[Symbol.asyncDispose]();
  target?.close();
  await removeTree(home);
}, 60_000);

/** A page of the dark service, asked by this process through the device's proxy. */
function get(path: string): Promise<{ readonly status: number | undefined; readonly text: string }> {
  const [hostname, port] = String(device.ready['proxy']).split(':');
  return new Promise((resolve, reject) => {
    const asked = request({ host: hostname, port, path: `http://web.dark${path}`, headers: { host: 'web.dark' } });
    asked.once('error', reject);
    asked.once('response', (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk: string) => (text += chunk));
      answer.once('end', () => resolve({ status: answer.statusCode, text }));
    });
    asked.end();
  });
}

/** Another process that has the file open while `act` begins, and lets it go a while later. */
async function whileOpen<T>(path: string, act: () => Promise<T>): Promise<T> {
  const held = `const fs = require('node:fs'); const fd = fs.openSync(process.argv[1], 'r'); fs.writeSync(1, 'held');
    process.stdin.once('data', () => setTimeout(() => { fs.closeSync(fd); process.exit(0); }, 300));`;
  const holder = spawn(process.execPath, ['-e', held, path], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(holder.stdout, 'data');
  holder.stdin.write('go');
  const done = await act();
  if (holder.exitCode === null) await once(holder, 'exit');
  return done;
}

test(
  'an identity that is enrolled without further words is in the keychain, and its user’s',
  { timeout: 120_000 },
  async () => {
    const view = await culvertJson<IdentityView>(['enroll', at('overlay/dev.jwt'), ...state()]);
    expect(view).toMatchObject({ name: 'dev', keystore: 'keychain', scope: 'user' });
  },
);

test('a program of that user reaches the service, and is told by name and account', { timeout: 180_000 }, async () => {
  copyFileSync(process.execPath, at(robot));
  writeFileSync(at('device/culvert.yaml'), `agents: { robot: { identity: other, path: '**/${robot}' } }\n`);
  device = await runDevice();
  await ready('dev');
  expect(await get('/one')).toEqual({ status: 200, text: 'seen /one' });
  const rows = await culvertJson<SessionView[]>(['sessions', ...state()]);
  expect(rows.at(-1)).toMatchObject({
    service: 'web',
    identity: 'dev',
    app: { path: process.execPath, pid: process.pid, attribution: 'exact' },
  });
  expect(rows.at(-1)?.app.user).toBeTruthy();
});

test('a second engine, and a repair, are refused while the first lives', { timeout: 120_000 }, async () => {
  const second = await culvert(['run', '--mode', 'host', ...state(), '--json']);
  expect(second.code).toBe(1);
  expect(JSON.parse(second.err)).toMatchObject({ error: { code: 'engine.already_running' } });
  expect((await culvert(['repair', ...state()])).code).toBe(1);
});

test('an agent, and what it starts, does not command the engine', { timeout: 240_000 }, async () => {
  const disable = [await culvertProgram(), 'identity', 'disable', 'dev', ...state(), '--json'];
  const passedOn = `const { status } = require('node:child_process').spawnSync(process.argv[1], process.argv.slice(2), { stdio: 'inherit' });
    process.exit(status);`;
  for (const args of [disable, ['-e', passedOn, process.execPath, ...disable]]) {
    const said = spawnSync(at(robot), args, { encoding: 'utf8' });
    expect(JSON.parse(said.stderr)).toMatchObject({
      error: { code: 'engine.not_permitted', details: { agent: 'robot' } },
    });
    expect(said.status).toBe(1);
  }
  expect((await statusOf('dev'))?.state).toBe('ready');
});

test('files that another process holds are replaced once it lets go', { timeout: 240_000 }, async () => {
  const file = at('device/identities/dev.json');
  const verb = (name: string) => culvertJson(['identity', name, 'dev', ...state()]);
  await whileOpen(file, () => verb('disable'));
  expect((JSON.parse(readFileSync(file, 'utf8')) as { culvert: { enabled: boolean } }).culvert.enabled).toBe(false);
  await whileOpen(file, () => verb('enable'));
  await ready('dev');
  const before = (await statusOf('dev'))?.certExpiresAt;
  await whileOpen(file, () => verb('renew'));
  expect((await statusOf('dev'))?.certExpiresAt).not.toBe(undefined);
  expect(before).not.toBe(undefined);
  await whileOpen(at('device/audit-anchor.json'), () => get('/two'));
  expect((await culvertJson<{ ok: boolean }>(['audit', 'verify', ...state()])).ok).toBe(true);
});

test('a secret is kept in the keychain, listed by name, and removed', { timeout: 120_000 }, async () => {
  const input = { input: 'sk-very-secret\n' };
  expect(await culvertJson(['secret', 'set', 'provider', '--keystore', 'keychain', ...state()], input)).toMatchObject({
    name: 'provider',
    keystore: 'keychain',
  });
  expect(await culvertJson(['secret', 'list', ...state()])).toEqual([expect.objectContaining({ name: 'provider' })]);
  await culvertJson(['secret', 'remove', 'provider', ...state()]);
  expect(await culvertJson(['secret', 'list', ...state()])).toEqual([]);
});

test('a secret is piped in while the passphrase lies in the directory for it, as shells of Windows have it', async () => {
  const input = { input: 'sk-another\n' };
  const ofHost = ['--state', at('host')];
  expect(await culvertJson(['secret', 'set', 'other', '--keystore', 'file', ...ofHost], input)).toMatchObject({
    name: 'other',
    keystore: 'file',
  });
  await culvertJson(['secret', 'remove', 'other', ...ofHost]);
}, 120_000);

test('an engine that was killed leaves nothing that keeps the next from starting', { timeout: 240_000 }, async () => {
  device.kill('SIGKILL');
  await device.exited;
  // Its lock names a process that lives and is not it, and its index is no database any more.
  writeFileSync(
    at('device/engine.lock'),
    JSON.stringify({ pid: process.pid, started: process.platform === 'linux' ? '1' : '' }),
  );
  writeFileSync(at('device/audit-index.db'), Buffer.alloc(8192, 'noise'));
  device = await runDevice();
  await ready('dev');
  expect((await get('/three')).status).toBe(200);
  const found = await culvertJson<unknown[]>(['audit', 'search', '--service', 'web', ...state()]);
  expect(found.length).toBeGreaterThan(0);
  expect((await culvertJson<{ ok: boolean }>(['audit', 'verify', ...state()])).ok).toBe(true);
});

test('an identity is removed while somebody reads its file', { timeout: 120_000 }, async () => {
  await whileOpen(at('device/identities/dev.json'), () => culvertJson(['identity', 'remove', 'dev', ...state()]));
  expect(await culvertJson(['identity', 'list', ...state()])).toEqual([]);
});

test(
  'an engine that is asked to end does so by itself, and lets go of what it held',
  { timeout: 120_000 },
  async () => {
    expect(await culvertJson(['service', 'stop', '--state', at('host')])).toEqual({ stopped: true });
    expect(existsSync(at('host/engine.lock'))).toBe(false);
    expect(await host.exited).toBe(0);
    expect((await culvert(['service', 'stop', '--state', at('host'), '--json'])).err).toContain('engine.not_running');
  },
);

// Not macro-pulse: Wine takes seconds to tell whose a connection is, and its eight agents make a hundred at once.
test.each([[[]], [['--scenario', 'plant']]])(
  'the demo %j runs to its end and leaves nothing',
  { timeout: 240_000 },
  async (scenario) => {
    const ran = await culvert(['demo', '--once', ...scenario, '--json'], { timeoutMs: 200_000 });
    expect(ran.err).toBe('');
    expect(ran.code).toBe(0);
  },
);
