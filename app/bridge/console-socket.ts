/** The console's WebSocket as the contract's Transport: one text frame is one message. */
import { TunnelerError } from '../../main/base/errors.ts';
import type { Transport } from '../../main/contract/client.ts';

/** Code the console closes with where the page's cookie is not (or no longer) good: connecting again will not help. */
export const refusedCloseCode = 4403;

/** Dial `address`. Messages sent before it opens are kept; `closed` comes once, with `console.refused` where the page must be opened anew. */
export function openConsoleTransport(address: string, dial = (url: string) => new WebSocket(url)): Transport {
  const socket = dial(address);
  const waiting: string[] = [];
  return {
    send(message) {
      if (socket.readyState === WebSocket.OPEN) socket.send(message);
      else if (socket.readyState === WebSocket.CONNECTING) waiting.push(message);
    },
    start(sink) {
      let over = false;
      socket.addEventListener('open', () => {
        for (const message of waiting.splice(0)) socket.send(message);
      });
      socket.addEventListener('message', (event: MessageEvent<unknown>) => {
        if (typeof event.data === 'string') sink.message(event.data);
      });
      socket.addEventListener('close', (event) => {
        if (over) return;
        over = true;
        sink.closed(
          event.code === refusedCloseCode
            ? new TunnelerError('console.refused', 'this address was used before or has expired')
            : new TunnelerError('base.closed', 'the console closed the connection'),
        );
      });
    },
    close() {
      socket.close();
    },
  };
}
