/** Audit records of a session's life. Facts only: never a payload, and arguments only where the contract asks for them. */
import type { AuditEvent } from '../audit/record.ts';
import { defined } from '../base/defined.ts';
import type { Reason } from '../base/reason.ts';
import type { GuardCall } from '../guard/guard.ts';
import type { Ending } from './close-reason.ts';
import type { LiveSession } from './live-session.ts';

/** The record of an opening, written before the first byte flows. */
export function openedRecord(session: LiveSession): AuditEvent {
  const { facts } = session;
  return {
    kind: 'session.opened',
    ...common(session),
    direction: facts.direction,
    protocol: facts.protocol,
    source: facts.source,
    destination: facts.destination,
    encrypted: facts.encrypted,
    router: facts.router ?? null,
    guard: session.guardState,
    guardedAt: session.guardedAt,
    ...defined({ callerAsserted: facts.caller?.asserted }),
    decision: 'allow',
    code: facts.decision.code,
    reason: facts.decision.sentence,
    rule: facts.decision.rule ?? null,
    ...(facts.contract?.enforce === 'observe' ? { enforce: 'observe' } : {}),
    contract: facts.contract ?? null,
    attribution: facts.app.attribution,
    pid: facts.app.pid ?? null,
  };
}

/** The record of an end, with what flowed until then. */
export function closedRecord(session: LiveSession): AuditEvent {
  return {
    kind: 'session.closed',
    ...common(session),
    reason: session.closeReason ?? null,
    detail: session.closeWhy?.sentence ?? null,
    bytesSent: session.bytesSent,
    bytesReceived: session.bytesReceived,
    durationMs: (session.endedAtMs ?? session.startedAtMs) - session.startedAtMs,
    calls: session.calls,
    denied: session.denied,
    ...(session.observed === 0 ? {} : { observed: session.observed }),
  };
}

/**
 * The record of one call that a guard judged. Made for each of thousands a second, so its fields are set one by one; what is undefined the
 * journal leaves out.
 */
export function callRecord(session: LiveSession, call: GuardCall): AuditEvent {
  const { facts } = session;
  const { app } = facts;
  return {
    kind: 'call',
    session: session.id,
    service: facts.service,
    identity: facts.identity,
    agent: app.agent ?? null,
    app: app.script ?? app.path ?? null,
    user: app.user ?? null,
    // On the hosting side nobody knows the program; who called is the calling identity.
    caller: facts.direction === 'host' ? facts.source : undefined,
    protocol: call.protocol,
    method: call.method,
    tool: call.target,
    target: call.target,
    end: facts.direction,
    decision: call.decision,
    rule: call.rule ?? null,
    observed: call.observed,
    digest: call.digest ?? null,
    durationMs: call.durationMs ?? null,
    failed: call.failed ?? null,
    startedAtMs: call.startedAtMs,
    reason: call.reason,
    arguments: call.arguments,
    data: call.data,
    model: call.model,
    modelKey: call.modelKey,
    tokensIn: call.tokens?.input,
    tokensOut: call.tokens?.output,
    cost: call.cost?.amount,
    currency: call.cost?.currency,
  };
}

/** The record of a violation, and of what followed from it. */
export function violationRecord(session: LiveSession, reason: Reason, ending: Ending | undefined): AuditEvent {
  return {
    kind: 'violation',
    ...common(session),
    decision: 'deny',
    code: reason.code,
    reason: reason.sentence,
    rule: reason.rule ?? null,
    action: ending?.reason ?? 'alert',
  };
}

/** The service's own fault, withheld by a guard. */
export function faultRecord(session: LiveSession, reason: Reason): AuditEvent {
  return {
    kind: 'alert',
    ...common(session),
    code: reason.code,
    reason: reason.sentence,
    rule: reason.rule ?? null,
    end: session.facts.direction,
  };
}

function common(session: LiveSession): Readonly<Record<string, unknown>> {
  const { facts } = session;
  return {
    session: session.id,
    service: facts.service,
    identity: facts.identity,
    agent: facts.app.agent ?? null,
    app: facts.app.script ?? facts.app.path ?? null,
    user: facts.app.user ?? null,
  };
}
