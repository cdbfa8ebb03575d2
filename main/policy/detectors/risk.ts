/** How much detectors found of each program lately, as one number from 0 to 100. Pure: facts and times in. */
import type { Finding } from './finding.ts';

/** What a finding adds; it counts for half after each half-life. */
const weights: Readonly<Record<Finding['severity'], number>> = { warning: 25, critical: 50 };
const halfLifeMs = 10 * 60_000;
/** Programs whose score is kept; the one that was found nothing of for longest goes. */
const maxPrograms = 4_096;

/** Of all programs; bounded. */
export class RiskScores {
  readonly #scores = new Map<string, { readonly score: number; readonly atMs: number }>();

  note(program: string, severity: Finding['severity'], nowMs: number): void {
    const score = Math.min(100, this.#exactly(program, nowMs) + weights[severity]);
    // In the order of the last finding.
    this.#scores.delete(program);
    this.#scores.set(program, { score, atMs: nowMs });
    if (this.#scores.size <= maxPrograms) return;
    const [oldest] = this.#scores.keys();
    if (oldest !== undefined) this.#scores.delete(oldest);
  }

  /** Rounded; 0 where nothing was found. */
  of(program: string, nowMs: number): number {
    return Math.round(this.#exactly(program, nowMs));
  }

  #exactly(program: string, nowMs: number): number {
    const known = this.#scores.get(program);
    if (known === undefined) return 0;
    return known.score * 0.5 ** (Math.max(0, nowMs - known.atMs) / halfLifeMs);
  }
}
