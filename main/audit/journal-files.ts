/** The journal's files: `audit-00000001.jsonl`, …, named by the first record in each, read line by line in order. */
import { closeSync, createReadStream, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { listIfThereSync } from '../files/read-if-there.ts';

const namePattern = /^audit-(\d{10})\.jsonl$/;

/** One file of the journal. */
export interface JournalFile {
  readonly path: string;
  readonly name: string;
  readonly firstSeq: number;
}

/** Name of the file whose first record is `firstSeq`. */
export function journalFileName(firstSeq: number): string {
  return `audit-${String(firstSeq).padStart(10, '0')}.jsonl`;
}

/** All files, oldest first. A directory that is not there has none. */
export function listJournalFiles(directory: string): JournalFile[] {
  return listIfThereSync(directory)
    .flatMap((name) => {
      const first = namePattern.exec(name)?.[1];
      return first === undefined ? [] : [{ name, path: join(directory, name), firstSeq: Number(first) }];
    })
    .sort((a, b) => a.firstSeq - b.firstSeq);
}

/** Lines of a file from a byte on, without their newlines. The last is flagged where its newline is missing (a torn write). */
export async function* readLines(
  path: string,
  fromByte = 0,
): AsyncGenerator<{ readonly line: string; readonly torn: boolean }> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of createReadStream(path, { start: fromByte, highWaterMark: 1 << 20 })) {
    let data = chunk as Buffer;
    if (rest.length > 0) data = Buffer.concat([rest, data]);
    let start = 0;
    for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10, start)) {
      yield { line: data.toString('utf8', start, end), torn: false };
      start = end + 1;
    }
    rest = data.subarray(start);
  }
  if (rest.length > 0) yield { line: rest.toString('utf8'), torn: true };
}

/** Bytes looked at from a file's end to find its last line; one record is far smaller (events are bounded by the writer). */
const tailBytes = 4 * 1024 * 1024;

/** The last whole line of a file, where it ends, and whether something torn follows it. */
export function readTail(path: string): { line: string | undefined; endBytes: number; torn: boolean } {
  const sizeBytes = statSync(path).size;
  const lengthBytes = Math.min(sizeBytes, tailBytes);
  const buffer = Buffer.alloc(lengthBytes);
  const file = openSync(path, 'r');
  try {
    readSync(file, buffer, 0, lengthBytes, sizeBytes - lengthBytes);
  } finally {
    closeSync(file);
  }
  const lastNewline = buffer.lastIndexOf(10);
  if (lastNewline < 0) return { line: undefined, endBytes: 0, torn: sizeBytes > 0 };
  const before = lastNewline === 0 ? -1 : buffer.lastIndexOf(10, lastNewline - 1);
  return {
    line: buffer.toString('utf8', before + 1, lastNewline),
    endBytes: sizeBytes - lengthBytes + lastNewline + 1,
    torn: lastNewline !== lengthBytes - 1,
  };
}
