/** UDP sockets that ask all of a network by broadcast, and have the answers of whoever is there, as datagram ByteStreams. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import type { Clock } from '../base/clock.ts';
import { defined } from '../base/defined.ts';
import { TunnelerError } from '../base/errors.ts';
import type { ByteStream } from '../base/stream.ts';
import { DatagramFlow } from './datagram-flow.ts';
import { errnoOf, socketError } from './socket-error.ts';

/** Each reaches every machine of the network and is answered by all of them; people who search ask once in a few seconds. */
const questionsASecond = 4;

/** Whom to ask, what may be asked, and what of the answers is passed on. */
export interface AskEverybodyOptions {
  /** IPv4 broadcast address. */
  readonly address: string;
  readonly port: number;
  /** Where answers come to; all who ask share it. Absent: the system chooses. */
  readonly localPort?: number;
  /** What is sent for it, and nothing else is: a broadcast reaches every machine. Undefined for what is no question. */
  readonly question: (datagram: Uint8Array) => Uint8Array | undefined;
  /** Undefined for what is no answer. */
  readonly answer: (
    datagram: Uint8Array,
    from: { readonly address: string; readonly port: number },
  ) => Uint8Array | undefined;
  /** Told once, at its end, where some were not sent: no questions, or too many of them. */
  readonly dropped?: (datagrams: number) => void;
}

type Hear = (datagram: Uint8Array, from: RemoteInfo) => void;

interface Shared {
  readonly opening: Promise<Socket>;
  readonly flows: Map<DatagramFlow, Hear>;
  /** Those that wait for it to open included. */
  users: number;
}

/** All who ask: those whose answers come to the same port share one socket, or only the last to come would hear. */
export class Askers {
  readonly #clock: Clock;
  readonly #shared = new Map<number, Shared>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Open until it is ended. Throws `sockets.failed` and the like where the port cannot be had. */
  async ask(options: AskEverybodyOptions): Promise<ByteStream> {
    const { address, port, localPort } = options;
    const shared = this.#sharedAt(localPort);
    shared.users += 1;
    try {
      return this.#flow(options, shared, await shared.opening);
    } catch (error) {
      this.#leave(localPort, shared);
      throw socketError(error, `ask ${address}:${port}`);
    }
  }

  #sharedAt(localPort: number | undefined): Shared {
    const open = localPort === undefined ? undefined : this.#shared.get(localPort);
    if (open !== undefined) return open;
    const flows: Shared['flows'] = new Map();
    const shared = { opening: openSocket(localPort, flows), flows, users: 0 };
    if (localPort !== undefined) this.#shared.set(localPort, shared);
    return shared;
  }

  #flow(options: AskEverybodyOptions, shared: Shared, socket: Socket): ByteStream {
    const { address, port, localPort, question, answer } = options;
    let dropped = 0;
    let [secondBegan, asked] = [-Infinity, 0];
    const flow = new DatagramFlow({
      send: (datagram) => {
        const nowMs = this.#clock.monotonic();
        if (nowMs - secondBegan >= 1_000) [secondBegan, asked] = [nowMs, 0];
        const sent = asked < questionsASecond ? question(datagram) : undefined;
        if (sent === undefined) {
          dropped += 1;
          return true;
        }
        asked += 1;
        // Without somebody told, the socket would fail, and with it all who share it.
        socket.send(sent, port, address, (error) => {
          if (error !== null) flow.close(socketError(error));
        });
        return true;
      },
      closed: () => {
        shared.flows.delete(flow);
        this.#leave(localPort, shared, socket);
        if (dropped > 0) options.dropped?.(dropped);
      },
    });
    shared.flows.set(flow, (datagram, from) => {
      const told = answer(datagram, from);
      if (told !== undefined) flow.deliver(told);
    });
    return flow;
  }

  #leave(localPort: number | undefined, shared: Shared, socket?: Socket): void {
    shared.users -= 1;
    if (shared.users > 0) return;
    if (localPort !== undefined && this.#shared.get(localPort) === shared) this.#shared.delete(localPort);
    socket?.close();
  }
}

async function openSocket(localPort: number | undefined, flows: Shared['flows']): Promise<Socket> {
  const socket = createSocket('udp4');
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
    const errno = errnoOf(error);
    if (errno !== 'EADDRINUSE' || localPort === undefined) throw error;
    // Shared with a program of the host's, one of the two would go without its answers.
    const sentence = `another program of the host has UDP port ${localPort}, where the answers come to`;
    throw new TunnelerError('sockets.failed', sentence, { cause: error, details: { errno } });
  }
  socket.on('message', (datagram, from) => {
    // Each owns what it is told.
    for (const hear of [...flows.values()]) hear(Uint8Array.from(datagram), from);
  });
  socket.on('error', (error) => {
    for (const flow of [...flows.keys()]) flow.close(socketError(error));
  });
  return socket;
}
