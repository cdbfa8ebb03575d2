/** The demo's second controller, as far as S7comm shows it: one data block, and a count of whatever arrived that is no read. */
import { openFramedServer, type FramedServer } from './framed-server.ts';

/** A simulated device that speaks S7comm on loopback. */
export interface S7Plc extends FramedServer {
  reads(): number;
  /** Requests that would change something, or could. */
  others(): number;
}

/** Functions as packet captures show them. */
const setup = 0xf0;
const readVariable = 0x04;

/** Listen on a free loopback port. Byte N of data block 1 holds N + 1. */
export async function openS7Plc(): Promise<S7Plc> {
  const counts = { reads: 0, others: 0 };
  const server = await openFramedServer({
    // TPKT: RFC 1006 section 6.
    headerBytes: 4,
    lengthOf: (held) => held.readUInt16BE(2),
    answer: (frame) => answerTo(frame, counts),
  });
  return { ...server, reads: () => counts.reads, others: () => counts.others };
}

function answerTo(frame: Buffer, counts: { reads: number; others: number }): Buffer {
  // COTP connection request: confirmed with the same parameters.
  if (frame[5] === 0xe0) {
    const confirm = Buffer.from(frame);
    confirm[5] = 0xd0;
    return confirm;
  }
  const code = frame[17] ?? 0;
  const reference = frame.subarray(11, 13);
  if (code === setup) return answer(reference, frame.subarray(17, 25), Buffer.alloc(0));
  if (code !== readVariable) {
    counts.others += 1;
    return answer(reference, Buffer.of(code), Buffer.alloc(0));
  }
  counts.reads += 1;
  const length = frame.readUInt16BE(23);
  const from = ((frame[28] ?? 0) * 0x10000 + frame.readUInt16BE(29)) >> 3;
  const values = Buffer.from(Array.from({ length }, (_, index) => (from + index + 1) & 0xff));
  const bits = Buffer.alloc(2);
  bits.writeUInt16BE(length * 8);
  return answer(reference, Buffer.of(readVariable, 1), Buffer.concat([Buffer.of(0xff, 4), bits, values]));
}

/** Ack_Data without an error. */
function answer(reference: Buffer, parameter: Buffer, data: Buffer): Buffer {
  const header = Buffer.from([
    0x32,
    3,
    0,
    0,
    ...reference,
    0,
    parameter.length,
    data.length >> 8,
    data.length & 0xff,
    0,
    0,
  ]);
  return tpkt(Buffer.concat([header, parameter, data]));
}

/** TPKT and COTP data around an S7 PDU. */
export function tpkt(pdu: Buffer): Buffer {
  const length = 7 + pdu.length;
  return Buffer.concat([Buffer.from([3, 0, length >> 8, length & 0xff, 2, 0xf0, 0x80]), pdu]);
}
