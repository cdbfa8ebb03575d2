/** What a new user sees first: the demo up, its window open where one can be, and a session that flows in it. */
import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SessionView } from '../../main/api/views.ts';
import { culvertJson, culvertProgram } from '../support/culvert.ts';
import { until } from '../support/until.ts';

let home: string;
const at = (name: string): string => join(home, name);
const text = (name: string): Promise<string> => readFile(at(name), 'utf8').catch(() => '');

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'culvert-first-'));
  await mkdir(at('tmp'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

async function program(name: string, script: string): Promise<void> {
  await mkdir(dirname(at(name)), { recursive: true });
  await writeFile(at(name), `#!/bin/sh\n${script}\n`);
  await chmod(at(name), 0o755);
}

/** As on a desktop with both, unless a test takes something away. */
async function desktop(): Promise<Record<string, string>> {
  await program('electron/electron', `echo "$@" >${at('electron.said')}; exec sleep 60`);
  await program('bin/xdg-open', `echo "$@" >${at('browser.said')}`);
  const shell = join(dirname(await culvertProgram()), 'shell', 'main.mjs');
  await mkdir(dirname(shell), { recursive: true });
  await writeFile(shell, '');
  return {
    TMPDIR: at('tmp'),
    DISPLAY: ':7',
    ELECTRON_OVERRIDE_DIST_PATH: at('electron'),
    PATH: `${at('bin')}:${process.env['PATH'] ?? ''}`,
  };
}

/** Run as a person without root's powers, whoever runs the tests: names and routes of this machine stay as they are. */
const asPerson = process.getuid?.() === 0 ? ['setpriv', '--bounding-set', '-net_admin'] : [];

interface RunningDemo {
  said(): string;
  readonly ended: Promise<number | null>;
  interrupt(): void;
}

async function startDemo(env: Record<string, string>, ...options: readonly string[]): Promise<RunningDemo> {
  const [file = '', ...args] = [...asPerson, process.execPath, await culvertProgram(), 'demo', ...options];
  const child = spawn(file, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (more: string) => (out += more));
  return {
    said: () => out,
    ended: new Promise((resolve) => child.once('exit', resolve)),
    interrupt: () => void child.kill('SIGINT'),
  };
}

/** The demo until it stays; then `look`, then Ctrl-C. What it printed. */
async function stayingDemo(env: Record<string, string>, look: (state: string) => Promise<void>): Promise<string> {
  const demo = await startDemo(env);
  try {
    await until(() => demo.said().includes('Ctrl-C ends the demo.'), 50_000);
    await look(/--state (\S+)/.exec(demo.said())?.[1] ?? '');
  } finally {
    demo.interrupt();
  }
  expect(await demo.ended).toBe(0);
  return demo.said();
}

test('the demo opens the window in Electron, a session flows meanwhile, and both are gone afterwards', async () => {
  const out = await stayingDemo(await desktop(), async (state) => {
    const args = (await text('electron.said')).trim();
    expect(args).toMatch(new RegExp(`^\\S+ --user-data-dir=${state}/window --state ${state}$`));
    const flowing = async (): Promise<SessionView | undefined> =>
      (await culvertJson<SessionView[]>(['sessions', '--state', state])).find((one) => one.state === 'open');
    await until(async () => ((await flowing())?.bytesReceived ?? 0) > 1_000, 10_000);
  });
  expect(out).toContain('It has opened as an application of its own');
  expect(await text('browser.said')).toBe('');
  expect(await readdir(at('tmp'))).toEqual([]);
}, 90_000);

test('without Electron it opens the browser on an address that lets it in', async () => {
  const { ELECTRON_OVERRIDE_DIST_PATH: _, ...env } = await desktop();
  let address = '';
  const out = await stayingDemo(env, async () => {
    await until(async () => (await text('browser.said')) !== '', 5_000);
    // What others can read of a command line names a file that this user alone can, not the address.
    const file = fileURLToPath((await text('browser.said')).trim());
    expect((await stat(file)).mode & 0o077).toBe(0);
    address = /url=([^"]+)"/.exec(await readFile(file, 'utf8'))?.[1]?.replaceAll('&amp;', '&') ?? '';
    const answer = await fetch(address);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('set-cookie')).toContain('HttpOnly');
  });
  expect(out).toContain(`The window: ${address}`);
  expect(await text('electron.said')).toBe('');
}, 90_000);

test('with --once nothing opens, whatever there is', async () => {
  expect(await (await startDemo(await desktop(), '--once')).ended).toBe(0);
  expect([await text('electron.said'), await text('browser.said')]).toEqual(['', '']);
  expect(await readdir(at('tmp'))).toEqual([]);
}, 90_000);
