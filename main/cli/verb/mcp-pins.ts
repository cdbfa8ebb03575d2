import type { Command } from 'commander';
import type { PinView } from '../../api/views.ts';
import { addVerb, type Cli, type CommonOptions } from '../cli.ts';
import { table } from '../table.ts';

/** `culvert mcp pins list|diff|accept`: definitions of tools as they were kept, what changed, and letting it in. */
export function addMcpPins(group: Command, cli: Cli): void {
  const pins = group.command('pins').description('definitions of tools, kept as their services first told them');

  addVerb(pins, 'list', 'all that are kept, and what waits to be accepted').action(async (options: CommonOptions) => {
    const rows = await cli.withEngine(options, (engine) => engine.mcp.pins({ diff: false }));
    cli.print(options, rows, (all) =>
      all.length === 0
        ? 'No tools are kept yet: they are when a service lists them for the first time.\n'
        : table(
            all,
            [
              { title: 'SERVICE', text: (row) => row.service },
              { title: 'TOOL', text: (row) => row.tool },
              {
                title: 'STATE',
                text: (row) => row.state,
                tint: (row) => (row.state === 'pinned' ? 'green' : row.state === 'new' ? 'yellow' : 'red'),
              },
              { title: 'KEPT', text: (row) => short(row.old), spare: 2 },
              { title: 'NOW', text: (row) => short(row.new), spare: 1 },
              { title: 'FLAGS', text: (row) => flagsText(row) },
            ],
            cli,
          ),
    );
  });

  addVerb(pins, 'diff [service]', 'what changed, field by field').action(
    async (service: string | undefined, options: CommonOptions) => {
      const rows = await cli.withEngine(options, (engine) => engine.mcp.pins({ diff: true }));
      const wanted = rows.filter((row) => service === undefined || row.service === service);
      cli.print(options, wanted, (all) =>
        all.length === 0 ? 'Every tool is as it was kept.\n' : all.map((row) => describe(row, cli)).join('\n'),
      );
    },
  );

  addVerb(pins, 'accept <service> [tools...]', 'keep what the service says now (default: of every tool)').action(
    async (service: string, tools: string[], options: CommonOptions) => {
      const request = { service, ...(tools.length === 0 ? {} : { tools }) };
      const done = await cli.withEngine(options, (engine) => engine.mcp.acceptPins(request));
      cli.print(options, { service, ...done }, ({ accepted }) =>
        accepted.length === 0 ? `nothing of ${service} waits to be accepted\n` : `accepted: ${accepted.join(', ')}\n`,
      );
    },
  );
}

function short(hash: unknown): string {
  return typeof hash === 'string' ? hash.slice(0, 12) : '–';
}

function flagsText({ flags }: PinView): string {
  return flags.map(({ kind, place, found }) => `${kind} at ${place}: ${found}`).join('; ');
}

function describe(row: PinView, { paint }: Cli): string {
  const [old, now] = [fieldsOf(row.old), fieldsOf(row.new)];
  const lines = [...new Set([...Object.keys(old), ...Object.keys(now)])].flatMap((field) => {
    const [before, after] = [textOf(old[field]), textOf(now[field])];
    if (before === after) return [];
    return [
      `  ${field}`,
      ...linesOf(before).map((line) => paint('red', `  - ${line}`)),
      ...linesOf(after).map((line) => paint('green', `  + ${line}`)),
    ];
  });
  const flags = row.flags.map(({ kind, place, found }) => paint('yellow', `  ! ${kind} at ${place}: ${found}`));
  return `${paint('bold', `${row.service} ${row.tool}`)} (${row.state})\n${[...lines, ...flags].join('\n')}\n`;
}

function fieldsOf(definition: unknown): Readonly<Record<string, unknown>> {
  return typeof definition === 'object' && definition !== null ? (definition as Readonly<Record<string, unknown>>) : {};
}

/** What nobody sees on a terminal is written out. */
function textOf(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const text = typeof value === 'string' ? value : JSON.stringify(value, undefined, 1);
  return text.replace(/[^\P{C}\n]/gu, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}

function linesOf(text: string | undefined): readonly string[] {
  return text === undefined ? [] : text.split('\n');
}
