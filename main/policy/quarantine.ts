/**
 * What is cut off until a person releases it: `app:…`, `identity:…`, `service:…`, `session:…`. Consulted at every decision.
 *
 * The set outlives the engine: it is given what was kept and hands out what to keep at each change. A kept set that cannot be read is
 * the keeper's failure to report; here everything given is taken.
 */
import type { Clock } from '../base/clock.ts';
import { defined, whenDefined } from '../base/defined.ts';
import { Emitter } from '../base/emitter.ts';
import { TunnelerError } from '../base/errors.ts';
import type { Reason } from '../base/reason.ts';

/** Who put it in: a person, a contract's `onViolation`, a detector's finding or a circuit breaker. */
export type QuarantineOrigin = 'operator' | 'contract' | 'detector' | 'breaker';

/** One subject that is cut off, as it is kept between runs; plain data, JSON-safe. */
export interface QuarantineEntry {
  readonly subject: string;
  readonly sinceMs: number;
  readonly cause: string;
  /** What `cause` says, where Culvert said it and not a person. */
  readonly said?: Pick<Reason, 'code' | 'details'>;
  readonly by: QuarantineOrigin;
  /** It ends by itself then; undefined: only by release. */
  readonly untilMs?: number;
}

/** A subject was put in, or let out. */
export type QuarantineEvent =
  | { readonly kind: 'added'; readonly entry: QuarantineEntry }
  | { readonly kind: 'released'; readonly entry: QuarantineEntry; readonly by: 'operator' | 'time' };

/** The clock, and where entries are kept. */
export interface QuarantineDeps {
  readonly clock: Clock;
  /** Kept from before. */
  readonly entries?: readonly QuarantineEntry[];
  /** Keep these. What it throws refuses a release, before anyone is told; who is put in is cut off first, and kept then. */
  save?(entries: readonly QuarantineEntry[]): void;
}

const subjectPattern = /^(app|identity|service|session):.+$/;

/** The subjects cut off now. Disposing stops the timers and frees nobody. */
export class Quarantine implements Disposable {
  readonly events = new Emitter<QuarantineEvent>();
  readonly #deps: QuarantineDeps;
  readonly #entries = new Map<string, QuarantineEntry>();
  readonly #timers = new Map<string, Disposable>();

  constructor(deps: QuarantineDeps) {
    this.#deps = deps;
    for (const entry of deps.entries ?? []) {
      this.#entries.set(entry.subject, entry);
      this.#watch(entry);
    }
  }

  /** Cut a subject off, for what a person wrote or Culvert found. One that is in already keeps its first cause. Throws `base.invalid` for what is no subject. */
  add(subject: string, why: string | Reason, by: QuarantineOrigin, forMs?: number): QuarantineEntry {
    if (!subjectPattern.test(subject)) {
      throw new TunnelerError('base.invalid', `"${subject}": expected app:…, identity:…, service:… or session:…`);
    }
    const known = this.#entries.get(subject);
    if (known !== undefined && (known.untilMs === undefined || forMs !== undefined)) return known;
    // Who is held for a while is from now on held until released.
    this.#timers.get(subject)?.[Symbol.dispose]();
    this.#timers.delete(subject);
    const nowMs = this.#deps.clock.now();
    const until = defined({ untilMs: whenDefined(forMs, (ms) => nowMs + ms) });
    const entry: QuarantineEntry = { subject, sinceMs: nowMs, ...causeOf(why), by, ...until };
    this.#entries.set(subject, entry);
    // It holds from this moment even where it cannot be kept: the failure is the caller's to report. Nor does the cut wait for the disk.
    try {
      this.#watch(entry);
      this.events.emit({ kind: 'added', entry });
    } finally {
      this.#deps.save?.(this.list());
    }
    return entry;
  }

  /** False where it is not in quarantine. */
  release(subject: string, by: 'operator' | 'time' = 'operator'): boolean {
    const entry = this.#entries.get(subject);
    if (entry === undefined) return false;
    this.#entries.delete(subject);
    try {
      this.#deps.save?.(this.list());
    } catch (error) {
      this.#entries.set(subject, entry);
      throw error;
    }
    this.#timers.get(subject)?.[Symbol.dispose]();
    this.#timers.delete(subject);
    this.events.emit({ kind: 'released', entry, by });
    return true;
  }

  /** Who is held under one name is held under the other; no one is freed or told. As `add`, it holds even where it cannot be kept. */
  rename(subject: string, to: string): void {
    const entry = this.#entries.get(subject);
    if (entry === undefined) return;
    this.#timers.get(subject)?.[Symbol.dispose]();
    this.#timers.delete(subject);
    this.#entries.delete(subject);
    if (!this.#entries.has(to)) {
      const renamed = { ...entry, subject: to };
      this.#entries.set(to, renamed);
      this.#watch(renamed);
    }
    this.#deps.save?.(this.list());
  }

  /** Its cause, where it is in quarantine. */
  causeOf(subject: string): string | undefined {
    return this.#entries.get(subject)?.cause;
  }

  list(): readonly QuarantineEntry[] {
    return [...this.#entries.values()];
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers.values()) timer[Symbol.dispose]();
    this.#timers.clear();
  }

  #watch(entry: QuarantineEntry): void {
    if (entry.untilMs === undefined) return;
    const waitMs = Math.max(1, entry.untilMs - this.#deps.clock.now());
    const timer = this.#deps.clock.after(Math.min(waitMs, 2_147_483_647), () => {
      this.#timers.delete(entry.subject);
      if ((entry.untilMs ?? 0) <= this.#deps.clock.now()) this.release(entry.subject, 'time');
      else this.#watch(entry);
    });
    this.#timers.set(entry.subject, timer);
  }
}

/** Why what belongs to a subject is refused or cut off: for what a person wrote, or Culvert found. */
export function quarantinedReason(subject: string, cause: string | Reason): Reason {
  return {
    code: 'policy.quarantined',
    sentence: `${subject} is in quarantine: ${typeof cause === 'string' ? cause : cause.sentence}`,
    next: `after a look at the cause: culvert quarantine release ${subject}`,
    details: { subject, cause },
    rule: `quarantine:${subject}`,
  };
}

/** The same for the first of these subjects that is held; undefined where none is. */
export function quarantineRefusal(
  subjects: readonly string[],
  causeOf: (subject: string) => string | undefined,
): Reason | undefined {
  for (const subject of subjects) {
    const cause = causeOf(subject);
    if (cause !== undefined) return quarantinedReason(subject, cause);
  }
  return undefined;
}

function causeOf(why: string | Reason): Pick<QuarantineEntry, 'cause' | 'said'> {
  if (typeof why === 'string') return { cause: why };
  const { code, sentence, details } = why;
  return { cause: sentence, said: { code, ...defined({ details }) } };
}
