/**
 * What a hostile or broken router may send: mutated frames into decoder, connection table, dials, bindings and streams.
 * Nothing may throw past the table, and nothing may pile up.
 */
import { describe, expect, it } from 'vitest';
import { TunnelerError } from '../../main/base/errors.ts';
import { systemClock } from '../../main/base/clock.ts';
import { bind } from '../../main/ziti/edge/bind.ts';
import { dial } from '../../main/ziti/edge/dial.ts';
import { newListenerKeys } from '../../main/ziti/edge/end-to-end.ts';
import { contentType } from '../../main/ziti/wire/content-type.ts';
import { encodeFrame, type Frame } from '../../main/ziti/wire/frame.ts';
import { FrameDecoder } from '../../main/ziti/wire/frame-decoder.ts';
import { HeaderList } from '../../main/ziti/wire/header-block.ts';
import { headerId } from '../../main/ziti/wire/header-id.ts';
import { copyBytes, textBytes } from '../../main/ziti/wire/little-endian.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { linkedStreams, LinkChannel } from '../support/wire-link.ts';

const rounds = 100_000;
const token = 'aGVhZA.Ym9keQ.c2ln';

function dice(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 0x1_0000_0000) * below);
  };
}

/** One well-formed frame of each kind that a router sends, for the ids 1 (stream or dial), 2 (binding) and a few others. */
function seeds(): Uint8Array[] {
  const types = Object.values(contentType);
  const frames: Uint8Array[] = [];
  for (const type of types) {
    for (const connId of [1, 2, 3, 0x80000001]) {
      const headers = new HeaderList()
        .u32(headerId.connId, connId)
        .i32(headerId.replyFor, 1)
        .u64(headerId.xgSequence, 0)
        .u32(headerId.xgFlags, 2)
        .u32(headerId.payloadEdgeFlags, 16)
        .u32(headerId.flags, 1)
        .string(headerId.circuitId, 'c1rcuit')
        .bool(headerId.useXgressToSdk, true)
        .bytes(headerId.publicKey, newListenerKeys().publicKey)
        .u32(headerId.routerProvidedConnId, 0x80000005)
        .stringSlice(headerId.inspectRequestedValues, ['circuits'])
        .string(headerId.structuredError, '{"code":14,"retryHint":2,"message":"m"}');
      frames.push(encodeFrame({ contentType: type, sequence: 5, headers, body: new Uint8Array(24) }));
    }
  }
  return frames;
}

function mutate(frame: Uint8Array, roll: (below: number) => number): Uint8Array {
  const mutated = copyBytes(frame);
  for (let changes = 1 + roll(4); changes > 0; changes--) {
    const at = roll(mutated.length);
    const kind = roll(4);
    if (kind === 0) mutated[at] = roll(256);
    else if (kind === 1) mutated[at]! ^= 1 << roll(8);
    else if (kind === 2) mutated.fill(roll(2) * 255, at, at + roll(8));
    else mutated.copyWithin(at, roll(mutated.length), roll(mutated.length));
  }
  return roll(20) === 0 ? mutated.subarray(0, roll(mutated.length)) : mutated;
}

/** Set a header's value bytes at random, leaving the framing whole, so that what is behind the decoder is reached. */
function mutateBehindFraming(frame: Frame, roll: (below: number) => number): Uint8Array {
  const headers = new HeaderList();
  for (const [id, value] of frame.headers.entries()) {
    const choice = roll(12);
    if (choice === 0) continue;
    const changed = copyBytes(value);
    if (choice === 1 && changed.length > 0) changed[roll(changed.length)] = roll(256);
    headers.bytes(
      choice === 2 ? roll(2300) : id,
      choice === 3 ? changed.subarray(0, roll(changed.length + 1)) : changed,
    );
  }
  const types = Object.values(contentType);
  const type = roll(4) === 0 ? types[roll(types.length)]! : frame.contentType;
  const body = new Uint8Array(roll(64)).fill(roll(256));
  return encodeFrame({ contentType: type, sequence: roll(100), headers, body });
}

describe('a router that sends garbage', () => {
  it('cannot make the decoder throw anything but malformed, nor hold more than it was sent', () => {
    const roll = dice(7);
    const corpus = seeds();
    let malformed = 0;
    let decoded = 0;
    let decoder = new FrameDecoder(() => (decoded += 1), { headersBytes: 4096, bodyBytes: 4096 });
    let sentBytes = 0;
    for (let i = 0; i < rounds; i++) {
      const bytes = mutate(corpus[roll(corpus.length)]!, roll);
      sentBytes += bytes.length;
      try {
        decoder.push(bytes);
        expect(decoder.heldBytes).toBeLessThanOrEqual(sentBytes);
      } catch (error) {
        if (!(error instanceof TunnelerError) || error.code !== 'ziti.channel.malformed') throw error;
        malformed += 1;
        decoder = new FrameDecoder(() => (decoded += 1), { headersBytes: 4096, bodyBytes: 4096 });
        sentBytes = 0;
      }
    }
    expect(malformed).toBeGreaterThan(rounds / 10);
    expect(decoded).toBeGreaterThan(rounds / 10);
  }, 120_000);

  it('cannot crash dials, bindings and streams, nor make their tables, timers and memory grow', async () => {
    const roll = dice(11);
    const corpus: Frame[] = [];
    for (const bytes of seeds()) {
      new FrameDecoder((frame) => corpus.push({ ...frame, body: copyBytes(frame.body) })).push(bytes);
    }
    const clock = new ManualClock();
    const outgoing: number[] = [];
    const escaped: unknown[] = [];
    const channel = new LinkChannel('fuzz', clock, (frame) => outgoing.push(frame.length));
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < rounds; i++) {
      if (i % 50 === 0) await populate(channel, clock);
      try {
        channel.arrive(mutateBehindFraming(corpus[roll(corpus.length)]!, roll));
      } catch (error) {
        escaped.push(error);
      }
      if (i % 10 === 0) clock.advance(7);
      if (i % 5_000 === 0) {
        outgoing.length = 0;
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    expect(escaped).toEqual([]);
    channel.connections.lost(new TunnelerError('ziti.channel.closed', 'the end of it'));
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(60_000);
    expect(channel.connections.streams()).toBe(0);
    expect(clock.pending()).toBe(0);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024);
  }, 120_000);

  it('cannot disturb a stream whose frames are good', async () => {
    const roll = dice(13);
    const { near, far, channels } = linkedStreams({ clock: systemClock });
    const got: Uint8Array[] = [];
    let ended = false;
    near.start({ data() {}, end() {}, drain() {}, closed() {} });
    far.start({ data: (chunk) => got.push(chunk), end: () => (ended = true), drain() {}, closed() {} });
    const sent = Uint8Array.from({ length: 500_000 }, (_, i) => i % 249);
    for (let at = 0; at < sent.length; at += 5_000) {
      near.write(sent.slice(at, at + 5_000));
      for (let i = 0; i < 20; i++) {
        const headers = new HeaderList().u32(headerId.connId, 500 + roll(50)).u32(headerId.xgFlags, roll(128));
        const type = [contentType.xgPayload, contentType.data, contentType.stateClosed, contentType.dial][roll(4)]!;
        channels[1].arrive(encodeFrame({ contentType: type, sequence: i, headers, body: textBytes('noise') }));
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    near.end();
    for (let i = 0; i < 500 && !ended; i++) await new Promise((resolve) => setTimeout(resolve, 2));
    expect(ended).toBe(true);
    expect(Buffer.compare(Buffer.concat(got), sent)).toBe(0);
    near.reset();
    far.reset();
  });
});

/** Keep a dial under way, a binding and a stream in the table, whatever became of the last ones. */
async function populate(channel: LinkChannel, clock: ManualClock): Promise<void> {
  const { connections, host } = channel;
  const ignore = (): undefined => undefined;
  dial({
    host,
    connId: 1,
    callerId: 'me',
    request: { serviceId: 's', sessionToken: token, encryptionRequired: true, kind: 'stream', timeoutMs: 200 },
    register: (connection) => connections.register(1, connection),
    opened: (stream) => {
      stream.start({ data: ignore, end: ignore, drain: ignore, closed: ignore });
      stream.write(new Uint8Array(100));
    },
  }).catch(ignore);
  bind({
    host,
    connId: 2,
    request: {
      sessionToken: token,
      listenerId: 'l',
      encryptionRequired: true,
      keys: newListenerKeys(),
      keyPerConnection: false,
      cost: 0,
      precedence: 'default',
      onDial: (incoming) => incoming.accept().start({ data: ignore, end: ignore, drain: ignore, closed: ignore }),
      onEstablished: ignore,
      onClosed: ignore,
    },
    register: (connId, connection) => connections.register(connId, connection),
  }).catch(ignore);
  clock.advance(1);
  await Promise.resolve();
}
