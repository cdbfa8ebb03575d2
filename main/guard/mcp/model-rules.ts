/**
 * `http.models` and `http.tokenBudget` beside `mcp`: a service may speak both, and whatever a message looks like, both hold. Pure.
 */
import type { HttpRules } from '../../base/engagement.ts';
import { compileGlob, type Glob } from '../../base/glob.ts';
import type { Effects } from '../effects.ts';
import type { GuardCall, GuardContext } from '../guard.ts';
import { isOnlyNoted, notedIn } from '../judgement.ts';
import { answerLimit, modelsInBody } from '../http/models.ts';
import type { HeldVerdict } from '../http/plans.ts';
import { Budgets } from '../http/budgets.ts';
import { RulesJudge } from '../http/rules-judge.ts';
import { tokensIn, tokensInBytes } from '../http/token-estimate.ts';
import type { RequestHead } from '../http/head.ts';
import { foldName } from '../json/fold-name.ts';
import type { JsonDocument } from '../json/json-reader.ts';
import { isRecord } from '../json/strict-json.ts';
import type { SettledVerdict } from './calls.ts';
import { isCall } from './methods.ts';
import type { RpcMessage, RpcRequest } from './rpc.ts';

/** A call's share of the budget. */
export interface TokenShare {
  /** So many bytes were answered. Once. */
  settle(answerBytes: number, nowMs: number): void;
}

/** One session's rules of models and budgets. */
export class ModelRules {
  readonly #context: GuardContext;
  readonly #out: Effects;
  readonly #judge: RulesJudge;
  readonly #budgets: Budgets;
  readonly #models: readonly Glob[] | undefined;

  constructor(rules: HttpRules, context: GuardContext, out: Effects) {
    this.#budgets = new Budgets(rules, context, (reason) => out.warning(reason));
    this.#context = context;
    this.#out = out;
    this.#judge = new RulesJudge(rules, context, out);
    this.#models = rules.models?.map((pattern) => compileGlob(pattern));
  }

  /** The verdict on a body that asks a model and is no message of MCP to anybody; undefined where it may be one. */
  verdictOn(
    head: RequestHead,
    json: JsonDocument,
    bytes: number,
    modelKey: string | undefined,
    nowMs: number,
  ): HeldVerdict | undefined {
    const { value } = json;
    if (!isRecord(value) || Object.keys(value).some((key) => rpcNames.has(foldName(key)))) return undefined;
    return this.#judge.judgeDocument(head, json, bytes, modelKey, nowMs);
  }

  /** Why a call does not go on for its models or for a used budget. Recorded at once. */
  refusal(request: RpcRequest, nowMs: number): SettledVerdict | undefined {
    const named = modelsInBody(request.params);
    const foreign = named.names.find((model) => this.#models?.some((glob) => glob.matches(model)) === false);
    const isNoted = isOnlyNoted('contract:http.models', this.#context) && named.misspelt === undefined;
    if (this.#models !== undefined && foreign !== undefined && isNoted) {
      this.#out.call({ ...this.#callOf(request, nowMs), decision: 'allow', ...notedIn('contract:http.models') });
    } else if (this.#models !== undefined && (foreign ?? named.misspelt) !== undefined) {
      return this.#refuse(
        request,
        'contract:http.models',
        `${foreign ?? named.misspelt} is not among the models allowed`,
        nowMs,
      );
    }
    const used = isCall(request.method) ? this.#budgets.usedUp(nowMs) : undefined;
    return used === undefined ? undefined : this.#refuse(request, used.rule, used.why, nowMs);
  }

  /** What the calls of a message may use: reckoned by their length, for no answer of a tool tells. */
  share(messages: readonly RpcMessage[], json: JsonDocument, nowMs: number): TokenShare | undefined {
    if (!messages.some((message) => message.kind === 'request' && isCall(message.method))) return undefined;
    const input = tokensIn(json.written);
    const reserved = this.#budgets.reserve({ models: [], input, output: answerLimit(undefined) }, nowMs);
    if (reserved.kind === 'refuse') return undefined;
    const { share } = reserved;
    return { settle: (answerBytes, atMs) => share.settle({ input, output: tokensInBytes(answerBytes) }, atMs) };
  }

  #refuse(request: RpcRequest, rule: string, why: string, nowMs: number): SettledVerdict {
    this.#out.call({ ...this.#callOf(request, nowMs), decision: 'deny', rule });
    return {
      kind: 'refuse',
      refusal: { code: -32_000, message: `Refused: ${why}`, data: { reason: why, rule, by: 'culvert' } },
    };
  }

  #callOf({ method, params }: RpcRequest, nowMs: number): Omit<GuardCall, 'decision'> {
    const target = typeof params.name === 'string' ? params.name.slice(0, 512) : method;
    return { protocol: 'mcp', method, target, startedAtMs: nowMs };
  }
}

const rpcNames: ReadonlySet<string> = new Set(['jsonrpc', 'method', 'params', 'result', 'error']);
