/** macOS: lsof names the socket's process, ps its user, arguments and ancestors, the kernel the files they run, codesign the signer. */
import type { Native } from 'node-tun';
import type { Clock } from '../base/clock.ts';
import { defined } from '../base/defined.ts';
import type { Endpoint } from '../base/flow.ts';
import type { Log } from '../base/log.ts';
import type { App, AppFinder, AppParent } from './app.ts';
import { unknownApp } from './app.ts';
import { ByVersion } from './by-version.ts';
import { executableHashes } from './executable-hash.ts';
import { interpreterScript } from './interpreter-script.ts';
import { kernelFacts, withFile } from './run-files.darwin.ts';
import type { RunCommand } from './run-command.ts';
import { formatHostPort } from '../base/ip.ts';

const commandTimeoutMs = 2_000;
/** One listing of all processes serves the flows that open together. */
const processesFreshMs = 500;
const maxParents = 24;

/** How the system's tools are run. */
export interface DarwinAppFinderDeps {
  readonly log: Log;
  readonly clock: Clock;
  readonly run: RunCommand;
  /** Names the file that a process runs; without it lsof does. */
  readonly native?: Pick<Native, 'processChain'>;
}

/** Needs nothing closed. */
export function createDarwinAppFinder(deps: DarwinAppFinderDeps): AppFinder {
  const hashes = executableHashes();
  const signers = new ByVersion<string | null>(async (path) => {
    // What it shows of a signature says nothing of whether that still holds.
    const verified = await deps.run('/usr/bin/codesign', ['--verify', '--strict', path], commandTimeoutMs);
    if (!verified.ok) return null;
    const { stderr } = await deps.run('/usr/bin/codesign', ['-dv', '--verbose=2', path], commandTimeoutMs);
    return parseTeam(stderr) ?? null;
  });
  let listing: { readonly atMs: number; readonly processes: Promise<ReadonlyMap<number, ProcessRow>> } | undefined;

  const processes = (isAnew = false): Promise<ReadonlyMap<number, ProcessRow>> => {
    const atMs = deps.clock.monotonic();
    if (isAnew || listing === undefined || atMs - listing.atMs > processesFreshMs) {
      listing = {
        atMs,
        processes: deps
          .run('/bin/ps', ['-axww', '-o', 'pid=,ppid=,uid=,user=,comm='], commandTimeoutMs)
          .then(({ stdout }) => parseProcesses(stdout)),
      };
    }
    return listing.processes;
  };

  const scriptOf = async (row: ProcessRow): Promise<string | undefined> => {
    // Only interpreters have one; asking for the arguments of every process would cost a command each.
    if (interpreterScript(row.path, [row.path, 'x']) === undefined) return undefined;
    const { stdout } = await deps.run('/bin/ps', ['-ww', '-o', 'command=', '-p', String(row.pid)], commandTimeoutMs);
    return interpreterScript(row.path, stdout.trim().split(/\s+/));
  };

  const describe = async (pid: number, rows: ReadonlyMap<number, ProcessRow>): Promise<App | undefined> => {
    const told = await kernelFacts(pid, rows, deps.run, deps.native);
    const known = (of: number): ProcessRow | undefined => withFile(rows.get(of), told);
    const row = known(pid);
    if (row === undefined) return undefined;
    const script = await scriptOf(row);
    const hash = hashes.known(row.path);
    const parents: AppParent[] = [];
    for (let at = known(row.parentPid); at !== undefined && parents.length < maxParents; at = known(at.parentPid)) {
      const parentScript = await scriptOf(at);
      parents.push({ pid: at.pid, path: at.path, ...defined({ script: parentScript }) });
      if (at.parentPid === at.pid) break;
    }
    return {
      // By what it calls itself alone nobody is told for certain.
      attribution: told.get(pid)?.path === undefined ? 'inferred' : 'exact',
      pid,
      path: row.path,
      uid: row.uid,
      user: row.user,
      parents,
      ...defined({ script, hash }),
    };
  };

  const facts = async ({ path, hash }: { readonly path: string; readonly hash?: string }, isSigned: boolean) =>
    defined({
      hash: hash ?? (await hashes.of(path)),
      signer: isSigned ? ((await signers.of(path)) ?? undefined) : undefined,
    });

  return {
    async find(flow) {
      const { address } = flow.source;
      const internet = `${address.includes(':') ? 6 : 4}${flow.protocol}:${flow.source.port}`;
      const [lsof, listed] = await Promise.all([
        deps.run('/usr/sbin/lsof', ['-nP', '-a', '-i', internet, '-F', 'pn'], commandTimeoutMs),
        processes(),
      ]);
      const remote = flow.via ?? remoteOf(flow.destination);
      const pids = parseLsof(lsof.stdout, flow.source, flow.protocol === 'udp' ? undefined : remote);
      const [pid] = pids;
      if (pid === undefined) return unknownApp;
      // A process that has just started is not in a listing made before.
      const app = await describe(pid, listed.has(pid) ? listed : await processes(true));
      if (app === undefined) return unknownApp;
      return pids.length > 1 ? { ...app, attribution: 'inferred' } : app;
    },
    async identify(app, { signers: isSigned } = { signers: false }) {
      if (app.path === undefined) return app;
      const own = await facts({ ...app, path: app.path }, isSigned);
      const parents = await Promise.all(
        app.parents.map(async (parent): Promise<AppParent> => ({ ...parent, ...(await facts(parent, isSigned)) })),
      );
      return { ...app, parents, ...own };
    },
  };
}

interface ProcessRow {
  readonly pid: number;
  readonly parentPid: number;
  readonly uid: number;
  readonly user: string;
  readonly path: string;
}

/** Lines of `ps -o pid=,ppid=,uid=,user=,comm=`; on macOS `comm` is the first argument, often the whole path, spaces included. */
export function parseProcesses(text: string): ReadonlyMap<number, ProcessRow> {
  const rows = new Map<number, ProcessRow>();
  for (const line of text.split('\n')) {
    const match = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(.+?)\s*$/.exec(line);
    if (match === null) continue;
    const [, pid, parentPid, uid, user = '', path = ''] = match;
    rows.set(Number(pid), { pid: Number(pid), parentPid: Number(parentPid), uid: Number(uid), user, path });
  }
  return rows;
}

/** Pids of `lsof -F pn` whose socket has these ends; a name is `local->remote`, or just `local` where it is not connected. */
export function parseLsof(text: string, local: Endpoint, remote: Endpoint | undefined): readonly number[] {
  const pids = new Set<number>();
  let pid: number | undefined;
  for (const line of text.split('\n')) {
    if (line.startsWith('p')) pid = Number(line.slice(1));
    if (!line.startsWith('n') || pid === undefined) continue;
    const [from = '', to] = line.slice(1).split('->');
    const own = from === endpointText(local) || (to === undefined && from === `*:${local.port}`);
    if (own && (remote === undefined || to === endpointText(remote))) pids.add(pid);
  }
  return [...pids];
}

/** The team a code signature names; ad-hoc signatures say `not set`. */
export function parseTeam(text: string): string | undefined {
  const team = /^TeamIdentifier=(.+)$/m.exec(text)?.[1]?.trim();
  return team === undefined || team === 'not set' ? undefined : team;
}

function endpointText(at: Endpoint): string {
  return formatHostPort(at.address, at.port);
}

function remoteOf(destination: { readonly address?: string; readonly port: number }): Endpoint | undefined {
  return destination.address === undefined ? undefined : { address: destination.address, port: destination.port };
}
