/**
 * The system's own resolver, told to ask us about intercepted names: one small interface, a file a mechanism.
 */
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Reason } from '../../base/reason.ts';
import type { HostJournal } from '../journal/host-journal.ts';
import type { RunCommand } from '../run-command.ts';
import type { DnsDomain } from './name-table.ts';

/** The mechanisms there are, and `off`. */
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
/** A member of {@link dnsBackends}. */
export type DnsBackend = (typeof dnsBackends)[number];

/** What the system is told. */
export interface DnsSettings {
  /** The TUN interface. */
  readonly device: string;
  /** Our resolver's addresses. */
  readonly servers: readonly string[];
  readonly domains: readonly DnsDomain[];
}

/** One mechanism; passes the conformance suite of `OsDns`. */
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

/** Where these files are on a real host. */
export const systemDnsPaths: DnsPaths = {
  resolvConf: '/etc/resolv.conf',
  resolvedUplinks: '/run/systemd/resolve/resolv.conf',
  networkManager: '/etc/NetworkManager',
  darwinResolver: '/etc/resolver',
};

/** What every mechanism is opened with. */
export interface OsDnsDeps {
  readonly run: RunCommand;
  readonly journal: HostJournal;
  readonly clock: Clock;
  readonly log: Log;
  readonly paths: DnsPaths;
  readonly platform: NodeJS.Platform;
}
