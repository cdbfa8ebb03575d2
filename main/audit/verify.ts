/** Reads the whole journal and says whether it is what was written: works without the engine. */
import type { AuditVerifyView } from '../api/record-views.ts';
import { defined } from '../base/defined.ts';
import { readAnchor } from './anchor.ts';
import { auditDirectory } from './audit.ts';
import type { Fault } from './faults.ts';
import { listJournalFiles, readLines } from './journal-files.ts';
import { readSigners } from './signers.ts';
import { SignerBook, type JournalFacts } from './trust.ts';
import { JournalWalk } from './walk.ts';
import { WitnessedHeads, type WitnessAnswer } from './witnessed.ts';

/** Records between two words on how far it is. */
const toldEvery = 1000;

/** Verify the journal under a state directory. Stops at the first bad record and names it. `passed` hears how many were read, now and then. */
export async function verifyAudit(
  stateDirectory: string,
  facts: JournalFacts,
  answer?: WitnessAnswer,
  passed?: (records: number) => void,
): Promise<AuditVerifyView> {
  const found = readAnchor(stateDirectory);
  const anchor = found === 'damaged' ? undefined : found;
  const signers = readSigners(stateDirectory);
  const book = new SignerBook(signers === 'damaged' ? undefined : signers);
  const witnessed = answer === undefined ? undefined : new WitnessedHeads(answer, book);
  const files = listJournalFiles(auditDirectory(stateDirectory));
  // A crash between retention's word and its deed leaves files that end before the journal begins.
  const retired = (index: number): boolean => (files[index + 1]?.firstSeq ?? Infinity) <= (anchor?.firstSeq ?? 1);
  const kept = files.filter((_, index) => !retired(index));
  const walk = new JournalWalk(anchor, book, witnessed);

  const verdict = (fault: Fault | undefined, file: string): AuditVerifyView =>
    defined({
      ok: fault === undefined,
      ...walk.facts(),
      firstBad: fault === undefined ? undefined : { ...fault, file },
      signers: book.views(),
      witness: witnessed?.verdict(walk.end()),
    });

  let read = 0;
  for (const file of kept) {
    for await (const { line, torn } of readLines(file.path)) {
      const fault = walk.step(line, torn);
      if (fault !== undefined) return verdict(fault, file.name);
      read += 1;
      if (read % toldEvery === 0) passed?.(read);
    }
  }
  const fault =
    walk.finish(found, signers === 'damaged', facts) ?? book.fault(facts, walk.end()) ?? witnessed?.fault(walk.end());
  return verdict(fault, kept.at(-1)?.name ?? '');
}
