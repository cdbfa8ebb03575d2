/** Whose this process is. Node knows that on Unix alone. */
import { spawnSync } from 'node:child_process';
import { loadNative } from 'node-tun';
import type { UserId } from '../base/user-id.ts';
import { systemTool } from './system-tools.ts';

let known: UserId | undefined;

/** The user this process runs as; undefined where Windows cannot be asked. */
export function ownUser(): UserId | undefined {
  known ??= process.getuid?.() ?? windowsUser();
  return known;
}

/** By the process's token, or where the addon is not built by the tool that Windows has for it. */
function windowsUser(): string | undefined {
  const found = loadNative();
  if (found.ok) return found.native.processChain(process.pid)[0]?.sid;
  const whoami = systemTool('whoami.exe');
  if (whoami === undefined) return undefined;
  const { stdout } = spawnSync(whoami, ['/user', '/fo', 'csv', '/nh'], { encoding: 'utf8', windowsHide: true });
  return parseWhoami(stdout);
}

/** The SID in `"machine\ann","S-1-5-21-…"`. */
export function parseWhoami(text: string | null): string | undefined {
  return /"(S-1-[\d-]+)"\s*$/.exec(text ?? '')?.[1];
}
