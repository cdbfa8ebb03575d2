/** Windows: rules of the name resolution policy table (NRPT), found again by their comment. Only our names come to us. */
import { TunnelerError } from '../../base/errors.ts';
import { powerShellScript } from '../../files/system-tools.ts';
import type { RunCommand } from '../run-command.ts';
import type { DnsSettings, OsDns, OsDnsDeps } from './os-dns.ts';

const comment = 'Culvert';
/** Namespaces in one rule; a longer list would outgrow the command line. */
const namesARule = 50;

/** Names by rules of the NRPT. */
export class NrptDns implements OsDns {
  readonly backend = 'nrpt';
  readonly splits = true;
  readonly #deps: OsDnsDeps;
  #journalId: number | undefined;

  constructor(deps: OsDnsDeps) {
    this.#deps = deps;
  }

  upstreams(): readonly string[] {
    return [];
  }

  async set(settings: DnsSettings): Promise<void> {
    this.#journalId ??= this.#deps.journal.record({ kind: 'nrpt', comment });
    await powershell(this.#deps.run, removal(comment));
    // A leading dot means "this and all below"; without, exactly this name.
    const names = settings.domains.flatMap(({ name, below }) => (below ? [name, `.${name}`] : [name]));
    const servers = settings.servers.map(quoted).join(',');
    for (let at = 0; at < names.length; at += namesARule) {
      const namespaces = names
        .slice(at, at + namesARule)
        .map(quoted)
        .join(',');
      const rule = `-Namespace ${namespaces} -NameServers ${servers} -Comment ${quoted(comment)}`;
      const result = await powershell(this.#deps.run, `Add-DnsClientNrptRule ${rule}`);
      if (result.code !== 0)
        throw new TunnelerError('net.dns.failed', `an NRPT rule was refused: ${result.stderr.trim()}`);
    }
    await powershell(this.#deps.run, 'Clear-DnsClientCache');
  }

  trouble(): undefined {
    return undefined;
  }

  async restore(): Promise<void> {
    if (this.#journalId === undefined) return;
    await removeNrptRules(this.#deps.run, comment);
    this.#deps.journal.forget(this.#journalId);
    this.#journalId = undefined;
  }
}

/** Remove every rule with this comment, whichever run of ours made it. */
export async function removeNrptRules(run: RunCommand, withComment: string): Promise<void> {
  await powershell(run, removal(withComment));
  await powershell(run, 'Clear-DnsClientCache');
}

function removal(withComment: string): string {
  return `Get-DnsClientNrptRule | Where-Object Comment -eq ${quoted(withComment)} | Remove-DnsClientNrptRule -Force`;
}

function powershell(run: RunCommand, script: string): ReturnType<RunCommand> {
  return run('powershell.exe', powerShellScript(script));
}

/** A PowerShell string that is taken as it is. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
