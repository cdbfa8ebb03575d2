/** A client derived from the schema: exactly the calls and streams named in it, over any transport that carries lines. */
import { TunnelerError } from '../base/errors.ts';
import type { Client } from './call.ts';
import { fromErrorView, parseEngineMessage, protocolVersion, type ClientMessage, type Greeting } from './wire.ts';

/** Carries whole messages both ways, in order. A Unix socket, a WebSocket, a preload bridge, memory. */
export interface Transport {
  /** Send one message (without line end). Ignored after close. */
  send(message: string): void;
  /** Begin delivery, once. `closed` comes once, last. */
  start(sink: { message(text: string): void; closed(error?: TunnelerError): void }): void;
  /** Idempotent. */
  close(): void;
}

/** One connection to an engine and the client over it. */
export interface ClientConnection<S> {
  readonly client: Client<S>;
  /** The engine's first line. Rejects where it speaks another protocol version or the transport fails before. */
  readonly greeting: Promise<Greeting>;
  /** Resolves once, when the transport is gone; with the error where it was not `close`. */
  readonly closed: Promise<TunnelerError | undefined>;
  close(): void;
}

interface Pending {
  settle(outcome: { result: unknown } | { item: unknown } | { end: true } | { error: TunnelerError }): void;
}

/** Items a stream's reader may be behind before the client gives it up with `base.closed`. */
const maxBufferedItems = 65_536;

/**
 * Open a client over `transport`. Calls made before the greeting wait for it. Once closed, pending and later calls reject with
 * `base.closed`.
 */
export function createClient<S extends Readonly<Record<string, Readonly<Record<string, { type: 'call' | 'stream' }>>>>>(
  schema: S,
  transport: Transport,
): ClientConnection<S> {
  const pending = new Map<number, Pending>();
  let nextId = 1;
  let closedWith: TunnelerError | undefined;
  let greeted: (greeting: Greeting) => void = () => {};
  let notGreeted: (error: TunnelerError) => void = () => {};
  let gone: (error: TunnelerError | undefined) => void = () => {};
  const greeting = new Promise<Greeting>((resolve, reject) => ((greeted = resolve), (notGreeted = reject)));
  const closed = new Promise<TunnelerError | undefined>((resolve) => (gone = resolve));
  greeting.catch(() => undefined); // whoever awaits it learns of it; nobody has to

  const shut = (error: TunnelerError | undefined): void => {
    if (closedWith !== undefined) return;
    closedWith = error ?? new TunnelerError('base.closed', 'the connection to the engine is closed');
    notGreeted(closedWith);
    for (const request of [...pending.values()]) request.settle({ error: closedWith });
    pending.clear();
    gone(error);
  };

  const send = (message: ClientMessage): void => transport.send(JSON.stringify(message));

  const begin = async (id: number, call: string, request: unknown): Promise<void> => {
    await greeting;
    if (closedWith !== undefined || !pending.has(id)) return;
    send(request === undefined ? { id, call } : { id, call, request });
  };

  const request = (call: string, body: unknown, signal: AbortSignal | undefined, own: Pending): (() => void) => {
    const id = nextId++;
    if (closedWith !== undefined) {
      own.settle({ error: closedWith });
      return () => {};
    }
    const cancel = (): void => {
      if (!pending.delete(id)) return;
      signal?.removeEventListener('abort', onAbort);
      if (closedWith === undefined) send({ id, cancel: true });
    };
    const onAbort = (): void => {
      cancel();
      own.settle({ error: new TunnelerError('base.cancelled', 'cancelled', { cause: signal?.reason }) });
    };
    pending.set(id, {
      settle(outcome) {
        if (!('item' in outcome)) {
          pending.delete(id);
          signal?.removeEventListener('abort', onAbort);
        }
        own.settle(outcome);
      },
    });
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
    void begin(id, call, body).catch((error: TunnelerError) => pending.get(id)?.settle({ error }));
    return cancel;
  };

  transport.start({
    message(text) {
      let message;
      try {
        message = parseEngineMessage(text);
      } catch (error) {
        shut(error as TunnelerError);
        transport.close();
        return;
      }
      if ('greeting' in message) {
        if (message.protocol === protocolVersion) greeted(message);
        else {
          shut(
            new TunnelerError(
              'engine.protocol',
              `engine ${message.version} speaks protocol ${message.protocol}, this client ${protocolVersion}; update the older one`,
            ),
          );
          transport.close();
        }
      } else if (message.id !== null) {
        const own = pending.get(message.id);
        if ('error' in message) own?.settle({ error: fromErrorView(message.error) });
        else own?.settle(message);
      }
    },
    closed: shut,
  });

  const callOf =
    (name: string) =>
    (body?: unknown, options: { signal?: AbortSignal } = {}): Promise<unknown> =>
      new Promise((resolve, reject) => {
        request(name, body, options.signal, {
          settle: (outcome) => {
            if ('error' in outcome) reject(outcome.error);
            else resolve('result' in outcome ? outcome.result : undefined);
          },
        });
      });
  const streamOf =
    (name: string) =>
    (body?: unknown, options: { signal?: AbortSignal } = {}): AsyncIterable<unknown> => ({
      [Symbol.asyncIterator]: () => iterate((own) => request(name, body, options.signal, own)),
    });

  const client = Object.fromEntries(
    Object.entries(schema).map(([group, entries]) => [
      group,
      Object.fromEntries(
        Object.entries(entries).map(([name, entry]) => {
          const path = `${group}.${name}`;
          return [name, entry.type === 'call' ? callOf(path) : streamOf(path)];
        }),
      ),
    ]),
  ) as Client<S>;

  return {
    client,
    greeting,
    closed,
    close() {
      if (closedWith !== undefined) return;
      shut(undefined);
      transport.close();
    },
  };
}

/** A stream's items as an async iterator; leaving the loop cancels at the engine. */
function iterate(start: (own: Pending) => () => void): AsyncIterator<unknown> {
  const items: unknown[] = [];
  let over: { readonly error?: TunnelerError } | undefined;
  let wake: (() => void) | undefined;
  const cancel = start({
    settle(outcome) {
      if ('item' in outcome) {
        items.push(outcome.item);
        if (items.length > maxBufferedItems) {
          over = { error: new TunnelerError('base.closed', 'the reader of this stream fell too far behind') };
          cancel();
        }
      } else over ??= 'error' in outcome ? { error: outcome.error } : {};
      wake?.();
    },
  });
  return {
    async next() {
      while (items.length === 0 && over === undefined) {
        await new Promise<void>((resolve) => (wake = resolve));
      }
      if (items.length > 0) return { done: false, value: items.shift() };
      if (over?.error !== undefined) {
        const { error } = over;
        over = {};
        throw error;
      }
      return { done: true, value: undefined };
    },
    async return() {
      over ??= {};
      cancel();
      return { done: true, value: undefined };
    },
  };
}
