/** A client's Transport straight into a dispatcher: no socket, the same lines. */
import type { Caller } from '../../main/api/call.ts';
import type { Transport } from '../../main/api/client.ts';
import type { Dispatcher, DispatcherConnection } from '../../main/api/dispatch.ts';
import type { TunnelerError } from '../../main/base/errors.ts';

export interface MemoryTransport extends Transport {
  /** The engine is gone, as a crash would look to the client. */
  break(error?: TunnelerError): void;
}

/** Connect to `dispatcher` as `caller`; messages arrive in later microtasks, as from a socket. */
export function memoryTransport(
  dispatcher: Dispatcher,
  caller: Caller = { permission: 'administer', via: 'internal' },
): MemoryTransport {
  let connection: DispatcherConnection | undefined;
  let closed: ((error?: TunnelerError) => void) | undefined;
  const shut = (error?: TunnelerError): void => {
    connection?.close();
    connection = undefined;
    const tell = closed;
    closed = undefined;
    queueMicrotask(() => tell?.(error));
  };
  return {
    send: (message) => queueMicrotask(() => connection?.receive(message)),
    start(sink) {
      closed = (error) => sink.closed(error);
      connection = dispatcher.connect(caller, (line) => {
        queueMicrotask(() => {
          if (closed !== undefined) sink.message(line);
        });
      });
    },
    close: () => shut(),
    break: shut,
  };
}
