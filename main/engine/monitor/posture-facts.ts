/** What posture checks ask of this host: network cards, domain, programs that run, when it woke and was unlocked. Gathered only where a check asks. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readlink, realpath, stat } from 'node:fs/promises';
import { hostname, networkInterfaces } from 'node:os';
import { runCommand } from '../../apps/run-command.ts';
import { loadNative } from 'node-tun';
import { defined } from '../../base/defined.ts';
import { powerShellScript } from '../../files/system-tools.ts';
import type { PostureCheck, PostureFacts } from '../../ziti/model.ts';
import type { UserId } from '../../base/user-id.ts';

type ProcessFact = NonNullable<PostureFacts['processes']>[number];

const listTimeoutMs = 5000;
/** The kind of system a process query names for this one. Source: edge-api client.yml `osType`. */
const ownSystems: Partial<Record<NodeJS.Platform, readonly string[]>> = {
  linux: ['Linux'],
  darwin: ['macOS'],
  win32: ['Windows', 'WindowsServer'],
};

/** For `ZitiContext.setPosture`; one for all identities, so that an executable is hashed once. */
export function postureGatherer(deps: {
  readonly wokenAt: () => number | undefined;
  /** Of the screen of one user, or of any. */
  readonly unlockedAt: (owner: UserId | undefined) => number | undefined;
}): (checks: readonly PostureCheck[], owner: UserId | undefined) => Promise<PostureFacts> {
  const hashes = new Map<string, { readonly stamp: string; readonly hash: string }>();

  const hashOf = async (path: string): Promise<string | undefined> => {
    try {
      const { size, mtimeMs, ino } = await stat(path);
      const stamp = `${ino}:${size}:${mtimeMs}`;
      const known = hashes.get(path);
      if (known?.stamp === stamp) return known.hash;
      const hash = createHash('sha512');
      for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
      const digest = hash.digest('hex');
      hashes.set(path, { stamp, hash: digest });
      return digest;
    } catch {
      // Not there, or not ours to read: the check then sees a program without a hash.
      return undefined;
    }
  };

  return async (checks, owner) => {
    const asks = (type: PostureCheck['queryType']): boolean => checks.some((check) => check.queryType === type);
    const paths = wantedPaths(checks);
    const woken = deps.wokenAt();
    const unlocked = deps.unlockedAt(owner);
    return {
      ...(asks('DOMAIN') ? { domain: domainOf() } : {}),
      ...(asks('MAC') ? { macAddresses: macAddresses() } : {}),
      ...(paths.length === 0 ? {} : { processes: await processFacts(paths, hashOf) }),
      ...defined({ wokenAt: woken, unlockedAt: unlocked }),
    };
  };
}

function wantedPaths(checks: readonly PostureCheck[]): readonly string[] {
  const own = ownSystems[process.platform] ?? [];
  const asked = checks.flatMap((check) => [
    ...(check.process === undefined ? [] : [check.process]),
    ...(check.processes ?? []),
  ]);
  return [...new Set(asked.filter(({ osType }) => own.includes(osType)).map(({ path }) => path))];
}

async function processFacts(
  paths: readonly string[],
  hashOf: (path: string) => Promise<string | undefined>,
): Promise<readonly ProcessFact[]> {
  const running = await runningExecutables();
  return Promise.all(
    paths.map(async (path): Promise<ProcessFact> => {
      const real = await realpath(path).catch(() => path);
      const isRunning = running.has(normal(path)) || running.has(normal(real));
      const hash = await hashOf(real);
      return { path, isRunning, ...defined({ hash }) };
    }),
  );
}

/** Paths of all executables that run, as far as this user may see. */
async function runningExecutables(): Promise<ReadonlySet<string>> {
  if (process.platform === 'linux') {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const links = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/exe`).catch(() => '')));
    return new Set(links.filter((link) => link !== '').map((link) => link.replace(/ \(deleted\)$/, '')));
  }
  const found = loadNative();
  if (found.ok) return new Set(found.native.runningPrograms().map(normal));
  // What ps shows is what a program calls itself, often its path.
  const [tool, args]: [string, readonly string[]] =
    process.platform === 'win32'
      ? ['powershell.exe', powerShellScript('Get-Process | ForEach-Object { $_.Path }')]
      : ['ps', ['-axo', 'comm=']];
  const { ok, stdout, stderr } = await runCommand(tool, args, listTimeoutMs);
  if (!ok) throw new Error(`programs that run cannot be listed: ${stderr.trim()}`);
  return new Set(stdout.split(/\r?\n/).map((line) => normal(line.trim())));
}

/** Windows paths know no case. */
function normal(path: string): string {
  return process.platform === 'win32' ? path.toLowerCase() : path;
}

function macAddresses(): readonly string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const macs = all.filter(({ internal, mac }) => !internal && mac !== '00:00:00:00:00:00').map(({ mac }) => mac);
  return [...new Set(macs)].sort();
}

/** The Windows domain, else what follows the first dot of the host's full name. */
function domainOf(): string {
  if (process.platform === 'win32') return process.env['USERDNSDOMAIN'] ?? process.env['USERDOMAIN'] ?? '';
  const name = hostname();
  return name.includes('.') ? name.slice(name.indexOf('.') + 1) : '';
}
