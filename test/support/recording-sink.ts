/** Everything a ByteStream told its sink, in what order it may not have been told, and a promise to wait on. */
import type { TunnelerError } from '../../main/base/errors.ts';
import type { ByteSink, ByteStream } from '../../main/base/stream.ts';

/** A sink that keeps what it was told. */
export class RecordingSink implements ByteSink {
  readonly chunks: Uint8Array[] = [];
  /** Bytes of all chunks. */
  length = 0;
  ends = 0;
  drains = 0;
  closes = 0;
  error: TunnelerError | undefined;
  /** Calls against the contract of main/base/stream.ts. */
  readonly violations: string[] = [];
  readonly #changed: (() => void)[] = [];

  /** One that listens to `stream` from now on. */
  static on(stream: ByteStream): RecordingSink {
    const sink = new RecordingSink();
    stream.start(sink);
    return sink;
  }

  data(chunk: Uint8Array): void {
    this.#expectOpen('data');
    if (this.ended) this.violations.push('data after end');
    this.chunks.push(chunk);
    this.length += chunk.length;
    this.#tell();
  }

  end(): void {
    this.#expectOpen('end');
    this.ends += 1;
    this.#tell();
  }

  drain(): void {
    this.#expectOpen('drain');
    this.drains += 1;
    this.#tell();
  }

  closed(error?: TunnelerError): void {
    this.#expectOpen('closed');
    this.closes += 1;
    this.error = error;
    this.#tell();
  }

  get ended(): boolean {
    return this.ends > 0;
  }

  get over(): boolean {
    return this.closes > 0;
  }

  bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  text(): string {
    return this.bytes().toString('utf8');
  }

  /** Resolves as soon as `condition` holds; rejects after `timeoutMs` with what was waited for. */
  async until(condition: () => boolean, what = condition.toString(), timeoutMs = 10_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!condition()) {
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`waited ${timeoutMs} ms in vain for: ${what}`);
      await new Promise<void>((resolve) => {
        // A condition may hold for a reason this sink does not hear of.
        const timer = setTimeout(resolve, Math.min(left, 250));
        this.#changed.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  #expectOpen(call: string): void {
    if (this.over) this.violations.push(`${call} after closed`);
  }

  #tell(): void {
    for (const wake of this.#changed.splice(0)) wake();
  }
}
