/** The journal as exporters read it: file after file, line after line, each sink at its own place. */
import { auditDirectory } from '../audit.ts';
import { decodeLine } from '../chain.ts';
import { listJournalFiles, readLines } from '../journal-files.ts';
import type { ExportSource } from './exporter.ts';
import type { ExportedRecord } from './sink.ts';

const batchRecords = 200;

/** Where a reader stands: after record `seq`, at byte `offset` of the file that begins with `file`. */
interface Cursor {
  readonly seq: number;
  readonly file: number;
  readonly offset: number;
}

/** `device`: the name its records go by. */
export function journalSource(stateDirectory: string, device: string): ExportSource {
  const journal = auditDirectory(stateDirectory);
  return {
    async read(cursor) {
      const from = isCursor(cursor) ? cursor : { seq: 0, file: 0, offset: 0 };
      const { records, next } = await readBatch(journal, from, device);
      return { records, next, seq: next.seq };
    },
  };
}

async function readBatch(
  journal: string,
  from: Cursor,
  device: string,
): Promise<{ records: ExportedRecord[]; next: Cursor }> {
  const records: ExportedRecord[] = [];
  let next = from;
  for (const file of listJournalFiles(journal)) {
    if (file.firstSeq < from.file) continue;
    let offset = file.firstSeq === from.file ? from.offset : 0;
    for await (const { line, torn } of readLines(file.path, offset)) {
      if (torn) break;
      offset += Buffer.byteLength(line) + 1;
      const decoded = decodeLine(line);
      // A damaged line is verify's business; what is whole goes out.
      if ('record' in decoded && decoded.record.seq > next.seq) {
        records.push({ record: decoded.record, device });
        next = { seq: decoded.record.seq, file: file.firstSeq, offset };
      }
      if (records.length >= batchRecords) return { records, next };
    }
  }
  return { records, next };
}

function isCursor(raw: unknown): raw is Cursor {
  const { seq, file, offset } = (raw ?? {}) as Partial<Cursor>;
  return Number.isSafeInteger(seq) && Number.isSafeInteger(file) && Number.isSafeInteger(offset);
}
