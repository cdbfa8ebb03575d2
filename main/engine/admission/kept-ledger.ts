/**
 * The guards' budgets, kept over a restart: what was used stands in `budgets.json`. Written soon after each change, and a last time at the
 * end; what a call under way may still use counts as used there, so that nobody gains by killing the engine.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import type { Clock } from '../../base/clock.ts';
import { toTunnelerError, TunnelerError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { createLedger, type Ledger, type SavedWindow } from '../../guard/ledger.ts';
import { secretDirectoryMode, secretFileMode } from '../../identity/atomic-file.ts';

/** Changes within this time are written together. */
const writeAfterMs = 250;
const fileName = 'budgets.json';

const use = v.tuple([v.pipe(v.number(), v.finite()), v.pipe(v.number(), v.finite())]);
const file = v.object({
  version: v.literal(1),
  windows: v.array(v.object({ key: v.string(), uses: v.array(use) })),
});

export interface KeptLedger extends Ledger, Disposable {}

/** Throws `engine.state_unusable` for a damaged file: forgetting it would give every budget anew. */
export function openKeptLedger(deps: {
  readonly stateDirectory: string;
  readonly clock: Clock;
  readonly log: Log;
}): KeptLedger {
  const { clock, log } = deps;
  const path = join(deps.stateDirectory, fileName);
  let timer: Disposable | undefined;
  const ledger = createLedger(savedIn(path), () => {
    timer ??= clock.after(writeAfterMs, write);
  });

  function write(): void {
    timer?.[Symbol.dispose]();
    timer = undefined;
    try {
      mkdirSync(dirname(path), { recursive: true, mode: secretDirectoryMode });
      const temporary = `${path}.tmp`;
      writeFileSync(temporary, JSON.stringify({ version: 1, windows: ledger.saved() }), { mode: secretFileMode });
      renameSync(temporary, path);
    } catch (error) {
      log.error('budgets.not_written', { code: toTunnelerError(error).code, error: String(error) });
    }
  }

  return {
    ...ledger,
    [Symbol.dispose]() {
      if (timer !== undefined) write();
    },
  };
}

function savedIn(path: string): readonly SavedWindow[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw unusable(path, error);
  }
  try {
    return v.parse(file, JSON.parse(text)).windows;
  } catch (error) {
    throw unusable(path, error);
  }
}

function unusable(path: string, cause: unknown): TunnelerError {
  const message = `${path} cannot be read: ${(cause as Error).message}`;
  return new TunnelerError('engine.state_unusable', message, {
    cause,
    details: { next: 'restore the file, or remove it to let every budget begin anew' },
  });
}
