/** Connections of a hosted service as the engine tells them to this process: each a Node stream. */
import { defined } from '../../base/defined.ts';
import { Duplex } from 'node:stream';
import type { HostedItem } from '../../api/views.ts';
import type { Engine } from '../backends.ts';

/** What is told of connections, and who is handed them. */
export interface ConnectionsOptions {
  /** What the engine tells of them. */
  readonly items: AsyncIterable<HostedItem>;
  readonly onReady: (identities: readonly string[]) => void;
  /** A new connection; it belongs to whoever takes it. */
  readonly onConnection: (socket: Duplex, caller: string) => void;
}

/** Which service is answered, by whom, and who is handed what dials in. */
export interface DarkConnectionsOptions extends Omit<ConnectionsOptions, 'items'> {
  readonly service: string;
  /** Who answers, for people. */
  readonly what: string;
  readonly identity?: string;
  readonly signal: AbortSignal;
}

/** Bytes sent in one message to the engine; a line over its socket has a bound. */
const maxPartBytes = 256 * 1024;

/** More than any message that is let through: a reader so far behind has stopped. */
const maxUnreadBytes = 80 * 1024 * 1024;

/** Answer a hosted service from here until the signal fires. Throws `hosting.not_bindable`, `hosting.answered` and what ends the engine's socket. */
export function takeDarkConnections(engine: Engine, options: DarkConnectionsOptions): Promise<void> {
  const { service, what, identity, signal } = options;
  const request = defined({ service, what, identity });
  return takeConnections(engine, { ...options, items: engine.hosting.serve(request, { signal }) });
}

/** Take connections as they are told, until no more are. Throws what ends that. */
export async function takeConnections(engine: Engine, options: ConnectionsOptions): Promise<void> {
  const open = new Map<string, Connection>();
  try {
    for await (const item of options.items) {
      if (item.kind === 'ready') options.onReady(item.identities);
      else if (item.kind === 'open') {
        const connection = new Connection(item.connection, engine);
        open.set(item.connection, connection);
        options.onConnection(connection, item.caller ?? '');
      } else {
        const connection = open.get(item.connection);
        if (item.kind === 'closed') open.delete(item.connection);
        connection?.heard(item);
      }
    }
  } finally {
    for (const connection of open.values()) connection.destroy();
  }
}

class Connection extends Duplex {
  readonly #id: string;
  readonly #engine: Engine;

  constructor(id: string, engine: Engine) {
    super({ allowHalfOpen: true });
    this.#id = id;
    this.#engine = engine;
    // Whoever reads it is told; that nobody listens for it must not end the process.
    this.on('error', () => undefined);
  }

  heard(item: HostedItem): void {
    if (item.kind === 'data') {
      this.push(Buffer.from(item.data, 'base64'));
      if (this.readableLength > maxUnreadBytes) this.destroy(new Error('its reader does not keep up'));
    } else if (item.kind === 'end') this.push(null);
    else if (item.kind === 'closed') this.destroy();
  }

  override _read(): void {
    // The engine tells what comes as it comes.
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    this.#send(chunk).then(() => done(), done);
  }

  override _final(done: (error?: Error) => void): void {
    this.#engine.hosting.answer({ connection: this.#id, end: true }).then(() => done(), done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#engine.hosting.answer({ connection: this.#id, reset: true }).then(
      () => done(error),
      // It is over at the engine already.
      () => done(error),
    );
  }

  async #send(chunk: Buffer): Promise<void> {
    for (let start = 0; start < chunk.length; start += maxPartBytes) {
      const data = chunk.subarray(start, start + maxPartBytes).toString('base64');
      await this.#engine.hosting.answer({ connection: this.#id, data });
    }
  }
}
