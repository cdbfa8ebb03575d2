/** The demo's dark web service: one page, on a loopback port nobody is told of. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface DemoService extends AsyncDisposable {
  readonly port: number;
  /** Requests answered so far. */
  served(): number;
}

/** Listen on a free loopback port. */
export async function openWebService(): Promise<DemoService> {
  let served = 0;
  const server = createServer((request, response) => {
    served += 1;
    response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' });
    response.end(
      [
        'Hello from the dark.',
        `You asked for ${request.headers.host ?? 'nobody'}${request.url ?? '/'}.`,
        'This service has no public name, no address and no inbound port.',
        '',
      ].join('\n'),
    );
  });
  return listening(server, () => served);
}

/** A server on a free loopback port, as a disposable. */
export async function listening(server: ReturnType<typeof createServer>, served: () => number): Promise<DemoService> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    served,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
