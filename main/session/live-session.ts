/**
 * One admitted flow at work: the state a session has while it lives, and the pump between its two ends.
 *
 * The pump allocates nothing for a chunk and makes no promise: each end's sink writes to the other end, and pauses its own source where
 * that write asks to wait. A guard, where one is set, is asked for each chunk what goes on instead.
 */
import type { Clock } from '../base/clock.ts';
import { TunnelerError } from '../base/errors.ts';
import type { Reason, CloseReason } from '../base/reason.ts';
import type { ByteStream } from '../base/stream.ts';
import type { Guard, GuardCall, GuardEffect } from '../guard/guard.ts';
import { holdsBytes, holdsEnd } from './guard-holds.ts';
import { endingOf, type End, type Ending } from './close-reason.ts';
import { EndSink } from './end-sink.ts';
import { grantedMs, limitStateOf, type CompiledContract, type LimitState } from './limits.ts';
import { SessionRow } from './session-row.ts';
import { Timeline, withoutLargeArguments } from './timeline.ts';
import type {
  FarEnd,
  SessionFacts,
  SessionGrant,
  SessionMoment,
  SessionSnapshot,
  SessionState,
  SessionTap,
  SharedBytes,
} from './sessions.ts';

/** What was permitted has this long to arrive before both ends are reset: a round trip, for a reset may overtake it. */
const deliveryMs = 200;
/** So far ahead may the host's end of a session be: a round trip and then some. */
const hostAheadMs = 500;
/** An end that does not take what it was sent is looked at this often before it is reset. */
const deliveryLooks = 50;

/** What a live session tells its keeper. */
export interface SessionObserver {
  readonly clock: Clock;
  /** Both ends are cut or closing; record and tell it. Once. */
  settled(session: LiveSession): void;
  /** Its sockets are gone as well. Once, after `settled`. */
  gone(session: LiveSession): void;
  called(session: LiveSession, call: GuardCall): void;
  /** Returns how the session must end for it, or undefined where it goes on. */
  violated(session: LiveSession, reason: Reason, lost: boolean): Ending | undefined;
  /** The service said what a guard withheld. */
  faulted(session: LiveSession, reason: Reason): void;
  /** A guard told of what somebody should know before it is too late. */
  warned(session: LiveSession, reason: Reason): void;
}

/** What a live session holds as its own: the identity may get another name while it lives. */
export type OwnFacts = Omit<SessionFacts, 'identity'> & { identity: string };

const noEnds: readonly End[] = [];

/** One session at work; owns both streams until it ends. */
export class LiveSession {
  readonly id: string;
  readonly facts: OwnFacts;
  readonly startedAtMs: number;
  endedAtMs: number | undefined;
  state: SessionState = 'open';
  closeReason: CloseReason | undefined;
  closeWhy: Reason | undefined;
  bytesSent = 0;
  bytesReceived = 0;
  calls = 0;
  denied = 0;
  observed = 0;
  /** Undefined where nothing is known of the other end. */
  farEnd: FarEnd | undefined;
  readonly #terms: CompiledContract | undefined;
  readonly #keeper: SessionObserver;
  readonly #guard: Guard | undefined;
  readonly #grants: readonly SessionGrant[];
  readonly #tap: SessionTap | undefined;
  readonly #shared: SharedBytes | undefined;
  readonly #consumer: EndSink;
  readonly #provider: EndSink;
  readonly #startedMonotonicMs: number;
  #lastActivityMonotonicMs: number;
  #visible = true;
  /** They have ended, and the other end is told once the guard holds nothing of them any more. */
  #endsWaiting: readonly End[] = noEnds;
  #firstEnd: Ending | undefined;
  readonly #timeline: Timeline;
  #timer: Disposable | undefined;
  #looksLeft = deliveryLooks;
  #broken: End | undefined;
  readonly #reckon = (): SessionSnapshot['remaining'] => this.#remaining();

  constructor(
    id: string,
    facts: OwnFacts,
    ends: { readonly consumer: ByteStream; readonly provider: ByteStream },
    parts: {
      readonly keeper: SessionObserver;
      readonly terms: CompiledContract | undefined;
      readonly guard: Guard | undefined;
      readonly grants: readonly SessionGrant[];
      readonly farEnd: FarEnd | undefined;
      readonly tap?: SessionTap | undefined;
      readonly shared?: SharedBytes | undefined;
    },
  ) {
    this.id = id;
    this.facts = facts;
    this.#keeper = parts.keeper;
    this.#terms = parts.terms;
    this.#guard = parts.guard;
    this.#grants = parts.grants;
    this.farEnd = parts.farEnd;
    this.#tap = parts.tap;
    this.#shared = parts.shared;
    this.#consumer = new EndSink(this, 'consumer', ends.consumer);
    this.#provider = new EndSink(this, 'provider', ends.provider);
    this.startedAtMs = parts.keeper.clock.now();
    this.#startedMonotonicMs = parts.keeper.clock.monotonic();
    this.#guard?.onWake?.(() => this.#woken());
    this.#lastActivityMonotonicMs = this.#startedMonotonicMs;
    this.#timeline = new Timeline([
      { atMs: this.startedAtMs, kind: 'admitted', said: facts.decision },
      { atMs: this.startedAtMs, kind: 'opened', said: openedOver(facts) },
    ]);
  }

  /** Begin to pump. Once, after the opening was recorded. */
  start(): void {
    this.#provider.stream.start(this.#provider);
    if (this.state === 'open') this.#consumer.stream.start(this.#consumer);
    if (this.state === 'open') this.#watchLimits();
  }

  get guardState(): SessionSnapshot['guard'] {
    if (this.#guard === undefined) return 'none';
    return this.#visible ? this.#guard.kind : 'not-visible';
  }

  get guardedAt(): SessionSnapshot['guardedAt'] {
    const here = this.facts.direction;
    const there = this.farEnd?.guarded === true;
    return (['dial', 'host'] as const).filter((end) => (end === here ? this.#guard !== undefined : there));
  }

  /** Bytes came from one end: count, judge, pass on. Called once a chunk. */
  arrived(from: End, chunk: Uint8Array): void {
    if (this.state !== 'open') return;
    this.#lastActivityMonotonicMs = this.#keeper.clock.monotonic();
    if (this.#guard === undefined) {
      if (!this.#deliver(from === 'consumer' ? this.#provider : this.#consumer, chunk)) this.#end(from).hold();
      return;
    }
    const nowMs = this.#keeper.clock.now();
    this.#apply(from, from === 'consumer' ? this.#guard.fromApp(chunk, nowMs) : this.#guard.fromService(chunk, nowMs));
    if (holdsBytes(this.#guard, from)) this.#end(from).hold();
  }

  /** The guard goes on with what it held. */
  #woken(): void {
    if (this.state !== 'open') return;
    this.#apply('consumer', this.#guard?.proceed?.(this.#keeper.clock.now()) ?? []);
    if (!this.#isOpen()) return;
    const isBlocked = this.#provider.blocked || this.#consumer.blocked;
    for (const end of ['consumer', 'provider'] as const) {
      if (!isBlocked && !holdsBytes(this.#guard, end)) this.#end(end).release();
      if (!this.#endsWaiting.includes(end) || holdsEnd(this.#guard, end)) continue;
      this.#endsWaiting = this.#endsWaiting.filter((one) => one !== end);
      this.#other(end).finish();
    }
  }

  /** One end will send no more. */
  ended(from: End): void {
    if (this.state !== 'open') return;
    this.#firstEnd ??= endingOf(from, this.#overlay(), undefined);
    if (this.#guard !== undefined) {
      const nowMs = this.#keeper.clock.now();
      this.#apply(from, from === 'consumer' ? this.#guard.appEnded(nowMs) : this.#guard.serviceEnded(nowMs));
      if (!this.#isOpen()) return;
    }
    this.note(
      'half-closed',
      from === 'consumer'
        ? { code: 'session.consumer_ended', sentence: 'the application will send no more' }
        : { code: 'session.provider_ended', sentence: 'the service will send no more' },
    );
    if (holdsEnd(this.#guard, from)) this.#endsWaiting = [...this.#endsWaiting, from];
    else this.#other(from).finish();
  }

  /** One end can take more again: whoever waited for it goes on. */
  drained(end: End): void {
    if (this.state !== 'open') return;
    this.#lastActivityMonotonicMs = this.#keeper.clock.monotonic();
    const other = this.#other(end);
    if (!holdsBytes(this.#guard, other.side)) other.release();
    // Only a guard's own answers make an end wait for itself.
    if (!other.blocked && !holdsBytes(this.#guard, end)) this.#end(end).release();
  }

  /** One end is over, and why is still being asked: the other end goes now, and the session is over when it is known. */
  broken(end: End): void {
    if (this.state !== 'open') return;
    this.#broken = end;
    this.#other(end).stream.reset(new TunnelerError('base.closed', 'the other end is gone'));
  }

  /** One end is over altogether. */
  over(end: End, error: TunnelerError | undefined): void {
    if (this.state === 'open' && (this.#broken === undefined || this.#broken === end)) {
      const other = this.#other(end);
      if (error !== undefined) {
        const ending = this.#endingOver(end, error);
        this.cut(ending, error);
        this.#breached(ending);
      } else if (other.over) {
        this.#settle(this.#firstEnd ?? endingOf(end, this.#overlay(), undefined));
      } else if (!other.finished && !(end === 'provider' && this.#endsWaiting.includes(end))) {
        // It went without a word of its end: an orderly end for datagrams, a cut for a stream.
        this.#firstEnd ??= endingOf(end, this.#overlay(), undefined);
        if (other.stream.kind === 'datagram') other.finish();
        else this.cut(this.#firstEnd, undefined);
      }
    }
    if (this.#consumer.over && this.#provider.over) this.#gone();
  }

  /** Reset both ends now. False where it was over already; what still lingers is reset all the same. */
  cut(ending: Ending, error: TunnelerError | undefined): boolean {
    const wasOpen = this.state === 'open';
    if (wasOpen) this.#markClosed(ending);
    const cause = error ?? causeOf(ending);
    this.#consumer.stream.reset(cause);
    this.#provider.stream.reset(cause);
    if (wasOpen) this.#told();
    return wasOpen;
  }

  note(kind: SessionMoment['kind'], said: SessionMoment['said'], call?: GuardCall): void {
    const atMs = this.#keeper.clock.now();
    this.#timeline.add(call === undefined ? { atMs, kind, said } : { atMs, kind, said, call });
  }

  snapshot(): SessionSnapshot {
    // The row of a closed session is kept for long, and must not hold on to all this.
    if (this.state === 'closed') {
      return new SessionRow(this, always(this.#timeline.taken()()), always(this.#remaining()));
    }
    return new SessionRow(this, this.#timeline.taken(), this.#reckon);
  }

  /** Write to an end as much as the contract still lets through; false where the source should wait. */
  #deliver(to: EndSink, bytes: Uint8Array): boolean {
    const limit = this.#terms?.contract.maxBytes;
    const own = limit === undefined ? Infinity : limit - this.bytesSent - this.bytesReceived;
    const left = this.#shared === undefined ? own : Math.min(own, this.#shared.leftBytes());
    const part = bytes.length <= left ? bytes : bytes.subarray(0, left);
    if (to.side === 'provider') this.bytesSent += part.length;
    else this.bytesReceived += part.length;
    this.#shared?.moved(part.length);
    if (this.#tap !== undefined && part.length > 0) this.#tap.passed(to.side, part, this.#keeper.clock.now());
    // An empty datagram is one all the same; what is empty because the limit is reached is none.
    const goOn = (part.length === 0 && bytes.length > 0) || to.write(part);
    if (limit !== undefined && part !== bytes && this.#isOpen()) {
      const ending = this.#bytesUsed(limit);
      this.#cutDelivered(ending, 'both');
      this.#breached(ending);
      return true;
    }
    return goOn;
  }

  /** A limit of bytes ends the session whatever else follows; what follows is as for any other breach of the contract. */
  #breached({ reason, why }: Ending): void {
    const { onViolation } = this.#terms?.contract ?? {};
    if (reason !== 'max_bytes_exceeded' || why === undefined) return;
    if (onViolation === 'alert' || onViolation === 'quarantine') this.#keeper.violated(this, why, true);
  }

  #apply(from: End, effects: readonly GuardEffect[]): void {
    for (const effect of effects) {
      if (!this.#isOpen()) return;
      switch (effect.kind) {
        case 'to-service':
          if (!this.#deliver(this.#provider, effect.bytes)) this.#end(from).hold();
          break;
        case 'to-app':
          // An answer the guard gave itself: the asker waits where it does not read.
          if (!this.#deliver(this.#consumer, effect.bytes)) {
            if (from === 'consumer') this.#consumer.holdUntilItReads();
            this.#provider.hold();
          }
          break;
        case 'call':
          this.#call(effect.call);
          break;
        case 'not-visible':
          this.#visible = false;
          this.note('alert', { code: 'session.not_readable', sentence: 'what flows cannot be read here' });
          break;
        case 'service-fault':
          this.note('alert', effect.reason);
          this.#keeper.faulted(this, effect.reason);
          if (effect.lost) this.#cutDelivered({ reason: 'provider_close', why: effect.reason }, 'consumer');
          break;
        case 'warning':
          this.#warned(effect.reason);
          break;
        case 'end':
          this.#cutDelivered({ reason: 'provider_close', why: effect.reason }, 'consumer', true);
          break;
        case 'violation': {
          this.note('violation', effect.reason);
          const ending = this.#keeper.violated(this, effect.reason, effect.lost);
          if (ending?.reason === 'quarantined') this.cut(ending, undefined);
          else if (ending !== undefined) this.#cutDelivered(ending, 'consumer');
          break;
        }
      }
    }
  }

  /**
   * Closed from now on, but what was passed on before still gets to `whom`; then both ends are reset. An orderly end would pass a stream that
   * was cut off for a complete one; where it is complete (`orderly`), a reset would take back what was not read yet.
   */
  #cutDelivered(ending: Ending, whom: 'both' | 'consumer', orderly = false): void {
    if (this.state !== 'open') return;
    this.#markClosed(ending);
    if (orderly) this.#consumer.finish();
    else this.#consumer.hold();
    this.#provider.hold();
    if (whom === 'consumer') this.#provider.stream.reset(causeOf(ending));
    this.#awaitDelivery(ending, orderly);
    this.#told();
  }

  #awaitDelivery(ending: Ending, orderly = false): void {
    this.#timer = this.#keeper.clock.after(deliveryMs, () => {
      this.#looksLeft -= 1;
      const isReading = this.#consumer.blocked || (orderly && !this.#consumer.over);
      if (this.#looksLeft > 0 && (isReading || this.#provider.blocked)) return this.#awaitDelivery(ending, orderly);
      this.#consumer.stream.reset(causeOf(ending));
      this.#provider.stream.reset(causeOf(ending));
    });
  }

  #settle(ending: Ending): void {
    this.#markClosed(ending);
    this.#told();
  }

  /** The calls a guard still held open are over too; then the keeper hears of the end. */
  #told(): void {
    const nowMs = this.#keeper.clock.now();
    this.#guard?.abandon?.();
    const effects = [...(this.#guard?.appEnded(nowMs) ?? []), ...(this.#guard?.serviceEnded(nowMs) ?? [])];
    for (const effect of effects) {
      if (effect.kind === 'call') this.#call(effect.call);
      if (effect.kind === 'warning') this.#warned(effect.reason);
    }
    this.#tap?.closed(nowMs);
    this.#keeper.settled(this);
  }

  #warned(reason: Reason): void {
    this.note('alert', reason);
    this.#keeper.warned(this, reason);
  }

  #call(call: GuardCall): void {
    this.calls += 1;
    if (call.decision === 'deny') this.denied += 1;
    else if (call.observed !== undefined) this.observed += 1;
    this.note('call', { sentence: `${call.method} ${call.target}` }, withoutLargeArguments(call));
    this.#tap?.called(call);
    this.#keeper.called(this, call);
  }

  #markClosed(ending: Ending): void {
    this.state = 'closed';
    this.closeReason = ending.reason;
    this.closeWhy = ending.why;
    this.endedAtMs = this.#keeper.clock.now();
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    const more = ending.why === undefined ? '' : `: ${ending.why.sentence}`;
    this.note('closed', { ...ending.why, sentence: `${ending.reason}${more}` });
  }

  #gone(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#keeper.gone(this);
  }

  #watchLimits(): void {
    const limit = this.#limit(0);
    if (limit.kind === 'due') this.cut({ reason: limit.reason, why: limit.why }, undefined);
    if (limit.kind === 'wait') this.#timer = this.#keeper.clock.after(limit.waitMs, () => this.#watchLimits());
  }

  /** What time says of it, `aheadMs` from now. */
  #limit(aheadMs: number): LimitState {
    const { clock } = this.#keeper;
    const times = {
      startedAtMs: this.startedAtMs,
      startedMonotonicMs: this.#startedMonotonicMs,
      lastActivityMonotonicMs: this.#lastActivityMonotonicMs,
    };
    const [nowMs, monotonicMs] = [clock.now() + aheadMs, clock.monotonic() + aheadMs];
    return limitStateOf(this.#terms, this.facts.protocol, times, nowMs, monotonicMs, this.#grants, aheadMs);
  }

  /**
   * Another end that is Culvert counts what the contract counts: what ends there just before it would have ended here ended by the
   * contract.
   */
  #endingOver(end: End, error: TunnelerError | undefined): Ending {
    const ending = endingOf(end, this.#overlay(), error);
    if (end !== this.#overlay() || this.farEnd === undefined || this.#terms === undefined) return ending;
    if (!['provider_close', 'consumer_close', 'tunnel_failed'].includes(ending.reason)) return ending;
    const { maxBytes } = this.#terms.contract;
    if (maxBytes !== undefined && this.bytesSent + this.bytesReceived >= maxBytes) return this.#bytesUsed(maxBytes);
    const limit = this.#limit(hostAheadMs);
    return limit.kind === 'due' ? { reason: limit.reason, why: limit.why } : ending;
  }

  #bytesUsed(bytes: number): Ending {
    const sentence = `the contract's ${bytes} bytes are used`;
    return { reason: 'max_bytes_exceeded', why: { code: 'session.bytes_used', sentence, details: { bytes } } };
  }

  /** What the host granted, as it said when it let the session in. */
  #leftThereMs(): number {
    const seconds = this.farEnd?.leftSeconds;
    if (seconds === undefined) return Infinity;
    const leftMs = seconds * 1000 - (this.#keeper.clock.monotonic() - this.#startedMonotonicMs);
    // It goes on beyond that: the host gave more meanwhile, and nobody here knows how much.
    return leftMs > 0 ? leftMs : Infinity;
  }

  #remaining(): SessionSnapshot['remaining'] {
    const contract = this.#terms?.contract;
    if (contract === undefined && this.#grants.length === 0) return {};
    const { clock } = this.#keeper;
    const times = { startedAtMs: this.startedAtMs, startedMonotonicMs: this.#startedMonotonicMs };
    const open = this.state === 'open';
    const hereMs = open ? grantedMs(this.#terms, times, clock.now(), clock.monotonic(), this.#grants) : undefined;
    const leftMs = Math.min(hereMs ?? Infinity, open ? this.#leftThereMs() : Infinity);
    const maxCalls = contract?.mcp?.maxCalls;
    const maxBytes = contract?.maxBytes;
    return {
      ...(leftMs === Infinity ? {} : { seconds: Math.ceil(leftMs / 1000) }),
      ...(maxBytes === undefined ? {} : { bytes: maxBytes - this.bytesSent - this.bytesReceived }),
      ...(maxCalls === undefined ? {} : { calls: Math.max(0, maxCalls - (this.calls - this.denied)) }),
    };
  }

  #overlay(): End {
    return this.facts.direction === 'dial' ? 'provider' : 'consumer';
  }

  #end(end: End): EndSink {
    return end === 'consumer' ? this.#consumer : this.#provider;
  }

  #other(end: End): EndSink {
    return end === 'consumer' ? this.#provider : this.#consumer;
  }

  /** Read anew where a callback may have closed it meanwhile; the compiler would take the older answer. */
  #isOpen(): boolean {
    return this.state === 'open';
  }
}

function openedOver({ destination, service }: SessionFacts): Reason {
  return { code: 'session.opened', sentence: `${destination} over ${service}`, details: { destination, service } };
}

function causeOf({ reason, why }: Ending): TunnelerError {
  return new TunnelerError('base.closed', why?.sentence ?? `session closed: ${reason}`);
}

function always<T>(value: T): () => T {
  return () => value;
}
