/** A UDP socket that asks all of a network by broadcast, and has the answers of whoever is there, as a datagram ByteStream. */
import { createSocket } from 'node:dgram';
import { defined } from '../base/defined.ts';
import type { ByteStream } from '../base/stream.ts';
import { DatagramFlow } from './datagram-flow.ts';
import { socketError } from './socket-error.ts';

/** Whom to ask, what may be asked, and what of the answers is passed on. */
export interface AskEverybodyOptions {
  /** IPv4 broadcast address. */
  readonly address: string;
  readonly port: number;
  /** Where answers come to; shared with others of this host. Absent: the system chooses. */
  readonly localPort?: number;
  /** Nothing else is sent: a broadcast reaches every machine. */
  readonly isQuestion: (datagram: Uint8Array) => boolean;
  /** Undefined for what is no answer. */
  readonly answer: (
    datagram: Uint8Array,
    from: { readonly address: string; readonly port: number },
  ) => Uint8Array | undefined;
}

/** Open until it is ended. Throws `sockets.failed` and the like where the port cannot be had. */
export async function askEverybody(options: AskEverybodyOptions): Promise<ByteStream> {
  const { address, port, localPort, isQuestion, answer } = options;
  const socket = createSocket({ type: 'udp4', reuseAddr: localPort !== undefined });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(defined({ port: localPort }), () => {
        socket.off('error', reject);
        resolve();
      });
    });
    socket.setBroadcast(true);
  } catch (error) {
    socket.close();
    throw socketError(error, `ask ${address}:${port}`);
  }
  const flow = new DatagramFlow({
    send(datagram) {
      if (isQuestion(datagram)) socket.send(datagram, port, address);
      return true;
    },
    closed: () => socket.close(),
  });
  socket.on('message', (datagram, from) => {
    const told = answer(datagram, from);
    if (told !== undefined) flow.deliver(told);
  });
  socket.on('error', (error) => flow.close(socketError(error)));
  return flow;
}
