/**
 * MCP as services spoke it before streamable HTTP: one event stream, whose first event names the place for POSTs.
 * Source: modelcontextprotocol.io, "Transports", revision 2024-11-05 (HTTP with SSE).
 */
import { failureIn } from './answers.ts';
import { EventStream } from './event-stream.ts';
import { HttpCalls } from './http-call.ts';
import { PendingRequests } from './pending-requests.ts';
import { ownMessage, type Message } from './rpc.ts';
import { causeOf, type Failure, type Way, type WayDeps } from './way.ts';

const endpointTimeoutMs = 10_000;
const ended = 'the event stream of the server has ended';

/** Open it at `url`; undefined where no such stream is served there. */
export async function openSseWay(deps: WayDeps): Promise<Way | undefined> {
  const way = new SseWay(deps);
  if (await way.open()) return way;
  await way[Symbol.asyncDispose]();
  return undefined;
}

class SseWay implements Way {
  readonly #deps: WayDeps;
  readonly #calls: HttpCalls;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #pending: PendingRequests;
  #endpoint: URL | undefined;
  /** The client's `initialize`, to be repeated where the stream, and with it the session, has ended. */
  #hello: Message | undefined;
  #renewing: Promise<Failure | undefined> | undefined;
  #made = 0;

  constructor(deps: WayDeps) {
    this.#deps = deps;
    this.#pending = new PendingRequests(deps);
    this.#calls = new HttpCalls(deps.connect);
    this.#signal = AbortSignal.any([deps.signal, this.#stop.signal]);
  }

  async open(): Promise<boolean> {
    const headers = { accept: 'text/event-stream' };
    try {
      const answer = await this.#calls.call(this.#deps.url, { method: 'GET', headers, signal: this.#signal });
      if (answer.status >= 300 || answer.type !== 'text/event-stream') {
        answer.drop();
        return false;
      }
      return await new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => {
          answer.drop();
          resolve(false);
        }, endpointTimeoutMs);
        const opened = (): void => {
          clearTimeout(timer);
          resolve(true);
        };
        void this.#read(answer.body, opened).then((why) => {
          clearTimeout(timer);
          resolve(false);
          this.#broken(why);
        });
      });
    } catch (error) {
      // The POST before it said already what is wrong with this place.
      if (!this.#signal.aborted)
        this.#deps.complain(`no event stream at ${this.#deps.url.pathname}: ${causeOf(error)}`);
      return false;
    }
  }

  async send(message: Message): Promise<Failure | undefined> {
    if (message.method === 'initialize') this.#hello = message;
    if (this.#endpoint === undefined || this.#renewing !== undefined) {
      const failure = await this.#renew(message);
      if (failure !== undefined) return failure;
    }
    return this.#post(message);
  }

  cancelled(request: Message): void {
    this.#pending.settle(request.id, undefined);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#calls[Symbol.dispose]();
    return Promise.resolve();
  }

  async #post(message: Message): Promise<Failure | undefined> {
    const { id } = message;
    const endpoint = this.#endpoint;
    if (endpoint === undefined) return { why: ended };
    const answered = message.kind !== 'request' || id === undefined ? undefined : this.#pending.add(id);
    try {
      const headers = { 'content-type': 'application/json' };
      const post = { method: 'POST', headers, body: message.text, signal: this.#signal } as const;
      const answer = await this.#calls.call(endpoint, post);
      const body = await answer.text();
      if (answer.status >= 300) this.#pending.settle(id, failureIn(answer, body));
      return answered === undefined ? (answer.status < 300 ? undefined : failureIn(answer, body)) : await answered;
    } catch (error) {
      this.#pending.settle(id, undefined);
      return { why: causeOf(error) };
    }
  }

  /** A fresh stream in place of one that has ended; once for all who wait for it. What was under way with the old one has failed. */
  #renew(message: Message): Promise<Failure | undefined> {
    this.#renewing ??= this.#beginAnew(message).finally(() => (this.#renewing = undefined));
    return this.#renewing;
  }

  async #beginAnew(message: Message): Promise<Failure | undefined> {
    if (this.#signal.aborted || !(await this.open())) return { why: ended };
    const hello = this.#hello;
    if (hello === undefined || hello === message) return undefined;
    this.#made += 1;
    const own = ownMessage({ id: `culvert-${this.#made}`, method: 'initialize', params: hello.params });
    return (await this.#post(own)) ?? this.#post(ownMessage({ method: 'notifications/initialized' }));
  }

  async #read(body: AsyncIterable<string>, opened: () => void): Promise<string> {
    const events = new EventStream();
    try {
      for await (const chunk of body) {
        for (const { type, data } of events.push(chunk)) {
          if (type === 'endpoint') {
            const at = new URL(data, this.#deps.url);
            // Wherever the server believes to be, it is reached by this port alone.
            this.#endpoint = new URL(at.pathname + at.search, this.#deps.url);
            opened();
          } else if (type === 'message') this.#pending.take(data, 'an event');
        }
      }
      return ended;
    } catch (error) {
      return causeOf(error);
    }
  }

  #broken(why: string): void {
    this.#endpoint = undefined;
    this.#pending.failAll(why);
  }
}
