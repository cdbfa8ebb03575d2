/** A guard of what is spoken over HTTP alone: the first byte tells whether it is HTTP, and a judge holds every exchange. Pure. */
import type { Reason } from '../../base/reason.ts';
import type { Effects } from '../effects.ts';
import type { Guard, GuardContext, GuardEffect, GuardKind } from '../guard.ts';
import { HttpExchanges } from './exchanges.ts';
import type { HttpJudge } from './plans.ts';

/** Who judges, and where effects go. */
export interface JudgedHttpDeps {
  readonly kind: GuardKind;
  readonly judge: HttpJudge;
  readonly out: Effects;
  readonly held: GuardContext['held'];
  /** Why what is no HTTP ends the session. Absent: it passes unread. */
  readonly notVisible?: (what: string) => Reason;
}

/** One session's guard. */
export class JudgedHttp implements Guard {
  readonly kind: GuardKind;
  readonly #deps: JudgedHttpDeps;
  readonly #out: Effects;
  readonly #exchanges: HttpExchanges;
  #appEnded = false;
  #wire: 'unknown' | 'http' | 'unread' | 'dead' = 'unknown';
  #wake: () => void = () => undefined;

  constructor(deps: JudgedHttpDeps) {
    this.kind = deps.kind;
    this.#deps = deps;
    this.#out = deps.out;
    const { judge, out, held } = deps;
    this.#exchanges = new HttpExchanges({ judge, out, held, wake: () => this.#wake() });
  }

  fromApp(chunk: Uint8Array, nowMs: number): readonly GuardEffect[] {
    if (this.#wire === 'unknown') this.#lookAt(chunk);
    if (this.#wire === 'http') this.#exchanges.fromApp(chunk, nowMs);
    if (this.#wire === 'unread') this.#out.toService(chunk);
    return this.#out.take();
  }

  fromService(chunk: Uint8Array, nowMs: number): readonly GuardEffect[] {
    if (this.#wire === 'unread') this.#out.toApp(chunk);
    else if (this.#wire !== 'dead') this.#exchanges.fromService(chunk, nowMs);
    return this.#out.take();
  }

  appEnded(): readonly GuardEffect[] {
    this.#appEnded = true;
    return this.#out.take();
  }

  serviceEnded(nowMs: number): readonly GuardEffect[] {
    if (!this.#appEnded) this.#deps.judge.serviceLeft?.();
    this.#exchanges.serviceEnded(nowMs);
    return this.#out.take();
  }

  buffered(): number {
    return this.#exchanges.heldBytes();
  }

  onWake(wake: () => void): void {
    this.#wake = wake;
  }

  proceed(): readonly GuardEffect[] {
    return this.#out.take();
  }

  waiting(): 'bytes' | undefined {
    return this.#exchanges.waiting ? 'bytes' : undefined;
  }

  #lookAt(chunk: Uint8Array): void {
    const [first = 0] = chunk;
    if (chunk.length === 0) return;
    if (first >= 0x41 && first <= 0x5a) {
      this.#wire = 'http';
      return;
    }
    const { notVisible } = this.#deps;
    this.#wire = notVisible === undefined ? 'unread' : 'dead';
    this.#out.notVisible(notVisible === undefined ? 'open' : 'closed');
    if (notVisible !== undefined) this.#out.violation(notVisible(first === 0x16 ? 'TLS' : 'no HTTP'), true);
  }
}
