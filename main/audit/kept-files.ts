/** What is on the disk when a journal is opened again, and what of it retention lets go. */
import { closeSync, ftruncateSync, openSync } from 'node:fs';
import type { Anchor } from './anchor.ts';
import { decodeLine, genesisHash } from './chain.ts';
import { listJournalFiles, readTail, type JournalFile } from './journal-files.ts';

/** Files too many, oldest first, and where the journal begins without them. */
export interface Surplus {
  readonly files: readonly JournalFile[];
  readonly firstSeq: number;
  readonly firstPrev: string;
}

/** Nothing too many: the journal begins where its anchor says. */
export function surplusOf(
  directory: string,
  keepFiles: number,
  { firstSeq, firstPrev }: Pick<Anchor, 'firstSeq' | 'firstPrev'>,
): Surplus {
  const all = listJournalFiles(directory);
  const files = all.slice(0, Math.max(0, all.length - keepFiles));
  const firstKept = all[files.length];
  const lastRetired = files.at(-1);
  if (firstKept === undefined || lastRetired === undefined) return { files: [], firstSeq, firstPrev };
  const tail = decodeLine(readTail(lastRetired.path).line ?? '');
  return { files, firstSeq: firstKept.firstSeq, firstPrev: 'record' in tail ? tail.record.hash : firstPrev };
}

/** Where the chain stands on disk; a torn tail is cut away. */
export function resumeChain(directory: string): { count: number; hash: string; torn: boolean } {
  let torn = false;
  for (const file of listJournalFiles(directory).reverse()) {
    const tail = readTail(file.path);
    if (tail.torn) {
      const descriptor = openSync(file.path, 'r+');
      try {
        ftruncateSync(descriptor, tail.endBytes);
      } finally {
        closeSync(descriptor);
      }
      torn = true;
    }
    if (tail.line === undefined) continue;
    const decoded = decodeLine(tail.line);
    if ('record' in decoded) return { count: decoded.record.seq, hash: decoded.record.hash, torn };
    // A damaged last record stays as evidence; the chain goes on after it and verify names it.
    return { count: decoded.seq ?? file.firstSeq, hash: genesisHash, torn };
  }
  return { count: 0, hash: genesisHash, torn };
}
