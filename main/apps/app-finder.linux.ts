/**
 * Linux: the socket by sock_diag where the addon is there, else by `/proc/net`; its process by `/proc/PID/fd`; the rest by `/proc/PID`.
 * Runs without privileges too, and then sees the processes of its own user only: of others just the user is known.
 */
import { readFile } from 'node:fs/promises';
import type { Native } from 'node-tun';
import type { FlowRequest } from '../base/flow.ts';
import type { Log } from '../base/log.ts';
import type { App, AppFinder, AppParent, Attribution } from './app.ts';
import { unknownApp } from './app.ts';
import { ExecutableHashes } from './executable-hash.ts';
import { ProcessReader } from './process-facts.linux.ts';
import { SocketHolders } from './socket-holders.linux.ts';
import { findSocketRow } from './socket-table.linux.ts';
import type { SocketEnds, SocketRow } from './socket-table.linux.ts';

export interface LinuxAppFinderDeps {
  readonly log: Log;
  readonly native?: Pick<Native, 'socketOwner'>;
  /** Default `/proc`. */
  readonly procRoot?: string;
  /** Default `/etc/passwd`. */
  readonly passwdPath?: string;
}

/** Needs nothing closed. */
export function createLinuxAppFinder(deps: LinuxAppFinderDeps): AppFinder {
  const procRoot = deps.procRoot ?? '/proc';
  const processes = new ProcessReader(procRoot, deps.passwdPath ?? '/etc/passwd');
  const holders = new SocketHolders(procRoot);
  const hashes = new ExecutableHashes();
  const executableOf = (pid: number): string => `${procRoot}/${pid}/exe`;

  const socketOf = async (protocol: FlowRequest['protocol'], ends: SocketEnds): Promise<SocketRow | undefined> =>
    askKernel(deps, protocol, ends) ?? (await askTables(procRoot, protocol, ends));

  const describe = (pid: number, attribution: Attribution): App | undefined => {
    const facts = processes.read(pid);
    if (facts === undefined) return undefined;
    const hash = hashes.known(executableOf(pid));
    return { ...facts, attribution, ...(hash === undefined ? {} : { hash }) };
  };

  return {
    async find(flow) {
      try {
        const socket = await socketOf(flow.protocol, endsOf(flow));
        if (socket === undefined) return unknownApp;
        const pid = await holders.find(socket.inode, socket.uid);
        if (pid === undefined) return { ...unknownApp, uid: socket.uid };
        const app = describe(pid, 'exact');
        if (app === undefined) return { ...unknownApp, uid: socket.uid };
        return (await sharedWithParent(app, socket.inode, holders)) ? { ...app, attribution: 'inferred' } : app;
      } catch (error) {
        deps.log.warn('apps.find_failed', { error: String(error) });
        return unknownApp;
      }
    },
    async identify(app) {
      if (app.pid === undefined) return app;
      // The process may have ended, and its pid be another's by now: what is hashed must still be what was found.
      if (app.hash === undefined && processes.read(app.pid)?.path !== app.path) return app;
      const hash = app.hash ?? (await hashes.hash(executableOf(app.pid)));
      const parents = await Promise.all(
        app.parents.map(async (parent): Promise<AppParent> => {
          if (parent.hash !== undefined || processes.read(parent.pid)?.path !== parent.path) return parent;
          const found = await hashes.hash(executableOf(parent.pid));
          return found === undefined ? parent : { ...parent, hash: found };
        }),
      );
      return { ...app, parents, ...(hash === undefined ? {} : { hash }) };
    },
  };
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
  if (deps.native === undefined || remote === undefined || deps.procRoot !== undefined) return undefined;
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
async function askTables(procRoot: string, protocol: 'tcp' | 'udp', ends: SocketEnds): Promise<SocketRow | undefined> {
  for (const table of [protocol, `${protocol}6`] as const) {
    // A kernel without IPv6 has no such table.
    const text = await readFile(`${procRoot}/net/${table}`, 'utf8').catch(() => '');
    const row = findSocketRow(text, protocol, ends);
    if (row !== undefined) return row;
  }
  return undefined;
}

/** A parent that runs something else holds the same socket: which of the two speaks cannot be told. */
async function sharedWithParent(app: App, inode: number, holders: SocketHolders): Promise<boolean> {
  const [parent] = app.parents;
  if (parent === undefined || (parent.path === app.path && parent.script === app.script)) return false;
  return holders.holds(parent.pid, inode);
}
