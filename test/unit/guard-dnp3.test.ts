import { describe, expect, it } from 'vitest';
import { driveFloor } from '../support/floor-driver.ts';
import { dnp3, hex } from '../support/floor-frames.ts';

const { request, answer, frame } = dnp3;
const block = [12, 1, 0x17, 1, 1, 3, 1, 100, 0, 0, 0, 100, 0, 0, 0, 0];

describe('DNP3 guard', () => {
  it('lets reads, confirmations and the link pass, as a real master sends them', () => {
    const driver = driveFloor('dnp3', { allow: 'read' });
    const captured = hex('056414c40a000100 8fed c0c0013c02063c03063c04063c0106');
    const real = Uint8Array.of(...captured, ...dnp3.checksum([...captured.subarray(10)]));
    const asked = [
      real,
      frame(0xc9, 10, 1, []),
      request(1, 0),
      request(2, 1, [30, 2, 0, 0, 9]),
      request(3, 20, [60, 2, 6]),
      request(4, 23),
    ];
    for (const one of asked) driver.app(one);
    expect(driver.outcome.toService).toEqual(Buffer.concat(asked));
    driver.service(answer(2, [30, 2, 0, 0, 0, 1, 7, 0]));
    expect(driver.outcome.calls).toMatchObject([{ method: 'read', target: 'outstation 10 g30v2 0–9', failed: false }]);
  });

  it.each([
    ['select', 3],
    ['operate', 4],
    ['direct-operate', 5],
  ] as const)('answers %s with "not authorised" for each point', (name, code) => {
    const driver = driveFloor('dnp3', { allow: 'read' })
      .app(request(5, code, block))
      .app(request(6, 1, [60, 2, 6]));
    const status = [...block];
    status[15] = 9;
    expect(driver.outcome.toApp).toEqual(Buffer.from(answer(5, status)));
    expect(driver.outcome.toService).toEqual(Buffer.from(request(6, 1, [60, 2, 6])));
    expect(driver.outcome.calls).toMatchObject([{ method: name, target: 'outstation 10 g12v1 1', decision: 'deny' }]);
  });

  it.each([
    ['write', 2, [80, 1, 0, 7, 7, 0]],
    ['freeze', 7, [20, 0, 6]],
    ['cold-restart', 13, []],
    ['warm-restart', 14, []],
    ['stop-application', 18, []],
    ['assign-class', 22, [60, 2, 6]],
    ['open-file', 25, []],
    ['activate-configuration', 31, []],
    ['function-99', 99, []],
    ['function-1', 1, [30, 2, 0, 0]],
    ['function-5', 5, [12, 1, 0x17, 1]],
  ] as const)('answers %s with "no such function"', (name, code, body) => {
    const driver = driveFloor('dnp3', { allow: 'read' }).app(request(5, code, body));
    expect(driver.outcome.toService).toHaveLength(0);
    expect(driver.outcome.toApp).toEqual(Buffer.from(frame(0x44, 1, 10, [0xc0, 0xc5, 0x81, 0, 1])));
    expect(driver.outcome.calls).toMatchObject([{ method: name, decision: 'deny' }]);
  });

  it('drops what nobody answers, and what goes to all', () => {
    const driver = driveFloor('dnp3', { allow: 'read' });
    driver
      .app(request(1, 6, block))
      .app(request(1, 8, [20, 0, 6]))
      .app(frame(0xc4, 0xffff, 1, [0xc0, 0xc1, 13]));
    expect(driver.outcome.toService).toHaveLength(0);
    expect(driver.outcome.toApp).toHaveLength(0);
    expect(driver.outcome.calls).toHaveLength(3);
  });

  it('puts fragments together from their segments, and does not break into an answer', () => {
    const driver = driveFloor('dnp3', { allow: 'read' });
    const fragment = [0xc5, 5, ...block];
    driver.service(frame(0x44, 1, 10, [0x40, 0xe1, 0x81, 0, 0, 30, 2]));
    driver.forget().app(frame(0xc4, 10, 1, [0x43, ...fragment.slice(0, 1)]));
    driver.app(frame(0xc4, 10, 1, [0x84, ...fragment.slice(1)]));
    expect(driver.outcome.toService).toHaveLength(0);
    expect(driver.outcome.toApp).toHaveLength(0);
    const rest = frame(0x44, 1, 10, [0x81, 0, 0]);
    driver.service(rest);
    const status = [...block];
    status[15] = 9;
    expect(driver.outcome.toApp).toEqual(Buffer.concat([rest, answer(5, status)]));
    // A segment out of turn begins nothing.
    driver
      .forget()
      .app(frame(0xc4, 10, 1, [0x43, 0xc5]))
      .app(frame(0xc4, 10, 1, [0x85, 1, 60, 2, 6]));
    expect(driver.outcome.toService).toHaveLength(0);
  });

  it('gives up on a master that asks ever more amid an answer, or sends pieces of nothing', () => {
    const asking = driveFloor('dnp3', { allow: 'read' });
    asking.service(frame(0x44, 1, 10, [0x40, 0xe1, 0x81, 0, 0, 30, 2]));
    for (let count = 0; count < 1_024; count += 1) asking.app(request(5, 13));
    expect(asking.outcome.violations).toHaveLength(0);
    asking.app(request(5, 13));
    expect(asking.outcome.violations).toEqual(['guard.floor.unparseable']);
    const cutting = driveFloor('dnp3', { allow: 'read' });
    const pieces = Array.from({ length: 17_000 }, (_, at) => frame(0xc4, 10, 1, [(at % 64) | (at === 0 ? 0x40 : 0)]));
    cutting.app(Buffer.concat(pieces));
    expect(cutting.outcome.violations).toEqual(['guard.floor.unparseable']);
  });

  it('holds to points, and says what was commanded', () => {
    const driver = driveFloor('dnp3', {
      allow: ['read', 'direct-operate'],
      objects: [
        { group: 12, from: 0, to: 3 },
        { group: 30, from: 0, to: 9 },
      ],
    });
    driver
      .app(request(1, 5, block))
      .app(request(2, 1, [30, 2, 6]))
      .app(request(3, 1, [30, 2, 0, 0, 9]));
    expect(driver.outcome.toService).toEqual(Buffer.concat([request(1, 5, block), request(3, 1, [30, 2, 0, 0, 9])]));
    driver.service(answer(1, block));
    expect(driver.outcome.calls).toMatchObject([
      { decision: 'deny', rule: 'contract:dnp3.objects' },
      { method: 'direct-operate', arguments: { values: ['0301640000006400000000'] } },
    ]);
  });

  it('takes a wrong checksum for a violation, and refuses frames to be confirmed', () => {
    const broken = request(1, 1, [60, 2, 6]).slice();
    broken[12] = 5;
    const driver = driveFloor('dnp3', { allow: 'read' }).app(broken);
    expect(driver.outcome).toMatchObject({ violations: ['guard.floor.unparseable'] });
    const confirmed = driveFloor('dnp3', { allow: 'read' }).app(frame(0xf3, 10, 1, [0xc0, 0xc1, 1, 60, 2, 6]));
    expect(confirmed.outcome.toService).toHaveLength(0);
    expect(confirmed.outcome.toApp).toEqual(Buffer.from(frame(0x0f, 1, 10, [])));
  });
});
