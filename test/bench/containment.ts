/**
 * How fast access ends: under many live sessions, from the signal (a policy deleted at the controller, a quarantine, a contract's end, a
 * breaker) to the last byte or the reset at the application's own socket; with calls of 13 MiB under way all the while.
 */
import { writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createClient } from '../../main/api/client.ts';
import { schema, type EngineClient } from '../../main/api/schema.ts';
import { connectSocket } from '../../main/ipc/socket-transport.ts';
import type { Network } from '../support/network.ts';
import { dialSocks } from '../support/socks-client.ts';
import { until } from '../support/until.ts';
import { CulvertEnd } from './ends.ts';
import { quantile, table } from './figures.ts';
import { LargeCalls } from './large-calls.ts';

type Kind = 'revocation' | 'quarantine' | 'expiry' | 'breaker';
const kinds: readonly Kind[] = ['revocation', 'quarantine', 'expiry', 'breaker'];

/** What promise 4 of the product grants at most, milliseconds. */
export const containmentLimitMs = 500;
const goalMs = 50;
const denialsToTrip = 3;
const expirySeconds = 1;
/** Write single register, which a read-only contract refuses. MODBUS Application Protocol 1.1b3 section 6.6. */
const writeFrame = Buffer.of(0, 1, 0, 0, 0, 6, 1, 6, 0, 1, 0, 7);
const refusalBytes = 9;

interface Bench {
  readonly network: Network;
  readonly proxy: string;
  readonly engine: EngineClient;
  /** The dial policy of each service that is revoked once. */
  readonly policies: ReadonlyMap<string, string>;
}

/** Run `trials` of each kind, interleaved; the table to print, and the highest p99 of a kind. */
export async function measureContainment(
  network: Network,
  options: { readonly live: number; readonly trials: number },
): Promise<{ readonly text: string; readonly p99: number }> {
  const sockets = new Set<Socket>();
  const backend = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', 4_096, resolve));
  const large = await LargeCalls.open();
  const targets = { echo: (backend.address() as AddressInfo).port, large: large.port };
  const { jwts, policies } = await arrange(network, targets, options.trials);
  const host = await CulvertEnd.enrol(jwts.host);
  const device = await CulvertEnd.enrol(jwts.device);
  const live: Socket[] = [];
  const results = new Map<Kind, number[]>(kinds.map((kind) => [kind, []]));
  try {
    await host.run(['--mode', 'host']);
    const state = join(device.directory, 'state');
    const breaker = `{ denials: ${denialsToTrip}, windowSeconds: 60, holdSeconds: 1 }`;
    await writeFile(join(state, 'culvert.yaml'), `policy: { breaker: ${breaker}, detectors: { enabled: false } }\n`);
    const child = await device.run(['--mode', 'proxy', '--proxy-listen', '127.0.0.1:0']);
    const ready = child
      .output()
      .split('\n')
      .find((line) => line.includes('"ready":true'));
    const { proxy } = JSON.parse(ready ?? '{}') as { proxy: string };
    const connection = createClient(schema, await connectSocket(join(state, 'engine.sock')));
    try {
      const bench: Bench = { network, proxy, engine: connection.client, policies };
      await openLive(bench, live, options.live);
      (await patientDial(bench, 'large')).destroy();
      large.start(proxy, 'large.dark');
      const once = async (kind: Kind, turn: number): Promise<void> => {
        results.get(kind)?.push(await trial(kind, turn, bench));
      };
      for (let turn = 0; turn < options.trials; turn += 1) {
        // An expiry is mostly waiting; the others happen meanwhile.
        const expiring = once('expiry', turn);
        for (const kind of ['revocation', 'quarantine', 'breaker'] as const) await once(kind, turn);
        await expiring;
      }
      const answered = await large.stop();
      const alive = live.filter((socket) => !socket.destroyed).length;
      return report(results, { alive, large: answered });
    } finally {
      connection.close();
    }
  } finally {
    for (const socket of live) socket.destroy();
    await device[Symbol.asyncDispose]();
    await host[Symbol.asyncDispose]();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => backend.close(resolve));
    await large[Symbol.asyncDispose]();
  }
}

async function arrange(
  network: Network,
  targets: { readonly echo: number; readonly large: number },
  revocations: number,
) {
  const { admin } = network;
  const host = await admin.createIdentity('containment-host');
  const device = await admin.createIdentity('containment-device');
  const policies = new Map<string, string>();
  const services: string[] = [];
  const contracts: Readonly<Record<string, unknown>> = {
    live: undefined,
    large: { mcp: { allow: ['*'] } },
    quarantine: undefined,
    expiry: { maxDurationSeconds: expirySeconds },
    breaker: { modbus: { allow: 'read' } },
  };
  const names = [...Object.keys(contracts), ...Array.from({ length: revocations }, (_, turn) => `revocation-${turn}`)];
  for (const name of names) {
    const contract = contracts[name];
    const id = await admin.createService({
      name,
      configs: {
        'host.v1': { protocol: 'tcp', address: '127.0.0.1', port: name === 'large' ? targets.large : targets.echo },
        'intercept.v1': { protocols: ['tcp'], addresses: [`${name}.dark`], portRanges: [{ low: 80, high: 80 }] },
        ...(contract === undefined ? {} : { 'culvert.contract.v1': contract }),
      },
    });
    services.push(id);
    policies.set(name, await admin.createServicePolicy({ type: 'Dial', services: [id], identities: [device.id] }));
  }
  await admin.createServicePolicy({ type: 'Bind', services, identities: [host.id] });
  return { jwts: { host: host.jwt, device: device.jwt }, policies };
}

/** Sessions that talk all the while: a byte each second there and back. */
async function openLive(bench: Bench, live: Socket[], count: number): Promise<void> {
  await until(
    () =>
      dial(bench, 'live').then(
        (socket) => live.push(socket) > 0,
        () => false,
      ),
    60_000,
  );
  while (live.length < count) {
    const batch = Math.min(20, count - live.length);
    live.push(...(await Promise.all(Array.from({ length: batch }, () => dial(bench, 'live')))));
  }
  for (const [index, socket] of live.entries()) {
    socket.resume();
    const talk = setInterval(() => socket.write('x'), 900 + (index % 200));
    talk.unref();
    socket.on('close', () => clearInterval(talk));
  }
}

function dial(bench: Bench, service: string): Promise<Socket> {
  return dialSocks(bench.proxy, `${service}.dark`, 80, 30_000);
}

/** Milliseconds from the signal to the socket's end. */
async function trial(kind: Kind, turn: number, bench: Bench): Promise<number> {
  const service = kind === 'revocation' ? `revocation-${turn}` : kind;
  const socket = await patientDial(bench, service);
  const over = closing(socket);
  const signalledAt = await signals[kind](service, socket, bench);
  const endedAt = await Promise.race([over, delay(30_000, Number.POSITIVE_INFINITY)]);
  if (kind === 'quarantine') await bench.engine.quarantine.release({ subject: `service:${service}` });
  return endedAt - signalledAt;
}

/** A breaker holds for a second, and a terminator may still be on its way. */
async function patientDial(bench: Bench, service: string): Promise<Socket> {
  let socket: Socket | undefined;
  await until(
    () =>
      dial(bench, service).then(
        (dialled) => ((socket = dialled), true),
        () => delay(100, false),
      ),
    60_000,
  );
  if (socket === undefined) throw new Error(`${service} was not reached`);
  return socket;
}

/** Each gives its signal and says when: wall-clock-free milliseconds of this process, taken before the signal is sent. */
const signals: Readonly<Record<Kind, (service: string, socket: Socket, bench: Bench) => Promise<number>>> = {
  async revocation(service, socket, { network, policies }) {
    const talk = setInterval(() => socket.write('x'), 5);
    socket.on('close', () => clearInterval(talk));
    const at = performance.now();
    await network.admin.deleteServicePolicy(policies.get(service) ?? '');
    return at;
  },
  async quarantine(service, socket, { engine }) {
    socket.write('x');
    const at = performance.now();
    await engine.quarantine.add({ subject: `service:${service}`, cause: 'containment is measured' });
    return at;
  },
  async expiry(service, _socket, { engine }) {
    const row = (await engine.session.list()).findLast((one) => one.service === service && one.state === 'open');
    if (row === undefined) throw new Error('the session that is to expire is not listed');
    // The engine's own word of when it began, on the same machine's clock.
    return performance.now() + Date.parse(row.startedAt) + expirySeconds * 1000 - Date.now();
  },
  async breaker(_service, socket) {
    let answered = 0;
    socket.on('data', (chunk: Buffer) => (answered += chunk.length));
    for (let call = 1; call < denialsToTrip; call += 1) {
      socket.write(writeFrame);
      await until(() => answered >= call * refusalBytes);
    }
    const at = performance.now();
    socket.write(writeFrame);
    return at;
  },
};

/** When the application had its last byte or the reset. */
function closing(socket: Socket): Promise<number> {
  return new Promise((resolve) => {
    socket.on('end', () => socket.end());
    socket.on('close', () => resolve(performance.now()));
    socket.resume();
  });
}

function report(
  results: ReadonlyMap<Kind, number[]>,
  meanwhile: { readonly alive: number; readonly large: number },
): { text: string; p99: number } {
  const all = [...results.values()].flat();
  const row = (name: string, values: readonly number[]): string[] => [
    name,
    String(values.length),
    ...[quantile(values, 0.5), quantile(values, 0.99), Math.max(...values)].map((value) => value.toFixed(1)),
    `${((100 * values.filter((value) => value < goalMs).length) / values.length).toFixed(1)} %`,
  ];
  const rows = [...[...results].map(([kind, values]) => row(kind, values)), row('all', all)];
  const heads = ['trials', 'p50', 'p99', 'worst', `below ${goalMs} ms`];
  const title = `containment, ms; ${meanwhile.alive} sessions live, ${meanwhile.large} calls of 13 MiB meanwhile`;
  const text = table([title, ...heads], rows);
  return { text, p99: Math.max(...[...results.values()].map((values) => quantile(values, 0.99))) };
}
