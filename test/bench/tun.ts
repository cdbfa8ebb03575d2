/** The parts of the benchmark that go through a TUN. Called inside a network namespace of their own. */
import type { RealNetwork } from '../support/real-network.ts';
import { measureThroughput, openBackend } from './throughput.ts';
import { goPath, openTunPaths } from './tun-paths.ts';

/** Names of the parts. */
export const tunParts: readonly string[] = ['tun'];

export interface Rounds {
  readonly rounds: number;
  readonly seconds: number;
}

/** Measure the parts asked for, each beside the Go pair where it has one, and print them. */
export async function measureTransparent(
  network: RealNetwork,
  parts: readonly string[],
  { rounds, seconds }: Rounds,
): Promise<void> {
  if (parts.includes('tun')) {
    const backend = await openBackend();
    const { paths, ...opened } = await openTunPaths(network, backend.port);
    try {
      process.stdout.write(`\n${await measureThroughput(paths, rounds, seconds, goPath)}\n`);
    } finally {
      await opened[Symbol.asyncDispose]();
      await backend.child.stop();
    }
  }
}
