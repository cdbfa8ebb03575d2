/** {@link HttpTransport} over Node's own HTTPS: kept-alive connections a controller and credential, and some for what is urgent; bounded in time and size. */
import { Agent, request as httpsRequest } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';
import { linkSignals } from '../../base/abort.ts';
import { defined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import { secureConnector, type SecureConnector } from './secure-connector.ts';
import { answerTooLarge, transportError } from './transport-error.ts';
import type { HttpAnswer, HttpRequest, HttpTransport, TransportCredential } from './transport.ts';

const connectTimeoutMs = 10_000;
const defaultTimeoutMs = 15_000;
/** A page of 500 services with their configs stays far below this. */
const maxBodyBytes = 32 * 1024 * 1024;
const maxConnections = 4;
/** A controller closes idle connections after five seconds by default; ours must be gone before. */
const keepAliveMs = 3000;

/** Open connections as they are needed; nothing is connected before the first request. */
export function openHttpsTransport(origin: string, credential: TransportCredential): HttpTransport {
  return new HttpsTransport(origin, credential);
}

/** Connects to names as this program does everywhere. */
class ControllerAgent extends Agent {
  readonly #connect: SecureConnector;

  constructor(connect: SecureConnector) {
    super({ keepAlive: true, maxSockets: maxConnections, timeout: keepAliveMs });
    this.#connect = connect;
  }

  override createConnection(
    options: { host?: string | null | undefined; port?: string | number | null | undefined },
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    this.#connect(options.host ?? '', Number(options.port ?? 443)).then(
      (socket) => callback?.(null, socket),
      (error: unknown) => callback?.(error as Error, undefined as unknown as Duplex),
    );
    return undefined;
  }
}

class HttpsTransport implements HttpTransport {
  readonly origin: string;
  readonly #target: { readonly hostname: string; readonly port: number };
  readonly #tls: ConnectionOptions;
  #agent: Agent;
  #urgent: Agent | undefined;
  #closed = false;

  constructor(origin: string, credential: TransportCredential) {
    if (credential.signer !== undefined) {
      throw new TunnelerError('base.unsupported', 'this TLS cannot ask a hardware key to sign', {
        details: { next: 'install the native part, or keep the key in the keychain or a file' },
      });
    }
    this.origin = origin;
    const { hostname, port } = new URL(origin);
    this.#target = { hostname: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? 443 : Number(port) };
    this.#tls = {
      ca: credential.caPem,
      minVersion: 'TLSv1.2',
      rejectUnauthorized: credential.unverified !== true,
      ...(credential.partialChain === true ? { allowPartialTrustChain: true } : {}),
      ...defined({ cert: credential.certPem, key: credential.keyPem }),
    };
    this.#agent = this.#newAgent();
  }

  renew(): void {
    if (this.#closed) return;
    // Whoever waits on an old connection is told by the request itself.
    const old = [this.#agent, this.#urgent];
    this.#agent = this.#newAgent();
    this.#urgent = undefined;
    for (const agent of old) agent?.destroy();
  }

  async send(request: HttpRequest): Promise<HttpAnswer> {
    if (this.#closed) throw new TunnelerError('base.closed', 'the connection to the controller was closed');
    const timeoutMs = request.timeoutMs ?? defaultTimeoutMs;
    const deadline = AbortSignal.timeout(timeoutMs);
    const linked = linkSignals(request.signal, deadline);
    try {
      const agent = request.urgent === true ? (this.#urgent ??= this.#newAgent()) : this.#agent;
      const answer = await this.#exchange(request, agent, linked.signal);
      const text = await readText(answer);
      return { status: answer.statusCode ?? 0, header: (name) => firstValue(answer.headers[name]), text };
    } catch (error) {
      if (request.signal?.aborted === true) {
        throw new TunnelerError('base.cancelled', 'the request was cancelled', { cause: error });
      }
      if (deadline.aborted) {
        const sentence = `the controller at ${this.origin} did not answer within ${timeoutMs / 1000} s`;
        const details = { origin: this.origin, next: 'check the network path and that the controller is running' };
        throw new TunnelerError('ziti.controller.unreachable', sentence, { cause: error, details });
      }
      throw transportError(this.origin, error);
    } finally {
      linked[Symbol.dispose]();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#agent.destroy();
    this.#urgent?.destroy();
    return Promise.resolve();
  }

  #newAgent(): Agent {
    return new ControllerAgent(secureConnector(this.#tls, connectTimeoutMs));
  }

  #exchange(request: HttpRequest, agent: Agent, signal: AbortSignal): Promise<IncomingMessage> {
    const { method, path, headers, body } = request;
    return new Promise((resolve, reject) => {
      const sending = httpsRequest({
        ...this.#target,
        agent,
        method,
        path,
        headers: {
          ...(headers as Record<string, string | string[]> | undefined),
          ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
        },
        signal,
      });
      sending.once('response', resolve);
      sending.once('error', reject);
      sending.end(body);
    });
  }
}

async function readText(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer) {
    bytes += (chunk as Buffer).length;
    if (bytes > maxBodyBytes) throw Object.assign(new Error('the answer is too large'), { code: answerTooLarge });
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function firstValue(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
