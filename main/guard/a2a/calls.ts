/** Judges what one A2A session asks and is answered. Pure but for the ledger it counts in. */
import { defined } from '../../base/defined.ts';
import type { A2aRules } from '../../base/engagement.ts';
import { compileGlob, type Glob } from '../../base/glob.ts';
import type { Effects } from '../effects.ts';
import type { EngagementRefusal, GuardCall, GuardContext, SessionEngagement } from '../guard.ts';
import { isOnlyNoted, judged, notedIn } from '../judgement.ts';
import { rpcErrors, type RpcRefusal, type RpcRequest } from '../mcp/rpc.ts';
import { AgentEndpoints } from './endpoints.ts';
import { answeredParts, readSent, type PartType } from './messages.ts';
import { errorInfo, isErrorInfo } from './error-info.ts';
import { a2aErrors, kindOf, type MethodKind } from './methods.ts';
import { unreadableRequest } from './requests.ts';

type Fields = Readonly<Record<string, unknown>>;

/** What the details of an error are, where they are judged as a part of a message would be. */
const errorData: PartType = { kind: 'data', mediaType: 'application/json' };

const defaultMaxMessageBytes = 16 * 1024 * 1024;
/** Messages are counted over so long where the contract gives no time of its own. */
const daySeconds = 86_400;
/** A server's own error for "not now". Source: JSON-RPC 2.0 section 5.1, implementation-defined range. */
const limitError = -32_000;
const typesRule = 'contract:a2a.messageTypes';
/** Longer names are shortened where they are told. */
const maxNameLength = 512;

/** Whether a request goes on. */
export type A2aVerdict =
  { readonly kind: 'pass'; readonly call: GuardCall } | { readonly kind: 'refuse'; readonly refusal: RpcRefusal };

interface Refused {
  readonly code: number;
  readonly message: string;
  readonly rule: string;
  readonly why: string;
}

interface A2aCallsDeps {
  readonly grantSeconds: number | undefined;
  readonly context: GuardContext;
  readonly out: Effects;
}

/** The calls of one session, and how many it may still make. */
export class A2aCalls {
  readonly maxMessageBytes: number;
  readonly context: GuardContext;
  /** Where messages may be sent to. */
  readonly endpoints: AgentEndpoints;
  readonly #rules: A2aRules;
  readonly #out: Effects;
  readonly #windowMs: number;
  readonly #skills: readonly Glob[] | undefined;
  readonly #types: readonly Glob[] | undefined;

  constructor(rules: A2aRules, { grantSeconds, context, out }: A2aCallsDeps) {
    this.#rules = rules;
    this.maxMessageBytes = rules.maxMessageBytes ?? defaultMaxMessageBytes;
    this.#windowMs = (grantSeconds ?? daySeconds) * 1000;
    this.context = context;
    this.endpoints = context.endpoints ?? new AgentEndpoints();
    this.#out = out;
    this.#skills = rules.skills?.map((pattern) => compileGlob(pattern));
    this.#types = rules.messageTypes?.map((pattern) => compileGlob(pattern));
  }

  /** Why nothing may be said to the agent as things stand: whoever asks has no engagement with it. Its card may be asked for without one. */
  engagementRefusal({ method }: RpcRequest): ReturnType<SessionEngagement['refusal']> {
    return isSaid(kindOf(method)) ? this.context.engagement?.refusal() : undefined;
  }

  /**
   * Judge a request of the application; `digest` is of its parameters. A refusal is recorded at once. What passes is said under an engagement,
   * as that stands now: much may have happened while the digest was made.
   */
  judge(asked: Asked): A2aVerdict {
    const { request, refused } = asked;
    const kind = kindOf(request.method);
    if (refused !== undefined) return this.#refuse(asked, request.method, notEngaged(refused));
    const verdict = this.#judgeKind(asked, kind);
    if (verdict.kind === 'refuse' || !isSaid(kind)) return verdict;
    const unsaid = this.context.engagement?.said(kind === 'send');
    return unsaid === undefined ? verdict : this.#refuse(asked, request.method, notEngaged(unsaid));
  }

  #judgeKind(asked: Asked, kind: MethodKind | undefined): A2aVerdict {
    const { request } = asked;
    const { method } = request;
    switch (kind) {
      case 'send':
        return this.#judgeSent(asked);
      case 'task':
      case 'tasks':
      case 'cancel':
      case 'card':
        return this.#judgeNamed(asked, kind);
      case 'push':
        return this.#refuse(asked, taskOf(request), pushRefused);
      case undefined:
        return this.#refuse(asked, shortened(method), {
          code: rpcErrors.methodNotFound,
          message: `Method not found: ${shortened(method)}`,
          rule: 'guard:a2a.method',
          why: 'the guard does not know this method, so it does not pass',
        });
    }
  }

  /**
   * Why an answer may not be given: it holds a part of another type, or one that cannot be read. The call is recorded as refused. `observed`: it
   * is given all the same.
   */
  withheld(result: unknown): { readonly refusal?: RpcRefusal; readonly observed?: true } {
    if (this.#types === undefined) return {};
    const parts = answeredParts(result);
    const isRead = typeof parts !== 'string';
    const why = isRead ? this.#foreign(parts).map((part) => `${part.mediaType} (${part.kind})`)[0] : parts;
    if (why === undefined) return {};
    if (isRead && isOnlyNoted(typesRule, this.context)) return { observed: true };
    return { refusal: refusalOf(this.#typeRefused(`The answer holds ${why}`)) };
  }

  /**
   * An agent's error as it is given: where the contract lets no data through, without what stands in its details but that is told in A2A's own
   * form, and without fields that an error has not. The very same one where nothing is taken out.
   */
  shownError(error: Fields): Fields {
    if (this.#types === undefined || this.context.observes === true) return error;
    const { code, message, data, ...others } = error;
    const isOwn = data === undefined || isErrorInfo(data) || this.#foreign([errorData]).length === 0;
    if (isOwn && Object.keys(others).length === 0) return error;
    return { code, message, ...(isOwn && data !== undefined ? { data } : {}) };
  }

  /** Is this skill shown in cards? */
  shows(skill: string): boolean {
    return (
      this.#skills === undefined || this.context.observes === true || this.#skills.some((glob) => glob.matches(skill))
    );
  }

  /** The answer to a call came; `withheld`: it was not given to the application. Undefined where none will come any more. */
  answered(
    call: GuardCall,
    answer: { readonly failed: boolean; readonly withheld: boolean; readonly observed: boolean } | undefined,
    nowMs: number,
  ): void {
    const outcome = answer === undefined ? {} : { failed: answer.failed, durationMs: nowMs - call.startedAtMs };
    const refused = answer?.withheld === true ? { decision: 'deny' as const, rule: typesRule } : {};
    const noted = answer?.observed === true ? notedIn(call.observed ?? typesRule) : {};
    this.#out.call({ ...call, ...outcome, ...noted, ...refused });
  }

  /** A call refused before it could be read as one. */
  unreadable(target: string, why: string, nowMs: number): void {
    this.#out.call({
      protocol: 'a2a',
      method: 'unreadable',
      target: shortened(target),
      decision: 'deny',
      rule: `guard:a2a ${why}`,
      startedAtMs: nowMs,
    });
  }

  #judgeNamed(asked: Asked, kind: Parameters<typeof unreadableRequest>[0]): A2aVerdict {
    const { request } = asked;
    const odd = unreadableRequest(kind, request.params);
    if (odd !== undefined) return this.#refuse(asked, taskOf(request), paramsRefused(request, odd));
    return { kind: 'pass', call: callOf(asked, taskOf(request), 'allow') };
  }

  #judgeSent(asked: Asked): A2aVerdict {
    const { request, nowMs } = asked;
    const sent = readSent(request.params, this.#skills !== undefined);
    if (typeof sent === 'string') return this.#refuse(asked, request.method, paramsRefused(request, sent));
    const target = shortened(sent.skill ?? [...new Set(sent.parts.map((part) => part.mediaType))].join(' '));
    if (sent.push) return this.#refuse(asked, target, pushRefused);
    const { refused, observed } = judged(this.#objections(sent.skill, sent.parts, nowMs), this.context);
    if (refused !== undefined) return this.#refuse(asked, target, refused);
    return { kind: 'pass', call: { ...callOf(asked, target, 'allow'), ...notedIn(observed) } };
  }

  /** What the rules say against a message, in the order it is told. */
  *#objections(skill: string | undefined, parts: readonly PartType[], nowMs: number): Generator<Refused> {
    const skillRefused = this.#skillRefused(skill);
    if (skillRefused !== undefined) yield skillRefused;
    const [foreign] = this.#foreign(parts);
    if (foreign !== undefined) {
      yield this.#typeRefused(`The message holds ${foreign.mediaType} (${foreign.kind})`);
    }
    const { maxMessages } = this.#rules;
    const key = `${this.context.budgetKey ?? this.context.ledgerKey}|a2a.messages`;
    if (maxMessages !== undefined && !this.context.ledger.take(key, 1, maxMessages, this.#windowMs, nowMs)) {
      yield {
        code: limitError,
        message: `The contract's ${maxMessages} messages are used`,
        rule: 'contract:a2a.maxMessages',
        why: `${maxMessages} messages may be sent to this agent`,
      };
    }
  }

  #skillRefused(skill: string | undefined): Refused | undefined {
    const rules = this.#skills;
    if (rules === undefined) return undefined;
    const refused = { code: a2aErrors.unsupportedOperation, rule: 'contract:a2a.skills' };
    if (skill !== undefined) {
      if (rules.some((glob) => glob.matches(skill))) return undefined;
      return { ...refused, message: `Unknown skill: ${shortened(skill)}`, why: 'the contract does not allow it' };
    }
    if (this.#rules.skills?.includes('*') === true) return undefined;
    const why = 'the contract allows some skills alone, and the message names none in metadata.skillId';
    return { ...refused, message: 'The message names no skill in metadata.skillId', why };
  }

  #foreign(parts: readonly PartType[]): readonly PartType[] {
    const types = this.#types;
    if (types === undefined) return [];
    return parts.filter(({ kind, mediaType }) => !types.some((glob) => glob.matches(kind) || glob.matches(mediaType)));
  }

  #typeRefused(message: string): Refused {
    return {
      code: a2aErrors.contentTypeNotSupported,
      message,
      rule: typesRule,
      why: 'the contract does not allow messages of this type',
    };
  }

  #refuse(asked: Asked, target: string, refused: Refused): A2aVerdict {
    this.#out.call(callOf(asked, target, 'deny', refused.rule));
    return { kind: 'refuse', refusal: refusalOf(refused) };
  }
}

/** A request, as it is judged. */
interface Asked {
  readonly request: RpcRequest;
  readonly digest: string;
  readonly nowMs: number;
  /** There is no engagement under which it could be said. */
  readonly refused?: EngagementRefusal | undefined;
}

/** Something is said to the agent by it, or asked of what was said. */
function isSaid(kind: MethodKind | undefined): boolean {
  return kind !== undefined && kind !== 'card' && kind !== 'push';
}

function notEngaged({ rule, sentence, next }: EngagementRefusal): Refused {
  const said = `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}; ${next}`;
  return { code: limitError, message: said, rule, why: sentence };
}

function paramsRefused({ method }: RpcRequest, odd: string): Refused {
  return {
    code: rpcErrors.invalidParams,
    message: `Invalid params of ${method}: ${odd}`,
    rule: 'guard:a2a.params',
    why: `what it asks cannot be read: ${odd}`,
  };
}

const pushRefused: Refused = {
  code: a2aErrors.pushNotSupported,
  message: 'Push notifications do not pass',
  rule: 'guard:a2a.push',
  why: 'the agent would call an address outside of this session: ask for the task or subscribe to it',
};

function refusalOf({ code, message, rule, why }: Refused): RpcRefusal {
  return { code, message, data: errorInfo('CONTRACT_REFUSED', { rule, reason: why }) };
}

function callOf(
  { request, digest, nowMs }: Asked,
  target: string,
  decision: 'allow' | 'deny',
  rule?: string,
): GuardCall {
  return {
    protocol: 'a2a',
    method: shortened(request.method),
    target: target === '' ? shortened(request.method) : target,
    decision,
    digest,
    startedAtMs: nowMs,
    ...defined({ rule }),
  };
}

function taskOf({ params, method }: RpcRequest): string {
  const id = params.taskId ?? params.id ?? params.name;
  return shortened(typeof id === 'string' ? id : method);
}

/** Names come from outside: in records and answers they have an end. */
function shortened(name: string): string {
  return name.length <= maxNameLength ? name : `${name.slice(0, maxNameLength)}…`;
}
