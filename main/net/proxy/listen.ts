/** Listening on the host, on loopback unless told otherwise, with errors that say what to do. */
import type { AddressInfo, Server } from 'node:net';
import { defined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import type { Endpoint } from '../../base/flow.ts';
import { canonicalAddress, formatHostPort, isLoopback } from '../../base/ip.ts';
import { errnoOf } from '../../sockets/socket-error.ts';

/** Where to listen. */
export interface ListenAt {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

/** Connections that may wait to be accepted, as with flows from the TUN; the kernel caps it at net.core.somaxconn. Beyond it they are dropped. */
const backlog = 4096;

/**
 * Listen; the endpoint in use, once it is. Throws `net.listen_not_loopback`, `net.address_in_use` or `net.listen_failed`.
 * Whoever can reach the port borrows this device's reach, hence loopback unless `allowRemote`.
 */
export function listen(
  server: Server,
  at: ListenAt,
  options: { allowRemote?: boolean | undefined } = {},
): Promise<Endpoint> {
  const where = formatHostPort(at.host, at.port);
  if (options.allowRemote !== true && !isLoopback(at.host)) {
    return Promise.reject(
      new TunnelerError(
        'net.listen_not_loopback',
        `${where} can be reached from other machines, and they would borrow this device's access; listen on 127.0.0.1`,
        { details: { host: at.host, port: at.port } },
      ),
    );
  }
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => reject(listenError(error, where, at));
    server.once('error', onError);
    server.listen({ host: at.host, port: at.port, backlog }, () => {
      server.off('error', onError);
      const { address, port } = server.address() as AddressInfo;
      resolve({ address: canonicalAddress(address) ?? address, port });
    });
  });
}

function listenError(error: Error, where: string, at: ListenAt): TunnelerError {
  const errno = errnoOf(error);
  const details = defined({ host: at.host, port: at.port, errno });
  if (errno === 'EADDRINUSE') {
    return new TunnelerError(
      'net.address_in_use',
      `${where} is in use by another program; stop it, or choose another port (port 0 takes any free one)`,
      { cause: error, details },
    );
  }
  return new TunnelerError('net.listen_failed', `cannot listen on ${where}: ${error.message}`, {
    cause: error,
    details,
  });
}
