/**
 * Time that a contract grants to whoever holds it (`grantSeconds`): it belongs to an identity and a service, not to a connection, and runs
 * on from the first admitted session, however often its holder reconnects and whether the engine runs or not.
 *
 * It is measured on a clock that nobody can set: milliseconds since the machine started, asleep or awake. Over a restart of the machine the
 * clock on the wall counts as well, and the longer of both stands.
 */
import type { Clock } from '../base/clock.ts';
import type { EngagementContract } from '../base/engagement.ts';
import type { Reason } from '../base/reason.ts';

/** Whose time it is. */
export interface GrantHolder {
  /** The end of the session that counts. */
  readonly end: 'dial' | 'host';
  /** What stands for the identity, whatever it is called. */
  readonly account: string;
  /** As people know it. */
  readonly identity: string;
  readonly serviceId: string;
  readonly service: string;
}

/** One holder's time box as it is kept between runs; plain data, JSON-safe. */
export interface Grant extends GrantHolder {
  /** Digest of the contract it was given under: another contract is another grant. */
  readonly terms: string;
  readonly grantedMs: number;
  /** When it began: on the wall's clock, and since the machine started. */
  readonly beganAtMs: number;
  readonly beganSinceBootMs: number;
}

/** Clocks, digest, and where grants are kept. */
export interface GrantsDeps {
  readonly clock: Pick<Clock, 'now'>;
  /** Milliseconds since the machine started, sleep included. */
  readonly sinceBootMs: () => number;
  readonly digest: (text: string) => string;
  /** Kept from before. */
  readonly kept?: readonly Grant[];
  /** Keep these; called at every change, before it counts. What it throws refuses the change. */
  readonly save?: (grants: readonly Grant[]) => void;
}

/** The time boxes that run, by holder. */
export class Grants {
  readonly #deps: GrantsDeps;
  readonly #grants = new Map<string, Grant>();

  constructor(deps: GrantsDeps) {
    this.#deps = deps;
    for (const grant of deps.kept ?? []) this.#grants.set(holderKey(grant), this.#carriedOver(grant));
  }

  /** Milliseconds left to `holder`, all of them before its first session; undefined where the contract grants without end. */
  leftMs(holder: GrantHolder, contract: EngagementContract): number | undefined {
    if (contract.grantSeconds === undefined) return undefined;
    const grant = this.#current(holder, contract);
    return grant === undefined ? contract.grantSeconds * 1000 : this.#left(grant);
  }

  /** The first session of `holder` is admitted: its time runs from now. Idempotent. */
  begin(holder: GrantHolder, contract: EngagementContract): void {
    if (contract.grantSeconds === undefined || this.#current(holder, contract) !== undefined) return;
    this.renew(holder, contract, contract.grantSeconds * 1000);
  }

  /** Give `holder` this long from now on. */
  renew(holder: GrantHolder, contract: EngagementContract, forMs: number): void {
    const { clock, sinceBootMs, save } = this.#deps;
    const grant: Grant = {
      ...holder,
      terms: this.#termsOf(contract),
      grantedMs: forMs,
      beganAtMs: clock.now(),
      beganSinceBootMs: sinceBootMs(),
    };
    const key = holderKey(holder);
    save?.([...[...this.#grants.values()].filter((one) => holderKey(one) !== key), grant]);
    this.#grants.set(key, grant);
  }

  #current(holder: GrantHolder, contract: EngagementContract): Grant | undefined {
    const grant = this.#grants.get(holderKey(holder));
    return grant?.terms === this.#termsOf(contract) ? grant : undefined;
  }

  #left(grant: Grant): number {
    return Math.max(0, grant.grantedMs - (this.#deps.sinceBootMs() - grant.beganSinceBootMs));
  }

  /** A grant of an earlier run, as if it had begun in this one. */
  #carriedOver(grant: Grant): Grant {
    const sinceBootMs = this.#deps.sinceBootMs();
    const ran = ranMs(grant.beganAtMs, grant.beganSinceBootMs, this.#deps.clock.now(), sinceBootMs);
    return { ...grant, beganSinceBootMs: sinceBootMs - ran };
  }

  #termsOf(contract: EngagementContract): string {
    return this.#deps.digest(JSON.stringify(contract));
  }
}

/** How long something of an earlier run has lasted, by the longer of both clocks. */
export function ranMs(beganAtMs: number, beganSinceBootMs: number, nowMs: number, sinceBootMs: number): number {
  const byBoot = sinceBootMs - beganSinceBootMs;
  // Before it began by the machine's own clock: the machine was started anew since, and all that time has passed at least.
  return Math.max(nowMs - beganAtMs, byBoot < 0 ? sinceBootMs : byBoot);
}

/** Why nothing is left of it. */
export function grantSpent(service: string, contract: EngagementContract): Reason {
  const seconds = contract.grantSeconds ?? 0;
  return {
    code: 'policy.contract.grantSeconds',
    sentence: `the ${seconds} s that the contract of ${service} grants are over`,
    next: 'ask the owner of the service: culvert approvals grant on its host gives them anew',
    details: { seconds, service },
    rule: 'contract:grantSeconds',
  };
}

/** The same for the same time. */
export function holderKey({ end, account, serviceId }: GrantHolder): string {
  return JSON.stringify([end, account, serviceId]);
}
