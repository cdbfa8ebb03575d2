/** What the TUN hop alone may cost. `npm run bench -- tun-hop` prints the figures. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { whyNoNamespaces } from '../system/support/netns.ts';
import { Hop, hopWays } from './tun-hop.ts';
import { mustSkip } from '../support/optional.ts';

const rounds = 3;
const seconds = 2;

describe.skipIf(mustSkip(whyNoNamespaces()))('the TUN hop', () => {
  let hop: Hop;

  beforeAll(async () => {
    hop = await Hop.open();
  });

  afterAll(() => {
    hop[Symbol.dispose]();
  });

  it.each(hopWays)('keeps at least 0.3 of the veth rate: MTU $mtu $options', async (way) => {
    expect((await hop.rates(way, rounds, seconds)).ratio).toBeGreaterThan(0.3);
  });

  it('takes new flows at 3,000 a second for a core', async () => {
    const { failed, perCpuSecond } = await hop.flows();
    expect(failed).toBe(0);
    // The generator shares the cores with the tunnel, so the rate itself says less than what a flow costs us.
    expect(perCpuSecond).toBeGreaterThan(3_000);
  });

  it('holds 10,000 idle flows at 12 KB each', async () => {
    const { open, bytesEach } = await hop.idle();
    expect(open).toBe(10_000);
    expect(bytesEach).toBeLessThan(12 * 1024);
  });
});
