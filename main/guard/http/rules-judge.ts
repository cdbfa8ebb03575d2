/** Holds the requests of one HTTP session to methods, paths, models and a token budget. Pure. */
import type { HttpRules } from '../../base/engagement.ts';
import { compileGlob, type Glob } from '../../base/glob.ts';
import type { Reason } from '../../base/reason.ts';
import type { Effects } from '../effects.ts';
import type { GuardCall, GuardContext } from '../guard.ts';
import { bodyReaderFor, type BodyReading } from './body-reader.ts';
import { callFor, headCheck, type HeadCheck } from './head-check.ts';
import { isOnlyNoted, notedIn } from '../judgement.ts';
import { foreignCharset, type BodyFraming, type HeadChanges, type RequestHead } from './head.ts';
import type { JsonDocument } from '../json/json-reader.ts';
import { answerLimit, estimateTokens, modelInPath, modelsInBody, namesForeignBatch } from './models.ts';
import type { AnswerWatch, HeldVerdict, HttpJudge, RequestPlan } from './plans.ts';
import { refusalAnswer, type HttpRefusal } from './refusal.ts';
import { plainPath, shownPath, withoutParameters } from './target.ts';
import { BudgetShare } from './token-budget.ts';
import { TokenReader } from './token-reader.ts';
import { isWebSocketHandshake } from './websocket.ts';

/** The largest body a model is read from; also the largest answer tokens are read from. Larger ones are refused, or reckoned. */
const maxReadBytes = 32 * 1024 * 1024;
/** Codings that would hide the answer, and ranges that would show a part of it. */
const hiding: ReadonlySet<string> = new Set(['accept-encoding', 'range']);
/** Parameters by which frameworks take another method than the request line's. */
const overrides: ReadonlySet<string> = new Set([
  '_method',
  'x-http-method-override',
  'x-http-method',
  'x-method-override',
]);

/** One request that is judged. */
interface Asked {
  readonly head: RequestHead;
  readonly call: GuardCall;
}

export class RulesJudge implements HttpJudge {
  readonly violationCode = 'guard.http.unparseable';
  readonly #rules: HttpRules;
  readonly #context: GuardContext;
  readonly #out: Effects;
  readonly #checkHead: HeadCheck;
  readonly #models: readonly Glob[] | undefined;
  readonly #reads: boolean;

  constructor(rules: HttpRules, context: GuardContext, out: Effects) {
    this.#rules = rules;
    this.#context = context;
    this.#out = out;
    this.#checkHead = headCheck(rules, out, context);
    this.#models = rules.models?.map((pattern) => compileGlob(pattern));
    this.#reads = rules.models !== undefined || rules.tokenBudget !== undefined;
  }

  request(head: RequestHead, framing: BodyFraming, nowMs: number): RequestPlan {
    const { refused, observed } = this.#checkHead(head, nowMs);
    if (refused !== undefined) return { kind: 'refuse', answer: refused };
    const { target } = head;
    const call = { ...callFor(head, nowMs), ...notedIn(observed) };
    const asked: Asked = { head, call };
    const changes: HeadChanges = {
      ...(this.#rules.methods === undefined ? {} : { target: withoutParameters(target, overrides) }),
      ...(this.#reads ? { without: hiding } : {}),
    };
    if (!this.#reads) {
      return { kind: 'pass', changes, answer: this.#watch(asked, call, 0), upgrade: isWebSocketHandshake(head) };
    }
    if (framing.kind === 'none') {
      const verdict = this.#judge(asked, undefined, 0, nowMs);
      return verdict.kind === 'refuse' ? verdict : { kind: 'pass', changes, answer: verdict.answer };
    }
    const charset = foreignCharset(head);
    if (charset !== undefined) {
      return this.#refuse(asked, call, {
        status: 415,
        rule: 'guard:http.body',
        why: `a body in ${charset} cannot be read`,
      });
    }
    const reader = bodyReaderFor(head);
    return {
      kind: 'hold',
      changes,
      limitBytes: maxReadBytes,
      body: {
        push: (payload) => reader.push(payload),
        judge: (at) => this.#judgeBody(asked, reader.end(), at),
      },
      tooLarge: (at) => {
        const why = `a body of more than ${maxReadBytes} bytes, in which no model can be read`;
        const { answer } = this.#refuse(
          asked,
          { ...call, startedAtMs: at },
          { status: 413, rule: 'guard:http.size', why },
        );
        return { answer, reason: { code: 'guard.http.too_large', sentence: why, rule: 'guard:http.size' } };
      },
    };
  }

  /** The verdict on a body that was read already; its head has been asked. */
  judgeDocument(head: RequestHead, json: JsonDocument, bytes: number, nowMs: number): HeldVerdict {
    const call = callFor(head, nowMs);
    const { value, written } = json;
    return this.#judgeBody(
      { head, call },
      { kind: 'read', value, written, contentType: 'application/json', bytes },
      nowMs,
    );
  }

  #judgeBody(asked: Asked, body: BodyReading, nowMs: number): HeldVerdict {
    const { call } = asked;
    if (body.kind === 'misnamed') {
      const why = 'JSON under another content type does not pass';
      return this.#refuse(asked, call, { status: 415, rule: 'guard:http.body', why });
    }
    if (body.kind === 'fault' && (this.#models !== undefined || body.json)) {
      const why = `a body whose model cannot be read (${body.why})`;
      return this.#refuse(asked, call, { status: 400, rule: 'guard:http.body', why });
    }
    const verdict = this.#judge(asked, body.kind === 'read' ? body.value : undefined, body.bytes, nowMs);
    if (verdict.kind === 'refuse') return verdict;
    return { kind: 'pass', body: body.written, answer: verdict.answer, ...typeOf(body) };
  }

  /** Model and budget of one request; `body` undefined where there is none to read. */
  #judge(
    asked: Asked,
    body: unknown,
    bytes: number,
    nowMs: number,
  ): { readonly kind: 'pass'; readonly answer: AnswerWatch } | Extract<HeldVerdict, { kind: 'refuse' }> {
    const { target } = asked.head;
    const inPath = modelInPath(plainPath(target) ?? target);
    const inBody = modelsInBody(body);
    const models = [...(inPath === undefined ? [] : [inPath]), ...inBody.names];
    const model = inPath ?? inBody.chosen;
    let call: GuardCall = model === undefined ? asked.call : { ...asked.call, model };
    const refuse = (refused: Refused): Extract<HeldVerdict, { kind: 'refuse' }> => this.#refuse(asked, call, refused);
    const allowed = this.#models;
    if (allowed !== undefined) {
      if (inBody.misspelt !== undefined) {
        return refuse({
          status: 400,
          rule: 'guard:http.body',
          why: `the field "${inBody.misspelt}" in a spelling that readers take differently`,
        });
      }
      const refused = refusedModel(allowed, models, model === undefined && bytes > 0);
      if (refused !== undefined && !isOnlyNoted(refused.rule, this.#context)) return refuse(refused);
      call = { ...call, ...notedIn(call.observed ?? refused?.rule) };
    }
    if (namesForeignBatch(body)) {
      return refuse({
        status: 403,
        rule: 'guard:http.batch',
        why: 'a batch whose requests stand in a file cannot be judged',
      });
    }
    const budget = this.#rules.tokenBudget;
    if (budget === undefined || (model === undefined && bytes === 0) || isFree(target)) {
      return { kind: 'pass', answer: this.#watch(asked, call, bytes) };
    }
    const most = estimateTokens(bytes) + answerLimit(body);
    const share = BudgetShare.reserve(budget, this.#context.ledger, this.#budgetKey, most, nowMs);
    if (share === undefined) {
      const retryAfterSeconds = this.#freeAgain(nowMs);
      const why = `the budget of ${budget.tokens} tokens in ${budget.perSeconds} s is used`;
      return refuse({ status: 429, rule: 'contract:http.tokenBudget', why, retryAfterSeconds });
    }
    return { kind: 'pass', answer: this.#watch(asked, call, bytes, share, isBatch(body) ? most : undefined) };
  }

  #freeAgain(nowMs: number): number {
    const { tokens, perSeconds } = this.#rules.tokenBudget ?? { tokens: 0, perSeconds: 1 };
    const atMs =
      this.#context.ledger.freeAt?.(this.#budgetKey, tokens, perSeconds * 1000, nowMs) ?? nowMs + perSeconds * 1000;
    return Math.max(1, Math.ceil((atMs - nowMs) / 1000));
  }

  #refuse(asked: Asked, call: GuardCall, refused: Refused): Extract<HeldVerdict, { kind: 'refuse' }> {
    this.#out.call({ ...call, decision: 'deny', rule: refused.rule });
    return { kind: 'refuse', answer: refusalAnswer({ ...refused, target: asked.head.target }) };
  }

  /** `atOnce`: charged before the answer, which tells nothing (a batch is answered later, somewhere else). */
  #watch(asked: Asked, call: GuardCall, requestBytes: number, share?: BudgetShare, atOnce?: number): AnswerWatch {
    const allows = (tokens: number): boolean => share?.allows(tokens) !== false;
    const limit = share === undefined ? undefined : { allows, why: this.#budgetUsed() };
    const reader = new TokenReader(asked.head.target, requestBytes, limit);
    const asksModel = this.#reads && (call.model !== undefined || requestBytes > 0) && !isFree(asked.head.target);
    let status: number | undefined;
    return {
      head: (head, framing) => {
        status = head.status;
        return !this.#reads || framing.kind === 'none' ? { kind: 'pass' } : reader.read(head);
      },
      over: (complete, nowMs) => {
        const answered = asksModel && status !== undefined && status < 400;
        const tokens = answered && atOnce === undefined ? reader.total() : undefined;
        // Whoever hangs up before the answer has had it made all the same.
        const unanswered = status === undefined ? (share?.reserved ?? 0) : 0;
        share?.settle(
          answered ? (atOnce ?? (tokens === undefined ? 0 : tokens.input + tokens.output)) : unanswered,
          nowMs,
        );
        this.#out.call({
          ...call,
          ...(complete ? { durationMs: nowMs - call.startedAtMs, failed: (status ?? 500) >= 400 } : {}),
          ...(tokens === undefined ? {} : { tokens }),
        });
      },
    };
  }

  #budgetUsed(): Reason {
    const { tokens, perSeconds } = this.#rules.tokenBudget ?? { tokens: 0, perSeconds: 0 };
    const sentence = `an answer was ended: the budget of ${tokens} tokens in ${perSeconds} s is used`;
    return { code: 'guard.http.budget_used', sentence, rule: 'contract:http.tokenBudget' };
  }

  get #budgetKey(): string {
    return `${this.#context.budgetKey ?? this.#context.ledgerKey}|http.tokens`;
  }
}

type Refused = Omit<HttpRefusal, 'target'>;

/** What a contract's list of models says against a request that names these; `mustName`: it has a body, and names none. */
export function refusedModel(
  allowed: readonly Glob[],
  models: readonly string[],
  mustName: boolean,
): Refused | undefined {
  const rule = 'contract:http.models';
  const foreign = models.find((named) => !allowed.some((glob) => glob.matches(named)));
  if (foreign !== undefined) {
    return { status: 404, rule, why: `${foreign} is not among the models allowed`, model: foreign };
  }
  return mustName ? { status: 403, rule, why: 'a request that names no model does not pass' } : undefined;
}

function typeOf(body: BodyReading): { readonly contentType?: string } {
  return body.kind === 'read' ? { contentType: body.contentType } : {};
}

/** Counting tokens costs none. */
function isFree(target: string): boolean {
  return /(?:\/count_tokens|:countTokens|\/count-tokens|\/tokenize|\/detokenize)$/.test(shownPath(target));
}

function isBatch(body: unknown): boolean {
  return typeof body === 'object' && body !== null && Array.isArray((body as { requests?: unknown }).requests);
}
