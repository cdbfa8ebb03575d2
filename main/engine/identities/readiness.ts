/** When the engine may say that it is ready: every identity has said where it stands, or has had its time to. */
import type { Clock } from '../../base/clock.ts';
import { TunnelerError } from '../../base/errors.ts';

/** An unreachable controller must not keep the other identities from work. */
const settleMs = 8000;
/** How long a caller of `status` waits for an engine that is starting. */
const waitMs = 30_000;

/** A latch that opens once and stays open. */
export interface Readiness {
  /** Something changed; see whether all have settled. */
  look(): void;
  /** Resolves when all have settled, or their time is up. */
  settle(): Promise<void>;
  /** From now on it is ready. */
  open(): void;
  /** Resolves once it is ready. Throws `engine.not_ready` after a while. */
  wait(): Promise<void>;
}

/** Not ready until {@link Readiness.look} finds all settled, or their time is up. */
export function openReadiness(deps: { readonly clock: Clock; readonly settled: () => boolean }): Readiness {
  let settle: () => void = () => undefined;
  let open: () => void = () => undefined;
  let isOpen = false;
  const settled = new Promise<void>((resolve) => (settle = resolve));
  const opened = new Promise<void>((resolve) => (open = resolve));
  const look = (): void => {
    if (deps.settled()) settle();
  };
  return {
    look,
    async settle() {
      const timer = deps.clock.after(settleMs, settle);
      look();
      await settled;
      timer[Symbol.dispose]();
    },
    open() {
      isOpen = true;
      open();
    },
    async wait() {
      if (isOpen) return;
      await new Promise<void>((resolve, reject) => {
        const timer = deps.clock.after(waitMs, () =>
          reject(new TunnelerError('engine.not_ready', 'the engine is still starting', { details: { waitMs } })),
        );
        void opened.then(() => {
          timer[Symbol.dispose]();
          resolve();
        });
      });
    },
  };
}
