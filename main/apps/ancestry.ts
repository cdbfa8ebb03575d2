/** A process and what it descends from, asked of the system now: for who calls the engine, as for whose flow it is. */
import { loadNative } from 'node-tun';
import type { Native } from 'node-tun';
import { parseProcesses } from './app-finder.darwin.ts';
import { kernelFacts, withFile } from './run-files.darwin.ts';
import { windowsAncestry } from './ancestry.windows.ts';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { unknownApp, type Ancestor, type AncestryReader } from './app.ts';
import { Processes } from './processes.linux.ts';
import { runCommand, type RunCommand } from './run-command.ts';

/** Longer chains exist only where somebody builds them on purpose. */
const maxChain = 64;
const commandTimeoutMs = 2_000;

/** `keptFile`: what an engine learnt. Undefined on a platform whose processes nobody wrote a reader for, and on Windows without the addon. */
export function ancestryReader(
  platform: NodeJS.Platform = process.platform,
  keptFile?: string,
): AncestryReader | undefined {
  if (platform === 'linux') return linuxAncestry('/proc', '/etc/passwd', keptFile);
  const found = loadNative();
  if (platform === 'darwin') return darwinAncestry(runCommand, found.ok ? found.native : undefined);
  return found.ok && platform === 'win32' ? windowsAncestry(found.native) : undefined;
}

/** Looks through all processes at each question; who asks often has a finder, which learns of them as they start. */
function linuxAncestry(procRoot: string, passwdPath: string, keptFile: string | undefined): AncestryReader {
  return {
    read(pid) {
      const from = { procRoot, passwdPath, keptFile, keeps: false };
      const processes = new Processes({ ...from, clock: systemClock, log: silentLog });
      const found = processes.ancestry(pid);
      processes[Symbol.dispose]();
      return Promise.resolve(found);
    },
  };
}

/** By ps, and the files that run by the kernel where the addon is built. */
export function darwinAncestry(run: RunCommand, native: Pick<Native, 'processChain'> | undefined): AncestryReader {
  return {
    async read(pid) {
      const columns = 'pid=,ppid=,uid=,user=,comm=';
      const { stdout } = await run('/bin/ps', ['-axww', '-o', columns], commandTimeoutMs);
      const rows = parseProcesses(stdout);
      const told = await kernelFacts(pid, rows, run, native);
      const known = (of: number) => withFile(rows.get(of), told);
      // Without a start the name has to tell a process from a later one with its number.
      const startOf = (row: { pid: number; path: string }): string => told.get(row.pid)?.start ?? row.path;
      const own = known(pid);
      if (own === undefined) return undefined;
      const chain: Ancestor[] = [{ pid, start: startOf(own) }];
      const parents: { pid: number; path: string }[] = [];
      let at = own.parentPid;
      while (at > 0 && chain.length < maxChain) {
        const row = known(at);
        if (row === undefined) break;
        chain.push({ pid: row.pid, start: startOf(row) });
        parents.push({ pid: row.pid, path: row.path });
        at = row.parentPid;
      }
      const { path, uid, user } = own;
      return { app: { ...unknownApp, attribution: 'exact', pid, path, uid, user, parents }, chain, whole: at === 0 };
    },
  };
}
