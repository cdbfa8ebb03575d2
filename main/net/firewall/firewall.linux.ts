/**
 * Linux firewalls that drop what they do not know would drop released flows on their way from our interface to our listener. Where one does,
 * it is told to let that interface in: firewalld by its zone, all else by a rule at the head of each input chain.
 */
import type { HostChange } from '../journal/host-change.ts';
import type { HostJournal } from '../journal/host-journal.ts';
import type { RunCommand } from '../run-command.ts';
import { isOwnTable } from './own-addresses.linux.ts';

/** A change of a firewall, as the journal has it. */
export type FirewallChange = Extract<HostChange, { kind: 'firewalld-zone' | 'nft-rules' | 'iptables-rules' }>;

interface NftChain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly type?: string;
  readonly hook?: string;
}

interface NftRule {
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  readonly handle: number;
  readonly comment?: string;
}

/** Families whose input chains see what comes in by our interface. */
const inputFamilies = ['ip', 'ip6', 'inet'];

/** Let the interface in; what was changed, or undefined where no firewall was found. Journals before it changes anything. */
export async function openFirewall(
  device: string,
  run: RunCommand,
  journal: HostJournal,
): Promise<{ readonly id: number; readonly change: FirewallChange } | undefined> {
  const note = (change: FirewallChange): { id: number; change: FirewallChange } => ({
    id: journal.record(change),
    change,
  });
  if ((await run('firewall-cmd', ['--state'])).code === 0) {
    const noted = note({ kind: 'firewalld-zone', device });
    await run('firewall-cmd', ['--zone=trusted', `--add-interface=${device}`]);
    return noted;
  }
  const listed = await run('nft', ['-j', 'list', 'chains']);
  if (listed.code === 0) {
    const chains = objectsOf<NftChain>(listed.stdout, 'chain').filter(
      ({ hook, type, family, table }) =>
        hook === 'input' && type === 'filter' && inputFamilies.includes(family) && !isOwnTable(table),
    );
    if (chains.length === 0) return undefined;
    const noted = note({ kind: 'nft-rules', comment: commentOf(device) });
    for (const { family, table, name } of chains) {
      const rule = ['iifname', device, 'accept', 'comment', `"${commentOf(device)}"`];
      await run('nft', ['insert', 'rule', family, table, name, ...rule]);
    }
    return noted;
  }
  if ((await run('iptables', ['-S', 'INPUT'])).code !== 0) return undefined;
  const noted = note({ kind: 'iptables-rules', device });
  for (const tool of ['iptables', 'ip6tables']) await run(tool, ['-I', 'INPUT', ...iptablesRule(device)]);
  return noted;
}

/** Take it back. Idempotent: what is not there any more is passed over. */
export async function closeFirewall(change: FirewallChange, run: RunCommand): Promise<void> {
  if (change.kind === 'firewalld-zone') {
    await run('firewall-cmd', ['--zone=trusted', `--remove-interface=${change.device}`]);
    return;
  }
  if (change.kind === 'iptables-rules') {
    for (const tool of ['iptables', 'ip6tables']) await run(tool, ['-D', 'INPUT', ...iptablesRule(change.device)]);
    return;
  }
  const listed = await run('nft', ['-j', 'list', 'ruleset']);
  const rules = objectsOf<NftRule>(listed.stdout, 'rule').filter((rule) => rule.comment === change.comment);
  for (const { family, table, chain, handle } of rules) {
    await run('nft', ['delete', 'rule', family, table, chain, 'handle', String(handle)]);
  }
}

function commentOf(device: string): string {
  return `culvert ${device}`;
}

function iptablesRule(device: string): readonly string[] {
  return ['-i', device, '-m', 'comment', '--comment', commentOf(device), '-j', 'ACCEPT'];
}

/** Objects of one kind in what `nft -j` prints (libnftables-json(5)). */
function objectsOf<T>(stdout: string, kind: string): readonly T[] {
  if (!stdout.trimStart().startsWith('{')) return [];
  const { nftables = [] } = JSON.parse(stdout) as { nftables?: readonly Record<string, unknown>[] };
  return nftables.flatMap((entry) => (entry[kind] === undefined ? [] : [entry[kind] as T]));
}
