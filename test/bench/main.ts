/**
 * `npm run bench [-- PART…]`: everything is measured beside the Go pair in one interleaved run, and printed as medians and ratios.
 * Parts: throughput, latency, connections, flows, idle, resting, start, dial, containment, scale, guard, data, fleet, mcp, window (in Chromium; BENCH_BESIDE names
 * directories of other builds of it, with commas); and through TUN, as root, in network namespaces of their own:
 * tun-hop (no overlay behind it), tun-throughput, tun-slow-reader, tun-latency, tun-connections, tun-idle. Without parts: all of them.
 */
import { openRealNetwork } from '../support/real-network.ts';
import { openZitiMissing } from '../support/openziti-binary.ts';
import { whyNoNamespaces } from '../system/support/netns.ts';
import { containmentLimitMs, measureContainment } from './containment.ts';
import { measureCallPolicy } from './call-policy.ts';
import { measureData } from './data.ts';
import { measureDials } from './dial.ts';
import { openEcho } from './echo.ts';
import { connectionsTable, flowsTable, idleTable, latencyTable } from './exchanges.ts';
import { measureGovernance } from './guard.ts';
import { measureFleet } from './fleet.ts';
import { runFleetDevice, type FleetDeviceOrder } from './fleet-device.ts';
import { runLargeCalls } from './large-calls.ts';
import { measureMcp } from './mcp.ts';
import { openPaths } from './paths.ts';
import { isInside, runInside } from './private-network.ts';
import { measureScale } from './scale.ts';
import { measureResting, measureStart } from './start.ts';
import { measureThroughput, openBackend } from './throughput.ts';
import { hopReport } from './tun-hop.ts';
import { measureTransparent, tunParts } from './tun.ts';
import { measureWindow } from './window.ts';

const asked = process.argv.slice(2);
const wants = (part: string): boolean => asked.length === 0 || asked.includes(part);
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 5);
const seconds = Number(process.env['BENCH_SECONDS'] ?? 4);
const trials = Number(process.env['BENCH_TRIALS'] ?? 200);
const liveSessions = Number(process.env['BENCH_LIVE'] ?? 1_000);
const idleConnections = Number(process.env['BENCH_IDLE'] ?? 10_000);
const fleet = {
  devices: Number(process.env['BENCH_DEVICES'] ?? 50),
  records: Number(process.env['BENCH_RECORDS'] ?? 1_000_000),
};
const scale = {
  services: Number(process.env['BENCH_SERVICES'] ?? 5_000),
  identities: Number(process.env['BENCH_IDENTITIES'] ?? 50),
};
/** Directories of other builds of the window. */
const otherWindows = (process.env['BENCH_BESIDE'] ?? '').split(',').filter(Boolean);
/** Parts that need no network but the embedded one. */
const alone = ['mcp', 'guard', 'data', 'fleet', 'start', 'window', 'tun-hop', ...tunParts];

const print = (text: string): void => void process.stdout.write(`${text}\n`);

async function main(): Promise<void> {
  if (asked[0] === 'large-calls') return runLargeCalls();
  if (asked[0] === 'fleet-device') return runFleetDevice(JSON.parse(asked[1] ?? '') as FleetDeviceOrder);
  if (!isInside) {
    if (wants('guard')) print(`${await measureGovernance(rounds)}\n`);
    if (wants('data')) print(`${measureData()}\n\n${await measureCallPolicy()}\n`);
    if (wants('mcp')) print(`${await measureMcp(rounds)}\n`);
    if (wants('start')) print(`${await measureStart(rounds)}\n`);
    if (wants('window')) print(`${await measureWindow(rounds, otherWindows)}\n`);
    if (wants('fleet')) print(`${await measureFleet(fleet)}\n`);
    if (wants('tun-hop') || tunParts.some(wants)) await transparent();
    // The rest needs a network that stands on this host's loopback.
    if (asked.length > 0 && asked.every((part) => alone.includes(part))) return;
  }
  const missing = openZitiMissing();
  if (missing !== undefined) throw new Error(missing);
  const network = await openRealNetwork();
  try {
    print(`OpenZiti ${network.version}, ${rounds} rounds after one to warm up\n`);
    if (isInside) return await measureTransparent(network, asked, { rounds, seconds, idleConnections });
    if (wants('throughput')) await throughput(network);
    if (['latency', 'connections', 'flows', 'idle'].some(wants)) await exchanges(network);
    if (wants('resting')) print(await measureResting(network));
    if (wants('scale')) print(`\n${await measureScale(network, scale)}`);
    if (wants('dial')) print(`\n${await measureDials(network, rounds)}`);
    if (wants('containment')) await containment(network);
  } finally {
    await network[Symbol.asyncDispose]();
  }
}

/** What needs interfaces, routes and firewalls of its own. */
async function transparent(): Promise<void> {
  const why = whyNoNamespaces();
  if (why !== undefined) return print(`through TUN: not here: it ${why}`);
  if (wants('tun-hop')) print(await hopReport(rounds, seconds));
  if (tunParts.some(wants)) await runInside(tunParts.filter(wants));
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
    if (wants('latency')) print(await latencyTable(same, echo, rounds));
    if (wants('connections')) print(await connectionsTable(same, rounds, 'go → go'));
    if (wants('flows')) print(await flowsTable(same, rounds, liveSessions, 'go → go'));
    if (wants('idle')) print(await idleTable(same, idleConnections));
  } finally {
    await paths[Symbol.asyncDispose]();
    await echo[Symbol.asyncDispose]();
  }
}

await main();
