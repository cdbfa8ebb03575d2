/** One way through a journal, record by record: numbers, links, checkpoints and what the anchor says of the end. */
import type { Anchor } from './anchor.ts';
import { decodeLine, genesisHash, type ChainedRecord } from './chain.ts';
import { maxCheckpointLag, parseCheckpoint, type Checkpoint } from './checkpoint.ts';
import type { Fault } from './faults.ts';
import { isSignedBy, keyNameOf, parseNote, type NoteKey } from './note.ts';
import type { JournalFacts, SignerBook } from './trust.ts';
import type { WitnessedHeads } from './witnessed.ts';

interface Signed {
  readonly checkpoint: Checkpoint;
  readonly by: NoteKey;
}

export class JournalWalk {
  readonly #book: SignerBook;
  readonly #witnessed: WitnessedHeads | undefined;
  /** What the anchor's checkpoint signs; read before the walk, so that its record is known when it comes by. */
  readonly #anchored: Signed | undefined;
  #anchoredHash: string | undefined;
  /** Hashes of the newest records, by number modulo its length: a checkpoint stands a little behind what it signs. */
  readonly #recent: string[] = [];
  #expectedSeq: number;
  #prev: string;
  #count = 0;
  #gaps = 0;
  #checkpoints = 0;
  #signedUpTo = 0;
  #firstSigned: number | undefined;
  #leftBefore = false;

  constructor(anchor: Anchor | undefined, book: SignerBook, witnessed: WitnessedHeads | undefined) {
    this.#book = book;
    this.#witnessed = witnessed;
    this.#anchored = anchor?.note === undefined ? undefined : this.#read(anchor.note);
    this.#expectedSeq = anchor?.firstSeq ?? 1;
    this.#prev = anchor?.firstPrev ?? genesisHash;
    this.#remember(this.#expectedSeq - 1, this.#prev);
  }

  /** The last number read. */
  end(): number {
    return this.#expectedSeq - 1;
  }

  step(line: string, torn: boolean): Fault | undefined {
    const decoded = decodeLine(line);
    if ('fault' in decoded) {
      const seq = this.#expectedSeq;
      if (torn) return { seq, reason: 'the last record is cut off', code: 'audit.fault.torn' };
      return decoded.fault === 'altered'
        ? { seq, reason: 'its content was altered', code: 'audit.fault.altered' }
        : { seq, reason: 'it is not a record', code: 'audit.fault.unreadable' };
    }
    const { record } = decoded;
    if (record.seq !== this.#expectedSeq) {
      const seq = this.#expectedSeq;
      return record.seq > seq
        ? { seq, reason: 'it is missing', code: 'audit.fault.missing' }
        : { seq, reason: `record ${record.seq} stands in its place`, code: 'audit.fault.other' };
    }
    if (record.prev !== this.#prev)
      return { seq: record.seq, reason: 'it does not follow from the record before it', code: 'audit.fault.chain' };
    const fault = this.#inspect(record);
    if (fault !== undefined) return fault;
    this.#prev = record.hash;
    this.#remember(record.seq, record.hash);
    this.#expectedSeq += 1;
    this.#count += 1;
    return undefined;
  }

  /** What only shows at the end: a journal that was cut, begun anew, or put back to an older copy. */
  finish(found: Anchor | 'damaged' | undefined, signersDamaged: boolean, facts: JournalFacts): Fault | undefined {
    const seq = this.#expectedSeq;
    if (found === 'damaged') return { seq, reason: 'the anchor is damaged', code: 'audit.fault.anchor_damaged' };
    if (this.#count === 0 && facts.identities.length > 0 && (found?.count ?? 0) < seq) {
      const reason = 'identities are enrolled here, and there is no journal of it';
      return { seq, reason, code: 'audit.fault.no_journal' };
    }
    if (found === undefined) {
      return this.#count === 0
        ? undefined
        : { seq: seq - 1, reason: 'the anchor is missing', code: 'audit.fault.anchor_missing' };
    }
    const counted = Math.max(found.count, this.#anchored?.checkpoint.count ?? 0);
    if (counted >= seq) {
      return { seq, reason: `the journal was cut: its anchor counts ${counted} records`, code: 'audit.fault.cut' };
    }
    if (found.count === seq - 1 && found.head !== this.#prev) {
      return { seq: found.count, reason: 'it is not the record that the anchor names', code: 'audit.fault.head' };
    }
    if (signersDamaged || (this.#book.origin === undefined && found.signers.length > 0)) {
      const reason = 'the file that names the signing keys is missing or damaged';
      return { seq: seq - 1, reason, code: 'audit.fault.signers' };
    }
    return this.#anchoredFault(found);
  }

  facts(): {
    readonly count: number;
    readonly head: string | undefined;
    readonly gaps: number;
    readonly checkpoints: number;
    readonly unsignedBefore: number | undefined;
  } {
    const signed = this.#firstSigned;
    const unsigned = signed === undefined ? this.#count > 0 : this.#leftBefore;
    return {
      count: this.#count,
      head: this.#count === 0 ? undefined : this.#prev,
      gaps: this.#gaps,
      checkpoints: this.#checkpoints,
      unsignedBefore: unsigned ? (signed ?? this.#expectedSeq) : undefined,
    };
  }

  #inspect(record: ChainedRecord): Fault | undefined {
    if (record.kind === 'gap') this.#gaps += typeof record['lost'] === 'number' ? record['lost'] : 0;
    if (record.kind === 'signer.made') {
      this.#leftBefore ||= record['epoch'] === 1 && typeof record['after'] === 'number' && record['after'] > 0;
    }
    if (record.kind !== 'checkpoint') return undefined;
    this.#checkpoints += 1;
    const { seq } = record;
    const note = record['note'];
    if (note === undefined) return this.#headFault(seq, record['of'], record['head']);
    const signed = typeof note === 'string' ? this.#read(note) : undefined;
    if (signed === undefined) {
      return { seq, reason: 'the checkpoint’s signature does not hold', code: 'audit.fault.signature' };
    }
    const { count, head } = signed.checkpoint;
    const fault = this.#headFault(seq, count, head);
    if (fault !== undefined) return fault;
    if (record['of'] !== count || record['head'] !== head) {
      return { seq, reason: 'the checkpoint says otherwise than its signature', code: 'audit.fault.signature' };
    }
    this.#signedUpTo = count;
    this.#firstSigned ??= seq;
    this.#book.count(signed.by, count);
    return undefined;
  }

  /** A checkpoint's head must be the hash of the record it numbers. */
  #headFault(seq: number, of: unknown, head: unknown): Fault | undefined {
    const near = typeof of === 'number' && of < seq && of >= seq - maxCheckpointLag;
    if (near && this.#recent[of % maxCheckpointLag] === head) return undefined;
    const from = this.#signedUpTo + 1;
    return near && from <= of
      ? {
          seq: from,
          reason: `something from here to ${of} is not what the checkpoint at ${seq} signed`,
          code: 'audit.fault.rewritten',
        }
      : { seq, reason: 'the checkpoint names no record of this journal', code: 'audit.fault.rewritten' };
  }

  /** The anchor's own checkpoint: signed, of this journal, and beginning where the anchor begins. */
  #anchoredFault(anchor: Anchor): Fault | undefined {
    const seq = this.#expectedSeq - 1;
    if (anchor.note === undefined) {
      return this.#firstSigned === undefined
        ? undefined
        : { seq, reason: 'the journal is signed, and its anchor is not', code: 'audit.fault.anchor_unsigned' };
    }
    const signed = this.#anchored;
    if (signed === undefined) {
      return { seq, reason: 'the anchor’s signature does not hold', code: 'audit.fault.signature' };
    }
    const { count, head, firstSeq, firstPrev } = signed.checkpoint;
    if (firstSeq !== anchor.firstSeq || firstPrev !== anchor.firstPrev) {
      const reason = `the journal begins at ${anchor.firstSeq}, and what was signed at ${firstSeq}`;
      return { seq: firstSeq, reason, code: 'audit.fault.first' };
    }
    if (this.#anchoredHash !== head) {
      return { seq: count, reason: 'it is not the record that the anchor signs', code: 'audit.fault.head' };
    }
    return anchor.signers.includes(keyNameOf(signed.by.publicKeySpki))
      ? undefined
      : { seq, reason: 'the anchor does not name the key that signed it', code: 'audit.fault.signers' };
  }

  /** A checkpoint of this journal, signed by one of its keys. */
  #read(note: string): Signed | undefined {
    const parsed = parseNote(note);
    const checkpoint = parsed === undefined ? undefined : parseCheckpoint(parsed.text);
    if (parsed === undefined || checkpoint === undefined || checkpoint.origin !== this.#book.origin) return undefined;
    const by = this.#book.keys().find((key) => isSignedBy(parsed, key));
    return by === undefined ? undefined : { checkpoint, by };
  }

  #remember(seq: number, hash: string): void {
    this.#recent[seq % maxCheckpointLag] = hash;
    if (seq === this.#anchored?.checkpoint.count) this.#anchoredHash = hash;
    this.#witnessed?.pass(seq, hash);
  }
}
