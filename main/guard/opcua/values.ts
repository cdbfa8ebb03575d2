/** OPC UA's built-in types, as far as requests and answers hold them. Pure. Source: OPC 10000-6 section 5.2.2. */
import { demand, hexOf, type ByteReader } from '../floor/byte-reader.ts';
import { readByteString } from './chunks.ts';

/** More values than this in one list, and a message is not looked at further. */
const maxValues = 100_000;
/** Values within values. */
const maxDepth = 8;

const decoder = new TextDecoder();

/** Reads a String; undefined for a null one. */
export function readText(reader: ByteReader): string | undefined {
  const bytes = readByteString(reader);
  return bytes === undefined ? undefined : decoder.decode(bytes);
}

/** As the standard writes it: `i=2259`, `ns=2;s=Press.Speed`. */
export function readNodeId(reader: ByteReader): string {
  return nodeIdOf(reader, reader.u8() & 0x3f);
}

function nodeIdOf(reader: ByteReader, form: number): string {
  if (form === 0) return `i=${reader.u8()}`;
  const namespace = form === 1 ? reader.u8() : reader.u16le();
  const prefix = namespace === 0 ? '' : `ns=${namespace};`;
  if (form === 1) return `${prefix}i=${reader.u16le()}`;
  if (form === 2) return `${prefix}i=${reader.u32le()}`;
  if (form === 3) return `${prefix}s=${readText(reader) ?? ''}`;
  if (form === 4) return `${prefix}g=${guidText(reader)}`;
  demand(form === 5, 'a node id of an unknown form');
  return `${prefix}b=${hexOf(readByteString(reader) ?? new Uint8Array(0))}`;
}

function readExpandedNodeId(reader: ByteReader): string {
  const first = reader.u8();
  const id = nodeIdOf(reader, first & 0x3f);
  const uri = (first & 0x80) === 0 ? undefined : readText(reader);
  if ((first & 0x40) !== 0) reader.u32le();
  return uri === undefined ? id : `${uri} ${id}`;
}

function guidText(reader: ByteReader): string {
  const part = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');
  const head = `${part(reader.u32le(), 8)}-${part(reader.u16le(), 4)}-${part(reader.u16le(), 4)}`;
  const tail = hexOf(reader.bytes(8));
  return `${head}-${tail.slice(0, 4)}-${tail.slice(4)}`;
}

/** Reads a QualifiedName. */
export function readQualifiedName(reader: ByteReader): string {
  const namespace = reader.u16le();
  return `${namespace}:${readText(reader) ?? ''}`;
}

function readLocalizedText(reader: ByteReader): string {
  const mask = reader.u8();
  demand(mask < 4, 'a text of an unknown form');
  if ((mask & 1) !== 0) readText(reader);
  return (mask & 2) === 0 ? '' : (readText(reader) ?? '');
}

/** Type and bytes of what only the two ends understand. */
export function readExtensionObject(reader: ByteReader): unknown {
  const type = readNodeId(reader);
  const form = reader.u8();
  demand(form < 3, 'an extension of an unknown form');
  const body = form === 0 ? undefined : readByteString(reader);
  return { type, ...(body === undefined ? {} : { body: hexOf(body) }) };
}

/** 64 bit numbers are written as text: a double holds 53. */
function wide(reader: ByteReader, isSigned: boolean): string {
  const bytes = reader.bytes(8);
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
  return String(isSigned ? view.getBigInt64(0, true) : view.getBigUint64(0, true));
}

function real(reader: ByteReader, size: 4 | 8): number {
  const bytes = reader.bytes(size);
  const view = new DataView(bytes.buffer, bytes.byteOffset, size);
  return size === 4 ? view.getFloat32(0, true) : view.getFloat64(0, true);
}

function signed(value: number, bits: 8 | 16): number {
  return value >= 2 ** (bits - 1) ? value - 2 ** bits : value;
}

const scalars: Readonly<Record<number, ((reader: ByteReader) => unknown) | undefined>> = {
  1: (reader) => reader.u8() !== 0,
  2: (reader) => signed(reader.u8(), 8),
  3: (reader) => reader.u8(),
  4: (reader) => signed(reader.u16le(), 16),
  5: (reader) => reader.u16le(),
  6: (reader) => reader.i32le(),
  7: (reader) => reader.u32le(),
  8: (reader) => wide(reader, true),
  9: (reader) => wide(reader, false),
  10: (reader) => real(reader, 4),
  11: (reader) => real(reader, 8),
  12: readText,
  13: (reader) => wide(reader, true),
  14: guidText,
  15: (reader) => hexOf(readByteString(reader) ?? new Uint8Array(0)),
  16: readText,
  17: readNodeId,
  18: readExpandedNodeId,
  19: (reader) => reader.u32le(),
  20: readQualifiedName,
  21: readLocalizedText,
  22: readExtensionObject,
};

/** `null` for an empty one. Throws `Malformed` for kinds that no variant should hold in a request (diagnostics). */
export function readVariant(reader: ByteReader, depth = 0): unknown {
  demand(depth < maxDepth, 'values within values');
  const first = reader.u8();
  const type = first & 0x3f;
  if (first === 0) return null;
  const scalar =
    type === 23
      ? (one: ByteReader) => readDataValue(one, depth + 1).value
      : type === 24
        ? (one: ByteReader) => readVariant(one, depth + 1)
        : scalars[type];
  demand(scalar !== undefined, 'a value of an unknown type');
  if ((first & 0x80) === 0) {
    demand((first & 0x40) === 0, 'dimensions without an array');
    return scalar(reader);
  }
  const values = readArray(reader, scalar);
  if ((first & 0x40) !== 0) readArray(reader, (one) => one.i32le());
  return values;
}

/** A value and its status. */
export interface DataValue {
  readonly value: unknown;
  readonly status: number;
}

/** Reads a DataValue. */
export function readDataValue(reader: ByteReader, depth = 0): DataValue {
  const mask = reader.u8();
  demand(mask < 0x40, 'a value of an unknown form');
  const value = (mask & 1) === 0 ? null : readVariant(reader, depth);
  const status = (mask & 2) === 0 ? 0 : reader.u32le();
  if ((mask & 4) !== 0) reader.bytes(8);
  if ((mask & 0x10) !== 0) reader.u16le();
  if ((mask & 8) !== 0) reader.bytes(8);
  if ((mask & 0x20) !== 0) reader.u16le();
  return { value, status };
}

/** Reads an array of what `read` reads. */
export function readArray<T>(reader: ByteReader, one: (reader: ByteReader) => T): readonly T[] {
  const count = reader.i32le();
  if (count <= 0) return [];
  // Every value has a byte at least.
  demand(count <= maxValues && count <= reader.left, 'more values than it has bytes for');
  const values: T[] = [];
  for (let left = count; left > 0; left -= 1) values.push(one(reader));
  return values;
}
