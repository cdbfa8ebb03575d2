import type { Command } from 'commander';
import { TunnelerError } from '../../base/errors.ts';
import { applyDelta } from '../../api/state.ts';
import type { SessionView } from '../../api/views.ts';
import { addVerb, type Cli, type CommonOptions } from '../cli.ts';
import type { Engine } from '../backends.ts';
import { sessionRow } from '../json-rows.ts';
import { bytes, span, table, type Page } from '../table.ts';
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

/** `culvert session close ID…` */
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
      { title: 'SENT', align: 'right', text: (row) => bytes(row.bytesSent), spare: 2 },
      { title: 'RECEIVED', align: 'right', text: (row) => bytes(row.bytesReceived), spare: 1 },
      { title: 'STATE', text: stateOf, tint: (row) => stateTint(row.state), whole: true },
      { title: 'DESTINATION', text: (row) => row.destination, spare: 4 },
    ],
    cli,
  );
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
