/** Paths through one router: each kind of dialling end with each kind of hosting end, all up at once so that runs can interleave. */
import { DisposalStack } from '../../main/base/lifecycle.ts';
import type { Network } from '../support/network.ts';
import { until } from '../support/until.ts';
import { endKinds, openDialEnd, openHostEnd, type DialEnd, type HostEnd } from './ends.ts';

export interface Path {
  /** `culvert → go`: who dials, who hosts. */
  readonly name: string;
  readonly dial: DialEnd;
  readonly host: HostEnd;
}

export interface Paths extends AsyncDisposable {
  readonly paths: readonly Path[];
}

/** How often in this run: a network takes no name twice. */
let opened = 0;

/** A service per hosting end, both backed by the TCP server on `targetPort`, dialled by both dialling ends. */
export async function openPaths(network: Network, targetPort: number): Promise<Paths> {
  const owned = new DisposalStack();
  const paths: Path[] = [];
  opened += 1;
  const run = `bench${opened}`;
  for (const hostKind of endKinds) {
    const hostIdentity = await network.admin.createIdentity(`${run}-host-${hostKind}`);
    const service = `${run}-${hostKind}`;
    const serviceId = await network.admin.createService({
      name: service,
      configs: {
        'host.v1': { protocol: 'tcp', address: '127.0.0.1', port: targetPort },
        'intercept.v1': { protocols: ['tcp'], addresses: [`${service}.dark`], portRanges: [{ low: 80, high: 80 }] },
      },
    });
    await network.admin.createServicePolicy({ type: 'Bind', services: [serviceId], identities: [hostIdentity.id] });
    const host = owned.use(await openHostEnd(hostKind, hostIdentity.jwt));
    await until(async () => (await network.admin.terminators(serviceId)).length > 0, 60_000);
    for (const dialKind of endKinds) {
      const identity = await network.admin.createIdentity(`${run}-dial-${dialKind}-${hostKind}`);
      await network.admin.createServicePolicy({ type: 'Dial', services: [serviceId], identities: [identity.id] });
      const dial = owned.use(await openDialEnd(dialKind, identity.jwt, service));
      paths.push({ name: `${dialKind} → ${hostKind}`, dial, host });
    }
  }
  return { paths, [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() };
}
