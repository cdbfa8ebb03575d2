/** One subscriber's view of the numbered changes, as an iterator that its reader pulls. */
import type { StateDelta } from '../../api/state.ts';

/** Deltas one slow subscriber may be behind; older ones are dropped, and the gap makes it ask for a snapshot. */
const maxQueued = 1024;

/**
 * What is `past` the subscriber's snapshot, then what is told to `subscribers`, until the signal fires. A reader that falls behind loses
 * the oldest and sees the gap in their numbers.
 */
export async function* followDeltas(
  past: readonly StateDelta[],
  signal: AbortSignal,
  subscribers: Set<(delta: StateDelta) => void>,
): AsyncGenerator<StateDelta> {
  const queue = [...past];
  let wake: () => void = () => undefined;
  const tell = (delta: StateDelta): void => {
    queue.push(delta);
    if (queue.length > maxQueued) queue.shift();
    wake();
  };
  const onAbort = (): void => wake();
  subscribers.add(tell);
  signal.addEventListener('abort', onAbort);
  try {
    while (!signal.aborted) {
      const next = queue.shift();
      if (next === undefined) await new Promise<void>((resolve) => (wake = resolve));
      else yield next;
    }
  } finally {
    subscribers.delete(tell);
    signal.removeEventListener('abort', onAbort);
  }
}
