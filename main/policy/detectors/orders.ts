/** Tells of text that gives a model orders in its user's place, where a guard found such in a call. Pure: facts and times in, findings out. */
import { pairSubject, type Finding, type WatchedEvent } from './finding.ts';

/** The same program at the same service is not told of again within this time. */
const quietMs = 60_000;
const maxPairs = 4_096;

/** Of all programs; bounded. */
export class OrdersFound {
  readonly #toldAt = new Map<string, number>();

  observe(event: WatchedEvent, nowMs: number): readonly Finding[] {
    if (event.kind !== 'call' || event.orders !== true) return [];
    const subject = pairSubject(event.program, event.service);
    const before = this.#toldAt.get(subject);
    if (before !== undefined && nowMs - before < quietMs) return [];
    this.#toldAt.delete(subject);
    this.#toldAt.set(subject, nowMs);
    const [oldest] = this.#toldAt.keys();
    if (this.#toldAt.size > maxPairs && oldest !== undefined) this.#toldAt.delete(oldest);
    const text = `${event.program ?? 'a program'} at ${event.service}: text that gives a model orders in its user's place (${event.tool})`;
    return [{ detector: 'detector.orders', severity: 'warning', text, subject, action: 'alert' }];
  }
}
