import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open, readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { Option, type Command } from 'commander';
import { defined, whenDefined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import type { AlertView } from '../../api/views.ts';
import type { AuditRecordView, AuditVerifyView } from '../../api/record-views.ts';
import { addVerb, exitCode, usage, type Cli, type CommonOptions } from '../cli.ts';
import { addFilters, searchQuery, wholeNumber, type SearchOptions } from '../audit-filters.ts';
import { auditLines } from '../audit-line.ts';
import type { AuditQuery } from '../backends.ts';
import { callTable } from '../call-table.ts';
import { localTime, oneLine } from '../table.ts';
import { records, withProgress } from '../progress.ts';

/** `culvert audit tail|search|calls|alerts|verify|export`: the journal of what was decided and done. */
export function addAudit(program: Command, cli: Cli): void {
  const group = program.command('audit').description('the journal of what was decided and done');
  addVerb(group, 'tail', 'records as they are written')
    .option('--after <seq>', 'begin behind this record')
    .action(async (options: CommonOptions & { after?: string }) => {
      const after = defined({ after: whenDefined(options.after, (seq) => wholeNumber(seq, '--after')) });
      await cli.withEngine(options, async (engine) => {
        const line = auditLines(cli);
        for await (const record of engine.audit.tail(after, { signal: cli.signal })) {
          cli.print(options, record, line);
        }
      });
    });

  addFilters(addVerb(group, 'search [text]', 'records that match, newest first'))
    .option('--limit <n>', 'at most so many (default 100)')
    .action(async (text: string | undefined, options: SearchOptions) => {
      const found = await search(searchQuery(text, options), options, cli);
      cli.print(options, found, (rows) =>
        rows.length === 0 ? 'No record matches.\n' : rows.map(auditLines(cli)).join(''),
      );
    });

  addFilters(addVerb(group, 'calls', 'which agent called which tool, when, with what, and which rule decided'))
    .option('--limit <n>', 'at most so many (default 100)')
    .action(async (options: SearchOptions) => {
      const found = await search({ ...searchQuery(undefined, options), kind: 'call' }, options, cli);
      cli.print(options, found, (rows) => callTable(rows, cli));
    });

  addVerb(group, 'alerts', 'what somebody should know, since the engine began, oldest first').action(
    async (options: CommonOptions) => {
      const alerts = await cli.withEngine(options, (engine) => engine.audit.alerts());
      cli.print(options, alerts, (rows) =>
        rows.length === 0 ? 'No alert.\n' : rows.map((row) => `${alertLine(row, cli)}\n`).join(''),
      );
    },
  );

  addFilters(addVerb(group, 'export', 'the journal as lines for other tools, oldest first'))
    .addOption(
      new Option('--format <format>', 'OCSF events, or the records as they are')
        .choices(['ocsf', 'json'])
        .default('ocsf'),
    )
    .option('--out <file>', 'write there (0600) instead of to standard output, with a manifest beside it')
    .action(async (options: SearchOptions & { format: 'ocsf' | 'json'; out?: string }) => {
      const { limit: _all, ...query } = searchQuery(undefined, options);
      const lines = cli.programs.exportAudit(cli.stateDirectory(options), options.format, query);
      if (options.out === undefined) {
        cli.outputIsPayload = true;
        await withProgress(cli, 'exporting', async (tell) => {
          let count = 0;
          for await (const line of lines) {
            cli.terminal.out(`${line}\n`);
            tell(records(++count));
          }
        });
        return;
      }
      const file = options.out;
      const { format } = options;
      const [written, manifest] = await withProgress(cli, `exporting to ${file}`, async (tell) => {
        const made = await writeLines(file, lines, (count) => tell(records(count)));
        return [made.records, await writeManifest({ file, format, ...made }, options, cli)];
      });
      cli.print(
        options,
        { file, records: written, format, manifest },
        () => `${records(written)} written to ${file}, and what vouches for them to ${manifest}\n`,
      );
    });

  addVerb(group, 'verify', 'is the journal what was written? Works without the engine')
    .option('--witness <service|file>', 'ask what the witness behind this service saw, or take a saved answer')
    .option('--save <file>', 'keep the witness’s answer there (0600)')
    .action(async (options: CommonOptions & { witness?: string; save?: string }) => {
      const verdict = await withProgress(cli, 'verifying the journal', (tell) =>
        verify(options, cli, (count) => tell(records(count))),
      );
      if (options.save !== undefined) await saveAnswer(options.save, verdict);
      cli.print(options, verdict, (view) => describeVerdict(view, cli));
      if (!verdict.ok) cli.exit = exitCode.failed;
    });
}

/** A file where there is one of that name, else a service, asked for through the running engine. */
async function verify(
  options: CommonOptions & { readonly witness?: string },
  cli: Cli,
  passed: (records: number) => void,
): Promise<AuditVerifyView> {
  const { witness } = options;
  if (witness === undefined) return cli.programs.verifyAudit(cli.stateDirectory(options), undefined, passed);
  if (!existsSync(witness)) return cli.withEngine(options, (engine) => engine.audit.verify({ witness }));
  let answer: unknown;
  try {
    answer = JSON.parse(await readFile(witness, 'utf8'));
  } catch (error) {
    throw new TunnelerError('base.invalid', `${witness} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  return cli.programs.verifyAudit(cli.stateDirectory(options), answer, passed);
}

async function saveAnswer(file: string, { witness }: AuditVerifyView): Promise<void> {
  if (witness === undefined) throw usage('--save goes with --witness');
  try {
    await writeFile(file, `${JSON.stringify(witness.answer)}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    throw new TunnelerError('base.invalid', `cannot write ${file}: ${(error as Error).message}`, { cause: error });
  }
}

function search(query: AuditQuery, options: CommonOptions, cli: Cli): Promise<readonly AuditRecordView[]> {
  return cli.withEngineOr(
    options,
    (engine) => engine.audit.search(query),
    () => cli.programs.searchAudit(cli.stateDirectory(options), query),
  );
}

/** Throws `base.invalid` where the file is there already or cannot be written. */
async function writeLines(
  file: string,
  lines: AsyncIterable<string>,
  passed: (records: number) => void,
): Promise<{ readonly records: number; readonly sha256: string }> {
  let count = 0;
  const hash = createHash('sha256');
  try {
    await using out = await open(file, 'wx', 0o600);
    for await (const line of lines) {
      const bytes = Buffer.from(`${line}\n`);
      await out.writeFile(bytes);
      hash.update(bytes);
      count += 1;
      passed(count);
    }
  } catch (error) {
    throw new TunnelerError('base.invalid', `cannot write ${file}: ${(error as Error).message}`, { cause: error });
  }
  return { records: count, sha256: hash.digest('hex') };
}

/** Beside an export: what it is of, and what verifying that journal said. */
async function writeManifest(
  exported: { readonly file: string; readonly format: string; readonly records: number; readonly sha256: string },
  options: CommonOptions,
  cli: Cli,
): Promise<string> {
  const { file, ...what } = exported;
  const path = `${file}.manifest.json`;
  const journal = await cli.programs.verifyAudit(cli.stateDirectory(options));
  const manifest = { ...what, file: basename(file), exportedAt: new Date(cli.clock.now()).toISOString(), journal };
  try {
    await writeFile(path, `${JSON.stringify(manifest, undefined, 2)}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    throw new TunnelerError('base.invalid', `cannot write ${path}: ${(error as Error).message}`, { cause: error });
  }
  return path;
}

function describeVerdict(verdict: AuditVerifyView, cli: Cli): string {
  if (!verdict.ok) {
    const bad = verdict.firstBad;
    return `${cli.paint('red', 'tampered')}: record ${bad?.seq ?? '?'} in ${bad?.file || '?'}: ${bad?.reason ?? ''}\n`;
  }
  const gaps = verdict.gaps === 0 ? '' : `, ${verdict.gaps} known to be lost`;
  const lines = [
    `${cli.paint('green', 'intact')}: ${verdict.count} records, ${verdict.checkpoints} checkpoints${gaps}`,
  ];
  for (const { key, epoch, certifiedBy, signedUpTo } of verdict.signers) {
    const by = certifiedBy.length === 0 ? 'nobody' : certifiedBy.join(', ');
    const upTo = signedUpTo === undefined ? '' : `, signed up to record ${signedUpTo}`;
    lines.push(`  key ${key.slice(0, 16)} (epoch ${epoch}), vouched for by ${by}${upTo}`);
  }
  if (verdict.unsignedBefore !== undefined) lines.push(`  not signed before record ${verdict.unsignedBefore}`);
  if (verdict.witness !== undefined) {
    const { name, agreed, seen } = verdict.witness;
    lines.push(`  the witness ${name} saw ${seen} records and agrees on ${agreed} heads`);
  }
  return `${lines.join('\n')}\n`;
}

/** `2026-11-30 02:14:07  critical  break-glass  vendor reaches press-7.plc …`. */
function alertLine({ at, severity, kind, text }: AlertView, cli: Cli): string {
  const tint = severity === 'critical' ? 'red' : severity === 'warning' ? 'yellow' : 'dim';
  return `${localTime(at)}  ${cli.paint(tint, severity)}  ${kind}  ${oneLine(text)}`;
}
