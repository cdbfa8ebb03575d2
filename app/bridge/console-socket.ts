/** The console's WebSocket as the contract's Transport: one text frame is one message. */
import { TunnelerError } from '../../main/base/errors.ts';
import type { Transport } from '../../main/api/client.ts';

/**
 * Dial `address`. Messages sent before it opens are kept; `closed` comes once, with `console.refused` where the page must be opened anew.
 * @param tab this tab's secret, without which the cookie opens nothing.
 * @param isRefused asked where the socket never opened, for a browser does not tell a page why.
 */
export function openConsoleTransport(address: string, tab: string, isRefused: () => Promise<boolean>): Transport {
  // Subprotocols are the one thing a page may say while it opens a socket (main/console/gate.ts).
  const socket = new WebSocket(address, ['culvert', `culvert.tab.${tab}`]);
  const waiting: string[] = [];
  return {
    send(message) {
      if (socket.readyState === WebSocket.OPEN) socket.send(message);
      else if (socket.readyState === WebSocket.CONNECTING) waiting.push(message);
    },
    start(sink) {
      let opened = false;
      socket.addEventListener('open', () => {
        opened = true;
        for (const message of waiting.splice(0)) socket.send(message);
      });
      socket.addEventListener('message', (event: MessageEvent<unknown>) => {
        if (typeof event.data === 'string') sink.message(event.data);
      });
      const lost = new TunnelerError('base.closed', 'the console closed the connection');
      socket.addEventListener(
        'close',
        () => {
          if (opened) sink.closed(lost);
          else
            void isRefused().then((refused) =>
              sink.closed(
                refused ? new TunnelerError('console.refused', 'this address was used before or has expired') : lost,
              ),
            );
        },
        { once: true },
      );
    },
    close() {
      socket.close();
    },
  };
}
