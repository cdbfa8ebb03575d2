/** The joint between the controller's client and HTTPS: one origin, one credential, plain requests and answers. */

/** With what a connection to a controller is authenticated, both ways. Holders never log it. */
export interface TransportCredential {
  /** PEM bundle of trust anchors for the controller's certificate. */
  readonly caPem: string;
  /** Also take a certificate of `caPem` that is no authority itself as anchor (a pinned leaf). */
  readonly partialChain?: boolean;
  /** Take any certificate. Only for looking at one, never with a secret on the wire. */
  readonly unverified?: boolean;
  /** Client chain PEM, leaf first, and its private key PEM; both or neither. */
  readonly certPem?: string;
  readonly keyPem?: string;
  /** Instead of `keyPem`: a key that only signs. Needs a transport that can ask it; the built-in one refuses. */
  readonly signer?: TransportSigner;
}

/** A private key in hardware. */
export interface TransportSigner {
  readonly publicKeySpki: Uint8Array;
  readonly algorithm: 'ES256' | 'ES384' | 'RS256';
  /** DER-encoded (ECDSA) or plain (RSA) signature over `data`, hashed with the algorithm's hash. */
  sign(data: Uint8Array): Promise<Uint8Array>;
}

/** By name, in any letter case. */
export type HttpHeaders = Readonly<Record<string, string | readonly string[]>>;

/** One request, its body already text. */
export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path with query, from `/` on. */
  readonly path: string;
  /** A list is sent as that many header lines. */
  readonly headers?: HttpHeaders;
  readonly body?: string;
  /** Whole exchange. Default 15 000. */
  readonly timeoutMs?: number;
  /** Must not wait behind other requests, however many there are. */
  readonly urgent?: boolean;
  readonly signal?: AbortSignal;
}

/** An answer, whatever its status, with its body read to the end. */
export interface HttpAnswer {
  readonly status: number;
  /** Value of a header, lower-case name; the first of several. */
  header(name: string): string | undefined;
  readonly text: string;
}

/**
 * Sends requests to one origin with one credential. Redirects are answers like others and never followed.
 *
 * `send` throws `ziti.controller.unreachable`, `.certificate`, `.clock_skew`, `.malformed` (oversized body),
 * `base.cancelled` by the caller's signal, and `base.closed` after disposal. Its details carry `sent: false` where the request
 * surely never left, so that a repeat is safe.
 */
export interface HttpTransport extends AsyncDisposable {
  /** `https://host:port`. */
  readonly origin: string;
  send(request: HttpRequest): Promise<HttpAnswer>;
  /** The network changed: connections made before are given up, and requests under way on them fail as unreachable. */
  renew?(): void;
}

/** Makes a transport. A native one can take keys that never leave their hardware. */
export type OpenTransport = (origin: string, credential: TransportCredential) => HttpTransport;
