/** What a start of the command line costs beside a start of Node alone, and what an engine holds that has nothing to do. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Child } from '../support/child.ts';
import type { Network } from '../support/network.ts';
import { openEcho } from './echo.ts';
import { median, ratios, spread, table } from './figures.ts';
import { openPaths } from './paths.ts';
import { reapedCpuSeconds, residentBytes } from './process.ts';

const program = join(process.cwd(), 'dist', 'culvert.mjs');
/** Both sides have settled by then: services are known, the first collections are over. */
const settleMs = 20_000;
/** Starts a sample, for the kernel counts in steps of 10 ms. */
const startsEach = 5;

/** Processor and wall time of short programs in turn, in milliseconds; ratios to Node alone. */
export async function measureStart(rounds: number): Promise<string> {
  const home = mkdtempSync(join(tmpdir(), 'culvert-bench-start-'));
  const state = join(home, 'state');
  const engine = new Child(process.execPath, [program, 'run', '--mode', 'proxy', '--json', '--state', state], {
    logFile: join(home, 'engine.log'),
    env: {},
  });
  try {
    await engine.until('the engine to be ready', (output) => output.includes('"ready":true'));
    const commands: readonly (readonly [string, readonly string[]])[] = [
      ['node -e 0', ['-e', '0']],
      ['culvert --version', [program, '--version']],
      ['culvert status', [program, 'status', '--state', state]],
    ];
    const taken = new Map(commands.map(([name]) => [name, { cpu: [] as number[], wall: [] as number[] }]));
    for (let round = 0; round <= rounds; round += 1) {
      for (const [name, args] of commands) {
        const { cpuMs, wallMs } = timeOf(args);
        // The first round warms the page cache.
        if (round === 0) continue;
        taken.get(name)?.cpu.push(cpuMs);
        taken.get(name)?.wall.push(wallMs);
      }
    }
    const base = taken.get('node -e 0');
    const rows = [...taken].map(([name, { cpu, wall }]) => [
      name,
      spread(cpu, 0),
      median(ratios(cpu, base?.cpu ?? [])).toFixed(2),
      spread(wall, 0),
      median(ratios(wall, base?.wall ?? [])).toFixed(2),
    ]);
    return table(['start', 'CPU ms', '/node', 'wall ms', '/node'], rows);
  } finally {
    await engine.stop();
    rmSync(home, { recursive: true, force: true });
  }
}

/** Of one start, the mean of {@link startsEach}. */
function timeOf(args: readonly string[]): { readonly cpuMs: number; readonly wallMs: number } {
  const cpuBefore = reapedCpuSeconds();
  const wallBefore = performance.now();
  for (let start = 0; start < startsEach; start += 1) {
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${args.join(' ')}: exit ${status}: ${stderr}`);
  }
  return {
    cpuMs: ((reapedCpuSeconds() - cpuBefore) * 1000) / startsEach,
    wallMs: (performance.now() - wallBefore) / startsEach,
  };
}

/** Resident memory of engines and Go tunnelers that dial one service and host one, with nobody there. */
export async function measureResting(network: Network): Promise<string> {
  const echo = await openEcho();
  const paths = await openPaths(network, echo.port);
  try {
    await delay(settleMs);
    const same = paths.paths.filter((path) => path.dial.kind === path.host.kind);
    const go = same.find((path) => path.dial.kind === 'go');
    const mebibytes = (pid: number): number => residentBytes(pid) / 1024 ** 2;
    const rows = same.map(({ name, dial, host }) => [
      name,
      mebibytes(dial.pid).toFixed(0),
      (mebibytes(dial.pid) / mebibytes(go?.dial.pid ?? dial.pid)).toFixed(2),
      mebibytes(host.pid).toFixed(0),
      (mebibytes(host.pid) / mebibytes(go?.host.pid ?? host.pid)).toFixed(2),
    ]);
    return `\n${table(['resident, nothing to do', 'dialling MiB', '/go', 'hosting MiB', '/go'], rows)}`;
  } finally {
    await paths[Symbol.asyncDispose]();
    await echo[Symbol.asyncDispose]();
  }
}
