/**
 * What the TUN hop alone costs: iperf3 between two namespaces over a bare veth, and the same through a TUN whose corridor is a plain TCP
 * connection over that veth. Interleaved, so that both see the same machine.
 */
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Namespace, TunHost, link, temporaryFolder, whyNoNamespaces } from '../system/support/netns.ts';
import { probe } from '../system/support/probe.ts';

const rounds = 3;
const seconds = '2';

interface Iperf {
  readonly end: { readonly sum_received: { readonly bits_per_second: number } };
}

describe.skipIf(whyNoNamespaces() !== undefined)('the TUN hop', () => {
  let client: Namespace;
  let server: Namespace;

  beforeAll(() => {
    client = new Namespace();
    server = new Namespace();
    link(client, '10.1.0.1/24', server, '10.1.0.2/24');
    server.spawn('iperf3', ['-s']);
  });

  afterAll(() => {
    client[Symbol.dispose]();
    server[Symbol.dispose]();
  });

  const gigabits = async (address: string, options: readonly string[]): Promise<number> => {
    const result = await client.run('iperf3', ['-c', address, '-t', seconds, '-J', ...options], 30_000);
    if (result.code !== 0) throw new Error(result.stdout.slice(-500) + result.stderr);
    return (JSON.parse(result.stdout) as Iperf).end.sum_received.bits_per_second / 1e9;
  };

  const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

  it.each([
    { mtu: 65_535, options: [] },
    { mtu: 65_535, options: ['-R'] },
    { mtu: 65_535, options: ['-P', '4'] },
    { mtu: 1_500, options: [] },
    { mtu: 1_500, options: ['-R'] },
  ])('keeps at least 0.3 of the veth rate: MTU $mtu $options', async ({ mtu, options }) => {
    await using host = await TunHost.start(client, {
      journalDir: temporaryFolder(),
      services: [{ at: 'iperf.dark', to: { host: '10.1.0.2', port: 5201 } }],
      config: { mtu },
    });
    const address = host.ready.dns.names[0]?.addresses[0] ?? '';
    const [bare, through]: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds; round++) {
      bare.push(await gigabits('10.1.0.2', options));
      through.push(await gigabits(address, options));
    }
    const ratio = median(through) / median(bare);
    const text = [median(bare), median(through), ratio].map((value) => value.toFixed(2)).join(' / ');
    console.log(`mtu ${mtu} ${options.join(' ')}: veth / tun / ratio: ${text} Gbit/s`);
    expect(ratio).toBeGreaterThan(0.3);
  });

  it('takes new flows at 3,000 a second for a core, and answers within a millisecond when idle', async () => {
    await using host = await TunHost.start(client, {
      journalDir: temporaryFolder(),
      services: [{ at: 'echo.dark', echo: true }],
    });
    const address = host.ready.dns.names[0]?.addresses[0] ?? '';
    const before = await host.status();
    const flood = await client.run(process.execPath, ['-e', floodScript(address)], 60_000);
    const { failed, perSecond } = JSON.parse(flood.stdout) as { failed: number; perSecond: number };
    const cpuSeconds = ((await host.status()).cpuMs - before.cpuMs) / 1000;
    const idle = await probe(client, 'latency', address, 80);
    console.log(
      `new flows: ${perSecond.toFixed(0)} a second, ${(floodFlows / cpuSeconds).toFixed(0)} for a CPU second of ours; ` +
        `1-byte round trip p50 / p99: ${idle.text ?? ''} ms`,
    );
    expect(failed).toBe(0);
    // The generator shares the cores with the tunnel, so the rate itself says less than what a flow costs us.
    expect(floodFlows / cpuSeconds).toBeGreaterThan(3_000);
  });

  it('holds 10,000 idle flows at 12 KB each', async () => {
    await using host = await TunHost.start(client, {
      journalDir: temporaryFolder(),
      services: [{ at: 'echo.dark', echo: true }],
    });
    const address = host.ready.dns.names[0]?.addresses[0] ?? '';
    await client.run(process.execPath, ['-e', floodScript(address, 500)], 60_000);
    const before = await host.status();
    const idle = client.spawn(process.execPath, ['-e', idleScript(address, idleFlows)]);
    for await (const line of createInterface({ input: idle.stdout ?? process.stdin })) if (line === 'ready') break;
    // The kernel completes a handshake before we have accepted it.
    let after = await host.status();
    for (let tries = 0; tries < 100 && after.open < idleFlows; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      after = await host.status();
    }
    expect(after.open).toBe(idleFlows);
    const bytes = (after.rssBytes - before.rssBytes) / idleFlows;
    console.log(`idle flows: ${bytes.toFixed(0)} bytes each`);
    expect(bytes).toBeLessThan(12 * 1024);
    idle.kill('SIGKILL');
  });
});

const floodFlows = 6_000;
const idleFlows = 10_000;

function floodScript(address: string, flows = floodFlows): string {
  return `
    const net = require('node:net');
    let started = 0, done = 0, failed = 0;
    const start = performance.now();
    const finish = () => {
      if (done + failed < ${flows}) return next();
      console.log(JSON.stringify({ failed, perSecond: (done / (performance.now() - start)) * 1000 }));
      process.exit();
    };
    const next = () => {
      if (started === ${flows}) return;
      started++;
      const socket = net.connect(80, '${address}');
      socket.on('connect', () => socket.write('x'));
      socket.on('data', () => { socket.resetAndDestroy(); done++; finish(); });
      socket.on('error', () => { failed++; finish(); });
    };
    for (let i = 0; i < 32; i++) next();`;
}

/** Source addresses change with the target port's turn, so that ephemeral ports do not run out. */
function idleScript(address: string, flows: number): string {
  return `
    const net = require('node:net');
    let open = 0, started = 0;
    const next = () => {
      if (started === ${flows}) return;
      const socket = net.connect(80 + (started++ % 4), '${address}');
      socket.on('connect', () => { if (++open === ${flows}) console.log('ready'); next(); });
      socket.on('error', (error) => { console.error(error.code); });
    };
    for (let i = 0; i < 64; i++) next();
    setInterval(() => {}, 1000);`;
}
