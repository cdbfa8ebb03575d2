/** Whether the service behind a destination can be reached now; asked for pings, so it must be cheap and may be a little old. */
import type { Clock } from '../../base/clock.ts';
import type { Destination } from '../../base/flow.ts';
import type { Intercept } from '../../intercept/match.ts';
import type { Identities } from './identities.ts';

const freshMs = 5000;
const maxRemembered = 1024;

/** Made once; remembers each service's answer for a few seconds. */
export function reachabilityOf(deps: {
  readonly clock: Clock;
  readonly intercept: Pick<Intercept, 'match'>;
  readonly identities: Pick<Identities, 'find'>;
}): (destination: Destination) => Promise<boolean> {
  const known = new Map<string, { readonly atMs: number; readonly answer: Promise<boolean> }>();
  return (destination) => {
    const found = deps.intercept.match({
      entry: 'tun',
      protocol: 'tcp',
      source: { address: '127.0.0.1', port: 0 },
      destination,
    });
    const match = found.kind === 'matched' ? found.matches[0] : undefined;
    const runner = match === undefined ? undefined : deps.identities.find(match.identity);
    const context = runner?.context();
    if (match === undefined || context === undefined || runner?.trouble() !== undefined) return Promise.resolve(false);
    const key = `${match.identity}/${match.service.id}/${match.terminatorIdentity ?? ''}`;
    const nowMs = deps.clock.monotonic();
    const remembered = known.get(key);
    if (remembered !== undefined && nowMs - remembered.atMs < freshMs) return remembered.answer;
    const answer = context.terminatorCount(match.service.id, match.terminatorIdentity).then(
      (count) => count === undefined || count > 0,
      () => false,
    );
    if (known.size >= maxRemembered) known.clear();
    known.set(key, { atMs: nowMs, answer });
    return answer;
  };
}
