/**
 * A2A's REST binding: each request is read as the request of JSON-RPC that it is, judged by the same rules, and written anew from what was
 * judged; refusals and withheld answers are errors as this binding has them. Pure.
 */
import type { Reason } from '../../base/reason.ts';
import { utf8 } from '../bytes.ts';
import type { EngagementRefusal, GuardCall } from '../guard.ts';
import { encodeEvent, EventSplitter, parseEvent } from '../http/event-stream.ts';
import { mediaTypeOf, unreadableAnswer, type BodyFraming, type RequestHead } from '../http/head.ts';
import { isJson } from '../http/json-post.ts';
import type { AnswerPlan, AnswerWatch, HeldVerdict, RequestPlan } from '../http/plans.ts';
import { JsonReader, type JsonDocument } from '../json/json-reader.ts';
import { isRecord, readJson } from '../json/strict-json.ts';
import { digestInTurns, digestOf } from '../mcp/digests.ts';
import { rpcErrors, type RpcRequest } from '../mcp/rpc.ts';
import type { A2aCalls } from './calls.ts';
import {
  readRestAnswer,
  restError,
  restRefusal,
  restStatus,
  restType,
  type RestAnswerReading,
} from './rest-answers.ts';
import type { RestRequest } from './rest-routes.ts';

/** What the judge of the exchanges lends. */
export interface RestJudgeDeps {
  readonly calls: A2aCalls;
  /** The agent's fault: what it answered cannot be read. */
  readonly fault: (what: string) => void;
  /** The agent's fault, and its stream is lost. */
  readonly lost: (what: string) => void;
  readonly tooLarge: (sentence: string) => Reason;
  readonly hiding: ReadonlySet<string>;
  /** Longer bodies are hashed in slices. */
  readonly slicedBytes: number;
}

/** The plan for one request of this binding. */
export function restPlan(rest: RestRequest, head: RequestHead, framing: BodyFraming, deps: RestJudgeDeps): RequestPlan {
  const { calls } = deps;
  const limitBytes = calls.maxMessageBytes;
  const reader = new JsonReader();
  let bytes = 0;
  const refuse = (why: string, nowMs: number): HeldVerdict => {
    calls.unreadable(`${head.method} ${head.target}`, why, nowMs);
    return { kind: 'refuse', answer: restRefusal({ code: rpcErrors.invalidRequest, message: why, data: undefined }) };
  };
  return {
    kind: 'hold',
    changes: { without: deps.hiding, target: rest.target },
    limitBytes,
    body: {
      push(payload) {
        bytes += payload.length;
        reader.push(payload);
      },
      judge(nowMs) {
        if (framing.kind !== 'none' && rest.body === 'none') return refuse('a body where A2A has none', nowMs);
        if (bytes === 0) {
          return rest.body === 'params'
            ? refuse('a message without a body', nowMs)
            : judge(rest.params, undefined, nowMs);
        }
        const type = mediaTypeOf(head);
        if (type === undefined || !isJson(type)) return refuse(`a body of ${type ?? 'no type'} does not pass`, nowMs);
        const json = reader.end();
        if (json.kind === 'fault') return refuse(json.why, nowMs);
        if (!isRecord(json.value)) return refuse('a body that is no object', nowMs);
        const both = Object.keys(json.value).find((name) => name in rest.params);
        if (both !== undefined) return refuse(`"${both.slice(0, 64)}" in the path and in the body`, nowMs);
        return judge({ ...json.value, ...rest.params }, json, nowMs);
      },
    },
    tooLarge(nowMs) {
      const sentence = `a message is larger than ${limitBytes} bytes`;
      calls.unreadable(head.target, sentence, nowMs);
      const refusal = { code: rpcErrors.invalidRequest, message: sentence, data: undefined };
      return { answer: restRefusal(refusal, 413), reason: deps.tooLarge(sentence) };
    },
  };

  function judge(
    params: RpcRequest['params'],
    json: JsonDocument | undefined,
    nowMs: number,
  ): HeldVerdict | Promise<HeldVerdict> {
    const request: RpcRequest = { kind: 'request', id: 0, method: rest.method, params };
    const { context } = calls;
    const plain = json?.plain ?? false;
    const judged = (refused: EngagementRefusal | undefined): HeldVerdict | Promise<HeldVerdict> => {
      const withDigest = (digest: string): HeldVerdict => {
        const verdict = calls.judge({ request, digest, nowMs, refused });
        if (verdict.kind === 'refuse') return { kind: 'refuse', answer: restRefusal(verdict.refusal) };
        const answer = watch(verdict.call);
        const body = json?.written ?? [];
        return { kind: 'pass', body, answer, ...(body.length === 0 ? {} : { contentType: restType }) };
      };
      if (bytes > deps.slicedBytes && context.pause !== undefined) {
        return digestInTurns(params, plain, context).then(withDigest);
      }
      return withDigest(digestOf(params, plain, context));
    };
    const refused = calls.engagementRefusal(request);
    return refused instanceof Promise ? refused.then(judged) : judged(refused);
  }

  function watch(call: GuardCall): AnswerWatch {
    const told = { failed: false, withheld: false, observed: false };
    let status = 0;
    const tell = (read: RestAnswerReading): RestAnswerReading => {
      told.failed ||= read.failed;
      told.withheld ||= read.withheld;
      told.observed ||= read.observed;
      return read;
    };
    return {
      head: (answer, answerFraming) => {
        status = answer.status;
        const why = unreadableAnswer(answer);
        if (answerFraming.kind === 'none') return { kind: 'pass' };
        if (why !== undefined) return { kind: 'withhold', reason: unreadable(`the agent answered ${why}`) };
        if (mediaTypeOf(answer) === 'text/event-stream') return events(tell);
        return held((json) => tell(readRestAnswer(json, rest.method, status, calls)), status);
      },
      over: (complete, nowMs) => {
        calls.answered(call, complete ? { ...told, failed: told.failed || status >= 400 } : undefined, nowMs);
      },
    };
  }

  function held(read: (json: ReturnType<JsonReader['end']>) => RestAnswerReading, status: number): AnswerPlan {
    const answer = new JsonReader();
    return {
      kind: 'hold',
      limitBytes,
      written: restType,
      push: (payload) => answer.push(payload),
      judge() {
        const { shown, fault, code } = read(answer.end());
        if (fault !== undefined) {
          // What came with an error status and is no error of A2A is shown by its status alone.
          if (status < 300) deps.fault(fault);
          const message =
            status < 300 ? 'The answer could not be read' : `The agent's server answered with status ${status}`;
          const error = { code: rpcErrors.internal, message, data: undefined };
          return status < 300 ? restRefusal(error, 502) : utf8(restError(error));
        }
        if (shown === 'as-is') return shown;
        if (code === undefined) return utf8(shown);
        return { status: restStatus(code)[0], contentType: restType, body: shown };
      },
      tooLarge: () => deps.tooLarge(`an answer is larger than ${limitBytes} bytes`),
    };
  }

  function events(tell: (read: RestAnswerReading) => RestAnswerReading): AnswerPlan {
    const splitter = new EventSplitter();
    const event = (parts: readonly Uint8Array[]): readonly Uint8Array[] => {
      const one = parseEvent(parts);
      if (one === undefined) return dropped('an event holds no UTF-8');
      if (one.data === '') return parts;
      const { shown, fault } = tell(readRestAnswer(readJson([utf8(one.data)]), rest.method, 200, calls));
      if (fault !== undefined) return dropped(`an event holds ${fault}`);
      return shown === 'as-is' ? parts : [encodeEvent(one, shown)];
    };
    const dropped = (what: string): readonly Uint8Array[] => {
      deps.fault(what);
      return [];
    };
    return {
      kind: 'rewrite',
      write(payload) {
        const written = splitter.push(payload).flatMap(({ parts }) => event(parts));
        if (splitter.heldBytes > limitBytes) deps.lost(`an event is larger than ${limitBytes} bytes`);
        return written;
      },
    };
  }
}

function unreadable(sentence: string): Reason {
  return { code: 'guard.a2a.answer_unreadable', sentence, rule: 'guard:a2a.parse' };
}
