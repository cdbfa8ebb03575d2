/**
 * Our own connections that come back in through our own interface: to a controller or router whose address a prefix covers, or to the target
 * of a service that is hosted here and intercepted here too. Let in, they would carry themselves round and round.
 */
import type { App } from '../../apps/app.ts';
import type { FlowRequest } from '../../base/flow.ts';
import type { Reason } from '../../base/reason.ts';
import { hostOf, portOf } from '../../base/router-address.ts';
import type { Match } from '../../intercept/match.ts';

/** What tells our own connections, and where they may not lead. */
export interface LoopGuardDeps {
  /** Our process. */
  readonly pid: number;
  /** Ids of services hosted by this engine. */
  hosted(): ReadonlySet<string>;
  /** Controllers and routers, as places. */
  infrastructure(): readonly string[];
  /** Addresses of these, and of what is hosted here, as far as they are known. Undefined without a TUN. */
  direct(): DirectAddresses | undefined;
}

/** Addresses that must never lead into our own interface. */
export interface DirectAddresses {
  /** Every one that is known now. */
  addresses(): readonly string[];
  /** Might an address with this port be one whose name has not been resolved yet? */
  mayBeUnresolved(port: number): boolean;
}

/** Asked for each flow that a service claims; a reason where it would be a loop. */
export type FindLoop = (flow: FlowRequest, owner: App, matches: readonly Match[]) => Reason | undefined;

/** Finds the loop that a flow would make; undefined where it makes none. */
export function loopGuard(deps: LoopGuardDeps): FindLoop {
  return ({ entry, destination }, owner, matches) => {
    if (entry !== 'tun' || owner.pid !== deps.pid) return undefined;
    const at = destination.hostname ?? destination.address ?? '';
    const ways = destination.hostname === undefined ? deps.direct() : undefined;
    const direct = ways?.addresses().includes(at) === true || ways?.mayBeUnresolved(destination.port) === true;
    if (direct || deps.infrastructure().some((place) => isAt(place, at, destination.port))) {
      return loop(`${at} is a controller, router or hosted target of this engine, not reached through itself`, at);
    }
    const hosted = deps.hosted();
    const match = matches.find(({ service }) => hosted.has(service.id));
    if (match === undefined) return undefined;
    return loop(`${match.service.name} is hosted by this very engine, whose own connection to ${at} it would be`, at);
  };
}

function isAt(place: string, host: string, port: number): boolean {
  return hostOf(place) === host && portOf(place) === port;
}

function loop(sentence: string, at: string): Reason {
  return {
    code: 'engine.loop',
    sentence,
    next: `take ${at} out of the addresses the service is intercepted under, or give this host a route to it`,
  };
}
