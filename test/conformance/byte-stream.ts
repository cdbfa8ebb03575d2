/**
 * The contract of main/base/stream.ts as tests, for each implementation to call:
 *
 *     byteStreamConformance({ name: 'memory', open: () => Promise.resolve({ a, b, close }) });
 */
import { describe, expect, it } from 'vitest';
import type { ByteStream } from '../../main/base/stream.ts';
import { RecordingSink } from '../support/recording-sink.ts';

/** Both ends of one connection; `close` lets go of whatever carries it. */
export interface OpenedPair {
  readonly a: ByteStream;
  readonly b: ByteStream;
  close(): Promise<void> | void;
}

export interface ByteStreamSubject {
  readonly name: string;
  /** A fresh connection of kind `stream`, neither end started. */
  open(): Promise<OpenedPair>;
  /** The same of kind `datagram`, where the implementation has one. */
  openDatagram?(): Promise<OpenedPair>;
  /** Most bytes a writer may be told true for while the other end is paused. Default 64 MiB. */
  readonly bufferLimitBytes?: number;
}

const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 30));

/** Bytes that differ at each place, so that loss and reordering show. */
function pattern(lengthBytes: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(lengthBytes);
  let state = (seed * 2654435761) >>> 0 || 1;
  for (let i = 0; i < lengthBytes; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** Write all of `bytes` in chunks of `size`, waiting for drain where asked to. */
async function writeAll(stream: ByteStream, recorder: RecordingSink, bytes: Uint8Array, size: number): Promise<void> {
  for (let offset = 0; offset < bytes.length; offset += size) {
    const drainsBefore = recorder.drains;
    const more = stream.write(new Uint8Array(bytes.subarray(offset, offset + size)));
    if (!more) await recorder.until(() => recorder.drains > drainsBefore, 'drain');
  }
}

/** Hold an implementation to the ByteStream contract. */
export function byteStreamConformance(subject: ByteStreamSubject): void {
  const withPair = (
    open: () => Promise<OpenedPair>,
    test: (pair: OpenedPair, ra: RecordingSink, rb: RecordingSink) => Promise<void>,
  ) => {
    return async (): Promise<void> => {
      const pair = await open();
      const ra = new RecordingSink();
      const rb = new RecordingSink();
      try {
        await test(pair, ra, rb);
      } finally {
        await pair.close();
      }
      expect([...ra.violations, ...rb.violations]).toEqual([]);
      expect(ra.closes).toBeLessThanOrEqual(1);
      expect(rb.closes).toBeLessThanOrEqual(1);
    };
  };
  const stream = (test: (pair: OpenedPair, ra: RecordingSink, rb: RecordingSink) => Promise<void>) =>
    withPair(() => subject.open(), test);

  describe(`ByteStream contract: ${subject.name}`, () => {
    it(
      'carries bytes both ways at once, whole and in order',
      stream(async ({ a, b }, ra, rb) => {
        a.start(ra);
        b.start(rb);
        const up = pattern(700_001, 1);
        const down = pattern(500_003, 2);
        await Promise.all([writeAll(a, ra, up, 13_777), writeAll(b, rb, down, 65_536)]);
        await rb.until(() => rb.length >= up.length, 'all bytes at b');
        await ra.until(() => ra.length >= down.length, 'all bytes at a');
        expect(Buffer.compare(rb.bytes(), up)).toBe(0);
        expect(Buffer.compare(ra.bytes(), down)).toBe(0);
      }),
    );

    it(
      'keeps what comes before start, and calls nothing before it',
      stream(async ({ a, b }, ra, rb) => {
        a.start(ra);
        a.write(Uint8Array.of(1, 2, 3));
        await settle();
        expect(rb.chunks).toEqual([]);
        b.start(rb);
        await rb.until(() => rb.length === 3, 'bytes sent before start');
        expect([...rb.bytes()]).toEqual([1, 2, 3]);
      }),
    );

    it(
      'half-closes each way: end comes after the last byte, the other direction lives on, then both close cleanly',
      stream(async ({ a, b }, ra, rb) => {
        a.start(ra);
        b.start(rb);
        const last = pattern(100_000, 3);
        await writeAll(a, ra, last, 40_000);
        a.end();
        await rb.until(() => rb.ends === 1, 'end at b');
        expect(Buffer.compare(rb.bytes(), last)).toBe(0);
        expect(ra.closes).toBe(0);
        b.write(Uint8Array.of(9));
        await ra.until(() => ra.length === 1, 'a byte the other way after the half-close');
        b.end();
        await ra.until(() => ra.closes === 1, 'closed at a');
        await rb.until(() => rb.closes === 1, 'closed at b');
        expect([ra.ends, rb.ends]).toEqual([1, 1]);
        expect([ra.error, rb.error]).toEqual([undefined, undefined]);
      }),
    );

    it(
      'ignores writes after end, and a second end',
      stream(async ({ a, b }, ra, rb) => {
        a.start(ra);
        b.start(rb);
        a.write(Uint8Array.of(1));
        a.end();
        a.end();
        expect(a.write(Uint8Array.of(2))).toBe(false);
        await rb.until(() => rb.ends === 1, 'end at b');
        await settle();
        expect([...rb.bytes()]).toEqual([1]);
        expect(rb.ends).toBe(1);
      }),
    );

    it(
      'pushes back on the writer while the reader is paused, then delivers everything',
      stream(async ({ a, b }, ra, rb) => {
        a.start(ra);
        b.start(rb);
        b.pause();
        b.pause();
        const limit = subject.bufferLimitBytes ?? 64 * 1024 * 1024;
        const chunk = pattern(64 * 1024, 4);
        let sent = 0;
        let stuck = false;
        while (!stuck && sent < limit) {
          const drainsBefore = ra.drains;
          const more = a.write(new Uint8Array(chunk));
          sent += chunk.length;
          if (more) continue;
          // A drain may still come while room further on fills up; stuck is no drain for a while.
          await Promise.race([
            ra.until(() => ra.drains > drainsBefore, 'drain', 5_000).catch(() => undefined),
            new Promise((resolve) => setTimeout(resolve, 600)),
          ]);
          stuck = ra.drains === drainsBefore;
        }
        expect(stuck).toBe(true);
        const heldBack = rb.length;
        await settle();
        expect(rb.length).toBe(heldBack);
        b.resume();
        b.resume();
        await rb.until(() => rb.length === sent, 'everything after resume', 20_000);
        await ra.until(() => ra.drains > 0, 'drain at the writer');
        for (let offset = 0, all = rb.bytes(); offset < sent; offset += chunk.length) {
          if (all.compare(chunk, 0, chunk.length, offset, offset + chunk.length) !== 0)
            throw new Error(`differs at ${offset}`);
        }
      }),
    );

    it(
      'does not tell of the end before bytes that a paused reader has yet to take',
      stream(async ({ a, b }, ra, rb) => {
        a.start(ra);
        b.pause();
        b.start(rb);
        a.write(pattern(50_000, 5));
        a.end();
        await settle();
        expect([rb.length, rb.ends]).toEqual([0, 0]);
        b.resume();
        await rb.until(() => rb.ends === 1, 'end after resume');
        expect(rb.length).toBe(50_000);
      }),
    );

    it(
      'gives chunks away for good: later traffic never changes them',
      stream(async ({ a, b }, ra, rb) => {
        a.start(ra);
        b.start(rb);
        const first = pattern(30_000, 6);
        await writeAll(a, ra, first, 10_000);
        await rb.until(() => rb.length === first.length, 'first bytes');
        const held = [...rb.chunks];
        const before = Buffer.concat(held);
        await writeAll(a, ra, new Uint8Array(600_000).fill(0xee), 60_000);
        await rb.until(() => rb.length === 630_000, 'later bytes');
        expect(Buffer.concat(held).equals(before)).toBe(true);
        expect(Buffer.compare(before, first)).toBe(0);
      }),
    );

    it(
      'resets both directions: each side is told once, with an error, and nothing follows',
      stream(async ({ a, b }, ra, rb) => {
        a.start(ra);
        b.start(rb);
        a.write(Uint8Array.of(1));
        await rb.until(() => rb.length === 1, 'first byte');
        a.reset();
        a.reset();
        expect(a.write(Uint8Array.of(2))).toBe(false);
        await ra.until(() => ra.closes === 1, 'closed at a');
        await rb.until(() => rb.closes === 1, 'closed at b');
        expect(rb.error).toBeDefined();
        b.reset();
        b.end();
        expect(b.write(Uint8Array.of(3))).toBe(false);
        await settle();
        expect([ra.closes, rb.closes]).toEqual([1, 1]);
      }),
    );

    it(
      'takes an empty write as nothing',
      stream(async ({ a, b }, ra, rb) => {
        a.start(ra);
        b.start(rb);
        a.write(new Uint8Array(0));
        a.write(Uint8Array.of(7));
        await rb.until(() => rb.length === 1, 'the byte after the empty write');
        expect(rb.ends).toBe(0);
      }),
    );

    if (subject.openDatagram !== undefined) {
      const openDatagram = (): Promise<OpenedPair> => subject.openDatagram!();
      it(
        'keeps the boundaries of datagrams',
        withPair(openDatagram, async ({ a, b }, ra, rb) => {
          a.start(ra);
          b.start(rb);
          const sizes = [1, 2, 512, 1200, 1472, 9000, 1];
          for (const [i, size] of sizes.entries()) a.write(pattern(size, 10 + i));
          await rb.until(() => rb.chunks.length === sizes.length, 'every datagram');
          expect(rb.chunks.map((chunk) => chunk.length)).toEqual(sizes);
          for (const [i, size] of sizes.entries()) {
            expect(Buffer.compare(rb.chunks[i]!, pattern(size, 10 + i))).toBe(0);
          }
        }),
      );

      it(
        'ends both ways at once',
        withPair(openDatagram, async ({ a, b }, ra, rb) => {
          a.start(ra);
          b.start(rb);
          a.write(Uint8Array.of(1));
          await rb.until(() => rb.length === 1, 'a datagram');
          a.end();
          await ra.until(() => ra.closes === 1, 'closed at a');
          await rb.until(() => rb.closes === 1, 'closed at b');
        }),
      );
    }
  });
}
