/**
 * Lines that are not a laboratory's, through a relay of our own between two namespaces: an engine connects, transfers, and is back by itself. Those that
 * take minutes are in `test/field/lines.test.ts`.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { mustSkip } from '../support/optional.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { toolsMissing } from '../support/tools.ts';
import { LineWorld, type Line } from './support/line-world.ts';
import { whyNoNamespaces } from './support/netns.ts';

const missing = mustSkip(whyNoNamespaces() ?? toolsMissing('python3'));

describe.skipIf(missing)('a line', () => {
  let world: LineWorld;

  beforeAll(async () => {
    world = await LineWorld.open();
  }, 240_000);

  afterEach(() => world.set({}));

  afterAll(() => world[Symbol.asyncDispose](), 60_000);

  const lines: readonly (readonly [string, Line])[] = [
    ['of a satellite, 600 ms there and back', { delay: 0.3 }],
    ['that loses one packet in fifty', { delay: 0.02, loss: 0.02 }],
  ];
  it.each(lines)(
    '%s: an engine starts over it, connects and transfers, datagrams too',
    async (_what, line) => {
      await world.set(line);
      await world.stopNear();
      await world.startNear();
      await world.fetches('small');
      await world.fetches('large', 90_000);
      expect(await world.echoes('over a bad line')).toBe(true);
    },
    240_000,
  );

  it('that goes away and comes back is used again by itself', async () => {
    await world.set({ down: true });
    expect((await world.fetchOnce('small', 5)).stdout).toBe('');
    await world.set({});
    await world.fetches('small', 90_000);
  }, 180_000);

  it('with a captive portal in front: nothing is said to it, and the network is back when it is gone', async () => {
    await world.set({ portal: true });
    await world.stopNear();
    await world.startNear();
    const during = await world.fetchOnce('small', 8);
    expect(during.stdout).toBe('');
    await world.set({});
    await world.fetches('small', 90_000);
    await world.fetches('large');
    expect(await world.echoes('behind the portal')).toBe(true);
  }, 240_000);

  it('to a router that is killed and starts again', async () => {
    await world.restartRouter('SIGKILL');
    await world.fetches('small', 90_000);
    await world.fetches('large');
    expect(await world.echoes('after a restart')).toBe(true);
  }, 240_000);

  it.each([
    ['a day ahead', 86_400],
    ['a day back', -86_400],
  ])(
    'while the clock jumps %s: sessions go on, and new ones are had',
    async (_what, seconds) => {
      const jump = join(temporaryDirectory('clock'), 'jump.cjs');
      writeFileSync(jump, jumpingClock(seconds));
      await world.stopNear();
      await world.startNear({ NODE_OPTIONS: `--require=${jump}` });
      await world.fetches('small');
      world.engine.kill('SIGUSR2');
      await world.fetches('small', 60_000);
      await world.fetches('large');
      expect(await world.echoes('in another day')).toBe(true);
      await world.stopNear();
      await world.startNear();
    },
    240_000,
  );
});

/** A wall clock that is elsewhere from SIGUSR2 on; the monotonic one goes on, as it does where somebody sets the time. */
function jumpingClock(seconds: number): string {
  return `
    const now = Date.now;
    let ahead = 0;
    process.on('SIGUSR2', () => { ahead = ${seconds} * 1000; });
    globalThis.Date = class extends Date {
      constructor(...given) { given.length === 0 ? super(now() + ahead) : super(...given); }
      static now() { return now() + ahead; }
    };
  `;
}
