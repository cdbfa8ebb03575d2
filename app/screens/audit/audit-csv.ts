/** Audit records as CSV (RFC 4180): a column for each field that occurs, framing first. */
import type { AuditRecordView } from '../../../main/api/record-views.ts';

/** Cells a spreadsheet would run as a formula are led by an apostrophe: names in the journal come from other people. */
function cell(value: unknown): string {
  if (value === undefined || value === null) return '';
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  const safe = typeof value === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function toCsv(records: readonly AuditRecordView[]): string {
  const fields = [...new Set(['seq', 'at', 'kind', ...records.flatMap((record) => Object.keys(record))])];
  const lines = records.map((record) => fields.map((field) => cell(record[field])).join(','));
  return `${[fields.map(cell).join(','), ...lines].join('\r\n')}\r\n`;
}
