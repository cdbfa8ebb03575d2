/** The guard a session's contract asks for, with the budgets and local rules it is held to. */
import { createHash } from 'node:crypto';
import type { App } from '../../apps/app.ts';
import { defined } from '../../base/defined.ts';
import { askPerson } from './ask-person.ts';
import type { EngagementContract } from '../../base/engagement.ts';
import { createGuard } from '../../guard/create-guard.ts';
import type { Approvals } from '../../policy/approvals.ts';
import type { CallHistories, CallHistory } from '../../guard/data/history.ts';
import type { KeptSecrets } from '../../guard/data/kept-secrets.ts';
import type { KeyVerdict } from '../../guard/http/model-key.ts';
import type { PriceBook } from '../../guard/http/prices.ts';
import type { Approve, Guard, GuardedAction, GuardLedger, LocalVerdict, SessionEngagement } from '../../guard/guard.ts';
import { createHeldBudget } from '../../guard/held-budget.ts';
import { askingProgram, callQuestion } from '../../policy/local/questions.ts';
import type { Policy } from '../../policy/policy.ts';
import type { DecisionFacts } from '../../policy/verdict.ts';
import type { SessionsDeps } from '../../session/create-sessions.ts';
import type { SessionFacts } from '../../session/sessions.ts';
import type { KeptAgentEndpoints } from './agent-endpoints.ts';
import type { PinStore } from './tool-pins.ts';
import type { RecentUse } from './facts.ts';

/** What guards of all sessions share. */
export interface GuardsDeps {
  readonly policy: Pick<Policy, 'ask'>;
  readonly ledger: GuardLedger;
  readonly prices: PriceBook;
  readonly pins: Pick<PinStore, 'of'>;
  readonly endpoints: KeptAgentEndpoints;
  /** What a key of Culvert's own is worth in the hands of this program, as this identity's account. */
  readonly checkModelKey: (key: string, app: App, account: string) => KeyVerdict;
  /** Between agents: the engagement of a session. */
  readonly engagement: (contract: EngagementContract, facts: SessionFacts, id: string) => SessionEngagement | undefined;
  readonly facts: (app: App) => DecisionFacts;
  readonly recentCalls: RecentUse;
  /** What stands for an identity whatever it is called. */
  readonly idOf: (identity: string) => string;
  readonly workgroupsOf: (identity: string, serviceId: string) => readonly string[];
  readonly approvals: Approvals;
  readonly histories: CallHistories;
  readonly keptSecrets: KeptSecrets;
  /** 0 to 100, of what detectors found of the program. */
  readonly riskOf: (app: App) => number;
}

/** For `createSessions`. */
export function guardsFor(deps: GuardsDeps): SessionsDeps['guard'] {
  const held = createHeldBudget();
  return (contract, session, id): Guard | undefined => {
    const history = deps.histories.of(pastOf(session, deps).join('|'));
    return createGuard(contract, {
      ledger: deps.ledger,
      prices: deps.prices,
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
      authorize: (action) => authorize(action, session, history, deps),
      history,
      keptSecrets: deps.keptSecrets,
      endpoints: deps.endpoints.of(session.serviceId),
      ...defined({ engagement: deps.engagement(contract, session, id) }),
      approve: approver(contract, session, deps),
      // A host knows its own service; it is who dials that must not be deceived. Keys end at the device that made them.
      ...(session.direction === 'dial'
        ? {
            pins: deps.pins.of(session.service),
            modelKeys: { check: (key) => deps.checkModelKey(key, session.app, deps.idOf(session.identity)) },
          }
        : {}),
    });
  };
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

/** Whose past it is: a program's, whatever service it talks to and under whichever identity. */
function pastOf({ app, caller, identity }: SessionFacts, deps: GuardsDeps): readonly string[] {
  if (caller !== undefined) return ['host', caller.account];
  const program = app.agent ?? app.script ?? app.path;
  return program === undefined ? ['identity', deps.idOf(identity)] : ['program', app.user ?? '', program];
}

/** Whose budget it is, at this end. */
function accountOf({ identity, caller, serviceId }: SessionFacts, deps: GuardsDeps): readonly string[] {
  return caller === undefined ? [deps.idOf(identity), serviceId] : ['host', caller.account, serviceId];
}

function authorize(action: GuardedAction, session: SessionFacts, history: CallHistory, deps: GuardsDeps): LocalVerdict {
  const app = askingProgram(session);
  const question = callQuestion(action, session, {
    facts: deps.facts(app),
    workgroups: deps.workgroupsOf(session.identity, session.serviceId),
    callsLastMinute: deps.recentCalls.count(app),
    ...defined({
      call: action.call && { ...action.call, before: history.past(), risk: deps.riskOf(app) },
    }),
  });
  return deps.policy.ask(question);
}
