/** One session's recording as it grows: what flows is sealed and written behind it, never in its way. */
import { createHash } from 'node:crypto';
import { createWriteStream, type WriteStream } from 'node:fs';
import type { Clock } from '../base/clock.ts';
import type { GuardCall } from '../guard/guard.ts';
import type { SessionFacts, SessionTap } from '../session/sessions.ts';
import { Capture } from './pcapng.ts';
import { ChunkSealer, entryKinds, type Entry } from './sealed-file.ts';

/** What is told of a finished recording. */
export interface Finished {
  readonly bytes: number;
  /** Lower-hex SHA-256 of the file. */
  readonly sha256: string;
  readonly packets: number;
  readonly calls: number;
  /** It reached its bound; what came later was not kept. */
  readonly truncated: boolean;
  readonly endedAtMs: number;
}

/** Whose recording it is, and where it goes. */
export interface RecordingParts {
  readonly id: string;
  readonly path: string;
  readonly facts: SessionFacts;
  /** Packets too, not only calls. */
  readonly pcap: boolean;
  readonly publicKey: Promise<Uint8Array>;
  readonly maxBytes: number;
  readonly clock: Clock;
  readonly finished: (finished: Finished) => void;
  /** It cannot be kept: the session must not go on unrecorded. */
  readonly failed: (error: unknown) => void;
}

/** Sealed and written once so much has come together, or after the pause. */
const chunkBytes = 64 * 1024;
const pauseMs = 1_000;
/** What may wait for the key. */
const maxWaitingBytes = 4 * 1024 * 1024;

/** A recording that is being made. */
export class Recording implements SessionTap {
  readonly #parts: RecordingParts;
  readonly #capture: Capture;
  readonly #sealer: ChunkSealer;
  readonly #hash = createHash('sha256');
  readonly #entries: Entry[] = [];
  #entryBytes = 0;
  #kept = 0;
  #written = 0;
  #calls = 0;
  #truncated = false;
  #file: WriteStream | undefined;
  #timer: Disposable | undefined;
  #isOver = false;

  constructor(parts: RecordingParts) {
    this.#parts = parts;
    this.#sealer = new ChunkSealer(parts.id);
    this.#capture = new Capture(parts.facts.protocol, portOf(parts.facts.destination));
    if (parts.pcap) this.#packets(this.#capture.begin(parts.clock.now()));
    parts.publicKey.then(
      (key) => this.#open(key),
      (error: unknown) => parts.failed(error),
    );
  }

  passed(to: 'provider' | 'consumer', bytes: Uint8Array, nowMs: number): void {
    if (!this.#parts.pcap) return;
    this.#packets(this.#capture.passed(to === 'provider' ? 'client' : 'server', bytes, nowMs));
  }

  called(call: GuardCall): void {
    this.#calls += 1;
    this.#keep(entryKinds.call, Buffer.from(JSON.stringify(call)));
  }

  closed(nowMs: number): void {
    if (this.#isOver) return;
    if (this.#parts.pcap) this.#packets(this.#capture.end(nowMs));
    this.#isOver = true;
    this.#timer?.[Symbol.dispose]();
    if (this.#file !== undefined) this.#finish();
  }

  #packets(blocks: readonly Uint8Array[]): void {
    for (const block of blocks) this.#keep(entryKinds.packets, block);
  }

  #keep(kind: number, bytes: Uint8Array): void {
    if (this.#isOver) return;
    const room = this.#file === undefined ? maxWaitingBytes : this.#parts.maxBytes - this.#kept;
    if (bytes.length > room - this.#entryBytes) {
      this.#truncated = true;
      return;
    }
    // The stream's memory is its taker's; what waits here is a copy.
    this.#entries.push({ kind, bytes: new Uint8Array(bytes) });
    this.#entryBytes += bytes.length;
    if (this.#entryBytes >= chunkBytes) this.#flush();
    else this.#timer ??= this.#parts.clock.after(pauseMs, () => this.#flush());
  }

  #open(publicKey: Uint8Array): void {
    const file = createWriteStream(this.#parts.path, { mode: 0o600, flags: 'wx' });
    file.on('error', (error) => this.#parts.failed(error));
    this.#file = file;
    this.#write(this.#sealer.head(publicKey));
    if (this.#isOver) this.#finish();
    else this.#flush();
  }

  #flush(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    if (this.#file === undefined || this.#entries.length === 0) return;
    this.#write(this.#sealer.chunk(this.#take(), false));
  }

  #finish(): void {
    this.#write(this.#sealer.chunk(this.#take(), true));
    this.#file?.end(() =>
      this.#parts.finished({
        bytes: this.#written,
        sha256: this.#hash.digest('hex'),
        packets: this.#capture.packets,
        calls: this.#calls,
        truncated: this.#truncated,
        endedAtMs: this.#parts.clock.now(),
      }),
    );
  }

  #take(): readonly Entry[] {
    this.#kept += this.#entryBytes;
    this.#entryBytes = 0;
    return this.#entries.splice(0);
  }

  #write(bytes: Uint8Array): void {
    this.#written += bytes.length;
    this.#hash.update(bytes);
    this.#file?.write(bytes);
  }
}

function portOf(destination: string): number {
  return Number(/:(\d{1,5})$/.exec(destination)?.[1] ?? 0);
}
