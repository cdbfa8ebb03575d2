import type { Command } from 'commander';
import { TunnelerError } from '../../base/errors.ts';
import { applyDelta } from '../../api/state.ts';
import type { AttendedItem } from '../../api/attended.ts';
import type { SessionView } from '../../api/views.ts';
import { addVerb, type Cli, type CommonOptions } from '../cli.ts';
import type { Engine } from '../backends.ts';
import { sessionRow } from '../json-rows.ts';
import { bytes, localTime, oneLine, span, table, type Page } from '../table.ts';
import { stateTint } from '../tint.ts';

/** `culvert sessions [--watch]`: what is open now and what was lately. */
export function addSessions(program: Command, cli: Cli): void {
  addVerb(program, 'sessions', 'sessions open now, and those closed lately')
    .option('--watch', 'go on showing every session that opens, changes or closes')
    .action(async (options: CommonOptions & { watch?: true }) => {
      await cli.withEngine(options, async (engine) => {
        if (options.watch === true) await watch(engine, options, cli);
        else {
          const sessions = await engine.session.list();
          cli.print(
            options,
            sessions,
            (rows) => sessionTable(rows, cli),
            (rows) => rows.map(sessionRow),
          );
        }
      });
    });
}

/** `culvert session close ID…` and `attend ID` */
export function addSession(program: Command, cli: Cli): void {
  const group = program.command('session').description('act on sessions');
  addVerb(group, 'close <id...>', 'reset these sessions now').action(async (ids: string[], options: CommonOptions) => {
    const { closed } = await cli.withEngine(options, (engine) => engine.session.close({ ids }));
    const missing = ids.filter((id) => !closed.includes(id));
    if (missing.length > 0) {
      throw new TunnelerError('session.unknown', `no open session: ${missing.join(', ')}`, {
        details: { closed, missing, next: 'culvert sessions lists those there are' },
      });
    }
    cli.print(options, { closed }, () => `closed ${closed.join(', ')}\n`);
  });
  addVerb(group, 'attend <id>', 'see what is done in a session, or in those under an approval, as it happens').action(
    (id: string, options: CommonOptions) => attend(id, options, cli),
  );
}

/** Shows what is done until it is over; a person at the terminal may end it by a word. */
async function attend(id: string, options: CommonOptions, cli: Cli): Promise<void> {
  await cli.withEngine(options, async (engine) => {
    const over = new AbortController();
    const signal = AbortSignal.any([cli.signal, over.signal]);
    const listening = options.json !== true && cli.terminal.inIsTty ? cutOnWord(id, engine, cli, signal) : undefined;
    if (listening !== undefined) cli.terminal.err('Type "cut" and Enter to end it, Ctrl-C to look no longer.\n');
    try {
      for await (const item of engine.session.attend({ id }, { signal: cli.signal })) {
        cli.printItem(options, item, (one) => attendedLine(one, cli));
      }
    } finally {
      over.abort();
      await listening;
    }
  });
}

/** An approval that is ended lets nobody in again; a single session is closed. */
async function cutOnWord(id: string, engine: Engine, cli: Cli, signal: AbortSignal): Promise<void> {
  for await (const line of cli.terminal.inputLines(signal)) {
    if (line.trim() !== 'cut') continue;
    if (id.startsWith('app_')) await engine.approval.answer({ id, grant: false, reason: 'cut while attended' });
    else await engine.session.close({ ids: [id] });
    return;
  }
}

/** `02:14:07.123  write-single-register  unit 1 holding 40  {"unit":1,…}`. */
function attendedLine(item: AttendedItem, cli: Cli): string {
  switch (item.kind) {
    case 'opened':
      return cli.paint('bold', `${item.session.id}  ${program(item.session)} → ${item.session.service}`);
    case 'call': {
      const denied = item.decision === 'deny';
      const said = denied ? `denied (${item.reason ?? item.rule ?? ''})` : item.failed === true ? 'failed' : '';
      const noted = item.observed === undefined ? '' : `would be refused (${item.observed})`;
      const values = item.arguments === undefined ? '' : JSON.stringify(item.arguments);
      const parts = [localTime(item.at), item.method, item.target, said, noted, values];
      return cli.paint(denied ? 'red' : 'dim', oneLine(parts.filter((part) => part !== '').join('  ')));
    }
    case 'warned':
      return cli.paint('yellow', oneLine(item.sentence));
    case 'closed':
      return oneLine(`${item.session} is closed: ${item.detail ?? item.reason ?? ''}`);
    case 'missed':
      return `${item.count} operations were not shown: they came too fast`;
  }
}

/** The table of sessions, newest first. */
export function sessionTable(sessions: readonly SessionView[], cli: Page & Pick<Cli, 'clock'>): string {
  if (sessions.length === 0) return 'No sessions.\n';
  const now = cli.clock.now();
  const rows = [...sessions].sort((a, b) => b.startedAt.localeCompare(a.startedAt));
  return table(
    rows,
    [
      { title: 'ID', text: (row) => row.id, whole: true },
      { title: 'SERVICE', text: (row) => row.service },
      { title: 'IDENTITY', text: (row) => row.identity, spare: 3 },
      { title: 'PROGRAM', text: program },
      { title: 'AGE', align: 'right', text: (row) => span(Date.parse(row.startedAt), endOf(row, now)) },
      { title: 'LEFT', align: 'right', text: left, spare: 5 },
      { title: 'SENT', align: 'right', text: (row) => bytes(row.bytesSent), spare: 2 },
      { title: 'RECEIVED', align: 'right', text: (row) => bytes(row.bytesReceived), spare: 1 },
      { title: 'STATE', text: stateOf, tint: (row) => stateTint(row.state), whole: true },
      { title: 'DESTINATION', text: (row) => row.destination, spare: 4 },
    ],
    cli,
  );
}

/** What contract, grant or approval still give it. */
function left({ state, remaining }: SessionView): string {
  return state === 'closed' || remaining?.seconds === undefined ? '' : span(0, remaining.seconds * 1000);
}

/** Also says where a contract only observes. */
function stateOf({ closeReason, state, observed }: SessionView): string {
  return `${closeReason ?? state}${observed === undefined ? '' : ', observed'}`;
}

async function watch(engine: Engine, options: CommonOptions, cli: Cli): Promise<void> {
  const show = (session: SessionView): void => cli.printItem(options, session, (one) => line(one, cli), sessionRow);
  let before: Readonly<Record<string, SessionView>> = {};
  while (!cli.signal.aborted) {
    let snapshot = await engine.state.snapshot();
    for (const session of Object.values(snapshot.state.sessions)) {
      if (JSON.stringify(before[session.id]) !== JSON.stringify(session)) show(session);
    }
    for await (const delta of engine.state.changes({ after: snapshot.seq }, { signal: cli.signal })) {
      const next = applyDelta(snapshot, delta);
      if (next === undefined) break; // a gap: begin again from a new snapshot
      snapshot = next;
      for (const change of delta.changes) if (change.kind === 'session-changed') show(change.value);
    }
    before = snapshot.state.sessions;
  }
}

function line(session: SessionView, cli: Cli): string {
  const state = stateOf(session);
  return [
    new Date(cli.clock.now()).toISOString().slice(11, 23),
    cli.paint(stateTint(session.state), state.padEnd(8)),
    session.id,
    `${program(session)} → ${session.service} (${session.destination}) as ${session.identity}`,
    `↑${bytes(session.bytesSent)} ↓${bytes(session.bytesReceived)}`,
  ].join('  ');
}

function program(session: SessionView): string {
  const { agent, path, script, pid } = session.app;
  const name =
    agent ?? (script ?? path)?.split(/[/\\]/).at(-1) ?? (session.direction === 'host' ? session.source : 'unknown');
  return pid === undefined ? name : `${name}[${pid}]`;
}

function endOf(session: SessionView, now: number): number {
  return session.endedAt === undefined ? now : Date.parse(session.endedAt);
}
