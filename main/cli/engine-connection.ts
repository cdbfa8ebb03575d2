/** A connection to the engine that serves a socket. */
import { createClient } from '../api/client.ts';
import { schema } from '../api/schema.ts';
import { connectSocket } from '../ipc/socket-transport.ts';

/** Connected, the greeting still to come. Throws `engine.not_running`, `base.cancelled`. */
export async function connectEngine(path: string, signal: AbortSignal) {
  return createClient(schema, await connectSocket(path, signal));
}
