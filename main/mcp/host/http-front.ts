/**
 * What answers messages behind streamable HTTP, without a port: connections are handed in. One process (or what stands for it) a session;
 * callers without sessions (2026-07-28) have one a caller for as long as it is connected.
 * Source: modelcontextprotocol.io, "Transports", revisions 2025-03-26 to 2026-07-28.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { errorText, ownVersion, readMessages, type Message, type RpcId } from '../bridge/rpc.ts';
import { PeerSession, type OpenPeer, type Sink } from './peer-session.ts';

/** Who answers a new session, and who is told what goes wrong. */
export interface HttpFrontDeps {
  /** What answers a new session of this caller. */
  readonly open: (caller: string) => OpenPeer;
  readonly complain: (text: string) => void;
  /** The front has a port of this machine: what a browser was led to by another's page is refused. */
  readonly local?: true;
}

/** It, at work; disposing ends every session and connection. */
export interface HttpFront extends Disposable {
  /** Serve a connection of this caller; it belongs to the front from here on. */
  accept(socket: Duplex, caller: string): void;
}

interface Held {
  readonly caller: string;
  readonly session: PeerSession;
}

const maxBodyBytes = 64 * 1024 * 1024;
/** Processes at a time; beyond, a new session is refused. */
const maxSessions = 256;
const sessionHeader = 'mcp-session-id';
const callerKey = Symbol('caller');

/** Make one that has no connection yet. */
export function openHttpFront(deps: HttpFrontDeps): HttpFront {
  const held = new Map<string, Held>();
  const connections = new Map<string, number>();

  const start = (key: string, caller: string): PeerSession | undefined => {
    if (held.size >= maxSessions) return undefined;
    const session: PeerSession = new PeerSession(deps.open(caller), () => held.delete(key));
    held.set(key, { caller, session });
    return session;
  };
  const end = (key: string): void => {
    const one = held.get(key);
    held.delete(key);
    one?.session[Symbol.dispose]();
  };

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (deps.local === true && !isLocal(request))
      return refuse(response, 403, -32_600, 'this place is for programs of this machine');
    const caller = (request.socket as unknown as { [callerKey]?: string })[callerKey] ?? '';
    const key = String(request.headers[sessionHeader] ?? '');
    // Another caller's session is as unknown to this one as none.
    const known = held.get(key)?.caller === caller ? held.get(key) : undefined;
    if (request.method === 'DELETE') {
      if (known !== undefined) end(key);
      response.writeHead(known === undefined ? 404 : 200).end();
    } else if (request.method === 'GET' && known !== undefined) listen(known.session, response);
    else if (request.method === 'GET') response.writeHead(key === '' ? 405 : 404).end();
    else if (request.method === 'POST') await post(request, response, { caller, key, known });
    else response.writeHead(405).end();
  };

  const post = async (
    request: IncomingMessage,
    response: ServerResponse,
    { caller, key, known }: { readonly caller: string; readonly key: string; readonly known: Held | undefined },
  ): Promise<void> => {
    const messages = readMessages(await bodyOf(request));
    const [message] = messages ?? [];
    if (message === undefined || messages?.length !== 1)
      return refuse(response, 400, -32_600, 'one message of JSON-RPC 2.0 was expected');
    let session = known?.session;
    const headers: Record<string, string> = {};
    if (message.method === 'initialize') {
      const made = randomUUID();
      session = start(made, caller);
      headers[sessionHeader] = made;
    } else if (ownVersion(message) !== undefined || (key === '' && held.has(statelessKey(caller)))) {
      session = held.get(statelessKey(caller))?.session ?? start(statelessKey(caller), caller);
    } else if (session === undefined) return refuse(response, key === '' ? 400 : 404, -32_001, 'Session not found');
    if (session === undefined) return refuse(response, 503, -32_000, 'too many sessions are open');
    if (message.kind !== 'request') {
      session.tell(message);
      response.writeHead(202).end();
      return;
    }
    askProgram(session, message as Message & { readonly id: RpcId }, response, headers);
  };

  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => {
      deps.complain(String(error));
      if (!response.headersSent) refuse(response, 400, -32_700, 'the request cannot be read');
      else response.destroy();
    });
  });
  server.requestTimeout = 0;
  server.timeout = 0;

  return {
    accept(socket, caller) {
      Object.assign(socket, { [callerKey]: caller });
      connections.set(caller, (connections.get(caller) ?? 0) + 1);
      socket.once('close', () => {
        const left = (connections.get(caller) ?? 1) - 1;
        if (left > 0) return void connections.set(caller, left);
        connections.delete(caller);
        end(statelessKey(caller));
      });
      server.emit('connection', socket);
    },
    [Symbol.dispose]() {
      for (const key of [...held.keys()]) end(key);
      server.closeAllConnections();
    },
  };
}

const localHost = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i;

/** By the names a browser gives: of where it goes, and of whose page sends it. */
function isLocal({ headers }: IncomingMessage): boolean {
  const { host = '', origin } = headers;
  return localHost.test(host) && (origin === undefined || localHost.test(origin.replace(/^https?:\/\//i, '')));
}

/** No session id of ours looks like it. */
function statelessKey(caller: string): string {
  return `caller ${caller}`;
}

/** The answer as one document, unless something comes before it: then all of it as a stream. */
function askProgram(
  session: PeerSession,
  message: Message & { readonly id: RpcId },
  response: ServerResponse,
  headers: Readonly<Record<string, string>>,
): void {
  const sink: Sink = {
    message(text) {
      if (!response.headersSent) response.writeHead(200, { ...headers, ...streamHeaders });
      response.write(eventOf(text));
    },
    answer(text) {
      if (response.headersSent) {
        response.end(eventOf(text));
        return;
      }
      response.writeHead(200, { ...headers, 'content-type': 'application/json' }).end(text);
    },
  };
  let called = false;
  const number = session.ask(message, sink);
  response.once('finish', () => (called = true));
  response.once('close', () => {
    // Without a handshake this is how a request is called off; with one its answer may be asked for no more either.
    if (!called) session.callOff(number);
  });
}

function listen(session: PeerSession, response: ServerResponse): void {
  response.writeHead(200, streamHeaders);
  response.flushHeaders();
  const sink: Sink = { message: (text) => void response.write(eventOf(text)), answer: () => undefined };
  session.listen(sink);
  response.once('close', () => session.listen(undefined));
}

const streamHeaders = { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' } as const;

function eventOf(text: string): string {
  return `event: message\ndata: ${text}\n\n`;
}

function refuse(response: ServerResponse, status: number, code: number, message: string): void {
  const body = JSON.parse(errorText(0, message)) as { error: object };
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ ...body, id: null, error: { ...body.error, code } }));
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    if (bytes > maxBodyBytes) throw new RangeError('a message is too large');
  }
  return Buffer.concat(chunks).toString('utf8');
}
