/** The security team's questions, each one verb: who can reach what, what a revocation did, an incident whole, an agent's doings, what listens. */
import type { Command } from 'commander';
import type {
  FleetAgentView,
  FleetContainmentView,
  FleetDarkView,
  FleetIncidentView,
  FleetReachView,
  FleetSessionView,
} from '../../api/record-views.ts';
import { defined, whenDefined } from '../../base/defined.ts';
import { addFilters, instant, searchQuery, type SearchOptions } from '../audit-filters.ts';
import { auditLines } from '../audit-line.ts';
import { addVerb, exitCode, type Cli, type CommonOptions } from '../cli.ts';
import { localTime, oneLine, table } from '../table.ts';

interface SpanOptions extends CommonOptions {
  readonly device?: string;
  readonly since?: string;
  readonly until?: string;
}

interface ReachOptions extends CommonOptions {
  readonly device?: string;
  readonly identity?: string;
  readonly agent?: string;
}

const sinceHelp = 'ISO 8601, a span back from now such as 2h, today or yesterday';
const most = 5;

/** `culvert fleet reach|containment|incident|agent|dark`, under the group that is given. */
export function addFleetQuestions(group: Command, cli: Cli): void {
  addVerb(
    group,
    'reach',
    'who can reach what: services each identity holds, and which were used by whom (the newest 100,000 records of a kind)',
  )
    .option('--device <name>', 'on this device')
    .option('--identity <name>', 'this identity')
    .option('--agent <name>', 'identities that this agent used')
    .action(async (options: ReachOptions) => {
      const { device, identity, agent } = options;
      const rows = await cli.withEngine(options, (engine) => engine.fleet.reach(defined({ device, identity, agent })));
      cli.print(options, rows, (all) => describeReach(all, cli));
    });
  addVerb(
    group,
    'containment',
    'what happened when access was taken: sessions cut, those still open, and how soon the last one ended; exits with 1 where that failed',
  )
    .option('--device <name>', 'on this device')
    .option('--since <time>', sinceHelp)
    .option('--until <time>', sinceHelp)
    .action(async (options: SpanOptions) => {
      const query = { ...defined({ device: options.device }), ...span(options) };
      const rows = await cli.withEngine(options, (engine) => engine.fleet.containment(query));
      cli.print(options, rows, (all) => describeContainment(all, cli));
      if (rows.some(({ contained }) => !contained)) cli.exit = exitCode.failed;
    });
  addFilters(
    addVerb(
      group,
      'incident [text]',
      'what a search finds, with the whole of its sessions, on one time line over devices',
    ),
  )
    .option('--device <name>', 'of this device')
    .option('--limit <n>', 'at most so many records to begin with (default 100)')
    .action(async (text: string | undefined, options: SearchOptions & { device?: string }) => {
      const query = defined({ ...searchQuery(text, options), device: options.device });
      const view = await cli.withEngine(options, (engine) => engine.fleet.incident(query));
      cli.print(options, view, (found) => describeIncident(found, cli));
    });
  addVerb(group, 'agent <name>', 'what an agent did, and what it could have done')
    .option('--since <time>', sinceHelp)
    .option('--until <time>', sinceHelp)
    .action(async (agent: string, options: SpanOptions) => {
      const view = await cli.withEngine(options, (engine) => engine.fleet.agent({ agent, ...span(options) }));
      cli.print(options, view, (found) => describeAgent(found, cli));
    });
  addVerb(group, 'dark', 'what each device hosts without a port, and what listens on it').action(
    async (options: CommonOptions) => {
      const rows = await cli.withEngine(options, (engine) => engine.fleet.dark());
      cli.print(options, rows, (all) => describeDark(all, cli));
    },
  );
}

function span({ since, until }: SpanOptions): { since?: string; until?: string } {
  return defined({
    since: whenDefined(since, (text) => instant(text, '--since')),
    until: whenDefined(until, (text) => instant(text, '--until')),
  });
}

/** The first few, and how many more. */
function some(names: readonly string[], cli: Cli): string {
  if (names.length === 0) return '–';
  const room = cli.width === Infinity ? names.length : most;
  const more = names.length - room;
  return `${names.slice(0, room).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** Of which devices the answer rests on their newer records alone. */
function describeLeftOut(rows: readonly { readonly device: string; readonly leftOut?: readonly string[] }[]): string {
  const kinds = new Map(
    rows.flatMap(({ device, leftOut }) => (leftOut === undefined ? [] : [[device, leftOut] as const])),
  );
  return [...kinds]
    .map(
      ([device, of]) =>
        `of ${oneLine(device)} older records were not looked at, there are too many: ${of.join(', ')}\n`,
    )
    .join('');
}

function describeReach(rows: readonly FleetReachView[], cli: Cli): string {
  if (rows.length === 0) return 'No identity is known of that.\n';
  return `${reachTable(rows, cli)}${describeLeftOut(rows)}`;
}

function reachTable(rows: readonly FleetReachView[], cli: Cli): string {
  return table(
    rows,
    [
      { title: 'DEVICE', text: (row) => row.device },
      { title: 'IDENTITY', text: (row) => row.identity },
      { title: 'MAY DIAL', text: (row) => String(row.dial.length), align: 'right' },
      { title: 'NEVER DID', text: (row) => String(row.unused.length), align: 'right' },
      { title: 'HOSTS', text: (row) => String(row.bind.length), align: 'right', spare: 2 },
      {
        title: 'USED BY',
        text: (row) =>
          some(
            row.used.map(({ who, services }) => `${who} (${services.length})`),
            cli,
          ),
      },
    ],
    cli,
  );
}

function describeContainment(rows: readonly FleetContainmentView[], cli: Cli): string {
  if (rows.length === 0) return 'Nobody was cut off in that time.\n';
  return `${containmentTable(rows, cli)}${describeLeftOut(rows)}`;
}

function containmentTable(rows: readonly FleetContainmentView[], cli: Cli): string {
  return table(
    rows,
    [
      { title: 'AT', text: (row) => localTime(row.at), whole: true },
      { title: 'DEVICE', text: (row) => row.device },
      { title: 'WHAT', text: (row) => row.what },
      { title: 'SUBJECT', text: (row) => row.subject },
      { title: 'SESSIONS', text: (row) => String(row.sessions), align: 'right' },
      {
        title: 'STILL OPEN',
        text: (row) => String(row.stillOpen),
        align: 'right',
        tint: (row) => (row.stillOpen > 0 ? 'red' : 'green'),
      },
      {
        title: 'LAST AFTER',
        text: (row) => (row.lastAfterMs === undefined ? '–' : `${row.lastAfterMs} ms`),
        align: 'right',
        tint: (row) => (row.contained ? 'green' : 'red'),
      },
    ],
    cli,
  );
}

function describeIncident(view: FleetIncidentView, cli: Cli): string {
  if (view.timeline.length === 0) return 'No record matches.\n';
  const facts = (['devices', 'agents', 'identities', 'services', 'tools'] as const)
    .filter((name) => view[name].length > 0)
    .map((name) => `${name}: ${oneLine(some(view[name], cli))}\n`);
  const left =
    view.sessionsLeftOut === undefined
      ? ''
      : `${view.sessionsLeftOut} more sessions were not followed: narrow the search\n`;
  const lines = view.timeline.map(auditLines(cli, ({ device }) => String(device)));
  return `${facts.join('')}\n${view.sessions.length === 0 ? '' : `${describeSessions(view.sessions, cli)}${left}\n`}${lines.join('')}`;
}

function describeSessions(rows: readonly FleetSessionView[], cli: Cli): string {
  return table(
    rows,
    [
      { title: 'SESSION', text: (row) => row.session, spare: 2 },
      { title: 'DEVICE', text: (row) => row.device },
      { title: 'WHO', text: (row) => row.agent ?? row.app ?? row.identity ?? '–' },
      { title: 'SERVICE', text: (row) => row.service ?? '–' },
      { title: 'CALLS', text: (row) => String(row.calls), align: 'right' },
      { title: 'REFUSED', text: (row) => String(row.denied), align: 'right' },
      { title: 'ENDED BY', text: (row) => row.closeReason ?? (row.closedAt === undefined ? 'open' : '–') },
    ],
    cli,
  );
}

function describeAgent(view: FleetAgentView, cli: Cli): string {
  if (view.devices.length === 0 && view.could.length === 0)
    return `Nothing is known of an agent ${oneLine(view.agent)}.\n`;
  const head = `${oneLine(view.agent)} on ${some(view.devices, cli)}: ${view.sessions} sessions, ${view.refused} connections refused\n\n`;
  const did =
    view.did.length === 0
      ? 'It called nothing that a guard reads.\n'
      : table(
          view.did,
          [
            { title: 'SERVICE', text: (row) => row.service },
            { title: 'DID', text: (row) => row.tool },
            { title: 'CALLS', text: (row) => String(row.calls), align: 'right' },
            { title: 'REFUSED', text: (row) => String(row.denied), align: 'right' },
          ],
          cli,
        );
  const could = view.could.map(
    ({ device, identity, services, unused }) =>
      `on ${oneLine(device)} as ${oneLine(identity)} it may dial ${services.length}, and never did ${some(unused, cli)}\n`,
  );
  const left = (view.leftOut ?? []).map(({ device, kinds }) => ({ device, leftOut: kinds }));
  return `${head}${did}\n${could.join('')}${describeLeftOut(left)}`;
}

function describeDark(rows: readonly FleetDarkView[], cli: Cli): string {
  if (rows.length === 0) return 'No device has sent anything yet.\n';
  return `${darkTable(rows, cli)}${describeLeftOut(rows)}`;
}

function darkTable(rows: readonly FleetDarkView[], cli: Cli): string {
  return table(
    rows,
    [
      { title: 'DEVICE', text: (row) => row.device },
      { title: 'MODE', text: (row) => row.mode ?? '–', spare: 1 },
      { title: 'HOSTS DARK', text: (row) => some(row.hosts, cli) },
      { title: 'LISTENS', text: (row) => some(row.listens, cli) },
      {
        title: 'OPEN TO OTHERS',
        text: (row) => some(row.open, cli),
        tint: (row) => (row.open.length > 0 ? 'red' : 'green'),
      },
    ],
    cli,
  );
}
