/** What the files of this folder share: what the router is made of, who is connected, and whom to tell. */
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Network } from '../network.ts';
import type { Pki } from '../pki.ts';
import type { OverlayRelease } from '../release.ts';
import type { TokenSigner } from '../token.ts';
import type { Circuit } from './circuit.ts';
import type { Client } from './client.ts';
import type { Terminators } from './terminators.ts';

/** A circuit as administrators see it. */
export interface CircuitFacts {
  readonly serviceId: string;
  readonly dialerId: string;
  readonly hostId: string;
}

/** What a router is made of. */
export interface RouterParts {
  readonly id: string;
  readonly network: Network;
  readonly pki: Pki;
  readonly signer: TokenSigner;
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  readonly release: OverlayRelease;
  /** A refused channel is dropped this long after its Hello. */
  readonly rejectDelayMs: number;
}

/** A router at work. */
export interface RouterContext extends RouterParts {
  readonly terminators: Terminators;
  /** By circuit id. */
  readonly circuits: ReadonlyMap<string, Circuit>;
  readonly clients: ReadonlySet<Client>;
  clientOpened(client: Client): void;
  clientClosed(client: Client): void;
  circuitOpened(circuit: Circuit, facts: CircuitFacts): void;
  circuitClosed(circuit: Circuit): void;
  terminatorsChanged(serviceId: string): void;
  /** A session's token was replaced by one that lasts until then; on all its channels. */
  tokenUpdated(apiSessionId: string, expiresAt: number): void;
}
