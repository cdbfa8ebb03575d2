/** Holds the requests of one HTTP session to methods, paths, models and budgets of tokens and money. Pure. */
import { asksModels, type HttpRules } from '../../base/engagement.ts';
import { defined } from '../../base/defined.ts';
import { compileGlob, type Glob } from '../../base/glob.ts';
import type { Effects } from '../effects.ts';
import type { GuardCall, GuardContext } from '../guard.ts';
import type { CompiledDataRules } from '../data/data-rules.ts';
import type { DataFound } from '../data/found.ts';
import { utf8 } from '../bytes.ts';
import { writeJson } from '../json/write-json.ts';
import { limitAnswers } from './answer-limit.ts';
import { AnswerLook, lookThrough } from './answer-look.ts';
import { bodyReaderFor, type BodyReading, type BodySize } from './body-reader.ts';
import { Budgets, type CallShare } from './budgets.ts';
import { callFor, headCheck, type HeadCheck } from './head-check.ts';
import { keyCheck, type KeyCheck } from './key-check.ts';
import type { CheckedKeys } from './model-key.ts';
import { isOnlyNoted, notedIn } from '../judgement.ts';
import { foreignCharset, type BodyFraming, type HeadChanges, type RequestHead } from './head.ts';
import type { JsonDocument } from '../json/json-reader.ts';
import { refusedModel, type Refused } from './model-refusal.ts';
import { ModelSocket, modelsInQuery } from './model-socket.ts';
import { answerLimit, batchFault, batchOf, modelInPath, modelsInBody, namesForeignBatch } from './models.ts';
import type { AnswerWatch, HeldVerdict, HttpJudge, RequestPlan } from './plans.ts';
import { refusalAnswer } from './refusal.ts';
import { plainPath, shownPath, withoutParameters } from './target.ts';
import { largerUse, type TokenUse } from './token-meter.ts';
import { tokensIn } from './token-estimate.ts';
import { TokenReader, type TokenLimit } from './token-reader.ts';
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
  /** Nothing is to answer it: it is held to models alone. */
  readonly isOnlyTold?: boolean;
  /** What names its models, where that is more than its body. */
  readonly question?: unknown;
}

/** One session's judge. */
export class RulesJudge implements HttpJudge {
  readonly violationCode = 'guard.http.unparseable';
  readonly #rules: HttpRules;
  readonly #context: GuardContext;
  readonly #out: Effects;
  readonly #checkKeys: KeyCheck;
  readonly #checkHead: HeadCheck;
  readonly #models: readonly Glob[] | undefined;
  readonly #budgets: Budgets;
  /** A model that cannot be read is refused. */
  readonly #asksModel: boolean;
  readonly #reads: boolean;
  readonly #hasBudget: boolean;
  readonly #data: CompiledDataRules | undefined;
  #serviceLeft = false;

  /** `data`: what is asked and answered is looked through as well. */
  constructor(rules: HttpRules, context: GuardContext, out: Effects, data?: CompiledDataRules) {
    this.#data = data;
    this.#rules = rules;
    this.#context = context;
    this.#out = out;
    this.#checkKeys = keyCheck(out, context);
    this.#checkHead = headCheck(rules, out, context, { bodies: data !== undefined, sockets: data === undefined });
    this.#models = rules.models?.map((pattern) => compileGlob(pattern));
    this.#budgets = new Budgets(rules, context, (reason) => out.warning(reason));
    this.#asksModel = rules.models !== undefined || rules.costBudget !== undefined;
    this.#reads = asksModels(rules) || data !== undefined;
    this.#hasBudget = rules.tokenBudget !== undefined || rules.costBudget !== undefined;
  }

  request(head: RequestHead, framing: BodyFraming, nowMs: number): RequestPlan {
    const keys = this.#checkKeys(head, nowMs);
    if (keys.refused !== undefined) return { kind: 'refuse', answer: keys.refused };
    const { refused, observed } = this.#checkHead(head, nowMs);
    if (refused !== undefined) return { kind: 'refuse', answer: refused };
    const call = { ...callFor(head, nowMs), ...notedIn(observed), ...defined({ modelKey: keys.verdict?.id }) };
    const asked: Asked = { head, call };
    const changes = this.#changes(head.target, keys);
    if (!this.#reads) {
      return { kind: 'pass', changes, answer: this.#watch(asked, call, 0), upgrade: isWebSocketHandshake(head) };
    }
    if (isWebSocketHandshake(head)) return this.#socket(asked, changes);
    if (framing.kind === 'none') {
      const verdict = this.#judge(asked, undefined, nothingSent, nowMs);
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
    const reader = bodyReaderFor(head, this.#data?.scan());
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

  /** A websocket whose messages are read; without extensions, for they would hide them. */
  #socket(asked: Asked, changes: HeadChanges): RequestPlan {
    const { head, call } = asked;
    const named = modelsInQuery(head.target);
    const refused = this.#models && refusedModel(this.#models, named, false);
    if (refused !== undefined && !isOnlyNoted(refused.rule, this.#context)) return this.#refuse(asked, call, refused);
    const conversation = new ModelSocket({
      target: head.target,
      model: named[0],
      out: this.#out,
      held: this.#context.held,
      judge: ({ body, question, asks }, nowMs) =>
        this.#judgeBody({ head, call: { ...call, startedAtMs: nowMs }, isOnlyTold: !asks, question }, body, nowMs),
    });
    const without = new Set([...(changes.without ?? []), 'sec-websocket-extensions']);
    const answer = this.#watch(asked, call, 0);
    return { kind: 'pass', changes: { ...changes, without }, answer, upgrade: true, conversation };
  }

  /** Where an answer ends: at its own number, or at a budget's. */
  #limitOf(share: CallShare): TokenLimit {
    const { maxAnswerTokens: most } = this.#rules;
    if (most === undefined) return share;
    const rule = 'contract:http.maxAnswerTokens';
    const sentence = `an answer was ended: it may have ${most} tokens`;
    return {
      beyond: (use) => (use.output > most ? { code: 'guard.http.answer_limit', sentence, rule } : share.beyond(use)),
    };
  }

  /** What was found in an answer, for the record; what was given counts as read. */
  #answered(call: GuardCall, look: AnswerLook | undefined): Partial<GuardCall> {
    if (look === undefined || look.found.length === 0) return {};
    const { found, refused } = look;
    const read = found.filter(({ action }) => action === 'record').map((one: DataFound) => one.class);
    if (read.length > 0) this.#context.history?.read(read);
    const data = [...(call.data ?? []), ...found];
    if (refused === undefined) return { data };
    return { data, decision: 'deny', rule: refused.rule, reason: refused.why };
  }

  /** What does not go on of a request's head. */
  #changes(target: string, { headers, parameters }: CheckedKeys): HeadChanges {
    const removed = new Set([...(this.#rules.methods === undefined ? [] : overrides), ...parameters]);
    const without = new Set([...(this.#reads ? hiding : []), ...headers]);
    return {
      ...(removed.size === 0 ? {} : { target: withoutParameters(target, removed) }),
      ...(without.size === 0 ? {} : { without }),
    };
  }

  /** Whoever asks elsewhere then is not charged twice. */
  serviceLeft(): void {
    this.#serviceLeft = true;
  }

  /** The verdict on a body that was read already; its head has been asked, and `modelKey` found in it. */
  judgeDocument(
    head: RequestHead,
    json: JsonDocument,
    bytes: number,
    modelKey: string | undefined,
    nowMs: number,
  ): HeldVerdict {
    const call = { ...callFor(head, nowMs), ...defined({ modelKey }) };
    const { value, written } = json;
    return this.#judgeBody(
      { head, call },
      {
        kind: 'read',
        value,
        written,
        contentType: 'application/json',
        size: { bytes, tokens: tokensIn(written) },
        found: [],
      },
      nowMs,
    );
  }

  #judgeBody(asked: Asked, body: BodyReading, nowMs: number): HeldVerdict {
    const { call } = asked;
    if (body.kind === 'misnamed') {
      const why = 'JSON under another content type does not pass';
      return this.#refuse(asked, call, { status: 415, rule: 'guard:http.body', why });
    }
    if (body.kind === 'fault' && (this.#asksModel || body.json)) {
      const why = `a body whose model cannot be read (${body.why})`;
      return this.#refuse(asked, call, { status: 400, rule: 'guard:http.body', why });
    }
    const looked = this.#data && lookThrough(this.#data, body, asked.head.target);
    const told = looked === undefined || looked.found.length === 0 ? call : { ...call, data: looked.found };
    if (looked?.refused !== undefined) {
      const { rule, why } = looked.refused;
      return this.#refuse(asked, { ...told, reason: why }, { status: 403, rule, why });
    }
    const value = body.kind === 'read' ? body.value : undefined;
    const verdict = this.#judge({ ...asked, call: told }, asked.question ?? value, body.size, nowMs);
    if (verdict.kind === 'refuse') return verdict;
    const most = this.#rules.maxAnswerTokens;
    const isLimited = most !== undefined && asked.isOnlyTold !== true && limitAnswers(value, asked.head.target, most);
    const written = isLimited ? [utf8(writeJson(value))] : (looked?.written ?? body.written);
    return { kind: 'pass', body: written, answer: verdict.answer, ...typeOf(body) };
  }

  /** Model and budget of one request; `body` undefined where there is none to read. */
  #judge(
    asked: Asked,
    body: unknown,
    { bytes, tokens }: BodySize,
    nowMs: number,
  ): { readonly kind: 'pass'; readonly answer: AnswerWatch } | Extract<HeldVerdict, { kind: 'refuse' }> {
    const { target } = asked.head;
    const isOnlyTold = asked.isOnlyTold === true;
    const inPath = modelInPath(plainPath(target) ?? target);
    const inBody = modelsInBody(body);
    const models = [...(inPath === undefined ? [] : [inPath]), ...inBody.names];
    const model = inPath ?? inBody.chosen;
    let call: GuardCall = model === undefined ? asked.call : { ...asked.call, model };
    const refuse = (refused: Refused): Extract<HeldVerdict, { kind: 'refuse' }> => this.#refuse(asked, call, refused);
    if (this.#asksModel && inBody.misspelt !== undefined) {
      return refuse({
        status: 400,
        rule: 'guard:http.body',
        why: `the field "${inBody.misspelt}" in a spelling that readers take differently`,
      });
    }
    const allowed = this.#models;
    if (allowed !== undefined) {
      const refused = refusedModel(allowed, models, model === undefined && bytes > 0 && !isOnlyTold);
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
    const asks = !isOnlyTold && (model !== undefined || bytes > 0);
    if (!this.#reads || !asks || isFree(target)) return { kind: 'pass', answer: this.#watch(asked, call, tokens) };
    const fault = this.#hasBudget ? batchFault(body, shownPath(target)) : undefined;
    if (fault !== undefined) return refuse({ status: 400, rule: 'guard:http.batch', why: fault });
    const most = { input: tokens, output: answerLimit(body) };
    const reserved = this.#budgets.reserve({ models: [...new Set(models)], ...most }, nowMs);
    if (reserved.kind === 'refuse') return refuse(reserved.refusal);
    const counting = { share: reserved.share, most, tellsLater: batchOf(body) !== undefined };
    return { kind: 'pass', answer: this.#watch(asked, call, tokens, counting) };
  }

  #refuse(asked: Asked, call: GuardCall, refused: Refused): Extract<HeldVerdict, { kind: 'refuse' }> {
    this.#out.call({ ...call, decision: 'deny', rule: refused.rule });
    return { kind: 'refuse', answer: refusalAnswer({ ...refused, target: asked.head.target }) };
  }

  /** `counting`: absent where a request asks no model. */
  #watch(asked: Asked, call: GuardCall, requestTokens: number, counting?: Counting): AnswerWatch {
    const reader = new TokenReader(asked.head.target, requestTokens, counting && this.#limitOf(counting.share));
    const look = this.#data && new AnswerLook(this.#data, asked.head.target);
    let status: number | undefined;
    let endsByClose = false;
    return {
      head: (head, framing) => {
        status = head.status;
        endsByClose = framing.kind === 'until-close';
        if (!this.#reads || framing.kind === 'none') return { kind: 'pass' };
        return look?.plan(head, reader) ?? reader.read(head);
      },
      over: (complete, nowMs) => {
        const answered = counting !== undefined && status !== undefined && status < 400;
        // Where the end of the connection is the end of the answer, only the answer itself tells whether all of it came.
        const isWhole = complete && (!endsByClose || reader.sawItsEnd());
        const isCut = answered && !isWhole && !reader.streams;
        const seen = answered ? reader.total(isWhole) : undefined;
        const tokens = seen && (isCut || counting?.tellsLater) ? largerUse(seen, counting?.most ?? nothing) : seen;
        // Whoever hangs up before the answer, or before the end of one that tells only there, has had it made all the same.
        const isUnknown = isCut || (status === undefined && !this.#serviceLeft);
        if (isUnknown) counting?.share.settleWhole(nowMs, tokens ?? nothing);
        else counting?.share.settle(tokens ?? nothing, nowMs);
        this.#out.call({
          ...call,
          ...this.#answered(call, look),
          ...(complete ? { durationMs: nowMs - call.startedAtMs, failed: (status ?? 500) >= 400 } : {}),
          ...(tokens === undefined
            ? {}
            : defined({ tokens: { input: tokens.input, output: tokens.output }, cost: counting?.share.cost(tokens) })),
        });
      },
    };
  }
}

/** How the use of one call is counted. */
interface Counting {
  readonly share: CallShare;
  /** The prompt by estimate, and the most its answer may have. */
  readonly most: TokenUse;
  /** Its answer tells nothing, so that no less than the most counts: a batch is answered later, somewhere else. */
  readonly tellsLater: boolean;
}

const nothing: TokenUse = { input: 0, output: 0 };
const nothingSent: BodySize = { bytes: 0, tokens: 0 };

function typeOf(body: BodyReading): { readonly contentType?: string } {
  return body.kind === 'read' ? { contentType: body.contentType } : {};
}

/** Counting tokens costs none. */
function isFree(target: string): boolean {
  return /(?:\/count_tokens|:countTokens|\/count-tokens|\/tokenize|\/detokenize)$/.test(shownPath(target));
}
