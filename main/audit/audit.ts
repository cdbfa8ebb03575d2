/** The audit journal's writing side: append-only, hash-chained, rotated, anchored and checkpointed. */
import { closeSync, fsyncSync, ftruncateSync, mkdirSync, openSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { Emitter } from '../base/emitter.ts';
import { TunnelerError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { readAnchor, signedBytes, signWith, writeAnchor, type Anchor, type AuditSigner } from './anchor.ts';
import { decodeLine, encodeRecord, genesisHash, type ChainedRecord } from './chain.ts';
import { journalFileName, listJournalFiles, readTail } from './journal-files.ts';
import type { AuditEvent, AuditWriter } from './record.ts';

/** Where things stand under a state directory. */
export const auditDirectory = (stateDirectory: string): string => join(stateDirectory, 'audit');
export const auditAnchorPath = (stateDirectory: string): string => join(stateDirectory, 'audit.anchor');

export interface AuditOptions {
  /** A file is closed and a new one begun beyond this. Default 32 MiB. */
  readonly rotateBytes?: number;
  /** Files beyond this many are retired, oldest first. Default 64. */
  readonly keepFiles?: number;
  /** What happens when the disk refuses: `closed` (default) throws, so nothing is admitted unrecorded; `open` counts the loss. */
  readonly onWriteFailure?: 'closed' | 'open';
  /** Records between signed checkpoints. Default 1 000. */
  readonly checkpointEvery?: number;
}

export interface AuditDeps {
  readonly stateDirectory: string;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Audit extends AuditWriter, AsyncDisposable {
  /** Whose key signs checkpoints from now on; undefined: unsigned ones. */
  setSigner(signer: AuditSigner | undefined): void;
  /** Every record as it is written (tail, index, exporters). */
  subscribe(listener: (record: ChainedRecord) => void): Disposable;
  /** Write a checkpoint now. */
  checkpoint(): Promise<void>;
}

const anchorPeriodMs = 100;
/** Larger fields are cut with a note, so that one record cannot fill the journal. */
const maxRecordBytes = 1024 * 1024;

/**
 * Open the journal and continue its chain. A torn last line (power loss) is cut away and said so by a `gap` record; a journal shorter
 * than its anchor keeps its numbers, so that `verify` names the first missing one. Throws `audit.write_failed` where the directory is unusable.
 */
export function openAudit(deps: AuditDeps, options: AuditOptions = {}): Audit {
  return new JournalAudit(deps, options);
}

class JournalAudit implements Audit {
  readonly #deps: AuditDeps;
  readonly #options: Required<AuditOptions>;
  readonly #directory: string;
  readonly #anchorPath: string;
  readonly #records = new Emitter<ChainedRecord>((error) =>
    this.#deps.log.error('audit.listener_failed', { error: String(error) }),
  );
  readonly #anchorTimer: Disposable;
  #file: number;
  #fileBytes: number;
  #count: number;
  #hash: string;
  #anchor: Anchor;
  #anchored = true;
  #lost = 0;
  #lostSince: string | undefined;
  #sinceCheckpoint = 0;
  #checkpointing: Promise<void> = Promise.resolve();
  #signer: AuditSigner | undefined;
  #closed = false;

  constructor(deps: AuditDeps, options: AuditOptions) {
    this.#deps = deps;
    this.#options = {
      rotateBytes: 32 * 1024 * 1024,
      keepFiles: 64,
      onWriteFailure: 'closed',
      checkpointEvery: 1000,
      ...options,
    };
    this.#directory = auditDirectory(deps.stateDirectory);
    this.#anchorPath = auditAnchorPath(deps.stateDirectory);
    try {
      mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
      const anchor = readAnchor(this.#anchorPath);
      const resumed = resume(this.#directory);
      const anchored = anchor === undefined || anchor === 'damaged' ? undefined : anchor;
      this.#hash = resumed.hash;
      this.#count = Math.max(resumed.count, anchored?.count ?? 0);
      const last = listJournalFiles(this.#directory).at(-1);
      this.#file = openSync(last?.path ?? join(this.#directory, journalFileName(this.#count + 1)), 'a', 0o600);
      this.#fileBytes = statSync(last?.path ?? join(this.#directory, journalFileName(this.#count + 1))).size;
      this.#anchor = anchored ?? {
        version: 1,
        count: 0,
        firstSeq: 1,
        firstPrev: genesisHash,
        head: genesisHash,
        at: this.#at(),
        signers: [],
      };
      if (resumed.torn) this.record({ kind: 'gap', lost: 1, reason: 'the last record was torn by a crash' });
      if (resumed.count < this.#anchor.count) {
        this.record({
          kind: 'gap',
          lost: this.#anchor.count - resumed.count,
          reason: 'the journal is shorter than its anchor says',
        });
      }
      if (anchor === 'damaged') this.record({ kind: 'gap', lost: 0, reason: 'the anchor was damaged' });
    } catch (error) {
      throw error instanceof TunnelerError ? error : writeFailed(error);
    }
    this.#anchorTimer = deps.clock.every(anchorPeriodMs, () => this.#writeAnchor(false));
  }

  record(event: AuditEvent): { readonly seq: number } {
    if (this.#closed) throw new TunnelerError('base.closed', 'the audit journal is closed');
    try {
      if (this.#lost > 0) this.#recordLoss();
      return this.#append(event);
    } catch (error) {
      // Counted either way: a session that ends while the disk is full has no other record of its end.
      this.#lost += 1;
      this.#lostSince ??= this.#at();
      if (this.#options.onWriteFailure === 'closed') throw writeFailed(error);
      this.#deps.log.error('audit.record_lost', { lost: this.#lost, code: (error as NodeJS.ErrnoException).code });
      return { seq: this.#count };
    }
  }

  head(): { readonly hash: string; readonly count: number } {
    return { hash: this.#hash, count: this.#count };
  }

  setSigner(signer: AuditSigner | undefined): void {
    if (signer?.keyId === this.#signer?.keyId) return;
    this.#signer = signer;
    if (signer !== undefined) void this.checkpoint();
  }

  subscribe(listener: (record: ChainedRecord) => void): Disposable {
    return this.#records.subscribe(listener);
  }

  checkpoint(): Promise<void> {
    this.#sinceCheckpoint = 0;
    this.#checkpointing = this.#checkpointing.then(() => this.#writeCheckpoint());
    return this.#checkpointing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#anchorTimer[Symbol.dispose]();
    await this.checkpoint();
    this.#closed = true;
    this.#writeAnchor(true);
    closeSync(this.#file);
  }

  #append(event: AuditEvent): { readonly seq: number } {
    const seq = this.#count + 1;
    const at = this.#at();
    let { line, hash } = encodeRecord(seq, at, event, this.#hash);
    if (line.length > maxRecordBytes)
      ({ line, hash } = encodeRecord(seq, at, cutShort(event, line.length), this.#hash));
    const bytes = Buffer.from(line);
    this.#rotateFor(bytes.length, seq);
    this.#writeWhole(bytes);
    this.#fileBytes += bytes.length;
    this.#count = seq;
    this.#hash = hash;
    this.#anchored = false;
    this.#sinceCheckpoint += 1;
    this.#records.emit(JSON.parse(line) as ChainedRecord);
    if (this.#sinceCheckpoint >= this.#options.checkpointEvery) void this.checkpoint();
    return { seq };
  }

  /** A short write (full disk) must not leave half a record to be continued on the same line. */
  #writeWhole(bytes: Buffer): void {
    let written = 0;
    try {
      while (written < bytes.length) written += writeSync(this.#file, bytes, written);
    } catch (error) {
      if (written > 0) ftruncateSync(this.#file, this.#fileBytes);
      throw error;
    }
  }

  #recordLoss(): void {
    const lost = this.#lost;
    this.#lost = 0;
    try {
      this.#append({ kind: 'gap', lost, since: this.#lostSince, reason: 'the disk refused these records' });
      this.#lostSince = undefined;
    } catch (error) {
      this.#lost = lost;
      throw error;
    }
  }

  #rotateFor(lengthBytes: number, seq: number): void {
    if (this.#fileBytes === 0 || this.#fileBytes + lengthBytes <= this.#options.rotateBytes) return;
    const next = openSync(join(this.#directory, journalFileName(seq)), 'a', 0o600);
    fsyncSync(this.#file);
    closeSync(this.#file);
    this.#file = next;
    this.#fileBytes = 0;
    this.#retire();
  }

  /** Retention: the oldest files go; the anchor remembers where the kept part begins. */
  #retire(): void {
    const files = listJournalFiles(this.#directory);
    const surplus = files.slice(0, Math.max(0, files.length - this.#options.keepFiles));
    const firstKept = files[surplus.length];
    const lastRetired = surplus.at(-1);
    if (firstKept === undefined || lastRetired === undefined) return;
    const tail = decodeLine(readTail(lastRetired.path).line ?? '');
    this.#anchor = {
      ...this.#anchor,
      firstSeq: firstKept.firstSeq,
      firstPrev: 'record' in tail ? tail.record.hash : this.#anchor.firstPrev,
    };
    this.#anchored = false;
    this.#writeAnchor(true);
    for (const file of surplus) unlinkSync(file.path);
    this.#deps.log.info('audit.retired', { files: surplus.length, firstSeq: firstKept.firstSeq });
  }

  async #writeCheckpoint(): Promise<void> {
    if (this.#closed) return;
    const { count, hash } = this.head();
    const signer = this.#signer;
    try {
      const signed = signer === undefined ? undefined : await signWith(signer, signedBytes('checkpoint', count, hash));
      this.record({ kind: 'checkpoint', of: count, head: hash, ...(signed === undefined ? {} : { signed }) });
      fsyncSync(this.#file);
      if (signer !== undefined && !this.#anchor.signers.includes(signer.keyId)) {
        this.#anchor = { ...this.#anchor, signers: [...this.#anchor.signers, signer.keyId] };
      }
      const now = this.head();
      const anchorSigned =
        signer === undefined ? undefined : await signWith(signer, signedBytes('anchor', now.count, now.hash));
      this.#anchor = { ...this.#anchor, count: now.count, head: now.hash, at: this.#at() };
      if (anchorSigned === undefined) delete this.#anchor.signed;
      else this.#anchor.signed = anchorSigned;
      writeAnchor(this.#anchorPath, this.#anchor, { sync: true });
    } catch (error) {
      this.#deps.log.error('audit.checkpoint_failed', { error: (error as Error).message });
    }
  }

  /** Between checkpoints the anchor follows unsigned, so that a cut tail shows too. */
  #writeAnchor(sync: boolean): void {
    if (this.#anchored) return;
    try {
      const signed = this.#anchor.signed;
      const unchanged = this.#anchor.count === this.#count;
      this.#anchor = { ...this.#anchor, count: this.#count, head: this.#hash, at: this.#at() };
      if (signed !== undefined && !unchanged) delete this.#anchor.signed;
      writeAnchor(this.#anchorPath, this.#anchor, { sync });
      this.#anchored = true;
    } catch (error) {
      this.#deps.log.error('audit.anchor_failed', { code: (error as NodeJS.ErrnoException).code });
    }
  }

  #at(): string {
    return new Date(this.#deps.clock.now()).toISOString();
  }
}

/** Where the chain stands on disk; a torn tail is cut away. */
function resume(directory: string): { count: number; hash: string; torn: boolean } {
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

function cutShort(event: AuditEvent, lengthBytes: number): AuditEvent {
  const { kind, ...fields } = event;
  const kept = Object.entries(fields).filter(([, value]) => JSON.stringify(value ?? null).length <= 4096);
  return { kind, ...Object.fromEntries(kept), cutFromBytes: lengthBytes };
}

function writeFailed(error: unknown): TunnelerError {
  return new TunnelerError('audit.write_failed', `the audit journal cannot be written: ${(error as Error).message}`, {
    cause: error,
    details: { next: 'free some space for the state directory; until then nothing new is admitted' },
  });
}
