/** Emergencies a person of this engine declared: dials of the service say so for a while, and its host decides. */
import type { Clock } from '../../base/clock.ts';
import { iso } from '../../base/iso.ts';

/** For so long a dial of the service carries it. */
const claimMs = 15 * 60_000;

interface Claim {
  readonly reason: string;
  readonly untilMs: number;
}

/** In memory only: an emergency is declared anew after a restart. */
export class BreakGlass {
  readonly #clock: Clock;
  readonly #claims = new Map<string, Claim>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Dials of `service` say from now on that there is no time to ask; until when. */
  declare(service: string, reason: string): { readonly until: string } {
    this.#claims.set(service, { reason, untilMs: this.#clock.monotonic() + claimMs });
    return { until: iso(this.#clock.now() + claimMs) };
  }

  /** What a dial of this service says; undefined where nobody declared anything lately. */
  reasonFor(service: string): string | undefined {
    const claim = this.#claims.get(service);
    return claim === undefined || claim.untilMs <= this.#clock.monotonic() ? undefined : claim.reason;
  }
}
