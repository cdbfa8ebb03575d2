/** Connections of windows to the engine: lines pass through unread, each connection belongs to the window that opened it. */
import type { TunnelerError } from '../base/errors.ts';
import { toTunnelerError } from '../base/errors.ts';
import type { Transport } from '../api/client.ts';

/** How the engine is reached. */
export interface EngineLinesDeps {
  /** Opens the engine's socket after checking its owner. */
  readonly connect: () => Promise<Transport>;
}

/** Where a connection's messages go: one window. */
export interface LineSink {
  message(id: number, text: string): void;
  closed(id: number, reason: { readonly code: string; readonly message: string }): void;
}

const maxConnectionsPerWindow = 4;
/** Larger than any request; a page that sends more is not ours. */
const maxMessageLength = 2 * 1024 * 1024;
const maxHeld = 256;

interface Line {
  transport: Transport | undefined;
  readonly held: string[];
}

/** The connections open now; those of a window end with it. */
export class EngineLines {
  readonly #deps: EngineLinesDeps;
  /** Keyed `window/id`. */
  readonly #lines = new Map<string, Line>();

  constructor(deps: EngineLinesDeps) {
    this.#deps = deps;
  }

  /** Open connection `id` of `window`. A number in use, or one connection too many, closes at once. */
  open(window: number, id: unknown, sink: LineSink): void {
    if (!isId(id)) return;
    const key = `${window}/${id}`;
    const own = [...this.#lines.keys()].filter((other) => other.startsWith(`${window}/`)).length;
    if (this.#lines.has(key) || own >= maxConnectionsPerWindow) {
      sink.closed(id, { code: 'engine.busy', message: 'this window has too many connections' });
      return;
    }
    const line: Line = { transport: undefined, held: [] };
    this.#lines.set(key, line);
    void this.#run(key, id, line, sink);
  }

  /** Pass a message on; what no page of ours would send is dropped. */
  send(window: number, id: unknown, message: unknown): void {
    if (!isId(id) || typeof message !== 'string' || message.length > maxMessageLength) return;
    const line = this.#lines.get(`${window}/${id}`);
    if (line === undefined) return;
    if (line.transport !== undefined) line.transport.send(message);
    else if (line.held.length < maxHeld) line.held.push(message);
  }

  close(window: number, id: unknown): void {
    if (isId(id)) this.#drop(`${window}/${id}`);
  }

  /** The window is gone: so are its connections. */
  closeWindow(window: number): void {
    for (const key of [...this.#lines.keys()]) if (key.startsWith(`${window}/`)) this.#drop(key);
  }

  #drop(key: string): void {
    const line = this.#lines.get(key);
    this.#lines.delete(key);
    line?.transport?.close();
  }

  async #run(key: string, id: number, line: Line, sink: LineSink): Promise<void> {
    const closed = (error: TunnelerError | undefined): void => {
      if (this.#lines.get(key) !== line) return;
      this.#lines.delete(key);
      sink.closed(id, {
        code: error?.code ?? 'base.closed',
        message: error?.message ?? 'the engine closed the connection',
      });
    };
    try {
      const transport = await this.#deps.connect();
      if (this.#lines.get(key) !== line) {
        transport.close();
        return;
      }
      line.transport = transport;
      transport.start({ message: (text) => sink.message(id, text), closed });
      for (const message of line.held.splice(0)) transport.send(message);
    } catch (error) {
      closed(toTunnelerError(error));
    }
  }
}

function isId(id: unknown): id is number {
  return typeof id === 'number' && Number.isSafeInteger(id) && id >= 0;
}
