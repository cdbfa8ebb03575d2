/** A client at the router as the rest of the router knows it: its channel, what stands behind its connection ids, and what it hosts. */
import type { ApiSessionRecord, PolicyType, PrecedenceName } from '../model.ts';
import type { AccessDecision } from '../network.ts';
import type { Frame } from '../../ziti/wire/frame.ts';
import type { RouterChannel } from './channel.ts';
import type { Circuit, CircuitRole } from './circuit.ts';

/** A refusal's structure (header 1033). */
export interface RefusalFault {
  readonly code: number;
  readonly retryHint?: number;
  readonly failingPostureCheckIds?: readonly string[];
}

/** One client on one channel. Before its session is known to be good it is nobody: no identity, no access. */
export interface Client {
  readonly channel: RouterChannel;
  /** By connection id of the channel. */
  readonly connections: Map<number, Connection>;
  /** Empty until authenticated. */
  readonly identityId: string;
  readonly identityName: string;
  readonly apiSession: ApiSessionRecord | undefined;
  /** Wall clock at which the token in use ends; legacy ones end with their session. */
  tokenExpiresAt: number;
  /** What this client may do with a service now. */
  decide(serviceId: string, type: PolicyType): AccessDecision;
  /** An id for a hosted child connection that is not in use. */
  newHostedConnId(): number;
  /** Tell the client that a connection is closed, as an answer to `request` where given; why also as a code, from release 2.1 on. */
  sendClosed(
    connId: number | undefined,
    reason: string,
    request?: Pick<Frame, 'sequence' | 'headers'>,
    fault?: RefusalFault,
  ): void;
  /** Something changed in the network: tell a client that subscribed what it sees now. */
  networkChanged(): void;
}

/** What stands behind a connection id. */
export type Connection =
  | { readonly kind: 'connecting'; readonly serviceId: string; readonly serviceSessionId: string; cancelled: boolean }
  | {
      readonly kind: 'circuit';
      readonly circuit: Circuit;
      readonly role: CircuitRole;
      readonly serviceId: string;
      readonly serviceSessionId: string;
    }
  | { readonly kind: 'terminator'; readonly terminator: Terminator };

/** A client hosts a service: where a dial of it can be sent. */
export interface Terminator {
  readonly id: string;
  readonly serviceId: string;
  readonly host: Client;
  /** Connection id of the Bind on its channel. */
  readonly bindConnId: number;
  /** The Bind's session token, presented with each Dial. */
  readonly token: string;
  readonly serviceSessionId: string;
  readonly listenerId: string;
  /** Addressable terminators: the identity it listens as, empty for none. */
  readonly instanceId: string;
  readonly publicKey: Uint8Array | undefined;
  readonly routerAssignsIds: boolean;
  readonly usesXgress: boolean;
  cost: number;
  precedence: PrecedenceName;
  circuits: number;
  failures: number;
}
