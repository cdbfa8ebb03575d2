/** Whether an identity may still reach a service, and if not, why in truth: policy, posture, or the identity itself. */
import { sleep, type Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import { accessLost, postureLost } from '../edge/fault.ts';
import type { ContextState, ZitiService } from '../model.ts';
import { failingChecks, type PostureJudge } from './service-access.ts';

/**
 * What broke for no reason told waits for it at most so long: a controller 150 ms away takes 450 ms to answer where the connection to it has
 * to be made first. The application's end is cut meanwhile.
 */
const questionMs = 1500;
/** What a router cut as revoked is recorded within half a second, as its policy where it is not known to be the identity. */
const identityMs = 400;
const lookEveryMs = 10;

/** Whom the judge asks, and what it must not disturb. */
export interface AccessJudgeDeps {
  readonly clock: Clock;
  service(id: string): ZitiService | undefined;
  /** Whose word of posture counts: a controller's only where it knows what this host has told. */
  judge(): PostureJudge;
  state(): ContextState;
  /** No doubt about the session is being looked into. */
  settled(): boolean;
  /** Ask who knows what the identity is granted; never rejects. */
  confirm(serviceId: string): Promise<void>;
  revalidateSession(): void;
  /** The identity is being closed: nothing is asked any more. */
  closing(): boolean;
}

/** Answers by the list of services first, then by asking, so that a dial that failed is told its true cause. */
export class AccessJudge {
  readonly #deps: AccessJudgeDeps;

  constructor(deps: AccessJudgeDeps) {
    this.#deps = deps;
  }

  /** As far as it is known here and now: why not; undefined where it may. `judge`: whose word of posture is new enough to count. */
  ended(serviceId: string, type: 'Dial' | 'Bind', judge = this.#deps.judge()): TunnelerError | undefined {
    const disabled = this.#disabled();
    if (disabled !== undefined) return disabled;
    const service = this.#deps.service(serviceId);
    if (service?.permissions.includes(type) !== true) return decided(accessLost(`${type.toLowerCase()} access lost`));
    const failing = failingChecks(service, type, judge);
    if (failing.length === 0) return undefined;
    return postureLost(
      'posture access lost',
      failing.map(({ id, name, queryType }) => ({ id, queryType, ...defined({ name }) })),
    );
  }

  /** As {@link ended} for a dial, asking first. Never takes long: an unreachable controller must not hold up the end of a stream. */
  async lost(serviceId: string): Promise<TunnelerError | undefined> {
    if (this.#deps.closing()) return undefined;
    const endsAtMs = this.#deps.clock.monotonic() + questionMs;
    await Promise.race([this.#deps.confirm(serviceId), sleep(this.#deps.clock, questionMs)]);
    // A session found dead is being signed in anew, and how that goes is the answer.
    await this.#settled(endsAtMs);
    return this.ended(serviceId, 'Dial');
  }

  /** A router took access away; where it was the identity's own, the session is over as well. */
  async identityLost(): Promise<TunnelerError | undefined> {
    if (this.#deps.closing()) return undefined;
    this.#deps.revalidateSession();
    await this.#settled(this.#deps.clock.monotonic() + identityMs);
    return this.#disabled();
  }

  async #settled(endsAtMs: number): Promise<void> {
    const { clock } = this.#deps;
    while (!this.#deps.settled() && clock.monotonic() < endsAtMs) await sleep(clock, lookEveryMs);
  }

  #disabled(): TunnelerError | undefined {
    const state = this.#deps.state();
    if (state.kind !== 'unauthenticated') return undefined;
    return new TunnelerError('identity.disabled', 'the controller does not let this identity work any more', {
      cause: state.error,
    });
  }
}

/** Known here, so that nobody has to be asked again why. */
function decided(error: TunnelerError): TunnelerError {
  return new TunnelerError(error.code, error.message, { details: { ...error.details, revoked: true } });
}
