/** The networks that the interop suite runs against: each test is written once and must pass on all. */
import { afterAll, beforeAll, describe } from 'vitest';
import { openEmbeddedNetwork } from './embedded-network.ts';
import type { Network } from './network.ts';
import { openZitiMissing } from './openziti-binary.ts';
import { mustSkip } from './optional.ts';
import { openRealNetwork, realNetworkTimeoutMs } from './real-network.ts';

interface Candidate {
  readonly name: string;
  missing(): string | undefined;
  open(): Promise<Network>;
  readonly timeoutMs: number;
}

const candidates: readonly Candidate[] = [
  { name: 'OpenZiti', missing: openZitiMissing, open: openRealNetwork, timeoutMs: realNetworkTimeoutMs },
  { name: 'embedded', missing: () => undefined, open: () => openEmbeddedNetwork('both'), timeoutMs: 60_000 },
  { name: 'embedded-legacy', missing: () => undefined, open: () => openEmbeddedNetwork('legacy'), timeoutMs: 60_000 },
];

/** Behaves as release 2.0: OIDC sessions whose routers judge and revoke, but push nothing. For what hangs on the difference. */
const secondRelease: Candidate = {
  name: 'embedded-2.0',
  missing: () => undefined,
  open: () => openEmbeddedNetwork('both', { release: '2.0' }),
  timeoutMs: 60_000,
};

/** `describe` once a network; `network()` is good inside tests and hooks. `CULVERT_NETWORK` narrows to one, by name. */
export function describeNetworks(subject: string, body: (network: () => Network) => void): void {
  describeEach(candidates, subject, body);
}

/**
 * As {@link describeNetworks}, for what an engine does with sessions however they were had: not on the embedded overlay's legacy sessions, unless
 * `CULVERT_NETWORK` names that.
 */
export function describeGoverned(subject: string, body: (network: () => Network) => void): void {
  const named = process.env['CULVERT_NETWORK'] === 'embedded-legacy';
  const among = candidates.filter(({ name }) => named || name !== 'embedded-legacy');
  describeEach(among, subject, body);
}

/** As {@link describeNetworks}, and on a network of release 2.0 as well: what is learnt and revoked goes another way on each. */
export function describeReleases(subject: string, body: (network: () => Network) => void): void {
  describeEach([...candidates, secondRelease], subject, body);
}

function describeEach(among: readonly Candidate[], subject: string, body: (network: () => Network) => void): void {
  const wanted = process.env['CULVERT_NETWORK'];
  for (const candidate of among) {
    if (wanted !== undefined && wanted !== '' && wanted !== candidate.name) continue;
    describe.skipIf(mustSkip(candidate.missing()))(`${subject} (${candidate.name})`, () => {
      let network: Network | undefined;
      beforeAll(async () => {
        network = await candidate.open();
      }, candidate.timeoutMs);
      afterAll(async () => {
        await network?.[Symbol.asyncDispose]();
      }, 60_000);
      body(() => {
        if (network === undefined) throw new Error('the network is open only inside tests and hooks');
        return network;
      });
    });
  }
}
