import { defined } from '../../base/defined.ts';
import type { Command } from 'commander';
import type { FleetAlertView, FleetDeviceView, FleetOrderView, FleetRecordView } from '../../api/record-views.ts';
import { addFilters, searchQuery, type SearchOptions } from '../audit-filters.ts';
import { auditLines } from '../audit-line.ts';
import { addFleetQuestions } from './fleet-questions.ts';
import { addVerb, usage, type Cli, type CommonOptions } from '../cli.ts';
import { localTime, oneLine, relative, table } from '../table.ts';

interface OrderOptions extends CommonOptions {
  readonly cause?: string;
  readonly release?: true;
  readonly list?: true;
}

/** `culvert fleet …`: what the collector keeps of every device, and orders to all of them. */
export function addFleet(program: Command, cli: Cli): void {
  const group = program.command('fleet').description('the record of every device that sends it here');
  addVerb(group, 'devices', 'devices, whether they are heard of, and how much of each is kept').action(
    async (options: CommonOptions) => {
      const rows = await cli.withEngine(options, (engine) => engine.fleet.devices());
      cli.print(options, rows, (all) => describeDevices(all, cli));
    },
  );
  addFilters(addVerb(group, 'search [text]', 'records of all devices that match, newest received first'))
    .option('--device <name>', 'of this device')
    .option('--limit <n>', 'at most so many (default 100)')
    .action(async (text: string | undefined, options: SearchOptions & { device?: string }) => {
      const { device } = options;
      const query = defined({ ...searchQuery(text, options), device });
      const rows = await cli.withEngine(options, (engine) => engine.fleet.search(query));
      cli.print(options, rows, (all) =>
        all.length === 0 ? 'No record matches.\n' : all.map(auditLines(cli, deviceOf)).join(''),
      );
    });
  addVerb(group, 'alerts', 'devices that fell silent, forked their journal or came back with less').action(
    async (options: CommonOptions) => {
      const rows = await cli.withEngine(options, (engine) => engine.fleet.alerts({}));
      cli.print(options, rows, (all) => describeAlerts(all, cli));
    },
  );
  addFleetQuestions(group, cli);
  addVerb(group, 'quarantine [subject]', 'cut off app:…, identity:… or service:… on every device; who is away, later')
    .option('--cause <text>', 'why, for the record')
    .option('--release', 'let it back on every device')
    .option('--list', 'orders given, and what each device made of them')
    .action((subject: string | undefined, options: OrderOptions) => order(subject, options, cli));
}

async function order(subject: string | undefined, options: OrderOptions, cli: Cli): Promise<void> {
  if (options.list === true) {
    const rows = await cli.withEngine(options, (engine) => engine.fleet.orders());
    cli.print(options, rows, (all) => all.map(describeOrder).join('') || 'No order was given.\n');
    return;
  }
  if (subject === undefined || !/^(?:app|identity|service):.+$/.test(subject)) {
    throw usage(`expected app:…, identity:…, service:… or --list, got "${subject ?? ''}"`);
  }
  const { cause } = options;
  const action = options.release === true ? ('release' as const) : ('quarantine' as const);
  const request = defined({ action, subject, cause });
  const given = await cli.withEngine(options, (engine) => engine.fleet.order(request));
  cli.print(options, given, describeOrder);
}

function describeDevices(rows: readonly FleetDeviceView[], cli: Cli): string {
  if (rows.length === 0) return 'No device has sent anything yet.\n';
  const now = cli.clock.now();
  return table(
    rows,
    [
      { title: 'DEVICE', text: (row) => row.name },
      { title: 'BY THE WORD OF', text: (row) => row.asserted, spare: 1 },
      { title: 'STATE', text: (row) => row.state, tint: (row) => (row.state === 'connected' ? 'green' : 'red') },
      { title: 'RECORDS', text: (row) => String(row.records), align: 'right' },
      { title: 'JOURNALS', text: (row) => String(row.branches), align: 'right', spare: 2 },
      { title: 'LAST HEARD', text: (row) => relative(row.lastSeenAt, now) },
      {
        title: 'CLOCK',
        text: (row) => `${row.clockOffsetMs >= 0 ? '+' : ''}${(row.clockOffsetMs / 1000).toFixed(1)}s`,
      },
    ],
    cli,
  );
}

function describeAlerts(rows: readonly FleetAlertView[], cli: Cli): string {
  if (rows.length === 0) return 'Nothing is out of the ordinary.\n';
  return table(
    rows,
    [
      { title: 'AT', text: (row) => localTime(row.at), whole: true },
      { title: 'DEVICE', text: (row) => row.device },
      { title: 'WHAT', text: (row) => row.kind, tint: (row) => (row.kind === 'back' ? 'green' : 'red') },
      { title: 'MORE', text: (row) => row.text },
    ],
    cli,
  );
}

function deviceOf({ device }: FleetRecordView): string {
  return device;
}

function describeOrder({ action, subject, at, devices }: FleetOrderView): string {
  const told = devices.map((one) => {
    const took = one.afterMs === undefined ? '' : ` after ${Math.round(one.afterMs)} ms`;
    return `  ${oneLine(one.device)}: ${one.state}${one.outcome === undefined ? '' : `, ${oneLine(one.outcome)}`}${took}\n`;
  });
  return `${at} ${action} ${oneLine(subject)}\n${told.join('')}`;
}
