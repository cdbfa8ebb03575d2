/**
 * macOS: which file a process really runs. ps names a program as its starter did, who may call it anything; the kernel names the file, by the addon,
 * and where that is not built by what lsof shows of its memory, the program itself first.
 */
import type { Native } from 'node-tun';
import { defined } from '../base/defined.ts';
import type { RunCommand } from './run-command.ts';

/** What the kernel tells of a process. */
export interface KernelFacts {
  readonly path?: string;
  /** Differs for a later process of the same number; the addon alone tells it, and of our own user's processes. */
  readonly start?: string;
}

/** A process as ps lists it. */
interface Listed {
  readonly pid: number;
  readonly parentPid: number;
}

const commandTimeoutMs = 2_000;
const maxChain = 64;

/** Facts of the process and of those above it, by pid; of those that let nobody look there are none. */
export async function kernelFacts(
  pid: number,
  rows: ReadonlyMap<number, Listed>,
  run: RunCommand,
  native: Pick<Native, 'processChain'> | undefined,
): Promise<ReadonlyMap<number, KernelFacts>> {
  const told = byAddon(pid, native);
  if (told !== undefined) return told;
  const pids = chainOf(pid, rows).join(',');
  const { stdout } = await run('/usr/sbin/lsof', ['-nP', '-a', '-p', pids, '-d', 'txt', '-F', 'pn'], commandTimeoutMs);
  return parseTextFiles(stdout);
}

/** The row with the file that the kernel names, where it names one. */
export function withFile<R extends { readonly pid: number; readonly path: string }>(
  row: R | undefined,
  told: ReadonlyMap<number, KernelFacts>,
): R | undefined {
  return row === undefined ? undefined : { ...row, path: told.get(row.pid)?.path ?? row.path };
}

/** The first file of each process in `lsof -d txt -F pn`: its program; libraries stand behind it. */
export function parseTextFiles(text: string): ReadonlyMap<number, KernelFacts> {
  const found = new Map<number, KernelFacts>();
  let pid: number | undefined;
  for (const line of text.split('\n')) {
    if (line.startsWith('p')) pid = Number(line.slice(1));
    else if (line.startsWith('n/') && pid !== undefined && !found.has(pid)) found.set(pid, { path: line.slice(1) });
  }
  return found;
}

function byAddon(pid: number, native: Pick<Native, 'processChain'> | undefined): Map<number, KernelFacts> | undefined {
  try {
    return (
      native && new Map(native.processChain(pid).map(({ pid: of, path, start }) => [of, defined({ path, start })]))
    );
  } catch {
    // An addon of another system.
    return undefined;
  }
}

function chainOf(pid: number, rows: ReadonlyMap<number, Listed>): readonly number[] {
  const chain: number[] = [];
  for (let at = rows.get(pid); at !== undefined && chain.length < maxChain; at = rows.get(at.parentPid)) {
    chain.push(at.pid);
    if (at.parentPid === at.pid) break;
  }
  return chain;
}
