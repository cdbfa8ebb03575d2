/**
 * Two contracts on one session: both hold. The result is never wider than either; where two patterns overlap without one covering the
 * other it is narrower than both together would be, which is the safe side.
 */
import { defined } from '../base/defined.ts';
import { TunnelerError } from '../base/errors.ts';
import type {
  A2aRules,
  ApprovalRules,
  EngagementContract,
  HttpRules,
  McpRule,
  McpRules,
  Schedule,
} from '../base/engagement.ts';
import { defaultPin } from '../base/engagement/mcp.ts';
import { idleTerms } from '../base/engagement.ts';
import { guardedProtocols } from '../base/engagement/guarded.ts';
import { narrowData } from './narrow-data.ts';
import { narrowModbus, narrowFloor, overlapEnip, overlapPoints, overlapS7 } from './narrow-devices.ts';
import { both, either, least, overlap, overlapNames } from './narrow-parts.ts';

const strictness = ['alert', 'close', 'quarantine'] as const;

/** Throws `contract.invalid` where the two cannot hold together (windows in two time zones, a term of one that the other leaves idle). */
export function narrowContracts(left: EngagementContract, right: EngagementContract): EngagementContract {
  const sum: EngagementContract = defined({
    maxDurationSeconds: least(left.maxDurationSeconds, right.maxDurationSeconds),
    idleTimeoutSeconds: least(left.idleTimeoutSeconds, right.idleTimeoutSeconds),
    grantSeconds: least(left.grantSeconds, right.grantSeconds),
    approval: both(left.approval, right.approval, narrowApproval),
    maxBytes: least(left.maxBytes, right.maxBytes),
    maxSessions: least(left.maxSessions, right.maxSessions),
    requireMfaWithinSeconds: least(left.requireMfaWithinSeconds, right.requireMfaWithinSeconds),
    apps: both(left.apps, right.apps, (a, b) =>
      defined({
        allow: both(a.allow, b.allow, overlapNames),
        deny: either(a.deny, b.deny),
        required: both(a.required, b.required, (x, y) => x || y),
      }),
    ),
    schedule: both(left.schedule, right.schedule, narrowSchedule),
    mcp: both(left.mcp, right.mcp, narrowMcp),
    http: both(left.http, right.http, narrowHttp),
    a2a: both(left.a2a, right.a2a, narrowA2a),
    data: both(left.data, right.data, narrowData),
    modbus: both(left.modbus, right.modbus, narrowModbus),
    s7: both(left.s7, right.s7, (a, b) => narrowFloor('s7', a, b, overlapS7)),
    enip: both(left.enip, right.enip, (a, b) => narrowFloor('enip', a, b, overlapEnip)),
    opcua: both(left.opcua, right.opcua, (a, b) => narrowFloor('opcua', a, b, (x, y) => overlapNames([x], [y]))),
    iec104: both(left.iec104, right.iec104, (a, b) => narrowFloor('iec104', a, b, overlapPoints)),
    dnp3: both(left.dnp3, right.dnp3, (a, b) => narrowFloor('dnp3', a, b, overlapPoints)),
    record: both(left.record, right.record, (a, b) =>
      defined({ values: both(a.values, b.values, (x, y) => x || y), pcap: both(a.pcap, b.pcap, (x, y) => x || y) }),
    ),
    enforce: narrowEnforce(left, right),
    onViolation: both(left.onViolation, right.onViolation, (a, b) =>
      strictness.indexOf(a) > strictness.indexOf(b) ? a : b,
    ),
  });
  const [idle] = idleTerms(sum);
  if (idle === undefined) return sum;
  throw new TunnelerError('contract.invalid', `two contracts together: ${idle.path}: ${idle.message}`);
}

/** Observes only where nobody means its lists; one that neither says so nor has any leaves it to the other. */
function narrowEnforce(left: EngagementContract, right: EngagementContract): EngagementContract['enforce'] {
  const lists = (contract: EngagementContract): boolean => guardedProtocols.some((one) => contract[one] !== undefined);
  const words = [left, right].flatMap((one) => one.enforce ?? (lists(one) ? ['enforce' as const] : []));
  if (words.length > 0 && words.every((word) => word === 'observe')) return 'observe';
  return [left, right].find((one) => one.enforce === 'enforce')?.enforce;
}

const pinStrictness = ['alert', 'hide', 'refuse'] as const;

/** Whom both name approves, for the shorter of both. Throws where nobody is named by both. */
function narrowApproval(a: ApprovalRules, b: ApprovalRules): ApprovalRules {
  const by = a.by.filter((identity) => b.by.includes(identity));
  if (by.length === 0)
    throw new TunnelerError('contract.invalid', 'two contracts name nobody who may approve for both');
  const reason = a.reason === 'required' || b.reason === 'required' ? ('required' as const) : undefined;
  return defined({
    by,
    forSeconds: Math.min(a.forSeconds, b.forSeconds),
    reason,
    breakGlass: narrowBreakGlass(a.breakGlass, b.breakGlass),
  });
}

/** Whom both let in; where either lets in nobody, or nobody is let in by both, nobody is. */
function narrowBreakGlass(a: ApprovalRules['breakGlass'], b: ApprovalRules['breakGlass']): ApprovalRules['breakGlass'] {
  const by = a?.by.filter((identity) => b?.by.includes(identity)) ?? [];
  if (a === undefined || b === undefined || by.length === 0) return undefined;
  return { by, forSeconds: Math.min(a.forSeconds, b.forSeconds) };
}

function narrowA2a(a: A2aRules, b: A2aRules): A2aRules {
  return defined({
    skills: both(a.skills, b.skills, overlapNames),
    messageTypes: both(a.messageTypes, b.messageTypes, overlapNames),
    maxMessages: least(a.maxMessages, b.maxMessages),
    maxMessageBytes: least(a.maxMessageBytes, b.maxMessageBytes),
  });
}

function narrowMcp(a: McpRules, b: McpRules): McpRules {
  const stricter = (field: 'changed' | 'new'): (typeof pinStrictness)[number] => {
    const of = (rules: McpRules): number => pinStrictness.indexOf(rules.pin?.[field] ?? defaultPin[field]);
    return pinStrictness[Math.max(of(a), of(b))] ?? 'refuse';
  };
  return defined({
    allow: both(a.allow, b.allow, (x, y) => x.flatMap((rule) => y.flatMap((other) => overlapRules(rule, other)))),
    deny: either(a.deny, b.deny),
    ask: either(a.ask, b.ask),
    maxCalls: least(a.maxCalls, b.maxCalls),
    maxMessageBytes: least(a.maxMessageBytes, b.maxMessageBytes),
    rateLimit: both(a.rateLimit, b.rateLimit, (x, y) => ({
      calls: Math.min(x.calls, y.calls),
      perSeconds: Math.max(x.perSeconds, y.perSeconds),
    })),
    recordArguments: both(a.recordArguments, b.recordArguments, (x, y) => x && y),
    pin:
      a.pin === undefined && b.pin === undefined ? undefined : { changed: stricter('changed'), new: stricter('new') },
  });
}

function narrowHttp(a: HttpRules, b: HttpRules): HttpRules {
  return defined({
    methods: both(a.methods, b.methods, (x, y) => x.filter((method) => y.includes(method))),
    paths: both(a.paths, b.paths, (x, y) => overlap(x, y, 'path')),
    models: both(a.models, b.models, overlapNames),
    // Absent in one of them, it is not allowed there.
    websocket: a.websocket === true && b.websocket === true ? true : undefined,
    tokenBudget: both(a.tokenBudget, b.tokenBudget, (x, y) => ({
      tokens: Math.min(x.tokens, y.tokens),
      perSeconds: Math.max(x.perSeconds, y.perSeconds),
    })),
    maxAnswerTokens: least(a.maxAnswerTokens, b.maxAnswerTokens),
    costBudget: both(a.costBudget, b.costBudget, narrowCost),
  });
}

type CostBudget = NonNullable<HttpRules['costBudget']>;

/** Amounts of two currencies are not compared: what one is worth in the other is nobody's to say here. */
function narrowCost(a: CostBudget, b: CostBudget): CostBudget {
  if (a.currency !== b.currency) {
    throw new TunnelerError(
      'contract.invalid',
      `two contracts set budgets in different currencies (${a.currency}, ${b.currency})`,
    );
  }
  const { currency } = a;
  return { amount: Math.min(a.amount, b.amount), currency, perSeconds: Math.max(a.perSeconds, b.perSeconds) };
}

function narrowSchedule(a: Schedule, b: Schedule): Schedule {
  if (a.windows !== undefined && b.windows !== undefined && a.timezone !== b.timezone) {
    throw new TunnelerError(
      'contract.invalid',
      `two contracts set windows in different time zones (${a.timezone ?? 'local'}, ${b.timezone ?? 'local'})`,
    );
  }
  return defined({
    timezone: a.windows === undefined ? b.timezone : a.timezone,
    windows: both(a.windows, b.windows, (x, y) =>
      x.flatMap((window) => y.flatMap((other) => overlapWindows(window, other))),
    ),
    notBefore: both(a.notBefore, b.notBefore, (x, y) => (Date.parse(x) > Date.parse(y) ? x : y)),
    notAfter: both(a.notAfter, b.notAfter, (x, y) => (Date.parse(x) < Date.parse(y) ? x : y)),
  });
}

type Window = NonNullable<Schedule['windows']>[number];

/** Windows past midnight are kept only where they are the same in both: the rest would have to be cut in two days. */
function overlapWindows(a: Window, b: Window): readonly Window[] {
  const days = both(a.days, b.days, (x, y) => x.filter((day) => y.includes(day)));
  if (days?.length === 0) return [];
  if (a.from === b.from && a.to === b.to) return [defined({ days, from: a.from, to: a.to })];
  if (a.to <= a.from || b.to <= b.from) return [];
  const from = a.from > b.from ? a.from : b.from;
  const to = a.to < b.to ? a.to : b.to;
  return from < to ? [defined({ days, from, to })] : [];
}

function overlapRules(a: McpRule, b: McpRule): readonly McpRule[] {
  const left = typeof a === 'string' ? { tool: a } : a;
  const right = typeof b === 'string' ? { tool: b } : b;
  if (left.kind !== undefined && right.kind !== undefined && left.kind !== right.kind) return [];
  const conditions = mergeConditions(left.arguments, right.arguments);
  if (conditions === 'conflict') return [];
  const kind = left.kind ?? right.kind;
  return overlapNames([left.tool], [right.tool]).map((tool) =>
    kind === undefined && conditions === undefined ? tool : defined({ tool, kind, arguments: conditions }),
  );
}

type Conditions = NonNullable<Exclude<McpRule, string>['arguments']>;

/** Conditions on different arguments, or different questions on one; the same question asked twice must be the same. */
function mergeConditions(a: Conditions | undefined, b: Conditions | undefined): Conditions | undefined | 'conflict' {
  if (a === undefined || b === undefined) return a ?? b;
  const merged: Conditions = { ...a };
  for (const [path, condition] of Object.entries(b)) {
    const known: Conditions[string] = merged[path] ?? {};
    for (const [question, value] of Object.entries(condition)) {
      const other = known[question as keyof typeof known];
      if (other !== undefined && JSON.stringify(other) !== JSON.stringify(value)) return 'conflict';
    }
    merged[path] = { ...known, ...condition };
  }
  return merged;
}
