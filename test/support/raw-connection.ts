/** Raw bytes into a dispatcher, as a hostile socket would send them, and everything it answered, parsed. */
import type { Caller } from '../../main/api/call.ts';
import type { Dispatcher } from '../../main/api/dispatch.ts';
import { LineSplitter } from '../../main/api/lines.ts';

export function rawConnection(dispatcher: Dispatcher, caller: Caller = { permission: 'administer', via: 'internal' }) {
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
