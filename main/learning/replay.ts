/** What contracts would have refused of what was recorded, by the functions that decide. Pure. */
import type { ReplayView } from '../api/learning-views.ts';
import type { EngagementContract } from '../base/engagement.ts';
import { createLedger } from '../guard/ledger.ts';
import { replayCall } from '../guard/recorded/recorded-call.ts';
import type { ContractInForce } from '../policy/contract-book.ts';
import { contractRefusal } from '../policy/decide.ts';
import { hostedRefusal } from '../policy/host-terms.ts';
import type { Seen, SeenSession } from './seen.ts';

type ReplayExample = ReplayView['rules'][number]['examples'][number];

const maxExamples = 3;

/** `inForce`: the contract of a service as it would be. */
export function replay(seen: Seen, inForce: (service: string) => ContractInForce): ReplayView {
  const refused = new Map<string, { count: number; examples: ReplayExample[] }>();
  const unknown = new Map<string, number>();
  const refuse = (rule: string, example: ReplayExample): void => {
    const known = refused.get(rule) ?? { count: 0, examples: [] };
    known.count += 1;
    if (known.examples.length < maxExamples) known.examples.push(example);
    refused.set(rule, known);
  };
  const doubt = (why: string): void => void unknown.set(why, (unknown.get(why) ?? 0) + 1);

  const ledger = createLedger();
  const calls = seen.calls.filter((call) => call.allowed);
  for (const call of [...calls].sort((a, b) => a.atMs - b.atMs)) {
    const set = inForce(call.service);
    if (set.kind !== 'set') continue;
    const judged = replayCall(set.contract, call, ledger);
    const { seq, at, service, method, target } = call;
    if (judged.kind === 'unknown') doubt(judged.why);
    if (judged.kind === 'refused') refuse(judged.rule, { seq, at, service, what: `${method} ${target}` });
  }
  const openBefore = openCounter();
  for (const session of seen.sessions) {
    const openSessions = openBefore(session);
    const set = inForce(session.service);
    if (set.kind !== 'set') continue;
    const { seq, at, service, identity } = session;
    if (set.contract.requireMfaWithinSeconds !== undefined) doubt('when MFA was shown is not recorded');
    if (names(set.contract, 'sha256:')) doubt('the SHA-256 of programs is not recorded');
    const rule = sessionRefusal(session, set, openSessions);
    if (rule !== undefined) refuse(rule, { seq, at, service, what: `session as ${identity}` });
  }
  return {
    calls: calls.length,
    sessions: seen.sessions.length,
    deniedBefore: seen.calls.length - calls.length,
    refused: [...refused.values()].reduce((sum, { count }) => sum + count, 0),
    rules: [...refused].map(([rule, found]) => ({ rule, ...found })).sort(byCount((one) => one.rule)),
    unknown: [...unknown].map(([why, count]) => ({ why, count })).sort(byCount((one) => one.why)),
  };
}

/** The rule that refuses a session: its beginning by the decision itself, its length and bytes by the numbers that end one. */
export function sessionRefusal(
  session: SeenSession,
  inForce: Extract<ContractInForce, { kind: 'set' }>,
  openSessions: number,
): string | undefined {
  const { requireMfaWithinSeconds: _notRecorded, ...contract } = inForce.contract;
  const set = { ...inForce, contract };
  const nowMs = Date.parse(session.at);
  const { service, identity, app } = session;
  const facts = { service, nowMs, openSessions, tellsProgram: app.attribution !== 'unknown', mfaAgeSeconds: undefined };
  const match = { identity, service: { id: service, name: service } };
  const known = { nowMs, openSessions: () => openSessions };
  const reason =
    session.direction === 'host'
      ? hostedRefusal(set, facts)
      : contractRefusal(set, match, app, { mfaVerifiedAtMs: undefined }, known)?.reason;
  if (reason !== undefined) return reason.rule ?? reason.code;
  const { durationMs = 0, bytes = 0 } = session.ended ?? {};
  if (durationMs > (contract.maxDurationSeconds ?? Infinity) * 1000) return 'contract:maxDurationSeconds';
  return bytes > (contract.maxBytes ?? Infinity) ? 'contract:maxBytes' : undefined;
}

/** Asked of sessions in their order: how many of its service, at its end, were open when each began. */
export function openCounter(): (session: SeenSession) => number {
  const ends = new Map<string, readonly number[]>();
  return ({ seq, service, direction, ended }) => {
    const key = `${direction} ${service}`;
    const open = (ends.get(key) ?? []).filter((endSeq) => endSeq > seq);
    ends.set(key, [...open, ended?.seq ?? Infinity]);
    return open.length;
  };
}

function names({ apps }: EngagementContract, prefix: string): boolean {
  return [...(apps?.allow ?? []), ...(apps?.deny ?? [])].some((pattern) => pattern.startsWith(prefix));
}

function byCount<T extends { readonly count: number }>(nameOf: (one: T) => string): (a: T, b: T) => number {
  return (a, b) => b.count - a.count || nameOf(a).localeCompare(nameOf(b));
}
