import { describe, expect, it } from 'vitest';
import { driveFloor, type FloorDriver } from '../support/floor-driver.ts';
import { hex, opcua } from '../support/floor-frames.ts';

const drive = (rules: unknown, more = {}): FloorDriver => {
  const driver = driveFloor('opcua', rules, more);
  driver.app(opcua.hello).app(opcua.open('None', 1)).service(opcua.open('None', 1));
  return driver.forget();
};
const read = (sequence: number, request: number, ...names: readonly string[]): Uint8Array =>
  opcua.message(sequence, request, opcua.read(request, ...(names.length === 0 ? ['Speed'] : names)));
const write = (sequence: number, request: number, name = 'Speed', value = 9): Uint8Array =>
  opcua.message(sequence, request, opcua.write(request, name, value));
/** One 32 bit number. */
const value = (sequence: number, request: number, number: number): Uint8Array =>
  opcua.answer(sequence, request, 634, request, [1, 0, 0, 0, 1, 6, number, 0, 0, 0, 255, 255, 255, 255]);

const sequences = (bytes: Buffer): number[] => {
  const found: number[] = [];
  for (let at = 0; at < bytes.length; at += bytes.readUInt32LE(at + 4)) found.push(bytes.readUInt32LE(at + 16));
  return found;
};

describe('OPC UA guard', () => {
  it('lets the channel open and reads pass', () => {
    const driver = driveFloor('opcua', { allow: 'read' });
    const asked = [opcua.hello, opcua.open('None', 1), read(2, 2)];
    for (const frame of asked) driver.app(frame);
    expect(driver.outcome.toService).toEqual(Buffer.concat(asked));
    driver.service(opcua.open('None', 1)).service(value(2, 2, 7));
    expect(driver.outcome.calls).toMatchObject([{ method: 'Read', target: 'ns=2;s=Speed', failed: false }]);
  });

  it('answers a write itself and renumbers both directions', () => {
    const driver = drive({ allow: 'read' });
    driver
      .app(read(2, 2))
      .service(value(2, 2, 7))
      .app(write(3, 3))
      .app(read(4, 4))
      .service(value(3, 4, 8));
    expect(sequences(driver.outcome.toService)).toEqual([2, 3]);
    expect(sequences(driver.outcome.toApp)).toEqual([2, 3, 4]);
    const refusal = driver.outcome.toApp.subarray(value(2, 2, 7).length, -value(3, 4, 8).length);
    // WriteResponse, handle 3, service result good, one result BadUserAccessDenied, no diagnostics.
    expect(refusal.subarray(24, 28)).toEqual(Buffer.from(hex('0100a402')));
    expect(refusal.subarray(36, 44)).toEqual(Buffer.from(hex('03000000 00000000')));
    expect(refusal.subarray(-12)).toEqual(Buffer.from(hex('01000000 00001f80 ffffffff')));
    expect(driver.outcome.calls).toMatchObject([
      { method: 'Read' },
      { method: 'Write', decision: 'deny', arguments: { values: [9] } },
      { method: 'Read' },
    ]);
  });

  it.each([
    ['Call', 712],
    ['AddNodes', 488],
    ['AddReferences', 494],
    ['DeleteNodes', 500],
    ['DeleteReferences', 506],
    ['HistoryUpdate', 700],
    ['RegisterServer', 437],
    ['service i=999', 999],
  ] as const)('refuses %s with a fault of the service', (name, type) => {
    const driver = drive({ allow: 'read' });
    const body = type === 712 ? [1, 0, 0, 0, ...opcua.node('Press'), ...opcua.node('Stop'), 0, 0, 0, 0] : [0, 0, 0, 0];
    driver.app(opcua.message(2, 2, opcua.request(type, 5, body)));
    expect(driver.outcome.toService).toHaveLength(0);
    expect(driver.outcome.calls).toMatchObject([{ method: name, decision: 'deny' }]);
    expect(driver.outcome.toApp.subarray(24, 28)).toEqual(Buffer.from(hex('01008d01')));
    expect(driver.outcome.toApp.readUInt32LE(40)).toBe(0x801f0000);
  });

  it('puts messages together from their chunks, and judges what is whole', () => {
    const driver = drive({ allow: 'read' });
    const body = opcua.write(3, 'Speed', 9);
    driver
      .app(opcua.message(2, 3, body.slice(0, 20), 'C'))
      .app(read(3, 4))
      .app(opcua.message(4, 3, body.slice(20)));
    driver
      .app(opcua.message(5, 5, body.slice(0, 30), 'C'))
      .app(opcua.message(6, 5, [], 'A'))
      .app(read(7, 6));
    expect(sequences(driver.outcome.toService)).toEqual([2, 3]);
    expect(driver.outcome.calls).toMatchObject([{ method: 'Write', decision: 'deny' }]);
  });

  it('gives up on a client that asks ever more amid an answer, or sends pieces of nothing', () => {
    const asking = drive({ allow: 'read' })
      .app(read(2, 2))
      .service(opcua.message(2, 2, [1, 0], 'C'));
    for (let count = 0; count < 1_024; count += 1) asking.app(write(3 + count, 3 + count));
    expect(asking.outcome.violations).toHaveLength(0);
    asking.app(write(2_000, 2_000));
    expect(asking.outcome.violations).toEqual(['guard.floor.unparseable']);
    const cutting = drive({ allow: 'read' });
    const pieces = Array.from({ length: 17_000 }, (_, at) => opcua.message(2 + at, 2, [], 'C'));
    cutting.app(Buffer.concat(pieces));
    expect(cutting.outcome.violations).toEqual(['guard.floor.unparseable']);
  });

  it('does not break into an answer that comes in pieces', () => {
    const driver = drive({ allow: 'read' });
    const whole = value(2, 2, 7);
    const body = [...whole.subarray(24)];
    driver
      .app(read(2, 2))
      .service(opcua.message(2, 2, body.slice(0, 10), 'C'))
      .app(write(3, 3));
    expect(sequences(driver.outcome.toApp)).toEqual([2]);
    driver.service(opcua.message(3, 2, body.slice(10)));
    expect(sequences(driver.outcome.toApp)).toEqual([2, 3, 4]);
  });

  it('holds to nodes, and lets through what clients need to stay', () => {
    const driver = drive({ allow: ['read', 'write'], objects: ['ns=2;s=Speed'] });
    driver
      .app(read(2, 2))
      .app(write(3, 3))
      .app(opcua.message(4, 4, opcua.request(787, 4, [0])));
    const state = opcua.request(631, 5, [
      ...[...Array<number>(12).fill(0), 1, 0, 0, 0, 1, 0, 0xd3, 8, 13, 0, 0, 0],
      ...[255, 255, 255, 255, 0, 0, 255, 255, 255, 255],
    ]);
    driver.app(opcua.message(5, 5, state));
    expect(sequences(driver.outcome.toService)).toEqual([2, 3, 4, 5]);
    driver
      .forget()
      .app(read(6, 6, 'Speed', 'Recipe'))
      .app(write(7, 7, 'Recipe'));
    expect(driver.outcome.toService).toHaveLength(0);
    expect(driver.outcome.calls.map((call) => call.rule)).toEqual(Array(2).fill('contract:opcua.objects'));
    // ReadResponse: each node by itself is denied.
    expect(driver.outcome.toApp.subarray(24, 28)).toEqual(Buffer.from(hex('01007a02')));
  });

  it('records what was there before a write', () => {
    const driver = drive({ allow: ['read', 'write'] });
    driver
      .app(read(2, 2))
      .service(value(2, 2, 7))
      .app(write(3, 3));
    driver
      .service(opcua.answer(3, 3, 676, 3, [1, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255]))
      .app(write(4, 4, 'Speed', 10));
    expect(driver.end().calls.slice(1)).toMatchObject([
      { method: 'Write', failed: false, arguments: { values: [9], old: [7] } },
      { method: 'Write', arguments: { values: [10], old: [9] } },
    ]);
  });

  it('rejects a policy it cannot read with a sentence, or lets it through unread', () => {
    const refused = driveFloor('opcua', { allow: 'read' })
      .app(opcua.hello)
      .app(opcua.open('Basic256Sha256'))
      .app(write(2, 2));
    expect(refused.outcome.toService).toEqual(Buffer.from(opcua.hello));
    expect(refused.outcome.toApp.subarray(0, 4).toString()).toBe('ERRF');
    expect(refused.outcome.toApp.readUInt32LE(8)).toBe(0x80550000);
    expect(refused.outcome.toApp.toString()).toContain('Basic256Sha256 cannot be read here');
    expect(refused.outcome).toMatchObject({ notVisible: ['closed'], violations: [] });
    const unread = driveFloor('opcua', { allow: 'read', opaque: 'alert' })
      .app(opcua.open('Basic256Sha256'))
      .app(write(2, 2));
    expect(unread.outcome.toService).toEqual(Buffer.concat([opcua.open('Basic256Sha256'), write(2, 2)]));
    expect(unread.outcome.notVisible).toEqual(['open']);
  });
});
