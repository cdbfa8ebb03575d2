/** What the journal has of an admission: the fields of a flow, its program, the service that claims it, and why. */
import type { App } from '../../apps/app.ts';
import type { AuditEvent } from '../../audit/record.ts';
import type { Destination, FlowRequest } from '../../base/flow.ts';
import { formatHostPort } from '../../base/ip.ts';
import type { Reason } from '../../base/reason.ts';
import type { Match } from '../../intercept/match.ts';
import type { Verdict } from '../../policy/verdict.ts';

/** A verdict as the journal has it, whichever way it fell. */
export function verdictRecord(flow: FlowRequest, app: App, verdict: Verdict): AuditEvent {
  const fields =
    verdict.kind === 'pass' || verdict.match === undefined
      ? flowFields(flow, app)
      : matchFields(flow, app, verdict.match);
  const decision = verdict.kind === 'dial' ? 'allow' : verdict.kind === 'pass' ? 'pass' : 'deny';
  const origin = verdict.kind === 'dial' ? (verdict.contractOrigin ?? null) : null;
  return { ...fields, kind: 'verdict', decision, ...reasonFields(verdict.reason), contract: origin };
}

/** The fields of a flow that a service claims. */
export function matchFields(flow: FlowRequest, app: App, match: Match): Readonly<Record<string, unknown>> {
  return { service: match.service.name, identity: match.identity, ...flowFields(flow, app) };
}

/** Who asked, from where, for what. */
export function flowFields(flow: FlowRequest, app: App): Readonly<Record<string, unknown>> {
  return {
    entry: flow.entry,
    protocol: flow.protocol,
    source: formatHostPort(flow.source.address, flow.source.port),
    destination: destinationText(flow.destination),
    agent: app.agent ?? null,
    app: app.script ?? app.path ?? null,
    pid: app.pid ?? null,
    user: app.user ?? null,
    attribution: app.attribution,
  };
}

/** A reason as the journal has it. */
export function reasonFields(reason: Reason): Readonly<Record<string, unknown>> {
  return { code: reason.code, reason: reason.sentence, rule: reason.rule ?? null };
}

/** `name:port`, or `address:port` where no name is known. */
export function destinationText(destination: Destination): string {
  const host = destination.hostname ?? destination.address ?? '';
  return formatHostPort(host, destination.port);
}
