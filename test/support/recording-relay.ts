/** A loopback port that passes everything on to another and keeps what went there. */
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';

export interface RecordingRelay extends AsyncDisposable {
  readonly port: number;
  /** What arrived, a connection each. */
  readonly arrived: readonly Buffer[];
}

export async function openRecordingRelay(target: number): Promise<RecordingRelay> {
  const arrived: Buffer[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const index = arrived.push(Buffer.alloc(0)) - 1;
    const remote = createConnection({ host: '127.0.0.1', port: target });
    for (const one of [socket, remote]) {
      sockets.add(one);
      one.on('error', () => one.destroy()).on('close', () => sockets.delete(one));
    }
    socket.on('data', (chunk: Buffer) => (arrived[index] = Buffer.concat([arrived[index] ?? Buffer.alloc(0), chunk])));
    socket.pipe(remote).pipe(socket);
    socket.on('close', () => remote.destroy());
    remote.on('close', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    arrived,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
