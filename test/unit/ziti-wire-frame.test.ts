import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TunnelerError } from '../../main/base/errors.ts';
import { contentType } from '../../main/ziti/wire/content-type.ts';
import { edgeErrorCode, readEdgeFault } from '../../main/ziti/wire/edge-error.ts';
import { encodeFrame, encodeFrameHead, helloSequence, type Frame } from '../../main/ziti/wire/frame.ts';
import { FrameDecoder } from '../../main/ziti/wire/frame-decoder.ts';
import { HeaderBlock, HeaderList } from '../../main/ziti/wire/header-block.ts';
import { headerId, reflectedHeaders } from '../../main/ziti/wire/header-id.ts';
import { bytesText, copyBytes, noBytes, textBytes } from '../../main/ziti/wire/little-endian.ts';
import { fuzzRounds } from '../support/fuzz-rounds.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/\s+/g, ''), 'hex'));

const helloVector = hex(`0306090c 00000000 ffffffff 0b000000 03000000
  ea030000 03000000 544f4b 636c69`);
const resultVector = hex(`0306090c 02000000 ffffffff 3b000000 00000000
  02000000 01000000 01  01000000 04000000 ffffffff  00000000 02000000 7831
  08000000 02000000 7231  00040000 01000000 01  08040000 01000000 01`);
const clientKey = hex('0e0216223f147143d32615a91189c288c1728cba3cc5f9f621b1026e03d83129');
const connectVector = hex(`0306090c 6fed0000 01000000 47000000 04000000
  e8030000 04000000 01000000
  eb030000 20000000 0e0216223f147143d32615a91189c288c1728cba3cc5f9f621b1026e03d83129
  f1030000 01000000 00  f0030000 02000000 6d65  534a5754`);
const finVector = hex(`0306090c 72ed0000 04000000 18000000 00000000
  e8030000 04000000 01000000  f2030000 04000000 01000000`);

/** A frame's own copy, for frames are borrowed. */
function copy(frame: Frame): Frame {
  return { ...frame, headers: HeaderBlock.parse(copyBytes(frame.headers.encoded)), body: copyBytes(frame.body) };
}

function decodeAll(chunks: readonly Uint8Array[]): Frame[] {
  const frames: Frame[] = [];
  const decoder = new FrameDecoder((frame) => frames.push(copy(frame)));
  for (const chunk of chunks) {
    const lent = copyBytes(chunk);
    decoder.push(lent);
    lent.fill(0xaa);
  }
  return frames;
}

function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let offset = 0;
  for (let i = 0; offset < bytes.length; i++) {
    const size = Math.max(1, sizes[i % sizes.length] ?? 1);
    chunks.push(bytes.subarray(offset, offset + size));
    offset += size;
  }
  return chunks;
}

describe('encoding', () => {
  it('writes a Hello byte for byte', () => {
    const headers = new HeaderList().string(headerId.sessionToken, 'TOK');
    const frame = { contentType: contentType.hello, sequence: helloSequence, headers, body: textBytes('cli') };
    expect(encodeFrame(frame)).toEqual(helloVector);
    expect(Buffer.concat([encodeFrameHead(frame), frame.body])).toEqual(Buffer.from(helloVector));
  });

  it('writes a Connect and a FIN byte for byte', () => {
    const connect = new HeaderList()
      .u32(headerId.connId, 1)
      .bytes(headerId.publicKey, clientKey)
      .u8(headerId.cryptoMethod, 0)
      .string(headerId.callerId, 'me');
    const body = textBytes('SJWT');
    expect(encodeFrame({ contentType: contentType.connect, sequence: 1, headers: connect, body })).toEqual(
      connectVector,
    );
    const fin = new HeaderList().u32(headerId.connId, 1).u32(headerId.flags, 1);
    expect(encodeFrame({ contentType: contentType.data, sequence: 4, headers: fin })).toEqual(finVector);
  });

  it('reflects just the headers that replies copy', () => {
    const request = new HeaderList().bytes(127, noBytes).u64(128, 77).u8(255, 3).u8(256, 4).toBlock();
    const reply = new HeaderList().reflect(request, reflectedHeaders).toBlock();
    expect([...reply.entries()].map(([id]) => id)).toEqual([128, 255]);
    expect(reply.u64(128)).toBe(77);
  });
});

describe('decoding', () => {
  it('reads the Result of a Hello', () => {
    const [frame] = decodeAll([resultVector]);
    expect(frame?.contentType).toBe(contentType.result);
    expect(frame?.headers.i32(headerId.replyFor)).toBe(-1);
    expect(frame?.headers.bool(headerId.resultSuccess)).toBe(true);
    expect(frame?.headers.string(headerId.connectionId)).toBe('x1');
    expect(frame?.headers.string(headerId.routerId)).toBe('r1');
    expect(frame?.headers.bool(headerId.supportsBindSuccess)).toBe(true);
    expect(frame?.headers.bool(headerId.supportsPostureChecks)).toBe(true);
  });

  it('takes the last of duplicate headers, and a value of the wrong length as absent', () => {
    const block = new HeaderList().u32(1000, 1).u32(1000, 2).bytes(1001, Uint8Array.of(1)).u8(1023, 2).toBlock();
    expect(block.u32(1000)).toBe(2);
    expect(block.u32(1001)).toBeUndefined();
    expect(block.bool(1023)).toBe(false);
    expect(block.string(1011)).toBeUndefined();
  });

  it('round-trips string slices and refuses ones that lie about their lengths', () => {
    const block = new HeaderList()
      .stringSlice(1031, ['circuits', ''])
      .bytes(1032, hex('01000000 ffffff7f 00'))
      .toBlock();
    expect(block.stringSlice(1031)).toEqual(['circuits', '']);
    expect(block.stringSlice(1032)).toBeUndefined();
  });

  it('reads codes and hints of a structured error, and lives with an unreadable one', () => {
    const json = JSON.stringify({ message: 'bind access lost', code: edgeErrorCode.accessDenied, retryHint: 2 });
    const good = new HeaderList().u32(headerId.errorCode, 14).string(headerId.structuredError, json).toBlock();
    expect(readEdgeFault(good)).toEqual({
      code: 14,
      message: 'bind access lost',
      retryHint: 'start-over',
      failingChecks: [],
    });
    const bad = new HeaderList().u32(headerId.errorCode, 3).string(headerId.structuredError, '{').toBlock();
    expect(readEdgeFault(bad)).toEqual({ code: 3, message: undefined, retryHint: 'default', failingChecks: [] });
  });

  it('gives the same frames whatever the chunking', () => {
    const wire = Buffer.concat([helloVector, resultVector, finVector, connectVector, finVector]);
    const whole = decodeAll([wire]);
    expect(whole).toHaveLength(5);
    expect(bytesText(whole[3]!.body)).toBe('SJWT');
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 8 }), (sizes) => {
        expect(decodeAll(cut(wire, sizes))).toEqual(whole);
      }),
      { numRuns: fuzzRounds(300) },
    );
  });

  it('puts bodies much larger than a chunk together again', () => {
    const body = Uint8Array.from({ length: 300_000 }, (_, i) => i % 251);
    const wire = Buffer.concat([finVector, encodeFrame({ contentType: 60786, sequence: 1, body }), finVector]);
    const frames = decodeAll(cut(wire, [16_384, 777]));
    expect(frames.map((frame) => frame.body.length)).toEqual([0, 300_000, 0]);
    expect(Buffer.compare(frames[1]!.body, body)).toBe(0);
  });
});

describe('malformed input', () => {
  const refused = (chunks: readonly Uint8Array[]): string => {
    try {
      decodeAll(chunks);
    } catch (error) {
      return error instanceof TunnelerError ? error.code : String(error);
    }
    return 'accepted';
  };

  it('is refused at the first wrong byte, however it comes', () => {
    expect(refused([hex('04')])).toBe('ziti.channel.malformed');
    expect(refused([hex('0306'), hex('ff')])).toBe('ziti.channel.malformed');
    expect(refused([hex('0306090a 01000000 02000000')])).toBe('ziti.channel.malformed');
    expect(refused([finVector, hex('00')])).toBe('ziti.channel.malformed');
  });

  it('is refused where lengths pass the limits or the block', () => {
    expect(refused([hex('0306090c 00000000 00000000 ffffffff 00000000')])).toBe('ziti.channel.malformed');
    expect(refused([hex('0306090c 00000000 00000000 00000000 ffffffff')])).toBe('ziti.channel.malformed');
    expect(refused([hex('0306090c 00000000 00000000 04000000 00000000 00000000')])).toBe('ziti.channel.malformed');
    expect(refused([hex('0306090c 00000000 00000000 08000000 00000000 e8030000 01000000')])).toBe(
      'ziti.channel.malformed',
    );
  });

  it('does not make memory grow by claims alone, and ends the decoder', () => {
    const decoder = new FrameDecoder(() => undefined);
    decoder.push(hex('0306090c 00000000 00000000 00000000 00000004'));
    expect(decoder.heldBytes).toBe(20);
    const other = new FrameDecoder(() => undefined);
    expect(() => other.push(hex('ff'))).toThrow(TunnelerError);
    other.push(finVector);
    expect(other.heldBytes).toBe(0);
  });

  it('keeps its place where a handler throws', () => {
    const seen: number[] = [];
    const decoder = new FrameDecoder((frame) => {
      seen.push(frame.sequence);
      if (seen.length === 1) throw new Error('handler');
    });
    expect(() => decoder.push(finVector)).toThrow('handler');
    decoder.push(finVector);
    expect(seen).toEqual([4, 4]);
  });
});
