/**
 * What a change at the controller, or of local rules, would allow and cut: each identity's access to each service, now and then, and what of the
 * record it would have been. By the functions that decide. Pure but for the rules that are asked.
 */
import type { SimulatedRow, SimulateView } from '../api/learning-views.ts';
import { contractConfigType } from '../base/engagement.ts';
import { defined } from '../base/defined.ts';
import { readHostPort } from '../base/ip.ts';
import type { Reason } from '../base/reason.ts';
import { createLedger } from '../guard/ledger.ts';
import type { GuardLedger } from '../guard/guard.ts';
import { replayCall } from '../guard/recorded/recorded-call.ts';
import type { ContractInForce } from '../policy/contract-book.ts';
import { contractRefusal } from '../policy/decide.ts';
import type { AuthorizationRequest } from '../policy/local/questions.ts';
import type { LocalAnswer } from '../policy/local/rules.ts';
import { accessRefusal, type Network, type NetworkIdentity, type NetworkService } from './network-model.ts';
import { openCounter, sessionRefusal } from './replay.ts';
import type { Seen, SeenCall, SeenRefusal, SeenSession } from './seen.ts';

/** Rules of a device. */
export interface LocalPolicy {
  contractOf(service: { readonly name: string; readonly configs: Readonly<Record<string, unknown>> }): ContractInForce;
  ask(question: AuthorizationRequest): LocalAnswer;
}

/** A network and the rules of this device, as they are or would be. */
export interface Standing {
  readonly network: Network;
  readonly policy: LocalPolicy;
}

type End = 'dial' | 'host';
type Counted = { seen: number; cut: number; letIn: number };

/** One identity at one end of one service. */
interface Subject {
  readonly identity: NetworkIdentity;
  readonly service: NetworkService;
  readonly end: End;
}

const ends = { dial: 'Dial', host: 'Bind' } as const;
/** A plain program, where no session of the record names one. */
const anyProgram = { attribution: 'exact', parents: [] } as const;

/** `unknown`: what of the change is known to somebody else alone. `service`: of this one alone. */
export function simulate(
  now: Standing,
  then: Standing,
  seen: Seen,
  nowMs: number,
  unknown: readonly string[],
  service?: string,
): Omit<SimulateView, 'unmatched'> {
  const doubts = new Map<string, number>(unknown.map((why) => [why, 1]));
  const doubt = (why: string): void => void doubts.set(why, (doubts.get(why) ?? 0) + 1);
  const subjects = subjectsOf(now.network, then.network).filter(
    (subject) => service === undefined || subject.service.name === service,
  );
  const rows = subjects.flatMap((subject) => {
    const row = rowOf(subject, now, then, seen, nowMs, doubt);
    return row === undefined ? [] : [row];
  });
  const sum = (of: (row: SimulatedRow) => number): number => rows.reduce((total, row) => total + of(row), 0);
  return {
    identities: then.network.isWhole ? 'all' : 'own',
    rows,
    cut: sum(({ sessions, calls }) => sessions.cut + calls.cut),
    letIn: sum(({ sessions, calls }) => sessions.letIn + calls.letIn),
    unknown: [...doubts].map(([why, count]) => ({ why, count })),
  };
}

function subjectsOf(now: Network, then: Network): readonly Subject[] {
  return then.identities.flatMap((identity) =>
    then.services.flatMap((service) =>
      (['dial', 'host'] as const).flatMap((end): Subject[] => {
        const before = now.identities.find(({ id }) => id === identity.id) ?? identity;
        const was = now.services.find(({ id }) => id === service.id) ?? service;
        const isNobody =
          accessRefusal(now, before, was, ends[end])?.code === 'permission.dial' &&
          accessRefusal(then, identity, service, ends[end])?.code === 'permission.dial';
        return isNobody ? [] : [{ identity, service, end }];
      }),
    ),
  );
}

function rowOf(
  subject: Subject,
  now: Standing,
  then: Standing,
  seen: Seen,
  nowMs: number,
  doubt: (why: string) => void,
): SimulatedRow | undefined {
  const { service, end } = subject;
  const name = subject.identity.local ?? subject.identity.name;
  const own = <T extends SeenSession | SeenRefusal>(all: readonly T[]): readonly T[] =>
    all.filter((one) => one.identity === name && one.service === service.name && one.direction === end);
  const judges = [now, then].map((standing) => judgeOf(subject, standing));
  const [before, after] = judges;
  if (before === undefined || after === undefined) return undefined;

  const sessions: Counted = { seen: 0, cut: 0, letIn: 0 };
  const cutSessions = new Map<string, string>();
  const rules = new Map<string, number>();
  const because = (rule: string): void => void rules.set(rule, (rules.get(rule) ?? 0) + 1);
  const opened = own(seen.sessions);
  const openBefore = openCounter();
  for (const session of opened) {
    sessions.seen += 1;
    const open = openBefore(session);
    const rule = after.session(session, open);
    // What would be refused today already is not cut by this change.
    if (rule === undefined || before.session(session, open) !== undefined) continue;
    sessions.cut += 1;
    because(rule);
    cutSessions.set(session.id, rule);
  }
  for (const refusal of own(seen.refusals)) {
    if (before.refused(refusal) && !after.refused(refusal)) sessions.letIn += 1;
  }

  const calls: Counted = { seen: 0, cut: 0, letIn: 0 };
  const ids = new Set(opened.map(({ id }) => id));
  const ledgers = [createLedger(), createLedger()] as const;
  for (const call of seen.calls.filter(({ session }) => ids.has(session)).sort((a, b) => a.atMs - b.atMs)) {
    calls.seen += 1;
    const [was, is] = [before.call(call, ledgers[0]), after.call(call, ledgers[1])];
    if (is.kind === 'unknown') doubt(is.why);
    const withSession = cutSessions.get(call.session);
    if (call.allowed && withSession !== undefined) calls.cut += 1;
    else if (call.allowed && is.kind === 'refused' && was.kind !== 'refused') {
      calls.cut += 1;
      because(is.rule);
    } else if (!call.allowed && is.kind === 'passes' && was.kind === 'refused' && withSession === undefined) {
      calls.letIn += 1;
    }
  }
  const [was, is] = [before.anybody(nowMs), after.anybody(nowMs)];
  const reason = is ?? was;
  return {
    identity: name,
    service: service.name,
    end,
    now: was === undefined ? 'allowed' : 'refused',
    then: is === undefined ? 'allowed' : 'refused',
    ...defined({ reason: reason?.sentence, code: reason?.code, rule: reason?.rule }),
    sessions,
    calls,
    rules: [...rules].map(([rule, count]) => ({ rule, count })).sort((a, b) => b.count - a.count),
  };
}

/** Asks everything of one subject under one standing. */
function judgeOf({ identity, service, end }: Subject, { network, policy }: Standing) {
  const name = identity.local ?? identity.name;
  const one = network.services.find(({ id }) => id === service.id) ?? service;
  const who = network.identities.find(({ id }) => id === identity.id) ?? identity;
  const access = accessRefusal(network, who, one, ends[end]);
  const inForce = policy.contractOf({
    name: service.name,
    configs: one.contract === undefined ? {} : { [contractConfigType]: one.contract },
  });
  const locally = (asked: Pick<SeenSession, 'app' | 'at' | 'protocol' | 'destination' | 'caller'>, open: number) =>
    policy.ask(questionOf({ identity: name, service: one, end }, asked, open));
  const contractSays = (app: SeenSession['app'], atMs: number, contract: ContractInForce): Reason | undefined =>
    end === 'host'
      ? contract.kind === 'invalid'
        ? contract.reason
        : undefined
      : contractRefusal(
          contract,
          { identity: name, service: { id: service.id, name: service.name } },
          app,
          { mfaVerifiedAtMs: undefined },
          { nowMs: atMs, openSessions: () => 0 },
        )?.reason;
  return {
    /** The rule that a session of the record would have met. */
    session(session: SeenSession, open: number): string | undefined {
      if (access !== undefined) return access.rule ?? access.code;
      const rule = inForce.kind === 'none' ? undefined : sessionRefusalOf(session, inForce, open);
      if (rule !== undefined) return rule;
      const answer = locally(session, open);
      return answer.kind === 'deny' ? (answer.reason.rule ?? answer.reason.code) : undefined;
    },
    /** Would what was refused be refused for a reason that is the network's, the contract's or the rules'? */
    refused(refusal: SeenRefusal): boolean {
      if (access !== undefined) return true;
      if (contractSays(refusal.app, Date.parse(refusal.at), withoutMfa(inForce)) !== undefined) return true;
      return locally(refusal, 0).kind === 'deny';
    },
    call(call: SeenCall, ledger: GuardLedger) {
      if (inForce.kind === 'invalid') return { kind: 'refused', rule: inForce.reason.code } as const;
      if (inForce.kind === 'none' || inForce.contract.enforce === 'observe') return { kind: 'passes' } as const;
      return replayCall(inForce.contract, call, ledger);
    },
    /** For any program, at this moment. */
    anybody(atMs: number): Reason | undefined {
      if (access !== undefined) return access;
      const contract = contractSays(anyProgram, atMs, withoutApps(withoutMfa(inForce)));
      if (contract !== undefined) return contract;
      const at = new Date(atMs).toISOString();
      const answer = locally({ app: anyProgram, at, protocol: 'tcp', destination: service.name, caller: '' }, 0);
      return answer.kind === 'deny' ? answer.reason : undefined;
    },
  };
}

function sessionRefusalOf(
  session: SeenSession,
  inForce: Exclude<ContractInForce, { kind: 'none' }>,
  open: number,
): string | undefined {
  return inForce.kind === 'invalid' ? inForce.reason.code : sessionRefusal(session, inForce, open);
}

/** When somebody showed a second factor is not in the record. */
function withoutMfa(inForce: ContractInForce): ContractInForce {
  if (inForce.kind !== 'set') return inForce;
  const { requireMfaWithinSeconds: _notRecorded, ...contract } = inForce.contract;
  return { ...inForce, contract };
}

function withoutApps(inForce: ContractInForce): ContractInForce {
  if (inForce.kind !== 'set') return inForce;
  const { apps: _anyProgram, ...contract } = inForce.contract;
  return { ...inForce, contract };
}

function questionOf(
  { identity, service, end }: { readonly identity: string; readonly service: NetworkService; readonly end: End },
  asked: Pick<SeenSession, 'app' | 'at' | 'protocol' | 'destination' | 'caller'>,
  openSessions: number,
): AuthorizationRequest {
  const { host, port } = readHostPort(asked.destination) ?? { host: asked.destination, port: 0 };
  return {
    action: end,
    app: asked.app,
    identity,
    service: { name: service.name, workgroups: service.roleAttributes },
    circumstances: {
      nowMs: Date.parse(asked.at),
      posture: end === 'dial' ? 'passing' : 'unknown',
      mfaVerifiedAtMs: undefined,
      openSessions,
      dialsLastMinute: 0,
      callsLastMinute: 0,
      protocol: asked.protocol,
      hostname: host,
      port,
      entry: '',
      caller: asked.caller,
    },
  };
}
