/** systemd-resolved: our resolver on our link, with routing domains, so that it is asked about our names alone. */
import { TunnelerError } from '../../base/errors.ts';
import { readIfThereSync } from '../../files/read-if-there.ts';
import type { DnsSettings, OsDns, OsDnsDeps } from './os-dns.ts';
import { nameserversOf } from './resolv-conf.ts';

export class ResolvedDns implements OsDns {
  readonly backend = 'systemd-resolved';
  readonly splits = true;
  readonly #deps: OsDnsDeps;
  #journalId: number | undefined;
  #device: string | undefined;

  constructor(deps: OsDnsDeps) {
    this.#deps = deps;
  }

  /** A name below an exact one of ours comes to us too, for a routing domain reaches down; it is sent on to these. */
  upstreams(): readonly string[] {
    return nameserversOf(readIfThereSync(this.#deps.paths.resolvedUplinks) ?? '');
  }

  async set(settings: DnsSettings): Promise<void> {
    const { device } = settings;
    this.#journalId ??= this.#deps.journal.record({ kind: 'resolved-link', device });
    this.#device = device;
    await this.#resolvectl('dns', device, ...settings.servers);
    // Without a domain the link would be asked about everything; a domain that no name has keeps it quiet.
    const domains =
      settings.domains.length === 0 ? ['~culvert.invalid'] : settings.domains.map(({ name }) => `~${name}`);
    await this.#resolvectl('domain', device, ...domains);
    await this.#resolvectl('default-route', device, 'false');
    for (const protocol of ['llmnr', 'mdns', 'dnssec', 'dnsovertls']) await this.#try(protocol, device, 'no');
    // Old answers, also the "no such name" of a moment ago, would outlive the change.
    await this.#try('flush-caches');
  }

  trouble(): undefined {
    return undefined;
  }

  async restore(): Promise<void> {
    if (this.#device === undefined || this.#journalId === undefined) return;
    await this.#try('revert', this.#device);
    await this.#try('flush-caches');
    this.#deps.journal.forget(this.#journalId);
    this.#device = undefined;
    this.#journalId = undefined;
  }

  async #resolvectl(...args: readonly string[]): Promise<void> {
    const result = await this.#deps.run('resolvectl', args);
    if (result.code === 0) return;
    throw new TunnelerError('net.dns.failed', `resolvectl ${args[0] ?? ''} failed: ${result.stderr.trim()}`, {
      details: { code: result.code },
    });
  }

  /** Settings that older versions lack, or that may be gone already. */
  async #try(...args: readonly string[]): Promise<void> {
    const result = await this.#deps.run('resolvectl', args);
    if (result.code !== 0) this.#deps.log.debug('dns.resolvectl', { verb: args[0], code: result.code });
  }
}
