/** How a controller is connected to: TLS to the first of the controller's addresses that answers, sessions taken up again where the controller lets them. */
import { isIP } from 'node:net';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { defined } from '../../base/defined.ts';
import { addressesOf, firstToConnect } from '../../sockets/address-race.ts';
import { connectTimedOut } from './transport-error.ts';

/** A secured socket to a name and port, or an error with the code of what failed. */
export type SecureConnector = (host: string, port: number) => Promise<TLSSocket>;

/** A connector that takes up its last session again. */
export function secureConnector(options: ConnectionOptions, timeoutMs: number): SecureConnector {
  let session: Buffer | undefined;
  const begin = (host: string, address: string, port: number): TLSSocket => {
    const socket = connect({
      ...options,
      host: address,
      port,
      ALPNProtocols: ['http/1.1'],
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...defined({ session }),
    });
    socket.setNoDelay(true);
    socket.on('session', (fresh: Buffer) => (session = fresh));
    return socket;
  };
  return async (host, port) => {
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      const addresses = await addressesOf(host);
      return await secured(
        await firstToConnect(addresses, (address) => begin(host, address, port), { signal }),
        signal,
      );
    } catch (error) {
      session = undefined;
      if (!signal.aborted) throw error;
      throw Object.assign(new Error('the connection was not taken in time'), { code: connectTimedOut });
    }
  };
}

function secured(socket: TLSSocket, signal: AbortSignal): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      signal.removeEventListener('abort', onAbort);
      socket.off('error', fail);
      socket.off('secureConnect', onSecure);
    };
    const fail = (error: unknown): void => {
      settle();
      // Late errors of a socket that nobody holds any more are of no interest to anyone.
      socket.on('error', () => undefined);
      socket.destroy();
      reject(error);
    };
    const onAbort = (): void => fail(signal.reason);
    const onSecure = (): void => {
      settle();
      resolve(socket);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('error', fail);
    socket.once('secureConnect', onSecure);
  });
}
