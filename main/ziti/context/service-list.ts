/** The services an identity sees: loaded whole, asked for changes every so often, and told where anything differs. */
import { sleep, type Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { toTunnelerError } from '../../base/errors.ts';
import type { ServiceAnswer } from '../controller/answers.ts';
import { jittered } from '../controller/backoff.ts';
import type { ControllerClient } from '../controller/controller-client.ts';
import type { PostureCheck, ZitiService } from '../model.ts';

export interface ServiceListDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly pollPeriodMs: number;
  readonly configTypes: readonly string[];
  client(): ControllerClient | undefined;
  changed(services: readonly ZitiService[]): void;
  /** How a poll went; undefined: well. */
  report(failure: unknown): void;
  /** Streams are open whose end the network would not tell of when access is revoked: watch closely. */
  mustWatch(): boolean;
  /** The wall clock ran ahead of the timers: the machine slept. */
  woke(): void;
}

/** Wall and monotonic time that drift apart by more than this between two polls mean a sleep. */
const sleepToleranceMs = 20_000;

/**
 * While watching closely: a tenth of the time on the controller at most, as long as that leaves half a second its room. A controller that is
 * slow to answer is slow to tell of a revocation as well, and must not be asked less often still.
 */
const watchPeriodMs = 100;
const longestWatchPeriodMs = 200;
const watchLoadFactor = 10;
const confirmSpacingMs = 100;

export class ServiceList implements Disposable {
  readonly #deps: ServiceListDeps;
  #services: readonly ZitiService[] = [];
  #marker: string | undefined;
  #text = '';
  #loading: Promise<void> | undefined;
  #again = false;
  #timer: Disposable | undefined;
  #closed = false;
  #driftMs: number;
  #watchTimer: Disposable | undefined;
  #confirming: Promise<void> | undefined;
  #confirmedAtMs = Number.NEGATIVE_INFINITY;

  constructor(deps: ServiceListDeps) {
    this.#deps = deps;
    this.#driftMs = deps.clock.now() - deps.clock.monotonic();
    this.#schedule();
  }

  all(): readonly ZitiService[] {
    return this.#services;
  }

  byId(id: string): ZitiService | undefined {
    return this.#services.find((service) => service.id === id);
  }

  /**
   * Load everything now; what is under way when asked is not enough, so another load follows it. Throws
   * `ziti.controller.*`; the old list then stays.
   */
  reload(): Promise<void> {
    return this.#reload(undefined);
  }

  /** `marker`: read just now. */
  #reload(marker: string | undefined): Promise<void> {
    if (this.#loading !== undefined) {
      this.#again = true;
      return this.#loading;
    }
    this.#loading = this.#loadUntilCurrent(marker).finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  /** Access is gone altogether. */
  clear(): void {
    this.#marker = undefined;
    this.#adopt([]);
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#timer?.[Symbol.dispose]();
    this.#watchTimer?.[Symbol.dispose]();
  }

  /** Ask now whether anything changed; calls in quick succession share one question. Never throws. */
  confirm(): Promise<void> {
    this.#confirming ??= this.#confirm();
    return this.#confirming;
  }

  /** Streams were opened: watch closely as long as must be. Idempotent. */
  watch(): void {
    if (this.#watchTimer !== undefined || this.#closed || !this.#deps.mustWatch()) return;
    this.#watchTimer = this.#deps.clock.after(watchPeriodMs, () => void this.#watched());
  }

  async #confirm(): Promise<void> {
    const { clock } = this.#deps;
    await sleep(clock, Math.max(0, this.#confirmedAtMs + confirmSpacingMs - clock.monotonic()));
    // Who asks from here on may know of a later change, and gets a question of their own.
    this.#confirming = undefined;
    this.#confirmedAtMs = clock.monotonic();
    await this.#look(false);
  }

  async #watched(): Promise<void> {
    const { clock } = this.#deps;
    const startedMs = clock.monotonic();
    await this.#look(false);
    const fairMs = (clock.monotonic() - startedMs) * watchLoadFactor;
    const waitMs = Math.min(longestWatchPeriodMs, Math.max(watchPeriodMs, fairMs));
    this.#watchTimer = undefined;
    if (this.#closed || !this.#deps.mustWatch()) return;
    this.#watchTimer = clock.after(waitMs, () => void this.#watched());
  }

  async #loadUntilCurrent(read: string | undefined): Promise<void> {
    let known = read;
    do {
      this.#again = false;
      const client = this.#deps.client();
      if (client === undefined) return;
      // The marker first: a change between the two is then seen as one by the next poll.
      const marker = known ?? (await client.lastServiceChange());
      known = undefined;
      const answers = await client.services(this.#deps.configTypes);
      this.#marker = marker;
      this.#adopt(answers.map(toService));
    } while (this.#again);
  }

  #adopt(services: readonly ZitiService[]): void {
    const text = JSON.stringify(services);
    this.#services = services;
    if (text === this.#text) return;
    this.#text = text;
    if (!this.#closed) this.#deps.changed(services);
  }

  #schedule(): void {
    if (this.#closed) return;
    const { clock, pollPeriodMs, random } = this.#deps;
    this.#timer = clock.after(jittered(pollPeriodMs, 0.1, random), () => {
      void this.#poll().finally(() => this.#schedule());
    });
  }

  async #poll(): Promise<void> {
    const { clock } = this.#deps;
    const driftMs = clock.now() - clock.monotonic();
    if (driftMs - this.#driftMs > sleepToleranceMs) this.#deps.woke();
    this.#driftMs = driftMs;
    // An empty list is always read again: a session that sees nothing may be one whose start went wrong.
    await this.#look(this.#services.length === 0);
  }

  async #look(always: boolean): Promise<void> {
    const client = this.#deps.client();
    if (client === undefined) return;
    try {
      const marker = await client.lastServiceChange();
      if (always || marker !== this.#marker) await this.#reload(marker);
      this.#deps.report(undefined);
    } catch (error) {
      this.#deps.log.debug('ziti.poll_failed', { code: toTunnelerError(error).code });
      this.#deps.report(error);
    }
  }
}

const queryTypes = ['OS', 'PROCESS', 'PROCESS_MULTI', 'DOMAIN', 'MAC', 'MFA'] as const;

function toService(answer: ServiceAnswer): ZitiService {
  return {
    id: answer.id,
    name: answer.name,
    encryptionRequired: answer.encryptionRequired,
    permissions: answer.permissions.filter((permission) => permission === 'Dial' || permission === 'Bind'),
    configs: answer.config,
    roleAttributes: answer.roleAttributes,
    terminatorStrategy: answer.terminatorStrategy ?? 'smartrouting',
    postureChecks: answer.postureQueries.flatMap(toChecks),
  };
}

function toChecks(set: ServiceAnswer['postureQueries'][number]): PostureCheck[] {
  return set.postureQueries.flatMap((query) => {
    const queryType = queryTypes.find((known) => known === query.queryType);
    if (queryType === undefined) return [];
    return [
      {
        id: query.id,
        policyId: set.policyId,
        policyType: set.policyType === 'Bind' ? 'Bind' : 'Dial',
        queryType,
        isPassing: query.isPassing === true,
        timeoutSeconds: query.timeout ?? -1,
        ...(query.timeoutRemaining === undefined ? {} : { timeoutRemainingSeconds: query.timeoutRemaining }),
        promptOnWake: query.promptOnWake === true,
        promptOnUnlock: query.promptOnUnlock === true,
        ...(query.process === undefined ? {} : { process: toProcess(query.process) }),
        ...(query.processes === undefined ? {} : { processes: query.processes.map(toProcess) }),
      } satisfies PostureCheck,
    ];
  });
}

function toProcess(process: { path: string; osType: string | undefined }): { path: string; osType: string } {
  return { path: process.path, osType: process.osType ?? '' };
}
