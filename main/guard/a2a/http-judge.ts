/**
 * A2A over HTTP: a POST carries one JSON-RPC request, its answer is JSON or an event stream; a GET asks for the agent's card. Pure.
 * Source: A2A specification, "JSON-RPC Protocol Binding", revisions 0.3.0 and 1.0.0.
 *
 * What goes to the agent is written anew from what was judged; what cannot be judged does not pass (fails closed).
 */
import type { Reason } from '../../base/reason.ts';
import { utf8 } from '../bytes.ts';
import type { Effects } from '../effects.ts';
import type { EngagementRefusal } from '../guard.ts';
import { encodeEvent, EventSplitter, parseEvent } from '../http/event-stream.ts';
import { mediaTypeOf, unreadableAnswer, type BodyFraming, type RequestHead } from '../http/head.ts';
import { isJson, unreadableHead } from '../http/json-post.ts';
import type { OwnAnswer } from '../http/own-answer.ts';
import type { AnswerPlan, AnswerWatch, HeldVerdict, HttpJudge, RequestPlan } from '../http/plans.ts';
import { plainPath, withoutParameters } from '../http/target.ts';
import { JsonReader, type JsonDocument, type JsonReading } from '../json/json-reader.ts';
import { readJson } from '../json/strict-json.ts';
import { digestInTurns, digestOf } from '../mcp/digests.ts';
import { readRpc, rpcError, rpcErrors, type RpcId, type RpcRequest } from '../mcp/rpc.ts';
import { readAnswer, readCard, type Question } from './answers.ts';
import type { A2aCalls } from './calls.ts';
import { isCardPath } from './methods.ts';
import { restRefusal } from './rest-answers.ts';
import { restPlan } from './rest-judge.ts';
import { readRest, type RestReading } from './rest-routes.ts';

/** What would hide the answer, or show a part of it. */
const hiding: ReadonlySet<string> = new Set(['accept-encoding', 'range']);
const methodParameter: ReadonlySet<string> = new Set(['_method']);
/** Longer messages are hashed in slices. */
const slicedBytes = 256 * 1024;

/** What came of an answer, or of the events of one so far. */
interface Told {
  failed: boolean;
  withheld: boolean;
  observed: boolean;
}

export class A2aHttpJudge implements HttpJudge {
  readonly violationCode = 'guard.a2a.unparseable';
  readonly #calls: A2aCalls;
  readonly #out: Effects;

  constructor(calls: A2aCalls, out: Effects) {
    this.#calls = calls;
    this.#out = out;
  }

  request(head: RequestHead, framing: BodyFraming, nowMs: number): RequestPlan {
    const rest = readRest(head.method, head.target, this.#calls.endpoints.bases());
    if (rest !== undefined && unreadableHead(head) === undefined && !isCardPath(plainPath(head.target) ?? '')) {
      return this.#restPlan(rest, head, framing, nowMs);
    }
    const refused = this.#headRefusal(head, framing, nowMs);
    if (refused !== undefined) return { kind: 'refuse', answer: refused };
    const changes = { without: hiding, target: withoutParameters(head.target, methodParameter) };
    if (head.method === 'GET') return { kind: 'pass', changes, answer: this.#watchCard(plainPath(head.target) ?? '') };
    const reader = new JsonReader();
    const limitBytes = this.#calls.maxMessageBytes;
    let bytes = 0;
    return {
      kind: 'hold',
      changes,
      limitBytes,
      body: {
        push(payload) {
          bytes += payload.length;
          reader.push(payload);
        },
        judge: (at) => this.#judgeBody(head, reader.end(), bytes, at),
      },
      tooLarge: (at) => {
        const sentence = `a message is larger than ${limitBytes} bytes`;
        this.#calls.unreadable(head.target, sentence, at);
        return { answer: rpcAnswer(413, null, rpcErrors.invalidRequest, sentence), reason: tooLarge(sentence) };
      },
    };
  }

  #restPlan(
    rest: Exclude<RestReading, undefined>,
    head: RequestHead,
    framing: BodyFraming,
    nowMs: number,
  ): RequestPlan {
    if ('unreadable' in rest) {
      this.#calls.unreadable(`${head.method} ${head.target}`, rest.unreadable, nowMs);
      const refusal = { code: rpcErrors.methodNotFound, message: rest.unreadable, data: undefined };
      return { kind: 'refuse', answer: restRefusal(refusal) };
    }
    return restPlan(rest, head, framing, {
      calls: this.#calls,
      fault: (what) => this.#out.serviceFault(unreadable(`the agent answered with ${what}`), false),
      lost: (what) => this.#out.violation(tooLarge(what), true),
      tooLarge,
      hiding,
      slicedBytes,
    });
  }

  #headRefusal(head: RequestHead, framing: BodyFraming, nowMs: number): OwnAnswer | undefined {
    const refuse = (status: number, why: string): OwnAnswer => {
      this.#calls.unreadable(`${head.method} ${head.target}`, why, nowMs);
      return rpcAnswer(status, null, rpcErrors.invalidRequest, why);
    };
    const unread = unreadableHead(head);
    if (unread !== undefined) return refuse(unread.status, unread.why);
    if (head.method === 'GET') {
      if (framing.kind !== 'none') return refuse(400, 'a body on GET does not pass');
      const path = plainPath(head.target);
      if (path !== undefined && isCardPath(path)) return undefined;
      return refuse(
        404,
        "only the agent's card is asked for by GET here, and what its REST binding has where the card says so",
      );
    }
    if (head.method !== 'POST') return refuse(405, `${head.method} does not pass`);
    if (!this.#calls.endpoints.has(head.target)) {
      return refuse(404, "messages go where the agent's card says, and it says nothing of this path: ask for the card");
    }
    const type = mediaTypeOf(head);
    return type !== undefined && isJson(type) ? undefined : refuse(415, `a body of ${type ?? 'no type'} does not pass`);
  }

  #judgeBody(head: RequestHead, json: JsonReading, bytes: number, nowMs: number): HeldVerdict | Promise<HeldVerdict> {
    if (json.kind === 'fault') return this.#unreadable(head, rpcErrors.parse, json.why, nowMs);
    const rpc = readRpc(json.value, true);
    if (rpc.kind === 'fault') return this.#unreadable(head, rpc.code, rpc.why, nowMs);
    const [message] = rpc.messages;
    if (rpc.batch || message?.kind !== 'request') {
      return this.#unreadable(head, rpcErrors.invalidRequest, 'only single requests with an id pass', nowMs);
    }
    const { context } = this.#calls;
    const judged = (refused: EngagementRefusal | undefined): HeldVerdict | Promise<HeldVerdict> => {
      const withDigest = (digest: string): HeldVerdict => this.#judgeRequest(json, message, { digest, nowMs, refused });
      if (bytes > slicedBytes && context.pause !== undefined) {
        return digestInTurns(message.params, json.plain, context).then(withDigest);
      }
      return withDigest(digestOf(message.params, json.plain, context));
    };
    const refused = this.#calls.engagementRefusal(message);
    return refused instanceof Promise ? refused.then(judged) : judged(refused);
  }

  #judgeRequest(
    json: JsonDocument,
    request: RpcRequest,
    asked: { readonly digest: string; readonly nowMs: number; readonly refused: EngagementRefusal | undefined },
  ): HeldVerdict {
    const verdict = this.#calls.judge({ request, ...asked });
    if (verdict.kind === 'refuse') {
      const { code, message, data } = verdict.refusal;
      return { kind: 'refuse', answer: rpcAnswer(200, request.id, code, message, data) };
    }
    const answer = this.#watch({ id: request.id, method: request.method, call: verdict.call });
    return { kind: 'pass', body: json.written, contentType: 'application/json', answer };
  }

  #unreadable(head: RequestHead, code: number, why: string, nowMs: number): Extract<HeldVerdict, { kind: 'refuse' }> {
    this.#calls.unreadable(head.target, why, nowMs);
    return { kind: 'refuse', answer: rpcAnswer(400, null, code, why) };
  }

  #watch(question: Question): AnswerWatch {
    const told = { failed: false, withheld: false, observed: false };
    let status = 0;
    return {
      head: (head, framing) => {
        status = head.status;
        const type = mediaTypeOf(head);
        const why = unreadableAnswer(head);
        if (framing.kind === 'none') return { kind: 'pass' };
        if (why !== undefined) return { kind: 'withhold', reason: unreadable(`the agent answered ${why}`) };
        if (type === 'text/event-stream') return this.#events(question, told);
        return this.#held((json) => {
          const read = readAnswer(json, question, this.#calls);
          told.failed ||= read.failed;
          told.withheld ||= read.withheld;
          told.observed ||= read.observed;
          if (read.fault === undefined) return read.shown;
          return status >= 300 ? errorPage(question.id, status) : this.#fault(question.id, read.fault);
        });
      },
      over: (complete, nowMs) => {
        const answer = complete ? { ...told, failed: told.failed || status >= 400 } : undefined;
        this.#calls.answered(question.call, answer, nowMs);
      },
    };
  }

  #watchCard(place: string): AnswerWatch {
    return {
      head: (head, framing) => {
        const why = unreadableAnswer(head);
        if (framing.kind === 'none') return { kind: 'pass' };
        if (why !== undefined) return { kind: 'withhold', reason: unreadable(`the agent's card came ${why}`) };
        return this.#held((json) => {
          if (head.status >= 300) return errorPage(null, head.status);
          const read = readCard(json, place, this.#calls);
          return read.fault === undefined ? read.shown : this.#fault(null, read.fault);
        });
      },
      over: () => undefined,
    };
  }

  #held(judge: (json: JsonReading) => 'as-is' | string): AnswerPlan {
    const reader = new JsonReader();
    const limitBytes = this.#calls.maxMessageBytes;
    return {
      kind: 'hold',
      limitBytes,
      written: 'application/json',
      push: (payload) => reader.push(payload),
      judge: () => {
        const shown = judge(reader.end());
        return shown === 'as-is' ? shown : utf8(shown);
      },
      tooLarge: () => tooLarge(`an answer is larger than ${limitBytes} bytes`),
    };
  }

  #events(question: Question, told: Told): AnswerPlan {
    const splitter = new EventSplitter();
    const limit = this.#calls.maxMessageBytes;
    return {
      kind: 'rewrite',
      write: (payload) => {
        const events = splitter.push(payload).flatMap(({ parts }) => this.#event(parts, question, told));
        if (splitter.heldBytes > limit) this.#out.violation(tooLarge(`an event is larger than ${limit} bytes`), true);
        return events;
      },
    };
  }

  #event(parts: readonly Uint8Array[], question: Question, told: Told): readonly Uint8Array[] {
    const event = parseEvent(parts);
    if (event === undefined) return this.#dropped('no UTF-8');
    // A comment that keeps the stream open.
    if (event.data === '') return parts;
    const read = readAnswer(readJson([utf8(event.data)]), question, this.#calls);
    told.failed ||= read.failed;
    told.withheld ||= read.withheld;
    told.observed ||= read.observed;
    if (read.fault !== undefined) return this.#dropped(read.fault);
    return read.shown === 'as-is' ? parts : [encodeEvent(event, read.shown)];
  }

  #dropped(what: string): readonly Uint8Array[] {
    this.#out.serviceFault(unreadable(`an event holds ${what}`), false);
    return [];
  }

  #fault(id: RpcId | null, why: string): string {
    this.#out.serviceFault(unreadable(`the agent answered with ${why}`), false);
    return JSON.stringify(rpcError(id, rpcErrors.parse, 'The answer could not be read'));
  }
}

/** In the place of what came with an error status and is no answer: nobody takes it for one, and nobody judged what it says. */
function errorPage(id: RpcId | null, status: number): string {
  return JSON.stringify(rpcError(id, rpcErrors.internal, `The agent's server answered with status ${status}`));
}

function rpcAnswer(status: number, id: RpcId | null, code: number, message: string, data?: unknown): OwnAnswer {
  const body = JSON.stringify(rpcError(id, code, message, data));
  return { status, contentType: 'application/json', body };
}

function tooLarge(sentence: string): Reason {
  return {
    code: 'guard.a2a.too_large',
    sentence,
    next: 'raise a2a.maxMessageBytes in the contract where such messages are meant to pass',
    rule: 'contract:a2a.maxMessageBytes',
  };
}

function unreadable(sentence: string): Reason {
  return { code: 'guard.a2a.answer_unreadable', sentence, rule: 'guard:a2a.parse' };
}
