/**
 * The one place where a request meets its handler: looked up in the closed table of the schema, permission checked, parsed, run, answered.
 * Pure over strings: sockets and WebSockets stand outside and hand in lines.
 */
import { TunnelerError } from '../base/errors.ts';
import type { Caller, HandlerContext, Handlers, Permission, Standing } from './call.ts';
import { parseClientMessage, ProtocolError, protocolVersion, toErrorView, type EngineMessage } from './wire.ts';

type AnySchema = Readonly<Record<string, Readonly<Record<string, AnyEntry>>>>;
interface AnyEntry {
  readonly type: 'call' | 'stream';
  readonly needs: Permission;
  readonly own: readonly Standing['kind'][];
  readonly parse: (raw: unknown) => unknown;
}
type AnyHandlers = Readonly<Record<string, Readonly<Record<string, AnyHandler>>>>;
type AnyHandler = (request: never, context: HandlerContext) => unknown;

/** Hands one message to the client. A promise asks the sender to wait before the next stream item (back-pressure). */
export type SendLine = (line: string) => void | Promise<void>;

/** One client's conversation. */
export interface DispatcherConnection {
  /** One line from the client; never throws. */
  receive(line: string): void;
  /** A line could not even be read (too long, no UTF-8): answer so. */
  reject(message: string): void;
  /** Nothing it asked for is under way. */
  isIdle(): boolean;
  /** The client is gone: everything of its is cancelled. Idempotent. */
  close(): void;
}

/** Serves any number of clients. */
export interface Dispatcher {
  /** Greet a client and serve it. `caller` was established by the door it came through. */
  connect(caller: Caller, send: SendLine): DispatcherConnection;
}

/** What a dispatcher is told beside its handlers. */
export interface DispatcherOptions {
  /** Culvert's version, for the greeting. */
  readonly version: string;
  /** Requests one client may have in flight; default 256. */
  readonly maxInFlight?: number;
  /** Told of handler failures that are no TunnelerError: defects. */
  readonly onDefect?: (call: string, error: unknown) => void;
}

const rank: Readonly<Record<Permission, number>> = { observe: 0, operate: 1, administer: 2 };

/** True where `held` includes `needed`. */
export function permits(held: Permission, needed: Permission): boolean {
  return rank[held] >= rank[needed];
}

/** A dispatcher over a schema and the handlers derived from it. */
export function createDispatcher<S extends AnySchema>(
  schema: S,
  handlers: Handlers<S>,
  options: DispatcherOptions,
): Dispatcher {
  const table = new Map<string, { readonly entry: AnyEntry; readonly handler: AnyHandler }>();
  for (const [group, entries] of Object.entries(schema)) {
    for (const [name, entry] of Object.entries(entries)) {
      const handler = (handlers as unknown as AnyHandlers)[group]?.[name];
      if (handler === undefined) throw new TunnelerError('base.internal', `no handler for ${group}.${name}`);
      table.set(`${group}.${name}`, { entry, handler });
    }
  }
  return { connect: (caller, send) => connect(table, caller, send, options) };
}

function connect(
  table: ReadonlyMap<string, { readonly entry: AnyEntry; readonly handler: AnyHandler }>,
  caller: Caller,
  send: SendLine,
  options: DispatcherOptions,
): DispatcherConnection {
  const running = new Map<number, AbortController>();
  const maxInFlight = options.maxInFlight ?? 256;
  let open = true;

  const answer = async (message: EngineMessage): Promise<void> => {
    if (open) await send(encode(message));
  };
  const fail = (id: number | null, error: unknown): void => void answer({ id, error: toErrorView(error) });

  const begin = (id: number, call: string, request: unknown): void => {
    const found = table.get(call);
    if (found === undefined) {
      throw new TunnelerError('engine.unknown_call', `there is no call "${call.slice(0, 100)}"`);
    }
    requirePermission(call, found.entry, caller);
    if (running.has(id)) throw new TunnelerError('engine.protocol', `id ${id} is in use`);
    if (running.size >= maxInFlight) {
      throw new TunnelerError('engine.busy', `more than ${maxInFlight} requests at a time on one connection`);
    }
    const parsed = found.entry.parse(request);
    const abort = new AbortController();
    running.set(id, abort);
    const context = { caller, signal: abort.signal };
    void run(id, call, found.entry.type, () => found.handler(parsed as never, context), abort.signal);
  };

  const run = async (
    id: number,
    call: string,
    type: 'call' | 'stream',
    start: () => unknown,
    signal: AbortSignal,
  ): Promise<void> => {
    try {
      if (type === 'call') {
        const result = await abortable(Promise.resolve(start()), signal);
        await answer({ id, result: result ?? null });
      } else {
        for await (const item of start() as AsyncIterable<unknown>) {
          if (signal.aborted) break;
          await answer({ id, item });
        }
        await answer({ id, end: true });
      }
    } catch (error) {
      if (!(error instanceof TunnelerError) && !signal.aborted) options.onDefect?.(call, error);
      fail(id, signal.aborted ? cancelled() : error);
    } finally {
      running.delete(id);
    }
  };

  void answer({
    greeting: 'culvert',
    protocol: protocolVersion,
    version: options.version,
    permission: caller.permission,
  });

  return {
    receive(line) {
      if (!open) return;
      let id: number | null = null;
      try {
        const message = parseClientMessage(line);
        id = message.id;
        if ('cancel' in message) running.get(message.id)?.abort(cancelled());
        else begin(message.id, message.call, message.request);
      } catch (error) {
        fail(error instanceof ProtocolError ? (error.requestId ?? id) : id, error);
      }
    },
    reject(message) {
      fail(null, new TunnelerError('engine.protocol', message));
    },
    isIdle: () => running.size === 0,
    close() {
      if (!open) return;
      open = false;
      for (const abort of running.values()) abort.abort(cancelled());
      running.clear();
    },
  };
}

/** Throws `engine.not_permitted` for who is governed by this engine, `engine.forbidden` for another user. */
function requirePermission(call: string, { needs, own }: AnyEntry, { permission, standing }: Caller): void {
  if (standing === undefined) {
    if (permits(permission, needs)) return;
    throw new TunnelerError('engine.forbidden', `${call} needs permission to ${needs}`, {
      details: { needs, has: permission },
    });
  }
  if (own.includes(standing.kind)) return;
  if (standing.kind === 'member') {
    if (standing.observes && needs === 'observe') return;
    throw new TunnelerError('engine.forbidden', `${call} is for the engine's own user, or root`, {
      details: { needs, next: 'ask its user, or root' },
    });
  }
  const who =
    standing.kind === 'agent'
      ? `${standing.agent} is governed by this engine, and so is what it starts`
      : `it is not known what started this program (${standing.why})`;
  throw new TunnelerError('engine.not_permitted', `${who}: ${call} is not for it`, {
    details: {
      call,
      ...(standing.kind === 'agent' ? { agent: standing.agent } : {}),
      next: 'do it yourself: in the window, or in a terminal that no agent started',
    },
  });
}

function cancelled(): TunnelerError {
  return new TunnelerError('base.cancelled', 'cancelled by the client');
}

/** The result, or a rejection as soon as the signal fires: a cancelled client is answered at once, whatever its handler does. */
function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    void promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** A result no JSON can hold is a defect of the handler, and is answered as such. */
function encode(message: EngineMessage): string {
  try {
    return JSON.stringify(message);
  } catch (error) {
    const id = 'id' in message ? message.id : null;
    const text = error instanceof Error ? error.message : 'unknown';
    return JSON.stringify({ id, error: { code: 'base.internal', message: `answer is not serialisable: ${text}` } });
  }
}
