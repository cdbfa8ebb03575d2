/** The audit journal's writing side: append-only, hash-chained, rotated, anchored and checkpointed. */
import { closeSync, fsync, ftruncateSync, mkdirSync, openSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { Emitter } from '../base/emitter.ts';
import { toTunnelerError, TunnelerError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { SerialQueue } from '../base/serial-queue.ts';
import { readAnchor, writeAnchor, writeAnchorInBackground, type Anchor } from './anchor.ts';
import { encodeCheckpoint, maxCheckpointLag } from './checkpoint.ts';
import { encodeRecord, genesisHash, type ChainedRecord } from './chain.ts';
import { journalFileName, listJournalFiles } from './journal-files.ts';
import { resumeChain, surplusOf, type Surplus } from './kept-files.ts';
import { keyNameOf, signNote, type NoteSigner } from './note.ts';
import type { AuditEvent, AuditWriter } from './record.ts';

/** Where the journal's files stand under a state directory. */
export const auditDirectory = (stateDirectory: string): string => join(stateDirectory, 'audit');

/** Sizes and times of the journal. */
export interface AuditOptions {
  /** A file is closed and a new one begun beyond this. Default 32 MiB. */
  readonly rotateBytes?: number;
  /** Files beyond this many are retired, oldest first. Default 64. */
  readonly keepFiles?: number;
  /** What happens when the disk refuses: `closed` (default) throws, so nothing is admitted unrecorded; `open` counts the loss. */
  readonly onWriteFailure?: 'closed' | 'open';
  /** Records between checkpoints. Default 1 000. */
  readonly checkpointEvery?: number;
  /** Longest that a record waits for a checkpoint, where checkpoints are signed. Default 10 s; a refusal waits for a tenth of it. */
  readonly checkpointAfterMs?: number;
}

/** Where the journal lies. */
export interface AuditDeps {
  readonly stateDirectory: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** The open journal; disposing writes out what is buffered and closes it. */
export interface Audit extends AuditWriter, AsyncDisposable {
  /**
   * Which key signs checkpoints from now on, the first of them at once; undefined: none does. Resolves when that one is written. The
   * signer's name is the journal's origin.
   */
  setSigner(signer: NoteSigner | undefined): Promise<void>;
  /** Records that were there when the journal was opened. */
  readonly resumedAt: number;
  /** The newest signed checkpoint, and told of each to come. */
  signedCheckpoint(): string | undefined;
  onCheckpoint(listener: (note: string) => void): Disposable;
  /** Every record as it is written (tail, index, exporters). */
  subscribe(listener: (record: ChainedRecord) => void): Disposable;
  /** Write a checkpoint now. */
  checkpoint(): Promise<void>;
}

const anchorPeriodMs = 100;
const anchorToldEveryMs = 60_000;
/** Kinds that are signed soon, beside every refusal. */
const urgentKinds: ReadonlySet<string> = new Set(['violation', 'alert', 'quarantine.added', 'quarantine.released']);
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
  readonly resumedAt: number;
  readonly #records = new Emitter<ChainedRecord>((error) => this.#listenerFailed(error));
  readonly #checkpoints = new Emitter<string>((error) => this.#listenerFailed(error));
  readonly #anchorTimer: Disposable;
  #file: number;
  #fileBytes: number;
  #count: number;
  #hash: string;
  #anchor: Anchor;
  #anchored = true;
  /** When a failure to write it was last told; undefined since it was last written. */
  #anchorToldAtMs: number | undefined;
  #lost = 0;
  #lostSince: string | undefined;
  #sinceCheckpoint = 0;
  readonly #checkpointing = new SerialQueue();
  #nextCheckpoint: Promise<void> | undefined;
  /** The last record where that is a checkpoint, and by which key. */
  #checkpointed: { readonly seq: number; readonly signer: NoteSigner | undefined } | undefined;
  /** Set while a record waits for a checkpoint. */
  #due: Disposable | undefined;
  #dueSoon = false;
  #signer: NoteSigner | undefined;
  #closed = false;

  constructor(deps: AuditDeps, options: AuditOptions) {
    this.#deps = deps;
    this.#options = {
      rotateBytes: 32 * 1024 * 1024,
      keepFiles: 64,
      onWriteFailure: 'closed',
      checkpointEvery: 1000,
      checkpointAfterMs: 10_000,
      ...options,
    };
    this.#directory = auditDirectory(deps.stateDirectory);
    try {
      mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
      const anchor = readAnchor(deps.stateDirectory);
      const resumed = resumeChain(this.#directory);
      const anchored = anchor === undefined || anchor === 'damaged' ? undefined : anchor;
      this.#hash = resumed.hash;
      this.#count = Math.max(resumed.count, anchored?.count ?? 0);
      this.resumedAt = this.#count;
      const last = listJournalFiles(this.#directory).at(-1);
      this.#file = openSync(last?.path ?? join(this.#directory, journalFileName(this.#count + 1)), 'a', 0o600);
      this.#fileBytes = statSync(last?.path ?? join(this.#directory, journalFileName(this.#count + 1))).size;
      this.#anchor = {
        count: 0,
        firstSeq: 1,
        firstPrev: genesisHash,
        head: genesisHash,
        at: this.#at(),
        signers: [],
        ...anchored,
        version: 2,
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

  recordOrLog(event: AuditEvent): void {
    try {
      this.record(event);
    } catch (error) {
      const { code, message } = toTunnelerError(error);
      this.#deps.log.error('audit.not_recorded', { kind: event.kind, session: event['session'], code, error: message });
    }
  }

  head(): { readonly hash: string; readonly count: number } {
    return { hash: this.#hash, count: this.#count };
  }

  async setSigner(signer: NoteSigner | undefined): Promise<void> {
    this.#signer = signer;
    if (signer !== undefined) await this.checkpoint();
  }

  signedCheckpoint(): string | undefined {
    return this.#anchor.note;
  }

  onCheckpoint(listener: (note: string) => void): Disposable {
    return this.#checkpoints.subscribe(listener);
  }

  subscribe(listener: (record: ChainedRecord) => void): Disposable {
    return this.#records.subscribe(listener);
  }

  checkpoint(): Promise<void> {
    this.#sinceCheckpoint = 0;
    this.#due?.[Symbol.dispose]();
    this.#due = undefined;
    this.#dueSoon = false;
    // One that has not begun covers whatever comes before it does.
    this.#nextCheckpoint ??= this.#checkpointing.run(() => {
      this.#nextCheckpoint = undefined;
      return this.#writeCheckpoint();
    });
    return this.#nextCheckpoint;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#anchorTimer[Symbol.dispose]();
    await this.checkpoint();
    this.#closed = true;
    this.#due?.[Symbol.dispose]();
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
    else if (this.#signer !== undefined && event.kind !== 'checkpoint') this.#waitForCheckpoint(event);
    return { seq };
  }

  /** What was refused is signed sooner than what was let through: it is what somebody would want to be gone. */
  #waitForCheckpoint(event: AuditEvent): void {
    const soon = event['decision'] === 'deny' || urgentKinds.has(event.kind);
    if (this.#due !== undefined && (this.#dueSoon || !soon)) return;
    this.#due?.[Symbol.dispose]();
    this.#dueSoon = soon;
    const waitMs = soon ? this.#options.checkpointAfterMs / 10 : this.#options.checkpointAfterMs;
    this.#due = this.#deps.clock.after(waitMs, () => void this.checkpoint());
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
    const full = this.#file;
    fsync(full, () => closeSync(full));
    this.#file = next;
    this.#fileBytes = 0;
    // Where the journal is signed, a file goes only once a signature says that the journal begins behind it.
    if (this.#anchor.signers.length === 0) this.#retire();
    else void this.checkpoint();
  }

  /** Retention: the oldest files go; the anchor remembers where the kept part begins. */
  #retire(): void {
    const surplus = this.#surplus();
    if (surplus.files.length === 0) return;
    this.#anchor = { ...this.#anchor, firstSeq: surplus.firstSeq, firstPrev: surplus.firstPrev };
    this.#anchored = false;
    this.#writeAnchor(true);
    this.#unlink(surplus);
  }

  #surplus(): Surplus {
    return surplusOf(this.#directory, this.#options.keepFiles, this.#anchor);
  }

  #unlink({ files, firstSeq }: Surplus): void {
    if (files.length === 0) return;
    for (const file of files) unlinkSync(file.path);
    this.#deps.log.info('audit.retired', { files: files.length, firstSeq });
  }

  async #writeCheckpoint(): Promise<void> {
    const { seq, signer } = this.#checkpointed ?? {};
    if (this.#closed || (seq === this.#count && signer === this.#signer)) return;
    try {
      await (this.#signer === undefined ? this.#writeUnsigned() : this.#writeSigned(this.#signer));
    } catch (error) {
      this.#deps.log.error('audit.checkpoint_failed', { error: (error as Error).message });
    }
  }

  async #writeUnsigned(): Promise<void> {
    const { count, hash } = this.head();
    this.#noteCheckpoint(this.record({ kind: 'checkpoint', of: count, head: hash }), undefined);
    await this.#anchorCheckpoint({});
  }

  async #writeSigned(signer: NoteSigner): Promise<void> {
    const surplus = this.#surplus();
    const { firstSeq, firstPrev } = surplus;
    const { count, hash } = this.head();
    const text = encodeCheckpoint({ origin: signer.name, count, head: hash, firstSeq, firstPrev });
    const note = await signNote(text, signer);
    // Behind so much else nobody could check it any more; the next one will stand nearer.
    if (this.#closed || this.#count - count > maxCheckpointLag / 2) return;
    this.#noteCheckpoint(this.record({ kind: 'checkpoint', of: count, head: hash, note }), signer);
    const key = keyNameOf(signer.publicKeySpki);
    const { signers } = this.#anchor;
    await this.#anchorCheckpoint({
      note,
      firstSeq,
      firstPrev,
      signers: signers.includes(key) ? signers : [...signers, key],
    });
    this.#unlink(surplus);
    this.#checkpoints.emit(note);
  }

  #noteCheckpoint({ seq }: { readonly seq: number }, signer: NoteSigner | undefined): void {
    this.#checkpointed = { seq, signer };
  }

  /** The journal first, then the anchor that speaks of it; neither holds the thread. */
  async #anchorCheckpoint(change: Partial<Anchor>): Promise<void> {
    await this.#sync();
    const { count, hash } = this.head();
    this.#anchor = { ...this.#anchor, ...change, count, head: hash, at: this.#at() };
    await writeAnchorInBackground(this.#deps.stateDirectory, this.#anchor);
    this.#anchored = this.#count === count;
  }

  #sync(): Promise<void> {
    const file = this.#file;
    return new Promise((resolve, reject) => {
      fsync(file, (error) => {
        // Rotated meanwhile: whoever did has it synced.
        if (error === null || file !== this.#file) resolve();
        else reject(error);
      });
    });
  }

  /** Between checkpoints the anchor follows unsigned, so that a cut tail shows too. */
  #writeAnchor(synced: boolean): void {
    if (this.#anchored && !synced) return;
    try {
      this.#anchor = { ...this.#anchor, count: this.#count, head: this.#hash, at: this.#at() };
      writeAnchor(this.#deps.stateDirectory, this.#anchor, { synced });
      this.#anchored = true;
      this.#anchorToldAtMs = undefined;
    } catch (error) {
      this.#tellAnchorFailed(error);
    }
  }

  /** It is tried ten times a second; a failure that lasts is told once a minute. */
  #tellAnchorFailed(error: unknown): void {
    const nowMs = this.#deps.clock.monotonic();
    if (this.#anchorToldAtMs !== undefined && nowMs - this.#anchorToldAtMs < anchorToldEveryMs) return;
    this.#anchorToldAtMs = nowMs;
    this.#deps.log.error('audit.anchor_failed', { code: (error as NodeJS.ErrnoException).code });
  }

  #listenerFailed(error: unknown): void {
    this.#deps.log.error('audit.listener_failed', { error: String(error) });
  }

  #at(): string {
    return new Date(this.#deps.clock.now()).toISOString();
  }
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
