import { describe, expect, it } from 'vitest';
import { driveFloor } from '../support/floor-driver.ts';
import { hex, iec104 } from '../support/floor-frames.ts';

const { information, asdu, supervisory, start } = iec104;
const interrogation = asdu(100, 0, [0x14]);
const command = asdu(45, 12, [1]);
const measured = asdu(13, 11, [0, 0, 0, 0, 0], 3);

describe('IEC 60870-5-104 guard', () => {
  it('lets interrogations, reads and tests pass, and all that the station says', () => {
    const driver = driveFloor('iec104', { allow: 'read' });
    const asked = [
      start,
      information(0, 0, interrogation),
      information(1, 0, asdu(102, 11, [], 5)),
      information(2, 0, asdu(101, 0, [5])),
      information(3, 0, asdu(107, 0, [1, 0, 0, 0, 0, 0, 1, 1, 26])),
      supervisory(0),
      hex('680443000000'),
    ];
    for (const frame of asked) driver.app(frame);
    expect(driver.outcome.toService).toEqual(Buffer.concat(asked));
    driver.service(information(0, 4, measured)).service(information(1, 4, asdu(100, 0, [0x14], 7)));
    expect(driver.outcome.toApp).toEqual(
      Buffer.concat([information(0, 4, measured), information(1, 4, asdu(100, 0, [0x14], 7))]),
    );
    expect(driver.outcome.calls.map((call) => call.method)).toEqual(['read', 'interrogation']);
  });

  it.each([
    ['single-command', asdu(45, 12, [0x81])],
    ['setpoint-float', asdu(50, 12, [0, 0, 0xb0, 0x40, 0])],
    ['bitstring-timed', asdu(64, 12, [1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 26])],
    ['counter-freeze', asdu(101, 0, [0x45])],
    ['clock-synchronisation', asdu(103, 0, [0, 0, 0, 0, 1, 1, 26])],
    ['reset-process', asdu(105, 0, [1])],
    ['parameter-float', asdu(112, 12, [0, 0, 0, 0, 1])],
    ['file-segment', asdu(125, 12, [1, 0, 1, 2, 9, 9])],
    ['type-45', [45, 2, 6, 0, 47, 0, 12, 0, 0, 1, 13, 0, 0, 1]],
    ['type-100', asdu(100, 0, [0x14, 0])],
    ['type-77', asdu(77, 0, [])],
  ] as const)('confirms %s negatively', (name, body) => {
    const driver = driveFloor('iec104', { allow: 'read' });
    driver.app(information(0, 0, body));
    expect(driver.outcome.toService).toHaveLength(0);
    const no = [...body];
    no[2] = 0x47;
    expect(driver.outcome.toApp).toEqual(Buffer.from(information(0, 1, no)));
    expect(driver.outcome.calls).toMatchObject([{ method: name, decision: 'deny' }]);
  });

  it('gives up on a client that asks ever more and never confirms the answers', () => {
    const driver = driveFloor('iec104', { allow: 'read' });
    for (let count = 0; count < 0x4000; count += 1) driver.app(information(count, 0, command)).forget();
    expect(driver.outcome.violations).toHaveLength(0);
    driver.app(information(0x4000, 0, command));
    expect(driver.outcome.violations).toEqual(['guard.floor.unparseable']);
  });

  it('translates numbers both ways, so that reads go on after refusals', () => {
    const driver = driveFloor('iec104', { allow: 'read' });
    driver
      .app(information(0, 0, command))
      .app(information(1, 1, interrogation))
      .app(information(2, 1, command));
    // The station gets one frame, number 0, that confirms nothing; what it confirms in turn are three.
    expect(driver.outcome.toService).toEqual(Buffer.from(information(0, 0, interrogation)));
    expect(driver.forget().service(supervisory(1)).outcome.toApp).toEqual(Buffer.from(supervisory(3)));
    driver
      .forget()
      .service(information(0, 1, measured))
      .service(information(1, 1, measured));
    expect(driver.outcome.toApp).toEqual(Buffer.concat([information(2, 3, measured), information(3, 3, measured)]));
    // Of four frames to the application two are the station's.
    driver.forget().app(supervisory(1)).app(supervisory(2)).app(supervisory(3)).app(supervisory(4));
    expect(driver.outcome.toService).toEqual(
      Buffer.concat([supervisory(0), supervisory(0), supervisory(1), supervisory(2)]),
    );
    driver.forget().app(information(3, 4, interrogation));
    expect(driver.outcome.toService).toEqual(Buffer.from(information(1, 2, interrogation)));
  });

  it('confirms no request that the station has not', () => {
    const driver = driveFloor('iec104', { allow: 'read' });
    driver.app(information(0, 0, interrogation)).app(information(1, 0, command));
    expect(driver.outcome.toApp.subarray(0, 6)).toEqual(Buffer.from(information(0, 0, command).subarray(0, 6)));
  });

  it('goes on past 32,767', () => {
    const driver = driveFloor('iec104', { allow: 'read' });
    for (let sent = 0; sent < 33_000; sent += 1) {
      const number = sent % 0x8000;
      driver.app(information(number, number, sent % 2 === 0 ? command : interrogation)).forget();
      if (sent % 2 === 1) driver.service(information(((sent - 1) / 2) % 0x8000, ((sent + 1) / 2) % 0x8000, measured));
      expect(driver.outcome.violations).toEqual([]);
    }
    expect(driver.outcome.faults).toEqual([]);
  });

  it('holds to points, and says what was commanded', () => {
    const driver = driveFloor('iec104', {
      allow: ['read', 'control'],
      objects: [{ commonAddress: 47, from: 10, to: 19 }],
    });
    driver.app(information(0, 0, command)).app(information(1, 0, asdu(45, 20, [1])));
    expect(driver.outcome.toService).toEqual(Buffer.from(information(0, 0, command)));
    driver.service(information(0, 1, asdu(45, 12, [1], 7)));
    expect(driver.outcome.calls).toMatchObject([
      { decision: 'deny', rule: 'contract:iec104.objects', target: 'station 47 point 20' },
      { method: 'single-command', failed: false, arguments: { value: 1, select: false } },
    ]);
  });

  it.each([
    ['another start', Uint8Array.of(0x69, 4, 0, 0, 0, 0)],
    ['a number out of turn', information(7, 0, interrogation)],
    ['a confirmation of nothing', information(0, 5, interrogation)],
    ['an unnumbered frame nobody knows', hex('680407010000')],
  ])('takes %s for a violation', (_name, frame) => {
    const driver = driveFloor('iec104', { allow: 'read' }).app(frame);
    expect(driver.outcome).toMatchObject({ violations: ['guard.floor.unparseable'] });
    expect(driver.outcome.toService).toHaveLength(0);
  });
});
