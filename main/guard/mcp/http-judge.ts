/**
 * MCP over streamable HTTP: a POST carries JSON-RPC, its answer is JSON or an event stream; a GET opens an event stream. Pure.
 * Sources: MCP specification, "Transports", revisions 2025-03-26 to 2025-11-25; revision 2026-07-28 with SEP-2243 (standard headers).
 *
 * Everything that could carry a call is held until it is judged. What cannot be judged does not pass (fails closed).
 */
import type { Reason } from '../../base/reason.ts';
import { textOf, utf8 } from '../bytes.ts';
import type { Effects } from '../effects.ts';
import type { HeadCheck } from '../http/head-check.ts';
import type { AnswerPlan, AnswerWatch, HeldVerdict, HttpJudge, RequestPlan } from '../http/exchanges.ts';
import type { OwnAnswer } from '../http/own-answer.ts';
import {
  fieldOf,
  mediaTypeOf,
  rewriteHead,
  type BodyFraming,
  type RequestHead,
  type ResponseHead,
} from '../http/head.ts';
import { AnswerScan } from './answer-scan.ts';
import { OpenCalls, readAnswer } from './answers.ts';
import type { McpCalls } from './calls.ts';
import { encodeEvent, EventSplitter, parseEvent } from '../http/event-stream.ts';
import { headerNameOf, isList } from './methods.ts';
import { parseRpc, rpcError, rpcErrors, type RpcMessage } from './rpc.ts';

/** A header and body that disagree. Source: SEP-2243, error code HeaderMismatch. */
const headerMismatch = -32_020;

/** What would hide the answer, change the protocol, or wait for leave the guard has given already. */
const takenOut: ReadonlySet<string> = new Set(['accept-encoding', 'expect', 'upgrade', 'http2-settings', 'range']);

export class McpHttpJudge implements HttpJudge {
  readonly allowsUpgrade = false;
  readonly violationCode = 'guard.mcp.unparseable';
  readonly #calls: McpCalls;
  readonly #out: Effects;
  readonly #checkHead: HeadCheck | undefined;

  constructor(calls: McpCalls, out: Effects, checkHead: HeadCheck | undefined) {
    this.#calls = calls;
    this.#out = out;
    this.#checkHead = checkHead;
  }

  request(head: RequestHead, framing: BodyFraming, nowMs: number): RequestPlan {
    const refused = this.#checkHead?.(head, nowMs) ?? this.#headRefusal(head, framing, nowMs);
    if (refused !== undefined) return { kind: 'refuse', answer: refused };
    const forwarded = rewriteHead(head, takenOut);
    if (head.method !== 'POST') {
      return { kind: 'pass', head: forwarded, answer: this.#watch(head, new OpenCalls()) };
    }
    return {
      kind: 'hold',
      head: forwarded,
      limitBytes: this.#calls.maxMessageBytes,
      judge: (body, at) => this.#judgeBody(head, body, at),
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
    if (head.version === '1.0') return refuse(400, 'HTTP/1.0 is not spoken here');
    if (head.method === 'POST') {
      const coding = fieldOf(head, 'content-encoding');
      return coding === undefined || coding === 'identity'
        ? undefined
        : refuse(415, `a body in ${coding} cannot be read`);
    }
    if (!['GET', 'HEAD', 'OPTIONS', 'DELETE'].includes(head.method)) return refuse(405, `${head.method} does not pass`);
    return framing.kind === 'none' ? undefined : refuse(400, `a body on ${head.method} does not pass`);
  }

  #judgeBody(head: RequestHead, body: readonly Uint8Array[], nowMs: number): HeldVerdict {
    const refuse = (status: number, code: number, why: string): HeldVerdict => {
      this.#calls.unreadable(head.target, why, nowMs);
      return { kind: 'refuse', answer: rpcAnswer(status, code, why) };
    };
    const text = textOf(body);
    if (text === undefined) return refuse(400, rpcErrors.parse, 'a body that is not UTF-8');
    if (mediaTypeOf(head) === 'application/x-www-form-urlencoded' && !/^\s*[[{]/.test(text)) {
      // A token request of OAuth; nobody can read a call out of it.
      return { kind: 'pass', answer: this.#watch(head, new OpenCalls()) };
    }
    const rpc = parseRpc(text);
    if (rpc.kind === 'fault') return refuse(400, rpc.code, rpc.why);
    const disagreement = rpc.batch ? undefined : headerDisagreement(head, rpc.messages[0]);
    if (disagreement !== undefined) return refuse(400, headerMismatch, disagreement);

    const open = new OpenCalls();
    const errors = new Map<RpcMessage, Record<string, unknown>>();
    for (const message of rpc.messages) {
      if (message.kind !== 'request') continue;
      if (open.has(message.id)) return refuse(400, rpcErrors.invalidRequest, 'one id for two requests of a batch');
      const verdict = this.#calls.judge(message, rpc.plain, nowMs);
      if (verdict.kind === 'pass') open.add(message.id, verdict.open);
      else
        errors.set(message, rpcError(message.id, verdict.refusal.code, verdict.refusal.message, verdict.refusal.data));
    }
    if (errors.size === 0) return { kind: 'pass', answer: this.#watch(head, open) };
    // One refused call takes its batch with it: half a batch is not what anybody asked for.
    const answers = rpc.messages.flatMap((message) =>
      message.kind === 'request'
        ? [
            errors.get(message) ??
              rpcError(message.id, rpcErrors.invalidRequest, 'Refused with another call of its batch'),
          ]
        : [],
    );
    const json = JSON.stringify(rpc.batch ? answers : answers[0]);
    return { kind: 'refuse', answer: { status: 200, contentType: 'application/json', body: json } };
  }

  #watch(request: RequestHead, open: OpenCalls): AnswerWatch {
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
    const coding = fieldOf(head, 'content-encoding');
    if (coding !== undefined && coding !== 'identity') {
      return { kind: 'violate', reason: unreadable(`the service answered in ${coding}, which nobody asked for`) };
    }
    const type = mediaTypeOf(head);
    if (type === 'text/event-stream') {
      const splitter = new EventSplitter();
      return {
        kind: 'rewrite',
        write: (payload, nowMs) => {
          const events = splitter.push(payload).flatMap((parts) => this.#event(parts, open, nowMs));
          if (splitter.heldBytes > this.#calls.maxMessageBytes) {
            this.#out.violation(tooLargeReason(`an event is larger than ${this.#calls.maxMessageBytes} bytes`), true);
          }
          return events;
        },
      };
    }
    const json = type === undefined || type === 'application/json' || type.endsWith('+json');
    if (request.method !== 'POST' && !json) return { kind: 'pass' };
    const only = open.only();
    if (json && only !== undefined && !isList(only.method)) {
      // The answer to one known call holds nothing to hide: it passes as it comes.
      return { kind: 'pass', tap: (payload) => this.#scanned(scan, payload) };
    }
    return {
      kind: 'hold',
      limitBytes: this.#calls.maxMessageBytes,
      judge: (body, nowMs) => this.#judgeAnswer(request, head, body, open, nowMs),
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

  #judgeAnswer(
    request: RequestHead,
    head: ResponseHead,
    body: readonly Uint8Array[],
    open: OpenCalls,
    nowMs: number,
  ): 'as-is' | Uint8Array {
    const text = textOf(body);
    if (text === undefined || !/^\s*[[{]/.test(text)) return 'as-is';
    const reading = readAnswer(text, open, this.#calls, nowMs);
    if (reading.kind === 'as-is') return 'as-is';
    if (reading.kind === 'replaced') return utf8(reading.text);
    // Metadata documents and error pages are JSON too; only what a client would take for an answer must be readable.
    if (request.method !== 'POST' || head.status >= 300) return 'as-is';
    this.#out.violation(unreadable(`the service answered with ${reading.why}`), false);
    return utf8(JSON.stringify(rpcError(null, rpcErrors.parse, 'The answer could not be read')));
  }

  #event(parts: readonly Uint8Array[], open: OpenCalls, nowMs: number): readonly Uint8Array[] {
    const event = parseEvent(parts);
    if (event !== undefined && (event.data === '' || event.type !== 'message')) {
      // Another event's data is not a message, unless it looks like one.
      if (!/^\s*[[{]/.test(event.data)) return parts;
    }
    const reading = event === undefined ? undefined : readAnswer(event.data, open, this.#calls, nowMs);
    if (reading?.kind === 'as-is') return parts;
    if (event !== undefined && reading?.kind === 'replaced') return [encodeEvent(event, reading.text)];
    this.#out.violation(unreadable(`an event holds ${reading?.kind === 'fault' ? reading.why : 'no UTF-8'}`), false);
    return [];
  }
}

function headerDisagreement(head: RequestHead, message: RpcMessage | undefined): string | undefined {
  if (message === undefined || message.kind === 'response') return undefined;
  const method = fieldOf(head, 'mcp-method');
  if (method !== undefined && method !== message.method) return 'Mcp-Method is not the method of the body';
  const raw = fieldOf(head, 'mcp-name');
  if (raw === undefined) return undefined;
  return decodeHeaderValue(raw) === headerNameOf(message.method, message.params)
    ? undefined
    : 'Mcp-Name is not what the body names';
}

/** Plain, or `=?base64?…?=` over UTF-8. Source: SEP-2243. */
function decodeHeaderValue(raw: string): string | undefined {
  const encoded = /^=\?base64\?([A-Za-z0-9+/]*={0,2})\?=$/.exec(raw)?.[1];
  if (encoded === undefined) return raw;
  try {
    return textOf([Uint8Array.from(atob(encoded), (char) => char.charCodeAt(0))]);
  } catch (error) {
    // atob names bad input by a DOMException; there is nothing else it throws.
    return error instanceof Error ? undefined : raw;
  }
}

function rpcAnswer(status: number, code: number, message: string): OwnAnswer {
  const body = JSON.stringify(rpcError(null, code, message, { by: 'culvert' }));
  return { status, contentType: 'application/json', body };
}

function tooLargeReason(sentence: string): Reason {
  return {
    code: 'guard.mcp.too_large',
    sentence,
    next: 'Raise mcp.maxMessageBytes in the contract where such messages are meant to pass',
    rule: 'contract:mcp.maxMessageBytes',
  };
}

function unreadable(sentence: string): Reason {
  return { code: 'guard.mcp.answer_unreadable', sentence, rule: 'guard:mcp.parse' };
}
