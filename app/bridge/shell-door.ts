/** What the shell's preload puts on the page, and the contract's Transport over it. The preload implements exactly this shape. */
import { TunnelerError } from '../../main/base/errors.ts';
import type { Transport } from '../../main/contract/client.ts';
import type { ShellDoor } from '../../main/contract/shell-door.ts';

export type { ShellDoor };

/** One connection through the shell. The shell has opened and checked the engine's socket before it answers. */
export function openShellTransport(door: ShellDoor): Transport {
  const id = door.connect();
  let stop: (() => void) | undefined;
  return {
    send(message) {
      door.send(id, message);
    },
    start(sink) {
      let over = false;
      stop = door.listen(id, {
        message: (text) => sink.message(text),
        closed: (reason) => {
          if (over) return;
          over = true;
          sink.closed(
            new TunnelerError(reason.code === 'engine.socket_untrusted' ? reason.code : 'base.closed', reason.message),
          );
        },
      });
    },
    close() {
      stop?.();
      door.disconnect(id);
    },
  };
}
