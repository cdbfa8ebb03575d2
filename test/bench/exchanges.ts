/** Small exchanges over each path in turn: added latency, new connections, idle connections; tables to print. */
import { measureConnections, measureIdle, measureLatency, openConnections, type Target } from './echo.ts';
import { median, ratios, spread, table } from './figures.ts';
import type { Path } from './paths.ts';
import { cpuSeconds } from './process.ts';

const exchanges = 1_500;

/** What each path adds to one byte there and back, over going to the echo server `direct`. */
export async function latencyTable(paths: readonly Path[], direct: Target, rounds: number): Promise<string> {
  const added = new Map(paths.map((path) => [path.name, { p50: [] as number[], p99: [] as number[] }]));
  for (let round = 0; round <= rounds; round += 1) {
    const base = await measureLatency(direct, exchanges);
    for (const path of paths) {
      const { p50, p99 } = await measureLatency(path.dial, exchanges);
      // The first round warms up.
      if (round === 0) continue;
      added.get(path.name)?.p50.push(p50 - base.p50);
      added.get(path.name)?.p99.push(p99 - base.p50);
    }
  }
  const rows = [...added].map(([name, values]) => [name, spread(values.p50, 3), spread(values.p99, 3)]);
  return `\n${table(['added latency, ms', 'p50', 'p99'], rows)}`;
}

/** New connections a second, one byte there and back on each; ratios to the path named `peer`. */
export async function connectionsTable(paths: readonly Path[], rounds: number, peer: string): Promise<string> {
  const rates = new Map(paths.map((path) => [path.name, [] as number[]]));
  for (let round = 0; round < rounds; round += 1) {
    for (const path of paths) rates.get(path.name)?.push(await measureConnections(path.dial, 300, 16));
  }
  const theirs = rates.get(peer) ?? [];
  const rows = [...rates].map(([name, values]) => [name, spread(values, 0), median(ratios(values, theirs)).toFixed(2)]);
  return `\n${table(['connections a second', 'rate', '/go'], rows)}`;
}

const newFlows = 500;

/** Processor time of either end for each new connection, one byte there and back on it, while `count` others stand open. */
export async function flowsTable(paths: readonly Path[], rounds: number, count: number, peer: string): Promise<string> {
  const spent = new Map(paths.map((path) => [path.name, { dial: [] as number[], host: [] as number[] }]));
  for (const path of paths) {
    const live = await openConnections(path.dial, count);
    // The first round warms up.
    for (let round = 0; round <= rounds; round += 1) {
      const before = [cpuSeconds(path.dial.pid), cpuSeconds(path.host.pid)] as const;
      await measureConnections(path.dial, newFlows, 16);
      if (round === 0) continue;
      spent.get(path.name)?.dial.push(((cpuSeconds(path.dial.pid) - before[0]) * 1000) / newFlows);
      spent.get(path.name)?.host.push(((cpuSeconds(path.host.pid) - before[1]) * 1000) / newFlows);
    }
    for (const socket of live) socket.destroy();
  }
  const theirs = spent.get(peer);
  const rows = [...spent].map(([name, { dial, host }]) => [
    name,
    spread(dial),
    median(ratios(dial, theirs?.dial ?? [])).toFixed(2),
    spread(host),
    median(ratios(host, theirs?.host ?? [])).toFixed(2),
  ]);
  return `\n${table([`a new flow beside ${count}, CPU ms`, 'dialling end', '/go', 'hosting end', '/go'], rows)}`;
}

/** Resident memory of either end, each of `count` idle connections. */
export async function idleTable(paths: readonly Path[], count: number): Promise<string> {
  const rows: string[][] = [];
  for (const path of paths) {
    const cost = await measureIdle(path.dial, count, [path.dial.pid, path.host.pid]);
    const kibibytes = cost.bytesEach.map((bytes) => `${(bytes / 1024).toFixed(1)} KiB`);
    rows.push([path.name, ...kibibytes, `${cost.opened}`, cost.stopped ?? '']);
  }
  return `\n${table([`memory a connection, ${count} idle`, 'dialling end', 'hosting end', 'opened', ''], rows)}`;
}
