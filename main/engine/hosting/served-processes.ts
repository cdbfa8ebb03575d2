/**
 * Services that another process on this machine answers, over the engine's own socket: each admitted dial is told to it as a connection, whose
 * bytes go both ways as messages. Nothing listens for it.
 */
import { randomUUID } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { defined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import type { HostedItem } from '../../api/views.ts';
import type { HostedRequest } from '../../hosting/hosting.ts';
import { answerBySocket, type AnsweredServices } from './answered-services.ts';

/** Where answerers are registered, and who may bind. */
export interface ServedProcessesDeps {
  readonly answered: Pick<AnsweredServices, 'answer'>;
  /** Runners' ids, by the names of the identities that may bind the service now. */
  readonly binders: (service: string) => ReadonlyMap<string, string>;
}

/** A process's wish to answer a service. */
export interface ServeRequest {
  readonly service: string;
  /** Who answers, for people. */
  readonly what: string;
  /** Hosted as this identity alone. */
  readonly identity?: string | undefined;
}

/** What the process says on one connection. */
export interface ConnectionAnswer {
  readonly connection: string;
  /** Base64. */
  readonly data?: string | undefined;
  /** No more follows. */
  readonly end?: boolean | undefined;
  /** Both ways are over, now. */
  readonly reset?: boolean | undefined;
}

/** The processes that answer services now. */
export interface ServedProcesses {
  /** Connections and their bytes, until the signal fires. Throws `hosting.not_bindable`, `hosting.answered`. */
  serve(request: ServeRequest, signal: AbortSignal): AsyncIterable<HostedItem>;
  /** The same without a service: connections are handed over one by one, and told until the signal fires. */
  lend(signal: AbortSignal): LentProcess;
  /** What the process says on a connection; resolves once more may be said. Throws `hosting.connection_unknown`. */
  answer(answer: ConnectionAnswer): Promise<void>;
}

/** A process that takes connections, whatever they come from. Disposing ends those it has. */
export interface LentProcess extends Disposable {
  take(socket: Duplex, request: Pick<HostedRequest, 'identity' | 'caller'>): void;
  readonly items: AsyncIterable<HostedItem>;
}

/** Bytes told and not yet taken, after which a connection is read no further. */
const maxHeldBytes = 1024 * 1024;

/** Nothing is served until a process asks to. */
export function servedProcesses(deps: ServedProcessesDeps): ServedProcesses {
  const connections = new Map<string, Duplex>();
  const lend = (signal: AbortSignal): LentProcess => {
    const items = new Items(signal);
    const own = new Set<string>();
    return {
      items,
      take(socket, request) {
        const id = randomUUID();
        own.add(id);
        connections.set(id, socket);
        socket.once('close', () => {
          own.delete(id);
          connections.delete(id);
        });
        tell(id, socket, request, items);
      },
      [Symbol.dispose]() {
        for (const id of own) connections.get(id)?.destroy();
      },
    };
  };
  return {
    lend,
    async *serve({ service, what, identity }, signal) {
      const binders = bindersFor(service, identity, deps.binders(service));
      using process = lend(signal);
      using answering = deps.answered.answer(service, {
        what,
        open: answerBySocket((socket, request) => process.take(socket, request)),
        ...defined({ identity: identity === undefined ? undefined : binders.get(identity) }),
      });
      void answering;
      yield { kind: 'ready', service, identities: [...binders.keys()] };
      yield* process.items;
    },
    async answer({ connection, data, end, reset }) {
      const socket = connections.get(connection);
      if (socket === undefined || socket.destroyed) {
        throw new TunnelerError('hosting.connection_unknown', 'this connection is over', { details: { connection } });
      }
      if (reset === true) socket.destroy();
      else if (data !== undefined && !socket.write(Buffer.from(data, 'base64'))) await drained(socket);
      if (end === true) socket.end();
    },
  };
}

/** Those that are meant: all that may bind the service, or the one that is named. Throws `hosting.not_bindable`. */
export function bindersFor(
  service: string,
  identity: string | undefined,
  binders: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const meant = new Map([...binders].filter(([name]) => identity === undefined || name === identity));
  if (meant.size > 0) return meant;
  const who = identity === undefined ? 'no identity here may' : `${identity} may not`;
  throw new TunnelerError('hosting.not_bindable', `${who} host ${service}`, {
    details: { service, next: 'culvert services shows what may be hosted (Bind)' },
  });
}

function tell(id: string, socket: Duplex, request: Pick<HostedRequest, 'identity' | 'caller'>, queue: Items): void {
  const { name, id: callerId, asserted } = request.caller;
  const caller = name ?? callerId;
  queue.push({
    kind: 'open',
    connection: id,
    identity: request.identity,
    asserted,
    ...defined({ caller }),
  });
  socket.on('data', (chunk: Buffer) => {
    socket.pause();
    // The pause ends once the process has taken what is told, so a slow one holds up its callers and nobody else.
    queue.push({ kind: 'data', connection: id, data: chunk.toString('base64') }, chunk.length, () => socket.resume());
  });
  socket.once('end', () => queue.push({ kind: 'end', connection: id }));
  socket.once('close', () => queue.push({ kind: 'closed', connection: id }));
  socket.on('error', () => undefined); // 'close' follows, and says it
}

function drained(socket: Duplex): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done);
      socket.off('close', done);
      resolve();
    };
    socket.on('drain', done);
    socket.on('close', done);
  });
}

interface Held {
  readonly item: HostedItem;
  readonly bytes: number;
  readonly go: (() => void) | undefined;
}

/** What is to be told, in order. */
class Items implements AsyncIterable<HostedItem> {
  readonly #signal: AbortSignal;
  readonly #held: Held[] = [];
  #heldBytes = 0;
  #wake: () => void = () => undefined;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#wake(), { once: true });
  }

  /** `go` is called at once while little is held, else when this item was taken. */
  push(item: HostedItem, bytes = 0, go?: () => void): void {
    this.#heldBytes += bytes;
    const at = this.#heldBytes < maxHeldBytes;
    this.#held.push({ item, bytes, go: at ? undefined : go });
    if (at) go?.();
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<HostedItem> {
    while (!this.#signal.aborted) {
      const next = this.#held.shift();
      if (next === undefined) {
        await new Promise<void>((resolve) => (this.#wake = resolve));
        continue;
      }
      yield next.item;
      this.#heldBytes -= next.bytes;
      next.go?.();
    }
  }
}
