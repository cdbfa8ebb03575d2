/**
 * Kept libraries of the floor's protocols through a guarded session to kept devices: reads and subscriptions go on before, between and after
 * refusals; whatever their clients can do beside reading arrives at the device zero times.
 */
import { describe, expect, it } from 'vitest';
import { askDevice, floorPythonMissing, openDevice } from '../support/floor-python.ts';
import { forbiddenIn } from '../support/floor-reference.ts';
import { openGuardedPort } from '../support/guarded-port.ts';
import { mustSkip } from '../support/optional.ts';
import { openRecordingRelay } from '../support/recording-relay.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** What the user of each library sees of a refusal. */
const seen: Readonly<Record<string, Readonly<Record<string, RegExp>>>> = {
  // The library asks for no answer to "listen only".
  modbus: { 'listen only': /^None$/, '*': /exception_code=1\)$/ },
  s7: {
    write: /Accessing the object not allowed \(0x03\)/,
    'write area': /Accessing the object not allowed \(0x03\)/,
    'set clock': /0xd402/,
    password: /0xd402/,
    // It reads the list of forced values first, which this device does not have.
    force: /Object does not exist/,
    '*': /class=0x81, code=0x04/,
  },
  enip: {
    'write tag': /^\[None\]$/,
    'set attribute': /^\[None\]$/,
    'read beside a write': /status: 0x0f/,
    '*': /^Permission denied$/,
  },
  opcua: { '*': /^BadUserAccessDenied/ },
  iec104: { '*': /^False$/ },
  // The library reads no status of a control's points, where the refusal stands.
  dnp3: { 'cold restart': /NO_FUNC_CODE/, 'warm restart': /NO_FUNC_CODE/, write: /NO_FUNC_CODE/, '*': /^<IIN: 0>$/ },
};

describe.skipIf(mustSkip(await floorPythonMissing()))('libraries of the floor under a read-only contract', () => {
  it.each(['modbus', 's7', 'enip', 'opcua', 'iec104', 'dnp3'] as const)(
    '%s',
    { timeout: 180_000 },
    async (protocol) => {
      await using device = await openDevice(protocol, temporaryDirectory('floor'));
      await using relay = await openRecordingRelay(device.port);
      await using guarded = await openGuardedPort(relay.port, { [protocol]: { allow: 'read' } });
      const told = await askDevice(protocol, guarded.port);

      const [first, ...later] = told.reads;
      expect(first).toBeTruthy();
      expect(later).toEqual(later.map(() => first));
      for (const [operation, sight] of Object.entries(told.refused)) {
        expect(sight, operation).toMatch(seen[protocol]?.[operation] ?? seen[protocol]?.['*'] ?? /^$/);
      }
      expect(relay.arrived.length).toBeGreaterThan(0);
      expect(relay.arrived.flatMap((bytes) => forbiddenIn(protocol, bytes))).toEqual([]);
      const denied = guarded.calls().filter((call) => call.decision === 'deny');
      expect(denied.length).toBeGreaterThanOrEqual(Object.keys(told.refused).length - 2);
      expect(guarded.sessions.list().every((session) => session.guard === protocol)).toBe(true);
      if (protocol === 'opcua') expect(told['changes']).toEqual([7, 7]);
    },
  );
});
