import type { Command } from 'commander';
import type { DnsView } from '../../api/views.ts';
import { addVerb, type Cli, type CommonOptions } from '../cli.ts';
import { facts, table } from '../table.ts';

/** `culvert dns status`: who is asked for which name. */
export function addDns(program: Command, cli: Cli): void {
  const group = program.command('dns').description('names');
  addVerb(group, 'status', 'which names Culvert answers, and who answers the rest').action(
    async (options: CommonOptions) => {
      const dns = await cli.withEngine(options, (engine) => engine.dns.status());
      cli.print(options, dns, (view) => describe(view, cli));
    },
  );
}

/** Who asks whom. */
function asked(splits: boolean): string {
  return splits
    ? 'by the system, about the names below alone; every other query stays with the system'
    : 'by programs, about every name; what is not below is sent on as it came';
}

function describe(dns: DnsView, cli: Cli): string {
  const head = facts(
    [
      ['resolver', `${dns.backend}, ${dns.state}`],
      ['chosen', dns.choice === undefined ? undefined : `because ${dns.choice}`],
      ['listens', dns.server],
      ['is asked', dns.splits === undefined || dns.state !== 'active' ? undefined : asked(dns.splits)],
      ['others go to', dns.upstreams.join(', ') || 'the system'],
      [
        'queries',
        dns.queries === undefined
          ? undefined
          : `${dns.queries.answered} answered, ${dns.queries.forwarded} forwarded, ${dns.queries.refused} refused`,
      ],
      ['because', dns.reason?.sentence],
    ],
    cli.paint,
  );
  if (dns.names.length === 0) return head;
  const names = table(
    dns.names,
    [
      { title: 'NAME', text: (row) => row.name },
      { title: 'ADDRESS', text: (row) => row.addresses.join(' ') || '–' },
      { title: 'SERVICE', text: (row) => row.service },
    ],
    cli,
  );
  return `${head}\n${names}`;
}
