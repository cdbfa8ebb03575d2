import { defined } from '../../base/defined.ts';
import type { Command } from 'commander';
import type { ApprovalView } from '../../api/approval-view.ts';
import { addVerb, usage, type Cli, type CommonOptions } from '../cli.ts';
import { localTime, relative, table } from '../table.ts';
import { stateTint } from '../tint.ts';

type AnswerOptions = CommonOptions & {
  readonly minutes?: string;
  readonly reason?: string;
  readonly session?: true;
  readonly tools?: string[];
};

/** `culvert approvals list|grant|deny|link|break-glass`: what waits for a person's word, and that word. */
export function addApprovals(program: Command, cli: Cli): void {
  const group = program.command('approvals').description('what waits for a person to approve it');
  addVerb(group, 'list', 'what waits, and what was answered lately').action(async (options: CommonOptions) => {
    const rows = await cli.withEngine(options, (engine) => engine.approval.list());
    cli.print(options, rows, (all) => describe(all, cli));
  });
  for (const verb of ['grant', 'deny'] as const) {
    const what = verb === 'grant' ? 'let it go on, or go on for longer' : 'refuse it, or end what was granted';
    const answer = addVerb(group, `${verb} <id>`, what);
    if (verb === 'grant') {
      answer
        .option('--session', 'of a call: its tool is not asked for again while that session lasts')
        .option('--tools <names...>', 'of a call, with --minutes: for these tools of its service as well');
    }
    answer
      .option('--minutes <n>', 'for this long; never longer than the contract says')
      .option('--reason <text>', 'why, for the record and for whoever asked')
      .action(async (id: string, options: AnswerOptions) => {
        const minutes = minutesOf(options.minutes);
        const { reason, session, tools } = options;
        if (tools !== undefined && minutes === undefined) throw usage('--tools wants --minutes: a task has an end');
        const answered = await cli.withEngine(options, (engine) =>
          engine.approval.answer(
            defined({
              id,
              grant: verb === 'grant',
              minutes,
              session,
              tools,
              reason,
            }),
          ),
        );
        cli.print(options, answered, (row) => `${row.id} is ${row.state}\n`);
      });
  }
  addLink(group, cli);
  addBreakGlass(group, cli);
}

/** For whoever is to answer and has no command line at hand. */
function addLink(group: Command, cli: Cli): void {
  addVerb(group, 'link <id>', 'an address that answers this one alone, here or by the dark console').action(
    async (id: string, options: CommonOptions) => {
      const addresses = await cli.withEngine(options, (engine) => engine.approval.link({ id }));
      cli.print(options, addresses, ({ url, dark = [] }) => [url, ...dark].map((one) => `${one}\n`).join(''));
      if (options.json === true) return;
      cli.terminal.err(
        addresses.dark === undefined
          ? 'whoever opens it may answer, on this machine alone: the console is no dark service here\n'
          : 'the first on this machine, the others from wherever a tunneler may dial them; whoever opens one may answer\n',
      );
    },
  );
}

/** In an emergency, where nobody can be asked: only whom the contract names is let in, and where the service is hosted everybody knows. */
function addBreakGlass(group: Command, cli: Cli): void {
  addVerb(
    group,
    'break-glass <service>',
    'in an emergency: ask to be let in without approval, with an alarm at the host',
  )
    .requiredOption('--reason <text>', 'why nobody can be asked')
    .action(async (service: string, options: CommonOptions & { readonly reason: string }) => {
      const { reason } = options;
      const told = await cli.withEngine(options, (engine) => engine.approval.breakGlass({ service, reason }));
      cli.print(
        options,
        { service, ...told },
        ({ until }) =>
          `Until ${localTime(until)} connections to ${service} ask to be let in without approval; its host raises the alarm.\n`,
      );
    });
}

function minutesOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,5}$/.test(text)) throw usage(`--minutes takes a whole number from 1, got "${text}"`);
  return Number(text);
}

function whatText({ kind, call, tools = [] }: ApprovalView): string {
  if (call === undefined) return kind;
  return `${call.method} ${[...new Set([call.target, ...tools])].join(', ')}`;
}

function describe(rows: readonly ApprovalView[], cli: Cli): string {
  if (rows.length === 0) return 'Nothing waits for approval.\n';
  const now = cli.clock.now();
  return table(
    rows,
    [
      { title: 'ID', text: (row) => row.id, whole: true },
      {
        title: 'STATE',
        text: (row) => (row.brokenGlass === true ? 'taken' : row.state),
        tint: (row) => stateTint(row.state),
        whole: true,
      },
      { title: 'WHAT', text: whatText },
      { title: 'SERVICE', text: (row) => row.service },
      { title: 'IDENTITY', text: (row) => row.identity },
      { title: 'AGENT', text: (row) => row.agent ?? '', spare: 2 },
      { title: 'ASKED', text: (row) => relative(row.requestedAt, now), spare: 1 },
      { title: 'REASON', text: (row) => row.reason ?? '', spare: 4 },
      { title: 'UNTIL', text: (row) => (row.expiresAt === null ? '' : relative(row.expiresAt, now)), spare: 3 },
    ],
    cli,
  );
}
