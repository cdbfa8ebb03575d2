import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TunnelerError } from '../../main/base/errors.ts';
import { contentType } from '../../main/ziti/wire/content-type.ts';
import { encodeFrame, type Frame } from '../../main/ziti/wire/frame.ts';
import { HeaderList } from '../../main/ziti/wire/header-block.ts';
import { edgeFlag, headerId } from '../../main/ziti/wire/header-id.ts';
import { payloadFlag, readPayload } from '../../main/ziti/wire/xgress.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { RecordingSink } from '../support/recording-sink.ts';
import { linkedStreams, stateClosed } from '../support/wire-link.ts';

const turn = async (clock: ManualClock, ms: number, stepMs = 1): Promise<void> => {
  for (let left = ms; left > 0; left -= stepMs) {
    clock.advance(Math.min(stepMs, left));
    await Promise.resolve();
    await Promise.resolve();
  }
};

/** Small, repeatable randomness. */
function dice(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 0x1_0000_0000;
  };
}

function bytes(lengthBytes: number, seed: number): Uint8Array {
  const roll = dice(seed);
  return Uint8Array.from({ length: lengthBytes }, () => Math.floor(roll() * 256));
}

function frame(type: number, connId: number, headers: HeaderList, body?: Uint8Array): Uint8Array {
  headers.u32(headerId.connId, connId);
  return encodeFrame({ contentType: type, sequence: 1, headers, ...(body === undefined ? {} : { body }) });
}

describe('a stream over a link that loses, repeats and reorders', () => {
  it('delivers exactly the bytes, each way, with the ends', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          seed: fc.integer({ min: 1, max: 1_000_000 }),
          // At a quarter an end may be lost six times in a row, and its sender gives up waiting after fifteen seconds.
          loss: fc.double({ min: 0, max: 0.15, noNaN: true }),
          repeat: fc.double({ min: 0, max: 0.2, noNaN: true }),
          delayMs: fc.integer({ min: 0, max: 80 }),
          encrypted: fc.boolean(),
        }),
        async ({ seed, loss, repeat, delayMs, encrypted }) => {
          const clock = new ManualClock();
          const roll = dice(seed);
          const delay = (): number => Math.floor(roll() * delayMs);
          const fate = (): number[] => {
            if (roll() < loss) return [];
            return roll() < repeat ? [delay(), delay()] : [delay()];
          };
          const { near, far } = linkedStreams({ clock, encrypted, fate });
          const [a, b] = [RecordingSink.on(near), RecordingSink.on(far)];
          const up = bytes(150_000 + (seed % 1000), seed);
          const down = bytes(90_000, seed + 1);
          for (let at = 0; at < up.length; at += 7_001) near.write(up.slice(at, at + 7_001));
          near.end();
          for (let at = 0; at < down.length; at += 30_000) far.write(down.slice(at, at + 30_000));
          far.end();
          for (let round = 0; round < 400 && !(a.ends === 1 && b.ends === 1); round++) await turn(clock, 500, 5);
          expect(Buffer.compare(Buffer.concat(b.chunks), up)).toBe(0);
          expect(Buffer.compare(Buffer.concat(a.chunks), down)).toBe(0);
          await turn(clock, 20_000, 50);
          expect([a.ends, b.ends, a.over, b.over]).toEqual([1, 1, true, true]);
          expect(clock.pending()).toBe(0);
        },
      ),
      { numRuns: 25 },
    );
  }, 120_000);

  it('acknowledges a small message with the answer to it, and soon where there is none', async () => {
    const clock = new ManualClock();
    const seen: string[] = [];
    const tap = (frame: Frame): void =>
      void seen.push(frame.contentType === contentType.xgAcknowledgement ? 'acknowledgement' : 'message');
    const { near, far } = linkedStreams({ clock, tap });
    const told = RecordingSink.on(far);
    RecordingSink.on(near);
    near.write(bytes(1, 1));
    far.write(bytes(1, 2));
    await turn(clock, 20);

    seen.length = 0;
    near.write(bytes(1, 3));
    await turn(clock, 1);
    expect(told.chunks).toHaveLength(2);
    expect(seen).toEqual(['message']);
    await turn(clock, 4);
    expect(seen).toEqual(['message', 'acknowledgement']);

    seen.length = 0;
    near.write(bytes(1, 4));
    await turn(clock, 1);
    far.write(bytes(1, 5));
    await turn(clock, 1);
    expect(seen).toEqual(['message', 'acknowledgement', 'message']);
  });

  it('sends nothing twice over a link that only delays', async () => {
    const clock = new ManualClock();
    let payloads = 0;
    let again = 0;
    const tap = (seen: Frame): void => {
      const fields = seen.contentType === contentType.xgPayload ? readPayload(seen.headers) : undefined;
      if (fields === undefined) return;
      payloads += 1;
      if ((fields.flags & payloadFlag.retransmit) !== 0) again += 1;
    };
    const { near, far } = linkedStreams({ clock, fate: () => [20], tap });
    RecordingSink.on(near);
    const b = RecordingSink.on(far);
    const sent = 20 * 1024 * 1024;
    let left = sent;
    while (left > 0) {
      while (left > 0 && near.write(new Uint8Array(65_536))) left -= 65_536;
      left -= left > 0 ? 65_536 : 0;
      await turn(clock, 10);
    }
    for (let i = 0; i < 200 && b.chunks.reduce((sum, chunk) => sum + chunk.length, 0) < sent; i++)
      await turn(clock, 10);
    expect(payloads).toBeGreaterThan(160);
    expect(again).toBe(0);
  });
});

describe('half-close, as each peer spells it', () => {
  for (const [spelling, headers] of [
    ['FIN in the payload', () => new HeaderList().u32(headerId.payloadEdgeFlags, edgeFlag.fin)],
    ['the EOF flag', () => new HeaderList().u32(headerId.xgFlags, payloadFlag.eof | payloadFlag.originator)],
    [
      "the circuit's end",
      () => new HeaderList().u32(headerId.xgFlags, payloadFlag.circuitEnd | payloadFlag.originator),
    ],
  ] as const) {
    it(`is the end of what comes, and of nothing else: ${spelling}`, async () => {
      const clock = new ManualClock();
      const { near, channels } = linkedStreams({ clock, encrypted: false, fate: () => [] });
      const a = RecordingSink.on(near);
      const payload = headers().u64(headerId.xgSequence, 0);
      channels[0].arrive(frame(contentType.xgPayload, 1, payload));
      await turn(clock, 5);
      expect([a.ends, a.over]).toEqual([1, false]);
      expect(near.write(Uint8Array.of(1))).toBe(true);
    });
  }

  it('delivers data that comes with the FIN before the end', async () => {
    const clock = new ManualClock();
    const { near, channels } = linkedStreams({ clock, encrypted: false, flowControl: 'router' });
    const a = RecordingSink.on(near);
    channels[0].arrive(
      frame(contentType.data, 1, new HeaderList().u32(headerId.flags, edgeFlag.fin), Uint8Array.of(1, 2)),
    );
    channels[0].arrive(frame(contentType.data, 1, new HeaderList(), Uint8Array.of(3)));
    await turn(clock, 5);
    expect([...Buffer.concat(a.chunks)]).toEqual([1, 2]);
    expect([a.ends, a.over]).toEqual([1, false]);
  });
});

describe("under the router's flow control", () => {
  it('carries both ways, half-closes, and takes the close of a side that cannot half-close for its end', async () => {
    const clock = new ManualClock();
    const { near, far, channels } = linkedStreams({ clock, flowControl: 'router' });
    const [a, b] = [RecordingSink.on(near), RecordingSink.on(far)];
    near.write(bytes(200_000, 1));
    near.end();
    await turn(clock, 10);
    expect(Buffer.concat(b.chunks).length).toBe(200_000);
    expect(b.ends).toBe(1);
    far.write(Uint8Array.of(5));
    await turn(clock, 5);
    channels[0].arrive(stateClosed(1, 'close called'));
    await turn(clock, 5);
    expect([...Buffer.concat(a.chunks)]).toEqual([5]);
    expect([a.ends, a.over, a.error]).toEqual([1, true, undefined]);
  });

  it('stops the channel while one reader holds too much, and only so long', async () => {
    const clock = new ManualClock();
    const { near, far, channels } = linkedStreams({ clock, flowControl: 'router', encrypted: false });
    RecordingSink.on(near);
    const b = RecordingSink.on(far);
    far.pause();
    for (let i = 0; i < 140; i++) {
      near.write(new Uint8Array(65_536));
      await turn(clock, 2);
    }
    expect(channels[1].reading).toBe(false);
    far.resume();
    await turn(clock, 10);
    expect(channels[1].reading).toBe(true);
    expect(Buffer.concat(b.chunks).length).toBe(140 * 65_536);
  });
});

describe('what ends a stream', () => {
  it('revocation cuts at once, held bytes and all, with a code of its own', async () => {
    for (const reason of ['dial access lost', 'session closed', 'bind access lost', 'session ended']) {
      const clock = new ManualClock();
      const { near, far, channels } = linkedStreams({ clock });
      const a = RecordingSink.on(near);
      RecordingSink.on(far);
      near.pause();
      far.write(Uint8Array.of(1));
      await turn(clock, 5);
      channels[0].arrive(stateClosed(1, reason));
      await turn(clock, 5);
      expect(a).toMatchObject({ closes: 1, chunks: [], ends: 0 });
      expect(a.error).toMatchObject({ code: 'ziti.dial.access_denied', details: { reason } });
    }
  });

  it('a close without an end before it is a reset', async () => {
    const clock = new ManualClock();
    const { near, channels } = linkedStreams({ clock });
    const a = RecordingSink.on(near);
    channels[0].arrive(stateClosed(1, 'xgress unrouted'));
    await turn(clock, 5);
    expect(a.error?.code).toBe('ziti.stream.reset');
  });

  it('a close with messages missing before it is a reset, even after an end', async () => {
    const clock = new ManualClock();
    const { near, channels } = linkedStreams({ clock, encrypted: false, fate: () => [] });
    const a = RecordingSink.on(near);
    const late = new HeaderList().u64(headerId.xgSequence, 1).u32(headerId.payloadEdgeFlags, edgeFlag.fin);
    channels[0].arrive(frame(contentType.xgPayload, 1, late));
    channels[0].arrive(stateClosed(1, 'xgress unrouted'));
    await turn(clock, 5);
    expect([a.ends, a.error?.code]).toEqual([0, 'ziti.stream.reset']);
  });

  it('a message that does not authenticate resets the stream, and the table lives on', async () => {
    const clock = new ManualClock();
    const { near, channels } = linkedStreams({ clock });
    const a = RecordingSink.on(near);
    const forged = (sequence: number, size: number): Uint8Array =>
      frame(contentType.xgPayload, 1, new HeaderList().u64(headerId.xgSequence, sequence), new Uint8Array(size));
    channels[0].arrive(forged(0, 24));
    channels[0].arrive(forged(1, 40));
    await turn(clock, 5);
    expect(a.error?.code).toBe('ziti.stream.decrypt');
    expect(channels[0].connections.streams()).toBe(0);
  });

  it('a sink that throws loses its own stream, no other', async () => {
    const clock = new ManualClock();
    const { near, far, channels } = linkedStreams({ clock });
    let error: TunnelerError | undefined;
    near.start({
      data: () => {
        throw new Error('sink');
      },
      end: () => undefined,
      drain: () => undefined,
      closed: (why) => (error = why),
    });
    const b = RecordingSink.on(far);
    far.write(Uint8Array.of(1));
    await turn(clock, 10);
    expect(error?.code).toBe('base.internal');
    expect(b.error?.code).toBe('ziti.stream.reset');
    expect(channels[0].connections.streams()).toBe(0);
  });

  it('a close while our last messages are unanswered leaves a reader that pauses what it holds, however late it reads on', async () => {
    const clock = new ManualClock();
    let cut = false;
    const { near, far, channels } = linkedStreams({ clock, kind: 'datagram', fate: () => (cut ? [] : [0]) });
    const a = RecordingSink.on(near);
    RecordingSink.on(far);
    near.pause();
    far.write(Uint8Array.of(1));
    await turn(clock, 5);
    cut = true;
    near.write(Uint8Array.of(2));
    near.end();
    await turn(clock, 5);
    channels[0].arrive(stateClosed(1, 'xgress unrouted'));
    await turn(clock, 30_000, 100);
    expect([a.over, clock.pending()]).toEqual([false, 0]);
    near.resume();
    await turn(clock, 1);
    expect([a.chunks.map((chunk) => [...chunk]), a.ends, a.over, a.error]).toEqual([[[1]], 1, true, undefined]);
  });

  it('the loss of the channel ends every stream on it, with its code', async () => {
    const clock = new ManualClock();
    const { near, channels } = linkedStreams({ clock });
    const a = RecordingSink.on(near);
    channels[0].connections.lost(new TunnelerError('ziti.channel.closed', 'gone'));
    await turn(clock, 1);
    expect(a.error?.code).toBe('ziti.channel.closed');
    expect(channels[0].connections.streams()).toBe(0);
  });
});

describe('messages of several parts', () => {
  it('are datagrams of their own', async () => {
    const clock = new ManualClock();
    const { near, channels } = linkedStreams({ clock, kind: 'datagram', encrypted: false, fate: () => [] });
    const a = RecordingSink.on(near);
    const headers = new HeaderList()
      .u64(headerId.xgSequence, 0)
      .u32(headerId.payloadEdgeFlags, edgeFlag.multipartMessage);
    channels[0].arrive(frame(contentType.xgPayload, 1, headers, Uint8Array.of(1, 0, 7, 0, 0, 2, 0, 8, 9)));
    await turn(clock, 2);
    expect(a.chunks.map((chunk) => [...chunk])).toEqual([[7], [], [8, 9]]);
  });

  it('reset the stream where a length lies', async () => {
    const clock = new ManualClock();
    const { near, channels } = linkedStreams({ clock, kind: 'datagram', encrypted: false, fate: () => [] });
    const a = RecordingSink.on(near);
    const headers = new HeaderList()
      .u64(headerId.xgSequence, 0)
      .u32(headerId.payloadEdgeFlags, edgeFlag.multipartMessage);
    channels[0].arrive(frame(contentType.xgPayload, 1, headers, Uint8Array.of(200, 0, 7)));
    await turn(clock, 2);
    expect(a.error?.code).toBe('ziti.stream.reset');
  });
});

describe('a host', () => {
  it('sends nothing before the circuit starts, and its capabilities only to a side that spoke of them', async () => {
    for (const spoken of [true, false]) {
      const clock = new ManualClock();
      const seen: Frame[] = [];
      const { far, channels } = linkedStreams({
        clock,
        encrypted: false,
        fate: () => [],
        tap: (frameSeen) => {
          if (frameSeen.contentType === contentType.xgPayload && frameSeen.headers.u32(headerId.connId) !== 1) {
            seen.push(frameSeen);
          }
        },
      });
      RecordingSink.on(far);
      far.write(Uint8Array.of(1));
      await turn(clock, 5);
      expect(seen).toHaveLength(0);
      const start = new HeaderList().u64(headerId.xgSequence, 0).u32(headerId.xgFlags, payloadFlag.circuitStart);
      if (spoken) start.bytes(headerId.payloadCapabilities, Uint8Array.of(0, 0, 1, 0));
      channels[1].arrive(frame(contentType.xgPayload, 0x80000001, start));
      await turn(clock, 5);
      const bodies = seen.map((payload) => payload.body.length);
      expect(bodies).toEqual(spoken ? [0, 1] : [1]);
    }
  });
});

describe('an encrypted stream', () => {
  it('sends nothing that is not sealed, whatever opens and shuts the way between two looks', async () => {
    const clock = new ManualClock();
    const bodies: Buffer[] = [];
    const tap = (seen: Frame): void => {
      if (seen.contentType === contentType.xgPayload) bodies.push(Buffer.from(seen.body));
    };
    const { near, far, channels } = linkedStreams({ clock, tap });
    RecordingSink.on(near);
    RecordingSink.on(far);
    const { budget } = channels[0].host;
    // The budget is full at the first look and free at the next, as time may have it.
    let looks = 0;
    budget.mayStart = () => ++looks % 3 === 2;
    for (let i = 0; i < 40; i++) {
      near.write(new Uint8Array(1_000).fill(0x41));
      await turn(clock, 3);
    }
    expect(bodies.length).toBeGreaterThan(10);
    expect(bodies.find((body) => body.length > 0)).toHaveLength(24);
    for (const body of bodies) expect(body.includes('AAAAAAAA')).toBe(false);
  });
});

describe('a circuit on which both sides have ended', () => {
  /** Near has ended and been acknowledged; the other side is played by hand and has half-closed. */
  async function ended() {
    const clock = new ManualClock();
    const seen: Frame[] = [];
    const tap = (frameSeen: Frame): void => {
      const flags = readPayload(frameSeen.headers)?.flags ?? -1;
      seen.push({ ...frameSeen, sequence: flags, body: Uint8Array.from(frameSeen.body) });
    };
    const { near, channels } = linkedStreams({ clock, encrypted: false, fate: () => [], tap });
    const told = RecordingSink.on(near);
    near.write(Uint8Array.of(1));
    near.end();
    await turn(clock, 3);
    const payload = (sequence: number, flags: number): void =>
      channels[0].arrive(
        frame(
          contentType.xgPayload,
          1,
          new HeaderList().u64(headerId.xgSequence, sequence).u32(headerId.xgFlags, flags),
        ),
      );
    const acknowledge = (sequences: readonly number[], heldBytes: number): void => {
      const body = Buffer.alloc(4 * sequences.length);
      sequences.forEach((sequence, i) => body.writeInt32BE(sequence, 4 * i));
      const headers = new HeaderList().u32(headerId.xgRecvBufferSize, heldBytes);
      channels[0].arrive(frame(contentType.xgAcknowledgement, 1, headers, body));
    };
    payload(0, payloadFlag.eof | payloadFlag.originator);
    const closes = (): number => seen.filter((one) => one.contentType === contentType.xgClose).length;
    const ends = (): number =>
      seen.filter((one) => (one.sequence & payloadFlag.circuitEnd) !== 0 && one.sequence > 0).length;
    return { clock, told, payload, acknowledge, closes, ends, channels };
  }

  it('is over for its owner at once, and closed towards the network when the other side had time to hand on', async () => {
    const { clock, told, acknowledge, closes, ends, channels } = await ended();
    acknowledge([0, 1, 2], 0);
    await turn(clock, 3);
    expect([told.over, told.error, channels[0].connections.streams()]).toEqual([true, undefined, 0]);
    expect([ends(), closes()]).toEqual([1, 0]);
    acknowledge([3], 0);
    await turn(clock, 4_900, 50);
    expect(closes()).toBe(0);
    await turn(clock, 200, 50);
    expect(closes()).toBe(1);
    expect(clock.pending()).toBe(0);
  });

  it('waits on while the other side reports unread bytes', async () => {
    const { clock, acknowledge, closes } = await ended();
    acknowledge([0, 1, 2], 400_000);
    await turn(clock, 3);
    acknowledge([3], 400_000);
    await turn(clock, 14_000, 50);
    expect(closes()).toBe(0);
    acknowledge([], 5_000);
    await turn(clock, 2_000, 50);
    expect(closes()).toBe(1);
  });

  it('closes as soon as the other side says again that it has ended, or closes it', async () => {
    const again = await ended();
    again.acknowledge([0, 1, 2], 0);
    await turn(again.clock, 3);
    again.payload(1, payloadFlag.eof | payloadFlag.originator);
    await turn(again.clock, 3);
    expect(again.closes()).toBe(1);
    const closed = await ended();
    closed.acknowledge([0, 1, 2], 0);
    await turn(closed.clock, 3);
    closed.channels[0].arrive(stateClosed(1, 'xgress unrouted'));
    await turn(closed.clock, 10_000, 100);
    expect([closed.closes(), closed.clock.pending()]).toEqual([0, 0]);
  });
});
