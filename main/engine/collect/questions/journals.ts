/** Which of a device's journals it writes now: one that is installed anew begins another, and what stands in the old one is no longer so. */
import type { CallerWord } from '../fleet-store.ts';
import type { FleetJournal, FleetRecords } from './records.ts';

const weight: Readonly<Record<CallerWord, number>> = { nobody: 0, signature: 1, router: 2 };

/** For each journal the one that took its place; a journal that is still written, or that nothing replaced, stands for itself. */
export async function journalsNow(store: FleetRecords): Promise<ReadonlyMap<string, string>> {
  const journals = (await store.devices()).toSorted(
    (a, b) =>
      Date.parse(b.firstSeenAt) - Date.parse(a.firstSeenAt) || Date.parse(b.lastSeenAt) - Date.parse(a.lastSeenAt),
  );
  // Newest first, so that who takes a place is known before whose it was.
  const standing: FleetJournal[] = [];
  const now = new Map<string, string>();
  for (const journal of journals) {
    const heir = standing.find((later) => replaces(later, journal));
    if (heir === undefined) standing.push(journal);
    now.set(journal.origin, (heir ?? journal).origin);
  }
  return now;
}

/** It came when the other was heard of no more, and its name is vouched for as well: a name alone puts nobody's record aside. */
function replaces(later: FleetJournal, earlier: FleetJournal): boolean {
  return (
    later.name === earlier.name &&
    Date.parse(later.firstSeenAt) >= Date.parse(earlier.lastSeenAt) &&
    weight[later.asserted] >= weight[earlier.asserted]
  );
}
