/**
 * The HTTP guard: methods and paths from the head, models from the body, tokens from the answer. Pure.
 *
 * Direction: closed. What is not HTTP is a violation where the contract sets rules; a body whose model cannot be read is refused where the
 * contract names models; an answer that does not tell its tokens is charged to the budget by estimate.
 */
import type { HttpRules } from '../../base/engagement.ts';
import { Effects } from '../effects.ts';
import type { Guard, GuardContext, GuardEffect } from '../guard.ts';
import { HttpExchanges } from './exchanges.ts';
import { RulesJudge } from './rules-judge.ts';

export class HttpGuard implements Guard {
  readonly kind = 'http';
  readonly #out = new Effects();
  readonly #rules: HttpRules;
  readonly #exchanges: HttpExchanges;
  #wire: 'unknown' | 'http' | 'unread' | 'dead' = 'unknown';
  #wake: () => void = () => undefined;

  constructor(rules: HttpRules, context: GuardContext) {
    this.#rules = rules;
    const judge = new RulesJudge(rules, context, this.#out);
    this.#exchanges = new HttpExchanges({ judge, out: this.#out, held: context.held, wake: () => this.#wake() });
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
    return this.#out.take();
  }

  serviceEnded(nowMs: number): readonly GuardEffect[] {
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
    const binding = Object.values(this.#rules).some((rule) => rule !== undefined);
    this.#wire = binding ? 'dead' : 'unread';
    this.#out.notVisible(binding ? 'closed' : 'open');
    if (!binding) return;
    this.#out.violation(
      {
        code: 'guard.http.not_visible',
        sentence: `the contract sets HTTP rules, and what flows is ${first === 0x16 ? 'TLS' : 'no HTTP'}`,
        next: 'let the service speak plain HTTP on the overlay, which encrypts end to end itself',
        rule: 'contract:http',
      },
      true,
    );
  }
}
