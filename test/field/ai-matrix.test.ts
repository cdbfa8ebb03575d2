/**
 * The whole matrix of MCP in the releases of the day, with Culvert in the middle: part of `npm run field -- ai`. `CULVERT_FIELD_DIR` names a folder
 * in which what was installed is found again.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cellName, steps, ways, type Cell, type Matrix } from '../support/mcp-matrix.ts';
import { installPeers, type Versions } from '../support/mcp-peers-of-the-day.ts';
import { markdownTable, writeSection } from '../support/field-page.ts';
import { mustSkip } from '../support/optional.ts';
import { toolsMissing } from '../support/tools.ts';
import { runInside, type Findings } from '../system/support/inside.ts';
import { whyNoNamespaces } from '../system/support/netns.ts';

const missing = whyNoNamespaces() ?? toolsMissing('python3', 'go', 'cargo');
const timeoutMs = 60 * 60_000;

describe.skipIf(mustSkip(missing))('the matrix of MCP, of the day', () => {
  let made: string | undefined;
  let matrix: Matrix;
  let versions: Versions;
  let seen: Findings;

  beforeAll(async () => {
    const kept = process.env['CULVERT_FIELD_DIR'];
    made = kept === undefined ? await mkdtemp(join(tmpdir(), 'culvert-field-')) : undefined;
    const directory = kept ?? made ?? '';
    ({ matrix, versions } = await installPeers(directory));
    const file = join(directory, 'matrix.json');
    await writeFile(file, JSON.stringify(matrix));
    process.env['CULVERT_MATRIX'] = file;
    seen = await runInside('matrix-in-tun', ['embedded'], { timeoutMs });
    await writeSection('ai', 'The matrix', pageOf(matrix, versions, seen));
  }, timeoutMs);

  afterAll(async () => {
    if (made !== undefined) await rm(made, { recursive: true, force: true });
  });

  test('every cell holds', () => {
    for (const server of matrix.servers) {
      for (const way of ways) {
        for (const client of matrix.clients) {
          const finding = seen.findings.get(cellName(client, server, way));
          expect.soft(finding?.ok, JSON.stringify(finding?.detail ?? seen.output.slice(-2000))).toBe(true);
        }
      }
    }
  });
});

function pageOf({ clients, servers }: Matrix, versions: Versions, { findings }: Findings): string {
  const reasons = new Map<string, string>();
  const footnote = (reason: string): string => {
    const mark = reasons.get(reason) ?? String.fromCharCode(97 + reasons.size);
    reasons.set(reason, mark);
    return mark;
  };
  const text = (cell: Cell | undefined): string => {
    if (cell === undefined) return 'not run';
    if (cell.none !== undefined) return `– ${footnote(cell.none)}`;
    const failed = Object.keys(cell.failed);
    const lacking = Object.entries(cell.lacking).map(([step, why]) => footnote(`${step}: ${why}`));
    const marks = lacking.length === 0 ? '' : ` ${lacking.sort().join(' ')}`;
    return failed.length > 0
      ? `**${cell.held.length}, not ${failed.join(', ')}**${marks}`
      : `${cell.held.length}${marks}`;
  };
  const rows = servers.flatMap((server) =>
    ways.map((way) => [
      server.name,
      way,
      ...clients.map((client) => text(findings.get(cellName(client, server, way))?.detail as Cell | undefined)),
    ]),
  );
  const day = new Date().toISOString().slice(0, 10);
  return [
    `${day}. ${Object.entries(versions)
      .map(([kit, version]) => `${kit} ${version}`)
      .join(', ')}.`,
    `A cell says how many of ${steps.length} steps held: ${steps.join(', ')}. Letters say what a kit does not offer by that way.`,
    markdownTable(['server', 'way', ...clients.map(({ name }) => name)], rows),
    [...reasons].map(([reason, mark]) => `${mark}: ${reason}`).join('; '),
  ].join('\n\n');
}
