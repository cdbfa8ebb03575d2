/** The entry without a TUN: SOCKS5 and HTTP on one loopback port, told apart by the first byte. */
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import type { Admit, Endpoint } from '../../base/flow.ts';
import { DisposalStack } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';
import { ClientSocket } from './client-socket.ts';
import { askingGuests, Guests, type GuestsDeps } from './guests.ts';
import { createHttpProxy } from './http-proxy.ts';
import { listen } from './listen.ts';
import type { ListenAt } from './listen.ts';
import type { RouteDeps } from './route.ts';
import { serveSocks5 } from './socks5.ts';
import { socksVersion } from './socks5-messages.ts';

/** From the connection to the end of its first request. */
const handshakeTimeoutMs = 10_000;
/** "Request rejected" of SOCKS 4, the one thing its clients understand. */
const socks4Rejected = Buffer.of(0, 0x5b, 0, 0, 0, 0, 0, 0);

/** Where it listens, and who lets in. */
export interface ProxyDeps {
  readonly listen: ListenAt;
  readonly admit: Admit;
  readonly clock: Clock;
  readonly log: Log;
  /** Connect to destinations that are none of ours directly. Default false: they are refused with the reason. */
  readonly passThrough?: boolean;
  /** Also listen where other machines can reach it. Default false. */
  readonly allowRemote?: boolean;
  /** Whose connections they are, so that one user's do not keep another's out. */
  readonly guests?: GuestsDeps;
}

/** The proxy while it is open; disposing closes it. */
export interface Proxy extends AsyncDisposable {
  /** Where it listens. */
  readonly endpoint: Endpoint;
}

/**
 * Listen and serve until disposed or aborted; then handshakes and associations end, joined sessions are their owner's.
 * Throws `net.address_in_use`, `net.listen_failed` or `net.listen_not_loopback`.
 */
export async function openProxy(deps: ProxyDeps, options: { readonly signal?: AbortSignal } = {}): Promise<Proxy> {
  const { clock, log } = deps;
  const route: RouteDeps = { admit: deps.admit, clock, log, passThrough: deps.passThrough ?? false };
  const clients = new Set<ClientSocket>();
  /** Connections of the HTTP side, with the limit on their next request while one is awaited. */
  const httpSockets = new Map<Socket, Disposable | undefined>();
  const owned = new DisposalStack();
  const guests = new Guests(deps.guests ?? {}, askingGuests);

  const take = (socket: Socket, early?: Buffer): ClientSocket => {
    const client: ClientSocket = new ClientSocket(socket, clock, {
      ...defined({ early }),
      onDone: () => {
        clients.delete(client);
        guests.release(socket);
      },
    });
    if (!socket.destroyed) clients.add(client);
    limitRequest(socket, undefined);
    httpSockets.delete(socket);
    return client;
  };
  const limitRequest = (socket: Socket, timeoutMs: number | undefined): void => {
    httpSockets.get(socket)?.[Symbol.dispose]();
    if (socket.destroyed || !httpSockets.has(socket)) return;
    httpSockets.set(socket, timeoutMs === undefined ? undefined : clock.after(timeoutMs, () => socket.destroy()));
  };
  const http = createHttpProxy(route, {
    take,
    requestRead: (socket) => limitRequest(socket, undefined),
    requestAwaited: limitRequest,
  });
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on('error', () => undefined);
    const held: { client?: ClientSocket } = {};
    if (!guests.hold(socket, () => held.client?.isAwaited ?? true)) {
      log.warn('proxy.overloaded', { pending: clients.size });
      return;
    }
    const client = (held.client = take(socket));
    client.limit(handshakeTimeoutMs);
    serve(client).catch((error: unknown) => {
      log.error('proxy.client_failed', { error: String(error) });
      client.destroy();
    });
  });

  const serve = async (client: ClientSocket): Promise<void> => {
    const first = await client.peek();
    if (first === socksVersion) return serveSocks5(route, client);
    if (first === 4) return client.finish(socks4Rejected);
    if (first === undefined || first < 0x41 || first > 0x5a) return client.destroy();
    const socket = client.release();
    httpSockets.set(socket, undefined);
    limitRequest(socket, handshakeTimeoutMs);
    // It has a time limit while a request of it is awaited, and only then.
    if (!guests.hold(socket, () => httpSockets.get(socket) !== undefined)) return;
    socket.once('close', () => {
      limitRequest(socket, undefined);
      httpSockets.delete(socket);
    });
    http.emit('connection', socket);
    socket.resume();
  };

  owned.defer(() => {
    for (const socket of httpSockets.keys()) socket.destroy();
    for (const client of clients) client.destroy();
  });
  owned.defer(
    () =>
      new Promise<void>((resolve) => {
        // Joined sockets still count as the server's connections and may live on: only the listening ends here.
        server.close();
        resolve();
      }),
  );
  const endpoint = await listen(server, deps.listen, { allowRemote: deps.allowRemote });
  log.info('proxy.listening', { ...endpoint });
  const close = (): Promise<void> => owned[Symbol.asyncDispose]();
  options.signal?.addEventListener('abort', () => void close(), { once: true });
  if (options.signal?.aborted === true) await close();
  return { endpoint, [Symbol.asyncDispose]: close };
}
