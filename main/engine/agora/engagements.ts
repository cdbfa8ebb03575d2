/**
 * Engagements at work, at both ends: opened by the first message where the contract alone accepts, by a proposal where it asks a person; what is
 * said, how much and for how long counted over all sessions of the two; ended by whoever may, and both ends told.
 */
import type { EngagementBook } from '../../agora/engagement-book.ts';
import { partyKey } from '../../agora/engagement-book.ts';
import {
  asksForProposal,
  approvedForMs,
  breachDetails,
  endedByHost,
  type Engagement,
  type EngagementEnd,
  type Party,
} from '../../agora/engagement.ts';
import { defined } from '../../base/defined.ts';
import type { EngagementContract } from '../../base/engagement.ts';
import { toTunnelerError } from '../../base/errors.ts';
import type { Clock } from '../../base/clock.ts';
import type { ByteStream } from '../../base/stream.ts';
import { HeldSession, type EngagedSession } from './engaged-session.ts';
import { serveQuestion } from './engagement-line.ts';
import type { Log } from '../../base/log.ts';
import type { CloseReason, Reason } from '../../base/reason.ts';
import type { EngagementRefusal } from '../../guard/guard.ts';
import { createLedger } from '../../guard/ledger.ts';
import type { EngagementWords } from '../../peer/words.ts';
import type { Approval, Approvals } from '../../policy/approvals.ts';
import type { GrantHolder } from '../../policy/grants.ts';
import type { Quarantine } from '../../policy/quarantine.ts';
import type { SessionEvent, SessionFacts, Sessions, SessionSnapshot } from '../../session/sessions.ts';
import { refusals } from './engagement-refusals.ts';
import {
  endsToTell,
  isEngagementId,
  newEngagementId,
  type EngagementAnswer,
  type EngagementQuestion,
} from './engagement-words.ts';

/** What engagements are kept by, asked of and cut with. */
export interface EngagementsDeps {
  readonly book: EngagementBook;
  readonly approvals: Pick<Approvals, 'ask' | 'begin' | 'leftMs' | 'events' | 'withdraw'>;
  readonly quarantine: Pick<Quarantine, 'events'>;
  readonly sessions: () => Pick<Sessions, 'closeWhere'>;
  /** What stands for an identity, whatever it is called. */
  readonly accountOf: (identity: string) => string;
  /** What an identity is called at its controller. */
  readonly controllerName: (identity: string) => string;
  /** Ask the host. Throws `ziti.*`, `agora.not_answered`. */
  readonly ask: (party: Party, question: EngagementQuestion) => Promise<EngagementAnswer>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Why a session is cut where its engagement is over. */
const sessionEnds: Partial<Record<EngagementEnd, CloseReason>> = {
  rejected: 'provider_close',
  contract_changed: 'provider_close',
};
/** To these both ends come by themselves. */
const seenByBoth: ReadonlySet<EngagementEnd> = new Set(['idle_timeout', 'max_duration_exceeded']);
/** What an account may begin anew at this host in so long: a person's pace, for each is written, recorded and perhaps asked. */
const mostAnew = 10;
const anewWithinMs = 60_000;
/** So long a list waits for others. */
const patienceMs = 3_000;
const acceptedAlone = 'accepted by the contract alone';
const forgotten = 'the host knows nothing of it';
/** Ends of a session that end what it belonged to. */
const endedWith: ReadonlySet<CloseReason> = new Set([
  'contract_violation',
  'policy_revoked',
  'quarantined',
  'identity_disabled',
  'max_bytes_exceeded',
]);

/** The engagements of this engine. Disposing stops listening and ends none. */
export class Engagements implements Disposable {
  readonly book: EngagementBook;
  readonly #deps: EngagementsDeps;
  /** Ids that are agreed on, and under which nothing was said yet. */
  readonly #agreed = new Map<string, { readonly id: string; readonly words?: EngagementWords }>();
  readonly #sessions = new Map<string, HeldSession>();
  /** An approval's time begins by our own word: nobody has answered. */
  #beginning = false;
  /** What accounts began anew, by proposals and by closing what would begin again by itself. */
  readonly #anew = createLedger();
  /** Ended now, and the other end is not told. */
  readonly #quiet = new Set<string>();
  readonly #listening: readonly Disposable[];

  constructor(deps: EngagementsDeps) {
    this.#deps = deps;
    this.book = deps.book;
    this.#listening = [
      deps.book.ended.subscribe((one) => this.#ended(one)),
      deps.approvals.events.subscribe((row) => this.#answered(row)),
      deps.quarantine.events.subscribe((event) => {
        if (event.kind === 'added') this.#quarantined(event.entry.subject);
      }),
    ];
    // A person is asked anew after a restart: what waits is kept, the question is not.
    for (const one of deps.book.list()) {
      if (one.end === 'host' && one.state === 'proposed' && one.contract.approval !== undefined) this.#askPerson(one);
    }
  }

  // What sessions ask.

  /** The engagement side of a session under this contract; the same one each time. */
  of(contract: EngagementContract, facts: SessionFacts, id: string): EngagedSession | undefined {
    if (contract.a2a === undefined) return undefined;
    const known = this.#sessions.get(id);
    if (known !== undefined) return known;
    const made = new HeldSession(this, this.#partyOf(facts), contract, this.#deps.clock.now());
    this.#sessions.set(id, made);
    return made;
  }

  /** Follow what becomes of sessions. */
  session(event: SessionEvent): void {
    if (event.kind !== 'closed') return;
    const { session } = event;
    const held = this.#sessions.get(session.id);
    this.#sessions.delete(session.id);
    if (held?.engagement === undefined || session.closeReason === undefined) return;
    if (endedWith.has(session.closeReason)) {
      const { closeReason, closeWhy } = session;
      const detail = closeWhy === undefined ? undefined : breachDetails[closeWhy.code];
      this.book.end(held.engagement, closeReason, closeWhy?.sentence ?? closeReason, {
        endedDetail: detail,
      });
    } else if (wasCutThere(session)) void this.#refresh(held.engagement);
  }

  /** Why nothing may be said as things stand; undefined: it may. The host is asked first where it may have accepted since. */
  refusal(
    party: Party,
    contract: EngagementContract,
    sinceMs: number,
  ): EngagementRefusal | undefined | Promise<EngagementRefusal | undefined> {
    const refused = this.#inTheWay(party, contract, sinceMs);
    const current = this.book.current(party);
    if (party.end === 'host' || current?.state !== 'proposed') return refused;
    return this.#refresh(current.id).then(() => this.#inTheWay(party, contract, sinceMs));
  }

  /**
   * Something is said, or refused: whatever was answered before, this is the decision. Its engagement runs from now on at the latest. Its id.
   * Throws where that cannot be kept or recorded.
   */
  said(party: Party, contract: EngagementContract, sinceMs: number): string | EngagementRefusal {
    const refused = this.#inTheWay(party, contract, sinceMs);
    if (refused !== undefined) return refused;
    const { book } = this;
    const current = book.current(party);
    if (current?.state === 'proposed') book.accept(current.id, acceptedAlone);
    const { id, state } = current ?? this.#goOn(party, contract);
    if (state !== 'active') {
      if (party.end === 'host' && contract.approval !== undefined) this.#beginApproval(party);
      book.begin(id);
    }
    return id;
  }

  /** Nobody proposed the next one here: it goes on with what is left, under the id that both agreed on. */
  #goOn(party: Party, contract: EngagementContract): Engagement {
    const accepted = this.#isOpenThere(party) ? 'accepted by the host before' : acceptedAlone;
    const { id: agreed, words } = this.#agreed.get(partyKey(party)) ?? {};
    const made = this.propose(party, contract, { id: agreed, reason: 'its first message', renews: true });
    if (words?.id === made.id) this.#told(made.id, words);
    this.book.accept(made.id, accepted, approvedForMs(contract, undefined));
    this.#agreed.delete(partyKey(party));
    return made;
  }

  #beginApproval(party: Party): void {
    this.#beginning = true;
    try {
      this.#deps.approvals.begin(holderOf(party));
    } finally {
      this.#beginning = false;
    }
  }

  /** What is in the way of saying anything now: only under what was accepted, and under this very contract, may anything be said. */
  #inTheWay(party: Party, contract: EngagementContract, sinceMs: number): EngagementRefusal | undefined {
    const current = this.book.current(party);
    if (current === undefined) return this.#unlessOpened(party, contract);
    if (current.contractHash !== this.book.hashOf(contract)) {
      if (sinceMs < current.proposedAtMs) return refusals.changed(party);
      this.book.end(current.id, 'contract_changed', 'another contract is in force since');
      return this.#unlessOpened(party, contract);
    }
    const { state } = current;
    // Only where it could not be kept that the contract accepts it does one stand proposed that needs nobody.
    const isAccepted = state === 'accepting' || state === 'active' || (party.end === 'host' && isAlone(contract));
    return isAccepted ? undefined : refusals.waiting(party, contract);
  }

  /** Begin one, under this id where nothing else has it. Throws where that cannot be kept or recorded. */
  propose(
    party: Party,
    contract: EngagementContract,
    { id: agreed, ...how }: { id?: string | undefined; reason: string; renews?: boolean },
  ): Engagement {
    const id = agreed === undefined || this.book.get(agreed) !== undefined ? newEngagementId() : agreed;
    const made = this.book.propose(party, contract, { id, ...how });
    // Others may have agreed on it too, and it is theirs no more; nor does what was said of it before count for the next one.
    for (const [key, one] of this.#agreed) if (one.id === id) this.#agreed.delete(key);
    return made;
  }

  // What both ends agree on.

  /** The id that a dial names. */
  idFor(holder: GrantHolder): string {
    const party = partyOfHolder(holder);
    const known = this.book.current(party)?.id ?? this.#agreed.get(partyKey(party))?.id;
    if (known !== undefined) return known;
    const id = newEngagementId();
    this.#agreed.set(partyKey(party), { id });
    return id;
  }

  /** At the dialling end: what the host said of it. */
  met(holder: GrantHolder, words: EngagementWords): void {
    const party = partyOfHolder(holder);
    const current = this.book.current(party);
    if (current?.id === words.id) {
      this.#told(words.id, words);
      if (current.state === 'proposed' && (words.state === 'accepting' || words.state === 'active')) {
        void this.#refresh(current.id);
      }
      return;
    }
    // Ours is not theirs: it is over there, or forgotten.
    if (current !== undefined) void this.#refresh(current.id, true);
    const known = this.book.get(words.id);
    if (known === undefined) this.#agreed.set(partyKey(party), { id: words.id, words });
    else if (known.state === 'closed' && partyKey(known) === partyKey(party)) void this.#tellEnd(known);
  }

  /** At the host: what a dialler is told, whose suggestion is taken where there is none yet. */
  agree(party: Party, contract: EngagementContract, suggested: string | undefined): EngagementWords {
    const current = this.book.current(party);
    const key = partyKey(party);
    const isFresh = suggested !== undefined && isEngagementId(suggested) && this.book.get(suggested) === undefined;
    const agreed = isFresh ? suggested : (this.#agreed.get(key)?.id ?? newEngagementId());
    // Also where there is one now: it may be over before anything is said.
    if (isFresh || current === undefined) this.#agreed.set(key, { id: agreed });
    const id = current?.id ?? agreed;
    const by = this.#deps.controllerName(party.identity);
    return { id, contract: this.book.hashOf(contract), by, ...defined({ state: current?.state }) };
  }

  // What is asked from the other end.

  /** At the host: a dial that asks, and is no session. */
  serve(party: Party, contract: EngagementContract, remote: ByteStream): void {
    serveQuestion(remote, (asked) => this.answer(party, contract, asked), this.#deps);
  }

  /** At the host. Never throws for what is asked. */
  answer(party: Party, contract: EngagementContract, asked: EngagementQuestion): EngagementAnswer {
    const { book } = this;
    const isTheirs = (one: Engagement | undefined): one is Engagement =>
      one !== undefined && partyKey(one) === partyKey(party);
    if (asked.ask === 'propose') return this.#proposed(party, contract, asked);
    const one = book.get(asked.id);
    if (!isTheirs(one)) return { id: asked.id, state: 'unknown' };
    if (asked.ask === 'close' && one.state !== 'closed') {
      // What it ended by there was not seen here: its word, and heard at a person's pace.
      const claimed = asked.ended !== undefined && this.#mayAnew(party) ? asked.ended : undefined;
      book.end(one.id, 'consumer_close', asked.reason ?? 'the other end closed it', { claimed });
    }
    return this.#answerOf(book.get(one.id) ?? one);
  }

  #proposed(party: Party, contract: EngagementContract, asked: EngagementQuestion): EngagementAnswer {
    const { book } = this;
    const current = book.current(party);
    if (current?.contractHash === book.hashOf(contract)) return this.#answerOf(current);
    if (!this.#mayAnew(party)) {
      return { code: 'agora.too_often', refused: `more than ${mostAnew} engagements were proposed within a minute` };
    }
    if (current !== undefined) book.end(current.id, 'contract_changed', 'another contract is in force since');
    const isFull = this.#isFull(party, contract);
    const made = this.propose(party, contract, { id: asked.id, reason: asked.reason ?? 'proposed' });
    const { id } = made;
    this.#told(id, defined({ contract: asked.contract }));
    if (isFull) book.end(id, 'rejected', refusals.full(party, contract).sentence);
    else this.#decide(id, contract);
    return this.#answerOf(book.get(id) ?? made);
  }

  #mayAnew({ account }: Party): boolean {
    return this.#anew.take(account, 1, mostAnew, anewWithinMs, this.#deps.clock.monotonic());
  }

  /** Accept it by the contract alone, or ask whom the contract names. */
  #decide(id: string, contract: EngagementContract): void {
    const one = this.book.get(id);
    if (one === undefined) return;
    if (isAlone(contract)) this.book.accept(id, acceptedAlone);
    else this.#askPerson(one);
  }

  #askPerson(one: Engagement): void {
    const row = this.#deps.approvals.ask({ kind: 'session', holder: holderOf(one), contract: one.contract });
    this.book.note(one.id, { approval: row.id });
    // It may have been said already, for a session of before.
    if (row.state === 'granted') this.#answered(row);
  }

  #answered(row: Approval): void {
    if (row.kind !== 'session' || this.#beginning) return;
    const one = this.book.list().find(({ approval, state }) => approval === row.id && state !== 'closed');
    if (one === undefined) return;
    const by = row.answeredBy ?? 'nobody';
    const said = row.reason === undefined ? '' : `: ${row.reason}`;
    if (row.state === 'granted') {
      this.book.accept(one.id, `accepted by ${by}${said}`, this.#deps.approvals.leftMs(row.holder));
    } else if (row.state === 'denied') {
      this.book.end(one.id, one.state === 'active' ? 'provider_close' : 'rejected', `refused by ${by}${said}`);
    } else if (row.state === 'expired') {
      const isOver = one.state === 'active';
      this.book.end(
        one.id,
        isOver ? 'max_duration_exceeded' : 'rejected',
        isOver ? 'its approval is over' : 'nobody answered in time, or nothing was said in time',
      );
    }
  }

  // What the other end has.

  /** Ask the host how it stands there, and follow. Never rejects. */
  async #refresh(id: string, mustBeKnown = false): Promise<void> {
    const one = this.book.get(id);
    if (one === undefined || one.end === 'host' || one.state === 'closed') return;
    try {
      const answer = await this.#deps.ask(one, { ask: 'state', id, contract: one.contractHash });
      this.follow(id, answer);
      const isUnknown = 'state' in answer && answer.state === 'unknown';
      if (isUnknown && (mustBeKnown || one.state === 'proposed')) this.#endQuietly(id, 'tunnel_failed', forgotten);
    } catch (error) {
      // Nobody there: its terms hold here all the same.
      this.#deps.log.info('engagement.not_asked', { engagement: id, code: toTunnelerError(error).code });
    }
  }

  /** All that this end has with others, asked at once; who does not answer soon is followed when it does. */
  async refresh(): Promise<void> {
    let timer: Disposable | undefined;
    const late = new Promise<void>((resolve) => (timer = this.#deps.clock.after(patienceMs, resolve)));
    await Promise.race([late, Promise.all(this.book.list().map(({ id }) => this.#refresh(id)))]);
    timer?.[Symbol.dispose]();
  }

  /** Bring this end to where the host says that it is. */
  follow(id: string, answer: EngagementAnswer): void {
    if ('refused' in answer) return;
    if (answer.state === 'unknown') return;
    this.#told(id, answer);
    const one = this.book.get(id);
    if (answer.state === 'closed') this.#endQuietly(id, answer.ended ?? 'provider_close', answer.reason);
    else if (one?.state === 'proposed' && (answer.state === 'accepting' || answer.state === 'active')) {
      this.book.accept(id, answer.reason, approvedForMs(one.contract, answer.approvedMs));
    }
  }

  /** The host still has what ended here. */
  async #tellEnd(one: Engagement): Promise<void> {
    try {
      const { id, reason, ended } = one;
      const said = endsToTell.find((word) => word === ended);
      await this.#deps.ask(one, { ask: 'close', id, reason, ...defined({ ended: said }) });
    } catch (error) {
      this.#deps.log.info('engagement.not_told', { engagement: one.id, code: toTunnelerError(error).code });
    }
  }

  /**
   * End one of this end; the other is told where it can be reached, else when it is met next. Rejects where the end could not be kept or
   * recorded yet; it is over all the same.
   */
  async close(id: string, reason: string): Promise<void> {
    const one = this.book.get(id);
    if (one === undefined) return;
    const unkept = this.#endQuietly(id, one.end === 'dial' ? 'consumer_close' : 'provider_close', reason);
    const over = this.book.get(id);
    if (over?.end === 'dial') await this.#tellEnd(over);
    if (unkept !== undefined) throw unkept;
  }

  /** At the host: a person lets the same two meet again, whatever ended before. The new one's id. */
  reopen(over: Engagement, contract: EngagementContract, reason: string | undefined): string {
    const current = this.book.current(over);
    if (current !== undefined) return current.id;
    const { id } = this.propose(over, contract, { reason: reason ?? 'opened anew by a person' });
    if (isAlone(contract)) this.book.accept(id, reason ?? 'opened anew by a person');
    else this.#decide(id, contract);
    return id;
  }

  [Symbol.dispose](): void {
    for (const one of this.#listening) one[Symbol.dispose]();
  }

  #told(id: string, { contract, by }: { readonly contract?: string; readonly by?: string }): void {
    this.book.note(id, defined({ contractHashThere: contract, counterparty: by }));
  }

  #answerOf(one: Engagement): EngagementAnswer {
    const { id, state, ended, reason, contractHash: contract, approvedMs, identity } = one;
    const by = this.#deps.controllerName(identity);
    return { id, state, reason: reason.slice(0, 1_000), contract, by, ...defined({ ended, approvedMs }) };
  }

  #unlessOpened(party: Party, contract: EngagementContract): EngagementRefusal | undefined {
    const isOpenThere = this.#isOpenThere(party);
    const last = this.book.latest(party);
    if (last !== undefined) {
      // The host's word opens anew what the host alone ended: never what this end saw used up, or a person closed here.
      const isUndone = isOpenThere && endedByHost.has(last.ended);
      const asks = !isUndone && asksForProposal(last, this.book.hashOf(contract));
      if (asks || this.book.isUsedUp(party, contract)) return refusals.over(party, last);
    }
    if (isOpenThere) return undefined;
    if (!isAlone(contract)) return refusals.unproposed(party, contract);
    return this.#isFull(party, contract) ? refusals.full(party, contract) : undefined;
  }

  /** At the dialling end: the host says that it has accepted one. */
  #isOpenThere(party: Party): boolean {
    const there = party.end === 'dial' ? this.#agreed.get(partyKey(party))?.words?.state : undefined;
    return there === 'accepting' || there === 'active';
  }

  #isFull({ end, serviceId }: Party, { maxSessions }: EngagementContract): boolean {
    return end === 'host' && maxSessions !== undefined && this.book.openCount(serviceId) >= maxSessions;
  }

  /** The other end knows, or is told by whoever asks for this. */
  #endQuietly(id: string, ended: EngagementEnd, reason: string): ReturnType<EngagementBook['end']> {
    this.#quiet.add(id);
    const unkept = this.book.end(id, ended, reason);
    this.#quiet.delete(id);
    return unkept;
  }

  #ended(one: Engagement): void {
    const { ended = 'provider_close', reason, approval } = one;
    if (approval !== undefined) this.#deps.approvals.withdraw(approval);
    const why: Reason = {
      code: 'session.engagement_over',
      sentence: `its engagement is over: ${reason}`,
      details: { engagement: one.id },
    };
    this.#deps
      .sessions()
      .closeWhere(
        ({ id }) => this.#sessions.get(id)?.engagement === one.id,
        sessionEnds[ended] ?? (ended as CloseReason),
        why,
      );
    if (one.end === 'dial' && !seenByBoth.has(ended) && !this.#quiet.has(one.id)) void this.#tellEnd(one);
  }

  #quarantined(subject: string): void {
    for (const one of this.book.list()) {
      if (one.state === 'closed') continue;
      const names = [`service:${one.service}`, `identity:${one.identity}`, `identity:${one.account}`];
      if ([...names, `identity:${one.counterparty ?? ''}`].includes(subject)) {
        this.book.end(one.id, 'quarantined', `${subject} is in quarantine`);
      }
    }
  }

  #partyOf({ direction: end, caller, identity, source, serviceId, service }: SessionFacts): Party {
    if (caller === undefined) return { end, account: this.#deps.accountOf(identity), identity, serviceId, service };
    return { end, account: caller.account, identity, counterparty: source, serviceId, service };
  }
}

/** Does the contract alone accept? */
function isAlone({ approval }: EngagementContract): boolean {
  return approval === undefined;
}

/** The holder of granted time that this party is. */
function holderOf({ end, account, identity, counterparty, serviceId, service }: Party): GrantHolder {
  return { end, account, identity: end === 'host' ? (counterparty ?? account) : identity, serviceId, service };
}

/** Of a dialling end. */
function partyOfHolder({ end, account, identity, serviceId, service }: GrantHolder): Party {
  return { end, account, identity, serviceId, service };
}

/** The overlay's end was reset and no more is known. */
function wasCutThere({ direction, closeReason, closeWhy }: SessionSnapshot): boolean {
  return direction === 'dial' && closeReason === 'provider_close' && closeWhy?.code === 'ziti.stream.reset';
}
