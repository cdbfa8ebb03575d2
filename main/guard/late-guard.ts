/** Stands for a guard whose parts are still being loaded: what comes waits, and is judged in its order once they are there. */
import { Effects } from './effects.ts';
import type { Guard, GuardEffect } from './guard.ts';

type Arrived = (guard: Guard, nowMs: number) => readonly GuardEffect[];

/** `kind` is known before; where loading fails, the session is lost to a violation. */
export class LateGuard implements Guard {
  readonly kind: string;
  readonly #out = new Effects();
  #guard: Guard | undefined;
  #failed = false;
  #waiting: Arrived[] = [];
  #heldBytes = 0;
  #effects: GuardEffect[] = [];
  #nowMs = 0;
  #wake: () => void = () => undefined;

  constructor(kind: string, loading: Promise<Guard>) {
    this.kind = kind;
    void loading.then(
      (guard) => this.#loaded(guard),
      (error: unknown) => this.#lost(error),
    );
  }

  fromApp(chunk: Uint8Array, nowMs: number): readonly GuardEffect[] {
    return this.#take(nowMs, (guard, atMs) => guard.fromApp(chunk, atMs), chunk.length);
  }

  fromService(chunk: Uint8Array, nowMs: number): readonly GuardEffect[] {
    return this.#take(nowMs, (guard, atMs) => guard.fromService(chunk, atMs), chunk.length);
  }

  appEnded(nowMs: number): readonly GuardEffect[] {
    return this.#take(nowMs, (guard, atMs) => guard.appEnded(atMs));
  }

  serviceEnded(nowMs: number): readonly GuardEffect[] {
    return this.#take(nowMs, (guard, atMs) => guard.serviceEnded(atMs));
  }

  onWake(wake: () => void): void {
    this.#wake = wake;
    this.#guard?.onWake?.(wake);
  }

  proceed(nowMs: number): readonly GuardEffect[] {
    this.#nowMs = nowMs;
    const effects = this.#effects;
    this.#effects = [];
    return [...effects, ...this.#out.take(), ...(this.#guard?.proceed?.(nowMs) ?? [])];
  }

  waiting(): 'bytes' | 'end' | undefined {
    return this.#guard === undefined ? (this.#failed ? undefined : 'bytes') : this.#guard.waiting?.();
  }

  holdsService(): boolean {
    return this.#guard === undefined ? !this.#failed : this.#guard.holdsService?.() === true;
  }

  abandon(): void {
    this.#guard?.abandon?.();
  }

  buffered(): number {
    return this.#heldBytes + (this.#guard?.buffered() ?? 0);
  }

  #take(nowMs: number, arrived: Arrived, bytes = 0): readonly GuardEffect[] {
    this.#nowMs = nowMs;
    if (this.#guard !== undefined) return arrived(this.#guard, nowMs);
    if (this.#failed) return [];
    this.#waiting.push(arrived);
    this.#heldBytes += bytes;
    return [];
  }

  #loaded(guard: Guard): void {
    this.#guard = guard;
    guard.onWake?.(this.#wake);
    for (const arrived of this.#waiting) this.#effects.push(...arrived(guard, this.#nowMs));
    this.#waiting = [];
    this.#heldBytes = 0;
    this.#wake();
  }

  #lost(error: unknown): void {
    this.#failed = true;
    this.#waiting = [];
    const sentence = `what the contract says of data cannot be held to here: ${String(error)}`;
    this.#out.violation({ code: 'guard.data.unavailable', sentence, rule: 'contract:data' }, true);
    this.#wake();
  }
}
