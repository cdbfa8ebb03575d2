/** What a witness saw of a journal, held against the journal as it is now. */
import { defined } from '../base/defined.ts';
import type { WitnessVerdictView } from '../api/record-views.ts';
import * as v from 'valibot';
import { parseCheckpoint } from './checkpoint.ts';
import type { Fault } from './faults.ts';
import { cosignedAt, isSignedBy, parseNote, type NoteKey } from './note.ts';
import { parseSigners, type SignersFile } from './signers.ts';
import type { SignerBook } from './trust.ts';

const journalSeen = v.object({
  /** The device's signing keys as it told them. */
  signers: v.unknown(),
  /** Name of the calling identity, as far as anybody vouched for it. */
  caller: v.optional(v.string()),
  /** Signed and cosigned checkpoints, oldest first. */
  notes: v.array(v.string()),
});

const answerSchema = v.object({
  /** The witness: its name in cosignatures and its key (SPKI, base64). */
  witness: v.object({ name: v.string(), publicKey: v.pipe(v.string(), v.base64()) }),
  service: v.string(),
  at: v.string(),
  journals: v.array(journalSeen),
});
/** What a witness answers for one device; also what `audit verify --witness FILE` reads. */
export type WitnessAnswer = v.InferOutput<typeof answerSchema>;

/** A saved answer: as it came, or within the output of `audit verify --json`. Undefined for anything else. */
export function parseWitnessAnswer(raw: unknown): WitnessAnswer | undefined {
  const parsed = v.safeParse(answerSchema, raw);
  if (parsed.success) return parsed.output;
  const nested = v.safeParse(v.object({ witness: v.object({ answer: answerSchema }) }), raw);
  return nested.success ? nested.output.witness.answer : undefined;
}

/** What is told of it, with the answer as it was parsed. */
export interface WitnessVerdict extends Omit<WitnessVerdictView, 'answer'> {
  readonly answer: WitnessAnswer;
}

/** The heads a witness signed, to be compared as the journal is walked. */
export class WitnessedHeads {
  readonly #answer: WitnessAnswer;
  /** What the witness saw of this very journal, by number: more than one head where the device forked it. */
  readonly #heads = new Map<number, Set<string>>();
  /** Longest journal of the same device that is not this one. */
  #other: { readonly origin: string; readonly count: number } | undefined;
  #agreed = 0;
  #lastAgreed = 0;
  #changed: readonly [number, number] | undefined;

  constructor(answer: WitnessAnswer, book: SignerBook) {
    this.#answer = answer;
    const witness = { name: answer.witness.name, publicKeySpki: Buffer.from(answer.witness.publicKey, 'base64') };
    for (const { signers, notes } of answer.journals) {
      const file = parseSigners(signers);
      if (file === undefined) continue;
      for (const note of notes) this.#take(note, file, witness, book.origin);
    }
  }

  /** Record `seq` of the journal has this hash. */
  pass(seq: number, hash: string): void {
    const heads = this.#heads.get(seq);
    if (heads === undefined) return;
    if (heads.size > 1 || !heads.has(hash)) {
      this.#changed ??= [this.#lastAgreed + 1, seq];
    } else {
      this.#agreed += 1;
      this.#lastAgreed = seq;
    }
  }

  /** `end`: the last record there is. */
  fault(end: number): Fault | undefined {
    const seen = this.#seen();
    if (this.#changed !== undefined) {
      const [from, to] = this.#changed;
      const reason = `something from here to ${to} was changed since the witness saw it`;
      return { seq: from, reason, code: 'audit.fault.witness_changed' };
    }
    if (seen > end) {
      const reason = `the witness saw ${seen} records, and ${seen - end} of them are lost`;
      return { seq: end + 1, reason, code: 'audit.fault.witness_lost' };
    }
    if (this.#other !== undefined) {
      const { origin, count } = this.#other;
      const reason = `the witness saw another journal of this device, ${origin}, with ${count} records`;
      return { seq: 1, reason, code: 'audit.fault.witness_other' };
    }
    return undefined;
  }

  /** `end`: the last record there is. */
  verdict(end: number): WitnessVerdict {
    const seen = this.#seen();
    return defined({
      name: this.#answer.witness.name,
      service: this.#answer.service,
      agreed: this.#agreed,
      seen,
      lost: Math.max(0, seen - end),
      changed: this.#changed,
      answer: this.#answer,
    });
  }

  #seen(): number {
    return Math.max(0, ...this.#heads.keys());
  }

  /** Only what the device signed and the witness cosigned counts. */
  #take(note: string, file: SignersFile, witness: NoteKey, origin: string | undefined): void {
    const parsed = parseNote(note);
    const checkpoint = parsed === undefined ? undefined : parseCheckpoint(parsed.text);
    if (parsed === undefined || checkpoint?.origin !== file.origin) return;
    const keys = file.keys.map(({ publicKey }) => ({
      name: file.origin,
      publicKeySpki: Buffer.from(publicKey, 'base64'),
    }));
    if (!keys.some((key) => isSignedBy(parsed, key)) || cosignedAt(parsed, witness) === undefined) return;
    const { count, head } = checkpoint;
    if (file.origin === origin) this.#heads.set(count, (this.#heads.get(count) ?? new Set()).add(head));
    else if (count > (this.#other?.count ?? 0)) this.#other = { origin: file.origin, count };
  }
}
