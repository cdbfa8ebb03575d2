/** The edge router: accepts clients over mutual TLS, joins their circuits, and cuts what is no longer allowed. */
import type { AddressInfo } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { TunnelerError } from '../../base/errors.ts';
import { DisposalStack } from '../../base/lifecycle.ts';
import { newId } from '../ids.ts';
import { RouterChannel } from './channel.ts';
import type { Circuit } from './circuit.ts';
import type { Client } from './client.ts';
import type { CircuitFacts, RouterContext, RouterParts } from './context.ts';
import { EdgeSession } from './edge-session.ts';
import { Terminators } from './terminators.ts';
import { judgeAll } from './revocation.ts';

/** Channels whose OIDC token has run out are found this often (openziti/ziti: router/state/manager.go). */
const tokenSweepMs = 5000;
/** At least so often within a session's life is it said that its channel is in use. */
const usesPerSession = 3;

/** A router's parts, where it listens, and who hears of what happens. */
export interface RouterOptions extends RouterParts {
  readonly host: string;
  readonly port: number;
  onCircuitOpened(circuit: Circuit, facts: CircuitFacts): void;
  onCircuitClosed(circuit: Circuit): void;
  onTerminatorsChanged(serviceId: string): void;
}

/** A listening router. Closing drops every channel. */
export interface EdgeRouterServer extends AsyncDisposable {
  readonly port: number;
  readonly context: RouterContext;
}

/** Listen. Rejects with `net.address_in_use` or `net.listen_failed`. */
export async function openRouter(options: RouterOptions): Promise<EdgeRouterServer> {
  const stack = new DisposalStack();
  const context = makeContext(options);
  const server = createServer(
    {
      cert: options.pki.serverChain('router'),
      key: options.pki.record.router.key,
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: ['ziti-edge'],
      handshakeTimeout: 5000,
    },
    (socket) => accept(context, socket),
  );
  // Clients that break off the handshake are no concern of anyone's.
  server.on('tlsClientError', (error) => options.log.debug('overlay.handshake_failed', { reason: error.message }));
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  stack.defer(async () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const client of [...context.clients]) client.channel.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  const port = await listen(server, options.host, options.port);
  stack.use(
    options.network.changes.subscribe(() => {
      judgeAll(context);
      for (const client of context.clients) client.networkChanged();
    }),
  );
  const sweepMs = Math.min(tokenSweepMs, options.network.apiSessionTimeoutMs / usesPerSession);
  stack.use(options.clock.every(sweepMs, () => sweepTokens(context)));
  return { port, context, [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose]() };
}

function makeContext(options: RouterOptions): RouterContext {
  const circuits = new Map<string, Circuit>();
  const clients = new Set<Client>();
  return {
    ...options,
    terminators: new Terminators(),
    circuits,
    clients,
    clientOpened: (client) => clients.add(client),
    clientClosed: (client) => clients.delete(client),
    circuitOpened(circuit, facts) {
      circuits.set(circuit.id, circuit);
      options.onCircuitOpened(circuit, facts);
    },
    circuitClosed(circuit) {
      circuits.delete(circuit.id);
      options.onCircuitClosed(circuit);
    },
    terminatorsChanged: (serviceId) => options.onTerminatorsChanged(serviceId),
    tokenUpdated(apiSessionId, expiresAt) {
      for (const client of clients) if (client.apiSession?.id === apiSessionId) client.tokenExpiresAt = expiresAt;
    },
  };
}

function accept(context: RouterContext, socket: TLSSocket): void {
  const isShown = socket.getPeerCertificate().raw !== undefined;
  if (!isShown) {
    // A real router ends this by TLS alert; without a verified chain Node cannot, so the connection just ends.
    socket.destroy();
    return;
  }
  const channel = new RouterChannel(socket, newId(12), context.clock, context.log);
  context.clientOpened(new EdgeSession(context, channel));
}

/** Channels whose token has run out are dropped without a word; those still open keep their legacy session alive. */
function sweepTokens(context: RouterContext): void {
  const now = context.clock.now();
  for (const client of [...context.clients]) {
    if (client.tokenExpiresAt <= now) client.channel.close();
    else if (client.apiSession !== undefined) context.network.sessionUsed(client.apiSession);
  }
}

function listen(server: ReturnType<typeof createServer>, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const code = cause.code === 'EADDRINUSE' ? 'net.address_in_use' : 'net.listen_failed';
      reject(new TunnelerError(code, `cannot listen on ${host}:${port}`, { cause, details: { host, port } }));
    });
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  });
}
