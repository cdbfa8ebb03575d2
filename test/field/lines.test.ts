/** Lines that take minutes to be odd, as those of `test/system/lines.test.ts`. */
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { mustSkip } from '../support/optional.ts';
import { toolsMissing } from '../support/tools.ts';
import { LineWorld } from '../system/support/line-world.ts';
import { whyNoNamespaces } from '../system/support/netns.ts';

const missing = mustSkip(whyNoNamespaces() ?? toolsMissing('python3'));

describe.skipIf(missing)('a line', () => {
  it('behind a NAT that forgets after 30 s: what was quiet for longer is there at once', async () => {
    await using world = await LineWorld.open();
    await world.set({ forget: 30 });
    await world.fetches('small');
    // The NAT's time is the relay's own; nothing tells of its end.
    await delay(36_000);
    expect((await world.fetchOnce('small', 10)).stdout).toBe('hello from afar');
    expect(await world.echoes('after a long quiet', 15)).toBe(true);
  }, 300_000);
});

describe.skipIf(missing)('a network of IPv6 alone', () => {
  it('is enrolled at, connected to and transferred over', async () => {
    await using world = await LineWorld.open(6);
    await world.fetches('large');
    expect(await world.echoes('by IPv6')).toBe(true);
    await world.restartRouter('SIGTERM');
    await world.fetches('small', 90_000);
  }, 300_000);
});
