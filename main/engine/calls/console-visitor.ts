/** Whose a connection to the console is, and whether that program may command the engine at all. */
import type { AppFinder } from '../../apps/app.ts';
import type { CallerAttribution } from '../../apps/caller-attribution.ts';
import type { Endpoint } from '../../base/flow.ts';
import type { Log } from '../../base/log.ts';
import type { ConsoleVisitor } from '../runtime/engine-options.ts';

export function consoleVisitor(deps: {
  readonly apps: Pick<AppFinder, 'find'>;
  readonly attribution: CallerAttribution;
  readonly log: Log;
}): (peer: Endpoint, own: Endpoint) => Promise<ConsoleVisitor | undefined> {
  return async (peer, own) => {
    const app = await deps.apps.find({ protocol: 'tcp', source: peer, via: own, destination: own });
    // As a dark service it is the engine itself that connects, for a caller elsewhere whom the network let in.
    if (app.pid === process.pid) return { kind: 'dark' };
    const program = await deps.attribution.of(app.pid);
    if (program.kind === 'person') return { kind: 'user', uid: app.uid };
    deps.log.warn('console.visitor_refused', { ...program, uid: app.uid });
    return undefined;
  };
}
