/**
 * The HTTP side of the proxy: CONNECT tunnels, and plain `http://` requests in absolute form, which clients send for http URLs.
 *
 * Parsing, keep-alive and body framing are Node's own server's; each forwarded request has a flow of its own.
 */
import { createServer, request as httpRequest } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TunnelerError } from '../../base/errors.ts';
import type { Destination } from '../../base/flow.ts';
import { canonicalName } from '../../base/hostname.ts';
import { canonicalAddress } from '../../base/ip.ts';
import type { Reason } from '../../base/reason.ts';
import { duplexEnd } from '../../sockets/duplex-end.ts';
import { socketError } from '../../sockets/socket-error.ts';
import { tcpStream } from '../../sockets/tcp-stream.ts';
import type { ClientSocket } from './client-socket.ts';
import { endToEndHeaders } from './http-headers.ts';
import { encodeHead, httpRefusal, refusalOf } from './refusal.ts';
import type { Refusal } from './refusal.ts';
import { openRoute } from './route.ts';
import type { RouteDeps } from './route.ts';

/** Start line and headers together, either way: 64 KB of headers and room for their first line. Larger requests are answered with 431. */
const maxHeaderBytes = 96 * 1024;
/** A kept-alive connection may wait this long for its next request to be in. */
const keepAliveMs = 60_000;
/** A service that has answered whole and was told the end has so long to close its side. */
const lingerMs = 5_000;

/** What the HTTP side asks of the port it stands behind. */
export interface HttpListener {
  /** This connection's request head is in; its time limit is over. */
  requestRead(socket: Socket): void;
  /** It may send another, and has so long. */
  requestAwaited(socket: Socket, timeoutMs: number): void;
  /** A connection that left HTTP behind, looked after until it is joined or closed. */
  take(socket: Socket, early?: Buffer): ClientSocket;
}

/**
 * A server that listens on nothing: sockets come in by `emit('connection', socket)`. Node keeps time limits and a list of connections only for
 * servers that listen, so both are the listener's.
 */
export function createHttpProxy(deps: RouteDeps, listener: HttpListener): Server {
  const server = createServer({
    maxHeaderSize: maxHeaderBytes,
    keepAliveTimeout: keepAliveMs,
  });
  server.on('connect', (request, socket, head) => {
    listener.requestRead(socket as Socket);
    void tunnel(deps, request, listener.take(socket as Socket, head));
  });
  server.on('request', (request, response) => {
    const { socket } = request;
    listener.requestRead(socket);
    response.once('close', () => listener.requestAwaited(socket, keepAliveMs));
    void forward(deps, request, response);
  });
  server.on('clientError', (error, socket) => refuseMalformed(listener, error, socket as Socket));
  return server;
}

async function tunnel(deps: RouteDeps, request: IncomingMessage, client: ClientSocket): Promise<void> {
  const destination = parseAuthority(request.url ?? '', undefined);
  if (destination === undefined) return client.finish(encodeHead(400, { Connection: 'close' }));
  const { source, via } = client;
  const flow = { entry: 'http-connect', protocol: 'tcp', source, via, destination } as const;
  const route = await openRoute(deps, flow, client.gone);
  if (route.kind === 'refused') {
    const { status, headers, body } = httpRefusal(route);
    return client.finish(Buffer.concat([encodeHead(status, { ...headers, Connection: 'close' }), Buffer.from(body)]));
  }
  if (client.gone.aborted) {
    route.abandon();
    return client.destroy();
  }
  client.write(Buffer.from('HTTP/1.1 200 Connection established\r\n\r\n'));
  return route.join(tcpStream(client.release()));
}

async function forward(deps: RouteDeps, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const target = parseTarget(request.url ?? '');
  if (target === undefined) {
    response.writeHead(400, { 'Content-Type': 'text/plain; charset=utf-8', Connection: 'close' });
    response.end('This port is a proxy: it takes CONNECT, and requests for absolute http:// URLs.\n');
    return;
  }
  if (asksForAnotherProtocol(request)) return refuseUpgrade(response);
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const { socket } = request;
  const source = { address: canonicalAddress(socket.remoteAddress ?? '') ?? '', port: socket.remotePort ?? 0 };
  const via = { address: canonicalAddress(socket.localAddress ?? '') ?? '', port: socket.localPort ?? 0 };
  const flow = { entry: 'http-connect', protocol: 'tcp', source, via, destination: target.destination } as const;
  const route = await openRoute(deps, flow, gone.signal);
  if (route.kind === 'refused') return refuse(response, route);
  if (gone.signal.aborted) return route.abandon();

  const { duplex, stream } = duplexEnd();
  route.join(stream);
  const upstream = httpRequest({
    createConnection: () => duplex,
    method: request.method,
    path: target.path,
    headers: endToEndHeaders(request.rawHeaders, { host: target.host, request: true }),
    setHost: false,
    maxHeaderSize: maxHeaderBytes,
  });
  let answered = false;
  let whole = false;
  gone.signal.addEventListener('abort', () => {
    if (whole) return closeSoon(deps, duplex);
    upstream.destroy();
    duplex.destroy();
  });
  // A session may be cut as it begins, before Node's client listens to what it was given.
  duplex.once('close', () => {
    if (!answered)
      upstream.destroy(new TunnelerError('sockets.reset', 'the session ended before the service answered'));
  });
  upstream.on('response', (answer) => {
    answered = true;
    response.writeHead(answer.statusCode ?? 502, answer.statusMessage ?? '', endToEndHeaders(answer.rawHeaders, {}));
    answer.on('error', () => response.destroy());
    answer.once('end', () => {
      whole = true;
      // What the client still sends of a request that is answered goes nowhere, so that its next one can be read.
      request.unpipe(upstream);
      request.resume();
      duplex.end();
    });
    answer.pipe(response);
  });
  upstream.on('error', (error) => {
    if (whole) return;
    if (response.headersSent) response.destroy();
    else refuse(response, refusalOf(socketError(error)));
  });
  request.pipe(upstream);
}

/** Our end was told; a service that does not tell its own within `lingerMs` is let go of. */
function closeSoon({ clock }: RouteDeps, duplex: Duplex): void {
  if (duplex.closed) return;
  const timer = clock.after(lingerMs, () => duplex.destroy());
  duplex.once('close', () => timer[Symbol.dispose]());
}

/** HTTP/2 in clear text may be passed over and the request answered as it is (RFC 9110 section 7.8); a websocket would only fail later. */
function asksForAnotherProtocol({ headers }: IncomingMessage): boolean {
  const named = /(^|[,\s])upgrade([,\s]|$)/i.test(headers.connection ?? '');
  return named && headers.upgrade !== undefined && !/^h2c$/i.test(headers.upgrade.trim());
}

function refuseUpgrade(response: ServerResponse): void {
  const reason: Reason = {
    code: 'base.unsupported',
    sentence: 'a proxied request cannot change to another protocol',
    next: 'use CONNECT for it, as for https and wss',
  };
  const { headers, body } = httpRefusal({ reason, answer: 'prohibited' });
  response.writeHead(501, { ...headers, Connection: 'close' });
  response.end(body);
}

function refuse(response: ServerResponse, refusal: Refusal): void {
  if (response.headersSent || response.destroyed) return;
  const { status, headers, body } = httpRefusal(refusal);
  // The request's body was not read, so nothing else can follow on this connection.
  response.writeHead(status, { ...headers, Connection: 'close' });
  response.end(body);
}

function refuseMalformed(listener: HttpListener, error: Error & { code?: string }, socket: Socket): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
  listener.take(socket).finish(encodeHead(status, { Connection: 'close', 'Content-Length': '0' }));
}

/** `http://host[:port]/path`; other schemes and origin form are none of ours. */
function parseTarget(url: string): { destination: Destination; host: string; path: string } | undefined {
  const match = /^http:\/\/([^/?#]+)([^#]*)/i.exec(url);
  const authority = match?.[1]?.replace(/^.*@/, '');
  const destination = authority === undefined ? undefined : parseAuthority(authority, 80);
  if (authority === undefined || destination === undefined) return undefined;
  const rest = match?.[2] ?? '';
  return { destination, host: authority, path: rest.startsWith('/') ? rest : `/${rest}` };
}

/** `host:port` or `[v6]:port`; the port may be missing where there is a default. */
export function parseAuthority(authority: string, defaultPort: number | undefined): Destination | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(authority);
  const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
  if (match === null || port === undefined || port < 1 || port > 65535) return undefined;
  const address = canonicalAddress(match[1] ?? match[2] ?? '');
  if (address !== undefined) return { address, port };
  const hostname = match[2] === undefined ? undefined : canonicalName(match[2]);
  return hostname === undefined ? undefined : { hostname, port };
}
