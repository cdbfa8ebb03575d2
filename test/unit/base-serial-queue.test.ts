import { describe, expect, it } from 'vitest';
import { KeyedSerialQueue, SerialQueue } from '../../main/base/serial-queue.ts';

describe('a serial queue', () => {
  it('runs one act at a time, in the order they came, and hands on what each returns', async () => {
    const queue = new SerialQueue();
    const seen: string[] = [];
    let open: () => void = () => undefined;
    const first = queue.run(async () => {
      seen.push('first begins');
      await new Promise<void>((resolve) => (open = resolve));
      seen.push('first ends');
      return 1;
    });
    const second = queue.run(() => {
      seen.push('second');
      return 2;
    });
    await Promise.resolve();
    await Promise.resolve();
    expect(seen).toEqual(['first begins']);
    open();
    expect(await Promise.all([first, second])).toEqual([1, 2]);
    expect(seen).toEqual(['first begins', 'first ends', 'second']);
  });

  it('goes on after an act that fails, and is idle when all have run', async () => {
    const queue = new SerialQueue();
    let ran = 0;
    const failing = queue.run(() => {
      throw new Error('no');
    });
    void queue.run(() => (ran += 1));
    await expect(failing).rejects.toThrow('no');
    await queue.idle();
    expect(ran).toBe(1);
    await new SerialQueue().idle();
  });
});

describe('a keyed serial queue', () => {
  it('lets acts of one key wait for one another and no others, and forgets a key that is idle', async () => {
    const queue = new KeyedSerialQueue<string>();
    const seen: string[] = [];
    let open: () => void = () => undefined;
    const slow = queue.run('a', async () => {
      await new Promise<void>((resolve) => (open = resolve));
      seen.push('a1');
    });
    const failing = queue.run('a', () => {
      seen.push('a2');
      throw new Error('no');
    });
    await queue.run('b', () => seen.push('b1'));
    expect(seen).toEqual(['b1']);
    expect(queue.size).toBe(1);
    open();
    await slow;
    await expect(failing).rejects.toThrow('no');
    expect(seen).toEqual(['b1', 'a1', 'a2']);
    expect(queue.size).toBe(0);
    expect(await queue.run('a', () => 3)).toBe(3);
  });
});
