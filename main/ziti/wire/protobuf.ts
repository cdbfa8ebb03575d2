/** As much of protobuf as the edge protocol's messages need: varints and length-delimited fields. Source: protobuf encoding. */

const text = new TextEncoder();
const textDecoder = new TextDecoder();
const noBytes = new Uint8Array(0);

/** One field of a message. */
export interface ProtobufField {
  readonly number: number;
  /** Of a varint, as a signed number of 64 bits (exact up to 2^53); 0 for others. */
  readonly value: number;
  /** Of a length-delimited field, borrowed; empty for others. */
  readonly bytes: Uint8Array;
}

/** The fields of a message in their order, fixed-width ones skipped. Undefined where it is malformed. */
export function readProtobuf(message: Uint8Array): ProtobufField[] | undefined {
  const fields: ProtobufField[] = [];
  let at = 0;
  const varint = (): number | undefined => {
    let low = 0;
    // Up to 49 bits fit a number exactly; what is longer is a negative one, or larger than anything counted here.
    for (let shift = 0; shift < 49; shift += 7) {
      const byte = message[at++];
      if (byte === undefined) return undefined;
      low += (byte & 0x7f) * 2 ** shift;
      if ((byte & 0x80) === 0) return low;
    }
    let whole = BigInt(low);
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = message[at++];
      if (byte === undefined) return undefined;
      whole |= BigInt(byte & 0x7f) << shift;
      if ((byte & 0x80) === 0) return Number(BigInt.asIntN(64, whole));
    }
    return undefined;
  };
  while (at < message.length) {
    const key = varint();
    if (key === undefined) return undefined;
    const number = Math.floor(key / 8);
    const wireType = key % 8;
    if (wireType === 0) {
      const value = varint();
      if (value === undefined) return undefined;
      fields.push({ number, value, bytes: noBytes });
    } else if (wireType === 2) {
      const length = varint();
      if (length === undefined || length < 0 || length > message.length - at) return undefined;
      fields.push({ number, value: 0, bytes: message.subarray(at, at + length) });
      at += length;
    } else if (wireType === 1 || wireType === 5) {
      at += wireType === 1 ? 8 : 4;
      if (at > message.length) return undefined;
    } else {
      return undefined;
    }
  }
  return fields;
}

/** The text of a length-delimited field. */
export function protobufText(field: ProtobufField): string {
  return textDecoder.decode(field.bytes);
}

/** Length-delimited field (wire type 2). */
export function bytesField(number: number, body: Uint8Array): Uint8Array {
  return joined([Uint8Array.of((number << 3) | 2), varintBytes(body.length), body]);
}

/** A text field; nothing where it is empty, as the default is not sent. */
export function textField(number: number, value: string): Uint8Array {
  return value === '' ? noBytes : bytesField(number, text.encode(value));
}

/** A text field of a list, whose empty entries count. */
export function listedTextField(number: number, value: string): Uint8Array {
  return bytesField(number, text.encode(value));
}

/** A varint field; nothing where it is 0. Negative numbers take ten bytes, as an int64 does. */
export function varintField(number: number, value: number): Uint8Array {
  return value === 0 ? noBytes : joined([Uint8Array.of(number << 3), varintBytes(value)]);
}

/** A field of type `google.protobuf.Timestamp`: seconds (1) and nanoseconds (2). */
export function timestampField(number: number, atMs: number): Uint8Array {
  const seconds = Math.floor(atMs / 1000);
  const nanoseconds = Math.round((atMs - seconds * 1000) * 1e6);
  return bytesField(number, joined([varintField(1, seconds), varintField(2, nanoseconds)]));
}

/** Parts one after another, in new memory. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function varintBytes(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 0x80 : low);
  } while (rest > 0n);
  return Uint8Array.from(bytes);
}
