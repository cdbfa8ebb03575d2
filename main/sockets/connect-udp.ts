/** A connected UDP socket as a datagram ByteStream. */
import { createSocket } from 'node:dgram';
import type { RemoteInfo, Socket } from 'node:dgram';
import { isIP } from 'node:net';
import { defined } from '../base/defined.ts';
import { TunnelerError } from '../base/errors.ts';
import type { ByteStream } from '../base/stream.ts';
import { addressesOf, type LookUp } from './address-race.ts';
import { DatagramFlow } from './datagram-flow.ts';
import { errnoOf, socketError } from './socket-error.ts';

/** Bytes that may wait in the socket before `write` asks to wait. */
const sendQueueBytes = 256 * 1024;

/** Where to, from where, and for how long to try. */
export interface ConnectUdpOptions {
  /** Name or address; a name is resolved by the system, and the first of its addresses there is a way to is taken. */
  readonly host: string;
  /** Another way to resolve names than the system's. */
  readonly lookUp?: LookUp;
  readonly port: number;
  readonly localAddress?: string;
  readonly localPort?: number;
  readonly signal?: AbortSignal;
  /**
   * The peer answers from a port of its own choosing, as TFTP does (RFC 1350 section 4): the first answer to a request names the port that the
   * conversation goes on with. Answers of other addresses are still none.
   */
  readonly answersFromNewPort?: boolean;
}

/**
 * A stream of datagrams to and from just this peer. Throws `sockets.unreachable`, `sockets.failed` or `base.cancelled`.
 * An ICMP "port unreachable" does not end it: with UDP the peer may well come back.
 */
export async function connectUdp(options: ConnectUdpOptions): Promise<ByteStream> {
  const target = `${options.host}:${options.port}`;
  let firstError: unknown;
  for (const address of await resolve(options)) {
    if (options.signal?.aborted === true) throw new TunnelerError('base.cancelled', `connect ${target}: given up`);
    const socket = createSocket(isIP(address) === 6 ? 'udp6' : 'udp4');
    try {
      if (options.answersFromNewPort === true) {
        // Bound, so that answers find it; not connected, or the system would drop them.
        await bind(socket, { localPort: 0, ...options });
        return converse(socket, address, options.port);
      }
      await bind(socket, options);
      await connect(socket, address, options.port);
      return carry(socket, (datagram, sent) => socket.send(datagram, sent));
    } catch (error) {
      // There may be no way to this family from here; the name has others.
      socket.close();
      firstError ??= error;
    }
  }
  throw socketError(firstError, `connect udp ${target}`);
}

async function resolve(options: ConnectUdpOptions): Promise<readonly string[]> {
  const family = options.localAddress === undefined ? 0 : isIP(options.localAddress);
  try {
    return await (options.lookUp === undefined
      ? addressesOf(options.host, family)
      : addressesOf(options.host, family, options.lookUp));
  } catch (error) {
    throw socketError(error, `resolve ${options.host}`);
  }
}

function bind(socket: Socket, options: Pick<ConnectUdpOptions, 'localAddress' | 'localPort'>): Promise<void> {
  const { localAddress, localPort } = options;
  if (localAddress === undefined && localPort === undefined) return Promise.resolve();
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ port: localPort ?? 0, ...defined({ address: localAddress }) }, () => {
      socket.off('error', reject);
      resolve();
    });
  });
}

function connect(socket: Socket, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.connect(port, address, (error?: Error) => {
      socket.off('error', reject);
      if (error === undefined || error === null) resolve();
      else reject(error);
    });
  });
}

/** TFTP's opcodes for the requests that begin a conversation, RFC 1350 section 5. */
const requestOpcodes: readonly number[] = [1, 2];

function converse(socket: Socket, address: string, port: number): ByteStream {
  let answering: number | undefined;
  return carry(
    socket,
    (datagram, sent) => {
      if (datagram[0] === 0 && requestOpcodes.includes(datagram[1] ?? 0)) answering = undefined;
      socket.send(datagram, answering ?? port, address, sent);
    },
    (from) => {
      if (from.address !== address) return false;
      answering ??= from.port;
      return from.port === answering;
    },
  );
}

type Send = (datagram: Uint8Array, sent: (error: Error | null) => void) => void;

/** `isPeer`: whose datagrams count; of a connected socket the system sees to it. */
function carry(socket: Socket, send: Send, isPeer: (from: RemoteInfo) => boolean = () => true): ByteStream {
  let full = false;
  const sent = (error: Error | null): void => {
    if (error !== null) onError(error);
    if (!full || socketIsClosed || socket.getSendQueueSize() > sendQueueBytes / 2) return;
    full = false;
    flow.drained();
  };
  let socketIsClosed = false;
  const flow = new DatagramFlow({
    send(datagram) {
      send(datagram, sent);
      full = socket.getSendQueueSize() >= sendQueueBytes;
      return !full;
    },
    closed() {
      socketIsClosed = true;
      socket.close();
    },
  });
  const onError = (error: Error): void => {
    // Nobody listens there just now, or one datagram was too big: neither ends a flow of datagrams.
    const errno = errnoOf(error);
    if (errno === 'ECONNREFUSED' || errno === 'EMSGSIZE' || errno === 'ENOBUFS' || errno === 'EHOSTUNREACH') return;
    flow.close(socketError(error));
  };
  socket.on('message', (datagram, from) => {
    if (isPeer(from)) flow.deliver(datagram);
  });
  socket.on('error', onError);
  return flow;
}
