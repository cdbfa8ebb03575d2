/**
 * A TUN under mixed load: resets, half-closes, slow readers, refusals and datagrams. Afterwards no byte was lost, the table is empty and memory is
 * where it was. The whole engine's soak, with router restarts, is in engine-soak.test.ts.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Namespace, TunHost, temporaryFolder, whyNoNamespaces } from './support/netns.ts';

const seconds = 20;
const warmUpSeconds = 5;

describe.skipIf(whyNoNamespaces() !== undefined)('a TUN under mixed load', () => {
  it('loses no byte, keeps no flow and no memory', async () => {
    using namespace = new Namespace();
    const services = [
      { at: 'echo.dark', echo: true },
      { at: 'refused.dark', refuse: 'reset' as const },
    ];
    await using host = await TunHost.start(namespace, {
      journalDir: temporaryFolder(),
      services,
      config: { udpIdleMs: 1_000 },
    });
    const addresses = ['echo.dark', 'refused.dark'].map(
      (name) => host.ready.dns.names.find((row) => row.name === name)?.addresses[0] ?? '',
    );
    const script = new URL('support/load.mjs', import.meta.url).pathname;
    const load = async (forSeconds: number): Promise<Readonly<Record<string, unknown>>> => {
      const result = await namespace.run(process.execPath, [script, String(forSeconds), ...addresses], 120_000);
      expect(result.stderr).toBe('');
      return JSON.parse(result.stdout) as Readonly<Record<string, unknown>>;
    };
    /** Once nothing is left of the flows. */
    const settledBytes = async (): Promise<number> => {
      for (let waited = 0; waited < 30; waited++) {
        const { status, open } = await host.status();
        if (status.flows.tcp + status.flows.held + status.flows.udp + open === 0) break;
        await delay(500);
      }
      const { status, open } = await host.collect();
      expect({ ...status.flows, open }).toEqual({ held: 0, tcp: 0, udp: 0, open: 0 });
      return (await host.collect()).heapBytes;
    };

    await load(warmUpSeconds);
    const before = await settledBytes();
    const counts = await load(seconds);
    const after = await settledBytes();
    console.log(`soak: ${JSON.stringify(counts)}; heap ${before} -> ${after} bytes`);
    expect(counts).toMatchObject({ wrong: 0, failed: 0 });
    expect(Math.min(...['whole', 'reset', 'slow'].map((what) => Number(counts[what])))).toBeGreaterThan(10);
    expect(after).toBeLessThan(before * 1.1);
    const { counters } = (await host.status()).status;
    expect(counters).not.toHaveProperty('natExhausted');
    expect(counters).not.toHaveProperty('addFailed');
    expect(host.complaints()).toEqual([]);
  }, 240_000);
});
