/**
 * The corridor's first joint: an entry (TUN, proxy, forward) asks for a flow to be admitted, and gets one typed answer.
 */
import type { ByteStream } from './stream.ts';
import type { Reason } from './reason.ts';

/** The transport of a flow. */
export type Protocol = 'tcp' | 'udp';

/** An IP address in canonical text form, and a port. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** Where a flow wants to go: by name where the entry knows one (SOCKS, our resolver), by address where it has one. */
export interface Destination {
  readonly hostname?: string;
  readonly address?: string;
  readonly port: number;
}

/** Which way in a flow took. */
export type FlowEntry = 'tun' | 'socks5' | 'http-connect' | 'forward' | 'mcp';

/** One new flow as an entry sees it. */
export interface FlowRequest {
  readonly entry: FlowEntry;
  readonly protocol: Protocol;
  readonly source: Endpoint;
  readonly destination: Destination;
  /** Named outright by a loopback port or `culvert mcp connect`; interception is then skipped. */
  readonly service?: string;
  /** A data connection of an FTP session that stands, as its host knows it. */
  readonly ftpData?: string;
  /** Local socket address the source connected to (proxy entries); with `source` it names the owning socket. */
  readonly via?: Endpoint;
}

/** How an entry is to tell the application of a refusal, in its own protocol's terms. */
export type RefusalAnswer = 'reset' | 'host-unreachable' | 'prohibited' | 'timeout';

/** The one answer to a FlowRequest. */
export type Admission =
  | {
      readonly kind: 'dialled';
      /** Hand over the application's stream once it is accepted; the session pumps from here on. Exactly once. */
      join(local: ByteStream): void;
      /** The application went away before `join`: close the remote side. Idempotent, no effect after `join`. */
      abandon(): void;
    }
  | { readonly kind: 'refused'; readonly reason: Reason; readonly answer: RefusalAnswer }
  /** Not ours: the entry may go direct where it can. */
  | { readonly kind: 'pass'; readonly reason: Reason };

/** Ask the corridor for one flow. Never rejects for an expected outcome. `signal` aborts a dial under way. */
export type Admit = (request: FlowRequest, options: { readonly signal: AbortSignal }) => Promise<Admission>;
