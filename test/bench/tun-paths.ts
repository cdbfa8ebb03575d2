/** Transparent paths through one router: Culvert by TUN at the usual MTU and at 1500, and OpenZiti's Go pair by TPROXY, all in this network namespace. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DisposalStack } from '../../main/base/lifecycle.ts';
import { GoPeer } from '../support/go-peer.ts';
import type { Network } from '../support/network.ts';
import { until } from '../support/until.ts';
import { CulvertEnd, endKinds, openHostEnd, type DialEnd, type EndKind } from './ends.ts';
import type { Path, Paths } from './paths.ts';

/** The Go pair, which the others are compared with. */
export const goPath = 'go tproxy → go';

interface Kind {
  readonly name: string;
  readonly end: EndKind;
  readonly mtu?: number;
}

const kinds: readonly Kind[] = [
  { name: 'culvert tun → culvert', end: 'culvert' },
  { name: 'culvert tun, MTU 1500 → culvert', end: 'culvert', mtu: 1500 },
  { name: 'other tun → other', end: 'other' },
  { name: goPath, end: 'go' },
];

/** Paths opened so far: each has a service and an address of its own. */
let opened = 0;

/** Intercepted at each path's own address, all backed by the TCP server on `targetPort`. */
const servicePort = 5201;

/** A service, a dialling end and a hosting end for each path, all up at once so that runs can interleave. */
export async function openTunPaths(network: Network, targetPort: number): Promise<Paths> {
  const owned = new DisposalStack();
  const paths: Path[] = [];
  try {
    for (const kind of kinds.filter(({ end }) => endKinds.includes(end))) {
      opened += 1;
      const address = `10.77.${opened}.1`;
      const service = `bench-tun-${opened}`;
      const [hostIdentity, dialIdentity] = [
        await network.admin.createIdentity(`${service}-host`),
        await network.admin.createIdentity(`${service}-dial`),
      ];
      const serviceId = await network.admin.createService({
        name: service,
        configs: {
          'host.v1': { protocol: 'tcp', address: '127.0.0.1', port: targetPort },
          'intercept.v1': {
            protocols: ['tcp'],
            addresses: [address],
            portRanges: [{ low: servicePort, high: servicePort }],
          },
        },
      });
      const policy = { services: [serviceId] };
      await network.admin.createServicePolicy({ type: 'Bind', identities: [hostIdentity.id], ...policy });
      await network.admin.createServicePolicy({ type: 'Dial', identities: [dialIdentity.id], ...policy });
      const host = owned.use(await openHostEnd(kind.end, hostIdentity.jwt));
      await until(async () => (await network.admin.terminators(serviceId)).length > 0, 60_000);
      const dial = owned.use(
        kind.end === 'go'
          ? await openTproxyEnd(dialIdentity.jwt, address)
          : await openTunEnd(kind.end, dialIdentity.jwt, address, kind.mtu),
      );
      paths.push({ name: kind.name, dial, host });
    }
  } catch (error) {
    await owned[Symbol.asyncDispose]();
    throw error;
  }
  return { paths, [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() };
}

async function openTunEnd(kind: 'culvert' | 'other', jwt: string, address: string, mtu?: number): Promise<DialEnd> {
  const end = await CulvertEnd.enrol(jwt, kind);
  // Several engines stand in this namespace; which of them the resolver asks is not what is measured.
  const tun = mtu === undefined ? '' : `tun: { mtu: ${mtu} }\n`;
  await mkdir(join(end.directory, 'state'), { recursive: true });
  await writeFile(join(end.directory, 'state', 'culvert.yaml'), `dns: { enabled: false }\n${tun}`);
  const child = await end.run(['--mode', 'tun']);
  const dial = { kind, address, port: servicePort, pid: child.pid } as const;
  return { ...dial, [Symbol.asyncDispose]: () => end[Symbol.asyncDispose]() };
}

async function openTproxyEnd(jwt: string, address: string): Promise<DialEnd> {
  const peer = await GoPeer.enrol(jwt);
  const child = await peer.tproxy(address, servicePort);
  const dial = { kind: 'go', address, port: servicePort, pid: child.pid } as const;
  return { ...dial, [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose]() };
}
