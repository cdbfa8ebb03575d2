/**
 * Modbus/TCP frames out of a stream, however it is cut, or out of one datagram. Pure.
 * Source: MODBUS Messaging on TCP/IP Implementation Guide V1.0b, section 3.1.3: transaction 2, protocol 2 (0), length 2, unit 1.
 */
import { ByteCollector } from '../bytes.ts';

const headerBytes = 7;
/** Unit and PDU: a PDU has 253 bytes at most. */
const maxLengthField = 254;

/** One frame of Modbus/TCP. */
export interface ModbusFrame {
  /** The whole frame, header included. */
  readonly bytes: Uint8Array;
  readonly transaction: number;
  readonly unit: number;
  readonly code: number;
  /** Behind the function code. */
  readonly data: DataView;
}

/** The frames of one direction. */
export class FrameReader {
  readonly #partial = new ByteCollector();
  #dead = false;
  #begun = false;

  get heldBytes(): number {
    return this.#partial.length;
  }

  /** Whole frames these bytes complete; `fault` where they are no Modbus, after which nothing more is read. */
  push(chunk: Uint8Array, frame: (frame: ModbusFrame) => void, fault: (why: string) => void): void {
    if (this.#dead) return;
    let bytes = chunk;
    if (this.#partial.length > 0) {
      this.#partial.append(chunk);
      bytes = this.#partial.take();
    }
    let at = 0;
    while (bytes.length - at >= headerBytes) {
      const length = u16(bytes, at + 4);
      const why = (this.#begun ? undefined : dialectOf(bytes)) ?? faultOf(u16(bytes, at + 2), length);
      if (why !== undefined) {
        this.#dead = true;
        fault(why);
        return;
      }
      const end = at + 6 + length;
      if (end > bytes.length) break;
      this.#begun = true;
      frame(frameOf(bytes.subarray(at, end)));
      at = end;
    }
    if (at < bytes.length) this.#partial.append(bytes.subarray(at));
  }
}

/** The one frame a datagram holds; undefined where it holds anything else, more included. */
export function frameOfDatagram(bytes: Uint8Array): ModbusFrame | undefined {
  if (bytes.length < headerBytes + 1) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, headerBytes);
  const length = view.getUint16(4);
  return faultOf(view.getUint16(2), length) === undefined && bytes.length === 6 + length ? frameOf(bytes) : undefined;
}

function faultOf(protocol: number, length: number): string | undefined {
  if (protocol !== 0) return `protocol ${protocol} in its header`;
  if (length < 2 || length > maxLengthField) return `a length of ${length} in its header`;
  return undefined;
}

/** What a stream that begins like this is instead of Modbus/TCP. */
function dialectOf(bytes: Uint8Array): string | undefined {
  // A TLS handshake record, RFC 8446 section 5.1. Modbus/TCP Security has port 802.
  if (bytes[0] === 0x16 && bytes[1] === 3) return 'TLS, as in Modbus/TCP Security, which cannot be read here';
  return isRtuFrame(bytes) ? 'Modbus RTU over TCP, without the header of Modbus/TCP' : undefined;
}

/** Functions 1 to 6 have eight bytes on a serial line. */
const rtuBytes = 8;

/** Is this one whole request of a serial line? MODBUS over Serial Line V1.02, section 2.5.1.2: the checksum comes last, low byte first. */
export function isRtuFrame(bytes: Uint8Array): boolean {
  const code = bytes[1] ?? 0;
  if (bytes.length < rtuBytes || code < 1 || code > 6) return false;
  const sum = rtuChecksum(bytes.subarray(0, rtuBytes - 2));
  return bytes[rtuBytes - 2] === (sum & 0xff) && bytes[rtuBytes - 1] === sum >> 8;
}

/** CRC-16 of MODBUS over Serial Line V1.02, appendix B: polynomial 0xA001, reflected, from 0xFFFF. */
export function rtuChecksum(bytes: Uint8Array): number {
  let sum = 0xffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit += 1) sum = (sum & 1) === 1 ? (sum >> 1) ^ 0xa001 : sum >> 1;
  }
  return sum;
}

/** The exception a server answers a request with. */
export function exceptionTo(request: ModbusFrame, exception: number): Uint8Array {
  const bytes = new Uint8Array(9);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, request.transaction);
  view.setUint16(4, 3);
  view.setUint8(6, request.unit);
  view.setUint8(7, request.code | 0x80);
  view.setUint8(8, exception);
  return bytes;
}

/** The same frame under another transaction and unit; the very same bytes where nothing differs. */
export function readdressed(frame: ModbusFrame, transaction: number, unit: number): Uint8Array {
  if (frame.transaction === transaction && frame.unit === unit) return frame.bytes;
  const bytes = new Uint8Array(frame.bytes);
  new DataView(bytes.buffer).setUint16(0, transaction);
  bytes[6] = unit;
  return bytes;
}

function frameOf(bytes: Uint8Array): ModbusFrame {
  return {
    bytes,
    transaction: u16(bytes, 0),
    unit: bytes[6] ?? 0,
    code: bytes[7] ?? 0,
    data: new DataView(bytes.buffer, bytes.byteOffset + 8, bytes.length - 8),
  };
}

/** Two bytes of a header: a view for each would cost more than reading them. */
function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}
