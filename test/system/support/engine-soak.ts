/**
 * The whole engine under mixed load while its router is stopped and started again and again: NETWORK SECONDS. A connection may be reset when
 * the router goes; it may never end cleanly with a byte missing, nor fail once the router has been back for ten seconds.
 */
import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import WebSocket from 'ws';
import type { StatusView } from '../../../main/api/views.ts';
import { culvertJson } from '../../support/culvert.ts';
import {
  check,
  expectThat,
  noWarnings,
  run,
  say,
  scenarioMain,
  seesServices,
  target,
  withWorld,
  type World,
} from './tun-world.ts';

const seconds = Number(process.argv[3] ?? 120);
/** Code is compiled and caches fill for a while; a long soak waits for that. */
const warmUpSeconds = Math.max(15, seconds / 10);
/** The engine remembers the last thousand sessions; memory is level once there were more. */
const warmUpSessions = 1_200;
const restartEverySeconds = 30;
const downMs = 2_000;
/** Services come back by themselves within this, once the router is there. */
const backWithinMs = 10_000;
const inspector = 9301;
const workers = '12';
const load = new URL('../../test/system/support/load.mjs', import.meta.url).pathname;

interface Counts {
  readonly whole: number;
  readonly reset: number;
  readonly slow: number;
  readonly refused: number;
  readonly bytes: number;
  readonly wrong: number;
  readonly failed: number;
  readonly failures: readonly { readonly at: number; readonly what: string; readonly result: string }[];
}

interface Memory {
  readonly rss: number;
  readonly heapUsed: number;
  readonly external: number;
}

/** What is held for good: the least of some readings over a minute, for what ends late (dials of the last minute, TLS sessions) is held at the first. */
async function memory(): Promise<Memory> {
  let least = await readMemory();
  for (let reading = 1; reading < 7; reading++) {
    await delay(10_000);
    const next = await readMemory();
    if (held(next) < held(least)) least = next;
  }
  return least;
}

const held = ({ heapUsed, external }: Memory): number => heapUsed + external;

/** After a full collection, by the engine's inspector. */
async function readMemory(): Promise<Memory> {
  const list = (await (await fetch(`http://127.0.0.1:${inspector}/json/list`)).json()) as {
    webSocketDebuggerUrl: string;
  }[];
  const socket = new WebSocket(list[0]?.webSocketDebuggerUrl ?? '');
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  const ask = (id: number, method: string, params: object = {}): Promise<{ result: { value: string } }> =>
    new Promise((resolve) => {
      socket.on('message', (data: Buffer) => {
        const answer = JSON.parse(data.toString()) as { id: number; result: { result: { value: string } } };
        if (answer.id === id) resolve(answer.result);
      });
      socket.send(JSON.stringify({ id, method, params }));
    });
  await ask(1, 'HeapProfiler.collectGarbage');
  await ask(2, 'HeapProfiler.collectGarbage');
  const { result } = await ask(3, 'Runtime.evaluate', { expression: 'JSON.stringify(process.memoryUsage())' });
  socket.close();
  return JSON.parse(result.value) as Memory;
}

const megabytes = (bytes: number): number => Math.round(bytes / 1e5) / 10;

async function scenario(world: World): Promise<void> {
  const { network, at } = world;
  const engine = await world.start('device', 'tun', { NODE_OPTIONS: `--inspect=127.0.0.1:${inspector}` });
  await seesServices(world, 'device', 3);

  const loaded = (forSeconds: number): Promise<Counts> =>
    new Promise((resolve, reject) => {
      const args = [load, String(forSeconds), 'echo.dark', 'empty.dark', 'ping.dark', workers];
      execFile(process.execPath, args, { timeout: (forSeconds + 90) * 1000, maxBuffer: 1 << 26 }, (error, out, err) => {
        if (error !== null) reject(new Error(`the load failed: ${err.slice(-2000)}`));
        else resolve(JSON.parse(out) as Counts);
      });
    });
  const outages: { readonly fromMs: number; readonly toMs: number }[] = [];
  const restart = async (): Promise<void> => {
    const fromMs = Date.now();
    await network.stopRouter();
    await delay(downMs);
    await network.startRouter();
    outages.push({ fromMs, toMs: Date.now() });
  };
  const round = async (forSeconds: number): Promise<Counts> => {
    const endsAtMs = Date.now() + (forSeconds - 8) * 1000;
    const load = loaded(forSeconds);
    while (Date.now() < endsAtMs) {
      await delay(Math.min(restartEverySeconds * 1000, forSeconds * 400));
      if (Date.now() < endsAtMs) await restart();
    }
    return load;
  };
  /** Once nothing is left of the flows, by the engine's own count. */
  const settled = async (): Promise<StatusView> => {
    let status = await culvertJson<StatusView>(['status', '--state', at('device')]);
    for (let tries = 0; tries < 80 && left(status) > 0; tries++) {
      await delay(500);
      status = await culvertJson<StatusView>(['status', '--state', at('device')]);
    }
    return status;
  };

  do await round(warmUpSeconds);
  while ((await settled()).sessions.total < warmUpSessions);
  const before = await memory();
  const counts = await round(seconds);
  const status = await settled();
  const after = await memory();

  await check('no byte is lost', async () => {
    const wrong = counts.failures.filter(({ result }) => result === 'wrong');
    expectThat(counts.wrong === 0, `other bytes than were sent, and a clean end: ${JSON.stringify(wrong.slice(0, 5))}`);
    const enough = Math.min(counts.whole, counts.reset, counts.slow, counts.refused) > 10;
    expectThat(enough, `too little was done: ${JSON.stringify({ ...counts, failures: [] })}`);
    const { failures, ...rest } = counts;
    return { seconds, restarts: outages.length, ...rest, sample: failures.slice(0, 3) };
  });
  await check('nothing is accepted for a service that nobody hosts', async () => {
    const search = ['audit', 'search', '--service', 'empty', '--kind', 'session.opened', '--state', at('device')];
    const opened = await culvertJson<readonly unknown[]>(search);
    expectThat(opened.length === 0, JSON.stringify(opened.slice(0, 3)));
  });
  await check('a connection fails only while the router is away', async () => {
    const strange = counts.failures.filter(
      ({ at: when }) => !outages.some(({ fromMs, toMs }) => when >= fromMs - 100 && when <= toMs + backWithinMs),
    );
    expectThat(strange.length === 0, JSON.stringify({ strange: strange.slice(0, 10), outages }));
    const slowest = counts.failures.map(
      ({ at: when }) => when - (outages.findLast(({ fromMs }) => when >= fromMs)?.toMs ?? when),
    );
    return { lastFailureAfterRestartMs: Math.max(0, ...slowest) };
  });
  await check('no orphan is left in the tables', async () => {
    expectThat(left(status) === 0, JSON.stringify([status.sessions, status.tun]));
    const conntrack = (await run('ss', ['-Htn', 'state', 'established', 'src', '100.64.0.0/10'])).out.trim();
    expectThat(conntrack === '', `sockets left on the interface:\n${conntrack.slice(0, 500)}`);
  });
  await check('memory is where it was', async () => {
    const figures = {
      heapMegabytes: [megabytes(held(before)), megabytes(held(after))],
      rssMegabytes: [megabytes(before.rss), megabytes(after.rss)],
    };
    expectThat(held(after) < held(before) * 1.1, JSON.stringify(figures));
    return figures;
  });
  await noWarnings(engine.errors());
  say({ check: 'end', ok: true });
}

/** Sessions and flows still there. */
function left({ sessions, tun }: StatusView): number {
  const { held = 0, tcp = 0, udp = 0 } = tun?.flows ?? {};
  return sessions.open + held + tcp + udp;
}

await scenarioMain(() =>
  withWorld(
    {
      kind: process.argv[2] ?? '',
      services: (backends) => ({
        echo: { addresses: ['echo.dark'], ports: [80, 80], host: target('tcp', backends.echo) },
        ping: {
          protocols: ['udp'],
          addresses: ['ping.dark'],
          ports: [5000, 5000],
          host: target('udp', backends.udp),
          // So that what is left at the end is seen soon.
          contract: { idleTimeoutSeconds: 3 },
        },
        empty: { addresses: ['empty.dark'], ports: [80, 80] },
      }),
    },
    scenario,
  ),
);
