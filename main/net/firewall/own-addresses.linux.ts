/**
 * Linux answers for each of its addresses on every interface (the weak host model, RFC 1122 section 3.3.4.2): a neighbour with a route to the
 * tunnel's own would have his echo requests answered and his connections reset by the kernel. What comes for them by another interface is
 * dropped by a firewall table of ours.
 */
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Reason } from '../../base/reason.ts';
import { SerialQueue } from '../../base/serial-queue.ts';
import type { HostChange } from '../journal/host-change.ts';
import type { HostJournal } from '../journal/host-journal.ts';
import type { RunCommand } from '../run-command.ts';

/** What keeps the tunnel's addresses to itself, as the journal has it. */
export type OwnAddressesChange = Extract<HostChange, { kind: 'nft-table' | 'iptables-chain' }>;

/** The interface, its ranges, and how the host's tools are run. */
export interface OwnAddressesDeps {
  readonly device: string;
  readonly range: string;
  /** Empty where there is none. */
  readonly range6: string;
  readonly run: RunCommand;
  readonly journal: HostJournal;
  readonly clock: Clock;
  readonly log: Log;
}

/** Somebody who loads his own firewall anew takes ours away with it. */
const watchPeriodMs = 60_000;

/** Kept until disposed. */
export class OwnAddresses implements AsyncDisposable {
  readonly #deps: OwnAddressesDeps;
  readonly #watch: Disposable;
  readonly #changes = new SerialQueue();
  #kept: { readonly id: number; readonly change: OwnAddressesChange } | undefined;

  constructor(deps: OwnAddressesDeps) {
    this.#deps = deps;
    this.#watch = deps.clock.every(watchPeriodMs, () => void this.check());
  }

  /** See that it stands. Never rejects: where it cannot be had, that is the trouble. */
  check(): Promise<void> {
    return this.#changes.run(async () => {
      const { run, log } = this.#deps;
      if (this.#kept !== undefined && (await stands(this.#kept.change, run))) return;
      await this.#drop();
      for (const change of this.#ways()) {
        const id = this.#deps.journal.record(change);
        if (await keep(change, this.#deps)) {
          this.#kept = { id, change };
          return;
        }
        await closeOwnAddresses(change, run);
        this.#deps.journal.forget(id);
      }
      log.info('firewall.no_tool', { device: this.#deps.device });
    });
  }

  /** Set while neighbours can find out that there is a tunnel. */
  trouble(): Reason | undefined {
    if (this.#kept !== undefined) return undefined;
    const { device, range } = this.#deps;
    return {
      code: 'net.firewall.missing',
      sentence: `a neighbour with a route to ${range} can find out that ${device} is there, though nothing of it accepts him`,
      next: 'install nftables or iptables',
    };
  }

  #ways(): readonly OwnAddressesChange[] {
    const { device, range, range6 } = this.#deps;
    return [
      { kind: 'nft-table', device },
      { kind: 'iptables-chain', device, range, range6 },
    ];
  }

  async #drop(): Promise<void> {
    const kept = this.#kept;
    if (kept === undefined) return;
    this.#kept = undefined;
    await closeOwnAddresses(kept.change, this.#deps.run);
    this.#deps.journal.forget(kept.id);
  }

  /** Take it back. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#watch[Symbol.dispose]();
    await this.#changes.idle();
    await this.#drop();
  }
}

/** Take it back, also for an engine that is dead. Idempotent. */
export async function closeOwnAddresses(change: OwnAddressesChange, run: RunCommand): Promise<void> {
  const name = nameOf(change.device);
  if (change.kind === 'nft-table') {
    await run('nft', ['delete', 'table', 'inet', name]);
    return;
  }
  for (const { tool, range } of familiesOf(change)) {
    await run(tool, ['-D', 'INPUT', '-d', range, '-j', name]);
    await run(tool, ['-F', name]);
    await run(tool, ['-X', name]);
  }
}

/** Tables of this kind are ours, whatever the interface is called. */
export function isOwnTable(name: string): boolean {
  return name.startsWith('culvert-');
}

function nameOf(device: string): string {
  return `culvert-${device}`;
}

async function stands(change: OwnAddressesChange, run: RunCommand): Promise<boolean> {
  const name = nameOf(change.device);
  if (change.kind === 'nft-table') return (await run('nft', ['list', 'table', 'inet', name])).code === 0;
  const checks = await Promise.all(
    familiesOf(change).map(({ tool, range }) => run(tool, ['-C', 'INPUT', '-d', range, '-j', name])),
  );
  return checks.every(({ code }) => code === 0);
}

async function keep(change: OwnAddressesChange, { run, device, range, range6 }: OwnAddressesDeps): Promise<boolean> {
  const name = nameOf(device);
  if (change.kind === 'nft-table') {
    const drops = [`ip daddr ${range} drop`, ...(range6 === '' ? [] : [`ip6 daddr ${range6} drop`])];
    // Before every other chain: accepting here only ends this one.
    const chain = [
      'type filter hook input priority -310; policy accept;',
      `iifname { "lo", "${device}" } accept`,
      ...drops,
    ];
    // Made before it is deleted, so that one which was left there is no fault.
    const table = `table inet ${name}`;
    const input = `${table}\ndelete ${table}\n${table} {\n chain input {\n  ${chain.join('\n  ')}\n }\n}\n`;
    return (await run('nft', ['-f', '-'], { input })).code === 0;
  }
  for (const { tool, range: own } of familiesOf(change)) {
    // What was left there goes first; where nothing was, that fails, and is as it should be.
    await run(tool, ['-D', 'INPUT', '-d', own, '-j', name]);
    await run(tool, ['-N', name]);
    const steps = [
      ['-F', name],
      ['-A', name, '-i', 'lo', '-j', 'RETURN'],
      ['-A', name, '-i', device, '-j', 'RETURN'],
      ['-A', name, '-j', 'DROP'],
      ['-I', 'INPUT', '-d', own, '-j', name],
    ];
    for (const step of steps) if ((await run(tool, step)).code !== 0) return false;
  }
  return true;
}

function familiesOf({ range, range6 }: Extract<OwnAddressesChange, { kind: 'iptables-chain' }>) {
  return [{ tool: 'iptables', range }, ...(range6 === '' ? [] : [{ tool: 'ip6tables', range: range6 }])];
}
