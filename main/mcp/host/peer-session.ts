/**
 * One process, or what stands for one, and who speaks with it: requests under numbers of our own, so that callers cannot mistake each other's answers, and whatever
 * the program says of its own accord put on the stream it belongs to.
 */
import { errorText, isRecord, type Message, type RpcId } from '../bridge/rpc.ts';

/** Where messages for a caller go. */
export interface Sink {
  message(text: string): void;
  /** The answer; nothing follows. */
  answer(text: string): void;
}

interface Waiting {
  readonly id: RpcId;
  readonly token: unknown;
  readonly sink: Sink;
}

/** What answers: a program on standard streams, or a part of this one. */
export interface Peer {
  send(text: string): void;
  /** Its end; `onEnd` follows, unless it came before. */
  close(): void;
}

/** Who is told what a peer says, and of its end. */
export interface PeerHandlers {
  readonly onMessage: (message: Message) => void;
  /** Once, last. */
  readonly onEnd: (why: string) => void;
}

/** Starts a peer that tells these handlers. */
export type OpenPeer = (handlers: PeerHandlers) => Peer;

const subscriptionKey = 'io.modelcontextprotocol/subscriptionId';
const maxWaiting = 10_000;

/** One peer with the callers that wait for it; disposing closes the peer. */
export class PeerSession implements Disposable {
  readonly #program: Peer;
  readonly #waiting = new Map<number, Waiting>();
  /** The stream a caller keeps open for what the program says of its own accord. */
  #listener: Sink | undefined;
  #asked = 0;
  #over: string | undefined;

  constructor(open: OpenPeer, onEnd: () => void) {
    this.#program = open({
      onMessage: (message) => this.#fromProgram(message),
      onEnd: (why) => {
        this.#over = why;
        for (const [number, { id, sink }] of this.#waiting) {
          this.#waiting.delete(number);
          sink.answer(errorText(id, why));
        }
        onEnd();
      },
    });
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** A request; its number, by which it can be called off. */
  ask(message: Message & { readonly id: RpcId }, sink: Sink): number {
    this.#asked += 1;
    const number = this.#asked;
    if (this.#over !== undefined || this.#waiting.size >= maxWaiting) {
      sink.answer(errorText(message.id, this.#over ?? 'too many requests wait already'));
      return number;
    }
    const meta = isRecord(message.params['_meta']) ? message.params['_meta'] : {};
    this.#waiting.set(number, { id: message.id, token: meta['progressToken'], sink });
    const params =
      meta['progressToken'] === undefined
        ? message.params
        : { ...message.params, _meta: { ...meta, progressToken: number } };
    this.#program.send(JSON.stringify({ ...fieldsOf(message), id: number, params }));
    return number;
  }

  /** A notification, or an answer to what the program asked. */
  tell(message: Message): void {
    if (message.method !== 'notifications/cancelled') return this.#program.send(message.text);
    for (const [number, { id }] of this.#waiting) if (id === message.params['requestId']) this.callOff(number);
  }

  /** Nobody waits for this answer any more. */
  callOff(number: number): void {
    if (!this.#waiting.delete(number)) return;
    const params = { requestId: number, reason: 'the caller waits no more' };
    this.#program.send(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/cancelled', params }));
  }

  /** From now on what belongs to no request goes there; undefined: nowhere. */
  listen(sink: Sink | undefined): void {
    this.#listener = sink;
  }

  [Symbol.dispose](): void {
    this.#program.close();
  }

  #fromProgram(message: Message): void {
    if (message.kind === 'response') {
      const waiting = typeof message.id === 'number' ? this.#waiting.get(message.id) : undefined;
      if (waiting === undefined) return;
      this.#waiting.delete(message.id as number);
      waiting.sink.answer(JSON.stringify({ ...fieldsOf(message), id: waiting.id }));
      return;
    }
    const meta = isRecord(message.params['_meta']) ? message.params['_meta'] : {};
    const named = message.params['progressToken'] ?? meta[subscriptionKey];
    const related = typeof named === 'number' ? this.#waiting.get(named) : undefined;
    if (related !== undefined) {
      related.sink.message(JSON.stringify({ ...fieldsOf(message), params: restored(message, related) }));
      return;
    }
    // What it asks while it works on a request is of that request; else it is its own affair.
    const latest = message.kind === 'request' ? [...this.#waiting.values()].at(-1) : undefined;
    (latest?.sink ?? this.#listener ?? [...this.#waiting.values()].at(-1)?.sink)?.message(message.text);
  }
}

/** The caller's own names in place of our numbers. */
function restored(message: Message, { id, token }: Waiting): Readonly<Record<string, unknown>> {
  const { params } = message;
  const meta = isRecord(params['_meta']) ? params['_meta'] : undefined;
  return {
    ...params,
    ...('progressToken' in params ? { progressToken: token } : {}),
    ...(meta?.[subscriptionKey] === undefined ? {} : { _meta: { ...meta, [subscriptionKey]: id } }),
  };
}

function fieldsOf(message: Message): Record<string, unknown> {
  return JSON.parse(message.text) as Record<string, unknown>;
}
