/** Holds the kernel's TUN to the device contract, by running the conformance suite inside a network namespace. */
import { expect, it } from 'vitest';
import { Namespace, whyNoNamespaces } from './support/netns.ts';
import { mustSkip } from '../support/optional.ts';

const root = new URL('../..', import.meta.url).pathname;

it.skipIf(mustSkip(whyNoNamespaces()))(
  'the native device does what the in-memory one does',
  async () => {
    using namespace = new Namespace();
    const wire = `${root}test/system/support/wire.py`;
    const vitest = `${root}node_modules/vitest/vitest.mjs`;
    const suite = 'test/conformance/tun-device.test.ts';
    const args = [
      `CULVERT_TEST_WIRE=${wire}`,
      process.execPath,
      vitest,
      'run',
      '--root',
      root,
      '--config',
      `${root}test/vitest.config.ts`,
      suite,
    ];
    const result = await namespace.run('env', args, 110_000);
    expect(result.stdout + result.stderr).toMatch(/22 passed/);
    expect(result.code).toBe(0);
  },
  120_000,
);
