/**
 * NetworkManager, by a file in its configuration and a reload. With its dnsmasq plugin only our names come to us; without, it writes
 * resolv.conf itself, with us in it, and we send on what is not ours.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { TunnelerError, toTunnelerError } from '../../base/errors.ts';
import { readFileBefore, replaceFile, restoreFile, sha256 } from '../journal/file-change.ts';
import type { FileBefore } from '../journal/host-change.ts';
import type { DnsSettings, OsDns, OsDnsDeps } from './os-dns.ts';
import { nameserversOf } from './resolv-conf.ts';

interface Written {
  readonly fileId: number;
  readonly reloadId: number;
  readonly before: FileBefore;
  readonly own: string;
}

export class NetworkManagerDns implements OsDns {
  readonly backend: 'networkmanager' | 'networkmanager-dnsmasq';
  readonly splits: boolean;
  readonly #deps: OsDnsDeps;
  readonly #path: string;
  #written: Written | undefined;
  #upstreams: readonly string[] = [];

  constructor(deps: OsDnsDeps, backend: 'networkmanager' | 'networkmanager-dnsmasq') {
    this.#deps = deps;
    this.backend = backend;
    this.splits = backend === 'networkmanager-dnsmasq';
    const file = this.splits ? ['dnsmasq.d', 'culvert.conf'] : ['conf.d', '90-culvert.conf'];
    this.#path = join(deps.paths.networkManager, ...file);
  }

  upstreams(): readonly string[] {
    return this.#upstreams;
  }

  async set(settings: DnsSettings): Promise<void> {
    if (!this.splits) this.#upstreams = await this.#systemResolvers(settings.servers);
    const own = this.splits ? dnsmasqRules(settings) : globalResolver(settings);
    if (own === this.#written?.own) return;
    await this.restore();
    try {
      mkdirSync(dirname(this.#path), { recursive: true });
      const before = readFileBefore(this.#path);
      const reloadId = this.#deps.journal.record({ kind: 'networkmanager-reload' });
      this.#written = { fileId: replaceFile(this.#deps.journal, this.#path, own, before), reloadId, before, own };
    } catch (error) {
      throw toTunnelerError(error, 'net.dns.failed');
    }
    await this.#reload();
  }

  trouble(): undefined {
    return undefined;
  }

  async restore(): Promise<void> {
    const written = this.#written;
    if (written === undefined) return;
    this.#written = undefined;
    restoreFile({ kind: 'file', path: this.#path, before: written.before, ownSha256: sha256(written.own) });
    this.#deps.journal.forget(written.fileId);
    await this.#reload();
    this.#deps.journal.forget(written.reloadId);
  }

  /** What the active connections brought along, whatever resolv.conf says while we are in it. */
  async #systemResolvers(own: readonly string[]): Promise<readonly string[]> {
    const result = await this.#deps.run('nmcli', ['-t', '-f', 'IP4.DNS,IP6.DNS', 'device', 'show']);
    const found = result.stdout.split('\n').flatMap((line) => /^IP[46]\.DNS\[\d+\]:(\S+)$/.exec(line)?.[1] ?? []);
    // Terse output escapes the colons of IPv6 addresses.
    const addresses = found.map((address) => address.replaceAll('\\:', ':'));
    const listed = addresses.length > 0 ? addresses : nameserversOf(readFileSync(this.#deps.paths.resolvConf, 'utf8'));
    return [...new Set(listed)].filter((address) => !own.includes(address));
  }

  async #reload(): Promise<void> {
    const what = this.splits ? 'dns-full' : 'conf';
    const result = await this.#deps.run('nmcli', ['general', 'reload', what]);
    if (result.code !== 0) {
      throw new TunnelerError('net.dns.failed', `NetworkManager did not reload: ${result.stderr.trim()}`);
    }
  }
}

/** dnsmasq(8), --server=/domain/address. */
function dnsmasqRules({ domains, servers }: DnsSettings): string {
  const lines = domains.flatMap(({ name }) => servers.map((server) => `server=/${name}/${server}`));
  return `# Written by Culvert while its tunnel is up.\n${lines.map((line) => `${line}\n`).join('')}`;
}

/** NetworkManager.conf(5), [global-dns-domain-*]. */
function globalResolver({ servers }: DnsSettings): string {
  return `# Written by Culvert while its tunnel is up.\n[global-dns-domain-*]\nservers=${servers.join(',')}\n`;
}
