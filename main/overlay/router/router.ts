/** The edge router: accepts clients over mutual TLS, joins their circuits, and cuts what is no longer allowed. */
import type { AddressInfo } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import type { Clock } from '../../base/clock.ts';
import { TunnelerError } from '../../base/errors.ts';
import { DisposalStack } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';
import { newId } from '../ids.ts';
import type { Network } from '../network.ts';
import type { OverlayRelease } from '../release.ts';
import type { Pki } from '../pki.ts';
import type { TokenSigner } from '../token.ts';
import { RouterChannel } from './channel.ts';
import type { Circuit } from './circuit.ts';
import { EdgeSession } from './edge-session.ts';
import { Terminators } from './terminators.ts';
import { judgeAll } from './revocation.ts';

/** Channels whose OIDC token has run out are found this often (openziti/ziti: router/state/manager.go). */
const tokenSweepMs = 5000;
/** At least so often within a session's life is it said that its channel is in use. */
const usesPerSession = 3;

/** A circuit as administrators see it. */
export interface CircuitFacts {
  readonly serviceId: string;
  readonly dialerId: string;
  readonly hostId: string;
}

export interface RouterOptions {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly network: Network;
  readonly pki: Pki;
  readonly signer: TokenSigner;
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  readonly release: OverlayRelease;
  /** A refused channel is dropped this long after its Hello. */
  readonly rejectDelayMs: number;
  onCircuitOpened(circuit: Circuit, facts: CircuitFacts): void;
  onCircuitClosed(circuit: Circuit): void;
  onTerminatorsChanged(serviceId: string): void;
}

/** What the files of this folder share. */
export interface RouterContext extends Omit<
  RouterOptions,
  'host' | 'port' | 'onCircuitOpened' | 'onCircuitClosed' | 'onTerminatorsChanged'
> {
  readonly terminators: Terminators;
  readonly circuits: ReadonlyMap<string, Circuit>;
  readonly sessions: ReadonlySet<EdgeSession>;
  sessionOpened(session: EdgeSession): void;
  sessionClosed(session: EdgeSession): void;
  circuitOpened(circuit: Circuit, facts: CircuitFacts): void;
  circuitClosed(circuit: Circuit): void;
  terminatorsChanged(serviceId: string): void;
  /** A session's token was replaced by one that lasts until then; on all its channels. */
  tokenUpdated(apiSessionId: string, expiresAt: number): void;
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
    for (const session of [...context.sessions]) session.channel.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  const port = await listen(server, options.host, options.port);
  stack.use(
    options.network.changes.subscribe(() => {
      judgeAll(context);
      for (const session of context.sessions) session.pushes?.networkChanged();
    }),
  );
  const sweepMs = Math.min(tokenSweepMs, options.network.apiSessionTimeoutMs / usesPerSession);
  stack.use(options.clock.every(sweepMs, () => sweepTokens(context)));
  return { port, context, [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose]() };
}

function makeContext(options: RouterOptions): RouterContext {
  const circuits = new Map<string, Circuit>();
  const sessions = new Set<EdgeSession>();
  return {
    ...options,
    terminators: new Terminators(),
    circuits,
    sessions,
    sessionOpened: (session) => sessions.add(session),
    sessionClosed: (session) => sessions.delete(session),
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
      for (const session of sessions) if (session.apiSession?.id === apiSessionId) session.tokenExpiresAt = expiresAt;
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
  context.sessionOpened(new EdgeSession(context, channel));
}

/** Channels whose token has run out are dropped without a word; those still open keep their legacy session alive. */
function sweepTokens(context: RouterContext): void {
  const now = context.clock.now();
  for (const session of [...context.sessions]) {
    if (session.tokenExpiresAt <= now) session.channel.close();
    else if (session.apiSession !== undefined) context.network.sessionUsed(session.apiSession);
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
