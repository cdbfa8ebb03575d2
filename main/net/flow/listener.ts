/** The kernel's side of an intercepted TCP flow: a listener on the TUN's own address, to which released flows connect. */
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { loadNative } from 'node-tun';
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

/** A listener that is open; disposing closes it. */
export interface FlowListener extends AsyncDisposable {
  readonly address: string;
  readonly port: number;
}

/** Open a listener on this address, any port. Throws `net.listen_failed`. */
export type OpenListener = (address: string, accept: (connection: AcceptedConnection) => void) => Promise<FlowListener>;

/** Connections that may wait to be accepted; the kernel caps it at net.core.somaxconn. */
const backlog = 4096;

/**
 * Listeners that only `device` reaches: by default a host answers on every interface for every address it has (RFC 1122 section 3.3.4.2, the
 * "weak ES model"), and a neighbour with a route would complete handshakes with us. Where the platform cannot bind a socket to an interface
 * the listener is a plain one.
 */
export function kernelListener(device: string): OpenListener {
  return async (address, accept) => {
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, (socket) => {
      accept(acceptedConnection(socket));
    });
    const port = await listening(server, address, device);
    return {
      address,
      port,
      [Symbol.asyncDispose]: () =>
        new Promise((resolve) => {
          server.close(() => resolve());
        }),
    };
  };
}

function listening(server: Server, address: string, device: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const failed = (cause: Error): void =>
      reject(new TunnelerError('net.listen_failed', `cannot listen on ${address}: ${cause.message}`, { cause }));
    server.once('error', failed);
    const ready = (): void => {
      server.removeAllListeners('error');
      // An accept that fails (out of descriptors, say) costs that connection, which the accept time-out then ends.
      server.on('error', () => undefined);
      resolve((server.address() as AddressInfo).port);
    };
    const found = loadNative();
    if (process.platform !== 'linux' || !found.ok) {
      server.listen({ host: address, port: 0, backlog }, ready);
      return;
    }
    try {
      server.listen({ fd: found.native.listenOnDevice(address, device, backlog), backlog }, ready);
    } catch (error) {
      failed(error as Error);
    }
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
