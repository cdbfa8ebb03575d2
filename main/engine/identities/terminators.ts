/**
 * Does anybody host it? One memory of how many terminators a service has, for whoever wants to know: filled by asking the controller now and
 * then, one service at a time, so that a device is never a load; by dials that found somebody or nobody; and by whoever cannot wait. It only
 * informs: a dial is tried all the same.
 */
import { serviceKey } from '../../api/state.ts';
import type { Clock } from '../../base/clock.ts';
import { TunnelerError } from '../../base/errors.ts';
import type { Destination } from '../../base/flow.ts';
import type { Intercept } from '../../intercept/match.ts';
import type { Identities } from './identities.ts';

/** One question at a time, no closer together than this. */
const stepMs = 300;
/** How old an answer may become. */
const freshMs = 60_000;
/** The same of one that found nobody: whoever waits for a host to come up is told soon. */
const noneFreshMs = 8_000;
/** How long "nobody" holds where the controller does not say or is not asked again. */
const noneHoldsMs = 30_000;
/** A ping wants to know how it is now. */
const pingFreshMs = 5_000;
/** An identity with more services to dial is not asked for: thousands of questions a minute are no way to treat a controller. */
const maxServices = 50;
const maxRemembered = 4096;

interface Known {
  /** The newest answer, or the one that is waited for. */
  answer: Promise<number | undefined>;
  askedAtMs: number;
  /** Whether the last that was heard is that nobody hosts it, and when. */
  none: boolean;
  heardAtMs: number;
}

/** A service of an identity; with `terminatorIdentity` only its terminators of that name. */
type Place = readonly [identity: string, serviceId: string, terminatorIdentity?: string | undefined];

/** Who is asked, and who is told. */
export interface TerminatorsDeps {
  readonly clock: Clock;
  readonly identities: Pick<Identities, 'all' | 'find' | 'context'>;
  /** Of some service it was heard that nobody hosts it any more, or that somebody does again. */
  readonly changed: () => void;
}

/** Asks until disposed. */
export class Terminators implements Disposable {
  readonly #deps: TerminatorsDeps;
  readonly #known = new Map<string, Known>();
  readonly #timer: Disposable;
  #polling = false;

  constructor(deps: TerminatorsDeps) {
    this.#deps = deps;
    this.#timer = deps.clock.every(stepMs, () => void this.#step());
  }

  /** True where nobody hosts it, as far as is known. */
  isDeserted(...place: Place): boolean {
    return this.#known.get(keyOf(place))?.none === true;
  }

  /**
   * How many there are, no older than `maxAgeMs`; undefined where the controller does not say. Whoever asks meanwhile waits for the same answer.
   * Rejects with why it cannot be asked (`identity.*`, `ziti.*`, `engine.not_ready`).
   */
  count(place: Place, maxAgeMs = 0): Promise<number | undefined> {
    const trouble = this.#deps.identities.find(place[0])?.trouble();
    if (trouble !== undefined) return Promise.reject(new TunnelerError('engine.not_ready', trouble.sentence));
    const known = this.#known.get(keyOf(place));
    if (known !== undefined && this.#now() - known.askedAtMs < maxAgeMs) return known.answer;
    return this.#ask(place);
  }

  /** What a dial found. */
  note(place: Place, outcome: 'somebody' | 'nobody'): void {
    if (outcome === 'somebody') {
      const [identity, serviceId] = place;
      // Whoever hosts it under a name hosts it. The controller may still say otherwise: it is asked again at once.
      const wrong = [keyOf(place), serviceKey(identity, serviceId)].filter(
        (key) => this.#known.get(key)?.none === true,
      );
      for (const key of wrong) this.#known.delete(key);
      if (wrong.length > 0) this.#deps.changed();
      return;
    }
    const key = keyOf(place);
    const nowMs = this.#now();
    const before = this.#known.get(key)?.none === true;
    this.#remember(key, { answer: Promise.resolve(0), askedAtMs: nowMs, none: true, heardAtMs: nowMs });
    if (!before) this.#deps.changed();
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
  }

  async #ask(place: Place): Promise<number | undefined> {
    const key = keyOf(place);
    const [identity, serviceId, terminatorIdentity] = place;
    const before = this.#known.get(key);
    const asked = (async () =>
      this.#deps.identities.context(identity).terminatorCount(serviceId, terminatorIdentity))();
    const known: Known = { none: false, heardAtMs: -Infinity, ...before, answer: asked, askedAtMs: this.#now() };
    this.#remember(key, known);
    const count = await asked;
    // A dial has found out meanwhile.
    if (count === undefined || this.#known.get(key) !== known) return count;
    const { none } = known;
    known.none = count === 0;
    known.heardAtMs = this.#now();
    if (none !== known.none) this.#deps.changed();
    return count;
  }

  #remember(key: string, known: Known): void {
    if (this.#known.size >= maxRemembered && !this.#known.has(key)) this.#known.clear();
    this.#known.set(key, known);
  }

  async #step(): Promise<void> {
    this.#forgetOld();
    const next = this.#polling ? undefined : this.#due();
    if (next === undefined) return;
    this.#polling = true;
    // A controller that cannot be asked now says nothing; its troubles are told elsewhere.
    await this.#ask(next).catch(() => undefined);
    this.#polling = false;
  }

  /** Whose answer has been too old for longest. */
  #due(): Place | undefined {
    let next: { readonly place: Place; readonly sinceMs: number } | undefined;
    for (const runner of this.#deps.identities.all()) {
      const services = runner.services().filter(({ permissions }) => permissions.includes('Dial'));
      if (runner.context() === undefined || runner.trouble() !== undefined || services.length > maxServices) continue;
      for (const { id } of services) {
        const known = this.#known.get(serviceKey(runner.name, id));
        const sinceMs = known === undefined ? -Infinity : known.askedAtMs + (known.none ? noneFreshMs : freshMs);
        if (sinceMs > this.#now() || sinceMs >= (next?.sinceMs ?? Infinity)) continue;
        next = { place: [runner.name, id], sinceMs };
      }
    }
    return next?.place;
  }

  #forgetOld(): void {
    const nowMs = this.#now();
    let changed = false;
    for (const [key, known] of this.#known) {
      if (known.none && nowMs - known.heardAtMs >= noneHoldsMs) {
        known.none = false;
        changed = true;
      }
      if (nowMs - known.askedAtMs >= 2 * freshMs) this.#known.delete(key);
    }
    if (changed) this.#deps.changed();
  }

  #now(): number {
    return this.#deps.clock.monotonic();
  }
}

/** Whether the service behind a destination can be reached now; for pings, so it may be a few seconds old. */
export function reachability(
  intercept: Pick<Intercept, 'match'>,
  terminators: Pick<Terminators, 'count'>,
): (destination: Destination) => Promise<boolean> {
  return (destination) => {
    const found = intercept.match({
      entry: 'tun',
      protocol: 'tcp',
      source: { address: '127.0.0.1', port: 0 },
      destination,
    });
    const match = found.kind === 'matched' ? found.matches[0] : undefined;
    if (match === undefined) return Promise.resolve(false);
    const { identity, service, terminatorIdentity } = match;
    return terminators.count([identity, service.id, terminatorIdentity], pingFreshMs).then(
      (count) => count === undefined || count > 0,
      () => false,
    );
  };
}

function keyOf([identity, serviceId, terminatorIdentity]: Place): string {
  const key = serviceKey(identity, serviceId);
  return terminatorIdentity === undefined ? key : `${key}/${terminatorIdentity}`;
}
