/** Stands before a guard that takes its time with what it reads: a large piece is judged in slices, and others have their turn between two of them. */
import type { Guard, GuardEffect } from './guard.ts';

/** Judged at once; what is left of a piece waits. */
export const sliceBytes = 8 * 1024;

type Side = 'app' | 'service';

/** One direction's bytes that wait, and whether their end does too. */
interface Waiting {
  readonly chunks: Uint8Array[];
  ended: boolean;
}

/** `pause` resolves when others have had their turn. While bytes wait their sender is held, so that no more than a piece or two of each side do. */
export class SlicedGuard implements Guard {
  readonly kind: string;
  readonly #guard: Guard;
  readonly #pause: () => Promise<void>;
  readonly #waiting: Readonly<Record<Side, Waiting>> = {
    app: { chunks: [], ended: false },
    service: { chunks: [], ended: false },
  };
  #paused = false;
  #wake: () => void = () => undefined;

  constructor(guard: Guard, pause: () => Promise<void>) {
    this.kind = guard.kind;
    this.#guard = guard;
    this.#pause = pause;
  }

  fromApp(chunk: Uint8Array, nowMs: number): readonly GuardEffect[] {
    return this.#take('app', chunk, nowMs);
  }

  fromService(chunk: Uint8Array, nowMs: number): readonly GuardEffect[] {
    return this.#take('service', chunk, nowMs);
  }

  appEnded(nowMs: number): readonly GuardEffect[] {
    return this.#end('app', nowMs);
  }

  serviceEnded(nowMs: number): readonly GuardEffect[] {
    return this.#end('service', nowMs);
  }

  onWake(wake: () => void): void {
    this.#wake = wake;
    this.#guard.onWake?.(wake);
  }

  proceed(nowMs: number): readonly GuardEffect[] {
    const effects = [...(this.#guard.proceed?.(nowMs) ?? [])];
    // The guard may have gone on by itself; the next slices are for after the pause.
    if (this.#paused) return effects;
    for (const side of ['app', 'service'] as const) {
      const waiting = this.#waiting[side];
      const [first] = waiting.chunks;
      if (first !== undefined) {
        waiting.chunks.shift();
        effects.push(...this.#judge(side, first, nowMs));
      }
      if (waiting.chunks.length === 0 && waiting.ended) effects.push(...this.#end(side, nowMs));
    }
    return effects;
  }

  waiting(): 'bytes' | 'end' | undefined {
    return this.#waiting.app.chunks.length > 0 ? 'bytes' : this.#guard.waiting?.();
  }

  holdsService(): boolean {
    return this.#waiting.service.chunks.length > 0 || this.#guard.holdsService?.() === true;
  }

  abandon(): void {
    for (const waiting of Object.values(this.#waiting)) waiting.chunks.length = 0;
    this.#guard.abandon?.();
  }

  buffered(): number {
    const held = (side: Side): number => this.#waiting[side].chunks.reduce((sum, { length }) => sum + length, 0);
    return held('app') + held('service') + this.#guard.buffered();
  }

  #take(side: Side, chunk: Uint8Array, nowMs: number): readonly GuardEffect[] {
    const { chunks } = this.#waiting[side];
    if (chunks.length === 0) return this.#judge(side, chunk, nowMs);
    chunks.push(chunk);
    return [];
  }

  #judge(side: Side, chunk: Uint8Array, nowMs: number): readonly GuardEffect[] {
    const rest = chunk.subarray(sliceBytes);
    if (rest.length > 0) this.#waiting[side].chunks.unshift(rest);
    if (this.#waiting.app.chunks.length + this.#waiting.service.chunks.length > 0) this.#goOnLater();
    const slice = rest.length > 0 ? chunk.subarray(0, sliceBytes) : chunk;
    return side === 'app' ? this.#guard.fromApp(slice, nowMs) : this.#guard.fromService(slice, nowMs);
  }

  /** What waits is judged before its end. */
  #end(side: Side, nowMs: number): readonly GuardEffect[] {
    const waiting = this.#waiting[side];
    waiting.ended = waiting.chunks.length > 0;
    if (waiting.ended) return [];
    return side === 'app' ? this.#guard.appEnded(nowMs) : this.#guard.serviceEnded(nowMs);
  }

  #goOnLater(): void {
    if (this.#paused) return;
    this.#paused = true;
    void this.#pause().then(() => {
      this.#paused = false;
      this.#wake();
    });
  }
}
