/** The narrowest contract that covers what was seen of a service. Pure; the same record gives the same contract. */
import { defined } from '../base/defined.ts';
import { floorProtocols } from '../base/engagement/floor/rules.ts';
import { guardedProtocols, type GuardedProtocol } from '../base/engagement/guarded.ts';
import { parseEngagement, type EngagementContract } from '../base/engagement.ts';
import { compileSchedule } from '../policy/schedule.ts';
import { contractChanges, type ContractChange } from './contract-changes.ts';
import { learnHttp, learnMcp } from './learn-calls.ts';
import { learnFloor, learnModbus } from './learn-devices.ts';
import { replay } from './replay.ts';
import type { Seen, SeenCall, SeenSession } from './seen.ts';
import { sortedSet } from './spans.ts';

/** What was learnt, and what could not be. */
export interface Learnt {
  readonly calls: number;
  readonly sessions: number;
  readonly contract: EngagementContract;
  /** Against the contract it was learnt under. */
  readonly changes: readonly ContractChange[];
  /** What the record does not hold, and what is therefore wider than it might be. */
  readonly notes: readonly string[];
}

type Terms = Record<string, unknown>;

/** Longest and largest session seen, times this. */
const headroom = 2;

/** `before`: the contract in force, whose other terms stay. */
export function learn(seen: Seen, before: EngagementContract | undefined): Learnt {
  const calls = seen.calls.filter((call) => call.allowed);
  const notes: string[] = [];
  const { enforce: _observed, ...kept } = before ?? {};
  const terms: Terms = { ...kept };
  for (const protocol of protocolsOf(calls, before)) {
    const own = calls.filter((call) => call.protocol === protocol);
    if (own.length === 0) notes.push(`no ${protocol} call was seen: ${protocol} stays as it is`);
    else terms[protocol] = rulesFor(protocol, own, before, notes);
  }
  Object.assign(terms, appsOf(seen.sessions, before, notes), limitsOf(seen.sessions, before, notes));
  dropWhatRefuses(terms, seen, notes);
  const contract = parseEngagement(terms, 'what was learnt');
  return {
    calls: calls.length,
    sessions: seen.sessions.length,
    contract,
    changes: contractChanges(before ?? {}, contract),
    notes,
  };
}

/** Those the contract speaks of, else the one most calls are of: no stream is two. */
function protocolsOf(calls: readonly SeenCall[], before: EngagementContract | undefined): readonly GuardedProtocol[] {
  const named = guardedProtocols.filter((one) => before?.[one] !== undefined);
  if (named.length > 0) return named;
  const counted = guardedProtocols.map((one) => ({
    one,
    count: calls.filter(({ protocol }) => protocol === one).length,
  }));
  const [most] = counted.sort((a, b) => b.count - a.count);
  return most === undefined || most.count === 0 ? [] : [most.one];
}

function rulesFor(
  protocol: GuardedProtocol,
  calls: readonly SeenCall[],
  before: EngagementContract | undefined,
  notes: string[],
): unknown {
  if (protocol === 'mcp') {
    if (calls.some((call) => call.arguments === undefined)) {
      notes.push('arguments of calls are not recorded (mcp.recordArguments): no condition on them is proposed');
    } else {
      notes.push('no condition on arguments is proposed, though they are recorded');
    }
    return learnMcp(calls, before?.mcp);
  }
  if (protocol === 'http' && before?.mcp !== undefined) {
    notes.push('beside mcp, methods and paths are recorded only where they are refused: http stays as it is');
    return before.http;
  }
  if (protocol === 'http') {
    const rules = learnHttp(calls, before?.http);
    if (rules.models === undefined) {
      notes.push(
        'not every request names a model in the record (http.models or a budget has them read): none are proposed',
      );
    }
    return rules;
  }
  if (protocol === 'a2a') {
    notes.push('skills and types of messages are not recorded apart: a2a stays as it is');
    return before?.a2a ?? {};
  }
  if (protocol === 'modbus') return learnModbus(calls);
  const floor = floorProtocols.find((one) => one === protocol) ?? protocol;
  const rules = learnFloor(floor, calls);
  if (rules.objects === undefined)
    notes.push(`some objects are not recorded in full: no ${protocol}.objects are proposed`);
  const { opaque } = before?.[floor] ?? {};
  return { ...rules, ...defined({ opaque }) };
}

/** Programs of the dialling end; the hosting end knows none. */
function appsOf(sessions: readonly SeenSession[], before: EngagementContract | undefined, notes: string[]): Terms {
  const dialled = sessions.filter(({ direction }) => direction === 'dial');
  if (dialled.length === 0) {
    notes.push('no session was dialled from here, and the hosting end does not know programs: apps stay as they are');
    return {};
  }
  const names = dialled.map(({ app }) => {
    if (app.attribution !== 'exact') return undefined;
    return app.agent === undefined ? app.path : `agent:${app.agent}`;
  });
  if (names.some((name) => name === undefined)) {
    notes.push('some sessions were opened by programs nobody could name: no apps.allow is proposed');
    return {};
  }
  return { apps: { ...before?.apps, allow: sortedSet(names.flatMap((name) => name ?? [])) } };
}

function limitsOf(sessions: readonly SeenSession[], before: EngagementContract | undefined, notes: string[]): Terms {
  const ended = sessions.flatMap((session) => session.ended ?? []);
  if (ended.length < sessions.length) {
    notes.push('some sessions have not ended in the record: how long they last and how much they carry is not known');
    return {};
  }
  if (ended.length === 0) return {};
  const most = (of: (end: (typeof ended)[number]) => number): number =>
    ended.reduce((top, end) => Math.max(top, of(end)), 0);
  const seconds = most(({ durationMs }) => durationMs) / 1000;
  const bytes = most((end) => end.bytes);
  const longest = Math.max(60, Math.ceil((seconds * headroom) / 60) * 60);
  const largest = roundedUp(Math.max(1024, bytes * headroom));
  notes.push(
    `maxDurationSeconds and maxBytes are ${headroom} times the longest (${Math.ceil(seconds)} s) and largest (${bytes} bytes) session, rounded up`,
  );
  return {
    maxDurationSeconds: Math.min(longest, before?.maxDurationSeconds ?? Infinity),
    maxBytes: Math.min(largest, before?.maxBytes ?? Infinity),
  };
}

/** To two digits. */
function roundedUp(value: number): number {
  const step = 10 ** Math.max(0, Math.floor(Math.log10(value)) - 1);
  return Math.ceil(value / step) * step;
}

/** What was seen is covered: a list that would refuse some of it is left out, and that is said. */
function dropWhatRefuses(terms: Terms, seen: Seen, notes: string[]): void {
  for (;;) {
    const contract = parseEngagement(terms, 'what was learnt');
    const schedule = contract.schedule === undefined ? undefined : compileSchedule(contract.schedule);
    const [refusing] = replay(seen, () => ({ kind: 'set', contract, origin: 'learnt', schedule })).rules;
    if (refusing === undefined) return;
    const [part = '', field] =
      refusing.rule
        .replace(/^contract:/, '')
        .split(' ', 1)[0]
        ?.split('.') ?? [];
    const of = terms[part];
    if (of === undefined) return;
    const isPart = field !== undefined && typeof of === 'object' && of !== null && field in of;
    if (isPart) terms[part] = Object.fromEntries(Object.entries(of).filter(([name]) => name !== field));
    else delete terms[part];
    const name = isPart ? `${part}.${field}` : part;
    notes.push(
      `${name} is left out: it would refuse some of what was seen (record ${refusing.examples[0]?.seq ?? '?'})`,
    );
  }
}
