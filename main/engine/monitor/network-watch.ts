/** Notices that the host slept or moved to another network, so that nobody waits for time-outs. */
import { networkInterfaces } from 'node:os';
import type { Clock } from '../../base/clock.ts';
import { watchSleep } from '../../base/sleep-watch.ts';

const lookMs = 2000;

/** The host slept, or its addresses are others now. */
export type NetworkChange = 'woke' | 'moved';

/** Watch until disposed. `addresses` is for tests. */
export function watchNetwork(
  deps: { readonly clock: Clock; readonly ignore?: (interfaceName: string) => boolean; addresses?: () => string },
  changed: (change: NetworkChange) => void,
): Disposable {
  const { clock } = deps;
  const look = deps.addresses ?? (() => hostAddresses(deps.ignore ?? (() => false)));
  let before = look();
  const slept = watchSleep(clock);
  let dueMs = clock.monotonic() + lookMs;
  return clock.every(lookMs, () => {
    const now = look();
    const woke = slept(dueMs);
    dueMs = clock.monotonic() + lookMs;
    const moved = now !== before;
    before = now;
    if (woke) changed('woke');
    else if (moved) changed('moved');
  });
}

/** Addresses other hosts could see, in a stable order. Link-local ones come and go without meaning. */
function hostAddresses(ignore: (interfaceName: string) => boolean): string {
  return Object.entries(networkInterfaces())
    .flatMap(([name, addresses = []]) =>
      ignore(name)
        ? []
        : addresses
            .filter(({ internal, address }) => !internal && !address.startsWith('fe80:'))
            .map(({ address }) => `${name} ${address}`),
    )
    .sort()
    .join('\n');
}
