/** The journal's very lines from a number on, for whoever keeps a copy; and the hash of one record. */
import { decodeLine } from './chain.ts';
import { listJournalFiles, readLines } from './journal-files.ts';

/** Where a reader stands: behind record `seq`, at byte `offset` of the file that begins with `file`. */
export interface LineCursor {
  readonly seq: number;
  readonly file: number;
  readonly offset: number;
}

/** Before everything that is kept behind record `seq`. */
export function cursorBehind(directory: string, seq: number): LineCursor {
  const file = listJournalFiles(directory).findLast(({ firstSeq }) => firstSeq <= seq + 1);
  return { seq, file: file?.firstSeq ?? 0, offset: 0 };
}

/** Whole lines behind the cursor, and where the reader stands after each; ends where the journal ends for now. */
export async function* linesBehind(
  directory: string,
  from: LineCursor,
): AsyncGenerator<{ readonly line: string; readonly next: LineCursor }> {
  let { seq } = from;
  for (const file of listJournalFiles(directory)) {
    if (file.firstSeq < from.file) continue;
    let offset = file.firstSeq === from.file ? from.offset : 0;
    for await (const { line, torn } of readLines(file.path, offset)) {
      if (torn) break;
      offset += Buffer.byteLength(line) + 1;
      const number = numberOf(line);
      // What does not say its number is verify's business; the far side would not take it either.
      if (number === undefined || number <= seq) continue;
      seq = number;
      yield { line, next: { seq, file: file.firstSeq, offset } };
    }
  }
}

/** Hash of record `seq`; undefined where it is not kept, or was never written. */
export async function hashOf(directory: string, seq: number): Promise<string | undefined> {
  for await (const { line } of linesBehind(directory, cursorBehind(directory, seq - 1))) {
    const decoded = decodeLine(line);
    if (!('record' in decoded) || decoded.record.seq > seq) return undefined;
    if (decoded.record.seq === seq) return decoded.record.hash;
  }
  return undefined;
}

function numberOf(line: string): number | undefined {
  const match = /^\{"seq":(\d{1,15}),/.exec(line);
  return match === null ? undefined : Number(match[1]);
}
