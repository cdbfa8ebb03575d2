/** The rate that all connections of one run share, and the gate that holds them to it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { systemClock } from '../../main/base/clock.ts';
import { disposable } from '../../main/base/lifecycle.ts';
import { silentLog } from '../../main/base/log.ts';
import { openRunGate } from '../../main/engine/agents/run-gate.ts';
import { SharedRate } from '../../main/engine/agents/shared-rate.ts';
import { ManualClock } from '../support/manual-clock.ts';

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('lets a tenth of a second pass at once, then so many bytes a second over all streams, in their order', async () => {
  const clock = new ManualClock();
  const rate = new SharedRate(clock, 1000);
  let seen = '';
  const streams = ['a', 'b'].map((name) => {
    const stream = rate.stream();
    stream.on('data', (chunk: Buffer) => (seen += `${name}${chunk.length} `));
    return stream;
  });
  const [a, b] = streams;
  a?.write(Buffer.alloc(100));
  await settle();
  expect(seen).toBe('a100 ');
  a?.write(Buffer.alloc(500));
  b?.write(Buffer.alloc(1000));
  for (const [ms, then] of [
    [499, 'a100 '],
    [1, 'a100 a500 '],
    [999, 'a100 a500 '],
    [1, 'a100 a500 b1000 '],
  ] as const) {
    clock.advance(ms);
    await settle();
    expect(seen).toBe(then);
  }
});

it('counts nothing that never passed: connections that are given up hold nobody up', async () => {
  const clock = new ManualClock();
  const rate = new SharedRate(clock, 1000);
  for (let given = 0; given < 50_000; given += 1) {
    const stream = rate.stream();
    stream.on('error', () => undefined).write(Buffer.alloc(65_536));
    stream.destroy();
  }
  let seen = 0;
  rate
    .stream()
    .on('data', (chunk: Buffer) => (seen += chunk.length))
    .write(Buffer.alloc(2000));
  await settle();
  expect(seen).toBe(0);
  clock.advance(2_000);
  await settle();
  expect(seen).toBe(2000);
});

it('ends with what it carries, and waits no more once it is destroyed', async () => {
  const clock = new ManualClock();
  const rate = new SharedRate(clock, 10);
  let ended = false;
  const whole = rate.stream();
  whole.on('end', () => (ended = true)).resume();
  whole.end(Buffer.alloc(20));
  await settle();
  expect(ended).toBe(false);
  clock.advance(2_000);
  await settle();
  await settle();
  expect(ended).toBe(true);

  const cut = rate.stream();
  cut.on('data', () => expect.fail('nothing may come out'));
  cut.write(Buffer.alloc(1000));
  cut.destroy();
  clock.advance(1_000_000);
  await settle();
});

it.skipIf(process.platform === 'win32')(
  'carries an answer whole to a client that has said all it had to say',
  async () => {
    const answer = Buffer.alloc(60_000, 7);
    const proxy = createServer({ allowHalfOpen: true }, (socket) =>
      socket.resume().on('end', () => socket.end(answer)),
    );
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const directory = mkdtempSync(join(tmpdir(), 'culvert-gate-'));
    const gate = await openRunGate({
      directory: join(directory, 'run'),
      uid: undefined,
      proxy: `127.0.0.1:${(proxy.address() as AddressInfo).port}`,
      models: () => Promise.reject(new Error('none asks for models')),
      log: silentLog,
      clock: systemClock,
      bandwidth: 200_000,
      opened: () => disposable(() => undefined),
    });
    try {
      let got = 0;
      const client = connect({ path: gate.path, allowHalfOpen: true });
      client.on('data', (chunk: Buffer) => (got += chunk.length));
      client.end('PROXY TCP4 10.0.0.1 10.0.0.2 4000 80\r\nask');
      await new Promise((resolve) => client.once('close', resolve));
      expect(got).toBe(answer.length);
    } finally {
      await gate.remove();
      proxy.close();
      rmSync(directory, { recursive: true, force: true });
    }
  },
);
