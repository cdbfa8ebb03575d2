/** Judges the requests of one MCP session. Pure. */
import { defined } from '../../base/defined.ts';
import type { McpRules } from '../../base/engagement.ts';
import type { Reason } from '../../base/reason.ts';
import type { CompiledDataRules } from '../data/data-rules.ts';
import type { Effects } from '../effects.ts';
import type { ApprovalAnswer, GuardCall, GuardContext, LocalVerdict } from '../guard.ts';
import { argumentTexts } from './argument-texts.ts';
import { McpData } from './call-data.ts';
import { digestInTurns, digestOf } from './digests.ts';
import { isOnlyNoted, notedIn } from '../judgement.ts';
import { actionOf, isCall, isKnownNotification, isKnownRequest, thingsNamed, type NamedThing } from './methods.ts';
import type { CallAnswer, OpenCall } from './open-calls.ts';
import { rpcErrors, type RpcMessage, type RpcRefusal, type RpcRequest } from './rpc.ts';
import { McpLists, pinRulesOf } from './lists.ts';
import { CompiledMcpRules } from './rules.ts';

/** The default of `maxMessageBytes`. */
export const defaultMaxMessageBytes = 16 * 1024 * 1024;
/** A server's own error for "not now". Source: JSON-RPC 2.0 section 5.1, implementation-defined range. */
const limitError = -32_000;

/** Longer names are shortened where they are told. */
const maxNameLength = 512;

/** Whether a request goes on. */
export type CallVerdict =
  | { readonly kind: 'pass'; readonly open: OpenCall }
  | { readonly kind: 'refuse'; readonly refusal: RpcRefusal }
  /** Somebody is asked; the answer is one of the other two. Never rejects. */
  | { readonly kind: 'ask'; readonly settled: Promise<SettledVerdict> };

/** The same once nobody is asked any more. */
export type SettledVerdict = Exclude<CallVerdict, { kind: 'ask' }>;

type Request = RpcRequest;

/** Arguments beyond this are not recorded in full: the record would hold everybody up. */
const maxRecordedBytes = 1024 * 1024;
/** Messages beyond this are judged in slices. */
const slicedBytes = 256 * 1024;
const slicedValues = 5_000;

/** What the reader of a message knows of it. */
export interface Written {
  /** No string in it needs an escape. */
  readonly plain: boolean;
  readonly bytes: number;
  readonly values: number;
}

/** The calls of one session, and what it may still ask. */
export class McpCalls {
  /** What the contract says of data in messages, and what of lists it shows. */
  readonly data: McpData;
  readonly lists: McpLists;
  readonly #rules: McpRules;
  readonly #compiled: CompiledMcpRules;
  readonly #context: GuardContext;
  readonly #out: Effects;
  #allowedCalls = 0;
  #written: Written = { plain: false, bytes: 0, values: 0 };
  readonly #digests = new WeakMap<Request, string>();
  /** Calls somebody is asked about. */
  readonly #asked = new Map<Request, () => void>();
  readonly #ended = new AbortController();
  #nowMs = 0;

  constructor(rules: McpRules, context: GuardContext, out: Effects, data?: CompiledDataRules) {
    this.data = new McpData(data, context, out);
    this.#rules = rules;
    this.#compiled = new CompiledMcpRules(rules);
    this.lists = new McpLists(rules, this.#compiled, context);
    this.#context = context;
    this.#out = out;
  }

  get maxMessageBytes(): number {
    return this.#rules.maxMessageBytes ?? defaultMaxMessageBytes;
  }

  /** Is there anything to hold the stream to? Without rules it may pass unread where it cannot be read. */
  get binding(): boolean {
    const { allow, deny, ask, maxCalls, rateLimit, pin } = this.#rules;
    return this.data.inForce || [allow, deny, ask, maxCalls, rateLimit, pin].some((rule) => rule !== undefined);
  }

  /** Does a message of this size want `prepare` before it is judged? */
  inSlices({ bytes, values }: Written): boolean {
    return (bytes > slicedBytes || values > slicedValues) && this.#context.pause !== undefined;
  }

  /** Do the long part of judging these beforehand, in slices. */
  async prepare(messages: readonly RpcMessage[], written: Written): Promise<void> {
    for (const message of messages) {
      if (message.kind !== 'request') continue;
      const args = thingsNamed(message.method, message.params)?.[0]?.arguments ?? message.params;
      this.#digests.set(message, await digestInTurns(args, written.plain, this.#context));
    }
  }

  /** Why a notification does not pass; undefined where it does. A refusal is recorded at once. */
  refusedNotification(message: Extract<RpcMessage, { kind: 'notification' }>, nowMs: number): string | undefined {
    const { method } = message;
    if (isKnownNotification(method)) return undefined;
    const why = isKnownRequest(method)
      ? `${method} without an id`
      : `a notification the guard does not know: ${shortened(method)}`;
    this.#out.call({
      protocol: 'mcp',
      method: shortened(method),
      target: shortened(thingsNamed(method, message.params)?.[0]?.name ?? method),
      decision: 'deny',
      rule: 'guard:mcp.notification',
      startedAtMs: nowMs,
    });
    return why;
  }

  /** Judge a request of the application. A refusal is recorded at once. */
  judge(request: Request, written: Written, nowMs: number): CallVerdict {
    this.#written = written;
    this.#nowMs = nowMs;
    const { method, params } = request;
    if (!isKnownRequest(method)) {
      return this.#refuse(request, shortened(method), undefined, nowMs, {
        code: rpcErrors.methodNotFound,
        message: `Method not found: ${shortened(method)}`,
        rule: 'guard:mcp.method',
        why: 'the guard does not know this method, so it does not pass',
      });
    }
    const things = thingsNamed(method, params);
    if (things === undefined) {
      return this.#refuse(request, method, undefined, nowMs, {
        code: rpcErrors.invalidParams,
        message: `Invalid params of ${method}`,
        rule: 'guard:mcp.params',
        why: 'what it names cannot be read',
      });
    }
    let rule: string | undefined;
    let observed: string | undefined;
    for (const thing of things) {
      const verdict = this.#compiled.judge(thing.kind, thing.name, thing.arguments);
      if (!verdict.allowed && isOnlyNoted(verdict.rule, this.#context)) observed ??= verdict.rule;
      else if (!verdict.allowed)
        return this.#refuseThing(request, thing, verdict.rule, 'the contract does not allow it', nowMs);
      const withheld = this.data.refusal(request);
      if (withheld !== undefined) return this.#refuse(request, thing.name, thing, nowMs, withheld);
      const asking = this.#asks(method, thing);
      const asks = asking !== undefined && !isOnlyNoted(asking, this.#context);
      if (asking !== undefined && !asks) observed ??= asking;
      const local = this.#local(request, thing, asks);
      if (local.kind === 'deny') return this.#refuseLocally(request, thing, local.reason, nowMs);
      const held = method === 'tools/call' ? this.#context.pins?.holds(thing.name, pinRulesOf(this.#rules)) : undefined;
      if (held !== undefined) return this.#refuseThing(request, thing, held.rule, held.why, nowMs);
      rule ??= joined([verdict.rule, ...local.rules]);
    }
    const withheld = this.data.refusal(request);
    if (withheld !== undefined) return this.#refuse(request, method, undefined, nowMs, withheld);
    if (!isCall(method)) {
      const noted = observed === undefined ? undefined : this.#callOf(request, things[0], 'allow', rule, nowMs);
      return { kind: 'pass', open: { method, call: noted && { ...noted, ...notedIn(observed) } } };
    }
    const [thing] = things;
    const asking = thing === undefined ? undefined : this.#asks(method, thing);
    if (asking !== undefined && thing !== undefined && !isOnlyNoted(asking, this.#context)) {
      return this.#ask(request, thing, asking, nowMs);
    }
    return this.#pass(request, thing, rule, nowMs, observed);
  }

  #pass(
    request: Request,
    thing: NamedThing | undefined,
    rule: string | undefined,
    nowMs: number,
    observed?: string,
  ): SettledVerdict {
    const { method } = request;
    const limited = this.#limitOf(nowMs);
    if (limited !== undefined && !isOnlyNoted(limited.rule, this.#context)) {
      return this.#refuse(request, thing?.name ?? method, thing, nowMs, limited);
    }
    this.#allowedCalls += 1;
    const noted = notedIn(observed ?? limited?.rule);
    const named = defined({ thing: thing?.name });
    if (thing !== undefined) this.#context.history?.called(thing.name);
    const call = { ...this.#callOf(request, thing, 'allow', rule, nowMs), ...noted };
    return { kind: 'pass', open: { method, call, ...named } };
  }

  #asks(method: string, thing: NamedThing): string | undefined {
    return isCall(method) ? this.#compiled.asks(thing.kind, thing.name, thing.arguments) : undefined;
  }

  /** What local rules say; `approved`: a person has said yes, or is going to be asked. */
  #local(request: Request, thing: NamedThing, approved: boolean): LocalVerdict {
    const classes = this.data.foundIn(request).map((found) => found.class);
    const call = { arguments: () => argumentTexts(thing.arguments), classes, approved };
    return this.#context.authorize?.({ ...actionOf(thing), call }) ?? noRuleSpeaks;
  }

  #refuseLocally(request: Request, thing: NamedThing, reason: Reason, nowMs: number): SettledVerdict {
    return this.#refuseThing(request, thing, reason.rule ?? reason.code, reason.sentence, nowMs);
  }

  /** The session is over: whoever is still asked need not answer, and what was asked about is recorded as refused. Idempotent. */
  ended(): void {
    for (const record of this.#asked.values()) record();
    this.#asked.clear();
    this.#ended.abort();
  }

  #ask(request: Request, thing: NamedThing, rule: string, nowMs: number): CallVerdict {
    const { approve } = this.#context;
    if (approve === undefined) {
      return this.#refuse(request, thing.name, thing, nowMs, {
        code: limitError,
        message: `${shortened(thing.name)} needs approval`,
        rule,
        why: 'the contract asks for approval, and there is nobody to ask here',
      });
    }
    const refused = (why: string): SettledVerdict =>
      this.#refuse(request, thing.name, thing, this.#nowMs, {
        code: limitError,
        message: `${shortened(thing.name)} was not approved: ${why}`,
        rule,
        why,
      });
    this.#asked.set(request, () => void refused('the session ended before anybody answered'));
    const call = this.#callOf(request, thing, 'deny', rule, nowMs);
    this.#digests.set(request, call.digest ?? '');
    const asked = {
      protocol: 'mcp' as const,
      method: call.method,
      target: thing.name,
      rule,
      digest: call.digest ?? '',
      arguments: thing.arguments,
      startedAtMs: nowMs,
    };
    const settle = (answer: ApprovalAnswer): SettledVerdict => {
      // Nothing waits for it any more, and it is recorded.
      if (!this.#asked.delete(request))
        return { kind: 'refuse', refusal: { code: limitError, message: 'ended', data: {} } };
      if (!answer.granted) return refused(answer.reason.sentence);
      // Time has passed, and with it what rules may look at.
      const local = this.#local(request, thing, true);
      if (local.kind === 'deny') return this.#refuseLocally(request, thing, local.reason, this.#nowMs);
      return this.#pass(request, thing, joined([answer.rule ?? rule, ...local.rules]), this.#nowMs);
    };
    const settled = approve(asked, this.#ended.signal).then(settle, (error: unknown) =>
      settle({
        granted: false,
        reason: { code: 'guard.mcp.ask_failed', sentence: `nobody could be asked: ${String(error)}` },
      }),
    );
    return { kind: 'ask', settled };
  }

  /** The answer to an open call came (or never will: `failed` undefined, no duration). */
  answered(open: OpenCall, answer: CallAnswer | undefined, nowMs: number): void {
    this.#nowMs = nowMs;
    const { call } = open;
    if (call === undefined) return;
    const outcome = answer === undefined ? {} : { failed: answer.failed, durationMs: nowMs - call.startedAtMs };
    const data = [...(call.data ?? []), ...(answer?.data ?? [])];
    const withheld = answer?.withheld === undefined ? {} : { decision: 'deny' as const, rule: answer.withheld };
    this.#out.call({ ...call, ...outcome, ...withheld, ...(data.length === 0 ? {} : { data }) });
  }

  /** A call refused before it could be read as one. */
  unreadable(target: string, why: string, nowMs: number): void {
    this.#out.call({
      protocol: 'mcp',
      method: 'unreadable',
      target,
      decision: 'deny',
      rule: `guard:mcp ${why}`,
      startedAtMs: nowMs,
    });
  }

  #limitOf(nowMs: number): Refused | undefined {
    const { maxCalls, rateLimit } = this.#rules;
    if (maxCalls !== undefined && this.#allowedCalls >= maxCalls) {
      return {
        code: limitError,
        message: `The contract's ${maxCalls} calls are used`,
        rule: 'contract:mcp.maxCalls',
        why: `this session may make ${maxCalls} calls`,
      };
    }
    if (rateLimit === undefined) return undefined;
    const { calls, perSeconds } = rateLimit;
    const key = `${this.#context.ledgerKey}|mcp.rate`;
    if (this.#context.ledger.take(key, 1, calls, perSeconds * 1000, nowMs)) return undefined;
    return {
      code: limitError,
      message: `Rate limited: ${calls} calls in ${perSeconds} s`,
      rule: 'contract:mcp.rateLimit',
      why: `${calls} calls in ${perSeconds} s are allowed`,
    };
  }

  #refuseThing(request: Request, thing: NamedThing, rule: string, why: string, nowMs: number): SettledVerdict {
    const what = { tool: 'Unknown tool', prompt: 'Unknown prompt', resource: 'Resource not found' }[thing.kind];
    return this.#refuse(request, thing.name, thing, nowMs, {
      code: rpcErrors.invalidParams,
      message: `${what}: ${shortened(thing.name)}`,
      rule,
      why,
    });
  }

  #refuse(
    request: Request,
    target: string,
    thing: NamedThing | undefined,
    nowMs: number,
    refused: Refused,
  ): SettledVerdict {
    const named = thing ?? { kind: 'tool' as const, name: target, arguments: request.params };
    const call = this.#callOf(request, named, 'deny', refused.rule, nowMs);
    this.#out.call({ ...call, target: shortened(target), reason: refused.why });
    const uri = thing?.kind === 'resource' ? { uri: thing.name } : {};
    const data = { ...uri, reason: refused.why, rule: refused.rule, by: 'culvert' };
    return { kind: 'refuse', refusal: { code: refused.code, message: refused.message, data } };
  }

  #callOf(
    request: Request,
    thing: NamedThing | undefined,
    decision: 'allow' | 'deny',
    rule: string | undefined,
    nowMs: number,
  ): GuardCall {
    const args: unknown = thing?.arguments ?? {};
    const recorded = this.#rules.recordArguments === true;
    const short = this.#written.bytes <= maxRecordedBytes;
    const data = this.data.foundIn(request);
    return {
      protocol: 'mcp',
      method: shortened(request.method),
      target: shortened(thing?.name ?? request.method),
      decision,
      digest: this.#digests.get(request) ?? digestOf(args, this.#written.plain, this.#context),
      startedAtMs: nowMs,
      ...defined({ rule }),
      ...(recorded ? { arguments: short ? this.data.shown(request, args) : { tooLarge: this.#written.bytes } } : {}),
      ...(data.length === 0 ? {} : { data }),
    };
  }
}

const noRuleSpeaks: LocalVerdict = { kind: 'allow', rules: [] };

/** Rules that decided together, as records have them. */
function joined(rules: readonly (string | undefined)[]): string | undefined {
  const named = rules.filter((rule) => rule !== undefined);
  return named.length === 0 ? undefined : named.join(' + ');
}

/** Names come from outside: in records and answers they have an end. */
function shortened(name: string): string {
  return name.length <= maxNameLength ? name : `${name.slice(0, maxNameLength)}…`;
}

interface Refused {
  readonly code: number;
  readonly message: string;
  readonly rule: string;
  readonly why: string;
}
