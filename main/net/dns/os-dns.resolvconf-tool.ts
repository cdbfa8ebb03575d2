/** resolvconf(8), Debian's or openresolv: a record with our resolver; it writes /etc/resolv.conf, and we send on what is not ours. */
import { readFileSync } from 'node:fs';
import { TunnelerError } from '../../base/errors.ts';
import type { DnsSettings, OsDns, OsDnsDeps } from './os-dns.ts';
import { nameserversOf } from './resolv-conf.ts';

/** Debian's interface-order puts records of this pattern before those of real interfaces. */
const record = 'tun-culvert';

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
    if (this.#servers === servers) return;
    const listed = nameserversOf(readFileSync(this.#deps.paths.resolvConf, 'utf8'));
    this.#upstreams = listed.filter((address) => !settings.servers.includes(address));
    this.#journalId ??= this.#deps.journal.record({ kind: 'resolvconf', record });
    const result = await this.#deps.run('resolvconf', ['-a', record], { input: servers });
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
}
