/** The demo's controller of a machine (PLC), as far as Modbus/TCP shows it: four tables of registers, and a count of every write that arrived. */
import { openFramedServer, type FramedServer } from './framed-server.ts';

/** A simulated device that speaks Modbus TCP on loopback. */
export interface Plc extends FramedServer {
  /** Requests by function code, as they arrived. */
  readonly requests: ReadonlyMap<number, number>;
  /** Requests that would change something, or could (anything but the four reads). */
  writes(): number;
  reads(): number;
}

/** Read coils, discrete inputs, holding and input registers. Modbus Application Protocol 1.1b3, section 6. */
const readCodes: readonly number[] = [1, 2, 3, 4];

/** Listen on a free loopback port. Holding and input register N holds 1000 + N; coil N is on where N is even. */
export async function openPlc(): Promise<Plc> {
  const requests = new Map<number, number>();
  const server = await openFramedServer({
    // MBAP header: transaction, protocol, length, unit. Modbus Messaging on TCP/IP 1.0b, section 3.1.3.
    headerBytes: 7,
    lengthOf: (held) => 6 + held.readUInt16BE(4),
    answer: (frame) => {
      const code = frame[7] ?? 0;
      requests.set(code, (requests.get(code) ?? 0) + 1);
      return answerTo(frame, code);
    },
  });
  const count = (wanted: (code: number) => boolean): number =>
    [...requests].reduce((sum, [code, times]) => sum + (wanted(code) ? times : 0), 0);
  return {
    ...server,
    requests,
    writes: () => count((code) => !readCodes.includes(code)),
    reads: () => count((code) => readCodes.includes(code)),
  };
}

function answerTo(frame: Buffer, code: number): Buffer {
  if (!readCodes.includes(code)) return withHeader(frame, frame.subarray(7, 12));
  const from = frame.readUInt16BE(8);
  const count = frame.readUInt16BE(10);
  const isBits = code <= 2;
  const data = Buffer.alloc(isBits ? Math.ceil(count / 8) : count * 2);
  for (let i = 0; i < count; i += 1) {
    if (!isBits) data.writeUInt16BE((1000 + from + i) & 0xffff, i * 2);
    else if ((from + i) % 2 === 0) data[i >> 3] = (data[i >> 3] ?? 0) | (1 << (i & 7));
  }
  return withHeader(frame, Buffer.concat([Buffer.of(code, data.length), data]));
}

function withHeader(request: Buffer, pdu: Buffer): Buffer {
  const header = Buffer.from(request.subarray(0, 7));
  header.writeUInt16BE(pdu.length + 1, 4);
  return Buffer.concat([header, pdu]);
}
