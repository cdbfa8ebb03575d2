/** Says when what programs may see of services may have changed: grants, identities, rules, quarantine. Looks only while somebody listens. */
import type { StateChange, StateDelta } from '../../api/state.ts';
import type { Clock } from '../../base/clock.ts';
import { Emitter } from '../../base/emitter.ts';
import { disposable } from '../../base/lifecycle.ts';

/** Several changes of one moment are told once. */
const gatherMs = 200;

const told: ReadonlySet<StateChange['kind']> = new Set([
  'service-changed',
  'service-removed',
  'identity-changed',
  'identity-removed',
  'policy-changed',
  'quarantine-changed',
  'quarantine-removed',
]);

/** The engine's state as clients see it. */
export interface Changes {
  snapshot(): { readonly seq: number };
  changes(after: number, signal: AbortSignal): AsyncIterable<StateDelta>;
}

/** The subscription to it. */
export function watchServices(hub: Changes, clock: Clock): (listener: () => void) => Disposable {
  const changed = new Emitter<undefined>();
  let listeners = 0;
  let stop: AbortController | undefined;
  let timer: Disposable | undefined;

  const follow = async ({ signal }: AbortController): Promise<void> => {
    for await (const { changes } of hub.changes(hub.snapshot().seq, signal)) {
      if (timer !== undefined || !changes.some(({ kind }) => told.has(kind))) continue;
      timer = clock.after(gatherMs, () => {
        timer = undefined;
        changed.emit(undefined);
      });
    }
  };

  return (listener) => {
    const subscription = changed.subscribe(listener);
    listeners += 1;
    if (stop === undefined) {
      stop = new AbortController();
      void follow(stop);
    }
    return disposable(() => {
      subscription[Symbol.dispose]();
      listeners -= 1;
      if (listeners > 0) return;
      stop?.abort();
      stop = undefined;
    });
  };
}
