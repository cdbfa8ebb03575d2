/** A client transport joined to a dispatcher in memory: the same lines as over a socket, one turn later. */
import { LineSplitter } from '../../main/contract/lines.ts';
import type { Caller } from '../../main/contract/call.ts';
import type { Transport } from '../../main/contract/client.ts';
import type { Dispatcher } from '../../main/contract/dispatch.ts';

export const testCaller: Caller = { permission: 'administer', via: 'internal' };

/** Join a new client of `dispatcher`. */
export function memoryTransport(dispatcher: Dispatcher, caller: Caller = testCaller): Transport {
  let sink: Parameters<Transport['start']>[0] | undefined;
  let open = true;
  const early: string[] = [];
  const connection = dispatcher.connect(caller, (line) => {
    queueMicrotask(() => {
      if (!open) return;
      if (sink === undefined) early.push(line);
      else sink.message(line);
    });
  });
  return {
    send(message) {
      queueMicrotask(() => open && connection.receive(message));
    },
    start(given) {
      sink = given;
      queueMicrotask(() => early.splice(0).forEach((line) => given.message(line)));
    },
    close() {
      if (!open) return;
      open = false;
      connection.close();
      queueMicrotask(() => sink?.closed());
    },
  };
}

/** Feed raw bytes to a dispatcher connection as a socket would. Returns what it answered so far, parsed. */
export function rawConnection(dispatcher: Dispatcher, caller: Caller = testCaller) {
  const answers: Record<string, unknown>[] = [];
  const lines = new LineSplitter();
  const connection = dispatcher.connect(caller, (line) => {
    answers.push(JSON.parse(line) as Record<string, unknown>);
  });
  return {
    answers,
    connection,
    push(bytes: Uint8Array): void {
      for (const line of lines.push(bytes)) {
        if (line.kind === 'line') connection.receive(line.text);
        else connection.reject(line.kind);
      }
    },
  };
}
