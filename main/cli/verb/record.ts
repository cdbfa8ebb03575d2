import { open } from 'node:fs/promises';
import type { Command } from 'commander';
import type { RecordingView } from '../../api/floor-views.ts';
import { addVerb, type Cli, type CommonOptions } from '../cli.ts';
import { bytes, localTime, oneLine, table, type Column, type Page } from '../table.ts';

/** `culvert record list|show|export SESSION`: what was kept of sessions hosted here. */
export function addRecord(program: Command, cli: Cli): void {
  const group = program
    .command('record')
    .description('what was kept of sessions hosted here, where their contract asks for it');
  addVerb(group, 'list', 'recordings, newest first').action(async (options: CommonOptions) => {
    const rows = await cli.withEngine(options, (engine) => engine.record.list());
    cli.print(options, rows, (all) => recordTable(all, cli));
  });

  addVerb(group, 'show <session>', 'what was done in it, oldest first').action(
    async (session: string, options: CommonOptions) => {
      const shown = await cli.withEngine(options, (engine) => engine.record.show({ session }));
      cli.print(options, shown, ({ calls }) =>
        calls.length === 0 ? 'No operation.\n' : calls.map((call) => `${operation(call)}\n`).join(''),
      );
    },
  );

  addVerb(group, 'export <session>', 'its packets, as pcapng for packet tools')
    .option('--out <file>', 'write there, readable by you alone (default: SESSION.pcapng)')
    .action(async (session: string, options: CommonOptions & { out?: string }) => {
      const path = options.out ?? `${session}.pcapng`;
      await cli.withEngine(options, async (engine) => {
        const pieces = engine.record.export({ session }, { signal: cli.signal });
        const file = await open(path, 'w', 0o600);
        let written = 0;
        try {
          for await (const { data } of pieces) written += (await file.write(Buffer.from(data, 'base64'))).bytesWritten;
        } finally {
          await file.close();
        }
        cli.print(options, { session, file: path, bytes: written }, () => `wrote ${bytes(written)} to ${path}\n`);
      });
    });
}

function recordTable(rows: readonly RecordingView[], cli: Page): string {
  if (rows.length === 0) return 'Nothing was recorded.\n';
  const columns: readonly Column<RecordingView>[] = [
    { title: 'SESSION', text: (row) => row.session, whole: true },
    { title: 'SERVICE', text: (row) => row.service },
    { title: 'CALLER', text: (row) => row.caller },
    { title: 'STARTED', text: (row) => localTime(row.startedAt), whole: true },
    { title: 'ENDED', text: (row) => (row.endedAt === undefined ? '–' : localTime(row.endedAt)), spare: 2 },
    { title: 'OPERATIONS', align: 'right', text: (row) => String(row.calls ?? '–') },
    { title: 'SIZE', align: 'right', text: (row) => (row.bytes === undefined ? '–' : bytes(row.bytes)), spare: 1 },
  ];
  return table(rows, columns, cli);
}

/** `02:14:07 write-var DB1.DBW4 values ["002a"]`. */
function operation(call: Readonly<Record<string, unknown>>): string {
  const at = typeof call['startedAtMs'] === 'number' ? new Date(call['startedAtMs']).toISOString() : '';
  const denied = call['decision'] === 'deny' ? `denied (${String(call['rule'])})` : '';
  const observed = call['observed'] === undefined ? '' : `would be refused (${String(call['observed'])})`;
  const values = call['arguments'] === undefined ? '' : JSON.stringify(call['arguments']);
  return oneLine(
    [at, String(call['method']), String(call['target']), denied, observed, values]
      .filter((part) => part !== '')
      .join('  '),
  );
}
