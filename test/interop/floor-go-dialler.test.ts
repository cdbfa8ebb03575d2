/**
 * The floor's libraries on a laptop that runs OpenZiti's own tunneler instead of Culvert: the box that hosts the machines holds the read-only
 * contracts alone.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DisposalStack } from '../../main/base/lifecycle.ts';
import type { AuditRecordView } from '../../main/api/record-views.ts';
import { askDevice, floorPythonMissing, openDevice } from '../support/floor-python.ts';
import { expectReadsAlone, floorProtocols } from '../support/floor-reads-alone.ts';
import { GoPeer } from '../support/go-peer.ts';
import { GovernedWorld } from '../support/governed-world.ts';
import { openZitiMissing } from '../support/openziti-binary.ts';
import { mustSkip } from '../support/optional.ts';
import { openRealNetwork, realNetworkTimeoutMs, type RealNetwork } from '../support/real-network.ts';
import { openRecordingRelay, type RecordingRelay } from '../support/recording-relay.ts';

const missing = mustSkip(openZitiMissing() ?? (await floorPythonMissing()));

describe.skipIf(missing)('libraries of the floor by ziti tunnel proxy, under a read-only contract at the box', () => {
  let network: RealNetwork;
  let world: GovernedWorld;
  let laptop: GoPeer;
  const owned = new DisposalStack();
  const relays = new Map<string, RecordingRelay>();

  beforeAll(async () => {
    network = owned.use(await openRealNetwork());
    const services: Record<string, { target: number; contract: unknown; dial: string[] }> = {};
    for (const protocol of floorProtocols) {
      const device = owned.use(await openDevice(protocol, network.home));
      const relay = owned.use(await openRecordingRelay(device.port));
      relays.set(protocol, relay);
      services[`go-${protocol}`] = { target: relay.port, contract: { [protocol]: { allow: 'read' } }, dial: [] };
    }
    world = owned.use(await GovernedWorld.open(network, { identities: ['laptop'], services }));
    const { id, jwt } = await network.admin.createIdentity('vendor');
    const dialled = floorProtocols.map((protocol) => world.ids[`go-${protocol}`] ?? '');
    await network.admin.createServicePolicy({ type: 'Dial', services: dialled, identities: [id] });
    laptop = owned.use(await GoPeer.enrol(jwt));
  }, realNetworkTimeoutMs);

  afterAll(() => owned[Symbol.asyncDispose](), 60_000);

  it.each(floorProtocols)(
    '%s',
    async (protocol) => {
      const relay = relays.get(protocol);
      if (relay === undefined) throw new Error('no relay');
      const { port } = await laptop.proxy(`go-${protocol}`);
      const told = await askDevice(protocol, port);

      expectReadsAlone(protocol, told, relay);
      const search = ['audit', 'search', '--kind', 'call', '--service', `go-${protocol}`, '--decision', 'deny'];
      const denied = await world.json<AuditRecordView[]>(search, world.boxState);
      expect(denied.length).toBeGreaterThanOrEqual(Object.keys(told.refused).length - 2);
      expect(denied.every((record) => record['end'] === 'host')).toBe(true);
    },
    90_000,
  );
});
