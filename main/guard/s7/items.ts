/**
 * What an S7 read or write addresses. Pure. Layout as packet captures show it: `12 0a 10`, transport size, count, data block, area, and an
 * address of 24 bits that counts bits (of counters and timers: their number).
 */
import type { S7Rules } from '../../base/engagement/floor/rules.ts';
import { demand, type ByteReader } from '../floor/byte-reader.ts';

/** A memory area of a controller. */
export type S7Area = 'db' | 'inputs' | 'outputs' | 'flags' | 'counters' | 'timers';

/** One place that a request names. */
export interface S7Item {
  readonly area: S7Area;
  readonly db: number;
  /** Bytes, or numbers of counters and timers; `to` inclusive. */
  readonly from: number;
  readonly to: number;
  /** Of a single bit: which of its byte. */
  readonly bit?: number;
  /** Bytes of its value. */
  readonly size: number;
}

const areas: Readonly<Record<number, { area: S7Area; letter: string } | undefined>> = {
  0x81: { area: 'inputs', letter: 'I' },
  0x82: { area: 'outputs', letter: 'Q' },
  0x83: { area: 'flags', letter: 'M' },
  0x84: { area: 'db', letter: 'DB' },
  0x1c: { area: 'counters', letter: 'C' },
  0x1d: { area: 'timers', letter: 'T' },
};
const letters: Readonly<Record<S7Area, string>> = {
  db: 'DB',
  inputs: 'I',
  outputs: 'Q',
  flags: 'M',
  counters: 'C',
  timers: 'T',
};

/** Bytes of one element by transport size: bit, byte, char, word, int, double word, double int, real, counter, timer. */
const elementBytes: Readonly<Record<number, number | undefined>> = {
  1: 1,
  2: 1,
  3: 1,
  4: 2,
  5: 2,
  6: 4,
  7: 4,
  8: 4,
  0x1c: 2,
  0x1d: 2,
};

/** Items of a read or write, `count` of them. Throws `Malformed` at any other way to address (symbols, NC data). */
export function readItems(reader: ByteReader, count: number): readonly S7Item[] {
  return Array.from({ length: count }, () => readItem(reader));
}

function readItem(reader: ByteReader): S7Item {
  demand(reader.u8() === 0x12 && reader.u8() === 0x0a && reader.u8() === 0x10, 'an item addressed in another way');
  const transport = reader.u8();
  const count = reader.u16be();
  const db = reader.u16be();
  const place = areas[reader.u8()];
  const address = reader.u24be();
  const element = elementBytes[transport];
  demand(place !== undefined && element !== undefined && count > 0, 'an area or transport size nobody knows');
  const { area } = place;
  const counts = area === 'counters' || area === 'timers';
  demand(counts === (transport === 0x1c || transport === 0x1d), 'a transport size that is not the area’s');
  demand(area === 'db' || db === 0, 'a data block outside the data blocks');
  if (counts) return { area, db, from: address, to: address + count - 1, size: element * count };
  const isBit = transport === 1;
  demand(isBit ? count === 1 : (address & 7) === 0, 'an address between bytes');
  const from = address >> 3;
  const to = from + element * count - 1;
  return { area, db, from, to, size: element * count, ...(isBit ? { bit: address & 7 } : {}) };
}

/** As engineers write it: `DB1.DBX0.3`, `DB1.DBB4–7`, `M10`, `T5`. */
export function itemText({ area, db, from, to, bit }: S7Item): string {
  const start = bit === undefined ? String(from) : `${from}.${bit}`;
  const range = from === to ? start : `${start}–${to}`;
  if (area === 'db') return `DB${db}.${bit === undefined ? 'DBB' : 'DBX'}${range}`;
  return `${letters[area]}${range}`;
}

/** Undefined where the contract names no objects. */
export function isWithin(objects: S7Rules['objects'], items: readonly S7Item[]): boolean | undefined {
  if (objects === undefined) return undefined;
  const holds = (item: S7Item): boolean =>
    objects.some(
      (object) =>
        object.area === item.area &&
        (object.db === undefined || object.db === item.db) &&
        item.from >= (object.from ?? 0) &&
        item.to <= (object.to ?? Infinity),
    );
  return items.length > 0 && items.every(holds);
}

/**
 * Values of a write or of a read's answer: return code, transport size, length, data, padded to even bytes but for the last. Lengths count
 * bits in the transport sizes 3, 4 and 5, bytes in the others. Undefined for an item whose answer is an error.
 */
export function readValues(reader: ByteReader, count: number): readonly (Uint8Array | undefined)[] {
  return Array.from({ length: count }, (_, index) => {
    const code = reader.u8();
    const transport = reader.u8();
    const length = reader.u16be();
    demand([0, 3, 4, 5, 6, 7, 9].includes(transport), 'a value of a kind nobody knows');
    const value = reader.bytes(transport >= 3 && transport <= 5 ? (length + 7) >> 3 : length);
    if (value.length % 2 === 1 && (index < count - 1 || reader.left === 1)) reader.u8();
    return code === 0xff || code === 0 ? value : undefined;
  });
}
