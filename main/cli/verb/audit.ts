import { open } from 'node:fs/promises';
import { Option, type Command } from 'commander';
import { TunnelerError } from '../../base/errors.ts';
import type { AuditRecordView, AuditVerifyView } from '../../api/views.ts';
import { addVerb, exitCode, usage, type Cli, type CommonOptions } from '../cli.ts';
import type { AuditQuery } from '../backends.ts';
import { callTable } from '../call-table.ts';
import { oneLine } from '../table.ts';

type Filters = Omit<AuditQuery, 'limit' | 'beforeSeq' | 'decision'>;
interface SearchOptions extends CommonOptions, Filters {
  readonly decision?: 'allow' | 'deny';
  readonly limit?: string;
}

/** `culvert audit tail|search|calls|verify|export`: the journal of what was decided and done. */
export function addAudit(program: Command, cli: Cli): void {
  const group = program.command('audit').description('the journal of what was decided and done');
  addVerb(group, 'tail', 'records as they are written')
    .option('--after <seq>', 'begin behind this record')
    .action(async (options: CommonOptions & { after?: string }) => {
      const after = options.after === undefined ? {} : { after: wholeNumber(options.after, '--after') };
      await cli.withEngine(options, async (engine) => {
        for await (const record of engine.audit.tail(after, { signal: cli.signal })) {
          cli.printItem(options, record, (one) => describe(one, cli));
        }
      });
    });

  addFilters(addVerb(group, 'search [text]', 'records that match, newest first'))
    .option('--limit <n>', 'at most so many (default 100)')
    .action(async (text: string | undefined, options: SearchOptions) => {
      const records = await search(searchQuery(text, options), options, cli);
      cli.print(options, records, (rows) =>
        rows.length === 0 ? 'No record matches.\n' : rows.map((row) => `${describe(row, cli)}\n`).join(''),
      );
    });

  addFilters(addVerb(group, 'calls', 'which agent called which tool, when, with what, and which rule decided'))
    .option('--limit <n>', 'at most so many (default 100)')
    .action(async (options: SearchOptions) => {
      const records = await search({ ...searchQuery(undefined, options), kind: 'call' }, options, cli);
      cli.print(options, records, (rows) => callTable(rows, cli));
    });

  addFilters(addVerb(group, 'export', 'the journal as lines for other tools, oldest first'))
    .addOption(
      new Option('--format <format>', 'OCSF events, or the records as they are')
        .choices(['ocsf', 'json'])
        .default('ocsf'),
    )
    .option('--out <file>', 'write there (0600) instead of to standard output')
    .action(async (options: SearchOptions & { format: 'ocsf' | 'json'; out?: string }) => {
      const { limit: _all, ...query } = searchQuery(undefined, options);
      const lines = cli.programs.exportAudit(cli.stateDirectory(options), options.format, query);
      if (options.out === undefined) {
        cli.outputIsPayload = true;
        for await (const line of lines) cli.terminal.out(`${line}\n`);
        return;
      }
      const file = options.out;
      const records = await writeLines(file, lines);
      cli.print(options, { file, records, format: options.format }, () => `${records} records written to ${file}\n`);
    });

  addVerb(group, 'verify', 'is the journal what was written? Works without the engine').action(
    async (options: CommonOptions) => {
      const verdict = await cli.programs.verifyAudit(cli.stateDirectory(options));
      cli.print(options, verdict, (view) => describeVerdict(view, cli));
      if (!verdict.ok) cli.exit = exitCode.failed;
    },
  );
}

function search(query: AuditQuery, options: CommonOptions, cli: Cli): Promise<readonly AuditRecordView[]> {
  return cli.withEngineOr(
    options,
    (engine) => engine.audit.search(query),
    () => cli.programs.searchAudit(cli.stateDirectory(options), query),
  );
}

/** Throws `base.invalid` where the file is there already or cannot be written. */
async function writeLines(file: string, lines: AsyncIterable<string>): Promise<number> {
  let records = 0;
  try {
    await using out = await open(file, 'wx', 0o600);
    for await (const line of lines) {
      await out.write(`${line}\n`);
      records += 1;
    }
  } catch (error) {
    throw new TunnelerError('base.invalid', `cannot write ${file}: ${(error as Error).message}`, { cause: error });
  }
  return records;
}

function addFilters(command: Command): Command {
  return command
    .option('--kind <kind>', 'verdict, session.opened, session.closed, call, violation, …')
    .option('--service <name>', 'of this service')
    .option('--identity <name>', 'of this identity')
    .option('--agent <name>', 'of this agent')
    .option('--tool <name>', 'calls of this tool')
    .option('--session <id>', 'of this session')
    .addOption(new Option('--decision <decision>', 'how it was decided').choices(['allow', 'deny']))
    .option('--since <time>', 'ISO 8601, or a span back from now such as 2h')
    .option('--until <time>', 'ISO 8601, or a span back from now such as 5m');
}

function searchQuery(text: string | undefined, options: SearchOptions): AuditQuery {
  const { kind, service, identity, agent, tool, session, decision, since, until } = options;
  const given = { kind, service, identity, agent, tool, session, decision, text };
  return {
    ...(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Partial<AuditQuery>),
    ...(since === undefined ? {} : { since: instant(since, '--since') }),
    ...(until === undefined ? {} : { until: instant(until, '--until') }),
    limit: options.limit === undefined ? 100 : wholeNumber(options.limit, '--limit'),
  };
}

const spanUnits: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function instant(text: string, option: string): string {
  const back = /^(\d+)([smhd])$/.exec(text);
  const at = back === null ? Date.parse(text) : Date.now() - Number(back[1]) * (spanUnits[back[2] ?? 's'] ?? 0);
  if (Number.isNaN(at)) throw usage(`${option}: expected an ISO 8601 time or a span such as 2h, got "${text}"`);
  return new Date(at).toISOString();
}

function wholeNumber(text: string, option: string): number {
  if (!/^\d{1,15}$/.test(text)) throw usage(`${option}: expected a whole number, got "${text}"`);
  return Number(text);
}

const shownElsewhere = new Set(['seq', 'at', 'kind', 'prev', 'hash', 'decision']);

function describe(record: AuditRecordView, cli: Cli): string {
  const decision = record['decision'];
  const shown = Object.entries(record)
    .filter(([name, value]) => !shownElsewhere.has(name) && value !== undefined && value !== null)
    .map(
      ([name, value]) => `${cli.paint('dim', `${name}=`)}${typeof value === 'string' ? value : JSON.stringify(value)}`,
    );
  const mark = decision === undefined ? '' : `${cli.paint(decision === 'deny' ? 'red' : 'green', String(decision))} `;
  const line = `${String(record.seq).padStart(7)}  ${record.at}  ${record.kind.padEnd(18)} `;
  return line + mark + shown.map((part) => (cli.terminal.outIsTty ? part : oneLine(part))).join(' ');
}

function describeVerdict(verdict: AuditVerifyView, cli: Cli): string {
  if (verdict.ok) {
    const gaps = verdict.gaps === 0 ? '' : `, ${verdict.gaps} known to be lost`;
    return `${cli.paint('green', 'intact')}: ${verdict.count} records, ${verdict.checkpoints} checkpoints${gaps}\n`;
  }
  const bad = verdict.firstBad;
  return `${cli.paint('red', 'tampered')}: record ${bad?.seq ?? '?'} in ${bad?.file ?? '?'}: ${bad?.reason ?? ''}\n`;
}
