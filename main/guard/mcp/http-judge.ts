/**
 * MCP over streamable HTTP: a POST carries JSON-RPC, its answer is JSON or an event stream; a GET opens an event stream. Pure.
 * Sources: MCP specification, "Transports", revisions 2025-03-26 to 2025-11-25; revision 2026-07-28 with SEP-2243 (standard headers).
 *
 * Everything that could carry a call is held until it is judged. What cannot be judged does not pass (fails closed).
 */
import type { Reason } from '../../base/reason.ts';
import { HeldBytes, textOf, utf8 } from '../bytes.ts';
import type { Effects } from '../effects.ts';
import { encodeEvent, EventSplitter, parseEvent, type SplitEvent } from '../http/event-stream.ts';
import { callFor, type HeadCheck } from '../http/head-check.ts';
import type { KeyCheck } from '../http/key-check.ts';
import {
  fieldOf,
  mediaTypeOf,
  unreadableAnswer,
  type BodyFraming,
  type RequestHead,
  type ResponseHead,
} from '../http/head.ts';
import { isJson, unreadableHead } from '../http/json-post.ts';
import type { OwnAnswer } from '../http/own-answer.ts';
import type { AnswerPlan, AnswerWatch, HeldVerdict, HttpJudge, RequestPlan } from '../http/plans.ts';
import { withoutParameters } from '../http/target.ts';
import { ScannedJson, type ScannedReading } from '../data/scanned-json.ts';
import { writeJson } from '../json/write-json.ts';
import { notedIn } from '../judgement.ts';
import type { JsonDocument } from '../json/json-reader.ts';
import { AnswerScan } from './answer-scan.ts';
import { isForeign, readAnswer } from './answers.ts';
import type { McpCalls, SettledVerdict, Written } from './calls.ts';
import { headerDisagreement } from './standard-headers.ts';
import { isList } from './methods.ts';
import type { ModelRules, TokenShare } from './model-rules.ts';
import { OpenCalls } from './open-calls.ts';
import { readRpc, rpcError, rpcErrors, type RpcMessage, type RpcRefusal } from './rpc.ts';

/** A header and body that disagree. Source: SEP-2243, error code HeaderMismatch. */
const headerMismatch = -32_020;

/** What would hide the answer, or a part of it. */
const hiding: ReadonlySet<string> = new Set(['accept-encoding', 'range']);
const form = 'application/x-www-form-urlencoded';
const methodParameters = ['_method'] as const;

/** What holds requests besides the rules of MCP, and where effects go. */
export interface McpHttpDeps {
  readonly calls: McpCalls;
  readonly out: Effects;
  /** Keys of Culvert, where the contract sets rules of HTTP too. */
  readonly checkKeys: KeyCheck | undefined;
  /** Methods and paths, where the contract sets them too. */
  readonly checkHead: HeadCheck | undefined;
  /** Models and tokens, where it sets them. */
  readonly models: ModelRules | undefined;
}

/** One session's judge. */
export class McpHttpJudge implements HttpJudge {
  readonly violationCode = 'guard.mcp.unparseable';
  readonly #calls: McpCalls;
  readonly #out: Effects;
  readonly #checkKeys: KeyCheck | undefined;
  readonly #checkHead: HeadCheck | undefined;
  readonly #models: ModelRules | undefined;

  constructor(deps: McpHttpDeps) {
    this.#calls = deps.calls;
    this.#out = deps.out;
    this.#checkKeys = deps.checkKeys;
    this.#checkHead = deps.checkHead;
    this.#models = deps.models;
  }

  request(head: RequestHead, framing: BodyFraming, nowMs: number): RequestPlan {
    const keys = this.#checkKeys?.(head, nowMs);
    if (keys?.refused !== undefined) return { kind: 'refuse', answer: keys.refused };
    const modelKey = keys?.verdict?.id;
    const checked = this.#checkHead?.(head, nowMs);
    if (checked?.observed !== undefined) this.#out.call({ ...callFor(head, nowMs), ...notedIn(checked.observed) });
    const refused = checked?.refused ?? this.#headRefusal(head, framing, nowMs);
    if (refused !== undefined) return { kind: 'refuse', answer: refused };
    const changes = {
      without: new Set([...hiding, ...(keys?.headers ?? [])]),
      target: withoutParameters(head.target, new Set([...methodParameters, ...(keys?.parameters ?? [])])),
    };
    if (head.method !== 'POST') {
      return { kind: 'pass', changes, answer: this.#watch(head, new OpenCalls()) };
    }
    const json = mediaTypeOf(head) === form ? undefined : new ScannedJson(this.#calls.data.scan());
    const raw = new HeldBytes();
    let bytes = 0;
    return {
      kind: 'hold',
      changes,
      limitBytes: this.#calls.maxMessageBytes,
      body: {
        push(payload) {
          bytes += payload.length;
          if (json === undefined) raw.push(payload);
          else json.push(payload);
        },
        judge: (at) =>
          json === undefined
            ? this.#judgeForm(head, raw.parts(), at)
            : this.#judgeBody(head, json.end(), { bytes, modelKey }, at),
      },
      tooLarge: (at) => {
        const sentence = `a message is larger than ${this.#calls.maxMessageBytes} bytes`;
        this.#calls.unreadable(head.target, sentence, at);
        return { answer: rpcAnswer(413, rpcErrors.invalidRequest, sentence), reason: tooLargeReason(sentence) };
      },
    };
  }

  #headRefusal(head: RequestHead, framing: BodyFraming, nowMs: number): OwnAnswer | undefined {
    const refuse = (status: number, why: string): OwnAnswer => {
      this.#calls.unreadable(`${head.method} ${head.target}`, why, nowMs);
      return rpcAnswer(status, rpcErrors.invalidRequest, why);
    };
    const unread = unreadableHead(head);
    if (unread !== undefined) return refuse(unread.status, unread.why);
    if (head.method === 'POST') {
      const type = mediaTypeOf(head);
      return type === undefined || type === form || isJson(type)
        ? undefined
        : refuse(415, `a body of ${type} does not pass`);
    }
    if (!['GET', 'HEAD', 'OPTIONS', 'DELETE'].includes(head.method)) return refuse(405, `${head.method} does not pass`);
    return framing.kind === 'none' ? undefined : refuse(400, `a body on ${head.method} does not pass`);
  }

  /** A token request of OAuth, written anew as the form it is: nobody can read a call out of that. */
  #judgeForm(head: RequestHead, body: readonly Uint8Array[], nowMs: number): HeldVerdict {
    const text = textOf(body);
    if (text === undefined || !/^[A-Za-z0-9._~*%&=+-]*$/.test(text)) {
      return this.#unreadable(head, 415, rpcErrors.parse, 'a form that is none', nowMs);
    }
    const written = utf8(new URLSearchParams(text).toString());
    return { kind: 'pass', body: [written], contentType: form, answer: this.#watch(head, new OpenCalls()) };
  }

  #judgeBody(
    head: RequestHead,
    { json, found }: ScannedReading,
    { bytes, modelKey }: { readonly bytes: number; readonly modelKey: string | undefined },
    nowMs: number,
  ): HeldVerdict | Promise<HeldVerdict> {
    if (json.kind === 'fault') return this.#unreadable(head, 400, rpcErrors.parse, json.why, nowMs);
    const asModel = this.#models?.verdictOn(head, json, bytes, modelKey, nowMs);
    if (asModel !== undefined) return asModel;
    const rpc = readRpc(json.value, true);
    if (rpc.kind === 'fault') return this.#unreadable(head, 400, rpc.code, rpc.why, nowMs);
    const disagreement = rpc.batch ? undefined : headerDisagreement(head, rpc.messages[0]);
    if (disagreement !== undefined) return this.#unreadable(head, 400, headerMismatch, disagreement, nowMs);
    const written: Written = { plain: json.plain, bytes, values: json.values };
    const changed = this.#calls.data.toService(rpc.messages, found, nowMs);
    const sent = changed ? { ...json, written: [utf8(writeJson(json.value))] } : json;
    const judge = (): HeldVerdict | Promise<HeldVerdict> =>
      this.#judgeMessages(head, sent, rpc.messages, rpc.batch, written, nowMs);
    return this.#calls.inSlices(written) ? this.#calls.prepare(rpc.messages, written).then(judge) : judge();
  }

  #judgeMessages(
    head: RequestHead,
    json: JsonDocument,
    messages: readonly RpcMessage[],
    batch: boolean,
    written: Written,
    nowMs: number,
  ): HeldVerdict | Promise<HeldVerdict> {
    const ids = new OpenCalls();
    const verdicts = new Map<RpcMessage, SettledVerdict>();
    const asked: Promise<void>[] = [];
    for (const message of messages) {
      if (message.kind === 'notification') {
        const why = this.#calls.refusedNotification(message, nowMs);
        if (why !== undefined) return { kind: 'refuse', answer: rpcAnswer(400, rpcErrors.invalidRequest, why) };
      }
      if (message.kind !== 'request') continue;
      if (ids.has(message.id)) {
        return this.#unreadable(head, 400, rpcErrors.invalidRequest, 'one id for two requests of a batch', nowMs);
      }
      ids.add(message.id, { method: message.method, call: undefined });
      const verdict = this.#models?.refusal(message, nowMs) ?? this.#calls.judge(message, written, nowMs);
      if (verdict.kind === 'ask') asked.push(verdict.settled.then((settled) => void verdicts.set(message, settled)));
      else verdicts.set(message, verdict);
    }
    const conclude = (): HeldVerdict => this.#conclude(head, json, messages, batch, verdicts, nowMs);
    return asked.length === 0 ? conclude() : Promise.all(asked).then(conclude);
  }

  #conclude(
    head: RequestHead,
    json: JsonDocument,
    messages: readonly RpcMessage[],
    batch: boolean,
    verdicts: ReadonlyMap<RpcMessage, SettledVerdict>,
    nowMs: number,
  ): HeldVerdict {
    const open = new OpenCalls();
    const errors = new Map<RpcMessage, RpcRefusal>();
    for (const [message, verdict] of verdicts) {
      if (verdict.kind === 'refuse') errors.set(message, verdict.refusal);
      else if (message.kind === 'request') open.add(message.id, verdict.open);
    }
    if (errors.size === 0) {
      const answer = this.#watch(head, open, this.#models?.share(messages, json, nowMs));
      return { kind: 'pass', body: json.written, contentType: 'application/json', answer };
    }
    // One refused call takes its batch with it: half a batch is not what anybody asked for.
    const answers = messages.flatMap((message) => {
      if (message.kind !== 'request') return [];
      const { code, message: said, data } = errors.get(message) ?? withItsBatch;
      return [rpcError(message.id, code, said, data)];
    });
    // The older transport answers elsewhere, and looks at nothing of this but its status.
    const status = isLegacy(head) ? 403 : 200;
    const text = JSON.stringify(batch ? answers : answers[0]);
    return { kind: 'refuse', answer: { status, contentType: 'application/json', body: text } };
  }

  #unreadable(
    head: RequestHead,
    status: number,
    code: number,
    why: string,
    nowMs: number,
  ): Extract<HeldVerdict, { kind: 'refuse' }> {
    this.#calls.unreadable(head.target, why, nowMs);
    return { kind: 'refuse', answer: rpcAnswer(status, code, why) };
  }

  #watch(request: RequestHead, open: OpenCalls, share?: TokenShare): AnswerWatch {
    const scan = new AnswerScan();
    let status = 0;
    return {
      head: (head, framing) => {
        status = head.status;
        return this.#planAnswer(request, head, framing, open, scan);
      },
      over: (complete, nowMs) => {
        const answered =
          complete && (scan.bytes > 0 || status >= 400) ? { failed: scan.failed || status >= 400 } : undefined;
        for (const left of open.drain()) this.#calls.answered(left, answered, nowMs);
        share?.settle(scan.bytes, nowMs);
      },
    };
  }

  #planAnswer(
    request: RequestHead,
    head: ResponseHead,
    framing: BodyFraming,
    open: OpenCalls,
    scan: AnswerScan,
  ): AnswerPlan {
    if (framing.kind === 'none') return { kind: 'pass' };
    const why = unreadableAnswer(head);
    if (why !== undefined) return { kind: 'withhold', reason: unreadable(`the service answered ${why}`) };
    const type = mediaTypeOf(head);
    if (type === 'text/event-stream') {
      const splitter = new EventSplitter(() => this.#reader());
      return {
        kind: 'rewrite',
        write: (payload, nowMs) => {
          const events = splitter.push(payload).flatMap((event) => this.#event(event, open, nowMs));
          if (splitter.heldBytes > this.#calls.maxMessageBytes) {
            this.#out.violation(tooLargeReason(`an event is larger than ${this.#calls.maxMessageBytes} bytes`), true);
          }
          return events;
        },
      };
    }
    const json = type === undefined || isJson(type);
    if (request.method !== 'POST' && !json) return { kind: 'pass' };
    const only = open.only();
    if (json && only !== undefined && !isList(only.method) && !this.#calls.data.inForce) {
      // The answer to one known call holds nothing to hide: it passes as it comes.
      return { kind: 'pass', tap: (payload) => this.#scanned(scan, payload) };
    }
    const reader = this.#reader();
    const raw = new HeldBytes();
    return {
      kind: 'hold',
      limitBytes: this.#calls.maxMessageBytes,
      push(payload) {
        raw.push(payload);
        reader.push(payload);
      },
      judge: (nowMs) => this.#judgeAnswer({ request, head, read: reader.end(), body: raw.parts(), open }, nowMs),
      tooLarge: () => tooLargeReason(`an answer is larger than ${this.#calls.maxMessageBytes} bytes`),
    };
  }

  #scanned(scan: AnswerScan, payload: Uint8Array): void {
    const limit = this.#calls.maxMessageBytes;
    const before = scan.bytes;
    scan.push(payload);
    if (before <= limit && scan.bytes > limit) {
      this.#out.violation(tooLargeReason(`an answer is larger than ${limit} bytes`), true);
    }
  }

  #judgeAnswer(answer: HeldAnswer, nowMs: number): 'as-is' | Uint8Array {
    const { request, head, read, body, open } = answer;
    const { json } = read;
    const reading = readAnswer(read, open, this.#calls, nowMs);
    if (reading.kind === 'as-is') return 'as-is';
    if (reading.kind === 'edited') return utf8(reading.edit(textOf(body) ?? ''));
    if (reading.kind === 'nothing') return utf8('');
    // Metadata documents and error pages are JSON too; only what a client would take for an answer must be readable.
    if (request.method !== 'POST' || head.status >= 300 || !beginsAsJson(body)) return 'as-is';
    if (json.kind === 'json' && isForeign(json)) return 'as-is';
    this.#out.serviceFault(unreadable(`the service answered with ${reading.why}`), false);
    return utf8(JSON.stringify(rpcError(null, rpcErrors.parse, 'The answer could not be read')));
  }

  #reader(): ScannedJson {
    return new ScannedJson(this.#calls.data.scan(), { places: true });
  }

  #event({ parts, sink }: SplitEvent<ScannedJson>, open: OpenCalls, nowMs: number): readonly Uint8Array[] {
    const read = sink === undefined ? this.#readAtOnce(parts) : sink.end();
    if (read?.json.kind === 'json') {
      if (isForeign(read.json)) return parts;
      const reading = readAnswer(read, open, this.#calls, nowMs);
      if (reading.kind === 'as-is') return parts;
      if (reading.kind === 'nothing') return [];
      const event = parseEvent(parts);
      if (event !== undefined && reading.kind === 'edited') return [encodeEvent(event, reading.edit(event.data))];
      return this.#withheldEvent(reading.kind === 'fault' ? reading.why : 'no UTF-8');
    }
    const event = parseEvent(parts);
    if (event === undefined) return this.#withheldEvent('no UTF-8');
    // Heartbeats, addresses of the older transport, other people's events: no client takes them for a message.
    if (!/^\s*[[{]/.test(event.data)) return parts;
    return this.#withheldEvent(read?.json.kind === 'fault' ? read.json.why : 'no JSON');
  }

  #readAtOnce(parts: readonly Uint8Array[]): ScannedReading | undefined {
    const event = parseEvent(parts);
    if (event === undefined) return undefined;
    const reader = this.#reader();
    reader.push(utf8(event.data));
    return reader.end();
  }

  #withheldEvent(what: string): readonly Uint8Array[] {
    this.#out.serviceFault(unreadable(`an event holds ${what}`), false);
    return [];
  }
}

interface HeldAnswer {
  readonly request: RequestHead;
  readonly head: ResponseHead;
  readonly read: ScannedReading;
  readonly body: readonly Uint8Array[];
  readonly open: OpenCalls;
}

const withItsBatch: RpcRefusal = {
  code: rpcErrors.invalidRequest,
  message: 'Refused with another call of its batch',
  data: { by: 'culvert' },
};

function beginsAsJson(body: readonly Uint8Array[]): boolean {
  const first = body.flatMap((part) => [...part.subarray(0, 64)]).find((byte) => byte > 0x20);
  return first === 0x7b || first === 0x5b;
}

/** HTTP with server-sent events as revision 2024-11-05 has it: calls are posted to an address of their own, answers come by its stream. */
function isLegacy(head: RequestHead): boolean {
  const streams = (fieldOf(head, 'accept') ?? '').includes('text/event-stream');
  return !streams && fieldOf(head, 'mcp-session-id') === undefined && /[?&]session_?id=/i.test(head.target);
}

function rpcAnswer(status: number, code: number, message: string): OwnAnswer {
  const body = JSON.stringify(rpcError(null, code, message, { by: 'culvert' }));
  return { status, contentType: 'application/json', body };
}

function tooLargeReason(sentence: string): Reason {
  return {
    code: 'guard.mcp.too_large',
    sentence,
    next: 'raise mcp.maxMessageBytes in the contract where such messages are meant to pass',
    rule: 'contract:mcp.maxMessageBytes',
  };
}

function unreadable(sentence: string): Reason {
  return { code: 'guard.mcp.answer_unreadable', sentence, rule: 'guard:mcp.parse' };
}
