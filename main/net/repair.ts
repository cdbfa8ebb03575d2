/** Undoing what the journal says was changed on the host: on close, at the next start, or by hand. */
import { existsSync, statSync } from 'node:fs';
import { TunnelerError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { foreignOwner, windowsRights, type RightsReader } from '../files/directory-rights.ts';
import { ownUser } from '../files/own-user.ts';
import { removeNrptRules } from './dns/os-dns.windows.ts';
import { flushDarwinCache } from './dns/os-dns.darwin.ts';
import { closeFirewall } from './firewall/firewall.linux.ts';
import { closeOwnAddresses } from './firewall/own-addresses.linux.ts';
import { restoreFile } from './journal/file-change.ts';
import type { HostChange } from './journal/host-change.ts';
import { HostJournal } from './journal/host-journal.ts';
import { hostRoutes } from './route/choose-routes.ts';
import { runCommand } from './run-command.ts';
import type { RunCommand } from './run-command.ts';

/** Where the journal lies, and how the host's tools are run. */
export interface RepairDeps {
  /** Where the journal lies. */
  readonly journalDir: string;
  readonly log: Log;
  readonly run?: RunCommand;
  readonly platform?: NodeJS.Platform;
}

/** What was undone, and what could not be. */
export interface RepairReport {
  /** In words, newest change first. */
  readonly undone: readonly string[];
  /** Changes that could not be undone; they stay in the journal. */
  readonly failed: readonly { readonly change: string; readonly reason: string }[];
}

/**
 * Undo every change a dead engine left. Only while no engine with this journal runs. Idempotent. Throws `net.journal.failed`, also where the
 * journal is another user's: what it says is done with our rights, and must not be somebody else's wish.
 */
export async function repairHost(deps: RepairDeps): Promise<RepairReport> {
  requireOwnJournal(deps.journalDir);
  const journal = HostJournal.open(deps.journalDir);
  try {
    if (journal.unreadable > 0) deps.log.warn('journal.unreadable', { lines: journal.unreadable });
    return await undoPending(journal, deps);
  } finally {
    journal[Symbol.dispose]();
  }
}

function requireOwnJournal(directory: string): void {
  if (process.platform === 'win32') {
    requireOwnOnWindows(directory, windowsRights());
    return;
  }
  const self = process.geteuid?.();
  const owner = statSync(directory, { throwIfNoEntry: false })?.uid;
  if (self === undefined || owner === undefined || owner === self || owner === 0) return;
  throw new TunnelerError('net.journal.failed', `the journal in ${directory} belongs to another user (uid ${owner})`, {
    details: { owner, next: 'start the service again, which repairs by itself, or run culvert repair as that user' },
  });
}

function requireOwnOnWindows(directory: string, rights: RightsReader | undefined): void {
  if (rights === undefined || !existsSync(directory)) return;
  const owner = foreignOwner(directory, ownUser(), rights);
  if (owner === undefined) return;
  throw new TunnelerError('net.journal.failed', `the journal in ${directory} belongs to another user (${owner})`, {
    details: { owner, next: 'run culvert repair as that user' },
  });
}

/** As {@link repairHost}, with a journal that is open. */
export async function undoPending(
  journal: HostJournal,
  deps: Pick<RepairDeps, 'log' | 'run' | 'platform'>,
): Promise<RepairReport> {
  const undone: string[] = [];
  const failed: { change: string; reason: string }[] = [];
  const run = deps.run ?? runCommand;
  for (const { id, change } of journal.pending()) {
    try {
      await undo(change, run, deps.platform ?? process.platform);
      journal.forget(id);
      undone.push(describe(change));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      failed.push({ change: describe(change), reason });
      deps.log.warn('repair.failed', { change: change.kind, error });
    }
  }
  return { undone, failed };
}

/** Each is idempotent: what is gone already is as it should be. */
async function undo(change: HostChange, run: RunCommand, platform: NodeJS.Platform): Promise<void> {
  switch (change.kind) {
    case 'address':
    case 'route':
      // These go with their interface, and the interface went with the process that made it.
      return;
    case 'pin':
      await hostRoutes(run, platform).unpin(change.address, change.device);
      return;
    case 'file':
      restoreFile(change);
      return;
    case 'firewalld-zone':
    case 'nft-rules':
    case 'iptables-rules':
      await closeFirewall(change, run);
      return;
    case 'nft-table':
    case 'iptables-chain':
      await closeOwnAddresses(change, run);
      return;
    case 'resolved-link':
      await run('resolvectl', ['revert', change.device]);
      await run('resolvectl', ['flush-caches']);
      return;
    case 'networkmanager-reload':
      await run('nmcli', ['general', 'reload']);
      return;
    case 'resolvconf':
      await run('resolvconf', ['-d', change.record]);
      return;
    case 'darwin-cache':
      await flushDarwinCache(run);
      return;
    case 'nrpt':
      await removeNrptRules(run, change.comment);
  }
}

function describe(change: HostChange): string {
  switch (change.kind) {
    case 'address':
      return `address ${change.address} on ${change.device}`;
    case 'route':
      return `route ${change.prefix} on ${change.device}`;
    case 'pin':
      return `route of ${change.address} on ${change.device}`;
    case 'file':
      return `file ${change.path}`;
    case 'firewalld-zone':
    case 'nft-rules':
    case 'iptables-rules':
    case 'nft-table':
    case 'iptables-chain':
      return 'firewall rules';
    case 'resolved-link':
      return `systemd-resolved settings of ${change.device}`;
    case 'networkmanager-reload':
      return 'NetworkManager configuration';
    case 'resolvconf':
      return `resolvconf record ${change.record}`;
    case 'darwin-cache':
      return 'resolver cache';
    case 'nrpt':
      return 'name resolution policy rules';
  }
}
