/** The demo's dark web service: one page and a stream that goes on, on a loopback port nobody is told of. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../../base/clock.ts';

/** An ordinary server on loopback that a demo makes dark. */
export interface DemoService extends AsyncDisposable {
  readonly port: number;
  /** Requests answered so far. */
  served(): number;
}

const streamPath = '/stream';
const streamEveryMs = 400;

/** Listen on a free loopback port. */
export async function openWebService(clock: Clock): Promise<DemoService> {
  let served = 0;
  const server = createServer((request, response) => {
    served += 1;
    if (request.url === streamPath) return stream(response, clock);
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

/** Lines of uneven length until the reader goes, as a log or a feed would have them. */
function stream(response: ServerResponse, clock: Clock): void {
  response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' });
  let line = 0;
  const timer = clock.every(streamEveryMs, () => {
    line += 1;
    response.write(`${line} ${'~'.repeat(400 + Math.round(300 * Math.sin(line / 7)))}\n`);
  });
  response.on('close', () => timer[Symbol.dispose]());
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
