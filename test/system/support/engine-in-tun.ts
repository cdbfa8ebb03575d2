/** What applications that know nothing of Culvert see of an engine in `tun` mode, up to its end. Runs inside a namespace: see `tun-world.ts`. */
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import type { SessionView } from '../../../main/contract/views.ts';
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
  withWorld,
  type Backends,
  type World,
  type WorldService,
} from './tun-world.ts';

const target = (protocol: string, port: number) => ({ protocol, address: '127.0.0.1', port });

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
  await check('a thousand flows at one time', () => manyFlows('10.77.9.9', 505, 1000));
  await check('revoked: reset within 500 ms, reason policy_revoked, name gone', async () => {
    const { out } = await run('getent', ['ahostsv4', 'any.wild.dark']);
    const address = out.split(/\s/)[0] ?? '';
    const socket = await opened(address, 7);
    const closed = new Promise<number>((resolve) => socket.once('close', () => resolve(performance.now())));
    socket.on('error', () => undefined);
    const start = performance.now();
    await admin.deleteServicePolicy(policies['wild'] ?? '');
    const answered = performance.now();
    const ms = (await closed) - answered;
    expectThat(ms < 500, `it took ${ms} ms after the controller's answer`);
    await until(async () => {
      const rows = await culvertJson<SessionView[]>(['sessions', '--state', at('device')]);
      return rows.some((row) => row.service === 'wild' && row.closeReason === 'policy_revoked');
    }, 3000);
    await until(async () => !(await run('getent', ['ahostsv4', 'other.wild.dark'])).out.includes('100.64.'), 20_000);
    return { answerMs: Math.round(answered - start), resetAfterAnswerMs: Math.round(ms) };
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
  try {
    for (let i = 0; i < count; i += 50) {
      sockets.push(...(await Promise.all(Array.from({ length: 50 }, () => opened(host, port)))));
    }
    await Promise.all(
      sockets.map(
        (socket, i) =>
          new Promise<void>((resolve, reject) => {
            const text = `flow ${i}\n`;
            let got = '';
            socket.on('data', (chunk: Buffer) => {
              got += chunk.toString();
              if (got.length < text.length) return;
              if (got === text) resolve();
              else reject(new Error(`flow ${i} got ${got}`));
            });
            socket.once('error', reject);
            socket.write(text);
          }),
      ),
    );
    return { flows: sockets.length };
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

await scenarioMain(() => withWorld({ kind: process.argv[2] ?? '', services }, scenario));
