/**
 * CIP requests: a service, the path of what it is asked of, and data. Pure.
 * Source: CIP Volume 1, chapter 2-4 (messages), appendix C-1.4 (path segments), 3-5.5 (Connection Manager).
 */
import type { EnipRules } from '../../base/engagement/floor/rules.ts';
import { globMatches } from '../../base/glob.ts';
import { ByteReader, demand } from '../floor/byte-reader.ts';

/** What a request is asked of. */
export interface CipPath {
  /** `Program:Main.Speed`, with members. */
  readonly tag: string | undefined;
  /** Of an instance: `[3]`. */
  readonly members: string;
  readonly class: number | undefined;
  readonly instance: number | undefined;
  readonly attribute: number | undefined;
}

/** A request, its path read. */
export interface CipRequest {
  readonly service: number;
  readonly path: CipPath;
  readonly data: Uint8Array;
}

/** Reads one request. Throws where it is malformed or an answer. */
export function readRequest(bytes: Uint8Array): CipRequest {
  const reader = new ByteReader(bytes);
  const service = reader.u8();
  demand(service < 0x80, 'an answer where a request belongs');
  const path = readPath(reader.bytes(reader.u8() * 2));
  return { service, path, data: reader.rest() };
}

/** Logical segments by type: class, instance, member, attribute; 8, 16 or 32 bits. Symbols are names. Throws at any other. */
export function readPath(bytes: Uint8Array): CipPath {
  const reader = new ByteReader(bytes);
  let tag: string | undefined;
  let members = '';
  const found: { class?: number; instance?: number; attribute?: number } = {};
  while (reader.left > 0) {
    const segment = reader.u8();
    if (segment === 0x91) {
      const name = reader.bytes(reader.u8());
      if (name.length % 2 === 1) demand(reader.u8() === 0, 'a name without its padding');
      const text = String.fromCharCode(...name);
      tag = tag === undefined ? text : `${tag}.${text}`;
      continue;
    }
    demand(segment >> 5 === 1, `a path segment ${segment}`);
    const value = logicalValue(reader, segment & 3);
    const type = (segment >> 2) & 7;
    if (type === 0) {
      demand(found.class === undefined, 'a path with two classes');
      found.class = value;
    } else if (type === 1) {
      demand(found.instance === undefined, 'a path with two instances');
      found.instance = value;
    } else if (type === 4) {
      demand(found.attribute === undefined, 'a path with two attributes');
      found.attribute = value;
    } else {
      demand(type === 2, `a path segment ${segment}`);
      if (tag === undefined) members += `[${value}]`;
      else tag += `[${value}]`;
    }
  }
  return { tag, members, class: found.class, instance: found.instance, attribute: found.attribute };
}

function logicalValue(reader: ByteReader, size: number): number {
  if (size === 0) return reader.u8();
  demand(size < 3 && reader.u8() === 0, 'a path segment without its padding');
  return size === 1 ? reader.u16le() : reader.u32le();
}

/** The message that an unconnected send to the Connection Manager carries: it is judged in its place. */
export function unwrapSend(data: Uint8Array): Uint8Array {
  const reader = new ByteReader(data);
  reader.u16le();
  const length = reader.u16le();
  const message = reader.bytes(length);
  if (length % 2 === 1) reader.u8();
  const words = reader.u8();
  demand(reader.u8() === 0, 'a route without its padding');
  reader.bytes(words * 2);
  reader.end();
  return message;
}

/** The messages of a multiple service packet: they lie one behind the other, from the first to the end, with nothing between. */
export function unpackServices(data: Uint8Array): readonly Uint8Array[] {
  const reader = new ByteReader(data);
  const count = reader.u16le();
  demand(count > 0, 'a packet of no services');
  const offsets = Array.from({ length: count }, () => reader.u16le());
  demand(offsets[0] === reader.at, 'a packet with something between its services');
  return offsets.map((offset, index) => {
    const end = offsets[index + 1] ?? data.length;
    demand(end > offset && end <= data.length, 'a packet whose services overlap');
    return data.subarray(offset, end);
  });
}

/** What a forward open asks for; `isLarge`: connection sizes of 32 bits. */
export function opensMessages(data: Uint8Array, isLarge: boolean): boolean {
  const reader = new ByteReader(data);
  reader.bytes(26);
  reader.bytes(isLarge ? 4 : 2);
  reader.u32le();
  reader.bytes(isLarge ? 4 : 2);
  const transport = reader.u8();
  const path = reader.bytes(reader.u8() * 2);
  reader.end();
  // Class 3 talks to the message router; classes 0 and 1 exchange inputs and outputs.
  const isRouter =
    path.length >= 4 && [0x20, 2, 0x24, 1].every((byte, index) => path[path.length - 4 + index] === byte);
  return (transport & 0x0f) === 3 && isRouter;
}

/** Undefined where the contract names no objects. */
export function isWithin(
  objects: EnipRules['objects'],
  path: Pick<CipPath, 'tag' | 'class' | 'instance'>,
): boolean | undefined {
  return objects?.some((object) =>
    typeof object === 'string'
      ? path.tag !== undefined && globMatches(object, path.tag, 'name')
      : path.tag === undefined &&
        path.class === object.class &&
        (object.instance === undefined || object.instance === path.instance),
  );
}

/** `COUNTS[3]`, `class 0x01 instance 1 attribute 7`. */
export function pathText(path: CipPath): string {
  const parts = [
    path.class === undefined ? '' : `class 0x${path.class.toString(16).padStart(2, '0')}`,
    path.instance === undefined ? '' : `instance ${path.instance}`,
    path.attribute === undefined ? '' : `attribute ${path.attribute}`,
    path.tag ?? path.members,
  ];
  return parts.filter((part) => part !== '').join(' ');
}

/** An answer that says only whether: general status, no data. */
export function statusAnswer(service: number, status: number): Uint8Array {
  return Uint8Array.of(service | 0x80, 0, status, 0);
}
