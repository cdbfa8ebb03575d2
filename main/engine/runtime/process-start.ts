/** When a process started, as text that differs for a later process with the same pid. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { loadNative } from 'node-tun';

/** Runs `ps` and gives what it printed; empty where it failed. */
export type AskPs = (args: readonly string[]) => Promise<string>;

/** Empty where the system does not say: then the pid alone tells processes apart. */
export async function processStart(
  pid: number,
  platform: NodeJS.Platform = process.platform,
  ps: AskPs = askPs,
): Promise<string> {
  if (platform === 'linux') return linuxStart(pid);
  if (platform === 'win32') return windowsStart(pid);
  // lstart of ps(1): the time by the wall clock when it was forked, to the second; it stays as it was when the clock is set.
  return platform === 'darwin' ? (await ps(['-o', 'lstart=', '-p', String(pid)])).trim() : '';
}

function windowsStart(pid: number): string {
  const found = loadNative();
  if (!found.ok) return '';
  try {
    return found.native.processChain(pid)[0]?.start ?? '';
  } catch {
    // The process ended meanwhile, or the addon is another system's.
    return '';
  }
}

/** Field 22 of /proc/PID/stat (proc_pid_stat(5)), counted after the command's closing parenthesis: clock ticks since boot. */
async function linuxStart(pid: number): Promise<string> {
  try {
    const line = await readFile(`/proc/${pid}/stat`, 'utf8');
    return line.slice(line.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    // The process ended meanwhile, or /proc hides it.
    return '';
  }
}

/** In one language and one time zone, so that whoever asks next reads the same. */
const askPs: AskPs = (args) =>
  new Promise((resolve) => {
    const env = { LC_ALL: 'C', TZ: 'UTC0' };
    execFile('/bin/ps', [...args], { env, timeout: 2_000, encoding: 'utf8' }, (error, stdout) =>
      resolve(error === null ? stdout : ''),
    );
  });
