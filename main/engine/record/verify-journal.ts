/** The record of a state directory, held against what the directory says of its identities. */
import type { AuditVerifyView } from '../../api/record-views.ts';
import { verifyAudit } from '../../audit/verify.ts';
import type { WitnessAnswer } from '../../audit/witnessed.ts';
import { readJournalFacts } from './journal-facts.ts';

/**
 * Verify the journal under a state directory; with `answer` against what a witness saw of it. Works with an engine running or none. `passed` hears
 * how many records were read, now and then.
 */
export async function verifyJournal(
  stateDirectory: string,
  answer?: WitnessAnswer,
  passed?: (records: number) => void,
): Promise<AuditVerifyView> {
  return verifyAudit(stateDirectory, await readJournalFacts(stateDirectory), answer, passed);
}
