/** Answers posture checks: gathers the facts that checks ask for, and sends what changed to whoever judges. */
import { platform, release } from 'node:os';
import type { Clock } from '../../base/clock.ts';
import { toTunnelerError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { EdgeRouter } from '../edge/edge-router.ts';
import type { PostureCheck, PostureFacts, ZitiService } from '../model.ts';
import type { SignedIn } from './authenticator.ts';
import { encodePosture } from './posture-message.ts';

/** As the Go SDK looks (sdk-golang `ziti/edge/posture`). */
const periodMs = 10_000;

/** Who judges posture, and what it is asked for. */
export interface PostureKeeperDeps {
  readonly clock: Clock;
  readonly log: Log;
  signedIn(): SignedIn | undefined;
  services(): readonly ZitiService[];
  routers(): readonly EdgeRouter[];
  /** Answers went out: what may be dialled and hosted may have changed. */
  answered(): void;
}

/** Reads of the host just the facts that these checks ask for; one that rejects leaves the facts as they were. */
export type GatherPosture = (checks: readonly PostureCheck[]) => Promise<PostureFacts>;

/** Looks every so often and when told, one look at a time; what did not change is not sent again. */
export class PostureKeeper implements Disposable {
  readonly #deps: PostureKeeperDeps;
  readonly #timer: Disposable;
  #gather: GatherPosture | undefined;
  #facts: PostureFacts = {};
  #totpToken: string | undefined;
  #sentToController = '';
  /** Wakes and unlocks up to here the controller knows of, or they lie before the session and ask nothing of it. */
  #told: { wokenAt: number; unlockedAt: number } = { wokenAt: 0, unlockedAt: 0 };
  #running: Promise<void> | undefined;

  constructor(deps: PostureKeeperDeps) {
    this.#deps = deps;
    this.#timer = deps.clock.every(periodMs, () => void this.look());
  }

  use(gather: GatherPosture): void {
    this.#gather = gather;
    void this.look();
  }

  /** A new API session knows nothing yet. */
  forget(): void {
    this.#sentToController = '';
    this.#totpToken = undefined;
    const now = this.#deps.clock.now();
    this.#told = { wokenAt: now, unlockedAt: now };
  }

  /** Gather, and send what changed. Never throws; callers that dial next may wait for it. */
  look(): Promise<void> {
    this.#running ??= this.#look()
      .catch((error: unknown) => this.#deps.log.warn('ziti.posture_failed', { code: toTunnelerError(error).code }))
      .finally(() => {
        this.#running = undefined;
      });
    return this.#running;
  }

  /** The controller knows what this host says of itself, within this session. */
  get told(): boolean {
    return this.#sentToController !== '';
  }

  /** A router that just connected gets all there is. */
  greet(router: EdgeRouter): void {
    if (!router.supportsPostureChecks || !this.#judgedByRouters()) return;
    if (Object.keys(this.#facts).length === 0 && this.#totpToken === undefined) return;
    router.sendPosture(encodePosture(this.#facts, this.#totpToken));
  }

  /** An MFA answer of an OIDC session goes to every router, those that come later included. */
  sendTotpToken(token: string): void {
    this.#totpToken = token;
    for (const router of this.#deps.routers()) this.greet(router);
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
  }

  #judgedByRouters(): boolean {
    return this.#deps.signedIn()?.session.kind === 'oidc';
  }

  async #look(): Promise<void> {
    const signedIn = this.#deps.signedIn();
    if (this.#gather === undefined || signedIn === undefined) return;
    const asked = distinctChecks(this.#deps.services());
    if (asked.length === 0) return;
    // A code is no fact of this host, but when it woke or was unlocked is one that asks for the next.
    const checks = asked.filter((check) => check.queryType !== 'MFA');
    const gathered = await this.#gather(checks);
    // Routers hold processes against the kind of system they run on, so that goes along in any case.
    const facts = gathered.os === undefined ? { ...gathered, os: hostSystem() } : gathered;
    const changed = JSON.stringify(facts) !== JSON.stringify(this.#facts);
    this.#facts = facts;
    const routers = this.#deps.routers();
    if (changed) for (const router of routers) this.greet(router);
    if (this.#judgedByRouters() && routers.every((router) => router.supportsPostureChecks)) {
      if (changed) this.#deps.answered();
      return;
    }
    const answers = checks.flatMap((check) => toResponse(check, facts));
    const text = JSON.stringify(answers);
    const { wokenAt = 0, unlockedAt = 0 } = facts;
    // The controller is told that it happened, not when: saying it twice would ask for a code twice.
    const [woken, unlocked] = [wokenAt > this.#told.wokenAt, unlockedAt > this.#told.unlockedAt];
    const responses = [
      ...(text === this.#sentToController ? [] : answers),
      ...(woken || unlocked ? [{ id: '0', typeId: 'ENDPOINT_STATE', woken, unlocked }] : []),
    ];
    if (responses.length === 0) return;
    await signedIn.client.sendPosture(responses);
    this.#sentToController = text;
    this.#told = {
      wokenAt: Math.max(wokenAt, this.#told.wokenAt),
      unlockedAt: Math.max(unlockedAt, this.#told.unlockedAt),
    };
    this.#deps.answered();
  }
}

function distinctChecks(services: readonly ZitiService[]): PostureCheck[] {
  return [...new Map(services.flatMap((service) => service.postureChecks).map((check) => [check.id, check])).values()];
}

/** The kinds of system that checks know. Source: edge-api client.yml `osType`. */
function hostSystem(): NonNullable<PostureFacts['os']> {
  const names: Partial<Record<string, string>> = { linux: 'Linux', darwin: 'macOS', win32: 'Windows' };
  return { type: names[platform()] ?? platform(), version: release(), build: '' };
}

/** The controller's form. Source: edge-api client.yml, `postureResponseCreate` and its subtypes. */
function toResponse(check: PostureCheck, facts: PostureFacts): object[] {
  const common = { id: check.id, typeId: check.queryType };
  switch (check.queryType) {
    case 'OS':
      return facts.os === undefined ? [] : [{ ...common, ...facts.os }];
    case 'DOMAIN':
      return facts.domain === undefined ? [] : [{ ...common, domain: facts.domain }];
    case 'MAC':
      return facts.macAddresses === undefined ? [] : [{ ...common, macAddresses: facts.macAddresses }];
    case 'PROCESS':
    case 'PROCESS_MULTI': {
      const paths = (check.processes ?? (check.process === undefined ? [] : [check.process])).map(({ path }) => path);
      return (facts.processes ?? [])
        .filter((process) => paths.includes(process.path))
        .map((process) => ({
          id: check.id,
          typeId: 'PROCESS',
          path: process.path,
          isRunning: process.isRunning,
          hash: process.hash ?? '',
          signerFingerprints: process.signerFingerprints ?? [],
        }));
    }
    case 'MFA':
      return [];
  }
}
