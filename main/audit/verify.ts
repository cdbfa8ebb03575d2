/** Reads the whole journal and says whether it is what was written: works without the engine. */
import type { Anchor, Signature } from './anchor.ts';
import { readAnchor, signedBytes, verifySignature } from './anchor.ts';
import { auditAnchorPath, auditDirectory } from './audit.ts';
import { decodeLine, genesisHash, type ChainedRecord } from './chain.ts';
import { listJournalFiles, readLines } from './journal-files.ts';

export interface AuditVerdict {
  readonly ok: boolean;
  /** Records read that hold. */
  readonly count: number;
  readonly head: string | undefined;
  readonly firstBad: (Fault & { readonly file: string }) | undefined;
  /** Records the journal itself says were lost. */
  readonly gaps: number;
  readonly checkpoints: number;
}

/** Verify the journal under a state directory. Stops at the first bad record and names it. */
export async function verifyAudit(stateDirectory: string): Promise<AuditVerdict> {
  const files = listJournalFiles(auditDirectory(stateDirectory));
  const anchor = readAnchor(auditAnchorPath(stateDirectory));
  const walk = new Walk(anchor === 'damaged' ? undefined : anchor);
  for (const file of files) {
    for await (const { line, torn } of readLines(file.path)) {
      const fault = walk.step(line, torn);
      if (fault !== undefined) return walk.verdict({ ...fault, file: file.name });
    }
  }
  const lastFile = files.at(-1)?.name ?? '';
  const fault = walk.finish(anchor);
  return walk.verdict(fault === undefined ? undefined : { ...fault, file: lastFile });
}

interface Fault {
  readonly seq: number;
  readonly reason: string;
  /** What `reason` says, for other languages. */
  readonly code: FaultCode;
}
type FaultCode = `audit.fault.${
  | 'torn'
  | 'altered'
  | 'unreadable'
  | 'missing'
  | 'other'
  | 'chain'
  | 'anchor_damaged'
  | 'anchor_missing'
  | 'cut'
  | 'head'
  | 'signature'}`;

class Walk {
  readonly #anchor: Anchor | undefined;
  #expectedSeq: number;
  #prev: string;
  #count = 0;
  #gaps = 0;
  #checkpoints = 0;

  constructor(anchor: Anchor | undefined) {
    this.#anchor = anchor;
    this.#expectedSeq = anchor?.firstSeq ?? 1;
    this.#prev = anchor?.firstPrev ?? genesisHash;
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
    this.#expectedSeq += 1;
    this.#count += 1;
    return undefined;
  }

  /** What only shows at the end: a journal that was cut, or put back to an older copy. */
  finish(anchor: Anchor | 'damaged' | undefined): Fault | undefined {
    if (anchor === 'damaged')
      return { seq: this.#expectedSeq, reason: 'the anchor is damaged', code: 'audit.fault.anchor_damaged' };
    if (anchor === undefined) {
      return this.#count === 0
        ? undefined
        : { seq: this.#expectedSeq - 1, reason: 'the anchor is missing', code: 'audit.fault.anchor_missing' };
    }
    if (anchor.count >= this.#expectedSeq) {
      return {
        seq: this.#expectedSeq,
        reason: `the journal was cut: its anchor counts ${anchor.count} records`,
        code: 'audit.fault.cut',
      };
    }
    if (anchor.count === this.#expectedSeq - 1 && anchor.head !== this.#prev) {
      return { seq: anchor.count, reason: 'it is not the record that the anchor names', code: 'audit.fault.head' };
    }
    if (
      anchor.signed !== undefined &&
      !this.#trusted(anchor.signed, signedBytes('anchor', anchor.count, anchor.head))
    ) {
      return { seq: anchor.count, reason: 'the anchor’s signature does not hold', code: 'audit.fault.signature' };
    }
    return undefined;
  }

  verdict(firstBad: (Fault & { readonly file: string }) | undefined): AuditVerdict {
    return {
      ok: firstBad === undefined,
      count: this.#count,
      head: this.#count === 0 ? undefined : this.#prev,
      firstBad,
      gaps: this.#gaps,
      checkpoints: this.#checkpoints,
    };
  }

  #inspect(record: ChainedRecord): Fault | undefined {
    if (record.kind === 'gap') this.#gaps += typeof record['lost'] === 'number' ? record['lost'] : 0;
    if (record.kind !== 'checkpoint') return undefined;
    this.#checkpoints += 1;
    const signed = record['signed'];
    if (signed === undefined) return undefined;
    const holds =
      typeof record['of'] === 'number' &&
      typeof record['head'] === 'string' &&
      isSignature(signed) &&
      this.#trusted(signed, signedBytes('checkpoint', record['of'], record['head']));
    return holds
      ? undefined
      : { seq: record.seq, reason: 'the checkpoint’s signature does not hold', code: 'audit.fault.signature' };
  }

  #trusted(signed: Signature, data: Uint8Array): boolean {
    return (this.#anchor?.signers.includes(signed.keyId) ?? false) && verifySignature(signed, data);
  }
}

function isSignature(value: unknown): value is Signature {
  if (typeof value !== 'object' || value === null) return false;
  const { keyId, publicKey, signature } = value as Partial<Signature>;
  return typeof keyId === 'string' && typeof publicKey === 'string' && typeof signature === 'string';
}
