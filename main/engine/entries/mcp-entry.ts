/** Loopback ports for MCP clients: one a service, opened when first asked for. Policy sees each connection as it sees any other. */
import type { Clock } from '../../base/clock.ts';
import { TunnelerError } from '../../base/errors.ts';
import type { Admit } from '../../base/flow.ts';
import type { DisposalStack } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';
import { guestsOfHost } from './host-guests.ts';
import { openForward, type Forward } from '../../net/proxy/forward.ts';

/** Who is let in, and which services are known. */
export interface McpEntryDeps {
  readonly admit: Admit;
  readonly clock: Clock;
  readonly log: Log;
  /** Some identity here may dial a service of this name. */
  readonly isKnown: (service: string) => boolean;
}

/** Where `service` is reached. Throws `ziti.dial.service_unknown`, `net.listen_failed`. */
export function mcpEntry(deps: McpEntryDeps, stack: DisposalStack): (service: string) => Promise<{ url: string }> {
  const open = new Map<string, Promise<Forward>>();
  return async (service) => {
    if (!deps.isKnown(service)) {
      throw new TunnelerError('ziti.dial.service_unknown', `no identity here may dial a service "${service}"`, {
        details: { next: 'culvert services lists those there are' },
      });
    }
    let forward = open.get(service);
    if (forward === undefined) {
      forward = openForward({
        service,
        listen: { host: '127.0.0.1', port: 0 },
        refusals: 'http',
        admit: (flow, options) => deps.admit({ ...flow, entry: 'mcp' }, options),
        guests: guestsOfHost(),
        clock: deps.clock,
        log: deps.log,
      }).then((opened) => stack.use(opened));
      open.set(service, forward);
      forward.catch(() => open.delete(service));
    }
    const { endpoint } = await forward;
    return { url: `http://127.0.0.1:${endpoint.port}/mcp` };
  };
}
