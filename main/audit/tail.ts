/** The journal as it grows: what stands behind a number first, then every record as it is written, none left out and none twice. */
import type { Audit } from './audit.ts';
import { auditDirectory } from './audit.ts';
import { decodeLine, type ChainedRecord } from './chain.ts';
import { listJournalFiles, readLines } from './journal-files.ts';
import type { AuditRecordView } from '../api/record-views.ts';

/** Records a slow reader may be behind before it is read from disk again. */
const maxQueued = 10_000;

/** Without `after` only what is yet to come. */
export async function* tailAudit(
  audit: Audit,
  stateDirectory: string,
  after: number | undefined,
  signal: AbortSignal,
): AsyncGenerator<AuditRecordView> {
  let last = after ?? audit.head().count;
  let queue: ChainedRecord[] = [];
  let overflowed = false;
  let wake: () => void = () => undefined;
  const onAbort = (): void => wake();
  const listening = audit.subscribe((record) => {
    if (queue.length >= maxQueued) overflowed = true;
    else queue.push(record);
    wake();
  });
  signal.addEventListener('abort', onAbort);
  try {
    if (after !== undefined) {
      for await (const record of readAfter(stateDirectory, last)) {
        last = record.seq;
        yield record;
      }
    }
    while (!signal.aborted) {
      const batch = queue;
      queue = [];
      for (const record of batch) {
        if (record.seq <= last) continue;
        last = record.seq;
        yield record;
      }
      if (overflowed) {
        overflowed = false;
        for await (const record of readAfter(stateDirectory, last)) {
          last = record.seq;
          yield record;
        }
      } else if (queue.length === 0 && !signal.aborted) {
        await new Promise<void>((resolve) => (wake = resolve));
      }
    }
  } finally {
    listening[Symbol.dispose]();
    signal.removeEventListener('abort', onAbort);
  }
}

async function* readAfter(stateDirectory: string, seq: number): AsyncGenerator<ChainedRecord> {
  const files = listJournalFiles(auditDirectory(stateDirectory));
  const from = files.findLastIndex((file) => file.firstSeq <= seq + 1);
  for (const file of files.slice(Math.max(0, from))) {
    for await (const { line } of readLines(file.path)) {
      const decoded = decodeLine(line);
      if ('record' in decoded && decoded.record.seq > seq) yield decoded.record;
    }
  }
}
