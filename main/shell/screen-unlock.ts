/** Tells the engine that the person before the screen unlocked it. macOS and Windows say so to a desktop's programs only. */
import type { Log } from '../base/log.ts';
import { toTunnelerError } from '../base/errors.ts';
import { createClient, type Transport } from '../api/client.ts';
import { schema } from '../api/schema.ts';
import type { PowerMonitorLike } from './electron.ts';

/** For as long as the shell runs. An engine that is not there has nothing to ask again. */
export function tellUnlocks(
  powerMonitor: PowerMonitorLike,
  deps: { readonly connect: () => Promise<Transport>; readonly log: Log },
): void {
  powerMonitor.on('unlock-screen', () => {
    tell(deps.connect).catch((error: unknown) =>
      deps.log.debug('shell.unlock_not_told', { code: toTunnelerError(error).code }),
    );
  });
}

async function tell(connect: () => Promise<Transport>): Promise<void> {
  const connection = createClient(schema, await connect());
  try {
    await connection.client.engine.screenUnlocked();
  } finally {
    connection.close();
  }
}
