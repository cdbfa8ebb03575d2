/** A simulated machine's socket: frames of a protocol that says in its header how long each is, answered one by one. */
import { createServer, type AddressInfo, type Socket } from 'node:net';

/** It listens on a free loopback port until it is disposed of. */
export interface FramedServer extends AsyncDisposable {
  readonly port: number;
}

/** `headerBytes` tell a frame's length in bytes by `lengthOf`; `answer` makes of a whole frame what goes back. */
export async function openFramedServer(protocol: {
  readonly headerBytes: number;
  readonly lengthOf: (held: Buffer) => number;
  readonly answer: (frame: Buffer) => Buffer;
}): Promise<FramedServer> {
  const { headerBytes, lengthOf, answer } = protocol;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    let held = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      held = Buffer.concat([held, chunk]);
      while (held.length >= headerBytes && held.length >= lengthOf(held)) {
        const frame = held.subarray(0, lengthOf(held));
        held = held.subarray(frame.length);
        socket.write(answer(frame));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
