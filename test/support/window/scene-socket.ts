/** The scene's fake engine behind a socket of its own, as the shell and the command line meet one. */
import { chmod } from 'node:fs/promises';
import { createServer } from 'node:net';
import { LineSplitter } from '../../../main/api/lines.ts';
import type { FakeEngine } from '../fake-engine.ts';

/** Serve it to whoever may enter the socket's directory. */
export async function serveScene(engine: FakeEngine, socket: string): Promise<AsyncDisposable> {
  const clients = new Set<{ destroy(): void }>();
  const server = createServer((client) => {
    clients.add(client);
    const lines = new LineSplitter();
    const connection = engine.dispatcher.connect({ permission: 'administer', via: 'socket' }, (line) => {
      client.write(`${line}\n`);
    });
    client.on('data', (chunk: Buffer) => {
      for (const line of lines.push(chunk)) if (line.kind === 'line') connection.receive(line.text);
    });
    client.on('close', () => {
      clients.delete(client);
      connection.close();
    });
    client.on('error', () => connection.close());
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  await chmod(socket, 0o666);
  return {
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
