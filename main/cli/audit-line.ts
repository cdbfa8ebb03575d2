/** Records of the journal as a person reads them: when, what became of it, and one sentence. With `--wide`: every field, as it stands. */
import type { AuditRecordView } from '../api/record-views.ts';
import { bytes, localTime, oneLine, wrap, type Page } from './table.ts';
import type { Tint } from './terminal.ts';

type Fields = Readonly<Record<string, unknown>>;

const seqRoom = 5;
/** Room for the longest kind there is. */
const kindRoom = 18;
/** Number, time, mark and kind, with their gaps. */
const textColumn = seqRoom + 2 + 8 + 2 + 1 + 1 + kindRoom + 1;

/**
 * A function that puts one record after the other into words, and names the day, and the device that `deviceOf` knows, where they change.
 * Each ends with a line feed.
 */
export function auditLines<R extends AuditRecordView>(
  page: Page,
  deviceOf?: (record: R) => string,
): (record: R) => string {
  if (page.width === Infinity) return (record) => `${named(deviceOf?.(record))}${wholeLine(record, page)}\n`;
  let before = '';
  return (record) => {
    const [date = '', time = ''] = localTime(record.at).split(' ');
    const now = `${named(deviceOf?.(record))}${date}`;
    const heading = now === before ? '' : `${page.paint('bold', now)}\n`;
    before = now;
    const mark = markOf(record);
    const head = `${String(record.seq).padStart(seqRoom)}  ${time}  ${page.paint(mark.tint, `${mark.sign} ${record.kind.padEnd(kindRoom)}`)} `;
    const [first = '', ...rest] = wrap(sentenceOf(record), page.width - textColumn);
    const more = rest.map((line) => `\n${' '.repeat(textColumn)}${line}`).join('');
    return `${heading}${head}${first}${more}\n`;
  };
}

const bad = new Set(['violation', 'alert', 'gap', 'dial.failed', 'tls.failed', 'quarantine.added', 'tool.changed']);

function markOf(record: AuditRecordView): { readonly sign: string; readonly tint: Tint } {
  if (record['decision'] === 'deny') return { sign: '✗', tint: 'red' };
  if (bad.has(record.kind)) return { sign: '!', tint: 'yellow' };
  return record['decision'] === 'allow' ? { sign: '✓', tint: 'green' } : { sign: '·', tint: 'dim' };
}

/** Kinds that read better as a sentence than field by field. */
const sentences: Readonly<Record<string, (record: Fields) => string>> = {
  verdict: (record) => (record['decision'] === 'deny' ? because(record) : `${whoAndWhere(record)}${ruleOf(record)}`),
  'dial.failed': because,
  'tls.failed': because,
  'session.opened': (record) => `${whoAndWhere(record)}${optional(' through ', record['router'])}`,
  'session.closed': (record) =>
    `${whoAndWhere(record)}: ${text(record, 'reason')}, ${size(record, 'bytesSent')} sent, ${size(record, 'bytesReceived')} received in ${text(record, 'durationMs')} ms`,
  call: (record) =>
    `${whoAndWhere(record)}: ${called(text(record, 'method'), text(record, 'target'))}${ruleOf(record)}${optional(', would be refused by ', record['observed'])}`,
  violation: (record) => `${because(record)}; ${text(record, 'action')}`,
  'service.gained': (record) => `${text(record, 'identity')} may ${may(record)} ${text(record, 'service')}`,
  'service.lost': (record) => `${text(record, 'identity')} may no more ${may(record)} ${text(record, 'service')}`,
  'quarantine.added': (record) => `${text(record, 'subject')} by ${text(record, 'by')}: ${text(record, 'cause')}`,
  'quarantine.released': (record) => `${text(record, 'subject')} by ${text(record, 'by')}`,
  'tool.pinned': (record) => `${text(record, 'service')}: ${toolsOf(record)}`,
  checkpoint: (record) => `vouches for ${text(record, 'of')} records, head ${text(record, 'head').slice(0, 16)}`,
};

/** What the head of the line says already, and what only a program reads. */
const shownElsewhere = new Set(['seq', 'at', 'kind', 'prev', 'hash', 'decision']);
const forPrograms = new Set([
  'note',
  'publicKey',
  'signature',
  'digest',
  'startedAtMs',
  'device',
  'origin',
  'branch',
  'receivedAt',
]);

function sentenceOf(record: AuditRecordView): string {
  const say = sentences[record.kind];
  return oneLine(
    say === undefined
      ? pairs(record, forPrograms)
          .map(([name, value]) => `${name}=${value}`)
          .join(' ')
      : say(record),
  );
}

function wholeLine(record: AuditRecordView, { paint }: Page): string {
  const mark = markOf(record);
  const decision = record['decision'] === undefined ? '' : `${paint(mark.tint, text(record, 'decision'))} `;
  const shown = pairs(record, new Set()).map(([name, value]) => `${paint('dim', `${name}=`)}${oneLine(value)}`);
  return `${String(record.seq).padStart(7)}  ${record.at}  ${record.kind.padEnd(kindRoom)} ${decision}${shown.join(' ')}`;
}

function pairs(record: Fields, left: ReadonlySet<string>): readonly (readonly [string, string])[] {
  return Object.entries(record)
    .filter(([name, value]) => !shownElsewhere.has(name) && !left.has(name) && value !== undefined && value !== null)
    .map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]);
}

/** A tool goes by its name; what else was asked for, by its method too. */
export function called(method: string, target: string): string {
  return method === 'tools/call' ? target : `${method} ${target}`;
}

/** Each is written as its name and the hash of its definition. */
function toolsOf({ tools }: Fields): string {
  return Array.isArray(tools) ? tools.map((tool) => String(tool).split(' ')[0]).join(', ') : '';
}

/** `curl → web.dark as laptop`. Where the call came from elsewhere, the calling identity stands for the program nobody here sees. */
function whoAndWhere(record: Fields): string {
  const program = text(record, 'app').split(/[/\\]/).at(-1) ?? '';
  const who = text(record, 'agent') || program || text(record, 'caller') || 'an unknown program';
  const where = text(record, 'service') || text(record, 'destination');
  return `${who} → ${where}${optional(' as ', record['identity'])}`;
}

function because(record: Fields): string {
  return `${whoAndWhere(record)}${optional(': ', record['reason'])}${ruleOf(record)}`;
}

function ruleOf(record: Fields): string {
  const rule = text(record, 'rule');
  return rule === '' ? '' : ` (${rule})`;
}

function may(record: Fields): string {
  return text(record, 'permission').toLowerCase();
}

function size(record: Fields, field: string): string {
  return bytes(Number(record[field] ?? 0));
}

function optional(before: string, value: unknown): string {
  return typeof value === 'string' && value !== '' ? before + value : '';
}

function named(device: string | undefined): string {
  return device === undefined ? '' : `${oneLine(device)} `;
}

function text(record: Fields, field: string): string {
  const value = record[field];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}
