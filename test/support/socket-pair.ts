/** Two ends of one TCP connection on loopback. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { systemClock } from '../../main/base/clock.ts';
import { connectTcp } from '../../main/sockets/connect-tcp.ts';
import { listening } from './listening.ts';

/** Both ends paused, half-open allowed; `close` closes the listener they came from. */
export async function socketPair(): Promise<{ client: Socket; server: Socket; close(): void }> {
  const listener = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  const port = await listening(listener);
  const accepted = once(listener, 'connection') as Promise<[Socket]>;
  const client = await connectTcp({ host: '127.0.0.1', port, timeoutMs: 5000, clock: systemClock });
  const [server] = await accepted;
  return { client, server, close: () => void listener.close() };
}
