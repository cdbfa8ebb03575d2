import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { silentLog } from '../../main/base/log.ts';
import { runCommandLine } from '../../main/cli/command-line.ts';
import type { Backends } from '../../main/cli/backends.ts';
import type { Terminal } from '../../main/cli/terminal.ts';
import { openSocketServer } from '../../main/engine/calls/socket-server.ts';
import { createFakeEngine } from '../support/fake-engine.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { until } from '../support/until.ts';
import { personAtSocket } from '../support/person-at-socket.ts';

let home: string;
let before: string | undefined;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'culvert-late-'));
  before = process.env['TMPDIR'];
  process.env['TMPDIR'] = home;
});
afterEach(async () => {
  if (before === undefined) delete process.env['TMPDIR'];
  else process.env['TMPDIR'] = before;
  await rm(home, { recursive: true, force: true });
});

/** `demo --once` over programs of the test's own; what it said on standard error, once it has ended. */
function demoOnce(programs: Partial<Backends>, clock: ManualClock): Promise<{ code: number; err: string }> {
  let err = '';
  const terminal: Terminal = {
    env: {},
    outIsTty: false,
    errIsTty: false,
    inIsTty: false,
    columns: 120,
    out: () => undefined,
    err: (text) => (err += text),
    readInput: () => Promise.resolve(''),
    payload: () => Promise.resolve(),
    inputLines: () => (async function* () {})(),
    ask: () => Promise.resolve(undefined),
    askSecret: () => Promise.resolve(''),
  };
  const all = { version: '0.0.0', directory: home, ...programs } as Backends;
  const ran = runCommandLine(['demo', '--once'], {
    programs: all,
    terminal,
    clock,
    signal: new AbortController().signal,
  });
  return ran.then((code) => ({ code, err }));
}

it('a demo that is late is stopped, and has taken everything away before it says so', async () => {
  const clock = new ManualClock();
  const closed: string[] = [];
  let waiting = false;
  const programs: Partial<Backends> = {
    async openOverlay({ directory }) {
      await writeFile(join(home, 'workshop.jwt'), 'token');
      return {
        controller: `in ${directory ?? ''}`,
        router: '',
        tokens: { workshop: join(home, 'workshop.jwt') },
        [Symbol.asyncDispose]: async () => void closed.push('overlay'),
      };
    },
    openIdentities: () => Promise.resolve({ enroll: () => Promise.resolve({}) }) as never,
    async runEngine({ socketPath }) {
      // An engine on which the services are never hosted.
      const { dispatcher } = createFakeEngine();
      const server = await openSocketServer({
        ...personAtSocket(socketPath),
        dispatcher,
        log: silentLog,
      });
      waiting = true;
      const close = async (): Promise<void> => {
        await server[Symbol.asyncDispose]();
        closed.push('engine');
      };
      return {
        ready: { mode: 'proxy', modeReason: '', socket: socketPath, state: '', forwards: [] },
        stopped: new Promise(() => undefined),
        [Symbol.asyncDispose]: close,
      };
    },
  };
  const ran = demoOnce(programs, clock);
  await until(() => waiting);
  await new Promise((resolve) => setTimeout(resolve, 300));
  clock.advance(100_000);
  const { code, err } = await ran;
  expect(code).toBe(1);
  expect(err).toContain('base.timeout: the demo did not finish within 100 s');
  expect(closed).toEqual(['engine', 'overlay']);
  expect((await readdir(home)).filter((name) => name.startsWith('culvert-demo-'))).toEqual([]);
});

it('a demo that cannot even be stopped is given up', async () => {
  const clock = new ManualClock();
  let asked = false;
  const openOverlay = (): Promise<never> => {
    asked = true;
    return new Promise(() => undefined);
  };
  const ran = demoOnce({ openOverlay }, clock);
  await until(() => asked);
  clock.advance(100_000);
  clock.advance(5_000);
  expect(await ran).toMatchObject({ code: 1, err: expect.stringContaining('base.timeout') as string });
});
