/**
 * Modbus/TCP frames out of a stream, however it is cut. Pure.
 * Source: MODBUS Messaging on TCP/IP Implementation Guide V1.0b, section 3.1.3: transaction 2, protocol 2 (0), length 2, unit 1.
 */
import { ByteCollector } from '../bytes.ts';

const headerBytes = 7;
/** Unit and PDU: a PDU has 253 bytes at most. */
const maxLengthField = 254;

export interface ModbusFrame {
  /** The whole frame, header included. */
  readonly bytes: Uint8Array;
  readonly transaction: number;
  readonly unit: number;
  readonly code: number;
  /** Behind the function code. */
  readonly data: DataView;
}

export class FrameReader {
  readonly #partial = new ByteCollector();
  #dead = false;

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
      const view = new DataView(bytes.buffer, bytes.byteOffset + at, headerBytes);
      const length = view.getUint16(4);
      const why = this.#faultOf(view.getUint16(2), length);
      if (why !== undefined) {
        this.#dead = true;
        fault(why);
        return;
      }
      const end = at + 6 + length;
      if (end > bytes.length) break;
      frame(frameOf(bytes.subarray(at, end)));
      at = end;
    }
    if (at < bytes.length) this.#partial.append(bytes.subarray(at));
  }

  #faultOf(protocol: number, length: number): string | undefined {
    if (protocol !== 0) return `protocol ${protocol} in its header`;
    if (length < 2 || length > maxLengthField) return `a length of ${length} in its header`;
    return undefined;
  }
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

function frameOf(bytes: Uint8Array): ModbusFrame {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    bytes,
    transaction: view.getUint16(0),
    unit: view.getUint8(6),
    code: view.getUint8(7),
    data: new DataView(bytes.buffer, bytes.byteOffset + 8, bytes.length - 8),
  };
}
