/** Two guards on one session: what the first lets on is what the second reads, and the other way round for what comes back. */
import type { Guard, GuardEffect } from './guard.ts';

/** The guard that stands, or both with `first` nearer to the application. */
export function inTurn(first: Guard | undefined, second: Guard | undefined): Guard | undefined {
  if (first === undefined) return second;
  return second === undefined ? first : new GuardsInTurn(first, second);
}

class GuardsInTurn implements Guard {
  readonly kind: string;
  readonly #first: Guard;
  readonly #second: Guard;

  constructor(first: Guard, second: Guard) {
    this.#first = first;
    this.#second = second;
    this.kind = [...new Set(`${first.kind}+${second.kind}`.split('+'))].join('+');
  }

  fromApp(chunk: Uint8Array, nowMs: number): readonly GuardEffect[] {
    return this.#onward(this.#first.fromApp(chunk, nowMs), nowMs);
  }

  fromService(chunk: Uint8Array, nowMs: number): readonly GuardEffect[] {
    return this.#back(this.#second.fromService(chunk, nowMs), nowMs);
  }

  appEnded(nowMs: number): readonly GuardEffect[] {
    const held = this.#onward(this.#first.appEnded(nowMs), nowMs);
    return [...held, ...this.#back(this.#second.appEnded(nowMs), nowMs)];
  }

  serviceEnded(nowMs: number): readonly GuardEffect[] {
    const held = this.#back(this.#second.serviceEnded(nowMs), nowMs);
    return [...held, ...this.#onward(this.#first.serviceEnded(nowMs), nowMs)];
  }

  onWake(wake: () => void): void {
    this.#first.onWake?.(wake);
    this.#second.onWake?.(wake);
  }

  proceed(nowMs: number): readonly GuardEffect[] {
    const held = this.#onward(this.#first.proceed?.(nowMs) ?? [], nowMs);
    return [...held, ...this.#back(this.#second.proceed?.(nowMs) ?? [], nowMs)];
  }

  waiting(): 'bytes' | 'end' | undefined {
    const waits = [this.#first.waiting?.(), this.#second.waiting?.()];
    return waits.find((what) => what === 'bytes') ?? waits.find((what) => what !== undefined);
  }

  holdsService(): boolean {
    return this.#first.holdsService?.() === true || this.#second.holdsService?.() === true;
  }

  abandon(): void {
    this.#first.abandon?.();
    this.#second.abandon?.();
  }

  buffered(): number {
    return this.#first.buffered() + this.#second.buffered();
  }

  /** What the first said: to the service only through the second. */
  #onward(effects: readonly GuardEffect[], nowMs: number): readonly GuardEffect[] {
    return effects.flatMap((effect) =>
      effect.kind === 'to-service' ? this.#back(this.#second.fromApp(effect.bytes, nowMs), nowMs) : [effect],
    );
  }

  /** What the second said: to the application only through the first. */
  #back(effects: readonly GuardEffect[], nowMs: number): readonly GuardEffect[] {
    return effects.flatMap((effect) =>
      effect.kind === 'to-app' ? this.#onward(this.#first.fromService(effect.bytes, nowMs), nowMs) : [effect],
    );
  }
}
