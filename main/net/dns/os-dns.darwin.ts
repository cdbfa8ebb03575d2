/** macOS scoped resolvers: a file a domain in /etc/resolver, resolver(5). Only names below those domains come to us. */
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { toTunnelerError } from '../../base/errors.ts';
import { readFileBefore, replaceFile, restoreFile, sha256 } from '../journal/file-change.ts';
import type { FileBefore } from '../journal/host-change.ts';
import type { DnsSettings, OsDns, OsDnsDeps } from './os-dns.ts';

interface Written {
  readonly journalId: number;
  readonly before: FileBefore;
  readonly own: string;
}

/** Names by files of `/etc/resolver`. */
export class ResolverFilesDns implements OsDns {
  readonly backend = 'resolver-files';
  readonly splits = true;
  readonly #deps: OsDnsDeps;
  readonly #written = new Map<string, Written>();
  #cacheId: number | undefined;

  constructor(deps: OsDnsDeps) {
    this.#deps = deps;
  }

  upstreams(): readonly string[] {
    return [];
  }

  async set(settings: DnsSettings): Promise<void> {
    const own = settings.servers.map((server) => `nameserver ${server}\n`).join('');
    const wanted = new Set(settings.domains.map(({ name }) => name));
    this.#cacheId ??= this.#deps.journal.record({ kind: 'darwin-cache' });
    for (const [domain, written] of [...this.#written]) {
      if (!wanted.has(domain) || written.own !== own) this.#putBack(domain, written);
    }
    try {
      // Whoever resolves names must be able to read it, whatever mask launchd gave us.
      if (mkdirSync(this.#deps.paths.darwinResolver, { recursive: true }) !== undefined) {
        chmodSync(this.#deps.paths.darwinResolver, 0o755);
      }
      for (const domain of wanted) {
        if (this.#written.has(domain)) continue;
        const before = readFileBefore(this.#pathOf(domain));
        const journalId = replaceFile(this.#deps.journal, this.#pathOf(domain), own, before);
        this.#written.set(domain, { journalId, before, own });
      }
    } catch (error) {
      throw toTunnelerError(error, 'net.dns.failed');
    }
    await this.#flush();
  }

  trouble(): undefined {
    return undefined;
  }

  async restore(): Promise<void> {
    if (this.#cacheId === undefined) return;
    for (const [domain, written] of [...this.#written]) this.#putBack(domain, written);
    await this.#flush();
    this.#deps.journal.forget(this.#cacheId);
    this.#cacheId = undefined;
  }

  #putBack(domain: string, written: Written): void {
    const change = { path: this.#pathOf(domain), before: written.before, ownSha256: sha256(written.own) };
    restoreFile({ kind: 'file', ...change });
    this.#deps.journal.forget(written.journalId);
    this.#written.delete(domain);
  }

  /** Names are canonical (letters, digits, hyphens, dots), so none leads out of the folder. */
  #pathOf(domain: string): string {
    return join(this.#deps.paths.darwinResolver, domain);
  }

  async #flush(): Promise<void> {
    await flushDarwinCache(this.#deps.run);
  }
}

/** Makes the system ask anew for what it has cached. */
export async function flushDarwinCache(run: OsDnsDeps['run']): Promise<void> {
  await run('dscacheutil', ['-flushcache']);
  await run('killall', ['-HUP', 'mDNSResponder']);
}
