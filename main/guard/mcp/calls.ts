/** Judges requests of one MCP session, keeps those that wait for an answer, and takes hidden things out of lists. Pure. */
import type { McpRules } from '../../base/engagement.ts';
import type { Effects } from '../effects.ts';
import type { GuardCall, GuardContext } from '../guard.ts';
import { canonicalJson } from '../json/canonical-json.ts';
import { actionOf, isCall, isKnownRequest, isList, thingsNamed, type NamedThing } from './methods.ts';
import { isRecord } from '../json/strict-json.ts';
import { rpcErrors, type RpcMessage, type RpcParams } from './rpc.ts';
import { CompiledMcpRules, type ThingKind } from './rules.ts';

/** The default of `maxMessageBytes`. */
export const defaultMaxMessageBytes = 16 * 1024 * 1024;
/** A server's own error for "not now". Source: JSON-RPC 2.0 section 5.1, implementation-defined range. */
const limitError = -32_000;

/** Longer names are shortened where they are told. */
const maxNameLength = 512;

/** A request that went on and waits for its answer. */
export interface OpenCall {
  readonly method: string;
  /** Absent for what is not recorded. */
  readonly call: GuardCall | undefined;
}

export interface RpcRefusal {
  readonly code: number;
  readonly message: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export type CallVerdict =
  { readonly kind: 'pass'; readonly open: OpenCall } | { readonly kind: 'refuse'; readonly refusal: RpcRefusal };

type Request = Extract<RpcMessage, { kind: 'request' }>;

export class McpCalls {
  readonly #rules: McpRules;
  readonly #compiled: CompiledMcpRules;
  readonly #context: GuardContext;
  readonly #out: Effects;
  #allowedCalls = 0;
  #plain = false;

  constructor(rules: McpRules, context: GuardContext, out: Effects) {
    this.#rules = rules;
    this.#compiled = new CompiledMcpRules(rules);
    this.#context = context;
    this.#out = out;
  }

  get maxMessageBytes(): number {
    return this.#rules.maxMessageBytes ?? defaultMaxMessageBytes;
  }

  /** Is there anything to hold the stream to? Without rules it may pass unread where it cannot be read. */
  get binding(): boolean {
    const { allow, deny, maxCalls, rateLimit } = this.#rules;
    return [allow, deny, maxCalls, rateLimit].some((rule) => rule !== undefined);
  }

  /** Judge a request of the application; `plain` as its parser said. A refusal is recorded at once. */
  judge(request: Request, plain: boolean, nowMs: number): CallVerdict {
    this.#plain = plain;
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
    for (const thing of things) {
      const verdict = this.#compiled.judge(thing.kind, thing.name, thing.arguments);
      if (!verdict.allowed)
        return this.#refuseThing(request, thing, verdict.rule, 'the contract does not allow it', nowMs);
      const local = this.#context.authorize?.(actionOf(thing));
      if (local !== undefined)
        return this.#refuseThing(request, thing, local.rule ?? local.code, local.sentence, nowMs);
      rule ??= verdict.rule;
    }
    if (!isCall(method)) return { kind: 'pass', open: { method, call: undefined } };
    const [thing] = things;
    const limited = this.#limitOf(nowMs);
    if (limited !== undefined) return this.#refuse(request, thing?.name ?? method, thing, nowMs, limited);
    this.#allowedCalls += 1;
    return { kind: 'pass', open: { method, call: this.#callOf(request, thing, 'allow', rule, nowMs) } };
  }

  /** The answer to an open call came (or never will: `failed` undefined, no duration). */
  answered(open: OpenCall, answer: { readonly failed: boolean } | undefined, nowMs: number): void {
    if (open.call === undefined) return;
    const outcome = answer === undefined ? {} : { failed: answer.failed, durationMs: nowMs - open.call.startedAtMs };
    this.#out.call({ ...open.call, ...outcome });
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

  /** A result without what is hidden; the very same one where nothing is. `method` undefined: the request is not known here. */
  withoutHidden(
    method: string | undefined,
    result: Readonly<Record<string, unknown>>,
  ): Readonly<Record<string, unknown>> {
    if (method !== undefined && !isList(method)) return result;
    const changed: Record<string, unknown> = {};
    for (const [field, kind, key] of listFields) {
      const listed: unknown = result[field];
      if (!Array.isArray(listed)) continue;
      const shown = (listed as readonly unknown[]).filter((item) => this.#isShown(kind, item, key));
      if (shown.length < listed.length) changed[field] = shown;
    }
    if (Object.keys(changed).length === 0) return result;
    // What this session may see is not what everybody may see.
    const scope = result.cacheScope === undefined ? {} : { cacheScope: 'private' };
    return { ...result, ...changed, ...scope };
  }

  #isShown(kind: ThingKind, item: unknown, key: string): boolean {
    const name = isRecord(item) ? item[key] : undefined;
    return typeof name === 'string' && this.#compiled.shows(kind, name);
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

  #refuseThing(request: Request, thing: NamedThing, rule: string, why: string, nowMs: number): CallVerdict {
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
  ): CallVerdict {
    const named = thing ?? { kind: 'tool' as const, name: target, arguments: request.params };
    this.#out.call({ ...this.#callOf(request, named, 'deny', refused.rule, nowMs), target: shortened(target) });
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
    const args: RpcParams | unknown = thing?.arguments ?? {};
    return {
      protocol: 'mcp',
      method: shortened(request.method),
      target: shortened(thing?.name ?? request.method),
      decision,
      digest: this.#context.digest(canonicalJson(args, this.#plain)),
      startedAtMs: nowMs,
      ...(rule === undefined ? {} : { rule }),
      ...(this.#rules.recordArguments === true ? { arguments: args } : {}),
    };
  }
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

/** Where lists keep their things, and under which key a thing has its name. */
const listFields = [
  ['tools', 'tool', 'name'],
  ['prompts', 'prompt', 'name'],
  ['resources', 'resource', 'uri'],
  ['resourceTemplates', 'resource', 'uriTemplate'],
] as const;
