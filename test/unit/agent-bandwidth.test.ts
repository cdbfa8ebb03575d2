/** The rate that all connections of one run share. */
import { expect, it } from 'vitest';
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
