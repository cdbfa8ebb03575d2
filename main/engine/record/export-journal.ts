/** An export of the journal as clients get it: lines in pieces, and at the end a manifest that says what they are and whether the journal held. */
import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import type { AuditExportItem, AuditVerifyView } from '../../api/record-views.ts';
import type { AuditIndex, AuditQuery } from '../../audit/index-store.ts';
import { exportHead, exportLine, type ExportFormat } from '../../audit/export/export-lines.ts';
import type { Clock } from '../../base/clock.ts';
import { iso } from '../../base/iso.ts';

/** Characters of one piece, about. */
const pieceChars = 64 * 1024;

/** What an export reads and asks. */
export interface ExportDeps {
  readonly index: Pick<AuditIndex, 'walk'>;
  readonly clock: Clock;
  readonly version: string;
  readonly verify: () => Promise<AuditVerifyView>;
}

/** Oldest first; ends early, without a manifest, once `signal` is aborted. */
export async function* exportJournal(
  { index, clock, version, verify }: ExportDeps,
  { format, query }: { readonly format: ExportFormat; readonly query: AuditQuery },
  signal: AbortSignal,
): AsyncGenerator<AuditExportItem> {
  const device = { hostname: hostname(), version };
  const hash = createHash('sha256');
  const head = exportHead(format);
  let text = head === undefined ? '' : `${head}\n`;
  let records = 0;
  let inPiece = 0;
  for await (const entry of index.walk(query)) {
    if (signal.aborted) return;
    text += `${exportLine(format, entry, device)}\n`;
    records += 1;
    inPiece += 1;
    if (text.length < pieceChars) continue;
    hash.update(text);
    yield { kind: 'lines', text, records: inPiece };
    text = '';
    inPiece = 0;
  }
  hash.update(text);
  if (text !== '') yield { kind: 'lines', text, records: inPiece };
  const sha256 = hash.digest('hex');
  const journal = await verify();
  yield {
    kind: 'manifest',
    manifest: { format, records, sha256, query: { ...query }, exportedAt: iso(clock.now()), journal },
  };
}
