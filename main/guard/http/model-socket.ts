/**
 * What is said to a model over a websocket (OpenAI's Responses and Realtime), read message by message: each question is judged as a request is, each
 * answer counted as a stream of events is, and ended at its number. Pure.
 *
 * Direction: closed. What cannot be read does not go on: a message that is no JSON is refused, and frames that cannot be followed end it.
 */
import type { Reason } from '../../base/reason.ts';
import { joinBytes, textOf, utf8 } from '../bytes.ts';
import type { Effects } from '../effects.ts';
import type { HeldBudget, HeldClaim } from '../held-budget.ts';
import { isRecord, readJson } from '../json/strict-json.ts';
import type { BodyReading } from './body-reader.ts';
import { EventSplitter, parseEvent } from './event-stream.ts';
import type { ResponseHead } from './head.ts';
import type { OwnAnswer } from './own-answer.ts';
import type { AnswerPlan, AnswerWatch, Conversation, HeldVerdict } from './plans.ts';
import { closePayload, encodeFrame, FrameReader, type SocketMessage } from './socket-frames.ts';
import { shownPath } from './target.ts';
import { tokensIn } from './token-estimate.ts';

/** The largest message of either side, as the largest body. */
const maxMessageBytes = 32 * 1024 * 1024;
/** Questions without a whole answer at one time. */
const maxOpenCalls = 16;

/** One message to be judged. */
export interface SocketSaying {
  readonly body: BodyReading;
  /** What names the model, where that is not the message alone: a session remembers it. */
  readonly question: unknown;
  /** The model is to answer it; else it is only told something. */
  readonly asks: boolean;
}

/** Who judges, and where effects go. */
export interface ModelSocketDeps {
  /** The target of its handshake. */
  readonly target: string;
  /** The model that its handshake named. */
  readonly model: string | undefined;
  readonly judge: (saying: SocketSaying, nowMs: number) => HeldVerdict;
  readonly out: Effects;
  /** The room that messages take until they are whole. */
  readonly held: HeldBudget | undefined;
}

/** A question, and its answer as far as it came. */
interface Call {
  readonly answer: AnswerWatch;
  /** The provider's name for the answer, once it began. */
  id: string | undefined;
  plan: AnswerPlan | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

/** Is it a place where models are spoken to in messages that can be read? Sources: API references of OpenAI and Azure OpenAI. */
export function isModelSocket(target: string): boolean {
  return /\/(?:v1|openai|openai\/v1)\/(?:responses|realtime)$/.test(shownPath(target));
}

/** Every model that the target of a handshake names. */
export function modelsInQuery(target: string): readonly string[] {
  const query = new URLSearchParams(target.split('?').slice(1).join('?'));
  return ['model', 'deployment'].flatMap((name) => query.getAll(name));
}

/** One connection, from its 101 on. */
export class ModelSocket implements Conversation {
  readonly #deps: ModelSocketDeps;
  #app = new FrameReader(true, maxMessageBytes);
  #claim: HeldClaim | undefined;
  #isCrowded = false;
  readonly #service = new FrameReader(false, maxMessageBytes);
  readonly #calls: Call[] = [];
  #model: string | undefined;
  /** Of what was told and not asked about yet, by estimate. */
  #toldTokens = 0;
  #isOver = false;

  constructor(deps: ModelSocketDeps) {
    this.#deps = deps;
    this.#model = deps.model;
  }

  get heldBytes(): number {
    return this.#app.heldBytes + this.#service.heldBytes;
  }

  fromApp(bytes: Uint8Array, nowMs: number): void {
    if (this.#isOver) return;
    const messages = this.#app.push(bytes);
    if (!this.#hasRoom(bytes.length, nowMs)) {
      this.#close(1013, nowMs);
      return this.#deps.out.end(crowded);
    }
    for (const message of messages) {
      if (this.#isOver) return;
      if (message.kind === 'text' || message.kind === 'binary') this.#say(message, nowMs);
      else this.#deps.out.toService(encodeFrame(message.kind, message.payload, message.mask));
    }
    if (this.#app.fault === undefined || this.#isOver) return;
    this.#close(1002, nowMs);
    this.#deps.out.violation(cannotFollow(`the application sent ${this.#app.fault}`), true);
  }

  fromService(bytes: Uint8Array, nowMs: number): void {
    if (this.#isOver) return;
    for (const message of this.#service.push(bytes)) {
      if (this.#isOver) return;
      const text = message.kind === 'text' ? textOf([message.payload]) : undefined;
      if (message.kind === 'binary' || (message.kind === 'text' && text === undefined)) {
        return this.#unreadable('a message that is no text', nowMs);
      }
      if (text === undefined) this.#deps.out.toApp(encodeFrame(message.kind, message.payload));
      else this.#hear(message, text, nowMs);
    }
    if (this.#service.fault !== undefined && !this.#isOver) this.#unreadable(this.#service.fault, nowMs);
  }

  ended(nowMs: number): void {
    this.#isOver = true;
    this.#claim?.release();
    for (const call of this.#calls.splice(0)) call.answer.over(false, nowMs);
  }

  /** For what the application has begun to say: it shares the room with whatever else is held. */
  #hasRoom(bytes: number, nowMs: number): boolean {
    if (this.#app.heldBytes === 0) {
      this.#claim?.release();
      this.#claim = undefined;
      return !this.#isCrowded;
    }
    this.#claim ??= this.#deps.held?.claim(() => {
      this.#claim?.release();
      this.#isCrowded = true;
      this.#app = new FrameReader(true, maxMessageBytes);
    }, nowMs);
    return this.#claim?.grow(bytes, nowMs) !== false && !this.#isCrowded;
  }

  #say({ kind, payload, mask }: SocketMessage, nowMs: number): void {
    const written: readonly Uint8Array[] = [payload];
    const size = { bytes: payload.length, tokens: tokensIn(written) };
    const json = kind === 'text' ? readJson(written) : undefined;
    const event = json?.kind === 'json' && isRecord(json.value) ? json.value : undefined;
    const asks = event?.type === 'response.create';
    if (json?.kind !== 'json' || event === undefined || (asks && this.#calls.length >= maxOpenCalls)) {
      const why =
        json?.kind === 'fault' ? json.why : event === undefined ? 'no event' : 'too many questions at one time';
      return this.#refused(
        this.#deps.judge(
          { body: { kind: 'fault', why, json: true, written: [], size }, question: undefined, asks: true },
          nowMs,
        ),
        event,
      );
    }
    const tokens = size.tokens + (asks ? this.#toldTokens : 0);
    const body: BodyReading = {
      ...{ kind: 'read', value: event, written: json.written, contentType: 'application/json', found: [] },
      size: { ...size, tokens },
    };
    const verdict = this.#deps.judge({ body, question: this.#questionOf(event), asks }, nowMs);
    if (verdict.kind === 'refuse') return this.#refused(verdict, event);
    if (asks) {
      this.#toldTokens = 0;
      this.#calls.push({ answer: verdict.answer, id: undefined, plan: undefined });
    } else if (event.type === 'conversation.item.create') {
      this.#toldTokens += size.tokens;
    } else if (isRecord(event.session) && typeof event.session.model === 'string') {
      this.#model = event.session.model;
    }
    this.#deps.out.toService(encodeFrame('text', joinBytes(verdict.body), mask));
  }

  /** Where a message names models: Realtime has them in what it holds, or in what was said before. */
  #questionOf(event: Fields): Fields {
    const { response, session, ...rest } = event;
    const own = isRecord(response) ? response : {};
    const audio = isRecord(session) && isRecord(session.audio) ? session.audio.input : undefined;
    const model = [event.model, own.model, isRecord(session) ? session.model : undefined, this.#model].find(
      (named) => named !== undefined,
    );
    return { ...rest, ...own, session, transcription: audio, ...(model === undefined ? {} : { model }) };
  }

  #refused(verdict: HeldVerdict, event: Fields | undefined): void {
    if (verdict.kind !== 'refuse') return;
    this.#deps.out.toApp(encodeFrame('text', utf8(JSON.stringify(refusalEvent(verdict.answer, event?.event_id)))));
  }

  #hear({ payload }: SocketMessage, text: string, nowMs: number): void {
    const json = readJson([payload]);
    const event = json.kind === 'json' && isRecord(json.value) ? json.value : {};
    const type = typeof event.type === 'string' ? event.type : '';
    const call = this.#callOf(type, event) ?? this.#unasked(type, event, nowMs);
    if (this.#isOver) return;
    const frame = encodeFrame('text', payload);
    if (call === undefined) return this.#deps.out.toApp(frame);
    const status = type === 'error' ? Number(event.status) || 400 : 200;
    call.plan ??= call.answer.head(headOf(status), { kind: 'chunked' }, nowMs);
    // A message is an event whose data is JSON: line ends stand between its words alone.
    const data = utf8(`data: ${text.replaceAll(/[\r\n]/g, ' ')}\n\n`);
    if (call.plan.kind === 'pass') call.plan.tap?.(data);
    const written = call.plan.kind === 'rewrite' ? call.plan.write(data, nowMs) : [];
    const ended = call.plan.kind === 'rewrite' ? call.plan.ended?.() : undefined;
    if (ended !== undefined) return this.#endAt(call, written, ended, nowMs);
    this.#deps.out.toApp(frame);
    if (isLast(type)) this.#over(call, nowMs);
  }

  /** The call that an event belongs to. */
  #callOf(type: string, event: Fields): Call | undefined {
    if (type !== 'error' && !type.startsWith('response.')) return undefined;
    const held = isRecord(event.response) ? event.response.id : undefined;
    const id = [event.response_id, held].find((value): value is string => typeof value === 'string');
    const begun = this.#calls.find((call) => (id === undefined ? call.id !== undefined : call.id === id));
    const waiting = this.#calls.find((call) => call.id === undefined);
    if (type === 'error') return waiting ?? begun;
    if (begun !== undefined || waiting === undefined) return begun;
    waiting.id = id;
    return waiting;
  }

  /** Realtime answers by itself when somebody has spoken, and tells what writing down the speech used: both are calls. */
  #unasked(type: string, event: Fields, nowMs: number): Call | undefined {
    if (type !== 'response.created' && !(type.endsWith('transcription.completed') && isRecord(event.usage))) {
      return undefined;
    }
    const size = { bytes: 1, tokens: this.#toldTokens };
    this.#toldTokens = 0;
    const body: BodyReading = {
      ...{ kind: 'read', value: {}, written: [], contentType: 'application/json', found: [], size },
    };
    const verdict = this.#deps.judge({ body, question: this.#questionOf({}), asks: true }, nowMs);
    if (verdict.kind === 'refuse') {
      this.#refused(verdict, undefined);
      this.#close(1008, nowMs);
      const why = 'an answer was ended: nobody may ask for it now';
      this.#deps.out.end({ code: 'guard.http.budget_used', sentence: why, rule: 'contract:http' });
      return undefined;
    }
    const id = isRecord(event.response) && typeof event.response.id === 'string' ? event.response.id : undefined;
    const call: Call = { answer: verdict.answer, id, plan: undefined };
    this.#calls.push(call);
    return call;
  }

  /** The answer ends here: its end in the words of its dialect, then the connection's. */
  #endAt(call: Call, written: readonly Uint8Array[], why: Reason, nowMs: number): void {
    for (const { parts } of new EventSplitter().push(joinBytes(written))) {
      this.#deps.out.toApp(encodeFrame('text', utf8(parseEvent(parts)?.data ?? '')));
    }
    this.#over(call, nowMs);
    this.#close(1000, nowMs, why.sentence);
    this.#deps.out.end(why);
  }

  #over(call: Call, nowMs: number): void {
    this.#calls.splice(this.#calls.indexOf(call), 1);
    call.answer.over(true, nowMs);
  }

  #close(code: number, nowMs: number, why = ''): void {
    this.#deps.out.toApp(encodeFrame('close', closePayload(code, why)));
    this.ended(nowMs);
  }

  #unreadable(what: string, nowMs: number): void {
    this.#close(1002, nowMs);
    this.#deps.out.serviceFault(cannotFollow(`the service sent ${what}`), true);
  }
}

const crowded: Reason = {
  code: 'guard.http.too_large',
  sentence: 'a message was held back too long, or too much at once: not judged, not sent',
  rule: 'guard:http.size',
};

function isLast(type: string): boolean {
  return (
    type === 'error' ||
    /^response\.(?:completed|incomplete|failed|cancelled|done)$|transcription\.completed$/.test(type)
  );
}

/** A refusal as an event: with the status that a request would have got, and its headers. `eventId`: of what it refuses. */
export function refusalEvent({ status, body, headers }: OwnAnswer, eventId?: unknown): Fields {
  const told = JSON.parse(body) as { readonly error?: Fields };
  const about = typeof eventId === 'string' ? { event_id: eventId } : {};
  const more = headers === undefined ? {} : { headers: Object.fromEntries(headers) };
  return { type: 'error', status, ...told, error: { ...told.error, ...about }, ...more };
}

/** What an answer over HTTP would begin with. */
function headOf(status: number): ResponseHead {
  const field = { name: 'content-type', value: 'text/event-stream', start: 0, end: 0 };
  return { kind: 'response', version: '1.1', status, raw: new Uint8Array(0), fields: [field], fieldsStart: 0 };
}

function cannotFollow(why: string): Reason {
  return {
    code: 'guard.http.unparseable',
    sentence: `what flows cannot be followed as a websocket: ${why}`,
    next: 'use a client and server that speak websockets without extensions, or ask over plain HTTP',
    rule: 'guard:http.websocket',
  };
}
