/** What a collector takes in: devices, each a process with a signed journal of its own, send all they have over the embedded overlay at once. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { connectEngine } from '../../main/cli/engine-connection.ts';
import { Child } from '../support/child.ts';
import { softPostgresMissing, startSoftPostgres } from '../support/soft-postgres.ts';
import { quantile, table } from './figures.ts';
import type { FleetDeviceOrder } from './fleet-device.ts';
import { residentBytes } from './process.ts';

/** How much of a fleet. */
export interface FleetSize {
  readonly devices: number;
  /** Over all devices together. */
  readonly records: number;
}

interface FleetFigures {
  readonly perSecond: number;
  readonly searchMs: readonly number[];
  readonly orderMs: readonly number[];
  readonly peakMiB: number;
}

const program = join(process.cwd(), 'dist', 'culvert.mjs');
const service = 'record';
const searches = [
  { text: 'rule number 3' },
  { decision: 'deny' },
  { text: 'send_mail' },
  { service: 'service-7' },
  { text: 'nothing like it' },
  { kind: 'call', text: 'allowed', device: 'device-1' },
] as const;
const searchRounds = 5;
const orderRounds = 10;

/** One fleet into a file, another into PostgreSQL where that is installed. */
export async function measureFleet(size: FleetSize): Promise<string> {
  const rows = [row('file beside the state', await measure(size, undefined))];
  const missing = softPostgresMissing();
  if (missing === undefined) {
    await using server = await startSoftPostgres();
    rows.push(row('PostgreSQL', await measure(size, server.url)));
  }
  const what = `collector, ${size.devices} devices, ${size.records} records`;
  const head = [what, 'records/s', 'search p50 / max ms', 'order p50 / p99 ms', 'peak MiB'];
  return [table(head, rows), ...(missing === undefined ? [] : [`PostgreSQL: ${missing}`])].join('\n');
}

function row(name: string, { perSecond, searchMs, orderMs, peakMiB }: FleetFigures): string[] {
  const pair = (values: readonly number[], high: number): string =>
    `${quantile(values, 0.5).toFixed(0)} / ${quantile(values, high).toFixed(0)}`;
  return [name, perSecond.toFixed(0), pair(searchMs, 1), pair(orderMs, 0.99), peakMiB.toFixed(0)];
}

async function measure({ devices, records }: FleetSize, database: string | undefined): Promise<FleetFigures> {
  const directory = await mkdtemp(join(tmpdir(), 'culvert-bench-fleet-'));
  const children: AsyncDisposable[] = [];
  try {
    const names = Array.from({ length: devices }, (_, i) => `device-${i + 1}`);
    await openOverlay(directory, names, children);
    const collector = await openCollector(directory, database, children);
    const fleet: Device[] = [];
    for (const name of names) {
      const jwt = await readFile(join(directory, 'overlay', `${name}.jwt`), 'utf8');
      const device = new Device({ name, directory, service, jwt, records: Math.floor(records / devices) });
      children.push(device);
      fleet.push(device);
      await device.written;
    }
    const total = (await Promise.all(fleet.map((device) => device.written))).reduce((sum, count) => sum + count, 0);
    const connection = await connectEngine(join(directory, 'desk', 'engine.sock'), new AbortController().signal);
    try {
      await connection.greeting;
      const { fleet: desk } = connection.client;
      let peak = 0;
      const began = performance.now();
      for (const device of fleet) device.send();
      for (let kept = 0; kept < total;) {
        await delay(200);
        peak = Math.max(peak, residentBytes(collector.pid));
        kept = (await desk.devices()).reduce((sum, device) => sum + device.records, 0);
      }
      const seconds = (performance.now() - began) / 1000;
      const searchMs: number[] = [];
      for (let round = 0; round < searchRounds; round += 1) {
        for (const query of searches) {
          const asked = performance.now();
          await desk.search({ ...query, limit: 100 });
          searchMs.push(performance.now() - asked);
        }
      }
      const orderMs: number[] = [];
      for (let round = 0; round < orderRounds; round += 1) {
        await desk.order({
          action: round % 2 === 0 ? 'quarantine' : 'release',
          subject: 'app:/usr/bin/none',
          cause: 'bench',
        });
        const done = async (): Promise<readonly number[] | undefined> => {
          const acks = (await desk.orders()).at(-1)?.devices ?? [];
          return acks.every(({ state }) => state === 'acknowledged')
            ? acks.map(({ afterMs = 0 }) => afterMs)
            : undefined;
        };
        let acks = await done();
        while (acks === undefined) acks = await delay(20).then(done);
        orderMs.push(...acks);
      }
      peak = Math.max(peak, residentBytes(collector.pid));
      return { perSecond: total / seconds, searchMs, orderMs, peakMiB: peak / 2 ** 20 };
    } finally {
      connection.close();
    }
  } finally {
    for (const child of children.reverse()) await child[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  }
}

async function openOverlay(directory: string, names: readonly string[], children: AsyncDisposable[]): Promise<void> {
  const seed = join(directory, 'seed.json');
  const services = [{ name: service, dial: names, bind: ['desk'] }];
  await writeFile(seed, JSON.stringify({ identities: ['desk', ...names], services }));
  const args = ['overlay', '--dir', join(directory, 'overlay'), '--seed', seed, '--json'];
  const child = new Child(process.execPath, [program, ...args], { logFile: join(directory, 'overlay.log') });
  children.push({ [Symbol.asyncDispose]: () => child.stop() });
  await child.until('the overlay to be ready', (output) => output.includes('"controller"'));
}

async function openCollector(
  directory: string,
  database: string | undefined,
  children: AsyncDisposable[],
): Promise<Child> {
  await writeFile(join(directory, 'culvert-passphrase'), 'bench');
  const env = { CREDENTIALS_DIRECTORY: directory };
  const state = ['--state', join(directory, 'desk')];
  const jwt = join(directory, 'overlay', 'desk.jwt');
  const enrol = ['enroll', jwt, '--name', 'desk', '--keystore', 'file', ...state];
  const enrolled = new Child(process.execPath, [program, ...enrol], { logFile: join(directory, 'enrol.log'), env });
  if ((await enrolled.exited) !== 0) throw new Error(enrolled.output());
  const args = ['collect', '--service', service, '--json', ...(database === undefined ? [] : ['--database', database])];
  const child = new Child(process.execPath, [program, ...args, ...state], {
    logFile: join(directory, 'desk.log'),
    env,
  });
  children.push({ [Symbol.asyncDispose]: () => child.stop() });
  await child.until('the collector to be ready', (output) => output.includes('"ready":true'));
  return child;
}

/** One device's process. */
class Device implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  /** Resolves with how many records its journal has, once all are written. */
  readonly written: Promise<number>;

  constructor(order: FleetDeviceOrder) {
    const self = process.argv[1] ?? '';
    this.#child = spawn(process.execPath, [self, 'fleet-device', JSON.stringify(order)], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#child.stderr.pipe(process.stderr);
    const ended = once(this.#child, 'exit').then(() => {
      throw new Error(`${order.name} ended before it had written its journal`);
    });
    const said = new Promise<number>((resolve) => {
      createInterface(this.#child.stdout).on('line', (line) => {
        if (line.startsWith('written ')) resolve(Number(line.slice('written '.length)));
        else process.stderr.write(`${order.name}: ${line}\n`);
      });
    });
    ended.catch(() => undefined);
    this.written = Promise.race([said, ended]);
    this.written.catch(() => undefined);
  }

  send(): void {
    this.#child.stdin.write('send\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.stdin.end();
    await exited;
  }
}
