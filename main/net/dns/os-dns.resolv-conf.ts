/** A plain /etc/resolv.conf that no program looks after: our resolver goes first in it, and sends on what is not ours. */
import { TunnelerError } from '../../base/errors.ts';
import { readIfThereSync } from '../../files/read-if-there.ts';
import type { Reason } from '../../base/reason.ts';
import { readFileBefore, replaceFile, restoreFile, sha256 } from '../journal/file-change.ts';
import type { FileBefore } from '../journal/host-change.ts';
import type { DnsSettings, OsDns, OsDnsDeps } from './os-dns.ts';
import { engineServersOf, nameserversOf, standsIn, withNameservers, withoutNameservers } from './resolv-conf.ts';

const watchPeriodMs = 2_000;
/** Another program may well write the file once in a while (a new DHCP lease); more often than this it and we would fight. */
const maxTakenBack = 3;
const fightWindowMs = 60_000;

interface Written {
  readonly journalId: number;
  readonly before: FileBefore;
  readonly own: string;
  /** Whom the file named before us: they get what is not ours, and their lines back. */
  readonly former: readonly string[];
  /** Those among them that are other engines. */
  readonly engines: readonly string[];
}

export class ResolvConfDns implements OsDns {
  readonly backend = 'resolv.conf';
  readonly splits = false;
  readonly #deps: OsDnsDeps;
  readonly #keepOthers: boolean;
  #written: Written | undefined;
  #settings: DnsSettings | undefined;
  #watch: Disposable | undefined;
  #takenBackAtMs: number[] = [];
  #trouble: Reason | undefined;

  /** @param keepOthers leave former resolvers behind ours; default: where the libc asks one after the other (glibc). */
  constructor(deps: OsDnsDeps, keepOthers = usesGlibc()) {
    this.#deps = deps;
    this.#keepOthers = keepOthers;
  }

  upstreams(): readonly string[] {
    const own = this.#servers();
    return (this.#written?.former ?? nameserversOf(this.#read())).filter((address) => !own.includes(address));
  }

  async set(settings: DnsSettings): Promise<void> {
    const same = this.#settings?.servers.join() === settings.servers.join();
    this.#settings = settings;
    // Which names are ours is the resolver's business; the file only says where it is.
    if (this.#written !== undefined && same) return;
    if (this.#written !== undefined) this.#putBack(this.#written);
    this.#apply();
    this.#watch ??= this.#deps.clock.every(watchPeriodMs, () => this.#look());
  }

  trouble(): Reason | undefined {
    return this.#trouble;
  }

  async restore(): Promise<void> {
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
    if (this.#written !== undefined) this.#putBack(this.#written);
    this.#written = undefined;
    this.#settings = undefined;
  }

  #apply(): void {
    const { journal, paths } = this.#deps;
    try {
      const servers = this.#servers();
      const found = this.#read();
      // Our own lines from before are those of an engine that died and whose journal is lost: nobody else takes them out.
      const base = standsIn(found, servers) ? withoutNameservers(found, servers, []) : found;
      const before = base === found ? readFileBefore(paths.resolvConf) : fileOf(base);
      const own = withNameservers(base, servers, this.#keepOthers);
      const [former, engines] = [nameserversOf(base), engineServersOf(base)];
      this.#written = { journalId: replaceFile(journal, paths.resolvConf, own, before), before, own, former, engines };
    } catch (error) {
      throw new TunnelerError('net.dns.failed', `${paths.resolvConf} could not be written`, { cause: error });
    }
  }

  #putBack(written: Written): void {
    const { journal, paths } = this.#deps;
    const [now, servers] = [this.#read(), this.#servers()];
    if (now !== written.own && standsIn(now, servers)) {
      // Another engine wrote over our lines, or left from below them: only they go.
      const former = written.former.filter((address) => !written.engines.includes(address));
      journal.forget(replaceFile(journal, paths.resolvConf, withoutNameservers(now, servers, former)));
    } else
      restoreFile({ kind: 'file', path: paths.resolvConf, before: written.before, ownSha256: sha256(written.own) });
    journal.forget(written.journalId);
  }

  /** Has someone else written the file? Then that is the new base, unless it happens so often that we had better let go. */
  #look(): void {
    const written = this.#written;
    if (written === undefined) return;
    const now = this.#read();
    if (now === written.own) return;
    if (standsIn(now, this.#servers())) {
      // Another engine came or went, and left our lines where they work: no fight. One that went takes no queries any more.
      const engines = engineServersOf(now);
      const former = written.former.filter(
        (address) => !written.engines.includes(address) || engines.includes(address),
      );
      this.#written = { ...written, former };
      return;
    }
    const nowMs = this.#deps.clock.monotonic();
    this.#takenBackAtMs = this.#takenBackAtMs.filter((atMs) => nowMs - atMs < fightWindowMs);
    this.#deps.journal.forget(written.journalId);
    this.#written = undefined;
    if (this.#takenBackAtMs.length >= maxTakenBack) {
      this.#watch?.[Symbol.dispose]();
      this.#trouble = {
        code: 'net.dns.fight',
        sentence: `another program keeps rewriting ${this.#deps.paths.resolvConf}; names are not resolved through Culvert`,
        next: 'find that program, or set another dns backend in culvert.yaml',
      };
      this.#deps.log.warn('dns.fight', { path: this.#deps.paths.resolvConf });
      return;
    }
    this.#takenBackAtMs.push(nowMs);
    this.#deps.log.info('dns.file_rewritten', { path: this.#deps.paths.resolvConf });
    try {
      this.#apply();
    } catch (error) {
      this.#trouble = { code: 'net.dns.failed', sentence: `${this.#deps.paths.resolvConf} could not be written again` };
      this.#deps.log.warn('dns.write_failed', { error });
    }
  }

  #servers(): readonly string[] {
    return this.#settings?.servers ?? [];
  }

  #read(): string {
    return readIfThereSync(this.#deps.paths.resolvConf) ?? '';
  }
}

function fileOf(text: string): FileBefore {
  return { kind: 'file', contentBase64: Buffer.from(text).toString('base64'), mode: 0o644 };
}

function usesGlibc(): boolean {
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return report.header?.glibcVersionRuntime !== undefined;
}
