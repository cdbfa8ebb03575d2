/**
 * The services an identity sees: loaded whole, and told where anything differs. Where a router pushes them they follow its stream; else the
 * controller is asked for changes every so often.
 */
import { sleep, type Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import type { Log } from '../../base/log.ts';
import { toTunnelerError, type TunnelerError } from '../../base/errors.ts';
import { watchSleep } from '../../base/sleep-watch.ts';
import type { ServiceAnswer } from '../controller/answers.ts';
import { jittered } from '../controller/backoff.ts';
import type { ControllerClient } from '../controller/controller-client.ts';
import { postureQueryTypes, type PostureCheck, type ZitiService } from '../model.ts';
import { RevocationPoller } from './revocation-poller.ts';

/** How the list is asked for and confirmed, and who hears what differs. */
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
  /** Ids of services with open streams. */
  inUse(): readonly string[];
  /** Have a router's stream tell everything anew; resolves when it has. Only asked while one lives. */
  renewPushed(): Promise<void>;
  /** The host slept. */
  woke(): void;
}

/** While a router tells of changes, the controller is asked only whether it is still there: a period in so many. */
const periodsBetweenSigns = 3;

/** Questions whether access is still there, this close to each other, are one. */
const confirmSpacingMs = 25;
/** A list confirmed within this time is current: what is dialled in one breath asks once. */
const freshMs = 20;
/** More services than this are not asked for one by one: their ids stand in the address of the request. */
const maxAskedById = 64;

/** The list as it is known; never throws but from `reload`, and keeps the old one where a new one cannot be had. */
export class ServiceList implements Disposable {
  readonly #deps: ServiceListDeps;
  #services: readonly ZitiService[] = [];
  #marker: string | undefined;
  #text = '';
  #loading: Promise<void> | undefined;
  #again = false;
  #timer: Disposable | undefined;
  #closed = false;
  readonly #slept: (dueMs: number) => boolean;
  readonly #watch: RevocationPoller;
  #confirming: Promise<void> | undefined;
  #confirmedAtMs = Number.NEGATIVE_INFINITY;
  readonly #doubted = new Set<string>();
  /** Marker for which the services in use were asked for already. */
  #actedOn: string | undefined;
  /** How often some services were replaced without the others. */
  #partly = 0;
  /** The list is known to be what the controller had at this time. */
  #currentAtMs = Number.NEGATIVE_INFINITY;
  #becomingCurrent: Promise<void> | undefined;
  /** A router's stream tells of changes. */
  #pushed = false;
  #periods = 0;
  /** What streams do not tell, by service. */
  readonly #described = new Map<string, Pick<ZitiService, 'roleAttributes' | 'terminatorStrategy'>>();

  constructor(deps: ServiceListDeps) {
    this.#deps = deps;
    this.#watch = new RevocationPoller({
      clock: deps.clock,
      mustWatch: () => deps.mustWatch(),
      look: () => this.#lookFirstAt(deps.inUse(), false),
    });
    this.#slept = watchSleep(deps.clock);
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
    return this.#pushed ? this.#deps.renewPushed() : this.#reload(undefined);
  }

  /** These are the services now, as a router's stream has them; its word counts until {@link unfollow}. */
  follow(services: readonly ZitiService[]): void {
    this.#pushed = true;
    const strangers = services.filter(({ id }) => !this.#described.has(id)).map(({ id }) => id);
    this.#adoptPushed(services);
    if (strangers.length > 0) void this.#describe(strangers);
  }

  /**
   * A router refused `type` for checks it named: they are shown as failing until posture was told anew, the list changes or it works again.
   * Where verdicts are pushed these say more.
   */
  noteRefusal(serviceId: string, type: 'Dial' | 'Bind', error: TunnelerError): void {
    if (this.#pushed) return;
    const named = namedChecks(error);
    const mark = (check: PostureCheck): PostureCheck => {
      const found = named.get(check.id);
      const isMeant = check.policyType === type && (named.size === 0 || found !== undefined);
      return isMeant ? { ...check, isPassing: false, judged: 'refused', ...found } : check;
    };
    this.#adopt(
      this.#services.map((service) =>
        service.id === serviceId ? { ...service, postureChecks: service.postureChecks.map(mark) } : service,
      ),
    );
  }

  /** No stream any more: the controller is asked again. */
  unfollow(): void {
    this.#pushed = false;
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
    this.#pushed = false;
    this.#marker = undefined;
    this.#actedOn = undefined;
    this.#currentAtMs = Number.NEGATIVE_INFINITY;
    this.#adopt([]);
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#timer?.[Symbol.dispose]();
    this.#watch[Symbol.dispose]();
  }

  /** Ask now whether `serviceId` is still granted; calls in quick succession share one question. Never throws. */
  confirm(serviceId: string): Promise<void> {
    this.#doubted.add(serviceId);
    this.#confirming ??= this.#confirm();
    return this.#confirming;
  }

  /** Resolves once the list is known to be what the controller has now, or cannot be had. Never throws. */
  current(): Promise<void> {
    if (this.#pushed || this.#deps.clock.monotonic() - this.#currentAtMs <= freshMs) return Promise.resolve();
    this.#becomingCurrent ??= this.#look(false).finally(() => {
      this.#becomingCurrent = undefined;
    });
    return this.#becomingCurrent;
  }

  /** Streams were opened: watch closely as long as must be. Idempotent. */
  watch(): void {
    this.#watch.start();
  }

  async #confirm(): Promise<void> {
    const { clock } = this.#deps;
    await sleep(clock, Math.max(0, this.#confirmedAtMs + confirmSpacingMs - clock.monotonic()));
    // Who asks from here on may know of a later change, and gets a question of their own.
    this.#confirming = undefined;
    this.#confirmedAtMs = clock.monotonic();
    const doubted = [...this.#doubted];
    this.#doubted.clear();
    if (this.#pushed) await this.#deps.renewPushed();
    else if (!(await this.#askAbout(doubted))) await this.#lookFirstAt(doubted, true);
  }

  /** One question, for the controller may be far: what of these services alone. False: it has to be asked otherwise. Never rejects. */
  async #askAbout(ids: readonly string[]): Promise<boolean> {
    const client = this.#deps.client();
    if (client === undefined) return true;
    try {
      const partly = this.#partly;
      if (!(await this.#adoptThese(client, ids))) return false;
      if (partly !== this.#partly) this.#reload(undefined).catch((error: unknown) => this.#failed(error));
      else this.#deps.report(undefined);
    } catch (error) {
      this.#failed(error);
    }
    return true;
  }

  /**
   * As `#look`, but resolves with what is known of these services; the whole list may still be on its way. What was acted on is so again
   * only where `insist` says so. Never rejects.
   */
  async #lookFirstAt(ids: readonly string[], insist: boolean): Promise<void> {
    await this.#ask(true, async (client, marker, startedMs) => {
      if (marker === this.#marker) {
        this.#isCurrent(startedMs);
      } else if (insist || marker !== this.#actedOn) {
        this.#actedOn = marker;
        const known = await this.#adoptThese(client, ids);
        const whole = this.#reloadAndTell(marker, startedMs);
        if (!known) await whole;
      }
    });
  }

  /** Take over what the controller says of these services alone. False: it was not asked, or does not answer such questions. */
  async #adoptThese(client: ControllerClient, ids: readonly string[]): Promise<boolean> {
    const known = new Set(this.#services.map(({ id }) => id));
    const wanted = new Set(ids.filter((id) => known.has(id)));
    if (wanted.size === 0 || wanted.size > maxAskedById) return false;
    const answers = await client.services(this.#deps.configTypes, { ids: [...wanted], urgent: true });
    if (answers.some(({ id }) => !wanted.has(id))) return false;
    if (this.#pushed) return true;
    const found = new Map(answers.map((answer) => [answer.id, toService(answer)]));
    const merged = this.#services.flatMap((service) =>
      wanted.has(service.id) ? (found.get(service.id) ?? []) : service,
    );
    if (this.#adopt(merged)) this.#partly += 1;
    return true;
  }

  /** Never rejects. */
  async #reloadAndTell(marker: string, startedMs: number): Promise<void> {
    try {
      await this.#reload(marker);
      this.#isCurrent(startedMs);
    } catch (error) {
      this.#failed(error);
    }
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
      const partly = this.#partly;
      const answers = await client.services(this.#deps.configTypes);
      for (const answer of answers) this.#noteDescription(answer);
      // A stream that came up meanwhile knows better.
      if (this.#pushed) return;
      // What came in meanwhile of some services is newer: this whole list would bring back what is gone. Another is asked for already.
      if (this.#again && partly !== this.#partly) continue;
      this.#marker = marker;
      this.#adopt(answers.map(toService));
    } while (this.#again);
  }

  /** True where anything is different now. */
  #adopt(services: readonly ZitiService[]): boolean {
    const text = JSON.stringify(services);
    this.#services = services;
    if (text === this.#text) return false;
    this.#text = text;
    if (!this.#closed) this.#deps.changed(services);
    return true;
  }

  #adoptPushed(services: readonly ZitiService[]): void {
    const wanted = this.#deps.configTypes;
    this.#services = services.map((service) => {
      const described = this.#described.get(service.id);
      const configs = wanted.includes('all') ? service.configs : pick(service.configs, wanted);
      return { ...service, ...described, configs };
    });
    this.#text = '';
    if (!this.#closed) this.#deps.changed(this.#services);
  }

  /** Ask once for what the stream does not tell of services that were never listed. Never rejects. */
  async #describe(ids: readonly string[]): Promise<void> {
    const client = this.#deps.client();
    if (client === undefined) return;
    for (const id of ids) this.#described.set(id, { roleAttributes: [], terminatorStrategy: 'smartrouting' });
    try {
      const few = ids.length <= maxAskedById ? { ids } : {};
      for (const answer of await client.services(this.#deps.configTypes, few)) this.#noteDescription(answer);
      if (this.#pushed) this.#adoptPushed(this.#services);
    } catch (error) {
      this.#deps.log.debug('ziti.services_undescribed', { code: toTunnelerError(error).code });
    }
  }

  #noteDescription({ id, roleAttributes, terminatorStrategy }: ServiceAnswer): void {
    this.#described.set(id, { roleAttributes, terminatorStrategy: terminatorStrategy ?? 'smartrouting' });
  }

  #schedule(): void {
    if (this.#closed) return;
    const { clock, pollPeriodMs, random } = this.#deps;
    const pauseMs = jittered(pollPeriodMs, 0.1, random);
    const dueMs = clock.monotonic() + pauseMs;
    this.#timer = clock.after(pauseMs, () => {
      void this.#poll(dueMs).finally(() => this.#schedule());
    });
  }

  async #poll(dueMs: number): Promise<void> {
    if (this.#slept(dueMs)) this.#deps.woke();
    if (this.#pushed) {
      this.#periods += 1;
      if (this.#periods % periodsBetweenSigns === 0) await this.#signOfLife();
      return;
    }
    // An empty list is always read again: a session that sees nothing may be one whose start went wrong.
    await this.#look(this.#services.length === 0);
  }

  /** Whether controller and session are still there. Never rejects. */
  #signOfLife(): Promise<void> {
    return this.#ask(false, (_client, marker, startedMs) => {
      this.#marker = marker;
      this.#isCurrent(startedMs);
      return Promise.resolve();
    });
  }

  /** Never rejects. */
  async #look(always: boolean): Promise<void> {
    await this.#ask(false, async (_client, marker, startedMs) => {
      if (always || marker !== this.#marker) await this.#reloadAndTell(marker, startedMs);
      else this.#isCurrent(startedMs);
    });
  }

  /** Read the marker, and `act` on it; a failure of either is reported. Never rejects. */
  async #ask(
    urgent: boolean,
    act: (client: ControllerClient, marker: string, startedMs: number) => Promise<void>,
  ): Promise<void> {
    const startedMs = this.#deps.clock.monotonic();
    const client = this.#deps.client();
    if (client === undefined) return;
    try {
      await act(client, await client.lastServiceChange({ urgent }), startedMs);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** What the controller said when asked at `atMs` is what is known here. */
  #isCurrent(atMs: number): void {
    this.#currentAtMs = atMs;
    this.#deps.report(undefined);
  }

  #failed(error: unknown): void {
    this.#actedOn = undefined;
    this.#deps.log.debug('ziti.poll_failed', { code: toTunnelerError(error).code });
    this.#deps.report(error);
  }
}

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
    const queryType = postureQueryTypes.find((known) => known === query.queryType);
    if (queryType === undefined) return [];
    return [
      {
        id: query.id,
        policyId: set.policyId,
        policyType: set.policyType === 'Bind' ? 'Bind' : 'Dial',
        queryType,
        isPassing: query.isPassing === true,
        timeoutSeconds: query.timeout ?? -1,
        ...defined({ timeoutRemainingSeconds: query.timeoutRemaining }),
        promptOnWake: query.promptOnWake === true,
        promptOnUnlock: query.promptOnUnlock === true,
        ...defined({ process: query.process && toProcess(query.process) }),
        ...defined({ processes: query.processes?.map(toProcess) }),
      } satisfies PostureCheck,
    ];
  });
}

function toProcess(process: { path: string; osType: string | undefined }): { path: string; osType: string } {
  return { path: process.path, osType: process.osType ?? '' };
}

function pick(configs: ZitiService['configs'], wanted: readonly string[]): ZitiService['configs'] {
  return Object.fromEntries(Object.entries(configs).filter(([type]) => wanted.includes(type)));
}

function namedChecks(error: TunnelerError): ReadonlyMap<string, { readonly name?: string }> {
  const named = (error.details['failingChecks'] ?? []) as readonly { readonly id: string; readonly name?: string }[];
  return new Map(named.map(({ id, name }) => [id, defined({ name })]));
}
