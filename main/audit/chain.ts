/**
 * The chained line: one JSON object a record, whose last field is the SHA-256 of everything before it and whose `prev` is the hash of the
 * record before. Flip, drop, swap or insert anything, and from there on the chain does not hold.
 */
import { createHash } from 'node:crypto';
import type { AuditEvent } from './record.ts';

/** Hash "before" the first record. */
export const genesisHash = '0'.repeat(64);

const hashField = ',"hash":"';
/** `,"hash":"` + 64 hex + `"}`. */
const suffixLength = hashField.length + 64 + 2;

/** A record as it stands in its line. */
export interface ChainedRecord {
  readonly seq: number;
  readonly at: string;
  readonly kind: string;
  readonly prev: string;
  readonly hash: string;
  readonly [field: string]: unknown;
}

/** The fields the journal itself gives; an event cannot set them. */
const reserved = new Set(['seq', 'at', 'prev', 'hash']);

/** One line (newline included) and its hash. */
export function encodeRecord(seq: number, at: string, event: AuditEvent, prev: string): { line: string; hash: string } {
  const { kind, ...fields } = event;
  let body = `{"seq":${seq},"at":"${at}","kind":${JSON.stringify(kind)}`;
  for (const [field, value] of Object.entries(fields)) {
    if (reserved.has(field)) continue;
    const text = JSON.stringify(value) as string | undefined;
    if (text !== undefined) body += `,${JSON.stringify(field)}:${text}`;
  }
  body += `,"prev":"${prev}"`;
  const hash = sha256(body);
  return { line: `${body}${hashField}${hash}"}\n`, hash };
}

/** Why a line is no good: it is not a record, or its hash is not of its content. */
export type LineFault = 'malformed' | 'altered';

/** Read one line (without newline); the hash is checked, the link to its neighbours is the caller's to check. */
export function decodeLine(line: string): { record: ChainedRecord } | { fault: LineFault; seq: number | undefined } {
  const split = line.length - suffixLength;
  const seq = seqOf(line);
  if (split <= 0 || !line.startsWith(hashField, split) || !line.endsWith('"}')) return { fault: 'malformed', seq };
  let record: unknown;
  try {
    record = JSON.parse(line);
  } catch {
    return { fault: 'malformed', seq };
  }
  if (!isRecord(record)) return { fault: 'malformed', seq };
  if (sha256(line.slice(0, split)) !== record.hash) return { fault: 'altered', seq: record.seq };
  return { record };
}

function isRecord(value: unknown): value is ChainedRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { seq, kind, prev, hash } = value as Partial<ChainedRecord>;
  return Number.isSafeInteger(seq) && typeof kind === 'string' && typeof prev === 'string' && typeof hash === 'string';
}

/** The number a damaged line claims, as far as it can still be read. */
function seqOf(line: string): number | undefined {
  const match = /"seq":(\d{1,15})/.exec(line);
  return match === null ? undefined : Number(match[1]);
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
