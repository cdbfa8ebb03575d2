/** Windows: a process and its living parents, as the addon's snapshot of all processes has them. */
import { win32 } from 'node:path';
import type { Native } from 'node-tun';
import type { AncestryReader } from './app.ts';
import { windowsDirectory } from '../files/system-tools.ts';
import { chainByAddon, describeChain, type ProcessRow } from './app-finder.windows.ts';

/**
 * Programs of Windows below which a person's work begins, and whose own starter ends once it has started them: smss.exe that of the session,
 * userinit.exe the desktop (Windows Internals, "Smss, Csrss, and Wininit", "Winlogon, LogonUI, and Userinit").
 */
const sessionPrograms = new Set(
  ['explorer.exe', 'system32\\wininit.exe', 'system32\\winlogon.exe', 'system32\\csrss.exe'].map((name) => `\\${name}`),
);

/** `directory`: where Windows itself is; what only bears the name of one of its programs stands for nothing. */
export function windowsAncestry(native: Pick<Native, 'processChain'>, directory = windowsDirectory()): AncestryReader {
  return {
    read(pid) {
      const rows = looked(native, pid);
      const app = describeChain(rows);
      if (app === undefined) return Promise.resolve(undefined);
      const chain = rows.map((row) => ({ pid: row.pid, start: String(row.startedAt) }));
      return Promise.resolve({ app, chain, whole: rows.slice(-1).every((last) => isFirst(last, directory)) });
    },
  };
}

/** Empty where the system cannot be asked: who cannot be looked at is nobody's person. */
function looked(native: Pick<Native, 'processChain'>, pid: number): readonly ProcessRow[] {
  try {
    return chainByAddon(native, pid);
  } catch {
    return [];
  }
}

/** The system's own first process, or what a session begins with. */
function isFirst({ parentPid, path }: ProcessRow, directory: string): boolean {
  if (parentPid === 0) return true;
  const [root, program] = [win32.normalize(directory), win32.normalize(path)].map((one) => one.toLowerCase());
  return root !== undefined && program?.startsWith(root) === true && sessionPrograms.has(program.slice(root.length));
}
