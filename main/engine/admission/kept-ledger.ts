/**
 * The guards' budgets, kept over a restart: what was used stands in `budgets.json`. Written soon after each change, and a last time at the
 * end; what a call under way may still use counts as used there, so that nobody gains by killing the engine.
 */
import { join } from 'node:path';
import * as v from 'valibot';
import type { Clock } from '../../base/clock.ts';
import { toTunnelerError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { SerialQueue } from '../../base/serial-queue.ts';
import { writeAtomically } from '../../files/write-atomically.ts';
import { createLedger, type Ledger } from '../../guard/ledger.ts';
import { readKept } from '../runtime/kept-file.ts';

/** Changes within this time are written together. */
const writeAfterMs = 250;
const fileName = 'budgets.json';

const use = v.tuple([v.pipe(v.number(), v.finite()), v.pipe(v.number(), v.finite())]);
const file = v.object({
  version: v.literal(1),
  windows: v.array(v.object({ key: v.string(), uses: v.array(use) })),
});
const words = { unknown: 'what is left of the budgets', removing: 'lets every budget begin anew' };

/** A ledger on disk. Closing writes what was not written yet. */
export interface KeptLedger extends Ledger, AsyncDisposable {}

/** Throws `engine.state_unusable` for a damaged file: forgetting it would give every budget anew. */
export function openKeptLedger(deps: {
  readonly stateDirectory: string;
  readonly clock: Clock;
  readonly log: Log;
}): KeptLedger {
  const { clock, log } = deps;
  const path = join(deps.stateDirectory, fileName);
  const writes = new SerialQueue();
  let timer: Disposable | undefined;
  const ledger = createLedger(readKept(path, file, words)?.windows ?? [], () => {
    timer ??= clock.after(writeAfterMs, write);
  });

  /** In the background: calls are counted many times a second, and none of them waits for the disk. */
  function write(): void {
    timer?.[Symbol.dispose]();
    timer = undefined;
    const text = JSON.stringify({ version: 1, windows: ledger.saved() });
    writes
      .run(() => writeAtomically(path, text))
      .catch((error: unknown) => {
        log.error('budgets.not_written', { code: toTunnelerError(error).code, error: String(error) });
      });
  }

  return {
    ...ledger,
    async [Symbol.asyncDispose]() {
      if (timer !== undefined) write();
      await writes.idle();
    },
  };
}
