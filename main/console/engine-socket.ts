/** One browser window's conversation with the engine: each WebSocket text message is one line of the contract. */
import type { RawData, WebSocket } from 'ws';
import type { Clock } from '../base/clock.ts';
import type { Caller } from '../api/call.ts';
import type { Dispatcher } from '../api/dispatch.ts';

/** Largest message taken from a window: an identity file with certificates, and room to spare. */
export const maxMessageBytes = 2 * 1024 * 1024;
/** A window this far behind is put out; it comes back with a fresh snapshot. */
const maxUnsentBytes = 64 * 1024 * 1024;
const pingEveryMs = 30_000;

/** RFC 6455 section 7.4.1 and the registry beside it. */
const closeCodes = { unsupportedData: 1003, tryAgainLater: 1013 } as const;

/** Serve `socket` until it closes. The socket is owned from here on. */
export function serveWindow(socket: WebSocket, caller: Caller, connect: Dispatcher['connect'], clock: Clock): void {
  let alive = true;
  const connection = connect(caller, (line) => {
    if (socket.readyState !== socket.OPEN) return undefined;
    if (socket.bufferedAmount > maxUnsentBytes) {
      socket.close(closeCodes.tryAgainLater);
      return undefined;
    }
    // a failed send is followed by `close`, which ends the conversation: here it only ends the waiting
    return new Promise<void>((resolve) => socket.send(line, () => resolve()));
  });
  const pinging = clock.every(pingEveryMs, () => {
    if (!alive) {
      socket.terminate();
      return;
    }
    alive = false;
    socket.ping();
  });
  socket.on('pong', () => {
    alive = true;
  });
  socket.on('message', (data: RawData, isBinary: boolean) => {
    if (isBinary) socket.close(closeCodes.unsupportedData);
    else for (const line of asText(data).split('\n')) if (line.trim() !== '') connection.receive(line);
  });
  // `ws` reports what breaks the protocol (a message too large) here and then closes by itself with the fitting code
  socket.on('error', () => connection.reject('the message was too large or no WebSocket message'));
  socket.once('close', () => {
    pinging[Symbol.dispose]();
    connection.close();
  });
}

function asText(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString('utf8');
  return Buffer.isBuffer(data) ? data.toString('utf8') : Buffer.from(data).toString('utf8');
}
