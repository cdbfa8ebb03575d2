/**
 * The window in a browser: the built page and one WebSocket to the engine's dispatcher, on loopback.
 *
 * A person comes in with an address that works once; the browser then holds a cookie no script can read, and its tab a secret that no other
 * port sees. Every request is checked for the name it was sent to and the page that sent it before anything else, and who lets in or talks
 * to the engine for whose program it is.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { Clock } from '../base/clock.ts';
import { TunnelerError } from '../base/errors.ts';
import type { Endpoint } from '../base/flow.ts';
import { canonicalAddress, formatHostPort } from '../base/ip.ts';
import type { Log } from '../base/log.ts';
import type { Caller, Permission } from '../api/call.ts';
import type { Dispatcher } from '../api/dispatch.ts';
import { openAnswerDoor, type Questions } from './answer-door.ts';
import { Browsers, type Visitor } from './browsers.ts';
import { loadAssets, type Asset } from './assets.ts';
import { maxMessageBytes, serveWindow } from './engine-socket.ts';
import { passGate, spokenProtocol, tabSecret, tokenTarget, type Gate, type GateRequest } from './gate.ts';
import { refusalPage, securityHeaders } from './headers.ts';

/** Where it listens, what it serves, and the dispatcher behind it. */
export interface ConsoleDeps {
  /** Where to listen; port 0 takes a free one. The host must be a loopback address. */
  readonly listen: { readonly host: string; readonly port: number };
  /** The built window (`dist/app`). */
  readonly assetsDir: string;
  /** The engine's dispatcher: one call a window. */
  readonly connect: Dispatcher['connect'];
  /** What a window may do. Default `administer`: the address is handed only to who may. */
  readonly permission?: Permission;
  /** Further `name:port` (or plain names) browsers reach it under now, as when it is hosted as a dark service. Asked at each request. */
  readonly hosts?: (port: number) => readonly string[];
  /** Whose a connection is, by its ends; undefined for one that may not command the engine (a program of an agent, or nobody knows whose). */
  readonly visitorOf: (peer: Endpoint, own: Endpoint) => Promise<Visitor | undefined>;
  /** What links may answer. */
  readonly questions: Questions;
  readonly clock: Clock;
  readonly log: Log;
}

/** A console that is served; disposing closes every connection. */
export interface Console extends AsyncDisposable {
  readonly port: number;
  /**
   * A fresh address that lets one browser in, once, within ten minutes. `uids`: on this host only theirs. `host` is one of those it is known
   * by.
   */
  url(uids?: readonly number[], host?: string): string;
  /** An address that answers one question and lets nobody in, good until `endsAtMs` of the wall clock or the console's end. */
  answerUrl(id: string, endsAtMs: number, host?: string): string;
  /** Idempotent; open windows are told to go. */
  close(): Promise<void>;
}

const maxWindows = 32;
/** A browser's headers are far smaller; more is no browser. */
const maxHeaderBytes = 16 * 1024;
const goingAway = 1001;

const loopback = /^(127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1|localhost)$/;

/** Serve the window until closed. Throws `console.unavailable` without a built window, `net.listen_failed`, or `base.invalid` off loopback. */
export async function openConsole(deps: ConsoleDeps): Promise<Console> {
  const { clock, log } = deps;
  if (!loopback.test(deps.listen.host)) {
    throw new TunnelerError('base.invalid', `console.listen: expected a loopback address, got ${deps.listen.host}`);
  }
  const { page, files: assets } = await loadAssets(deps.assetsDir);
  const browsers = new Browsers(clock);
  const door = openAnswerDoor(deps);
  const caller: Caller = { permission: deps.permission ?? 'administer', via: 'console' };
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: maxMessageBytes,
    perMessageDeflate: false,
    handleProtocols: spokenProtocol,
  });
  const server = createServer({ maxHeaderSize: maxHeaderBytes, requestTimeout: 10_000, headersTimeout: 10_000 });
  const port = await listen(server, deps.listen);
  // cookies know no ports: two consoles on one address must not put out each other's
  const gate: Gate = { isOwnHost: ownHosts(deps, port), cookieName: `culvert-console-${port}` };

  const refuse = (response: ServerResponse, status: number, reason: string): void => {
    log.warn('console.refused', { status, reason });
    const body = refusalPage('This address is not, or no longer, good. Run “culvert console” for a new one.');
    response.writeHead(status, { ...securityHeaders(), 'content-type': 'text/html; charset=utf-8' }).end(body);
  };

  const letIn = async (
    socket: Socket,
    response: ServerResponse,
    token: string,
    known: string | undefined,
  ): Promise<void> => {
    const visitor = await visitorOf(deps, socket);
    if (visitor === undefined) return refuse(response, 403, 'visitor');
    const entered = browsers.enter(token, visitor, known);
    if (entered === undefined) return refuse(response, 403, 'token');
    const cookie = `${gate.cookieName}=${entered.cookie}; HttpOnly; SameSite=Strict; Path=/`;
    response.setHeader('set-cookie', cookie);
    return sendAsset(response, { ...page, body: withTab(page.body, entered.tab) }, false);
  };

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if ((await visitorOf(deps, request.socket)) === undefined) return refuse(response, 403, 'visitor');
    return door.serve(request, response);
  };

  server.on('request', (request, response) => {
    const verdict = passGate(gate, gateRequest(request), false);
    if (verdict.kind === 'answer') {
      void answer(request, response).catch(() => response.destroy());
      return undefined;
    }
    request.resume();
    if (verdict.kind === 'refuse') return refuse(response, verdict.status, verdict.reason);
    if (verdict.kind === 'token') {
      void letIn(request.socket, response, verdict.token, verdict.secret);
      return undefined;
    }
    if (!browsers.isKnown(verdict.secret)) return refuse(response, 401, 'cookie');
    const asset = verdict.path === '/' ? page : assets.get(verdict.path);
    if (asset === undefined) return refuse(response, 404, 'path');
    return sendAsset(response, asset, request.method === 'HEAD');
  });

  server.on('upgrade', (request, socket, head) => {
    const verdict = passGate(gate, gateRequest(request), true);
    if (verdict.kind !== 'path' || verdict.path !== '/engine') {
      return refuseUpgrade(socket, verdict.kind === 'refuse' ? verdict.status : 404, log);
    }
    const tab = tabSecret(request.headers['sec-websocket-protocol']);
    return void talk(request, socket, head, verdict.secret, tab);
  });

  const talk = async (
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    cookie: string | undefined,
    tab: string | undefined,
  ): Promise<void> => {
    socket.on('error', () => socket.destroy());
    const visitor = await visitorOf(deps, request.socket);
    if (visitor === undefined) return refuseUpgrade(socket, 403, log);
    if (!browsers.mayTalk(cookie, tab, visitor)) return refuseUpgrade(socket, 401, log);
    if (sockets.clients.size >= maxWindows) return refuseUpgrade(socket, 429, log);
    return sockets.handleUpgrade(request, socket, head, (window) => serveWindow(window, caller, deps.connect, clock));
  };

  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= shut(server, sockets);
    return closing;
  };
  const own = formatHostPort(deps.listen.host, port);
  return {
    port,
    url: (uids, host = own) => `http://${host}${tokenTarget(browsers.invite(uids))}`,
    answerUrl: (id, endsAtMs, host = own) => `http://${host}${door.target(id, endsAtMs)}`,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Whose connection it is; one that is gone by now is nobody's. */
async function visitorOf(deps: ConsoleDeps, socket: Socket): Promise<Visitor | undefined> {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  if (remoteAddress === undefined || localAddress === undefined) return undefined;
  const at = (address: string, port = 0): Endpoint => ({ address: canonicalAddress(address) ?? address, port });
  return deps.visitorOf(at(remoteAddress, remotePort), at(localAddress, localPort));
}

/** The page with its tab's secret in it; a page without a head has nowhere to put it, and its window stays outside. */
function withTab(body: Buffer, tab: string): Buffer {
  const html = body.toString('utf8');
  return Buffer.from(html.replace(/<\/head>|<title>/i, (mark) => `<meta name="culvert-tab" content="${tab}">${mark}`));
}

function ownHosts(deps: ConsoleDeps, port: number): Gate['isOwnHost'] {
  const listened = deps.listen.host.includes(':') ? [] : [`${deps.listen.host}:${port}`];
  const own = new Set([`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`, ...listened]);
  return (host) => own.has(host) || deps.hosts?.(port).some((name) => name.toLowerCase() === host) === true;
}

function gateRequest(request: IncomingMessage): GateRequest {
  const fetchDest = request.headers['sec-fetch-dest'];
  return {
    method: request.method ?? '',
    target: request.url ?? '',
    host: request.headers.host,
    origin: request.headers.origin,
    cookie: request.headers.cookie,
    fetchDest: typeof fetchDest === 'string' ? fetchDest : undefined,
  };
}

function sendAsset(response: ServerResponse, asset: Asset, headOnly: boolean): void {
  const caching = asset.immutable ? { 'cache-control': 'private, max-age=31536000, immutable' } : {};
  response.writeHead(200, {
    ...securityHeaders(),
    ...caching,
    'content-type': asset.type,
    'content-length': asset.body.length,
  });
  response.end(headOnly ? undefined : asset.body);
}

const upgradeReasons: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  429: 'Too Many Requests',
};

function refuseUpgrade(socket: Duplex, status: number, log: Log): void {
  log.warn('console.refused', { status, reason: 'upgrade' });
  socket.on('error', () => socket.destroy());
  socket.end(`HTTP/1.1 ${status} ${upgradeReasons[status] ?? ''}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

function listen(server: Server, at: ConsoleDeps['listen']): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      reject(new TunnelerError('net.listen_failed', `console.listen: ${error.message}`, { cause: error }));
    });
    server.listen(at.port, at.host, () => resolve((server.address() as AddressInfo).port));
  });
}

async function shut(server: Server, sockets: WebSocketServer): Promise<void> {
  for (const window of sockets.clients) {
    window.close(goingAway);
    window.terminate();
  }
  sockets.close();
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
}
