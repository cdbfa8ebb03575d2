/** The facts of the moment that a decision needs, gathered from identities, sessions and quarantine. */
import type { App } from '../../apps/app.ts';
import type { Clock } from '../../base/clock.ts';
import type { GrantedTimes } from '../../policy/granted-times.ts';
import type { DecisionFacts } from '../../policy/verdict.ts';
import type { Sessions } from '../../session/sessions.ts';
import type { Identities } from '../identities/identities.ts';
import type { Quarantine } from '../../policy/quarantine.ts';

const recentMs = 60_000;
/** Programs whose dials are counted; the longest silent is forgotten beyond it. */
const maxPrograms = 4096;

/** How often each program did something (dialled, called) within the last minute. */
export class RecentUse {
  readonly #clock: Clock;
  readonly #times = new Map<string, number[]>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  note(app: App): void {
    const key = keyOf(app);
    const times = this.#fresh(key);
    times.push(this.#clock.monotonic());
    this.#times.delete(key); // moved to the end: the order of a Map is that of insertion
    this.#times.set(key, times);
    if (this.#times.size <= maxPrograms) return;
    const [oldest] = this.#times.keys();
    if (oldest !== undefined) this.#times.delete(oldest);
  }

  count(app: App): number {
    return this.#fresh(keyOf(app)).length;
  }

  #fresh(key: string): number[] {
    const since = this.#clock.monotonic() - recentMs;
    const times = this.#times.get(key) ?? [];
    const first = times.findIndex((at) => at > since);
    return first < 0 ? [] : first === 0 ? times : times.slice(first);
  }
}

function keyOf(app: App): string {
  return app.agent ?? app.script ?? app.path ?? '';
}

/** Facts as they stand when asked. */
export function factsFor(deps: {
  readonly clock: Clock;
  readonly identities: Pick<Identities, 'follow'>;
  readonly sessions: Pick<Sessions, 'openCount'>;
  readonly quarantine: Pick<Quarantine, 'causeOf'>;
  readonly recentDials: RecentUse;
  readonly times: Pick<GrantedTimes, 'isSpent'>;
}): (app: App) => DecisionFacts {
  return (app) => ({
    nowMs: deps.clock.now(),
    identity: (name) => deps.identities.follow(name)?.facts(),
    openSessions: (serviceId) => deps.sessions.openCount(serviceId),
    isQuarantined: (subject) => deps.quarantine.causeOf(subject),
    recentDials: deps.recentDials.count(app),
    isGrantSpent(match, contract) {
      const account = deps.identities.follow(match.identity)?.account() ?? match.identity;
      const { id: serviceId, name: service } = match.service;
      return deps.times.isSpent({ end: 'dial', account, identity: match.identity, serviceId, service }, contract);
    },
  });
}
