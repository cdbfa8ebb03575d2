/** Calls that guards judged, as a person reads them: who, what, when, with what, and which rule said so. */
import type { AuditRecordView } from '../api/record-views.ts';
import { called } from './audit-line.ts';
import type { Cli } from './cli.ts';
import { clockTime, table } from './table.ts';

/** Enough of a digest to find a call again. */
const shownDigest = 12;
/** Longer arguments are cut; `--json` has them whole. */
const shownArguments = 60;

/** Newest first, as they came. */
export function callTable(rows: readonly AuditRecordView[], cli: Cli): string {
  if (rows.length === 0)
    return 'No call was judged: guards read the sessions of services whose contract asks for it.\n';
  const text = (row: AuditRecordView, field: string): string => {
    const value = row[field];
    return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
  };
  return table(
    rows,
    [
      { title: 'WHEN', text: (row) => clockTime(row.at, cli.clock.now()), whole: true },
      // The hosting side knows the calling identity, not its program.
      {
        title: 'AGENT',
        text: (row) => text(row, 'agent') || programOf(text(row, 'app')) || text(row, 'caller') || '–',
      },
      { title: 'SERVICE', text: (row) => text(row, 'service') },
      { title: 'CALL', text: (row) => called(text(row, 'method'), text(row, 'tool')) },
      { title: 'WITH', text: (row) => withWhat(row), spare: 2 },
      {
        title: 'DECISION',
        text: (row) => text(row, 'decision'),
        tint: (row) => (row['decision'] === 'deny' ? 'red' : 'green'),
        whole: true,
      },
      { title: 'RULE', text: ruleOf },
      { title: 'MS', align: 'right', text: (row) => text(row, 'durationMs') || '–', spare: 3 },
    ],
    cli,
  );
}

/** Where the contract only observes: the rule that would have refused it. */
function ruleOf({ observed, rule }: AuditRecordView): string {
  if (typeof observed === 'string') return `observed: ${observed}`;
  return typeof rule === 'string' && rule !== '' ? rule : '–';
}

function programOf(path: string): string {
  return path.split(/[/\\]/).at(-1) ?? '';
}

function withWhat(row: AuditRecordView): string {
  const {
    arguments: given,
    digest,
    model,
    tokensIn,
    tokensOut,
    cost,
    currency,
  } = row as Readonly<Record<string, unknown>>;
  if (given !== undefined) {
    const json = JSON.stringify(given);
    return json.length <= shownArguments ? json : `${json.slice(0, shownArguments)}…`;
  }
  if (typeof model === 'string') {
    const tokens = typeof tokensIn === 'number' ? ` ${tokensIn}+${String(tokensOut)} tokens` : '';
    const money = typeof cost === 'number' ? ` ${cost} ${String(currency)}` : '';
    return model + tokens + money;
  }
  return typeof digest === 'string' ? `sha256:${digest.slice(0, shownDigest)}` : '–';
}
