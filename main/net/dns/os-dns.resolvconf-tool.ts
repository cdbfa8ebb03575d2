/** resolvconf(8), Debian's or openresolv: a record with our resolver; it writes /etc/resolv.conf, and we send on what is not ours. */
import { readFileSync } from 'node:fs';
import { TunnelerError } from '../../base/errors.ts';
import type { DnsSettings, OsDns, OsDnsDeps } from './os-dns.ts';
import { nameserversOf } from './resolv-conf.ts';

/** Debian's interface-order puts records of this pattern before those of real interfaces. */
const record = 'tun-culvert';
/** openresolv knows no such order: it puts the lowest metric first, and takes an exclusive record alone. Debian's passes over both. */
const alone = ['-m', '0', '-x'];

export class ResolvconfToolDns implements OsDns {
  readonly backend = 'resolvconf';
  readonly splits = false;
  readonly #deps: OsDnsDeps;
  #journalId: number | undefined;
  #upstreams: readonly string[] = [];
  #servers = '';

  constructor(deps: OsDnsDeps) {
    this.#deps = deps;
  }

  upstreams(): readonly string[] {
    return this.#upstreams;
  }

  async set(settings: DnsSettings): Promise<void> {
    const servers = settings.servers.map((server) => `nameserver ${server}\n`).join('');
    this.#upstreams = await this.#othersThan(settings.servers);
    if (this.#servers === servers) return;
    this.#journalId ??= this.#deps.journal.record({ kind: 'resolvconf', record });
    const result = await this.#deps.run('resolvconf', ['-a', record, ...alone], { input: servers });
    if (result.code !== 0) throw new TunnelerError('net.dns.failed', `resolvconf failed: ${result.stderr.trim()}`);
    this.#servers = servers;
  }

  trouble(): undefined {
    return undefined;
  }

  async restore(): Promise<void> {
    if (this.#journalId === undefined) return;
    await this.#deps.run('resolvconf', ['-d', record]);
    this.#deps.journal.forget(this.#journalId);
    this.#journalId = undefined;
    this.#servers = '';
  }

  /** Resolvers of all records there are, whatever resolv.conf says while we are in it. */
  async #othersThan(own: readonly string[]): Promise<readonly string[]> {
    const records = nameserversOf((await this.#deps.run('resolvconf', ['-l'])).stdout);
    const listed = records.length > 0 ? records : nameserversOf(readFileSync(this.#deps.paths.resolvConf, 'utf8'));
    return [...new Set(listed)].filter((address) => !own.includes(address));
  }
}
