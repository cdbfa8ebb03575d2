/** The controller's small HTTP layer: one HTTPS server, a table of routes, OpenZiti's JSON envelopes around the answers. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';
import { defined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import { newUuid } from '../ids.ts';

/** No request is larger (openziti/ziti: controller/env/appenv.go). */
const maxBodyBytes = 1024 * 1024;

/** A request with its body read. */
export interface ApiRequest {
  readonly method: string;
  readonly path: string;
  /** Values of `{name}` parts of the route. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  /** Certificates the client showed, DER, leaf first; empty where it showed none. */
  readonly clientCertificates: readonly Buffer[];
  readonly remoteAddress: string;
}

/** What a handler answers: JSON unless `text` is given. */
export interface ApiReply {
  readonly status?: number;
  readonly json?: unknown;
  readonly text?: string;
  readonly bytes?: Uint8Array;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Answers a request, or throws {@link ApiError}. */
export type Handler = (request: ApiRequest) => ApiReply | Promise<ApiReply>;

/** A refusal with OpenZiti's words (openziti/ziti: controller/apierror/messages.go). */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  /** `cause` of the envelope. */
  readonly reason: unknown;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: string,
    message: string,
    options: { readonly reason?: unknown; readonly headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.reason = options.reason;
    this.headers = options.headers ?? {};
  }
}

/** `{data, meta}` as every answer of the edge API has it. */
export function data(value: unknown, options: Omit<ApiReply, 'json'> & { readonly meta?: unknown } = {}): ApiReply {
  const { meta, ...rest } = options;
  return { ...rest, json: { data: value, meta: meta ?? {} } };
}

/** A page of a list, with its place in the whole. */
export function page(items: readonly unknown[], query: URLSearchParams): ApiReply {
  const limit = wholeNumber(query.get('limit'), 10);
  const offset = wholeNumber(query.get('offset'), 0);
  const shown = items.slice(offset, offset + limit);
  return data(shown, { meta: { filterableFields: [], pagination: { limit, offset, totalCount: items.length } } });
}

function wholeNumber(text: string | null, fallback: number): number {
  return text !== null && /^\d+$/.test(text) ? Number(text) : fallback;
}

interface Route {
  readonly method: string;
  readonly parts: readonly string[];
  readonly handler: Handler;
}

/** Routes by method and path; `{name}` stands for one part. */
export class Routes {
  readonly #routes: Route[] = [];

  add(method: string, path: string, handler: Handler): void {
    this.#routes.push({ method, parts: path.split('/').filter(Boolean), handler });
  }

  find(
    method: string,
    path: string,
  ): { readonly handler: Handler; readonly params: Record<string, string> } | undefined {
    const parts = path.split('/').filter(Boolean);
    for (const route of this.#routes) {
      if (route.method !== method || route.parts.length !== parts.length) continue;
      const params: Record<string, string> = {};
      const matches = route.parts.every((part, i) => {
        const given = parts[i] ?? '';
        if (!part.startsWith('{')) return part === given;
        params[part.slice(1, -1)] = decodeURIComponent(given);
        return true;
      });
      if (matches) return { handler: route.handler, params };
    }
    return undefined;
  }
}

/** Where to listen, as whom, and what is served. */
export interface HttpsOptions {
  readonly host: string;
  readonly port: number;
  /** PEM chain and key of the server. */
  readonly cert: string;
  readonly key: string;
  readonly routes: Routes;
  /** A handler threw what is no {@link ApiError}. */
  onFailure(error: unknown, path: string): void;
}

/** A listening HTTPS server; closing ends its connections. */
export interface HttpsListener extends AsyncDisposable {
  readonly port: number;
}

/** Listen. Rejects with `net.address_in_use` or `net.listen_failed`. */
export function openHttps(options: HttpsOptions): Promise<HttpsListener> {
  const server = createServer(
    { cert: options.cert, key: options.key, requestCert: true, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] },
    (request, response) => void serve(options, request, response),
  );
  return listen(server, options.host, options.port);
}

function listen(server: Server, host: string, port: number): Promise<HttpsListener> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const code = cause.code === 'EADDRINUSE' ? 'net.address_in_use' : 'net.listen_failed';
      reject(new TunnelerError(code, `cannot listen on ${host}:${port}`, { cause, details: { host, port } }));
    });
    server.listen(port, host, () => {
      resolve({
        port: (server.address() as AddressInfo).port,
        async [Symbol.asyncDispose]() {
          const closed = new Promise<void>((done) => server.close(() => done()));
          server.closeAllConnections();
          await closed;
        },
      });
    });
  });
}

async function serve(options: HttpsOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  let reply: ApiReply;
  const url = new URL(request.url ?? '/', 'https://overlay.invalid');
  try {
    const found = options.routes.find(request.method ?? 'GET', url.pathname);
    if (found === undefined)
      throw new ApiError(404, 'NOT_FOUND', 'The resource requested was not found or is no longer available');
    reply = await found.handler({
      method: request.method ?? 'GET',
      path: url.pathname,
      params: found.params,
      query: url.searchParams,
      headers: request.headers,
      body: await readBody(request),
      clientCertificates: peerChain(request.socket as TLSSocket),
      remoteAddress: request.socket.remoteAddress ?? '',
    });
  } catch (error) {
    if (!(error instanceof ApiError)) options.onFailure(error, url.pathname);
    reply = errorReply(error);
  }
  send(response, reply);
}

function send(response: ServerResponse, reply: ApiReply): void {
  const body = reply.bytes ?? reply.text ?? (reply.json === undefined ? '' : JSON.stringify(reply.json));
  const contentType = reply.contentType ?? (reply.text === undefined ? 'application/json' : 'text/plain');
  response.writeHead(reply.status ?? 200, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    ...reply.headers,
  });
  response.end(body);
}

/** The error envelope (openziti/foundation: errorz). */
export function errorReply(error: unknown): ApiReply {
  const known = error instanceof ApiError ? error : new ApiError(500, 'UNHANDLED', 'An unhandled error occurred');
  return {
    status: known.status,
    headers: known.headers,
    json: {
      error: {
        code: known.code,
        message: known.message,
        requestId: newUuid(),
        ...defined({ cause: known.reason }),
      },
      meta: { apiEnrollmentVersion: '0.0.1', apiVersion: '0.0.1' },
    },
  };
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let lengthBytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    lengthBytes += chunk.length;
    if (lengthBytes > maxBodyBytes) throw new ApiError(413, 'REQUEST_ENTITY_TOO_LARGE', 'The request is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** DER certificates of the peer, leaf first, without repeating a self-signed one. */
export function peerChain(socket: TLSSocket): Buffer[] {
  const chain: Buffer[] = [];
  let certificate: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  while (certificate !== undefined) {
    const raw: Buffer | undefined = certificate.raw;
    // Without a certificate Node gives an empty object; a self-signed one names itself as issuer.
    if (raw === undefined || chain.some((seen) => seen.equals(raw))) break;
    chain.push(raw);
    certificate = certificate.issuerCertificate;
  }
  return chain;
}

/** A JSON object as body; throws COULD_NOT_PARSE_BODY for anything else. */
export function jsonBody(request: ApiRequest): Record<string, unknown> {
  if (request.body.length === 0) return {};
  try {
    const value: unknown = JSON.parse(request.body.toString('utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Falls through to the refusal below, which is what the caller can act on.
  }
  throw new ApiError(400, 'COULD_NOT_PARSE_BODY', 'The body of the request could not be parsed');
}

/** The part of the path that stands for `{name}`; the route has it, so it is there. */
export function pathPart(request: ApiRequest, name: string): string {
  return request.params[name] ?? '';
}

/** A field that must be a non-empty string. */
export function requiredString(body: Readonly<Record<string, unknown>>, field: string): string {
  const value = body[field];
  if (typeof value === 'string' && value !== '') return value;
  throw new ApiError(
    400,
    'COULD_NOT_VALIDATE',
    'The supplied request contains an invalid document or no valid accept content were available, see cause',
    {
      reason: { field, reason: `${field} in body is required`, value: value ?? null },
    },
  );
}

/** A field that is a string; anything else reads as absent. */
export function optionalString(body: Readonly<Record<string, unknown>>, field: string): string | undefined {
  const value = body[field];
  return typeof value === 'string' ? value : undefined;
}

/** A field that is a list of strings; anything else reads as empty. */
export function stringList(body: Readonly<Record<string, unknown>>, field: string): string[] {
  const value = body[field];
  return Array.isArray(value) ? value.filter((entry): entry is string => typeof entry === 'string') : [];
}
