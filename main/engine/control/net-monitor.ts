/** Life on a machine that sleeps, moves and loses its network: what is noticed is told to everyone whom it concerns. */
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { tcpReaches, watchForComeback, type Unreached } from '../monitor/reconnect-probe.ts';
import type { Entries } from '../entries/open-entries.ts';
import type { Identities } from '../identities/identities.ts';
import type { IdentityRunner } from '../identities/identity-runner.ts';
import { watchNetwork } from '../monitor/network-watch.ts';

/** Whom changes of the network and a wake concern. */
export interface LifeDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly entries: Pick<Entries, 'networkChanged' | 'status'>;
  readonly identities: Pick<Identities, 'all' | 'networkChanged'>;
  /** The host slept; this is when it woke. */
  woke(atMs: number): void;
}

/** Watch until disposed. */
export function watchLife({ clock, log, entries, identities, woke }: LifeDeps): Disposable {
  const network = watchNetwork({ clock, ignore: (name) => name === entries.status().tun?.name }, (change) => {
    log.info('engine.network_changed', { change });
    if (change === 'woke') woke(clock.now());
    entries.networkChanged();
    void identities.networkChanged();
  });
  const comeback = watchForComeback({
    clock,
    unreached: () => unreachedBy(identities.all()),
    reaches: tcpReaches(clock),
  });
  return {
    [Symbol.dispose]() {
      comeback[Symbol.dispose]();
      network[Symbol.dispose]();
    },
  };
}

/** What these identities cannot reach: controllers while they are degraded, and routers without a channel. */
export function unreachedBy(runners: readonly IdentityRunner[]): readonly Unreached[] {
  return runners.flatMap((runner) => {
    const trouble = runner.context()?.state();
    const controllers = trouble?.kind === 'degraded' ? (runner.record()?.apis ?? []) : [];
    const code = trouble?.kind === 'degraded' ? trouble.error.code : '';
    const routers = runner.routers().filter(({ state }) => state !== 'connected');
    const places = [
      ...controllers.map((place) => ({ place, code })),
      ...routers.map(({ address, error }) => ({ place: address, code: error?.code ?? '' })),
    ];
    if (places.length === 0) return [];
    return [{ name: runner.name, places, networkChanged: () => runner.networkChanged() }];
  });
}
