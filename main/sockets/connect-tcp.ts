/** Opening a TCP connection with a time limit, a chosen source address and an abort signal. */
import { connect, isIP } from 'node:net';
import type { Socket, TcpNetConnectOpts } from 'node:net';
import { TunnelerError } from '../base/errors.ts';
import type { Clock } from '../base/clock.ts';
import { socketError } from './socket-error.ts';

export interface ConnectTcpOptions {
  /** Name or address. A name is resolved by the system, its addresses tried in turn (RFC 8305). */
  readonly host: string;
  readonly port: number;
  readonly localAddress?: string;
  /** 0 or absent: the system chooses. */
  readonly localPort?: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
}

/**
 * A connected socket, paused, half-open allowed; the caller's from here on. Throws `sockets.refused`, `sockets.unreachable`,
 * `sockets.failed`, `base.timeout` or `base.cancelled`; nothing is left open then.
 */
export function connectTcp(options: ConnectTcpOptions): Promise<Socket> {
  const { host, port, signal } = options;
  const target = isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
  if (signal?.aborted === true) return Promise.reject(cancelled(target));
  return new Promise((resolve, reject) => {
    const family = options.localAddress === undefined ? 0 : isIP(options.localAddress);
    const settings: TcpNetConnectOpts = {
      host,
      port,
      allowHalfOpen: true,
      noDelay: true,
      ...(family === 0 ? {} : { localAddress: options.localAddress, family }),
      ...(options.localPort === undefined || options.localPort === 0 ? {} : { localPort: options.localPort }),
    };
    let socket: Socket;
    try {
      socket = connect(settings);
    } catch (error) {
      reject(socketError(error, `connect ${target}`));
      return;
    }
    const settle = (): void => {
      timer[Symbol.dispose]();
      signal?.removeEventListener('abort', onAbort);
      socket.off('connect', onConnect);
      socket.off('error', onError);
    };
    const fail = (error: TunnelerError): void => {
      settle();
      // Late errors of a socket that nobody holds any more are of no interest to anyone.
      socket.on('error', () => undefined);
      socket.destroy();
      reject(error);
    };
    const onConnect = (): void => {
      settle();
      socket.pause();
      resolve(socket);
    };
    const onError = (error: Error): void => fail(socketError(error, `connect ${target}`));
    const onAbort = (): void => fail(cancelled(target));
    const timer = options.clock.after(options.timeoutMs, () =>
      fail(new TunnelerError('base.timeout', `connect ${target}: no answer within ${options.timeoutMs} ms`)),
    );
    socket.once('connect', onConnect);
    socket.once('error', onError);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

function cancelled(target: string): TunnelerError {
  return new TunnelerError('base.cancelled', `connect ${target}: given up`);
}
