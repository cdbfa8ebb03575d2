/** The guard a session's contract asks for, with the budgets and local rules it is held to. */
import { createHash } from 'node:crypto';
import type { App } from '../../apps/app.ts';
import type { Reason } from '../../base/reason.ts';
import { askPerson } from './ask-person.ts';
import type { EngagementContract } from '../../base/engagement.ts';
import { createGuard } from '../../guard/create-guard.ts';
import type { Approvals } from '../../policy/approvals.ts';
import type { Approve, Guard, GuardedAction, GuardLedger } from '../../guard/guard.ts';
import { createHeldBudget } from '../../guard/held-budget.ts';
import { askingProgram, callQuestion } from '../../policy/local/questions.ts';
import type { Policy } from '../../policy/policy.ts';
import type { DecisionFacts } from '../../policy/verdict.ts';
import type { SessionsDeps } from '../../session/create-sessions.ts';
import type { SessionFacts } from '../../session/sessions.ts';
import type { PinStore } from './tool-pins.ts';
import type { RecentUse } from './facts.ts';

export interface GuardsDeps {
  readonly policy: Pick<Policy, 'ask'>;
  readonly ledger: GuardLedger;
  readonly pins: Pick<PinStore, 'of'>;
  readonly facts: (app: App) => DecisionFacts;
  readonly recentCalls: RecentUse;
  /** What stands for an identity whatever it is called. */
  readonly idOf: (identity: string) => string;
  readonly workgroupsOf: (identity: string, serviceId: string) => readonly string[];
  readonly approvals: Approvals;
}

/** For `createSessions`. */
export function guardsFor(deps: GuardsDeps): SessionsDeps['guard'] {
  const held = createHeldBudget();
  return (contract, session): Guard | undefined =>
    createGuard(contract, {
      ledger: deps.ledger,
      held,
      // Whoever opens a second session must not get a second budget.
      ledgerKey: spenderOf(session, deps).join('|'),
      datagrams: session.protocol === 'udp',
      recordValues: contract.record?.values === true,
      budgetKey: accountOf(session, deps).join('|'),
      digest: (text) => createHash('sha256').update(text).digest('hex'),
      hash: () => {
        const hash = createHash('sha256');
        return { update: (text) => void hash.update(text), digest: () => hash.digest('hex') };
      },
      pause: () => new Promise((resolve) => void setImmediate(resolve)),
      authorize: (action) => authorize(action, session, deps),
      approve: approver(contract, session, deps),
      // A host knows its own service; it is who dials that must not be deceived.
      ...(session.direction === 'dial' ? { pins: deps.pins.of(session.service) } : {}),
    });
}

/** A held call waits for a person: at the dialling end for its own, at the host for the host's where the dialler has none to ask. */
function approver(contract: EngagementContract, session: SessionFacts, deps: GuardsDeps): Approve {
  const { caller, identity, service, serviceId, direction: end, source } = session;
  if (caller?.asks === true) return () => Promise.resolve({ granted: true, rule: 'asked at the dialling end' });
  const account = caller?.account ?? deps.idOf(identity);
  const holder = { end, account, identity: caller === undefined ? identity : source, serviceId, service };
  return askPerson(deps.approvals, { holder, contract, agent: session.app.agent });
}

/** Who spends: at the dialling end an identity's program; at the host the caller, whose program nobody proves there. */
function spenderOf(session: SessionFacts, deps: GuardsDeps): readonly string[] {
  const { app, caller } = session;
  const program = app.agent ?? app.script ?? app.path ?? '';
  return caller === undefined ? [...accountOf(session, deps), program] : accountOf(session, deps);
}

/** Whose budget it is, at this end. */
function accountOf({ identity, caller, serviceId }: SessionFacts, deps: GuardsDeps): readonly string[] {
  return caller === undefined ? [deps.idOf(identity), serviceId] : ['host', caller.account, serviceId];
}

function authorize(action: GuardedAction, session: SessionFacts, deps: GuardsDeps): Reason | undefined {
  const app = askingProgram(session);
  const question = callQuestion(action, session, {
    facts: deps.facts(app),
    workgroups: deps.workgroupsOf(session.identity, session.serviceId),
    callsLastMinute: deps.recentCalls.count(app),
  });
  const answer = deps.policy.ask(question);
  return answer.kind === 'deny' ? answer.reason : undefined;
}
