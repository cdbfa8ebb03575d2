/** The kernel's side of an intercepted TCP flow: a listener on the TUN's own address, to which released flows connect. */
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { TunnelerError } from '../../base/errors.ts';
import type { ByteStream } from '../../base/stream.ts';
import { tcpStream } from '../../sockets/tcp-stream.ts';

/** A connection as it was accepted. Exactly one of `open` and `reject` is called, once. */
export interface AcceptedConnection {
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Take it. `closed` is called once, when the socket is gone. */
  open(closed: () => void): ByteStream;
  /** Reset it: no flow of ours. */
  reject(): void;
}

export interface FlowListener extends AsyncDisposable {
  readonly address: string;
  readonly port: number;
}

/** Open a listener on this address, any port. Throws `net.listen_failed`. */
export type OpenListener = (address: string, accept: (connection: AcceptedConnection) => void) => Promise<FlowListener>;

/** Connections that may wait to be accepted; the kernel caps it at net.core.somaxconn. */
const backlog = 4096;

export const openKernelListener: OpenListener = async (address, accept) => {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, (socket) => {
    accept(acceptedConnection(socket));
  });
  const port = await listening(server, address);
  return {
    address,
    port,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
      }),
  };
};

function listening(server: Server, address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      reject(new TunnelerError('net.listen_failed', `cannot listen on ${address}: ${cause.message}`, { cause }));
    });
    server.listen({ host: address, port: 0, backlog }, () => {
      server.removeAllListeners('error');
      // An accept that fails (out of descriptors, say) costs that connection, which the accept time-out then ends.
      server.on('error', () => undefined);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

function acceptedConnection(socket: Socket): AcceptedConnection {
  // A socket that was reset before we looked has no remote end any more; it then matches no flow.
  const { remoteAddress = '', remotePort = 0 } = socket;
  return {
    remoteAddress,
    remotePort,
    open(closed) {
      socket.once('close', closed);
      if (socket.destroyed) queueMicrotask(closed);
      return tcpStream(socket);
    },
    reject() {
      socket.on('error', () => undefined);
      socket.resetAndDestroy();
    },
  };
}
