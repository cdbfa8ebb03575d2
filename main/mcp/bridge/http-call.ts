/** One HTTP request to the engine's loopback port, as long as it takes: the far side alone says when it is over. */
import type { Duplex } from 'node:stream';
import { Agent, request, type ClientRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';

/** An answer whose head has come; its body follows as it is read. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Media type without its parameters, lower case; empty where there is none. */
  readonly type: string;
  /** The whole body. Throws RangeError where it is larger than {@link maxBodyChars}. */
  text(): Promise<string>;
  /** The body as it comes. */
  readonly body: AsyncIterable<string>;
  /** Take no more of it. */
  drop(): void;
}

/** One request, but for its place. */
export interface CallOptions {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
}

/** What came instead of an answer in HTTP: the far side speaks something else, or hung up before a word. */
export class NoHttpAnswer extends Error {}

/** An idle connection is given up before usual servers do so under a request. */
const idleMs = 4_000;
const maxBodyChars = 64 * 1024 * 1024;
const maxRedirects = 3;

/** Requests over connections that are kept for the next one. Disposing closes them. */
export class HttpCalls implements Disposable {
  readonly #agent: Agent;

  /** `connect` makes a connection to wherever the URLs lead; by default TCP to what they say. */
  constructor(connect?: () => Promise<Duplex>) {
    this.#agent =
      connect === undefined ? new Agent({ keepAlive: true, timeout: idleMs }) : new GivenConnections(connect);
  }

  /** The answer's head has come. Follows redirects that stay at the same place; any other is an answer like the rest. */
  async call(url: URL, options: CallOptions): Promise<Answer> {
    let at = url;
    for (let redirects = 0; ; redirects += 1) {
      const answer = await this.#once(at, options);
      const { location } = answer.headers;
      if (![301, 302, 307, 308].includes(answer.status) || location === undefined) return answer;
      if (redirects === maxRedirects || !URL.canParse(location, at)) return answer;
      const next = new URL(location, at);
      if (next.host !== at.host) return answer;
      answer.drop();
      at = next;
    }
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }

  #once(url: URL, { method, headers, body, signal }: CallOptions): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
      const call = request(
        url,
        { method, headers: { ...headers, ...length }, agent: this.#agent, signal },
        (response) => resolve(answerOf(response)),
      );
      call.on('error', (error: NodeJS.ErrnoException) => {
        const { code = '' } = error;
        const unlike = code.startsWith('HPE_') || code === 'ECONNRESET' || code === 'EPIPE';
        reject(unlike && !signal.aborted ? new NoHttpAnswer(error.message, { cause: error }) : error);
      });
      call.end(body);
    });
  }
}

/** Connections that are no sockets of the system: nothing about them can be tuned. */
class GivenConnections extends Agent {
  readonly #connect: () => Promise<Duplex>;

  constructor(connect: () => Promise<Duplex>) {
    super({ keepAlive: true });
    this.#connect = connect;
  }

  override createConnection(
    _options: unknown,
    made?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | null | undefined {
    this.#connect().then(
      (stream) => made?.(null, stream),
      (error: unknown) => (made as (error: Error) => void)(error as Error),
    );
    return undefined;
  }

  override keepSocketAlive(stream: Duplex): boolean {
    const idle = setTimeout(() => stream.destroy(), idleMs).unref();
    this.#idle.set(stream, idle);
    return true;
  }

  override reuseSocket(stream: Duplex, call: ClientRequest): void {
    clearTimeout(this.#idle.get(stream));
    // Takes off what listened for errors meanwhile; it keeps the process alive for what is a socket of the system alone.
    super.reuseSocket('ref' in stream ? stream : Object.assign(stream, { ref: () => stream }), call);
  }

  readonly #idle = new WeakMap<Duplex, NodeJS.Timeout>();
}

function answerOf(response: IncomingMessage): Answer {
  response.setEncoding('utf8');
  const [type = ''] = (response.headers['content-type'] ?? '').split(';');
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    type: type.trim().toLowerCase(),
    body: response as AsyncIterable<string>,
    async text() {
      let text = '';
      for await (const part of response as AsyncIterable<string>) {
        text += part;
        if (text.length > maxBodyChars) throw new RangeError('the answer is too large');
      }
      return text;
    },
    drop: () => void response.destroy(),
  };
}
