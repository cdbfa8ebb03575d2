/**
 * `npm run bench [-- PART…]`: everything is measured beside the Go pair in one interleaved run, and printed as medians and ratios.
 * Parts: throughput, latency, connections, idle, containment, guard, and as root tun (throughput), in namespaces of their own.
 * Without parts: all of them.
 */
import { openRealNetwork } from '../support/real-network.ts';
import { openZitiMissing } from '../support/openziti-binary.ts';
import { whyNoNamespaces } from '../system/support/netns.ts';
import { containmentLimitMs, measureContainment } from './containment.ts';
import { measureConnections, measureIdle, measureLatency, openEcho } from './echo.ts';
import { median, ratios, spread, table } from './figures.ts';
import { measureGovernance } from './guard.ts';
import { openPaths, type Path } from './paths.ts';
import { isInside, runInside } from './private-network.ts';
import { measureThroughput, openBackend } from './throughput.ts';
import { measureTransparent, tunParts } from './tun.ts';

const asked = process.argv.slice(2);
const wants = (part: string): boolean => asked.length === 0 || asked.includes(part);
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 5);
const seconds = Number(process.env['BENCH_SECONDS'] ?? 4);
const trials = Number(process.env['BENCH_TRIALS'] ?? 200);
const liveSessions = Number(process.env['BENCH_LIVE'] ?? 1_000);
const idleConnections = Number(process.env['BENCH_IDLE'] ?? 10_000);

const print = (text: string): void => void process.stdout.write(`${text}\n`);

async function main(): Promise<void> {
  if (wants('guard')) print(`${await measureGovernance(rounds)}\n`);
  // Governing is measured without a network.
  if (asked.length > 0 && asked.every((part) => part === 'guard')) return;
  if (tunParts.some(wants) && !isInside) await transparent();
  if (asked.length > 0 && asked.every((part) => part === 'guard' || tunParts.includes(part)) && !isInside) return;
  const missing = openZitiMissing();
  if (missing !== undefined) throw new Error(missing);
  const network = await openRealNetwork();
  try {
    print(`OpenZiti ${network.version}, ${rounds} rounds after one to warm up\n`);
    if (isInside) return await measureTransparent(network, asked, { rounds, seconds });
    if (wants('throughput')) await throughput(network);
    if (['latency', 'connections', 'idle'].some(wants)) await exchanges(network);
    if (wants('containment')) await containment(network);
  } finally {
    await network[Symbol.asyncDispose]();
  }
}

/** What needs interfaces, routes and firewalls of its own. */
async function transparent(): Promise<void> {
  const why = whyNoNamespaces();
  if (why !== undefined) return print(`${tunParts.join(', ')}: not here: it ${why}`);
  await runInside(tunParts.filter(wants));
}

type RealNetwork = Awaited<ReturnType<typeof openRealNetwork>>;

async function throughput(network: RealNetwork): Promise<void> {
  const backend = await openBackend();
  const paths = await openPaths(network, backend.port);
  try {
    print(await measureThroughput(paths.paths, rounds, seconds));
  } finally {
    await paths[Symbol.asyncDispose]();
    await backend.child.stop();
  }
}

async function containment(network: RealNetwork): Promise<void> {
  const { text, p99 } = await measureContainment(network, { live: liveSessions, trials });
  const kept = p99 < containmentLimitMs ? 'kept' : 'NOT KEPT';
  print(`\n${text}\np99 below ${containmentLimitMs} ms: ${kept}`);
  if (!(p99 < containmentLimitMs)) process.exitCode = 1;
}

async function exchanges(network: RealNetwork): Promise<void> {
  const echo = await openEcho();
  const paths = await openPaths(network, echo.port);
  const same = paths.paths.filter((path) => path.dial.kind === path.host.kind);
  try {
    if (wants('latency')) await latency(same, echo.port);
    if (wants('connections')) await connections(same);
    if (wants('idle')) await idle(same);
  } finally {
    await paths[Symbol.asyncDispose]();
    await echo[Symbol.asyncDispose]();
  }
}

async function latency(paths: readonly Path[], directPort: number): Promise<void> {
  const added = new Map(paths.map((path) => [path.name, { p50: [] as number[], p99: [] as number[] }]));
  for (let round = 0; round < rounds; round += 1) {
    const direct = await measureLatency(directPort, 1000);
    for (const path of paths) {
      const { p50, p99 } = await measureLatency(path.dial.port, 1000);
      added.get(path.name)?.p50.push(p50 - direct.p50);
      added.get(path.name)?.p99.push(p99 - direct.p50);
    }
  }
  const rows = [...added].map(([name, values]) => [name, spread(values.p50, 3), spread(values.p99, 3)]);
  print(`\n${table(['added latency, ms', 'p50', 'p99'], rows)}`);
}

async function connections(paths: readonly Path[]): Promise<void> {
  const rates = new Map(paths.map((path) => [path.name, [] as number[]]));
  for (let round = 0; round < rounds; round += 1) {
    for (const path of paths) rates.get(path.name)?.push(await measureConnections(path.dial.port, 300, 16));
  }
  const go = rates.get('go → go') ?? [];
  const rows = [...rates].map(([name, values]) => [name, spread(values, 0), median(ratios(values, go)).toFixed(2)]);
  print(`\n${table(['connections a second', 'rate', '/go'], rows)}`);
}

async function idle(paths: readonly Path[]): Promise<void> {
  const rows: string[][] = [];
  for (const path of paths) {
    const cost = await measureIdle(path.dial.port, idleConnections, [path.dial.pid, path.host.pid]);
    const kibibytes = cost.bytesEach.map((bytes) => `${(bytes / 1024).toFixed(1)} KiB`);
    rows.push([path.name, ...kibibytes, `${cost.opened}`, cost.stopped ?? '']);
  }
  print(
    `\n${table([`memory a connection, ${idleConnections} idle`, 'dialling end', 'hosting end', 'opened', ''], rows)}`,
  );
}

await main();
