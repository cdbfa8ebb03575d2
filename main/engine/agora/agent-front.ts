/**
 * What callers of an offered agent meet: HTTP on connections that are handed in, nothing listens. The card is answered here, signed; what is
 * said to the agent goes on to the process that offers it, as it came.
 */
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { duplexPair, type Duplex } from 'node:stream';
import { isDeepStrictEqual } from 'node:util';
import type { Card } from '../../agora/card.ts';
import type { Log } from '../../base/log.ts';
import type { HostedRequest } from '../../hosting/hosting.ts';
import { isCardPath } from '../../guard/a2a/methods.ts';
import { rpcError, rpcErrors } from '../../guard/mcp/rpc.ts';

/** The card, and the way to the agent itself. */
export interface AgentFrontDeps {
  /** The card for whoever calls, found at this URL. */
  readonly card: (url: string, request: HostedRequest) => Promise<Card>;
  /** What is in force for whoever calls. Throws where nothing is: then nobody is let through. */
  readonly contract: (request: HostedRequest) => object;
  /** Where the agent's own endpoint is on its server: the path of its address. */
  readonly path: string;
  /** A connection to the agent, for this caller. */
  readonly connect: (socket: Duplex, request: HostedRequest) => void;
  readonly log: Log;
}

/** The front of one offered agent; disposing cuts its callers off. */
export interface AgentFront extends Disposable {
  /** Serve a connection of this caller; it belongs to the front from here on. */
  accept(socket: Duplex, request: HostedRequest): void;
}

/** Between two neighbours only. Source: RFC 9110 section 7.6.1. */
const ownHeaders: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
  'te',
  'trailer',
]);

interface Caller {
  readonly request: HostedRequest;
  /** Under which contract it came. */
  readonly contract: object;
}

/** Nothing is open until a connection is accepted. */
export function openAgentFront(deps: AgentFrontDeps): AgentFront {
  const callers = new WeakMap<object, Caller>();
  const open = new Set<Duplex>();
  const server = createServer((asked, answer) => {
    const caller = callers.get(asked.socket);
    if (caller === undefined) return void answer.destroy();
    // The guard of this connection was made for what was in force when it came.
    if (!isStillHeld(caller, deps)) {
      answer.setHeader('Connection', 'close');
      return refuse(answer, 503, 'The contract has changed: ask again on another connection');
    }
    serve(asked, answer, caller.request).catch((error: unknown) => {
      deps.log.warn('agora.failed', { error: String(error) });
      if (answer.headersSent) answer.destroy();
      else refuse(answer, 502, 'The agent did not answer');
    });
  });
  server.requestTimeout = 0;

  const serve = async (asked: IncomingMessage, answer: ServerResponse, caller: HostedRequest): Promise<void> => {
    const path = (asked.url ?? '/').split('?')[0] ?? '/';
    // The rest of the agent's server is nobody's business here.
    if (asked.method === 'POST' && asked.url === deps.path) return forward(asked, answer, caller);
    if (asked.method !== 'GET' || !isCardPath(path)) return refuse(answer, 404, 'There is nothing here but an agent');
    const card = await deps.card(`http://${hostOf(asked)}${deps.path}`, caller);
    const body = JSON.stringify(card);
    answer.writeHead(200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
    answer.end(body);
  };

  const forward = (asked: IncomingMessage, answer: ServerResponse, caller: HostedRequest): Promise<void> => {
    const [near, far] = duplexPair();
    deps.connect(far, caller);
    return new Promise((resolve, reject) => {
      const headers = Object.entries(asked.headers).filter(([name]) => !ownHeaders.has(name));
      const on = httpRequest({
        createConnection: () => near,
        method: 'POST',
        path: deps.path,
        headers: { ...Object.fromEntries(headers), connection: 'close' },
      });
      on.on('error', reject);
      on.on('response', (response) => {
        const shown = Object.entries(response.headers).filter(([name]) => !ownHeaders.has(name));
        answer.writeHead(response.statusCode ?? 502, Object.fromEntries(shown));
        answer.flushHeaders();
        response.on('error', reject);
        response.on('end', resolve);
        response.pipe(answer);
      });
      answer.on('close', () => {
        near.destroy();
        resolve();
      });
      asked.pipe(on);
    });
  };

  return {
    accept(socket, request) {
      callers.set(socket, { request, contract: deps.contract(request) });
      open.add(socket);
      socket.once('close', () => open.delete(socket));
      server.emit('connection', socket);
    },
    [Symbol.dispose]() {
      for (const socket of open) socket.destroy();
    },
  };
}

function isStillHeld({ request, contract }: Caller, deps: AgentFrontDeps): boolean {
  try {
    return isDeepStrictEqual(deps.contract(request), contract);
  } catch {
    // It says nothing of agents any more.
    return false;
  }
}

/** The name whoever asked calls it by; it stands in the card, so nothing but a name does. */
function hostOf({ headers }: IncomingMessage): string {
  const host = headers.host ?? '';
  return /^[A-Za-z0-9.-]+(?::\d{1,5})?$|^\[[0-9A-Fa-f:.]+\](?::\d{1,5})?$/.test(host) ? host : 'agent.invalid';
}

function refuse(answer: ServerResponse, status: number, message: string): void {
  const body = JSON.stringify(rpcError(null, rpcErrors.internal, message, []));
  answer.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
  answer.end(body);
}
