/** Kept devices behind hosted services, asked what they are. */
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../main/base/clock.ts';
import { identifications, type Identification } from '../../main/inventory/identify.ts';
import { openInventory } from '../../main/inventory/inventory.ts';
import { floorPythonMissing, openDevice } from '../support/floor-python.ts';
import { forbiddenIn } from '../support/floor-reference.ts';
import { mustSkip } from '../support/optional.ts';
import { openRecordingRelay } from '../support/recording-relay.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

describe.skipIf(mustSkip(await floorPythonMissing()))('the inventory', () => {
  it.each([
    ['modbus', { vendor: 'Plant', product: 'Press', revision: '1.2' }],
    ['s7', { vendor: 'Siemens', product: '6ES7 315-2EH14-0AB0', revision: '3.3.0' }],
    ['enip', { product: '1756-L61/B LOGIX5561', revision: '20.11', serial: '006c061a' }],
    ['opcua', { name: 'FreeOpcUa Python Server' }],
  ] as const)('knows a %s device by reads alone', { timeout: 120_000 }, async (protocol, facts) => {
    await using device = await openDevice(protocol, temporaryDirectory('inventory'));
    await using relay = await openRecordingRelay(device.port);
    const asked = Object.values(identifications).find((one) => one?.protocol === protocol);
    const inventory = openInventory({
      isOn: true,
      clock: systemClock,
      hosted: () => [
        { service: 'machine', target: `tcp 127.0.0.1:${relay.port}` },
        { service: 'files', target: 'forwarded' },
      ],
      identificationFor: (): Identification | undefined => asked,
    });
    expect(await inventory.list()).toMatchObject([
      { service: 'machine', target: `127.0.0.1:${relay.port}`, protocol, state: 'answered', ...facts },
    ]);
    // Within a minute it is not asked again.
    await inventory.list();
    expect(relay.arrived).toHaveLength(1);
    expect(relay.arrived.flatMap((bytes) => forbiddenIn(protocol, bytes))).toEqual([]);
  });
});
