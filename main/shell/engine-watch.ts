/** The shell's own look at the engine, for tray and notifications: connects, follows, and comes back after a loss. */
import type { Clock } from '../base/clock.ts';
import { sleep } from '../base/clock.ts';
import { toTunnelerError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { createClient, type Transport } from '../api/client.ts';
import { schema } from '../api/schema.ts';
import { applyDelta, type StateChange, type StateSnapshot } from '../api/state.ts';

/** How the engine is reached, and who is told. */
export interface EngineWatchDeps {
  readonly connect: () => Promise<Transport>;
  readonly clock: Clock;
  readonly log: Log;
  /** Changes as they come; the state after them. */
  readonly onChanges: (changes: readonly StateChange[], snapshot: StateSnapshot) => void;
  /** A snapshot was taken: what it shows is not news. Undefined: the engine is gone. */
  readonly onSnapshot: (snapshot: StateSnapshot | undefined) => void;
}

const retryMs = 3_000;

/** Watch until the signal fires. Never rejects: a lost engine is retried. */
export async function watchEngine(deps: EngineWatchDeps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await follow(deps, signal);
    } catch (error) {
      deps.log.debug('shell.engine_lost', { code: toTunnelerError(error).code });
    }
    deps.onSnapshot(undefined);
    await sleep(deps.clock, retryMs, signal).catch(() => undefined); // aborted: the loop's condition ends it
  }
}

async function follow(deps: EngineWatchDeps, signal: AbortSignal): Promise<void> {
  const connection = createClient(schema, await deps.connect());
  const onAbort = (): void => connection.close();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    let snapshot = await connection.client.state.snapshot();
    deps.onSnapshot(snapshot);
    for await (const delta of connection.client.state.changes({ after: snapshot.seq })) {
      const next = applyDelta(snapshot, delta);
      if (next === undefined) return; // a gap: come back with a new snapshot
      snapshot = next;
      deps.onChanges(delta.changes, snapshot);
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    connection.close();
  }
}
