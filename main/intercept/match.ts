/** Which service of which identity claims a destination. */
import type { FlowRequest } from '../base/flow.ts';
import type { ZitiService } from '../ziti/model.ts';
import type { Reason } from '../base/reason.ts';

/** One service's claim on a flow, with everything a dial needs. */
export interface Match {
  /** Local name of the identity whose service it is. */
  readonly identity: string;
  readonly service: ZitiService;
  /** From `dialOptions`; 15 000 where they name none. */
  readonly dialTimeoutMs: number;
  /** `dialOptions.identity`, rendered for this flow. */
  readonly terminatorIdentity?: string;
  /** The peers' JSON: all values strings (dst_protocol, dst_hostname, dst_ip, dst_port, src_*, source_addr). */
  readonly appData: Readonly<Record<string, string>>;
}

/** The claims on a destination, or why there are none. */
export type MatchResult =
  | { readonly kind: 'matched'; /** Best first: lower score, then service name. */ readonly matches: readonly Match[] }
  | { readonly kind: 'none'; readonly reason: Reason };

/** Whose a name is, and the one family of addresses its target has, where that is known. */
interface NameOwner {
  readonly service: string;
  readonly identity: string;
  readonly family?: 4 | 6;
}

/** What is intercepted now, for resolver and routes. */
export interface InterceptTable {
  /** Exact names, lower case. */
  readonly names: readonly ({ readonly name: string } & NameOwner)[];
  /** Domains of `*.x`, without the star. */
  readonly wildcards: readonly ({ readonly domain: string } & NameOwner)[];
  readonly prefixes: readonly { readonly prefix: string; readonly service: string; readonly identity: string }[];
}

/** The room's door. Made by `createIntercept` in `intercept/intercept.ts`. */
export interface Intercept {
  /** Idempotent: this identity's services are these, from now on. A broken config is left out and reported, never thrown. */
  replace(
    identity: string,
    tunnelerName: string,
    services: readonly ZitiService[],
    /** The identity's appData on the controller, for `$tunneler_id.appData[…]`. */
    tunnelerAppData?: Readonly<Record<string, unknown>>,
  ): readonly InterceptProblem[];
  remove(identity: string): void;
  /** What this identity brought is `to`'s from now on. */
  rename(identity: string, to: string): void;
  match(flow: FlowRequest): MatchResult;
  /** The same as `match` for a service named outright, on behalf of a loopback port. */
  matchService(serviceName: string, flow: FlowRequest): MatchResult;
  table(): InterceptTable;
}

/** What is wrong with a service's intercept config. */
export interface InterceptProblem {
  /** True: the service is not intercepted for it. False: it works, less the part the reason names. */
  readonly refused: boolean;
  readonly service: string;
  readonly identity: string;
  readonly reason: Reason;
}
