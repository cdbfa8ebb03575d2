/**
 * Linux: the socket by sock_diag where the addon is there, else by `/proc/net`; its processes by `/proc/PID/fd`; what they are by what was
 * learnt of them as they started. Runs without privileges too, and then sees the processes of its own user only: of others just the user is
 * known.
 */
import { readFile } from 'node:fs/promises';
import type { Native } from 'node-tun';
import type { Clock } from '../base/clock.ts';
import { defined } from '../base/defined.ts';
import type { FlowRequest } from '../base/flow.ts';
import type { Log } from '../base/log.ts';
import type { AgentRuns } from './agent-runs.ts';
import type { AncestryReader, App, AppFinder, AppParent } from './app.ts';
import { unknownApp } from './app.ts';
import { imageDigests } from './container-image.ts';
import { executableHashes } from './executable-hash.ts';
import { codeVariables } from './interpreter-script.ts';
import { networkNamespaces } from './network-namespaces.linux.ts';
import { packageSigners } from './package-signer.linux.ts';
import { Processes } from './processes.linux.ts';
import { runCommand } from './run-command.ts';
import { SocketHolders } from './socket-holders.linux.ts';
import { findSocketRow } from './socket-table.linux.ts';
import type { SocketEnds, SocketRow } from './socket-table.linux.ts';

/** Where the kernel is read, and by what. */
export interface LinuxAppFinderDeps {
  readonly log: Log;
  readonly clock: Clock;
  readonly native?: Pick<Native, 'socketOwner' | 'socketHolders' | 'watchProcesses'>;
  /** Default `/proc`. */
  readonly procRoot?: string;
  /** Default `/etc/passwd`. */
  readonly passwdPath?: string;
  readonly runs?: AgentRuns | undefined;
  /** Where what is learnt of processes outlives a restart. */
  readonly keptFile?: string | undefined;
  /** Whose ancestors make nobody an agent. Default: this process, the engine. */
  readonly enginePid?: number;
}

/** Watches processes until disposed. */
export function createLinuxAppFinder(
  deps: LinuxAppFinderDeps,
): AppFinder & Disposable & { readonly ancestry: AncestryReader } {
  const { log, clock, native, enginePid } = deps;
  const procRoot = deps.procRoot ?? '/proc';
  const isHere = deps.procRoot === undefined;
  const processes = new Processes({
    procRoot,
    passwdPath: deps.passwdPath ?? '/etc/passwd',
    clock,
    log,
    runs: deps.runs,
    keptFile: deps.keptFile,
    ...(native === undefined || !isHere ? {} : { watch: () => native.watchProcesses(codeVariables) }),
    ...defined({ enginePid }),
  });
  const holders = new SocketHolders(procRoot, isHere ? native : undefined);
  const hashes = executableHashes();
  const signers = packageSigners();
  const executableOf = (pid: number): string => `${procRoot}/${pid}/exe`;

  const socketOf = async (protocol: FlowRequest['protocol'], ends: SocketEnds): Promise<SocketRow | undefined> =>
    (isHere ? askKernel(deps, protocol, ends) : undefined) ??
    (await askTables(procRoot, protocol, ends)) ??
    (await askNamespaces(procRoot, protocol, ends));

  /** The file as its own process sees it: a container has another root. */
  const fileOf = (pid: number, script: string): string => `${procRoot}/${pid}/root${script}`;
  const scriptHashOf = async (pid: number, script: string | undefined): Promise<string | undefined> =>
    script?.startsWith('/') === true ? hashes.of(fileOf(pid, script)) : undefined;
  const signerOf = async ({ pid, path, script }: Pick<App, 'pid' | 'path' | 'script'>): Promise<string | undefined> => {
    if (pid === undefined || path === undefined) return undefined;
    const signer = script === undefined ? signers.of(executableOf(pid), path) : signers.of(fileOf(pid, script), script);
    return (await signer) ?? undefined;
  };

  /** Where the flow's socket lives: with a run that has a network of its own there, else on this host. */
  const socketWithin = async (flow: Parameters<AppFinder['find']>[0]): Promise<SocketRow | undefined> =>
    flow.within === undefined
      ? socketOf(flow.protocol, endsOf(flow))
      : askTables(`${procRoot}/${flow.within}`, flow.protocol, endsOf(flow));

  const describe = (pid: number): App | undefined => {
    const app = processes.read(pid);
    const hash = app === undefined ? undefined : hashes.known(executableOf(pid));
    return app === undefined || hash === undefined ? app : { ...app, hash };
  };

  return {
    async find(flow) {
      try {
        const socket = await socketWithin(flow);
        if (socket === undefined) return unknownApp;
        const found = (await holders.find(socket.inode)).flatMap((pid) => describe(pid) ?? []);
        // Who was started last most likely speaks; whether the others agree is for whoever knows agents.
        const [app, ...others] = found.reverse();
        if (app === undefined) return { ...unknownApp, uid: socket.uid };
        return others.length === 0 ? app : { ...app, holders: others };
      } catch (error) {
        log.warn('apps.find_failed', { error: String(error) });
        return unknownApp;
      }
    },
    async identify(app, asked) {
      if (app.pid === undefined) return app;
      // The process may have ended, and its pid be another's by now: what is hashed must still be what was found.
      if (app.hash === undefined && processes.executable(app.pid) !== app.path) return app;
      const hash = app.hash ?? (await hashes.of(executableOf(app.pid)));
      const scriptHash = await scriptHashOf(app.pid, app.script);
      const signer = asked?.signers === true ? await signerOf(app) : undefined;
      const images =
        app.container === undefined ? [] : await imageDigests(app.container, homeOf(app.user), { run: runCommand });
      const parents = await Promise.all(
        app.parents.map(async (parent): Promise<AppParent> => {
          if (parent.hash !== undefined || processes.executable(parent.pid) !== parent.path) return parent;
          const found = await hashes.of(executableOf(parent.pid));
          const ofScript = await scriptHashOf(parent.pid, parent.script);
          const by = asked?.signers === true ? await signerOf(parent) : undefined;
          return {
            ...parent,
            ...defined({ hash: found, scriptHash: ofScript, signer: by }),
          };
        }),
      );
      return {
        ...app,
        parents,
        ...defined({ hash, scriptHash, signer }),
        ...(images.length === 0 ? {} : { images }),
      };
    },
    ancestry: { read: (pid) => Promise.resolve(processes.ancestry(pid)) },
    [Symbol.dispose]: () => processes[Symbol.dispose](),
  };
}

/** Where Podman keeps what a user runs without privileges, by custom. */
function homeOf(user: string | undefined): string | undefined {
  return user === undefined || user === 'root' ? undefined : `/home/${user}`;
}

/** The socket looked for is the application's own: its end is the flow's source, the far end is what it believes to talk to. */
function endsOf(flow: Parameters<AppFinder['find']>[0]): SocketEnds {
  const { via, destination, source } = flow;
  const remote =
    via ?? (destination.address === undefined ? undefined : { address: destination.address, port: destination.port });
  return { local: source, remote };
}

function askKernel(deps: LinuxAppFinderDeps, protocol: 'tcp' | 'udp', ends: SocketEnds): SocketRow | undefined {
  const { local, remote } = ends;
  if (deps.native === undefined || remote === undefined) return undefined;
  try {
    const owner = deps.native.socketOwner(protocol, local.address, local.port, remote.address, remote.port);
    return owner === null || owner.inode === 0 ? undefined : { inode: owner.inode, uid: owner.uid };
  } catch (error) {
    // Kernels without sock_diag, or a filter around the engine: the tables are slower, but say the same.
    deps.log.debug('apps.sock_diag_failed', { error: String(error) });
    return undefined;
  }
}

/** The kernel walks its whole hash table for each read, ten milliseconds on some hosts, so that is left to another thread. */
async function askTables(root: string, protocol: 'tcp' | 'udp', ends: SocketEnds): Promise<SocketRow | undefined> {
  for (const table of [protocol, `${protocol}6`] as const) {
    // A kernel without IPv6 has no such table.
    const text = await readFile(`${root}/net/${table}`, 'utf8').catch(() => '');
    const row = findSocketRow(text, protocol, ends);
    if (row !== undefined) return row;
  }
  return undefined;
}

/**
 * A container has sockets of its own: the one with exactly these ends, in whichever network namespace of this host it is. Where two have
 * it, neither is told from the other.
 */
async function askNamespaces(root: string, protocol: 'tcp' | 'udp', ends: SocketEnds): Promise<SocketRow | undefined> {
  const places = networkNamespaces(root).map((pid) => `${root}/${pid}`);
  const rows = await Promise.all(places.map((place) => askTables(place, protocol, ends)));
  const [row, ...others] = rows.filter((found) => found !== undefined);
  return others.length === 0 ? row : undefined;
}
