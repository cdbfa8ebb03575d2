/**
 * MCP by streamable HTTP. Version and session belong to each request: a message that names its revision itself (2026-07-28 and later) is
 * sent by that one and without a session; the others by what their handshake agreed on.
 * Source: modelcontextprotocol.io, "Transports", revisions 2025-03-26 to 2026-07-28.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { defined } from '../../base/defined.ts';
import { failureIn } from './answers.ts';
import { EventStream } from './event-stream.ts';
import { HttpCalls, NoHttpAnswer, type Answer } from './http-call.ts';
import { headerMismatch, ownMessage, ownVersion, readMessages, underId, type Message } from './rpc.ts';
import { StandardHeaders, statelessRevision } from './standard-headers.ts';
import { causeOf, type Failure, type Way, type WayDeps } from './way.ts';

/** How an exchange ended, where its request has no answer yet. */
type Unanswered =
  /** `passing`: for now, for all that can be told: the way there is refused, or the server says that it has trouble. */
  | ({ readonly kind: 'failed'; readonly passing?: boolean } & Failure)
  /** The service knows the session no more. */
  | { readonly kind: 'forgotten' }
  /** Headers are missing that a tool's schema asks for. */
  | { readonly kind: 'headers'; readonly refusal: Message }
  /** Streamable HTTP is not spoken here: the specification says to look for the older way. */
  | ({ readonly kind: 'other-way' } & Failure);

const [firstRetryMs, longestRetryMs] = [1_000, 30_000];
/** Breaks of one answer's stream in a row without an event between them, after which it is given up. */
const maxBreaks = 6;
const endTimeoutMs = 1_000;
const maxToolPages = 100;

/** One client's messages by streamable HTTP; a forgotten session is begun again, a broken answer taken up where it broke. */
export class HttpWay implements Way {
  readonly #deps: WayDeps;
  readonly #calls: HttpCalls;
  readonly #headers = new StandardHeaders();
  readonly #cancels = new Map<Message, AbortController>();
  readonly #otherWay: ((failure: Failure) => void) | undefined;
  /** The client's `initialize`, to be repeated where the session is forgotten. */
  #hello: Message | undefined;
  #session: string | undefined;
  #version: string | undefined;
  /** Of messages that name none themselves, where there was no handshake. */
  #lastOwnVersion: string | undefined;
  #renewing: Promise<Failure | undefined> | undefined;
  #listening = new AbortController();
  #made = 0;

  /** `otherWay` is told where the handshake meets no streamable HTTP. */
  constructor(deps: WayDeps, otherWay?: (failure: Failure) => void) {
    this.#deps = deps;
    this.#calls = new HttpCalls(deps.connect);
    this.#otherWay = otherWay;
  }

  async send(message: Message): Promise<Failure | undefined> {
    const cancel = new AbortController();
    this.#cancels.set(message, cancel);
    const signal = AbortSignal.any([this.#deps.signal, cancel.signal]);
    try {
      return await this.#send(message, signal);
    } catch (error) {
      return { why: causeOf(error), ...(error instanceof NoHttpAnswer ? { noHttp: true } : {}) };
    } finally {
      this.#cancels.delete(message);
    }
  }

  cancelled(request: Message): void {
    // Without a handshake there is no message for it: the stream is closed. With one the service is told, and may answer yet.
    if (ownVersion(request) !== undefined) this.#cancels.get(request)?.abort();
  }

  /** Give the session back; a server without sessions says 405, which is as good. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listening.abort();
    if (this.#session !== undefined) {
      const options = {
        method: 'DELETE',
        headers: this.#sessionHeaders(),
        signal: AbortSignal.timeout(endTimeoutMs),
      } as const;
      try {
        (await this.#calls.call(this.#deps.url, options)).drop();
      } catch (error) {
        this.#deps.complain(`session not ended: ${causeOf(error)}`);
      }
    }
    this.#calls[Symbol.dispose]();
  }

  async #send(message: Message, signal: AbortSignal): Promise<Failure | undefined> {
    if (message.method === 'initialize') this.#forget(message);
    let outcome = await this.#exchange(message, this.#deps.take, signal);
    if (outcome?.kind === 'forgotten' && message.kind !== 'response') {
      const failure = await this.#renew();
      if (failure !== undefined) return failure;
      outcome = await this.#exchange(message, this.#deps.take, signal);
    }
    if (outcome?.kind === 'headers') {
      const { refusal } = outcome;
      const learned = await this.#learnTools(message, signal);
      outcome = learned ? await this.#exchange(message, this.#deps.take, signal) : outcome;
      if (outcome?.kind === 'headers') {
        this.#deps.take(refusal);
        return undefined;
      }
    }
    if (outcome === undefined) {
      if (message.method === 'notifications/initialized') this.#listen();
      return undefined;
    }
    if (outcome.kind === 'forgotten') return { why: 'the server knows this session no more' };
    if (outcome.kind === 'other-way') this.#otherWay?.(outcome);
    return outcome;
  }

  /** One POST and what answers it; undefined where the answer was taken. */
  async #exchange(
    message: Message,
    take: (message: Message) => void,
    signal: AbortSignal,
  ): Promise<Unanswered | undefined> {
    const headers = this.#headersOf(message);
    const answer = await this.#calls.call(this.#deps.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
      body: message.text,
      signal,
    });
    const session = answer.headers['mcp-session-id'];
    if (message.method === 'initialize' && typeof session === 'string') this.#session = session;
    if (answer.type === 'text/event-stream' && answer.status < 300) {
      return this.#readAnswerStream(answer, message, take, signal);
    }
    const body = await answer.text();
    if (answer.status === 404 && 'mcp-session-id' in headers) return { kind: 'forgotten' };
    return this.#takeBody(answer, body, message, take);
  }

  #takeBody(answer: Answer, body: string, message: Message, take: (message: Message) => void): Unanswered | undefined {
    const refused = typeof answer.headers['culvert-reason'] === 'string';
    const messages = refused ? undefined : readMessages(body);
    let own: Message | undefined;
    for (const one of messages ?? []) {
      // An error that its sender could give no id answers what it came back for.
      const orphan = one.kind === 'response' && one.id === undefined && one.error !== undefined;
      if (own === undefined && one.kind === 'response' && (one.id === message.id || orphan)) own = one;
      else take(one);
    }
    const failure = failureIn(answer, body);
    if (message.kind !== 'request') {
      if (answer.status >= 400 && !refused) this.#deps.complain(`${message.method || 'an answer'}: ${failure.why}`);
      return answer.status >= 400 ? { kind: 'failed', ...failure } : undefined;
    }
    const unlike = [400, 404, 405].includes(answer.status) && own?.id === undefined && !refused;
    if (message.method === 'initialize' && unlike && this.#otherWay !== undefined)
      return { kind: 'other-way', ...failure };
    if (own !== undefined) {
      if (own.error?.['code'] === headerMismatch && message.method === 'tools/call')
        return { kind: 'headers', refusal: withId(own, message) };
      this.#took(message, own);
      take(withId(own, message));
      return undefined;
    }
    if (answer.status >= 400 || refused) return { kind: 'failed', ...failure };
    const why = body.trim() === '' ? `${answer.status} and nothing else` : 'something that is no answer to it';
    return { kind: 'failed', why: `the server answered with ${why}` };
  }

  /** The stream that answers a request: gone on with after a break, where the server gave its events ids. */
  async #readAnswerStream(
    first: Answer,
    message: Message,
    take: (message: Message) => void,
    signal: AbortSignal,
  ): Promise<Unanswered | undefined> {
    let answer = first;
    let done = message.kind !== 'request';
    let acknowledged = false;
    let breaks = 0;
    const listens = message.method === 'subscriptions/listen';
    const events = new EventStream();
    const pass = (one: Message): void => {
      breaks = 0;
      if (one.method === 'notifications/subscriptions/acknowledged') {
        // The client has had it: that the stream was opened anew is no concern of its.
        if (acknowledged) return;
        acknowledged = true;
      }
      if (one.kind === 'response' && one.id === message.id) {
        done = true;
        this.#took(message, one);
      }
      take(one);
    };
    for (;;) {
      const broken = await this.#readEvents(answer, events, pass);
      if (done) return undefined;
      signal.throwIfAborted();
      const resumable = ownVersion(message) === undefined && events.lastId !== undefined;
      if (!resumable && !listens) return { kind: 'failed', why: broken ?? 'its answer ended before it was whole' };
      breaks += 1;
      if (breaks > maxBreaks && !listens)
        return { kind: 'failed', why: broken ?? 'its answer broke off again and again' };
      await delay(events.retryMs ?? backOff(breaks), undefined, { signal });
      const again = listens ? await this.#repeat(message, signal) : await this.#resume(events.lastId, signal);
      if ('kind' in again) return again;
      answer = again;
    }
  }

  async #resume(lastId: string | undefined, signal: AbortSignal): Promise<Answer | Unanswered> {
    return this.#stream({ method: 'GET', headers: this.#sessionHeaders(lastId), signal });
  }

  #repeat(message: Message, signal: AbortSignal): Promise<Answer | Unanswered> {
    const headers = { 'content-type': 'application/json', ...this.#headersOf(message) };
    return this.#stream({ method: 'POST', headers, body: message.text, signal });
  }

  async #stream(options: Parameters<HttpCalls['call']>[1]): Promise<Answer | Unanswered> {
    const accept = options.method === 'GET' ? 'text/event-stream' : 'application/json, text/event-stream';
    const answer = await this.#calls.call(this.#deps.url, { ...options, headers: { accept, ...options.headers } });
    if (answer.type === 'text/event-stream' && answer.status < 300) return answer;
    const failure = failureIn(answer, await answer.text());
    return { kind: 'failed', ...failure, passing: failure.refused !== undefined || answer.status >= 500 };
  }

  /** Until the stream ends; what broke it, where something did. */
  async #readEvents(
    answer: Answer,
    events: EventStream,
    pass: (message: Message) => void,
  ): Promise<string | undefined> {
    try {
      for await (const chunk of answer.body) {
        for (const { type, data } of events.push(chunk)) {
          if (type !== 'message') continue;
          const messages = readMessages(data);
          if (messages === undefined) this.#deps.complain('an event of the server is no message');
          messages?.forEach(pass);
        }
      }
      return undefined;
    } catch (error) {
      answer.drop();
      return causeOf(error);
    }
  }

  /** What the server sends of its own accord, for as long as the session is this one. */
  #listen(): void {
    this.#listening.abort();
    this.#listening = new AbortController();
    const signal = AbortSignal.any([this.#deps.signal, this.#listening.signal]);
    this.#keepListening(signal).catch((error: unknown) => {
      if (!signal.aborted) this.#deps.complain(`the server's own messages are lost: ${causeOf(error)}`);
    });
  }

  async #keepListening(signal: AbortSignal): Promise<void> {
    const events = new EventStream();
    for (let failures = 0; ; failures += 1) {
      try {
        const again = await this.#stream({ method: 'GET', headers: this.#sessionHeaders(events.lastId), signal });
        // Not offered, or not to this session any more: the next request will tell.
        if ('kind' in again) {
          if (again.kind !== 'failed' || again.passing !== true) return;
        } else {
          await this.#readEvents(again, events, (message) => {
            failures = 0;
            this.#deps.take(message);
          });
        }
      } catch (error) {
        if (failures === 0 && !signal.aborted) this.#deps.complain(`the server's own messages: ${causeOf(error)}`);
      }
      await delay(events.retryMs ?? backOff(failures + 1), undefined, { signal });
    }
  }

  /** A fresh session in place of one the service forgot; once for all who wait for it. */
  #renew(): Promise<Failure | undefined> {
    this.#renewing ??= this.#shakeHands().finally(() => (this.#renewing = undefined));
    return this.#renewing;
  }

  async #shakeHands(): Promise<Failure | undefined> {
    const hello = this.#hello;
    if (hello === undefined) return { why: 'the server knows this session no more' };
    this.#forget(hello);
    const own = this.#own('initialize', hello.params);
    const ignore = (message: Message): void => {
      if (message.id !== own.id) this.#deps.take(message);
      else if (message.error !== undefined)
        failure = { why: `the server takes no new session: ${String(message.error['message'])}` };
    };
    let failure: Failure | undefined;
    const outcome = await this.#exchange(own, ignore, this.#deps.signal);
    if (outcome !== undefined) return 'why' in outcome ? outcome : { why: 'the server takes no new session' };
    if (failure !== undefined) return failure;
    await this.#exchange(ownMessage({ method: 'notifications/initialized' }), this.#deps.take, this.#deps.signal);
    this.#listen();
    return undefined;
  }

  /** Ask for the tools, whose schemas say which headers a call needs. */
  async #learnTools(call: Message, signal: AbortSignal): Promise<boolean> {
    let cursor: unknown;
    for (let page = 0; page < maxToolPages; page += 1) {
      const next = defined({ cursor });
      const ask = this.#own('tools/list', { ...next, _meta: call.params['_meta'] });
      let listed: Message | undefined;
      const outcome = await this.#exchange(
        ask,
        (message) => (message.id === ask.id ? (listed = message) : this.#deps.take(message)),
        signal,
      );
      if (outcome !== undefined || listed?.result === undefined) return false;
      cursor = listed.result['nextCursor'];
      if (typeof cursor !== 'string') return true;
    }
    return true;
  }

  /** A request of the bridge's own. */
  #own(method: string, params: Readonly<Record<string, unknown>>): Message {
    this.#made += 1;
    return ownMessage({ id: `culvert-${this.#made}`, method, params });
  }

  #forget(hello: Message): void {
    this.#hello = hello;
    this.#session = undefined;
    this.#version = undefined;
    this.#listening.abort();
  }

  #took(request: Message, answer: Message): void {
    const { result } = answer;
    if (result === undefined) return;
    if (request.method === 'initialize' && typeof result['protocolVersion'] === 'string') {
      this.#version = result['protocolVersion'];
    }
    if (request.method === 'tools/list') this.#headers.learn(result);
  }

  #headersOf(message: Message): Record<string, string> {
    if (message.method === 'initialize') return {};
    const own = ownVersion(message);
    if (own !== undefined) this.#lastOwnVersion = own;
    const stateless = own ?? (this.#hello === undefined ? this.#lastOwnVersion : undefined);
    if (stateless === undefined) return this.#sessionHeaders();
    return {
      'mcp-protocol-version': stateless,
      ...(stateless >= statelessRevision ? this.#headers.of(message) : {}),
    };
  }

  #sessionHeaders(lastId?: string): Record<string, string> {
    return defined({
      'mcp-session-id': this.#session,
      'mcp-protocol-version': this.#version,
      ...(lastId === undefined || lastId === '' ? {} : { 'last-event-id': lastId }),
    });
  }
}

function withId(answer: Message, request: Message): Message {
  if (answer.id === request.id || request.id === undefined) return answer;
  return { ...answer, id: request.id, text: underId(answer, request.id) };
}

function backOff(failures: number): number {
  return Math.min(longestRetryMs, firstRetryMs * 2 ** (failures - 1));
}
