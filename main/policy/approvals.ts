/**
 * Approvals: what waits for a person's word, and what was said. A request is asked once, is answered or lapses, and stays listed for a while.
 *
 * An approval of sessions (`approval` in a contract) counts from its first use, which must come within a day; one of a grant gives its time
 * anew; one of a call lets that call pass. Time is measured since the machine started, asleep or awake. Pure but for what it remembers.
 */
import type { Clock } from '../base/clock.ts';
import { defined } from '../base/defined.ts';
import { Emitter } from '../base/emitter.ts';
import type { EngagementContract } from '../base/engagement.ts';
import { TunnelerError } from '../base/errors.ts';
import type { Reason } from '../base/reason.ts';
import { holderKey, type GrantHolder } from './grants.ts';

/** What is approved: sessions of a service (`approval`), more time for its holder (`grantSeconds`), or one held call (`mcp.ask`). */
export type ApprovalKind = 'session' | 'grant' | 'call';
/** Where a request stands; `expired` covers one that lapsed, was withdrawn, or whose granted time is over. */
export type ApprovalState = 'pending' | 'granted' | 'denied' | 'expired';

/** What is asked. */
export interface ApprovalQuestion {
  readonly kind: ApprovalKind;
  readonly holder: GrantHolder;
  readonly contract: EngagementContract;
  readonly agent?: string;
  /** Of a call: method, target and arguments, for the person who is asked. */
  readonly call?: { readonly method: string; readonly target: string; readonly arguments: unknown };
}

/** A request and what became of it, as lists show it. */
export interface Approval extends ApprovalQuestion {
  readonly id: string;
  readonly state: ApprovalState;
  readonly requestedAtMs: number;
  /** When a question lapses, or what was granted ends; undefined: at no set time. */
  readonly expiresAtMs: number | undefined;
  /** What the person who answered said. */
  readonly reason?: string;
  /** Who answered. */
  readonly answeredBy?: string;
  /** Of a call: it holds for this tool while the session of the call lasts. */
  readonly forSession?: boolean;
  /** Nobody approved it: it was taken in an emergency, and whoever answers for the service has to know. */
  readonly brokenGlass?: true;
}

interface Kept extends Approval {
  readonly forMs?: number;
  /** First use, since the machine started. */
  readonly beganSinceBootMs?: number;
}

/** A person's word on a request; `minutes` shortens what a grant gives and never lengthens it. */
export interface Answer {
  readonly grant: boolean;
  readonly minutes?: number | undefined;
  /** Of a call: for this tool while its session lasts. */
  readonly session?: boolean | undefined;
  readonly reason?: string | undefined;
  /** Who says so: an identity, or `here` for a person at this engine. */
  readonly by: string;
}

/** Time by two clocks, so that setting the wall's clock lengthens no approval. */
export interface ApprovalsDeps {
  readonly clock: Clock;
  readonly sinceBootMs: () => number;
  readonly newId: () => string;
}

const dayMs = 86_400_000;
/** A call that nobody answers is refused then: longer than most clients wait anyhow. */
const callPatienceMs = 120_000;
/** Answered rows stay listed this long. */
const shownMs = 3_600_000;

/** The requests of this engine, in memory only: after a restart whoever still waits asks again. Disposing stops their timers. */
export class Approvals implements Disposable {
  /** A row that is new, or changed. */
  readonly events = new Emitter<Approval>();
  readonly #deps: ApprovalsDeps;
  readonly #rows = new Map<string, Kept>();
  readonly #timers = new Map<string, Disposable>();

  constructor(deps: ApprovalsDeps) {
    this.#deps = deps;
  }

  /** Newest last. */
  list(): readonly Approval[] {
    return [...this.#rows.values()];
  }

  get(id: string): Approval | undefined {
    return this.#rows.get(id);
  }

  /** Ask, unless the very question waits already. */
  ask(question: ApprovalQuestion): Approval {
    const waiting = question.kind === 'call' ? undefined : this.#find(question.kind, question.holder, 'pending');
    if (waiting !== undefined) return waiting;
    if (question.kind !== 'call') this.#replace(question.kind, question.holder);
    const nowMs = this.#deps.clock.now();
    const patienceMs = question.kind === 'call' ? callPatienceMs : dayMs;
    const row: Kept = {
      ...question,
      id: this.#deps.newId(),
      state: 'pending',
      requestedAtMs: nowMs,
      expiresAtMs: nowMs + patienceMs,
    };
    this.#put(row, patienceMs);
    return row;
  }

  /**
   * `holder` lets itself in, as the contract's `breakGlass` says; `false` where somebody refused it lately, for an emergency is no way round a no.
   * What waits for an answer is answered by it.
   */
  breakGlass(question: ApprovalQuestion, by: string, reason: string, forMs: number): boolean {
    if (this.#find('session', question.holder, 'denied') !== undefined) return false;
    const row = this.ask(question);
    const { clock } = this.#deps;
    const taken = { reason, answeredBy: `break-glass: ${by}`, brokenGlass: true } as const;
    this.#put({ ...row, ...taken, state: 'granted', forMs, expiresAtMs: clock.now() + dayMs }, dayMs);
    return true;
  }

  /** Take back what waits: whoever asked is gone. */
  withdraw(id: string): void {
    const row = this.#rows.get(id);
    if (row?.state === 'pending') this.#put({ ...row, state: 'expired' }, shownMs);
  }

  /**
   * Answer, extend or end. Throws `approvals.unknown`, `approvals.answered` for what lapsed or was denied, `approvals.reason_required`.
   */
  answer(id: string, answer: Answer): Approval {
    const row = this.#rows.get(id);
    if (row === undefined) {
      throw new TunnelerError('approvals.unknown', `no approval ${id}`, {
        details: { next: 'culvert approvals list shows those there are' },
      });
    }
    if (row.state === 'denied' || row.state === 'expired') {
      throw new TunnelerError('approvals.answered', `${id} is ${row.state} already`, { details: { state: row.state } });
    }
    if (row.contract.approval?.reason === 'required' && (answer.reason ?? '').trim() === '') {
      throw new TunnelerError('approvals.reason_required', 'the contract asks for a reason', {
        details: { next: '--reason TEXT' },
      });
    }
    const forSession = answer.grant && answer.session === true && row.kind === 'call';
    const said = {
      ...defined({ reason: answer.reason }),
      answeredBy: answer.by,
      ...(forSession ? { forSession } : {}),
    };
    // What somebody grants now is approved, however it began.
    const { brokenGlass: _taken, ...asked } = row;
    const changed: Kept = answer.grant
      ? this.#granted(asked, answer.minutes, said)
      : { ...row, ...said, state: 'denied', expiresAtMs: undefined };
    this.#put(changed, this.#keepMs(changed));
    return changed;
  }

  /** A grant of this very call, for `holder`, that lasts for some time and has not ended. */
  lasting(holder: GrantHolder, method: string, target: string): Approval | undefined {
    const key = holderKey(holder);
    const nowMs = this.#deps.clock.now();
    return [...this.#rows.values()].find(
      ({ kind, state, call, expiresAtMs, holder: of }) =>
        kind === 'call' &&
        state === 'granted' &&
        expiresAtMs !== undefined &&
        expiresAtMs > nowMs &&
        call?.method === method &&
        call.target === target &&
        holderKey(of) === key,
    );
  }

  /** What an approval of sessions leaves to `holder` now; undefined: none is in force. */
  leftMs(holder: GrantHolder): number | undefined {
    const row = this.#find('session', holder, 'granted');
    return row?.forMs === undefined ? undefined : this.#left(row, row.forMs);
  }

  /** The first session under it: its time runs from now. Idempotent. */
  begin(holder: GrantHolder): void {
    const row = this.#find('session', holder, 'granted');
    if (row?.forMs === undefined || row.beganSinceBootMs !== undefined) return;
    const beganSinceBootMs = this.#deps.sinceBootMs();
    this.#put({ ...row, beganSinceBootMs, expiresAtMs: this.#deps.clock.now() + row.forMs }, row.forMs);
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers.values()) timer[Symbol.dispose]();
  }

  #granted(row: Kept, minutes: number | undefined, said: Partial<Approval>): Kept {
    const nowMs = this.#deps.clock.now();
    const mostMs = mostMsOf(row);
    const askedMs = minutes === undefined ? mostMs : Math.min(minutes * 60_000, mostMs ?? Infinity);
    if (row.kind !== 'session' || askedMs === undefined) {
      return {
        ...row,
        ...said,
        state: 'granted',
        expiresAtMs: askedMs === undefined ? undefined : nowMs + askedMs,
        ...defined({ forMs: askedMs }),
      };
    }
    // Extended while in use: from now on. Else from its first use, within a day.
    const inUse = row.state === 'granted' && row.beganSinceBootMs !== undefined;
    return {
      ...row,
      ...said,
      state: 'granted',
      forMs: askedMs,
      expiresAtMs: nowMs + (inUse ? askedMs : dayMs),
      ...(inUse ? { beganSinceBootMs: this.#deps.sinceBootMs() } : {}),
    };
  }

  #keepMs(row: Kept): number {
    if (row.state !== 'granted' || row.kind !== 'session') return row.forMs ?? shownMs;
    return row.beganSinceBootMs === undefined ? dayMs : (row.forMs ?? shownMs);
  }

  #left(row: Kept, forMs: number): number {
    if (row.beganSinceBootMs === undefined) return forMs;
    return Math.max(0, forMs - (this.#deps.sinceBootMs() - row.beganSinceBootMs));
  }

  #find(kind: ApprovalKind, holder: GrantHolder, state: ApprovalState): Kept | undefined {
    const key = holderKey(holder);
    return [...this.#rows.values()].findLast(
      (row) => row.kind === kind && row.state === state && holderKey(row.holder) === key,
    );
  }

  /** Whoever asks again has one row that lapsed no more: asking and taking back fills no list. */
  #replace(kind: ApprovalKind, holder: GrantHolder): void {
    const lapsed = this.#find(kind, holder, 'expired');
    if (lapsed === undefined) return;
    this.#timers.get(lapsed.id)?.[Symbol.dispose]();
    this.#timers.delete(lapsed.id);
    this.#rows.delete(lapsed.id);
  }

  /** Keep it as it is now for `forMs`; then what was open has lapsed, and what is over is forgotten. */
  #put(row: Kept, forMs: number): void {
    this.#rows.delete(row.id);
    this.#rows.set(row.id, row);
    this.#timers.get(row.id)?.[Symbol.dispose]();
    this.#timers.set(
      row.id,
      this.#deps.clock.after(forMs, () => this.#due(row)),
    );
    this.events.emit(row);
  }

  #due(row: Kept): void {
    const open = row.state === 'pending' || (row.state === 'granted' && row.kind === 'session');
    if (open) this.#put({ ...row, state: 'expired' }, shownMs);
    else {
      this.#rows.delete(row.id);
      this.#timers.delete(row.id);
    }
  }
}

/** The longest a contract lets one answer last; undefined where it sets none. */
function mostMsOf({ kind, contract }: ApprovalQuestion): number | undefined {
  const seconds =
    kind === 'session' ? contract.approval?.forSeconds : kind === 'grant' ? contract.grantSeconds : undefined;
  return seconds === undefined ? undefined : seconds * 1000;
}

/**
 * Does each session wait for its approval? Between agents it is the engagement that is approved: sessions are let in, and nothing is said in
 * them without one (decision 0028).
 */
export function approvesSessions({ approval, a2a }: EngagementContract): boolean {
  return approval !== undefined && a2a === undefined;
}

/** Why a session is refused until somebody approves it. */
export function approvalNeeded(service: string, contract: EngagementContract): Reason {
  const by = contract.approval?.by.join(', ') ?? '';
  return {
    code: 'policy.contract.approval',
    sentence: `the contract of ${service} asks for the approval of ${by}, who is asked now`,
    next: `ask ${by} to look at culvert approvals list, then try again`,
    details: { service, by },
    rule: 'contract:approval',
  };
}
