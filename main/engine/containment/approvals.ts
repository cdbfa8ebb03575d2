/** Approvals at work: each question and each answer recorded, put in a view, and what an answer ends cut at once. */
import { randomBytes } from 'node:crypto';
import type { ApprovalAnswer, ApprovalView } from '../../api/approval-view.ts';
import type { AlertView } from '../../api/views.ts';
import type { AuditWriter } from '../../audit/record.ts';
import type { Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import { toTunnelerError, TunnelerError } from '../../base/errors.ts';
import { iso } from '../../base/iso.ts';
import type { Log } from '../../base/log.ts';
import { Approvals, approvesSessions, type Answer, type Approval } from '../../policy/approvals.ts';
import type { Grants } from '../../policy/grants.ts';
import type { Sessions, SessionSnapshot } from '../../session/sessions.ts';
import { openKeptApprovals } from './kept-approvals.ts';
import { sinceBootMs } from './kept-grants.ts';

/** What approvals are recorded in, and what an answer ends. */
export interface ApprovalsParts {
  readonly stateDirectory: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: AuditWriter;
  readonly grants: Grants;
  readonly sessions: Pick<Sessions, 'closeWhere'>;
}

/** Nothing waits at first: what was answered before stands, and what waited is over. Throws as {@link openKeptApprovals}. */
export function openApprovals(parts: ApprovalsParts): Approvals {
  const { stateDirectory, clock, log, audit, grants, sessions } = parts;
  const { kept, save } = openKeptApprovals(stateDirectory);
  const approvals = new Approvals({
    clock,
    sinceBootMs,
    newId: () => `app_${randomBytes(6).toString('hex')}`,
    save,
    unkept: (error) => log.error('approvals.not_written', { code: toTunnelerError(error).code, error: String(error) }),
  });
  approvals.events.subscribe((row) => audit.recordOrLog({ kind: `approval.${row.state}`, ...recordOf(row) }));
  // Before anything else listens: no session is left of those it would end.
  approvals.restore(kept);
  approvals.events.subscribe((row) => {
    const { holder, contract } = row;
    if (row.kind === 'grant' && row.state === 'granted') {
      const seconds = contract.grantSeconds ?? 0;
      const forMs = row.expiresAtMs === undefined ? seconds * 1000 : row.expiresAtMs - clock.now();
      grants.renew(holder, contract, forMs);
    }
    // Between agents it is the engagement that ends, and what flows under it.
    if (row.kind !== 'session' || !approvesSessions(contract)) return;
    if (row.state !== 'denied' && row.state !== 'expired') return;
    sessions.closeWhere((session) => isUnder(row, session), 'max_duration_exceeded', {
      code: 'session.approval_over',
      sentence: 'its approval is over',
      details: { approval: row.id },
    });
  });
  return approvals;
}

/** Raised here, where the service is hosted, whatever becomes of the device that broke the glass; again when the first session begins. */
export function breakGlassAlarm(raise: (alert: Omit<AlertView, 'id' | 'at'>) => void): (row: Approval) => void {
  return ({ id, state, brokenGlass, holder, reason = '' }) => {
    if (brokenGlass !== true || state !== 'granted') return;
    const { identity, service } = holder;
    raise({
      severity: 'critical',
      kind: 'break-glass',
      text: `${identity} reaches ${service} without the approval its contract asks for: ${reason} (culvert session attend ${id} to look on, culvert approvals deny ${id} to end it)`,
      code: 'alert.break_glass',
      details: { identity, service, said: reason, approval: id },
      subject: `identity:${identity}`,
    });
  };
}

/** The session is one of those that the approval is about: its holder's, at its service, at this end. */
export function isUnder({ holder }: Approval, session: SessionSnapshot): boolean {
  return (
    session.direction === holder.end &&
    session.serviceId === holder.serviceId &&
    (session.caller?.account ?? holder.account) === holder.account
  );
}

/** One of this engine's identities: what it is called here and by its network, and whose services it sees. */
interface Known {
  readonly name: string;
  record(): { readonly controllerName?: string; readonly controllerId?: string; readonly caPem: string } | undefined;
  services(): readonly { readonly id: string }[];
}

/**
 * The answer of a person at this engine. Throws `approvals.not_yours` where the contract names who approves and none of them is an identity
 * of this engine, and as {@link Approvals.answer}.
 */
export function answerHere(
  approvals: Approvals,
  identities: { all(): readonly Known[] },
  id: string,
  answer: Omit<Answer, 'by'>,
): Approval {
  const row = approvals.get(id);
  const by = row?.contract.approval?.by;
  if (row === undefined || by === undefined) return approvals.answer(id, { ...answer, by: 'here' });
  const name = namedHere(by, identities.all(), row.holder.serviceId);
  if (name !== undefined) return approvals.answer(id, { ...answer, by: name });
  throw new TunnelerError('approvals.not_yours', `${by.join(', ')} approves this, and is no identity here`, {
    details: { by, next: `culvert approvals grant ${id} at the engine of one of them` },
  });
}

/**
 * The identity of this engine that `by` names, on the service's own network. What an identity is called on another network names nobody here.
 */
function namedHere(by: readonly string[], identities: readonly Known[], serviceId: string): string | undefined {
  const networks = identities
    .filter((known) => known.services().some(({ id }) => id === serviceId))
    .map((known) => known.record()?.caPem);
  const mine = identities.find((known) => {
    const { controllerName, controllerId, caPem } = known.record() ?? {};
    const names = [known.name, controllerName, controllerId];
    return networks.includes(caPem) && names.some((name) => name !== undefined && by.includes(name));
  });
  return mine?.name;
}

/** What waits here as clients see it, and a person's answer to it, which throws as {@link answerHere}. */
export function questionsHere(
  approvals: Approvals,
  identities: { all(): readonly Known[] },
): { find(id: string): ApprovalView | undefined; answer(answer: ApprovalAnswer): ApprovalView } {
  return {
    find(id) {
      const row = approvals.get(id);
      return row === undefined ? undefined : approvalView(row);
    },
    answer: ({ id, ...answer }) => approvalView(answerHere(approvals, identities, id, answer)),
  };
}

/** An approval as clients see it. */
export function approvalView(row: Approval): ApprovalView {
  const { id, kind, state, holder, agent, reason, call } = row;
  return {
    id,
    kind,
    state,
    service: holder.service,
    identity: holder.identity,
    agent: agent ?? null,
    reason: reason ?? null,
    requestedAt: iso(row.requestedAtMs),
    expiresAt: row.expiresAtMs === undefined ? null : iso(row.expiresAtMs),
    ...defined({ answeredBy: row.answeredBy, call, tools: row.tools, brokenGlass: row.brokenGlass }),
  };
}

function recordOf(row: Approval): Readonly<Record<string, unknown>> {
  const { id, kind, holder, agent, reason, answeredBy, call } = row;
  return defined({
    approval: id,
    asked: kind,
    service: holder.service,
    identity: holder.identity,
    agent: agent ?? null,
    reason: reason ?? null,
    by: answeredBy ?? null,
    end: holder.end,
    method: call?.method,
    target: call?.target,
    forTools: row.tools,
    brokenGlass: row.brokenGlass,
  });
}
