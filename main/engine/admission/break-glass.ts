/** Emergencies a person of this engine declared: that person's dials of the service say so for a while, and its host decides. */
import type { App } from '../../apps/app.ts';
import type { Clock } from '../../base/clock.ts';
import { iso } from '../../base/iso.ts';
import { isSuperuser, type UserId } from '../../base/user-id.ts';

/** For so long a dial of the service carries it. */
const claimMs = 15 * 60_000;

interface Claim {
  readonly reason: string;
  readonly untilMs: number;
  /** Whose programs it is for; undefined: those of whoever sits at this machine, where root or the window's person declared it. */
  readonly uid: UserId | undefined;
}

/** Which program dials. */
export type Dialler = Pick<App, 'uid' | 'agent'>;

/** In memory only: an emergency is declared anew after a restart. */
export class BreakGlass {
  readonly #clock: Clock;
  readonly #claims = new Map<string, readonly Claim[]>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Dials of `service` by programs of user `uid` say from now on that there is no time to ask; until when. */
  declare(service: string, reason: string, uid: UserId | undefined): { readonly until: string } {
    const mine = { reason, untilMs: this.#clock.monotonic() + claimMs, uid: isSuperuser(uid) ? undefined : uid };
    const others = this.#standing(service).filter((claim) => claim.uid !== mine.uid);
    this.#claims.set(service, [mine, ...others]);
    return { until: iso(this.#clock.now() + claimMs) };
  }

  /** What this program's dial of the service says; undefined where nobody declared anything for it lately. An agent declares no emergency, nor uses one. */
  reasonFor(service: string, { uid, agent }: Dialler): string | undefined {
    if (agent !== undefined) return undefined;
    return this.#standing(service).find((claim) => claim.uid === undefined || claim.uid === uid)?.reason;
  }

  #standing(service: string): readonly Claim[] {
    return (this.#claims.get(service) ?? []).filter(({ untilMs }) => untilMs > this.#clock.monotonic());
  }
}
