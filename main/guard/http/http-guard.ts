/**
 * The HTTP guard: methods and paths from the head, models from the body, tokens from the answer. Pure.
 *
 * Direction: closed. What is not HTTP is a violation where the contract sets rules; a body whose model cannot be read is refused where the
 * contract names models; an answer that does not tell its tokens is charged to the budget by estimate.
 */
import type { HttpRules } from '../../base/engagement.ts';
import { compileGlob, type Glob } from '../../base/glob.ts';
import { textOf } from '../bytes.ts';
import { Effects } from '../effects.ts';
import type { Guard, GuardCall, GuardContext, GuardEffect } from '../guard.ts';
import { parseStrictJson } from '../json/strict-json.ts';
import { TokenReader } from './token-reader.ts';
import { HttpExchanges, type AnswerWatch, type HeldVerdict, type HttpJudge, type RequestPlan } from './exchanges.ts';
import { headCheck, plainPath, shownPath, type HeadCheck } from './head-check.ts';
import { fieldOf, mediaTypeOf, rewriteHead, type BodyFraming, type RequestHead } from './head.ts';
import { answerLimit, estimateTokens, modelInPath, modelsInBody } from './llm.ts';
import { refusalAnswer } from './own-answer.ts';

/** The largest body a model is read from; also the largest answer tokens are read from. Larger ones are refused, or reckoned. */
const maxReadBytes = 32 * 1024 * 1024;
/** Leave the guard gives itself, and codings that would hide the answer. */
const takenOut: ReadonlySet<string> = new Set(['expect', 'accept-encoding']);

export class HttpGuard implements Guard {
  readonly kind = 'http';
  readonly #out = new Effects();
  readonly #rules: HttpRules;
  readonly #exchanges: HttpExchanges;
  #wire: 'unknown' | 'http' | 'unread' | 'dead' = 'unknown';

  constructor(rules: HttpRules, context: GuardContext) {
    this.#rules = rules;
    this.#exchanges = new HttpExchanges(new RulesJudge(rules, context, this.#out), this.#out);
  }

  fromApp(chunk: Uint8Array, nowMs: number): readonly GuardEffect[] {
    if (this.#wire === 'unknown') this.#lookAt(chunk);
    if (this.#wire === 'http') this.#exchanges.fromApp(chunk, nowMs);
    if (this.#wire === 'unread') this.#out.toService(chunk);
    return this.#out.take();
  }

  fromService(chunk: Uint8Array, nowMs: number): readonly GuardEffect[] {
    if (this.#wire === 'unread') this.#out.toApp(chunk);
    else if (this.#wire !== 'dead') this.#exchanges.fromService(chunk, nowMs);
    return this.#out.take();
  }

  appEnded(): readonly GuardEffect[] {
    return this.#out.take();
  }

  serviceEnded(nowMs: number): readonly GuardEffect[] {
    this.#exchanges.serviceEnded(nowMs);
    return this.#out.take();
  }

  buffered(): number {
    return this.#exchanges.heldBytes();
  }

  #lookAt(chunk: Uint8Array): void {
    const [first = 0] = chunk;
    if (chunk.length === 0) return;
    if (first >= 0x41 && first <= 0x5a) {
      this.#wire = 'http';
      return;
    }
    const binding = Object.values(this.#rules).some((rule) => rule !== undefined);
    this.#wire = binding ? 'dead' : 'unread';
    this.#out.notVisible(binding ? 'closed' : 'open');
    if (!binding) return;
    this.#out.violation(
      {
        code: 'guard.http.not_visible',
        sentence: `the contract sets HTTP rules, and what flows is ${first === 0x16 ? 'TLS' : 'no HTTP'}`,
        next: 'Let the service speak plain HTTP on the overlay, which encrypts end to end itself',
        rule: 'contract:http',
      },
      true,
    );
  }
}

class RulesJudge implements HttpJudge {
  readonly allowsUpgrade: boolean;
  readonly violationCode = 'guard.http.unparseable';
  readonly #rules: HttpRules;
  readonly #context: GuardContext;
  readonly #out: Effects;
  readonly #checkHead: HeadCheck;
  readonly #models: readonly Glob[] | undefined;

  constructor(rules: HttpRules, context: GuardContext, out: Effects) {
    this.#rules = rules;
    this.#context = context;
    this.#out = out;
    this.#checkHead = headCheck(rules, out);
    this.#models = rules.models?.map((pattern) => compileGlob(pattern));
    // Behind an upgrade no model and no token could be read any more.
    this.allowsUpgrade = !this.#reads;
  }

  get #reads(): boolean {
    return this.#rules.models !== undefined || this.#rules.tokenBudget !== undefined;
  }

  request(head: RequestHead, framing: BodyFraming, nowMs: number): RequestPlan {
    const refused = this.#checkHead(head, nowMs);
    if (refused !== undefined) return { kind: 'refuse', answer: refused };
    const call: GuardCall = {
      protocol: 'http',
      method: head.method,
      target: shownPath(head.target),
      decision: 'allow',
      startedAtMs: nowMs,
    };
    if (!this.#reads) return { kind: 'pass', head: head.raw, answer: this.#watch(call, 0) };
    if (framing.kind === 'none') {
      const verdict = this.#judge(head.target, call, undefined, 0, nowMs);
      if (verdict.kind === 'refuse') return verdict;
      return { kind: 'pass', head: rewriteHead(head, takenOut), answer: verdict.answer };
    }
    return {
      kind: 'hold',
      head: rewriteHead(head, takenOut),
      limitBytes: maxReadBytes,
      judge: (body, at) => this.#judgeBody(head, call, body, at),
      tooLarge: (at) => {
        const sentence = `a body of more than ${maxReadBytes} bytes, in which no model can be read`;
        this.#out.call({ ...call, decision: 'deny', rule: 'guard:http.size', startedAtMs: at });
        const reason = { code: 'guard.http.too_large', sentence, rule: 'guard:http.size' };
        return { answer: refusalAnswer(413, 'guard:http.size', sentence), reason };
      },
    };
  }

  #judgeBody(head: RequestHead, call: GuardCall, body: readonly Uint8Array[], nowMs: number): HeldVerdict {
    const size = body.reduce((sum, part) => sum + part.length, 0);
    const coding = fieldOf(head, 'content-encoding');
    const text = coding === undefined || coding === 'identity' ? textOf(body) : undefined;
    const json = text === undefined || !/^\s*[[{]/.test(text) ? undefined : parseStrictJson(text);
    const looksJson = mediaTypeOf(head)?.endsWith('json') === true;
    if (this.#models !== undefined && (json?.kind === 'fault' || (looksJson && json === undefined))) {
      const why = `a body whose model cannot be read (${json?.kind === 'fault' ? json.why : 'no JSON'})`;
      return this.#refuse(call, 400, 'guard:http.body', why);
    }
    return this.#judge(head.target, call, json?.kind === 'json' ? json.value : undefined, size, nowMs);
  }

  /** Model and budget of one request; `body` undefined where there is none to read. */
  #judge(target: string, call: GuardCall, body: unknown, bytes: number, nowMs: number): HeldVerdict {
    const inPath = modelInPath(plainPath(target) ?? target);
    const models = [...(inPath === undefined ? [] : [inPath]), ...modelsInBody(body)];
    const [model] = models;
    const modelled: GuardCall = model === undefined ? call : { ...call, model };
    const allowed = this.#models;
    if (allowed !== undefined) {
      const foreign = models.find((named) => !allowed.some((glob) => glob.matches(named)));
      if (foreign !== undefined) {
        return this.#refuse(modelled, 403, 'contract:http.models', `${foreign} is not among the models allowed`);
      }
      if (model === undefined && bytes > 0) {
        return this.#refuse(modelled, 403, 'contract:http.models', 'a request that names no model does not pass');
      }
    }
    const budget = this.#rules.tokenBudget;
    if (budget !== undefined && (model !== undefined || bytes > 0)) {
      const used = this.#context.ledger.used(this.#budgetKey, budget.perSeconds * 1000, nowMs);
      if (used >= budget.tokens) {
        const why = `the budget of ${budget.tokens} tokens in ${budget.perSeconds} s is used`;
        return this.#refuse(modelled, 429, 'contract:http.tokenBudget', why);
      }
    }
    return { kind: 'pass', answer: this.#watch(modelled, bytes, answerLimit(body)) };
  }

  #refuse(call: GuardCall, status: number, rule: string, why: string): Extract<HeldVerdict, { kind: 'refuse' }> {
    this.#out.call({ ...call, decision: 'deny', rule });
    return { kind: 'refuse', answer: refusalAnswer(status, rule, why) };
  }

  #watch(call: GuardCall, requestBytes: number, mostAnswered = 0): AnswerWatch {
    const reader = new TokenReader();
    const asksModel = this.#reads && (call.model !== undefined || requestBytes > 0);
    const budget = asksModel ? this.#rules.tokenBudget : undefined;
    const most = estimateTokens(requestBytes) + mostAnswered;
    const windowMs = (budget?.perSeconds ?? 0) * 1000;
    const release =
      budget === undefined ? undefined : this.#context.ledger.hold(this.#budgetKey, most, windowMs, call.startedAtMs);
    let status: number | undefined;
    return {
      head: (head, framing) => {
        status = head.status;
        return !this.#reads || framing.kind === 'none' ? { kind: 'pass' } : reader.read(head);
      },
      over: (complete, nowMs) => {
        release?.();
        const tokens = asksModel && status !== undefined && status < 400 ? reader.total(requestBytes) : undefined;
        // Whoever hangs up before the answer has had it made all the same.
        const used = status === undefined ? most : tokens === undefined ? 0 : tokens.input + tokens.output;
        if (budget !== undefined) this.#context.ledger.charge(this.#budgetKey, used, windowMs, nowMs);
        this.#out.call({
          ...call,
          ...(complete ? { durationMs: nowMs - call.startedAtMs, failed: (status ?? 500) >= 400 } : {}),
          ...(tokens === undefined ? {} : { tokens }),
        });
      },
    };
  }

  get #budgetKey(): string {
    return `${this.#context.ledgerKey}|http.tokens`;
  }
}
