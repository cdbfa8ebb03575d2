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
import {
  carriedOver,
  type Approval,
  type ApprovalKind,
  type ApprovalQuestion,
  type ApprovalState,
  type KeptApproval,
} from './approval-row.ts';
import { holderKey, type GrantHolder } from './grants.ts';

export type { Approval, ApprovalKind, ApprovalQuestion, ApprovalState } from './approval-row.ts';

/** A person's word on a request; `minutes` shortens what a grant gives and never lengthens it. */
export interface Answer {
  readonly grant: boolean;
  readonly minutes?: number | undefined;
  /** Of a call: for this tool while its session lasts. */
  readonly session?: boolean | undefined;
  /** Of a call, with `minutes`: for these tools of its service as well, and then for none. */
  readonly tools?: readonly string[] | undefined;
  readonly reason?: string | undefined;
  /** Who says so: an identity, or `here` for a person at this engine. */
  readonly by: string;
}

/** Time by two clocks, so that setting the wall's clock lengthens no approval. */
export interface ApprovalsDeps {
  readonly clock: Clock;
  readonly sinceBootMs: () => number;
  readonly newId: () => string;
  /** Keep these. What it throws refuses what a person grants, and the use of it. Absent: nothing outlives this run. */
  readonly save?: (rows: readonly KeptApproval[]) => void;
  /** What was asked, or is over, could not be kept. */
  readonly unkept?: (error: unknown) => void;
}

/** A row before it is stamped with the time at which it came to be so. */
type Row = Omit<KeptApproval, 'keepMs' | 'putAtMs' | 'putSinceBootMs'>;

const dayMs = 86_400_000;
/** A call that nobody answers is refused then: longer than most clients wait anyhow. */
const callPatienceMs = 120_000;
/** Answered rows stay listed this long. */
const shownMs = 3_600_000;
/** More calls of one holder do not wait at a time: nobody answers so many, and each holds its arguments. */
const maxWaitingCalls = 64;
/** Characters of arguments that stay listed with a call that was answered. */
const maxListedArguments = 8_192;
/** What is asked and what lapses within this time is kept together. */
const writeAfterMs = 250;

/** The requests of this engine. What was answered outlives it; whoever still waits asks again. Disposing keeps what came last, and stops the timers. */
export class Approvals implements Disposable {
  /** A row that is new, or changed. */
  readonly events = new Emitter<Approval>();
  readonly #deps: ApprovalsDeps;
  readonly #rows = new Map<string, KeptApproval>();
  readonly #timers = new Map<string, Disposable>();
  /** Ids of what an earlier run left. */
  readonly #before = new Set<string>();
  #unwritten: Disposable | undefined;

  constructor(deps: ApprovalsDeps) {
    this.#deps = deps;
  }

  /** Take over what an earlier run kept, with what is left of its time; a question of then is gone, and its listeners are told. Once, at first. */
  restore(kept: readonly KeptApproval[]): void {
    const { clock, sinceBootMs } = this.#deps;
    for (const before of kept) {
      this.#before.add(before.id);
      const { row, leftMs } = carriedOver(before, clock.now(), sinceBootMs());
      const lapsed = leftMs <= 0 && isOpen(row);
      if (row.state === 'pending' || lapsed) this.#put({ ...row, state: 'expired', expiresAtMs: clock.now() }, shownMs);
      else if (leftMs > 0) this.#hold(row, leftMs);
    }
  }

  /** Newest last. */
  list(): readonly Approval[] {
    return [...this.#rows.values()];
  }

  get(id: string): Approval | undefined {
    return this.#rows.get(id);
  }

  /** Ask, unless the very question waits already. A call of a holder that has too many waiting is `denied` at once, and not listed. */
  ask(question: ApprovalQuestion): Approval {
    const nowMs = this.#deps.clock.now();
    if (question.kind === 'call') {
      if (this.#waitingCalls(question.holder) >= maxWaitingCalls) return this.#turnedAway(question, nowMs);
    } else {
      const waiting = this.#find(question.kind, question.holder, 'pending');
      if (waiting !== undefined) return waiting;
      this.#replace(question.kind, question.holder);
    }
    const patienceMs = question.kind === 'call' ? callPatienceMs : dayMs;
    const row: Row = {
      ...question,
      id: this.#deps.newId(),
      state: 'pending',
      requestedAtMs: nowMs,
      expiresAtMs: nowMs + patienceMs,
    };
    return this.#put(row, patienceMs);
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
    this.#putKept({ ...row, ...taken, state: 'granted', forMs, expiresAtMs: clock.now() + dayMs }, dayMs);
    return true;
  }

  /** Take back what waits: whoever asked is gone. Of a call nothing stays here, or asking and going would fill the list. */
  withdraw(id: string): void {
    const row = this.#rows.get(id);
    if (row?.state !== 'pending') return;
    const over = this.#put({ ...row, state: 'expired' }, shownMs);
    if (row.kind === 'call') this.#forget(over);
  }

  /** One that may still be answered, extended or ended. Throws `approvals.unknown`, `approvals.answered`. */
  answerable(id: string): Approval {
    const row = this.#rows.get(id);
    if (row === undefined) {
      throw new TunnelerError('approvals.unknown', `no approval ${id}`, {
        details: { next: 'culvert approvals list shows those there are' },
      });
    }
    if (row.state === 'denied' || row.state === 'expired') {
      throw new TunnelerError('approvals.answered', `${id} is ${row.state} already`, { details: { state: row.state } });
    }
    return row;
  }

  /**
   * Answer, extend or end. Throws `approvals.unknown`, `approvals.answered` for what lapsed or was denied, `approvals.reason_required`.
   */
  answer(id: string, answer: Answer): Approval {
    const row = this.answerable(id);
    if (row.contract.approval?.reason === 'required' && (answer.reason ?? '').trim() === '') {
      throw new TunnelerError('approvals.reason_required', 'the contract asks for a reason', {
        details: { next: '--reason TEXT' },
      });
    }
    const forTools = answer.grant && row.kind === 'call' && answer.minutes !== undefined ? answer.tools : undefined;
    const forSession = answer.grant && answer.session === true && row.kind === 'call';
    const said = {
      ...defined({ reason: answer.reason, tools: forTools }),
      answeredBy: answer.by,
      ...(forSession ? { forSession } : {}),
    };
    // What somebody grants now is approved, however it began.
    const { brokenGlass: _taken, ...asked } = row;
    if (answer.grant) {
      const changed = this.#granted(asked, answer.minutes, said);
      const kept = this.#putKept(changed, this.#keepMs(changed));
      this.#letPass(kept);
      return kept;
    }
    const denied: Row = { ...row, ...said, state: 'denied', expiresAtMs: undefined };
    const changed = this.#put(denied, this.#keepMs(denied));
    // A no counts whether it can be kept or not; whoever said it is told that it may not last.
    this.#write();
    return changed;
  }

  /** A grant of this very call, for `holder`, that lasts for some time and has not ended. */
  lasting(holder: GrantHolder, method: string, target: string): Approval | undefined {
    const key = holderKey(holder);
    return [...this.#rows.values()].find((row) => holderKey(row.holder) === key && this.#covers(row, method, target));
  }

  /** Is it a grant of this call for some time, and that time not over? */
  #covers({ kind, state, call, tools, expiresAtMs }: KeptApproval, method: string, target: string): boolean {
    const lasts = kind === 'call' && state === 'granted' && (expiresAtMs ?? 0) > this.#deps.clock.now();
    const isNamed = method === 'tools/call' && tools?.includes(target) === true;
    return lasts && (isNamed || (call?.method === method && call.target === target));
  }

  /** What waits already and is granted by this for some time is not asked about any more. */
  #letPass(granted: KeptApproval): void {
    const key = holderKey(granted.holder);
    for (const row of [...this.#rows.values()]) {
      const { call } = row;
      if (row.kind !== 'call' || row.state !== 'pending' || call === undefined || holderKey(row.holder) !== key)
        continue;
      if (!this.#covers(granted, call.method, call.target)) continue;
      const said = defined({ reason: granted.reason, answeredBy: granted.answeredBy });
      // The grant it passes by is kept.
      this.#put({ ...row, ...said, state: 'granted', expiresAtMs: undefined }, shownMs);
    }
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
    this.#putKept({ ...row, beganSinceBootMs, expiresAtMs: this.#deps.clock.now() + row.forMs }, row.forMs);
  }

  [Symbol.dispose](): void {
    if (this.#unwritten !== undefined) this.#tryWrite();
    for (const timer of this.#timers.values()) timer[Symbol.dispose]();
  }

  #granted(row: Row, minutes: number | undefined, said: Partial<Approval>): Row {
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

  #keepMs(row: Row): number {
    // A no is one for the hour it is listed, however little was asked or granted before it.
    if (row.state !== 'granted') return shownMs;
    if (row.kind !== 'session') return row.forMs ?? shownMs;
    return row.beganSinceBootMs === undefined ? dayMs : (row.forMs ?? shownMs);
  }

  #left(row: Row, forMs: number): number {
    if (row.beganSinceBootMs === undefined) return forMs;
    return Math.max(0, forMs - (this.#deps.sinceBootMs() - row.beganSinceBootMs));
  }

  #find(kind: ApprovalKind, holder: GrantHolder, state: ApprovalState): KeptApproval | undefined {
    const key = holderKey(holder);
    return [...this.#rows.values()].findLast(
      (row) => row.kind === kind && row.state === state && holderKey(row.holder) === key,
    );
  }

  /** Whoever asks again has one row that lapsed no more: asking and taking back fills no list. */
  #replace(kind: ApprovalKind, holder: GrantHolder): void {
    const lapsed = this.#find(kind, holder, 'expired');
    // What a restart ended stays: whoever asks again is another row, and a person who looks for that one is told what became of it.
    if (lapsed !== undefined && !this.#before.has(lapsed.id)) this.#forget(lapsed);
  }

  /** On the disk before it counts: what a person granted is neither lost by a restart, nor given anew. Throws what keeping does. */
  #putKept(row: Row, forMs: number): KeptApproval {
    this.#write(this.#stamped(row, forMs));
    return this.#put(row, forMs);
  }

  /** It is as it is now for `forMs`; then what was open has lapsed, and what is over is forgotten. */
  #put(row: Row, forMs: number): KeptApproval {
    const stamped = this.#stamped(row, forMs);
    this.#hold(stamped, forMs);
    this.#writeSoon();
    this.events.emit(stamped);
    return stamped;
  }

  #stamped(row: Row, keepMs: number): KeptApproval {
    const { clock, sinceBootMs } = this.#deps;
    return { ...lighter(row), keepMs, putAtMs: clock.now(), putSinceBootMs: sinceBootMs() };
  }

  #hold(row: KeptApproval, forMs: number): void {
    this.#rows.delete(row.id);
    this.#rows.set(row.id, row);
    this.#timers.get(row.id)?.[Symbol.dispose]();
    this.#timers.set(
      row.id,
      this.#deps.clock.after(forMs, () => this.#due(row)),
    );
  }

  #due(row: KeptApproval): void {
    if (isOpen(row)) this.#put({ ...row, state: 'expired' }, shownMs);
    else this.#forget(row);
  }

  #forget({ id }: KeptApproval): void {
    this.#timers.get(id)?.[Symbol.dispose]();
    this.#timers.delete(id);
    this.#rows.delete(id);
    this.#before.delete(id);
    this.#writeSoon();
  }

  #waitingCalls(holder: GrantHolder): number {
    const key = holderKey(holder);
    const waits = ({ kind, state, holder: of }: KeptApproval): boolean =>
      kind === 'call' && state === 'pending' && holderKey(of) === key;
    return [...this.#rows.values()].filter(waits).length;
  }

  #turnedAway(question: ApprovalQuestion, nowMs: number): Approval {
    const reason = `${maxWaitingCalls} calls wait for an answer already`;
    const row = { ...question, id: this.#deps.newId(), state: 'denied', reason, requestedAtMs: nowMs } as const;
    return { ...row, expiresAtMs: undefined };
  }

  #writeSoon(): void {
    if (this.#deps.save !== undefined) this.#unwritten ??= this.#deps.clock.after(writeAfterMs, () => this.#tryWrite());
  }

  #tryWrite(): void {
    try {
      this.#write();
    } catch (error) {
      this.#deps.unkept?.(error);
    }
  }

  /** `next` in place of the row of its id. */
  #write(next?: KeptApproval): void {
    this.#unwritten?.[Symbol.dispose]();
    this.#unwritten = undefined;
    const others = [...this.#rows.values()].filter(({ id }) => id !== next?.id);
    this.#deps.save?.(next === undefined ? others : [...others, next]);
  }
}

/** A call that waits no more lets go of large arguments: they were for the person who was asked. */
function lighter(row: Row): Row {
  const { call, state } = row;
  if (call === undefined || state === 'pending') return row;
  const { length } = JSON.stringify(call.arguments) ?? '';
  return length <= maxListedArguments ? row : { ...row, call: { ...call, arguments: undefined } };
}

/** Something is to come of it yet: an answer, sessions, or the end of what several tools were granted for. */
function isOpen({ state, kind, tools }: Approval): boolean {
  return state === 'pending' || (state === 'granted' && (kind === 'session' || tools !== undefined));
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
