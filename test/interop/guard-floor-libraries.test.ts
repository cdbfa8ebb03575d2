/**
 * Kept libraries of the floor's protocols through a guarded session to kept devices: reads and subscriptions go on before, between and after
 * refusals; whatever their clients can do beside reading arrives at the device zero times.
 */
import { describe, expect, it } from 'vitest';
import { askDevice, floorPythonMissing, openDevice } from '../support/floor-python.ts';
import { expectReadsAlone, floorProtocols } from '../support/floor-reads-alone.ts';
import { openGuardedPort } from '../support/guarded-port.ts';
import { mustSkip } from '../support/optional.ts';
import { openRecordingRelay } from '../support/recording-relay.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

describe.skipIf(mustSkip(await floorPythonMissing()))('libraries of the floor under a read-only contract', () => {
  it.each(floorProtocols)('%s', { timeout: 180_000 }, async (protocol) => {
    await using device = await openDevice(protocol, temporaryDirectory('floor'));
    await using relay = await openRecordingRelay(device.port);
    await using guarded = await openGuardedPort(relay.port, { [protocol]: { allow: 'read' } });
    const told = await askDevice(protocol, guarded.port);

    expectReadsAlone(protocol, told, relay);
    const denied = guarded.calls().filter((call) => call.decision === 'deny');
    expect(denied.length).toBeGreaterThanOrEqual(Object.keys(told.refused).length - 2);
    expect(guarded.sessions.list().every((session) => session.guard === protocol)).toBe(true);
  });
});
