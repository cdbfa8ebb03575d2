/**
 * One session as others see it: a copy of what it was at one moment. Made by the thousand where something is cut off, so its fields are
 * set one by one (a spread of this many is a hundred times slower), and what is left of the contract is reckoned when first asked for.
 */
import type { SessionFacts, SessionMoment, SessionSnapshot } from './sessions.ts';

/** A session at work, as far as its copy looks at it. */
export interface RowSource {
  readonly facts: SessionFacts;
  readonly id: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number | undefined;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly state: SessionSnapshot['state'];
  readonly closeReason: SessionSnapshot['closeReason'];
  readonly closeWhy: SessionSnapshot['closeWhy'];
  readonly guardState: SessionSnapshot['guard'];
  readonly guardedAt: SessionSnapshot['guardedAt'];
  readonly calls: number;
  readonly denied: number;
  readonly observed: number;
}

/** A copy that never changes. */
export class SessionRow implements SessionSnapshot {
  readonly id: string;
  readonly service: string;
  readonly serviceId: string;
  readonly identity: string;
  readonly direction: SessionFacts['direction'];
  readonly entry: SessionFacts['entry'];
  readonly app: SessionFacts['app'];
  readonly protocol: SessionFacts['protocol'];
  readonly source: string;
  readonly destination: string;
  readonly encrypted: boolean;
  readonly router: string | undefined;
  readonly decision: SessionFacts['decision'];
  readonly contract: SessionFacts['contract'];
  readonly caller?: NonNullable<SessionFacts['caller']>;
  readonly startedAtMs: number;
  readonly endedAtMs: number | undefined;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly state: SessionSnapshot['state'];
  readonly closeReason: SessionSnapshot['closeReason'];
  readonly closeWhy: SessionSnapshot['closeWhy'];
  readonly guard: SessionSnapshot['guard'];
  readonly guardedAt: SessionSnapshot['guardedAt'];
  readonly calls: number;
  readonly denied: number;
  readonly observed: number;
  readonly #timeline: () => readonly SessionMoment[];
  #moments: readonly SessionMoment[] | undefined;
  readonly #remaining: () => SessionSnapshot['remaining'];
  #reckoned: SessionSnapshot['remaining'] | undefined;

  constructor(
    session: RowSource,
    timeline: () => readonly SessionMoment[],
    remaining: () => SessionSnapshot['remaining'],
  ) {
    const { facts } = session;
    this.id = session.id;
    this.service = facts.service;
    this.serviceId = facts.serviceId;
    this.identity = facts.identity;
    this.direction = facts.direction;
    this.entry = facts.entry;
    this.app = facts.app;
    this.protocol = facts.protocol;
    this.source = facts.source;
    this.destination = facts.destination;
    this.encrypted = facts.encrypted;
    this.router = facts.router;
    this.decision = facts.decision;
    this.contract = facts.contract;
    if (facts.caller !== undefined) this.caller = facts.caller;
    this.startedAtMs = session.startedAtMs;
    this.endedAtMs = session.endedAtMs;
    this.bytesSent = session.bytesSent;
    this.bytesReceived = session.bytesReceived;
    this.state = session.state;
    this.closeReason = session.closeReason;
    this.closeWhy = session.closeWhy;
    this.guard = session.guardState;
    this.guardedAt = session.guardedAt;
    this.calls = session.calls;
    this.denied = session.denied;
    this.observed = session.observed;
    this.#timeline = timeline;
    this.#remaining = remaining;
  }

  get timeline(): readonly SessionMoment[] {
    this.#moments ??= this.#timeline();
    return this.#moments;
  }

  get remaining(): SessionSnapshot['remaining'] {
    this.#reckoned ??= this.#remaining();
    return this.#reckoned;
  }
}
