import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SendBudget } from '../../main/ziti/edge/send-budget.ts';
import { XgressReceiver } from '../../main/ziti/edge/xgress-receiver.ts';
import { windowBytes, XgressSender } from '../../main/ziti/edge/xgress-sender.ts';
import {
  encodeAcknowledgement,
  markRetransmission,
  ownCapabilities,
  PayloadWriter,
  payloadFlag,
  readAcknowledgedSequences,
  readPayload,
} from '../../main/ziti/wire/xgress.ts';
import { FrameDecoder } from '../../main/ziti/wire/frame-decoder.ts';
import type { Frame } from '../../main/ziti/wire/frame.ts';
import { headerId } from '../../main/ziti/wire/header-id.ts';

const frameOf = (sequence: number): Uint8Array => Uint8Array.of(sequence);

/** Send `count` messages of `bytes` at `nowMs`. */
function send(sender: XgressSender, count: number, bytes: number, nowMs: number): void {
  for (let i = 0; i < count; i++) sender.sent(frameOf(sender.nextSequence), bytes, nowMs);
}

function decode(bytes: Uint8Array): Frame {
  let decoded: Frame | undefined;
  new FrameDecoder((frame) => (decoded = frame)).push(bytes);
  if (decoded === undefined) throw new Error('no frame');
  return decoded;
}

describe('payload frames', () => {
  it('carry sequence, clock, circuit and connection, and change in place when sent again', () => {
    const writer = new PayloadWriter(7, 'circuit-1', 'terminator');
    const frame = new Uint8Array(writer.headBytes + 3);
    writer.writeHead(frame, 99, 5, 3, 0x1_2345);
    frame.set([1, 2, 3], writer.headBytes);
    const decoded = decode(frame);
    expect([decoded.sequence, decoded.headers.u32(headerId.connId)]).toEqual([99, 7]);
    expect(decoded.headers.string(headerId.xgCircuitId)).toBe('circuit-1');
    expect([...decoded.body]).toEqual([1, 2, 3]);
    expect(readPayload(decoded.headers)).toEqual({
      sequence: 5,
      flags: payloadFlag.originator,
      edgeFlags: 0,
      capabilities: false,
      clock: 0x2345,
    });
    markRetransmission(frame, 0x6789);
    expect(readPayload(decode(frame).headers)).toMatchObject({
      flags: payloadFlag.originator | payloadFlag.retransmit,
      clock: 0x6789,
    });
  });

  it('carry flags, edge flags and capabilities where there are any', () => {
    const writer = new PayloadWriter(1, 'c', 'initiator');
    const start = writer.special(1, 0, { flags: payloadFlag.circuitStart, capabilities: ownCapabilities }, 0);
    expect(readPayload(decode(start).headers)).toMatchObject({ flags: payloadFlag.circuitStart, capabilities: true });
    const fin = writer.special(2, 1, { edgeFlags: 1 }, 0);
    expect(readPayload(decode(fin).headers)).toMatchObject({ sequence: 1, flags: 0, edgeFlags: 1 });
    expect(decode(writer.special(2, 1, { body: Uint8Array.of(9) }, 0)).body).toEqual(Uint8Array.of(9));
  });

  it('are acknowledged by big-endian sequences', () => {
    const ack = { frameSequence: 1, connId: 2, circuitId: 'c', originator: 'initiator', clock: 3 } as const;
    const frame = decode(encodeAcknowledgement({ ...ack, receiveBufferBytes: 70_000, sequences: [0, 258, 70_000] }));
    expect([...frame.body.subarray(4, 8)]).toEqual([0, 0, 1, 2]);
    expect(readAcknowledgedSequences(frame.body)).toEqual([0, 258, 70_000]);
    expect(frame.headers.u32(headerId.xgRecvBufferSize)).toBe(70_000);
    expect(readAcknowledgedSequences(Uint8Array.of(1, 2, 3))).toBeUndefined();
  });
});

describe('the sender', () => {
  it('sends nothing again while acknowledgements come, however the round trip varies', () => {
    const sender = new XgressSender();
    let nowMs = 0;
    for (let round = 0; round < 300; round++) {
      const first = sender.nextSequence;
      send(sender, 12, 60_000, nowMs);
      nowMs += 1 + (round % 7) * 9;
      const sequences = Array.from({ length: 12 }, (_, i) => first + i).reverse();
      expect(sender.acknowledged(sequences, 0, nowMs).resend).toEqual([]);
      expect(sender.timerFired(nowMs)).toEqual([]);
    }
    expect(sender.resent).toBe(0);
    expect(sender.messagesInFlight).toBe(0);
    expect(sender.timerAtMs()).toBeUndefined();
  });

  it('sends again what later acknowledgements have passed, once a round trip and more has gone by, and only that', () => {
    const sender = new XgressSender();
    send(sender, 1, 100, 0);
    sender.acknowledged([0], 0, 4);
    send(sender, 6, 100, 10);
    expect(sender.acknowledged([2, 3, 5], 0, 15).resend).toEqual([]);
    const dueMs = sender.timerAtMs();
    expect(dueMs).toBeGreaterThan(15);
    expect(dueMs).toBeLessThan(100);
    const resent = sender.timerFired(dueMs!);
    expect(resent.map((frame) => frame[0])).toEqual([1, 4]);
    // The last one may merely be late: nothing after it was acknowledged.
    expect(sender.resent).toBe(2);
  });

  it('falls back to the time-out for the last message, waiting twice as long each time, at most 10 s', () => {
    const sender = new XgressSender();
    send(sender, 1, 100, 0);
    const gaps: number[] = [];
    let lastMs = 0;
    for (let i = 0; i < 8; i++) {
      const dueMs = sender.timerAtMs()!;
      expect(sender.timerFired(dueMs - 0.5)).toEqual([]);
      expect(sender.timerFired(dueMs)).toHaveLength(1);
      gaps.push(dueMs - lastMs);
      lastMs = dueMs;
    }
    expect(gaps).toEqual([1000, 2000, 4000, 8000, 10_000, 10_000, 10_000, 10_000]);
    expect(sender.acknowledged([0], 0, lastMs + 1).released).toEqual([]);
    expect(sender.timerAtMs()).toBeUndefined();
  });

  it('waits longer for messages that change places once it has been too hasty, and takes the window back', () => {
    const sender = new XgressSender();
    send(sender, 1, 100, 0);
    sender.acknowledged([0], 0, 10);
    send(sender, 8, 100, 10);
    sender.acknowledged([2, 3, 4, 5, 6, 7, 8], 0, 22);
    const before = sender.windowMessages;
    const firstWaitMs = sender.timerAtMs()! - 10;
    expect(sender.timerFired(10 + firstWaitMs)).toHaveLength(1);
    expect(sender.windowMessages).toBeLessThan(before);
    sender.acknowledged([1], 0, 10 + firstWaitMs + 1);
    expect(sender.windowMessages).toBe(before);
    send(sender, 8, 100, 100);
    sender.acknowledged([10, 11, 12, 13, 14, 15, 16], 0, 112);
    expect(sender.timerAtMs()! - 100).toBeGreaterThan(firstWaitMs);
  });

  it('keeps within its window, and within what the peer has room for', () => {
    const sender = new XgressSender();
    let sent = 0;
    for (; sender.mayStart() && sent < 1000; sent++) send(sender, 1, 100, 0);
    expect(sent).toBeLessThan(64);
    const all = Array.from({ length: sent }, (_, i) => i);
    sender.acknowledged(all, windowBytes - 1000, 5);
    expect(sender.mayStart()).toBe(true);
    send(sender, 1, 1000, 6);
    expect(sender.mayStart()).toBe(false);
    sender.acknowledged([sent], windowBytes, 9);
    expect([sender.mayStart(), sender.waitsForPeer]).toEqual([false, true]);
    sender.probe();
    expect(sender.mayStart()).toBe(true);
    send(sender, 1, 1000, 6);
    expect(sender.mayStart()).toBe(false);
    sender.acknowledged([sent + 1], 0, 20);
    expect([sender.mayStart(), sender.waitsForPeer]).toEqual([true, false]);
  });

  it('ignores acknowledgements of what it never sent, or twice', () => {
    const sender = new XgressSender();
    send(sender, 2, 100, 0);
    expect(sender.acknowledged([7, -1, 0, 0], 0, 3).released).toHaveLength(1);
    expect(sender.acknowledged([0], 0, 4).released).toHaveLength(0);
    expect([sender.messagesInFlight, sender.bytesInFlight]).toEqual([1, 100]);
  });
});

describe('the budget of a channel', () => {
  it('holds a flood back, opens while nothing is lost, and closes on loss once a round trip', () => {
    const budget = new SendBudget();
    const fill = (nowMs: number): number => {
      let sent = 0;
      for (; budget.mayStart(nowMs) && sent < 10_000; sent++) budget.sent(nowMs);
      return sent;
    };
    expect(fill(0)).toBe(48);
    expect(budget.free(10)).toBe(0);
    for (let nowMs = 10; nowMs < 1_000; nowMs += 10) {
      budget.answered(fill(nowMs), 10);
      budget.answered(48, 10);
    }
    const open = budget.window;
    expect(open).toBeGreaterThan(60);
    budget.lost(1_000);
    budget.lost(1_001);
    expect(budget.window).toBe(Math.floor(open * 0.75));
    for (let nowMs = 2_000; nowMs < 60_000; nowMs += 1_000) budget.lost(nowMs);
    expect(budget.window).toBe(24);
  });

  it('forgets messages that nobody answers', () => {
    const budget = new SendBudget();
    for (let i = 0; i < 48; i++) budget.sent(0);
    expect(budget.mayStart(100)).toBe(false);
    expect(budget.waitMs(100)).toBeGreaterThan(0);
    expect(budget.free(100 + budget.waitMs(100))).toBe(48);
  });
});

describe('the receiver', () => {
  it('gives each message once and in order, whatever comes how often and in which order', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 400 }), (arrivals) => {
        const receiver = new XgressReceiver<number>();
        const taken: number[] = [];
        for (const sequence of arrivals) {
          const acceptance = receiver.accept(sequence, 10, 0, false);
          if (acceptance === 'early') receiver.stash(sequence, sequence, 10);
          if (acceptance !== 'now') continue;
          taken.push(sequence);
          for (let next = receiver.next(); next !== undefined; next = receiver.next()) taken.push(next);
        }
        const came = new Set(arrivals);
        const expected: number[] = [];
        for (let i = 0; came.has(i); i++) expected.push(i);
        expect(taken).toEqual(expected);
        expect(receiver.takeAcknowledgements().sequences).toEqual(arrivals);
        expect(receiver.stashedBytes).toBe(10 * (came.size - expected.length));
      }),
    );
  });

  it('bounds what it keeps for later, and does not acknowledge what it drops', () => {
    const receiver = new XgressReceiver<number>();
    let kept = 0;
    for (let sequence = 1; sequence < 200; sequence++) {
      if (receiver.accept(sequence, 64 * 1024, 0, false) !== 'early') continue;
      receiver.stash(sequence, sequence, 64 * 1024);
      kept += 1;
    }
    expect(kept * 64 * 1024).toBe(4 * 1024 * 1024);
    expect(receiver.takeAcknowledgements().sequences).toHaveLength(kept);
    expect(receiver.accept(0, 64 * 1024, 0, true)).toBe('dropped');
    expect(receiver.owesAcknowledgement).toBe(false);
  });

  it('echoes the clock of the first message of a batch', () => {
    const receiver = new XgressReceiver<number>();
    receiver.accept(0, 1, 11, false);
    receiver.accept(1, 1, 12, false);
    expect(receiver.takeAcknowledgements().clock).toBe(11);
    receiver.accept(2, 1, 13, false);
    expect(receiver.takeAcknowledgements().clock).toBe(13);
  });
});
