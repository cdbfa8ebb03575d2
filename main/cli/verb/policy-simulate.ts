import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { SimulatedRow, SimulateView } from '../../api/learning-views.ts';
import { defined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import { instant } from '../audit-filters.ts';
import { addVerb, exitCode, usage, type Cli, type CommonOptions } from '../cli.ts';
import { recordsOf, textOf } from '../recorded.ts';

interface SimulateOptions extends CommonOptions {
  readonly since: string;
  readonly service?: string;
  readonly rules?: string;
  readonly management?: string;
}

const kinds = ['session.opened', 'session.closed', 'call', 'verdict'] as const;

/** `culvert policy simulate`: a change held against what is allowed now and what was used. */
export function addPolicySimulation(group: Command, cli: Cli): void {
  addVerb(
    group,
    'simulate [file]',
    'what a change at the controller, or of local rules, would allow and cut; exits 1 where anything that was used would be cut',
  )
    .option('--rules <directory>', 'with these local rules in place of policy.d')
    .option('--management <file>', 'ask the controller of all identities: {"controller","username","password","ca"}')
    .option('--service <name>', 'of this service alone; FILE may then be one contract')
    .option('--since <time>', 'ISO 8601, a span back from now such as 2h, today or yesterday', '7d')
    .addHelpText(
      'after',
      `
FILE (JSON or YAML) has what would be other than it is, each entry by its name and in the fields it gives:
  {"contracts":  [{"service":"plc-*","contract":{…}}],            null takes the contract away
   "policies":   [{"name":"ops","type":"Dial","semantic":"AnyOf","identityRoles":["#ops","@ada"],
                   "serviceRoles":["@plc-1"],"postureCheckRoles":[]}, {"name":"old","remove":true}],
   "identities": [{"name":"ada","roleAttributes":["ops"]}],
   "services":   [{"name":"plc-1","roleAttributes":["floor"]}],
   "posture":    [{"check":"antivirus","passes":false}]}
Without --management the identities of this device are known as far as they were told: whom a policy names by attributes is not.`,
    )
    .action(async (file: string | undefined, options: SimulateOptions) => {
      const { rules, service } = options;
      if (file === undefined && rules === undefined) throw usage('give a FILE, --rules DIRECTORY, or both');
      const change = file === undefined ? undefined : { file, text: await textOf(file) };
      const management = options.management === undefined ? undefined : await credentialsOf(options.management);
      const since = instant(options.since, '--since');
      const view = await cli.withEngine(options, async (engine) => {
        const records = await recordsOf((query) => engine.audit.search(query), kinds, {
          since,
          ...defined({ service }),
        });
        const [identities, services, policy] = await Promise.all([
          engine.identity.list(),
          engine.service.list(),
          engine.policy.show(),
        ]);
        const learning = await cli.programs.learning();
        const rulesNow = await cli.programs.policyDirectory(cli.stateDirectory(options));
        return learning.simulateChange({
          told: { identities, services, policy },
          records,
          nowMs: cli.clock.now(),
          rulesNow,
          ...defined({ change, management, service, rulesThen: rules }),
        });
      });
      cli.print(
        options,
        view,
        (one) => describe(one, cli),
        (one) => ({ since, ...one }),
      );
      for (const { what, name } of view.unmatched) {
        cli.terminal.err(`culvert: policy simulate: there is no ${what} ${name} here\n`);
      }
      if (view.cut > 0) cli.exit = exitCode.failed;
    });
}

async function credentialsOf(file: string): Promise<{ readonly file: string; readonly text: string }> {
  try {
    return { file, text: await readFile(file, 'utf8') };
  } catch (error) {
    throw new TunnelerError('base.invalid', `${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

function describe({ rows, cut, letIn, unknown, unmatched }: SimulateView, cli: Cli): string {
  const changed = rows.filter(
    ({ now, then, sessions, calls }) => now !== then || sessions.cut + sessions.letIn + calls.cut + calls.letIn > 0,
  );
  const head = [
    cut === 0
      ? cli.paint('green', 'nothing that was used would be cut')
      : cli.paint('red', `${cut} sessions and calls would be cut`),
    ...(letIn === 0 ? [] : [`${letIn} would be let in`]),
    `${rows.length - changed.length} of ${rows.length} unchanged`,
  ].join('; ');
  const lines = changed.flatMap((row) => rowLines(row, cli));
  const doubts = unknown.map(({ why, count }) => `  ${String(count).padStart(6)}  cannot be told: ${why}`);
  const missing = unmatched.map(({ what, name }) => `  ${cli.paint('yellow', `there is no ${what} ${name} here`)}`);
  return `${[head, ...lines, ...doubts, ...missing].join('\n')}\n`;
}

function rowLines(
  { identity, service, end, now, then, reason, sessions, calls, rules }: SimulatedRow,
  cli: Cli,
): string[] {
  const turn = now === then ? then : `${now} -> ${then}`;
  const tint = then === 'refused' && now !== then ? 'red' : now === then ? 'dim' : 'green';
  const counts = [
    { what: 'sessions', ...sessions },
    { what: 'calls', ...calls },
  ].flatMap(({ what, seen, cut, letIn }) => [
    ...(cut === 0 ? [] : [`${cut} of ${seen} ${what} cut`]),
    ...(letIn === 0 ? [] : [`${letIn} refused ${what} let in`]),
  ]);
  return [
    `  ${identity} ${end === 'dial' ? '' : '(host) '}${service}: ${cli.paint(tint, turn)}${counts.length === 0 ? '' : `, ${counts.join(', ')}`}`,
    ...(now === then || reason === undefined ? [] : [`      ${reason}`]),
    ...rules.map(({ rule, count }) => `      ${String(count).padStart(4)}  ${rule}`),
  ];
}
