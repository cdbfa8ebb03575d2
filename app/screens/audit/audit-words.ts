/** What an audit record says in one line. Fields are the journal's own; unknown ones are shown as they are. */
import type { AuditRecordView } from '../../../main/api/record-views.ts';
import { textOr, type Text } from '../../text/text.ts';

const framing = new Set(['seq', 'at', 'kind', 'prev', 'hash', 'mac', 'v']);
const leading = [
  'service',
  'agent',
  'app',
  'tool',
  'target',
  'subject',
  'name',
  'destination',
  'identity',
  'reason',
  'detail',
  'setting',
  'value',
];

function plain(value: unknown): string | undefined {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (typeof value !== 'object' || value === null) return undefined;
  const record = value as Record<string, unknown>;
  return plain(record['agent'] ?? record['path'] ?? record['sentence'] ?? record['code'] ?? record['name']);
}

/** What kind of record it is, in words. */
export function auditKind({ kind }: AuditRecordView, t: Text): string {
  return textOr(t, `audit.kind.${kind}`, kind);
}

/** The telling fields, most telling first. */
export function auditParts(record: AuditRecordView): readonly string[] {
  const parts = leading.map((field) => plain(record[field]) ?? '');
  return [...new Set(parts.filter((part) => part !== ''))];
}

/** The same in one line. */
export function auditLine(record: AuditRecordView): string {
  return auditParts(record).join(' · ');
}

/** Whether the record tells of something let through or refused; undefined where it tells of neither. */
export function auditDecision(record: AuditRecordView): 'allow' | 'deny' | undefined {
  const decision = record['decision'] ?? record['outcome'];
  if (decision === 'allow' || decision === 'dial' || decision === 'permit') return 'allow';
  return decision === 'deny' || decision === 'refuse' || decision === 'forbid' ? 'deny' : undefined;
}

/** The record without its framing, for reading. */
export function auditBody(record: AuditRecordView): string {
  return JSON.stringify(
    Object.fromEntries(Object.entries(record).filter(([name]) => !framing.has(name))),
    undefined,
    2,
  );
}
