/** What a read-only contract leaves of each floor protocol's library, for its user and for the device. */
import { expect } from 'vitest';
import type { ClientTold } from './floor-python.ts';
import { forbiddenIn } from './floor-reference.ts';
import type { RecordingRelay } from './recording-relay.ts';

export const floorProtocols = ['modbus', 's7', 'enip', 'opcua', 'iec104', 'dnp3'] as const;
type Protocol = (typeof floorProtocols)[number];

/** What the user of each library sees of a refusal. */
const seen: Readonly<Record<Protocol, Readonly<Record<string, RegExp>>>> = {
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

/**
 * Reads before, between and after all refusals told the same; each refusal was seen in the protocol's own words; and nothing but reads reached
 * the device. @param told by the client that asked. @param relay what stands before the device.
 */
export function expectReadsAlone(protocol: Protocol, told: ClientTold, relay: RecordingRelay): void {
  const [first, ...later] = told.reads;
  expect(first).toBeTruthy();
  expect(later).toEqual(later.map(() => first));
  for (const [operation, sight] of Object.entries(told.refused)) {
    expect(sight, operation).toMatch(seen[protocol][operation] ?? seen[protocol]['*'] ?? /^$/);
  }
  expect(relay.arrived.length).toBeGreaterThan(0);
  expect(relay.arrived.flatMap((bytes) => forbiddenIn(protocol, bytes))).toEqual([]);
  if (protocol === 'opcua') expect(told['changes']).toEqual([7, 7]);
}
