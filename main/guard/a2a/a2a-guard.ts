/**
 * The A2A guard: what agents say to each other over JSON-RPC or REST, or in Agora's envelopes, held to the contract. Pure.
 *
 * Direction: closed. Only the agent's card, messages that were read whole and envelopes whose header was pass; what is neither is a violation,
 * and every other binding of A2A is refused, for nothing in it would be judged.
 */
import type { A2aRules, EngagementContract } from '../../base/engagement.ts';
import { whenDefined } from '../../base/defined.ts';
import type { Reason } from '../../base/reason.ts';
import { Effects } from '../effects.ts';
import type { Guard, GuardContext, GuardEffect } from '../guard.ts';
import { JudgedHttp } from '../http/judged-http.ts';
import { A2aCalls } from './calls.ts';
import { EnvelopeGuard, envelopeVersion } from './envelopes.ts';
import { A2aHttpJudge } from './http-judge.ts';

/** The guard of one session, chosen by its first byte. */
export function a2aGuard(rules: A2aRules, contract: EngagementContract, context: GuardContext): Guard {
  const overHttp = (): Guard => {
    const out = new Effects();
    const calls = new A2aCalls(rules, { grantSeconds: contract.grantSeconds, context, out });
    return new JudgedHttp({ kind: 'a2a', judge: new A2aHttpJudge(calls, out), out, held: context.held, notVisible });
  };
  const windowMs = whenDefined(contract.grantSeconds, (seconds) => seconds * 1000);
  return new ByFirstByte((byte) =>
    byte === envelopeVersion ? new EnvelopeGuard(rules, context, windowMs) : overHttp(),
  );
}

/** Whoever speaks first says what is spoken. */
class ByFirstByte implements Guard {
  readonly kind = 'a2a';
  readonly #choose: (byte: number) => Guard;
  #chosen: Guard | undefined;
  #wake: () => void = () => undefined;

  constructor(choose: (byte: number) => Guard) {
    this.#choose = choose;
  }

  fromApp(chunk: Uint8Array, nowMs: number): readonly GuardEffect[] {
    return this.#for(chunk)?.fromApp(chunk, nowMs) ?? [];
  }

  fromService(chunk: Uint8Array, nowMs: number): readonly GuardEffect[] {
    return this.#for(chunk)?.fromService(chunk, nowMs) ?? [];
  }

  appEnded(nowMs: number): readonly GuardEffect[] {
    return this.#chosen?.appEnded(nowMs) ?? [];
  }

  serviceEnded(nowMs: number): readonly GuardEffect[] {
    return this.#chosen?.serviceEnded(nowMs) ?? [];
  }

  buffered(): number {
    return this.#chosen?.buffered() ?? 0;
  }

  onWake(wake: () => void): void {
    this.#wake = wake;
  }

  proceed(nowMs: number): readonly GuardEffect[] {
    return this.#chosen?.proceed?.(nowMs) ?? [];
  }

  waiting(): 'bytes' | 'end' | undefined {
    return this.#chosen?.waiting?.();
  }

  holdsService(): boolean {
    return this.#chosen?.holdsService?.() === true;
  }

  #for([first]: Uint8Array): Guard | undefined {
    if (this.#chosen !== undefined || first === undefined) return this.#chosen;
    this.#chosen = this.#choose(first);
    this.#chosen.onWake?.(() => this.#wake());
    return this.#chosen;
  }
}

function notVisible(what: string): Reason {
  return {
    code: 'guard.a2a.not_visible',
    sentence: `the contract sets A2A rules, and what flows is ${what}`,
    next: 'let the agent speak plain HTTP on the overlay, which encrypts end to end itself',
    rule: 'contract:a2a',
  };
}
