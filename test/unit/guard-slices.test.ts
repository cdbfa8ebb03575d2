/** Guards that look through data take a large piece in slices: others have their turn between two of them, and nothing is lost at an end. */
import { createServer, type AddressInfo } from 'node:net';
import { request } from 'node:http';
import { afterEach, expect, test } from 'vitest';
import type { Guard, GuardEffect } from '../../main/guard/guard.ts';
import { SlicedGuard } from '../../main/guard/sliced-guard.ts';
import { openGuardedPort } from '../support/guarded-port.ts';

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** Notes what it is given, and passes it on. */
class NotingGuard implements Guard {
  readonly kind = 'mcp';
  readonly noted: string[] = [];

  fromApp(chunk: Uint8Array): readonly GuardEffect[] {
    this.noted.push(`app ${chunk.length}`);
    return [{ kind: 'to-service', bytes: chunk }];
  }

  fromService(chunk: Uint8Array): readonly GuardEffect[] {
    this.noted.push(`service ${chunk.length}`);
    return [{ kind: 'to-app', bytes: chunk }];
  }

  appEnded(): readonly GuardEffect[] {
    this.noted.push('app ended');
    return [];
  }

  serviceEnded(): readonly GuardEffect[] {
    this.noted.push('service ended');
    return [];
  }

  buffered(): number {
    return 0;
  }
}

const kib = (count: number): Uint8Array => new Uint8Array(count * 1024);

test('one slice at a time, each side in its order, its end behind it', async () => {
  const inner = new NotingGuard();
  let goOn: () => void = () => undefined;
  const sliced = new SlicedGuard(inner, () => new Promise((resolve) => (goOn = resolve)));
  let woken = 0;
  sliced.onWake(() => (woken += 1));
  const turn = async (): Promise<void> => {
    const before = woken;
    goOn();
    await Promise.resolve();
    expect(woken).toBe(before + 1);
    sliced.proceed(0);
  };
  sliced.fromService(kib(20), 0);
  expect(inner.noted).toEqual(['service 8192']);
  expect([sliced.holdsService(), sliced.waiting(), sliced.buffered()]).toEqual([true, undefined, 12 * 1024]);
  sliced.fromService(kib(1), 0);
  sliced.serviceEnded(0);
  // The other side is not held up by it.
  sliced.fromApp(kib(2), 0);
  expect(inner.noted).toEqual(['service 8192', 'app 2048']);
  await turn();
  await turn();
  expect(sliced.holdsService()).toBe(true);
  await turn();
  expect(inner.noted.slice(2)).toEqual(['service 8192', 'service 4096', 'service 1024', 'service ended']);
  expect([sliced.holdsService(), sliced.buffered()]).toEqual([false, 0]);
});

test('what waits when the session is over is judged no more, and both ends are told', () => {
  const inner = new NotingGuard();
  const sliced = new SlicedGuard(inner, () => new Promise(() => undefined));
  sliced.fromApp(kib(20), 0);
  expect(sliced.waiting()).toBe('bytes');
  sliced.abandon();
  sliced.appEnded(0);
  sliced.serviceEnded(0);
  expect(inner.noted).toEqual(['app 8192', 'app ended', 'service ended']);
});

test('an answer of megabytes is whole and looked through to its end, though its service hangs up behind it', async () => {
  const text = `${'all is well, '.repeat(300_000)}ask ada@example.org`;
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, result: { content: [{ type: 'text', text }] } });
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', () => {
      socket.end(`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n${body}`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanUps.push(() => new Promise((resolve) => server.close(resolve)));
  const guarded = await openGuardedPort((server.address() as AddressInfo).port, {
    mcp: {},
    data: { personal: 'redact' },
  });
  cleanUps.push(() => guarded[Symbol.asyncDispose]());
  const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'read', arguments: {} } };
  const told = await new Promise<string>((resolve, reject) => {
    const asked = request(
      {
        host: '127.0.0.1',
        port: guarded.port,
        path: '/mcp',
        method: 'POST',
        headers: { 'content-type': 'application/json' },
      },
      (response) => {
        let all = '';
        response.setEncoding('utf8').on('data', (part: string) => (all += part));
        response.on('end', () => resolve(all)).on('error', reject);
      },
    );
    asked.on('error', reject);
    asked.end(JSON.stringify(call));
  });
  expect(told).toBe(body.replace('ada@example.org', '[redacted:email]'));
  expect(guarded.calls()).toMatchObject([{ target: 'read', data: [{ class: 'email', count: 1 }] }]);
});
