/**
 * The anchor: how long the journal is and where its head stands, kept outside the journal's directory, with the newest signed checkpoint. A
 * journal that was cut is shorter than its anchor; one that was written anew does not have the record that the checkpoint names.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { readIfThereSync } from '../files/read-if-there.ts';
import { writeAtomically, writeAtomicallySync } from '../files/write-atomically.ts';

/** Where the anchor stands under a state directory. */
export const auditAnchorPath = (stateDirectory: string): string => join(stateDirectory, 'audit-anchor.json');
/** Where it stood in 0.1.0. */
const formerAnchorPath = (stateDirectory: string): string => join(stateDirectory, 'audit.anchor');

const anchorSchema = v.object({
  /** 1: of 0.1.0, never signed. */
  version: v.picklist([1, 2]),
  count: v.pipe(v.number(), v.integer(), v.minValue(0)),
  /** First record still kept; older ones were retired by retention. */
  firstSeq: v.pipe(v.number(), v.integer(), v.minValue(1)),
  /** `prev` of the first record still kept. */
  firstPrev: v.string(),
  head: v.string(),
  at: v.string(),
  /** Names of the keys that ever signed here. */
  signers: v.array(v.string()),
  /** The newest signed checkpoint; see `audit/checkpoint.ts`. */
  note: v.optional(v.string()),
});
/** What the anchor's file holds. */
export type Anchor = v.InferOutput<typeof anchorSchema>;

/** Undefined where there is none; `damaged` where it is there and cannot be read. */
export function readAnchor(stateDirectory: string): Anchor | 'damaged' | undefined {
  const text = readIfThereSync(auditAnchorPath(stateDirectory)) ?? readIfThereSync(formerAnchorPath(stateDirectory));
  if (text === undefined) return undefined;
  try {
    const parsed = v.safeParse(anchorSchema, JSON.parse(text));
    return parsed.success ? parsed.output : 'damaged';
  } catch {
    return 'damaged';
  }
}

/** Replace the anchor atomically. Synced only where asked: when the journal is closed, not ten times a second. */
export function writeAnchor(stateDirectory: string, anchor: Anchor, { synced }: { readonly synced: boolean }): void {
  // The one that is written ten times a second waits for nobody who holds the file: the next is due soon.
  writeAtomicallySync(auditAnchorPath(stateDirectory), `${JSON.stringify(anchor)}\n`, { synced, patient: synced });
  rmSync(formerAnchorPath(stateDirectory), { force: true });
}

/** Replace the anchor, on the disk when this resolves; the thread goes on meanwhile. */
export async function writeAnchorInBackground(stateDirectory: string, anchor: Anchor): Promise<void> {
  await writeAtomically(auditAnchorPath(stateDirectory), `${JSON.stringify(anchor)}\n`);
  rmSync(formerAnchorPath(stateDirectory), { force: true });
}
