/** Streams through the real router by iperf3: rate each way, CPU seconds per GiB at either end. */
import { spawn } from 'node:child_process';
import { Child, freePorts } from '../support/child.ts';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import type { DialEnd } from './ends.ts';
import { median, ratios, spread, table } from './figures.ts';
import type { Path } from './paths.ts';
import { cpuSeconds } from './process.ts';

export interface Way {
  readonly name: 'up' | 'down';
  readonly streams: number;
}

interface Sample {
  readonly gbitPerSecond: number;
  /** CPU seconds per GiB. */
  readonly dialCpu: number;
  readonly hostCpu: number;
}

export const ways: readonly Way[] = [
  { name: 'up', streams: 1 },
  { name: 'down', streams: 1 },
  { name: 'up', streams: 4 },
  { name: 'down', streams: 4 },
];

/** iperf3's server, the backend behind every hosted service. */
export async function openBackend(): Promise<{ readonly port: number; readonly child: Child }> {
  const [port] = (await freePorts(1)) as [number];
  const child = new Child('iperf3', ['-s', '--forceflush', '-B', '127.0.0.1', '-p', String(port)], {
    logFile: join(tmpdir(), `culvert-bench-iperf-${process.pid}.log`),
  });
  await child.until('iperf3 to listen', (output) => output.includes('listening'));
  return { port, child };
}

/** `rounds` of every path and way in turn, interleaved; the table with ratios to the path named `peer`. */
export async function measureThroughput(
  paths: readonly Path[],
  rounds: number,
  seconds: number,
  peer = 'go → go',
): Promise<string> {
  const samples = new Map<string, Sample[]>();
  const key = (path: Path, way: Way): string => `${path.name} ${way.name} ×${way.streams}`;
  for (let round = 0; round <= rounds; round += 1) {
    for (const way of ways) {
      for (const path of paths) {
        const sample = await run(path, way, seconds);
        // The first round warms up: compiles, opens sessions, fills caches.
        if (round > 0) samples.set(key(path, way), [...(samples.get(key(path, way)) ?? []), sample]);
      }
    }
  }
  const rows = ways.flatMap((way) => {
    const go = samples.get(`${peer} ${way.name} ×${way.streams}`) ?? [];
    return paths.map((path) => {
      const own = samples.get(key(path, way)) ?? [];
      const pick = (list: readonly Sample[], field: keyof Sample): number[] => list.map((sample) => sample[field]);
      const ratio = (field: keyof Sample): string => median(ratios(pick(own, field), pick(go, field))).toFixed(2);
      return [
        `${way.name} ×${way.streams}  ${path.name}`,
        spread(pick(own, 'gbitPerSecond')),
        ratio('gbitPerSecond'),
        spread(pick(own, 'dialCpu')),
        ratio('dialCpu'),
        spread(pick(own, 'hostCpu')),
        ratio('hostCpu'),
      ];
    });
  });
  const head = ['path', 'Gbit/s', '/go', 'CPU s/GiB dial', '/go', 'CPU s/GiB host', '/go'];
  return table(head, rows);
}

async function run(path: Path, way: Way, seconds: number): Promise<Sample> {
  // iperf3's server serves one test at a time, and hears of the last one's end through the tunnel.
  await new Promise((resolve) => setTimeout(resolve, 300));
  const dialBefore = cpuSeconds(path.dial.pid);
  const hostBefore = cpuSeconds(path.host.pid);
  const bytes = await iperf(path.dial, way, seconds).catch(async (error: Error) => {
    process.stderr.write(`${path.name} ${way.name} ×${way.streams}: ${error.message}; once more\n`);
    await new Promise((resolve) => setTimeout(resolve, 2000));
    return iperf(path.dial, way, seconds);
  });
  const gib = bytes.bytes / 1024 ** 3;
  return {
    gbitPerSecond: (bytes.bytes * 8) / bytes.seconds / 1e9,
    dialCpu: (cpuSeconds(path.dial.pid) - dialBefore) / gib,
    hostCpu: (cpuSeconds(path.host.pid) - hostBefore) / gib,
  };
}

interface IperfReport {
  readonly error?: string;
  readonly end?: { readonly sum_received: { readonly bytes: number; readonly seconds: number } };
}

/** What the receiving side counted: bytes that arrived, not bytes that were put in. */
function iperf(
  { address, port }: Pick<DialEnd, 'address' | 'port'>,
  way: Way,
  seconds: number,
): Promise<{ bytes: number; seconds: number }> {
  const args = ['-c', address, '-p', String(port), '-t', String(seconds), '-P', String(way.streams), '-J'];
  if (way.name === 'down') args.push('-R');
  return new Promise((resolve, reject) => {
    const child = spawn('iperf3', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.once('error', reject);
    child.once('exit', () => {
      const report = JSON.parse(output) as IperfReport;
      if (report.end === undefined || report.error !== undefined)
        reject(new Error(`iperf3: ${report.error ?? 'no result'}`));
      else resolve(report.end.sum_received);
    });
  });
}
