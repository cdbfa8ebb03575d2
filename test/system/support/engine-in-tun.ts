/** What applications that know nothing of Culvert see of an engine in `tun` mode, up to its end. Runs inside a namespace: see `tun-world.ts`. */
import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import type { AuditRecordView } from '../../../main/api/record-views.ts';
import type { SessionView } from '../../../main/api/views.ts';
import { culvert, culvertJson } from '../../support/culvert.ts';
import { until } from '../../support/until.ts';
import {
  check,
  expectThat,
  noWarnings,
  opened,
  run,
  say,
  scenarioMain,
  seesServices,
  target,
  withWorld,
  type Backends,
  type World,
  type WorldService,
} from './tun-world.ts';

const services = (backends: Backends): Readonly<Record<string, WorldService>> => ({
  web: { addresses: ['web.dark'], ports: [80, 80], host: target('tcp', backends.http) },
  plc: { addresses: ['10.77.0.0/16'], ports: [500, 510], host: target('tcp', backends.echo) },
  wild: { addresses: ['*.wild.dark'], ports: [7, 7], host: target('tcp', backends.echo) },
  ping: { protocols: ['udp'], addresses: ['ping.dark'], ports: [9, 9], host: target('udp', backends.udp) },
  empty: { addresses: ['empty.dark'], ports: [7, 7] },
});

async function scenario(world: World): Promise<void> {
  const { network, at, env, policies } = world;
  const { admin } = network;
  const resolverBefore = await readFile('/etc/resolv.conf', 'utf8');
  const routesBefore = (await run('ip', ['route', 'show', 'table', 'all'])).out;
  const engine = await world.start('device', 'tun');
  await seesServices(world, 'device', 5);
  say({ check: 'mode', ok: engine.ready['mode'] === 'tun', detail: engine.ready['modeReason'] });

  await check('curl by name', async () => {
    const { code, out } = await run('curl', ['-sS', '-m', '10', 'http://web.dark/']);
    expectThat(code === 0 && out.includes('hello from the dark'), out);
  });
  await check('the session names the program', async () => {
    const rows = await culvertJson<SessionView[]>(['sessions', '--state', at('device')]);
    const row = rows.find((one) => one.service === 'web');
    expectThat(row?.app.attribution === 'exact' && row.app.path?.endsWith('curl') === true, JSON.stringify(row?.app));
    expectThat(row?.destination === 'web.dark:80', String(row?.destination));
  });
  await check('an address of a prefix, ports of a range', async () => {
    for (const port of [500, 502, 510]) {
      const { out } = await run('bash', [
        '-c',
        `exec 3<>/dev/tcp/10.77.1.2/${port}; echo "port ${port}" >&3; head -c 8 <&3`,
      ]);
      expectThat(out.startsWith(`port ${port}`), `${port}: ${out}`);
    }
    const { code } = await run('bash', ['-c', 'exec 3<>/dev/tcp/10.77.1.2/511'], 3000);
    expectThat(code !== 0, 'a port outside of the range was accepted');
  });
  await check('a wildcard name, interactive', async () => {
    const { out } = await run('bash', [
      '-c',
      'exec 3<>/dev/tcp/any.thing.wild.dark/7; for i in 1 2 3; do echo "line $i" >&3; read -u 3 l; echo "$l"; done',
    ]);
    expectThat(out === 'line 1\nline 2\nline 3\n', out);
  });
  await check('UDP there and back', async () => {
    const { out } = await run('bash', [
      '-c',
      'exec 3<>/dev/udp/ping.dark/9; echo -n datagram >&3; timeout 5 head -c 8 <&3',
    ]);
    expectThat(out === 'datagram', out);
  });
  await check('nobody hosts: connection refused, not accepted and cut', async () => {
    const { code, out } = await run('curl', ['-sS', '-m', '10', 'http://empty.dark:7/']);
    expectThat(code === 7, `curl exit ${code}: ${out}`);
  });
  await check('an unknown name is the system resolver’s', async () => {
    const { out } = await run('getent', ['ahostsv4', 'nothing.example'], 10_000);
    expectThat(!out.includes('100.64.'), out);
  });
  await check('a thousand flows at one time', () =>
    manyFlows('10.77.9.9', 505, 1000).catch(async (error: unknown) => {
      const why = await Promise.all(['device', 'box'].map((name) => endings(at(name))));
      throw new Error(`${(error as Error).message}; ${why.join('; ')}`);
    }),
  );
  await check('revoked: reset and name gone within 500 ms, reason policy_revoked', async () => {
    const socket = await opened(await addressOf('any.wild.dark'), 7);
    const closed = new Promise<number>((resolve) => socket.once('close', () => resolve(performance.now())));
    socket.on('error', () => undefined);
    const start = performance.now();
    await admin.deleteServicePolicy(policies['wild'] ?? '');
    const answered = performance.now();
    // Each asked of by itself, in this process: starting another takes longer on a busy machine than what is measured.
    const nameGone = until(async () => !(await addressOf('other.wild.dark')).startsWith('100.64.'), 5000).then(() =>
      performance.now(),
    );
    const [resetMs, nameMs] = (await Promise.all([closed, nameGone])).map((at) => Math.round(at - answered));
    const took = { answerMs: Math.round(answered - start), resetAfterAnswerMs: resetMs, nameGoneAfterAnswerMs: nameMs };
    expectThat(Math.max(resetMs ?? Infinity, nameMs ?? Infinity) < 500, JSON.stringify(took));
    // By the record: of closed sessions the last thousand are listed, and those of the check before may go on closing.
    let reasons: readonly unknown[] = [];
    const search = ['audit', 'search', '--kind', 'session.closed', '--service', 'wild', '--state', at('device')];
    await until(async () => {
      reasons = (await culvertJson<AuditRecordView[]>(search)).map((record) => record['reason']);
      return reasons.includes('policy_revoked');
    }, 10_000).catch(() => expectThat(false, `closed for: ${reasons.join(', ')}`));
    return took;
  });
  await check('stopped: routes and resolver as before', async () => {
    await engine[Symbol.asyncDispose]();
    expectThat((await readFile('/etc/resolv.conf', 'utf8')) === resolverBefore, 'the resolver differs');
    expectThat((await run('ip', ['route', 'show', 'table', 'all'])).out === routesBefore, 'the routes differ');
    expectThat(!(await run('ip', ['link'])).out.includes('culvert'), 'the device is still there');
  });
  await check('killed: a repair puts everything back', async () => {
    const again = await world.start('device', 'tun');
    again.kill('SIGKILL');
    await again.exited;
    const repaired = await culvert(['repair', '--state', at('device')], { env });
    expectThat(repaired.code === 0, repaired.err);
    expectThat((await readFile('/etc/resolv.conf', 'utf8')) === resolverBefore, 'the resolver differs');
    expectThat((await run('ip', ['route', 'show', 'table', 'all'])).out === routesBefore, 'the routes differ');
  });
  await noWarnings(engine.errors());
}

/** `count` flows open together, each with its own bytes there and back. */
async function manyFlows(host: string, port: number, count: number): Promise<unknown> {
  const sockets: Socket[] = [];
  const lost: string[] = [];
  try {
    for (let i = 0; i < count; i += 50) {
      const batch = await Promise.all(Array.from({ length: 50 }, () => opened(host, port)));
      for (const socket of batch) {
        const number = sockets.push(socket) - 1;
        // From the first moment: one that ends while the others are being opened must not be waited for.
        socket.on('error', (error) => lost.push(`flow ${number}: ${error.message}`));
      }
    }
    await Promise.all(sockets.map((socket, i) => echoed(socket, `flow ${i}\n`)));
    expectThat(lost.length === 0, lost.join(', '));
    return { flows: sockets.length };
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

/** What the system's resolver makes of a name; empty where it knows none. */
async function addressOf(name: string): Promise<string> {
  return (await lookup(name, 4).catch(() => ({ address: '' }))).address;
}

/** Why an engine's sessions have ended, each way counted. */
async function endings(state: string): Promise<string> {
  const counts = new Map<string, number>();
  for (const row of await culvertJson<SessionView[]>(['sessions', '--state', state])) {
    const why = `${row.service} ${row.state} ${row.closeReason ?? ''} ${row.closeDetail ?? ''}`;
    counts.set(why, (counts.get(why) ?? 0) + 1);
  }
  return JSON.stringify(Object.fromEntries(counts));
}

/** The text comes back, whole and alone; an end before that is told. */
function echoed(socket: Socket, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let got = '';
    const ended = (): void => reject(new Error(`${text.trim()} ended after ${JSON.stringify(got)}`));
    socket.once('close', ended);
    if (socket.destroyed) ended();
    socket.on('data', (chunk: Buffer) => {
      got += chunk.toString();
      if (got.length < text.length) return;
      if (got === text) resolve();
      else reject(new Error(`${JSON.stringify(text)} came back as ${JSON.stringify(got)}`));
    });
    socket.write(text);
  });
}

await scenarioMain(() => withWorld({ kind: process.argv[2] ?? '', services }, scenario));
