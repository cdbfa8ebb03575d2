/** A tool of the operating system, run with a time limit. */
import { execFile } from 'node:child_process';
import { systemTool } from '../files/system-tools.ts';

/** How it ended; `ok` is exit code 0 in time. */
export interface CommandResult {
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Never rejects: a tool that is missing, fails or takes too long is `ok: false`. No shell is involved. */
export type RunCommand = (file: string, args: readonly string[], timeoutMs: number) => Promise<CommandResult>;

/** Runs it without a shell, from where the system keeps it; a tool that is missing or late is a result, not an exception. */
export const runCommand: RunCommand = (name, args, timeoutMs) =>
  new Promise((resolve) => {
    const file = systemTool(name);
    if (file === undefined) {
      resolve({ ok: false, stdout: '', stderr: `${name} is no tool of this system` });
      return;
    }
    execFile(
      file,
      [...args],
      { timeout: timeoutMs, maxBuffer: 16 * 1024 * 1024, windowsHide: true, encoding: 'utf8' },
      (error, stdout, stderr) => resolve({ ok: error === null, stdout, stderr }),
    );
  });
