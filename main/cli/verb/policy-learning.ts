import { defined } from '../../base/defined.ts';
import type { Command } from 'commander';
import type { LearntView, ReplayView } from '../../api/learning-views.ts';
import { instant } from '../audit-filters.ts';
import type { Engine } from '../backends.ts';
import { addVerb, exitCode, type Cli, type CommonOptions } from '../cli.ts';
import { recordsOf, textOf } from '../recorded.ts';
import { oneLine } from '../table.ts';

interface SinceOptions extends CommonOptions {
  readonly since: string;
}

/** What is learnt from. */
const kinds = ['session.opened', 'session.closed', 'call'] as const;

/** `culvert policy learn|replay`: contracts from what was recorded, and against it. */
export function addPolicyLearning(group: Command, cli: Cli): void {
  const since = ['--since <time>', 'ISO 8601, a span back from now such as 2h, today or yesterday', '7d'] as const;
  addVerb(group, 'learn', 'the narrowest contract that covers what the record has seen of a service')
    .requiredOption('--service <name>', 'of this service')
    .option(...since)
    .action(async (options: SinceOptions & { service: string }) => {
      const { service } = options;
      const from = instant(options.since, '--since');
      const [records, contract] = await cli.withEngineOr(
        options,
        async (engine) => [
          await recordsOf((query) => engine.audit.search(query), kinds, { service, since: from }),
          await inForce(engine, service),
        ],
        async () => [
          await recordsOf((query) => cli.programs.searchAudit(cli.stateDirectory(options), query), kinds, {
            service,
            since: from,
          }),
          undefined,
        ],
      );
      const learning = await cli.programs.learning();
      const learnt = learning.learnContract({ records, service, ...defined({ contract }) });
      const { stringify } = await import('yaml');
      cli.print(
        options,
        learnt,
        (view) => contractFile(view, { service, since: from, yaml: stringify }),
        (view) => ({ service, since: from, ...view }),
      );
    });
  addVerb(
    group,
    'replay <file>',
    'what contracts in a file would have refused of what was recorded; exits 1 where anything',
  )
    .option('--service <name>', 'of this service alone; FILE may then be one contract')
    .option(...since)
    .action(async (file: string, options: SinceOptions & { service?: string }) => {
      const text = await textOf(file);
      const of = {
        since: instant(options.since, '--since'),
        ...defined({ service: options.service }),
      };
      const records = await cli.withEngineOr(
        options,
        (engine) => recordsOf((query) => engine.audit.search(query), kinds, of),
        () => recordsOf((query) => cli.programs.searchAudit(cli.stateDirectory(options), query), kinds, of),
      );
      const learning = await cli.programs.learning();
      const { service } = options;
      const view = learning.replayContracts({ file, text, records, ...defined({ service }) });
      cli.print(options, view, (one) => describeReplay(one, cli));
      if (view.refused > 0) cli.exit = exitCode.failed;
    });
}

async function inForce(engine: Engine, service: string): Promise<unknown> {
  const { contracts } = await engine.policy.show();
  return contracts.find((one) => one.service === service)?.terms;
}

/** A file for `policy.d` or `policy replay`, with what changes, and what is not known, above it. */
function contractFile(
  { contract, changes, notes, calls, sessions }: LearntView,
  {
    service,
    since,
    yaml,
  }: { readonly service: string; readonly since: string; readonly yaml: (value: unknown) => string },
): string {
  const json = (value: unknown): string => oneLine(JSON.stringify(value));
  const lines = [
    `learnt from ${calls} calls and ${sessions} sessions of ${service} since ${since}`,
    changes.length === 0 ? 'the same as the contract in force' : 'against the contract in force:',
    ...changes.flatMap((change) => [
      ...('old' in change ? [`  - ${change.field}: ${json(change.old)}`] : []),
      ...('new' in change ? [`  + ${change.field}: ${json(change.new)}`] : []),
    ]),
    ...notes.map((note) => `note: ${note}`),
  ];
  return `${lines.map((line) => `# ${line}\n`).join('')}${yaml({ contracts: [{ service, contract }] })}`;
}

function describeReplay({ calls, sessions, deniedBefore, refused, rules, unknown }: ReplayView, cli: Cli): string {
  const before = deniedBefore === 0 ? '' : ` (${deniedBefore} calls were refused already and are left as they were)`;
  const of = `${calls} calls and ${sessions} sessions${before}`;
  const head =
    refused === 0
      ? `${cli.paint('green', 'nothing refused')} of ${of}`
      : `${cli.paint('red', `${refused} refused`)} of ${of}`;
  const lines = rules.flatMap(({ rule, count, examples }) => [
    `  ${String(count).padStart(6)}  ${rule}`,
    ...examples.map(({ seq, at, service, what }) => `          ${seq}  ${at}  ${service}  ${oneLine(what)}`),
  ]);
  const doubts = unknown.map(({ why, count }) => `  ${String(count).padStart(6)}  cannot be told: ${why}`);
  return `${[head, ...lines, ...doubts].join('\n')}\n`;
}
