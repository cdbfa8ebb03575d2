/** Everything a ByteStream told its sink, with a promise to wait on. */
import type { TunnelerError } from '../../main/base/errors.ts';
import type { ByteSink } from '../../main/base/stream.ts';

export class RecordingSink implements ByteSink {
  readonly chunks: Uint8Array[] = [];
  ends = 0;
  drains = 0;
  closes = 0;
  error: TunnelerError | undefined;
  readonly #waiters: { readonly done: () => boolean; readonly resolve: () => void }[] = [];

  data(chunk: Uint8Array): void {
    this.chunks.push(chunk);
    this.#wake();
  }

  end(): void {
    this.ends += 1;
    this.#wake();
  }

  drain(): void {
    this.drains += 1;
    this.#wake();
  }

  closed(error?: TunnelerError): void {
    this.closes += 1;
    this.error = error;
    this.#wake();
  }

  bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  length(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  /** Resolves as soon as `done` holds after some call; the test's own time limit bounds it. */
  until(done: () => boolean): Promise<void> {
    if (done()) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ done, resolve }));
  }

  #wake(): void {
    for (const waiter of this.#waiters) if (waiter.done()) waiter.resolve();
  }
}
