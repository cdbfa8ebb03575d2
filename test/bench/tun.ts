/** The parts of the benchmark that go through a TUN. Called inside a network namespace of their own. */
import type { RealNetwork } from '../support/real-network.ts';
import { openEcho } from './echo.ts';
import { connectionsTable, idleTable, latencyTable } from './exchanges.ts';
import { openFaucet, slowReaderTable } from './slow-reader.ts';
import { measureThroughput, openBackend } from './throughput.ts';
import { goPath, openTunPaths } from './tun-paths.ts';

/** Names of the parts. */
export const tunParts: readonly string[] = [
  'tun-throughput',
  'tun-slow-reader',
  'tun-latency',
  'tun-connections',
  'tun-idle',
];

export interface Amounts {
  readonly rounds: number;
  readonly seconds: number;
  readonly idleConnections: number;
}

/** Measure the parts asked for, each beside the Go pair in turn, and print them. */
export async function measureTransparent(
  network: RealNetwork,
  parts: readonly string[],
  { rounds, seconds, idleConnections }: Amounts,
): Promise<void> {
  const print = (text: string): void => void process.stdout.write(`${text}\n`);
  if (parts.includes('tun-throughput')) {
    const backend = await openBackend();
    await using opened = await openTunPaths(network, backend.port);
    print(await measureThroughput(opened.paths, rounds, seconds, goPath));
    await backend.child.stop();
  }
  if (parts.includes('tun-slow-reader')) {
    await using faucet = await openFaucet();
    await using opened = await openTunPaths(network, faucet.port);
    const usual = opened.paths.filter(({ name }) => !name.includes('MTU'));
    print(await slowReaderTable(usual, faucet, rounds, seconds));
  }
  if (['tun-latency', 'tun-connections', 'tun-idle'].some((part) => parts.includes(part))) {
    await using echo = await openEcho();
    await using opened = await openTunPaths(network, echo.port);
    if (parts.includes('tun-latency')) print(await latencyTable(opened.paths, echo, rounds));
    if (parts.includes('tun-connections')) print(await connectionsTable(opened.paths, rounds, goPath));
    if (parts.includes('tun-idle')) print(await idleTable(opened.paths, idleConnections));
  }
}
