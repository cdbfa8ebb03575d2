/**
 * The system's own resolver, told to ask us about intercepted names: one small interface, a file a mechanism, and the choice between them.
 */
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Reason } from '../../base/reason.ts';
import type { HostJournal } from '../journal/host-journal.ts';
import type { RunCommand } from '../run-command.ts';
import { detectLinuxDns } from './detect.linux.ts';
import type { DnsDomain } from './name-table.ts';
import { NetworkManagerDns } from './os-dns.network-manager.ts';
import { NoDns } from './os-dns.off.ts';
import { ResolvConfDns } from './os-dns.resolv-conf.ts';
import { ResolvconfToolDns } from './os-dns.resolvconf-tool.ts';
import { ResolvedDns } from './os-dns.resolved.ts';
import { ResolverFilesDns } from './os-dns.darwin.ts';
import { NrptDns } from './os-dns.windows.ts';

export const dnsBackends = [
  'systemd-resolved',
  'networkmanager-dnsmasq',
  'networkmanager',
  'resolvconf',
  'resolv.conf',
  'resolver-files',
  'nrpt',
  'off',
] as const;
export type DnsBackend = (typeof dnsBackends)[number];

export interface DnsSettings {
  /** The TUN interface. */
  readonly device: string;
  /** Our resolver's addresses. */
  readonly servers: readonly string[];
  readonly domains: readonly DnsDomain[];
}

export interface OsDns {
  readonly backend: DnsBackend;
  /** True where the system asks us about our names alone; false where it asks us about every name, which we then send on. */
  readonly splits: boolean;
  /** Resolvers the system had, or has, for all other names. */
  upstreams(): readonly string[];
  /** Idempotent: exactly this holds from now on. Journals before it changes anything. Throws `net.dns.failed`. */
  set(settings: DnsSettings): Promise<void>;
  /** What is wrong now, if anything: another program fights us over the file, say. */
  trouble(): Reason | undefined;
  /** Put everything back and forget it in the journal. Idempotent. */
  restore(): Promise<void>;
}

/** The files the mechanisms read and write; tests point them elsewhere. */
export interface DnsPaths {
  readonly resolvConf: string;
  /** Where systemd-resolved lists the resolvers of all links. */
  readonly resolvedUplinks: string;
  readonly networkManager: string;
  readonly darwinResolver: string;
}

export const systemDnsPaths: DnsPaths = {
  resolvConf: '/etc/resolv.conf',
  resolvedUplinks: '/run/systemd/resolve/resolv.conf',
  networkManager: '/etc/NetworkManager',
  darwinResolver: '/etc/resolver',
};

export interface OsDnsDeps {
  readonly run: RunCommand;
  readonly journal: HostJournal;
  readonly clock: Clock;
  readonly log: Log;
  readonly paths: DnsPaths;
  readonly platform: NodeJS.Platform;
}

/** What was chosen, and why, for `culvert dns status`. */
export interface ChosenDns {
  readonly dns: OsDns;
  readonly reason: string;
}

/** Find out who resolves names here; `wanted` skips that. Changes nothing yet. */
export async function chooseOsDns(deps: OsDnsDeps, wanted: DnsBackend | 'auto'): Promise<ChosenDns> {
  const { backend, reason } =
    wanted === 'auto' ? await detect(deps) : { backend: wanted, reason: 'set in the configuration' };
  return { dns: open(backend, deps), reason };
}

function detect(deps: OsDnsDeps): Promise<{ readonly backend: DnsBackend; readonly reason: string }> {
  if (deps.platform === 'linux') return detectLinuxDns(deps.run, deps.paths);
  if (deps.platform === 'darwin')
    return Promise.resolve({ backend: 'resolver-files', reason: 'macOS has scoped resolvers' });
  if (deps.platform === 'win32')
    return Promise.resolve({ backend: 'nrpt', reason: 'Windows has a name resolution policy' });
  return Promise.resolve({ backend: 'off', reason: `nothing is known of names on ${deps.platform}` });
}

function open(backend: DnsBackend, deps: OsDnsDeps): OsDns {
  switch (backend) {
    case 'systemd-resolved':
      return new ResolvedDns(deps);
    case 'networkmanager-dnsmasq':
    case 'networkmanager':
      return new NetworkManagerDns(deps, backend);
    case 'resolvconf':
      return new ResolvconfToolDns(deps);
    case 'resolv.conf':
      return new ResolvConfDns(deps);
    case 'resolver-files':
      return new ResolverFilesDns(deps);
    case 'nrpt':
      return new NrptDns(deps);
    case 'off':
      return new NoDns();
  }
}
