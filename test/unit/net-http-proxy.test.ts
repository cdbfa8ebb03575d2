import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { Admit, FlowRequest } from '../../main/base/flow.ts';
import { admitTo, all, client, echoServer, httpGet, listening, proxy, refuse, take } from '../support/proxy-world.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { mustSkip } from '../support/optional.ts';
import { toolsMissing } from '../support/tools.ts';
import { until } from '../support/until.ts';

describe('HTTP', () => {
  it('tunnels CONNECT, and only says so after the dial', async () => {
    const seen: FlowRequest[] = [];
    let release: (() => void) | undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const admit = admitTo(await echoServer(), seen);
    const { endpoint } = await proxy(async (request, options) => {
      await held;
      return admit(request, options);
    });
    const socket = await client(endpoint.port);
    socket.write('CONNECT [fd00::7]:443 HTTP/1.1\r\nHost: x\r\n\r\nearly');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(socket.read()).toBeNull();
    release?.();
    const answer = 'HTTP/1.1 200 Connection established\r\n\r\n';
    expect((await take(socket, answer.length)).toString()).toBe(answer);
    expect((await take(socket, 5)).toString()).toBe('early');
    expect(seen[0]).toMatchObject({
      entry: 'http-connect',
      destination: { address: 'fd00::7', port: 443 },
      via: endpoint,
    });
  });

  it.each([
    ['reset', 502],
    ['prohibited', 403],
    ['host-unreachable', 502],
    ['timeout', 504],
  ] as const)(
    'answers a refusal by %s with status %i and the reason, to CONNECT and plain requests',
    async (answer, status) => {
      const { endpoint } = await proxy(refuse(answer));
      const socket = await client(endpoint.port);
      socket.write('CONNECT plc.dark:502 HTTP/1.1\r\n\r\n');
      const text = await all(socket);
      expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(text).toContain('Culvert-Reason: policy.refused');
      expect(text).toContain('Service “plc” is closed today.\nCome back tomorrow.');
      const plain = await httpGet(endpoint.port, 'http://plc.dark/');
      expect(plain.status).toBe(status);
      expect(plain.headers['culvert-reason']).toBe('policy.refused');
      expect(plain.body).toContain('closed today');
    },
  );

  it('forwards plain requests with their bodies, without the headers of this hop', async () => {
    const seen: FlowRequest[] = [];
    const backend = await listening(
      createHttpServer((request, response) => {
        let body = '';
        request.on('data', (chunk: Buffer) => (body += chunk.toString()));
        request.on('end', () => {
          response.setHeader('Set-Cookie', ['a=1', 'b=2']);
          response.setHeader('X-Hop', 'x');
          response.writeHead(201, { Connection: 'X-Hop' });
          response.end(JSON.stringify({ url: request.url, headers: request.headers, body, method: request.method }));
        });
      }),
    );
    const { endpoint } = await proxy(admitTo(backend, seen));
    const headers = { 'Proxy-Connection': 'keep-alive', 'Proxy-Authorization': 'Basic c2VjcmV0', 'X-Own': 'yes' };
    const got = await httpGet(endpoint.port, 'http://user:pw@web.dark/a?b=c', headers, 'POST', 'payload');
    expect(got.status).toBe(201);
    expect(got.headers['set-cookie']).toEqual(['a=1', 'b=2']);
    expect(got.headers['x-hop']).toBeUndefined();
    const reached = JSON.parse(got.body) as {
      url: string;
      headers: Record<string, string>;
      body: string;
      method: string;
    };
    expect(reached).toMatchObject({ url: '/a?b=c', body: 'payload', method: 'POST' });
    expect(reached.headers).toMatchObject({ host: 'web.dark', 'x-own': 'yes', via: '1.1 culvert' });
    expect(reached.headers).not.toHaveProperty('proxy-authorization');
    expect(reached.headers).not.toHaveProperty('proxy-connection');
    expect(seen[0]?.destination).toEqual({ hostname: 'web.dark', port: 80 });
  });

  it('hands on an answer that comes before the request is whole, and takes the next request', async () => {
    const backend = await listening(createHttpServer((request, response) => response.end(`for ${request.url ?? ''}`)));
    const { endpoint } = await proxy(admitTo(backend));
    const socket = await client(endpoint.port);
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.write('POST http://web.dark/large HTTP/1.1\r\nHost: web.dark\r\nContent-Length: 4000000\r\n\r\nfirst');
    await until(() => text.includes('for /large'));
    for (let sent = 5; sent < 4_000_000; sent += 65_536) socket.write(Buffer.alloc(Math.min(65_536, 4_000_000 - sent)));
    socket.write('GET http://web.dark/next HTTP/1.1\r\nHost: web.dark\r\n\r\n');
    await until(() => text.includes('for /next'));
  });

  it.each([
    ['ends orderly at a service that closes', true],
    ['lets go of a service that does not close', false],
  ])('%s', async (_what, closes) => {
    let ended = 0;
    let closed = 0;
    let peer: Socket | undefined;
    const backend = await listening(
      createServer({ allowHalfOpen: true }, (socket) => {
        peer = socket;
        socket.on('error', () => undefined);
        socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
        socket.once('end', () => {
          ended += 1;
          if (closes) socket.end();
        });
        socket.once('close', () => (closed += 1));
      }),
    );
    const clock = new ManualClock();
    const { endpoint } = await proxy(admitTo(backend), { clock });
    expect(await httpGet(endpoint.port, 'http://web.dark/')).toMatchObject({ status: 200, body: 'ok' });
    await until(() => ended === 1);
    await until(() => {
      if (!closes) clock.advance(5_000);
      // Node tells a reset of a socket that was read to its end only to who writes.
      if (!closes) peer?.write('more');
      return closed === 1;
    });
  });

  it('sends requests for several hosts of one kept-alive connection each its own way', async () => {
    const seen: FlowRequest[] = [];
    const backend = await listening(createHttpServer((request, response) => response.end(request.headers.host)));
    const { endpoint } = await proxy(admitTo(backend, seen));
    const socket = await client(endpoint.port);
    for (const host of ['a.dark', 'b.dark:8080', 'c.dark']) {
      socket.write(`GET http://${host}/ HTTP/1.1\r\nHost: wrong\r\n\r\n`);
      let text = '';
      while (!text.endsWith('0\r\n\r\n') && !text.endsWith(host)) {
        text += String((await once(socket, 'data'))[0]);
      }
      expect(text).toContain(host);
    }
    expect(seen.map(({ destination }) => `${destination.hostname}:${destination.port}`)).toEqual([
      'a.dark:80',
      'b.dark:8080',
      'c.dark:80',
    ]);
  });

  it('carries 64 KB of headers, both ways', async () => {
    const large = 'c'.repeat(64 * 1024 - 512);
    const backend = await listening(
      createHttpServer({ maxHeaderSize: 128 * 1024 }, (request, response) => {
        response.setHeader('X-Large', String(request.headers['x-large']));
        response.end('whole');
      }),
    );
    const { endpoint } = await proxy(admitTo(backend));
    const socket = await client(endpoint.port);
    socket.write(`GET http://web.dark/ HTTP/1.1\r\nHost: web.dark\r\nX-Large: ${large}\r\nConnection: close\r\n\r\n`);
    const text = await all(socket);
    expect(text).toMatch(/^HTTP\/1.1 200 /);
    expect(text.toLowerCase()).toContain(`x-large: ${large}\r\n`);
  });

  it('refuses to change protocols within a proxied request, and names what does', async () => {
    const seen: FlowRequest[] = [];
    const { endpoint } = await proxy(admitTo(1, seen));
    const socket = await client(endpoint.port);
    const upgrade = 'Connection: keep-alive, Upgrade\r\nUpgrade: websocket';
    socket.write(`GET http://web.dark/socket HTTP/1.1\r\nHost: web.dark\r\n${upgrade}\r\n\r\n`);
    const text = await all(socket);
    expect(text).toMatch(/^HTTP\/1.1 501 /);
    expect(text).toContain('CONNECT');
    expect(seen).toEqual([]);
  });

  it('refuses requests for itself, other schemes, nonsense and oversized heads', async () => {
    const { endpoint } = await proxy(admitTo(1));
    expect((await httpGet(endpoint.port, '/')).status).toBe(400);
    expect((await httpGet(endpoint.port, 'ftp://x.dark/')).status).toBe(400);
    const bad = await client(endpoint.port);
    bad.write('GET http://x.dark/ NONSENSE\r\n\r\n');
    expect(await all(bad)).toMatch(/^HTTP\/1.1 400 /);
    const authority = await client(endpoint.port);
    authority.write('CONNECT x.dark HTTP/1.1\r\n\r\n');
    expect(await all(authority)).toMatch(/^HTTP\/1.1 400 /);
    const huge = await client(endpoint.port);
    huge.write(`GET http://x.dark/ HTTP/1.1\r\nX: ${'x'.repeat(140_000)}\r\n\r\n`);
    expect(await all(huge)).toMatch(/^HTTP\/1.1 431 /);
  });

  it('answers 502 where the service closes without an answer', async () => {
    const backend = await listening(createServer((socket) => socket.destroy()));
    const { endpoint } = await proxy(admitTo(backend));
    expect((await httpGet(endpoint.port, 'http://x.dark/')).status).toBe(502);
  });

  it('answers 502 where the session is cut the moment it begins', async () => {
    const admit: Admit = () =>
      Promise.resolve({ kind: 'dialled', join: (local) => local.reset(), abandon: () => undefined });
    const { endpoint } = await proxy(admit);
    expect((await httpGet(endpoint.port, 'http://x.dark/')).status).toBe(502);
  });

  it.skipIf(mustSkip(toolsMissing('curl')))('serves curl, with http, with a tunnel and with SOCKS', async () => {
    const backend = await listening(createHttpServer((_request, response) => response.end('dark hello')));
    const { endpoint } = await proxy(admitTo(backend));
    const where = `127.0.0.1:${endpoint.port}`;
    for (const args of [
      ['-x', `http://${where}`],
      ['-p', '-x', `http://${where}`],
      ['-x', `socks5h://${where}`],
    ]) {
      const said = await new Promise<string>((resolve, reject) => {
        execFile('curl', ['-sS', '--max-time', '10', ...args, 'http://hello.dark/'], (error, stdout) =>
          error === null ? resolve(stdout) : reject(error),
        );
      });
      expect(said).toBe('dark hello');
    }
  });
});
