/** A plain loopback port for one service: whoever connects reaches it, without speaking any proxy protocol. */
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import type { Admit, Endpoint } from '../../base/flow.ts';
import { canonicalAddress } from '../../base/ip.ts';
import type { Log } from '../../base/log.ts';
import { tcpStream } from '../../sockets/tcp-stream.ts';
import { ClientSocket } from './client-socket.ts';
import { dialledGuests, Guests, type GuestsDeps } from './guests.ts';
import { listen } from './listen.ts';
import type { ListenAt } from './listen.ts';
import { encodeHttpRefusal } from './refusal.ts';
import { openRoute } from './route.ts';
import type { RouteDeps } from './route.ts';

/** Which service, where, and who lets in. */
export interface ForwardDeps {
  readonly service: string;
  readonly listen: ListenAt;
  readonly admit: Admit;
  readonly clock: Clock;
  readonly log: Log;
  /** How a refused connection learns of it: by a reset (default), or by an HTTP answer that says why. */
  readonly refusals?: 'reset' | 'http';
  /** Also listen where other machines can reach it. Default false. */
  readonly allowRemote?: boolean;
  /** Whose connections they are, so that one user's do not keep another's out. */
  readonly guests?: GuestsDeps;
}

/** A port that is open; disposing closes it. */
export interface Forward extends AsyncDisposable {
  readonly service: string;
  readonly endpoint: Endpoint;
}

/**
 * Listen and serve until disposed or aborted; joined sessions are their owner's. A refused connection is reset, or told why: the kernel had
 * accepted it before anyone could ask. Throws `net.address_in_use`, `net.listen_failed` or `net.listen_not_loopback`.
 */
export async function openForward(
  deps: ForwardDeps,
  options: { readonly signal?: AbortSignal } = {},
): Promise<Forward> {
  const route: RouteDeps = { admit: deps.admit, clock: deps.clock, log: deps.log, passThrough: false };
  const waiting = new Set<Socket>();
  const guests = new Guests(deps.guests ?? {}, dialledGuests);
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    // Each is dialled at once: none of them is idle, so beyond its user's places it is closed.
    if (!guests.hold(socket, () => false)) return;
    waiting.add(socket);
    void serve(route, deps, socket).finally(() => {
      waiting.delete(socket);
      guests.release(socket);
    });
  });
  const endpoint = await listen(server, deps.listen, { allowRemote: deps.allowRemote });
  deps.log.info('forward.listening', { service: deps.service, ...endpoint });
  const close = (): Promise<void> => {
    server.close();
    for (const socket of waiting) socket.resetAndDestroy();
    return Promise.resolve();
  };
  options.signal?.addEventListener('abort', () => void close(), { once: true });
  if (options.signal?.aborted === true) await close();
  return { service: deps.service, endpoint, [Symbol.asyncDispose]: close };
}

async function serve(
  deps: RouteDeps,
  { service, refusals }: Pick<ForwardDeps, 'service' | 'refusals'>,
  socket: Socket,
): Promise<void> {
  const gone = new AbortController();
  const onGone = (): void => gone.abort();
  socket.on('error', onGone);
  socket.on('close', onGone);
  const at = { address: canonicalAddress(socket.localAddress ?? '') ?? '', port: socket.localPort ?? 0 };
  const source = { address: canonicalAddress(socket.remoteAddress ?? '') ?? '', port: socket.remotePort ?? 0 };
  const flow = { entry: 'forward', protocol: 'tcp', source, via: at, destination: at, service } as const;
  const route = await openRoute(deps, flow, gone.signal);
  if (route.kind === 'refused') {
    deps.log.info('forward.refused', { service, code: route.reason.code });
    if (refusals === 'http') new ClientSocket(socket, deps.clock).finish(encodeHttpRefusal(route));
    else socket.resetAndDestroy();
    return;
  }
  if (gone.signal.aborted) {
    route.abandon();
    return;
  }
  const stream = tcpStream(socket);
  socket.off('error', onGone);
  socket.off('close', onGone);
  route.join(stream);
}
