/** Keeps every session: opens, lists, cuts, remembers the lately closed, and writes each fact to the audit before it is told. */
import type { AuditWriter } from '../audit/record.ts';
import type { Clock } from '../base/clock.ts';
import { Emitter } from '../base/emitter.ts';
import type { EngagementContract } from '../base/engagement.ts';
import { toTunnelerError, TunnelerError } from '../base/errors.ts';
import { disposable } from '../base/lifecycle.ts';
import type { Log } from '../base/log.ts';
import type { Reason } from '../base/reason.ts';
import { inTurn } from '../guard/in-turn.ts';
import type { Guard } from '../guard/guard.ts';
import { callRecord, closedRecord, faultRecord, openedRecord, violationRecord } from './audit-records.ts';
import type { Ending } from './close-reason.ts';
import { ClosedRows } from './closed-rows.ts';
import { termsOf, type CompiledContract } from './limits.ts';
import { LiveSession, type SessionObserver } from './live-session.ts';
import type { SessionEvent, SessionFacts, Sessions, SessionSnapshot, SessionTap, SharedBytes } from './sessions.ts';

/** What sessions are written to, guarded and watched by. */
export interface SessionsDeps {
  readonly clock: Clock;
  readonly audit: AuditWriter;
  readonly log: Log;
  /** The guard a session's contract asks for; undefined where it asks for none. `contract` is the frozen snapshot. */
  guard(contract: EngagementContract, facts: SessionFacts, id: string): Guard | undefined;
  /** What sees the session's bytes and calls, where its contract asks for that. Throws where it cannot: the session is refused. */
  tap?(contract: EngagementContract, facts: SessionFacts, id: string): SessionTap | undefined;
  /** What the session's bytes are counted against beside its own limit; undefined: nothing. */
  shared?(contract: EngagementContract, facts: SessionFacts, id: string): SharedBytes | undefined;
  /** Default: random. */
  newId?(): string;
}

/** Make the room's door. Disposing it cuts every session. */
export function createSessions(deps: SessionsDeps): Sessions {
  const { clock, audit, log } = deps;
  const live = new Map<string, LiveSession>();
  /** Closed by contract, their last bytes still on the way. */
  const lingering = new Set<LiveSession>();
  const rows = new ClosedRows(clock);
  const events = new Emitter<SessionEvent>((error) => log.error('session.listener_failed', { error: String(error) }));
  const termsByContract = new WeakMap<EngagementContract, CompiledContract>();
  const openByService = new Map<string, number>();
  const newId = deps.newId ?? randomId;
  let total = 0;
  let held = 0;
  let batch: LiveSession[] | undefined;

  const keeper: SessionObserver = {
    clock,
    settled(session) {
      live.delete(session.id);
      lingering.add(session);
      count(placeOf(session.facts.serviceId, session.facts.direction), -1);
      if (batch === undefined) tellClosed(session);
      else batch.push(session);
    },
    gone(session) {
      lingering.delete(session);
    },
    called(session, call) {
      recordOrCut(session, callRecord(session, call));
      events.emit({ kind: 'called', session: session.snapshot(), call });
    },
    faulted(session, reason) {
      recordOrCut(session, faultRecord(session, reason));
    },
    warned(session, reason) {
      events.emit({ kind: 'warned', session: session.snapshot(), reason });
    },
    violated(session, reason, lost) {
      const ending = endingOfViolation(session.facts.contract, reason, lost);
      recordOrCut(session, violationRecord(session, reason, ending));
      events.emit({ kind: 'violated', session: session.snapshot(), reason });
      return ending;
    },
  };

  function tellClosed(session: LiveSession): void {
    const snapshot = session.snapshot();
    rows.add(snapshot);
    // It is closed: there is nothing left to refuse. The journal itself counts the gap.
    audit.recordOrLog(closedRecord(session));
    events.emit({ kind: 'closed', session: snapshot });
  }

  /** What cannot be recorded must not go on (fails closed, as the journal is set). */
  function recordOrCut(session: LiveSession, record: Parameters<AuditWriter['record']>[0]): void {
    try {
      audit.record(record);
    } catch (error) {
      const failure = toTunnelerError(error, 'audit.write_failed');
      log.error('session.not_recorded', { session: session.id, code: failure.code });
      const sentence = `not recorded: ${failure.message}`;
      session.cut({ reason: 'tunnel_failed', why: { code: failure.code, sentence } }, failure);
    }
  }

  function count(place: string, change: number): void {
    const next = (openByService.get(place) ?? 0) + change;
    if (next === 0) openByService.delete(place);
    else openByService.set(place, next);
  }

  function terms(contract: EngagementContract | undefined): CompiledContract | undefined {
    if (contract === undefined) return undefined;
    const known = Object.isFrozen(contract) ? termsByContract.get(contract) : undefined;
    if (known !== undefined) return known;
    const made = termsOf(contract);
    termsByContract.set(contract, made);
    return made;
  }

  return {
    open(asked, consumer, provider, parts = {}) {
      const refuse = (error: TunnelerError): never => {
        consumer.reset(error);
        provider.reset(error);
        throw error;
      };
      const own = terms(asked.contract);
      // The session's own copy, its guard's too: both see a new name of the identity.
      const facts = own === undefined ? { ...asked } : { ...asked, contract: own.contract };
      const most = own?.contract.maxSessions;
      if (most !== undefined && (openByService.get(placeOf(facts.serviceId, facts.direction)) ?? 0) >= most) {
        refuse(new TunnelerError('session.limit', `${facts.service} has its ${most} sessions already`));
      }
      const id = newId();
      const held = own === undefined ? undefined : deps.guard(own.contract, facts, id);
      const guard = inTurn(held, parts.guard);
      let tap: SessionTap | undefined;
      try {
        tap = own === undefined ? undefined : deps.tap?.(own.contract, facts, id);
      } catch (error) {
        refuse(toTunnelerError(error, 'recording.failed'));
      }
      const { grants = [], farEnd } = parts;
      const ends = { consumer, provider };
      const shared = own === undefined ? undefined : deps.shared?.(own.contract, facts, id);
      const session = new LiveSession(id, facts, ends, { keeper, terms: own, guard, tap, grants, farEnd, shared });
      try {
        audit.record(openedRecord(session));
      } catch (error) {
        tap?.closed(clock.now());
        refuse(toTunnelerError(error, 'audit.write_failed'));
      }
      live.set(id, session);
      count(placeOf(facts.serviceId, facts.direction), 1);
      total += 1;
      events.emit({ kind: 'opened', session: session.snapshot() });
      session.start();
      return id;
    },

    met(id, farEnd) {
      const session = live.get(id);
      if (session === undefined) return;
      session.farEnd = farEnd;
      events.emit({ kind: 'met', session: session.snapshot() });
    },

    reserve(serviceId) {
      const place = placeOf(serviceId, 'dial');
      count(place, 1);
      held += 1;
      return disposable(() => {
        count(place, -1);
        held -= 1;
      });
    },

    list: () => [...rows.list(), ...[...live.values()].map((session) => session.snapshot())].sort(byStart),
    get: (id) => live.get(id)?.snapshot() ?? rows.get(id),

    close(id, reason, why) {
      return live.get(id)?.cut({ reason, why }, undefined) ?? false;
    },

    closeWhere(matches, reason, why) {
      // First every socket, then the records: the last session must not wait for the journal of the first.
      const outer = batch;
      const cut: LiveSession[] = [];
      batch = cut;
      const error = new TunnelerError('base.closed', why?.sentence ?? `session closed: ${reason}`);
      try {
        for (const session of [...live.values(), ...lingering]) {
          if (matches(session.snapshot())) session.cut({ reason, why }, error);
        }
      } finally {
        batch = outer;
      }
      cut.forEach(tellClosed);
      return cut.map((session) => session.id);
    },

    renameIdentity(identity, to) {
      for (const session of [...live.values(), ...lingering]) {
        if (session.facts.identity !== identity) continue;
        session.facts.identity = to;
        if (live.has(session.id)) events.emit({ kind: 'renamed', session: session.snapshot() });
      }
    },

    openCount: (serviceId, direction = 'dial') =>
      serviceId === undefined ? live.size + held : (openByService.get(placeOf(serviceId, direction)) ?? 0),
    openAgents() {
      const counts = new Map<string, number>();
      for (const { facts } of live.values()) {
        if (facts.app.agent !== undefined) counts.set(facts.app.agent, (counts.get(facts.app.agent) ?? 0) + 1);
      }
      return counts;
    },
    total: () => total,
    subscribe: (listener) => events.subscribe(listener),

    [Symbol.asyncDispose]() {
      this.closeWhere(() => true, 'tunnel_failed', { code: 'session.stopped', sentence: 'the tunneler stopped' });
      return Promise.resolve();
    },
  };
}

function endingOfViolation(
  contract: EngagementContract | undefined,
  reason: Reason,
  lost: boolean,
): Ending | undefined {
  const action = contract?.onViolation ?? 'close';
  if (action === 'quarantine') return { reason: 'quarantined', why: reason };
  if (action === 'alert' && !lost) return undefined;
  return { reason: 'contract_violation', why: reason };
}

/** A service that this engine both dials and hosts is counted at each end by itself. */
function placeOf(serviceId: string, direction: SessionFacts['direction']): string {
  return `${direction}|${serviceId}`;
}

function byStart(left: SessionSnapshot, right: SessionSnapshot): number {
  return left.startedAtMs - right.startedAtMs;
}

/** 80 random bits: ids are shown and typed, and never guessed to gain anything. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(10));
  return `ses_${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}
