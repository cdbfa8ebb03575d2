/** Answers of OPC UA services: those that refuse, and what an answer of the server says. Pure. Source: OPC 10000-4 sections 5.10 and 7.33. */
import { ByteReader, parsed } from '../floor/byte-reader.ts';
import type { UaRequest } from './requests.ts';
import { readArray, readDataValue, readNodeId, type DataValue } from './values.ts';

/** Bad_UserAccessDenied. */
const denied = 0x801f0000;
/** Ids of binary encodings: ServiceFault, and the answers to Read and Write. */
const fault = 397;
const readAnswer = 634;
const writeAnswer = 676;
/** Milliseconds from 1601, where OPC UA counts from, to 1970. */
const epochMs = 11_644_473_600_000n;

/** The body that refuses a request: each node by itself where it names nodes, else a fault of the service. */
export function refusalBody(request: UaRequest, nowMs: number): Uint8Array {
  const { type, handle, nodes } = request;
  if (type === 673 && nodes.length > 0) return body(writeAnswer, handle, 0, nowMs, nodes.length, [u32(denied)]);
  // A data value of a status alone.
  if (type === 631 && nodes.length > 0) {
    return body(readAnswer, handle, 0, nowMs, nodes.length, [Uint8Array.of(2), u32(denied)]);
  }
  return body(fault, handle, denied, nowMs, 0, []);
}

function body(
  type: number,
  handle: number,
  status: number,
  nowMs: number,
  count: number,
  result: readonly Uint8Array[],
): Uint8Array {
  const time = new Uint8Array(8);
  new DataView(time.buffer).setBigInt64(0, (BigInt(Math.trunc(nowMs)) + epochMs) * 10_000n, true);
  // Type id; time, handle, status; no diagnostics, no strings, no additional header.
  const head = [Uint8Array.of(1, 0, type & 0xff, type >> 8), time, u32(handle), u32(status), Uint8Array.of(0)];
  const rest = [u32(0xffffffff), Uint8Array.of(0, 0, 0)];
  const results =
    count === 0 ? [] : [u32(count), ...Array.from({ length: count }, () => result).flat(), u32(0xffffffff)];
  const parts = [...head, ...rest, ...results];
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

/** What a server's answer says of the call: failed or not, and the values of a read. Undefined where it cannot be read. */
export function readAnswerBody(
  bytes: Uint8Array,
): { readonly failed: boolean; readonly values?: readonly DataValue[] } | undefined {
  return parsed(() => {
    const reader = new ByteReader(bytes);
    const type = readNodeId(reader);
    reader.bytes(12);
    const failed = reader.u32le() >= 0x80000000;
    if (failed || (type !== `i=${readAnswer}` && type !== `i=${writeAnswer}`)) return { failed };
    // Diagnostics and strings are empty in answers without them; others are not looked at further.
    if (reader.u8() !== 0 || reader.i32le() > 0) return { failed };
    readNodeId(reader);
    if (reader.u8() !== 0) return { failed };
    if (type === `i=${writeAnswer}`) {
      return { failed: readArray(reader, (one) => one.u32le()).some((status) => status >= 0x80000000) };
    }
    return { failed, values: readArray(reader, (one) => readDataValue(one)) };
  });
}
