/** The client's side where there is no way to a service: every request of it is answered all the same, with the reason. */
import { errorText, idIn, readMessages, type RpcId } from './rpc.ts';
import type { Refused } from './way.ts';

/** The client, and for how long it is listened to. */
export interface RefuseAllDeps {
  /** Messages of the client, one JSON document a line, until it ends or the signal fires. */
  readonly input: (signal: AbortSignal) => AsyncIterable<string>;
  /** One message to the client. Rejects where the client reads no more. */
  readonly output: (line: string) => Promise<void>;
  /** It ends once the client has said nothing for so long, in ms. */
  readonly quietMs: number;
  readonly signal: AbortSignal;
}

/** Answer each request once, under its own id, until the client ends, is quiet or reads no more. */
export async function refuseAll({ input, output, quietMs, signal }: RefuseAllDeps, reason: Refused): Promise<void> {
  const quiet = new AbortController();
  const timer = setTimeout(() => quiet.abort(), quietMs);
  const answered = new Set<RpcId>();
  try {
    for await (const line of input(AbortSignal.any([signal, quiet.signal]))) {
      timer.refresh();
      for (const id of idsIn(line)) {
        if (answered.has(id)) continue;
        answered.add(id);
        await output(errorText(id, `the dark service could not be asked: ${reason.sentence}`, reason));
      }
    }
  } catch {
    // A client that is gone needs no answer, and the reason is told on standard error.
  } finally {
    clearTimeout(timer);
  }
}

/** Of requests, and of what is no message but has an id. */
function idsIn(line: string): readonly RpcId[] {
  const messages = readMessages(line);
  if (messages === undefined) return [idIn(line)].filter((id) => id !== undefined);
  return messages.flatMap(({ kind, id }) => (kind === 'request' && id !== undefined ? [id] : []));
}
