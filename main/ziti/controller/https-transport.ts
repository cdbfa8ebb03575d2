/** {@link HttpTransport} over undici: a pool a controller and credential, and one for what is urgent; bounded in time and size. */
import { Pool } from 'undici';
import { linkSignals } from '../../base/abort.ts';
import { TunnelerError } from '../../base/errors.ts';
import { secureConnector } from './secure-connector.ts';
import { transportError } from './transport-error.ts';
import type { HttpAnswer, HttpRequest, HttpTransport, TransportCredential } from './transport.ts';

const connectTimeoutMs = 10_000;
const defaultTimeoutMs = 15_000;
/** A page of 500 services with their configs stays far below this. */
const maxBodyBytes = 32 * 1024 * 1024;

/** Open a pool; nothing is connected before the first request. */
export function openHttpsTransport(origin: string, credential: TransportCredential): HttpTransport {
  return new HttpsTransport(origin, credential);
}

class HttpsTransport implements HttpTransport {
  readonly origin: string;
  readonly #newPool: () => Pool;
  #pool: Pool;
  #urgent: Pool | undefined;
  #closed = false;

  constructor(origin: string, credential: TransportCredential) {
    if (credential.signer !== undefined) {
      throw new TunnelerError('base.unsupported', 'this TLS cannot ask a hardware key to sign', {
        details: { next: 'Install the native part, or keep the key in the keychain or a file.' },
      });
    }
    this.origin = origin;
    this.#newPool = () =>
      new Pool(origin, {
        connections: 4,
        // A controller closes idle connections after five seconds by default; ours must be gone before.
        keepAliveTimeout: 3000,
        maxResponseSize: maxBodyBytes,
        connect: secureConnector(
          {
            ca: credential.caPem,
            minVersion: 'TLSv1.2',
            rejectUnauthorized: credential.unverified !== true,
            ...(credential.partialChain === true ? { allowPartialTrustChain: true } : {}),
            ...(credential.certPem === undefined ? {} : { cert: credential.certPem, key: credential.keyPem }),
          },
          connectTimeoutMs,
        ),
      });
    this.#pool = this.#newPool();
  }

  renew(): void {
    if (this.#closed) return;
    const old = [this.#pool, this.#urgent];
    this.#pool = this.#newPool();
    this.#urgent = undefined;
    // Whoever waits on it is told by the request itself.
    for (const pool of old) pool?.destroy().catch(() => undefined);
  }

  async send(request: HttpRequest): Promise<HttpAnswer> {
    if (this.#closed) throw new TunnelerError('base.closed', 'the connection to the controller was closed');
    const timeoutMs = request.timeoutMs ?? defaultTimeoutMs;
    const deadline = AbortSignal.timeout(timeoutMs);
    const linked = linkSignals(request.signal, deadline);
    try {
      const pool = request.urgent === true ? (this.#urgent ??= this.#newPool()) : this.#pool;
      const answer = await pool.request({
        method: request.method,
        path: request.path,
        headers: { ...request.headers } as Record<string, string | string[]>,
        body: request.body ?? null,
        signal: linked.signal,
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
      });
      const text = await answer.body.text();
      return { status: answer.statusCode, header: (name) => firstValue(answer.headers[name]), text };
    } catch (error) {
      if (request.signal?.aborted === true) {
        throw new TunnelerError('base.cancelled', 'the request was cancelled', { cause: error });
      }
      if (deadline.aborted) {
        const sentence = `the controller at ${this.origin} did not answer within ${timeoutMs / 1000} s`;
        const details = { origin: this.origin, next: 'Check the network path and that the controller is running.' };
        throw new TunnelerError('ziti.controller.unreachable', sentence, { cause: error, details });
      }
      throw transportError(this.origin, error);
    } finally {
      linked[Symbol.dispose]();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all([this.#pool.destroy(), this.#urgent?.destroy()]);
  }
}

function firstValue(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
