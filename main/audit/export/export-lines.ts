/** Records as lines for other tools: as they stand in the journal, as OCSF events, or as a table. */
import type { ChainedRecord } from '../chain.ts';
import { toOcsf } from './ocsf.ts';

/** What records can be written as. */
export type ExportFormat = 'json' | 'ocsf' | 'csv';

/** Columns of a table; what else a record says stands in the last one as JSON. */
const columns = [
  'seq',
  'at',
  'kind',
  'decision',
  'agent',
  'app',
  'user',
  'identity',
  'service',
  'destination',
  'session',
  'tool',
  'method',
  'target',
  'rule',
  'reason',
  'code',
  'hash',
] as const;

/** The line that stands above all others; undefined where a format has none. */
export function exportHead(format: ExportFormat): string | undefined {
  return format === 'csv' ? [...columns, 'more'].join(',') : undefined;
}

/** One record as a line without its end; `line` is the journal's own. */
export function exportLine(
  format: ExportFormat,
  { line, record }: { readonly line: string; readonly record: ChainedRecord },
  device: { readonly hostname: string; readonly version: string },
): string {
  if (format === 'json') return line;
  if (format === 'ocsf') return JSON.stringify(toOcsf(record, device));
  const named = new Set<string>(columns);
  const more = Object.fromEntries(Object.entries(record).filter(([name]) => !named.has(name)));
  return [...columns.map((column) => cell(record[column])), cell(JSON.stringify(more))].join(',');
}

/** RFC 4180. Cells that a spreadsheet would run as a formula are led by an apostrophe: names in the journal come from other people. */
function cell(value: unknown): string {
  if (value === undefined || value === null) return '';
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  const safe = typeof value === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
