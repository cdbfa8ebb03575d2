/** A way to a dark MCP service, whatever it speaks: messages go in one by one, what comes back is told. */
import type { Duplex } from 'node:stream';
import type { Message } from './rpc.ts';

/** The engine's own words for a refused dial, as its loopback port answers in HTTP. */
export interface Refused {
  readonly code: string;
  readonly sentence: string;
  readonly next: string | undefined;
}

/** Why a request has no answer of the service's. */
export interface Failure {
  readonly why: string;
  readonly refused?: Refused;
  /** What came back is not HTTP. */
  readonly noHttp?: true;
}

/** Where the service is, and who is told what it says. */
export interface WayDeps {
  readonly url: URL;
  /** A new connection to the service. Default: TCP to where `url` says. */
  readonly connect?: () => Promise<Duplex>;
  /** Told of each message of the service. */
  readonly take: (message: Message) => void;
  /** Told of what goes wrong beside the messages. */
  readonly complain: (text: string) => void;
  /** Fires when the client has gone, or the bridge is told to end: everything under way ends. */
  readonly signal: AbortSignal;
}

/** One way of bringing messages to a service. Disposing ends its session there. */
export interface Way extends AsyncDisposable {
  /**
   * Bring one message to the service; resolves once its answer was taken, or with the reason why there is none. A response or notification is
   * done when the service has it. Never rejects.
   */
  send(message: Message): Promise<Failure | undefined>;
  /** The client no longer waits for the answer to this request. */
  cancelled(request: Message): void;
}

/** What an error says, with what caused it. */
export function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error && error.cause.message !== error.message
    ? `${error.message}: ${error.cause.message}`
    : error.message;
}
