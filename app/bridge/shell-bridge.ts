/** What the shell's preload puts on the page, and the contract's Transport over it. The preload implements exactly this shape. */
import { TunnelerError } from '../../main/base/errors.ts';
import type { Transport } from '../../main/api/client.ts';
import type { ShellBridge } from '../../main/api/shell-bridge.ts';

export type { ShellBridge };

/** One connection through the shell. The shell has opened and checked the engine's socket before it answers. */
export function openShellTransport(shell: ShellBridge): Transport {
  const id = shell.connect();
  let stop: (() => void) | undefined;
  return {
    send(message) {
      shell.send(id, message);
    },
    start(sink) {
      let over = false;
      stop = shell.listen(id, {
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
      shell.disconnect(id);
    },
  };
}
