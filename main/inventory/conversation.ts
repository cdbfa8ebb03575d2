/** One short conversation with a device: what is said, and its answers whole. Bounded in time and bytes. */
import type { Socket } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { TunnelerError } from '../base/errors.ts';
import { connectTcp } from '../sockets/connect-tcp.ts';

/** A device that has not answered by now is not asked further. */
const timeoutMs = 3_000;
/** No answer of identification is longer. */
const maxBytes = 256 * 1024;

/** A connection that is asked one thing after another. */
export interface Conversation {
  /** Says `request` and returns the next whole message; `lengthOf` tells its length once enough has come. Throws `base.timeout` and the like. */
  ask(request: Uint8Array, lengthOf: (bytes: Buffer) => number | undefined): Promise<Buffer>;
}

/** Connected for as long as `talk` lasts. */
export async function converse<T>(
  target: { readonly host: string; readonly port: number },
  clock: Clock,
  talk: (conversation: Conversation) => Promise<T>,
): Promise<T> {
  const socket = await connectTcp({ ...target, timeoutMs, clock });
  let held = Buffer.alloc(0);
  const ask: Conversation['ask'] = (request, lengthOf) => {
    socket.write(request);
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        timer[Symbol.dispose]();
        socket.off('data', onData).off('close', onClose).off('end', onClose);
        act();
      };
      const look = (): void => {
        const length = lengthOf(held);
        if (length === undefined || length > held.length) {
          if (held.length > maxBytes) settle(() => reject(failed('its answer has no end')));
          return;
        }
        const message = held.subarray(0, length);
        held = held.subarray(length);
        settle(() => resolve(message));
      };
      const onData = (chunk: Buffer): void => {
        held = Buffer.concat([held, chunk]);
        look();
      };
      const onClose = (): void => settle(() => reject(failed('it closed the connection')));
      const timer = clock.after(timeoutMs, () =>
        settle(() => reject(new TunnelerError('base.timeout', 'it does not answer'))),
      );
      socket.on('data', onData).on('close', onClose).on('end', onClose);
      socket.resume();
      look();
    });
  };
  try {
    return await talk({ ask });
  } finally {
    end(socket);
  }
}

function end(socket: Socket): void {
  socket.on('error', () => undefined);
  socket.end();
  socket.destroySoon();
}

function failed(sentence: string): TunnelerError {
  return new TunnelerError('sockets.failed', sentence);
}
