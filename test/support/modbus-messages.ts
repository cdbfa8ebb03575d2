/** Seeded sessions of Modbus/TCP requests: as clients write them, or nearly. The same seed gives the same session. */
import type { Draw } from './guard-messages.ts';

const highest = 0xffff;
/** Functions that a server by libmodbus does not know; it throws away what stands behind one, so they come last. */
const rarePdus: readonly (readonly number[])[] = [
  [8, 0, 0, 0x12, 0x34],
  [8, 0, 11, 0, 0],
  [11],
  [12],
  [20, 7, 6, 0, 4, 0, 1, 0, 2],
  [21, 9, 6, 0, 4, 0, 7, 0, 1, 0, 7],
  [24, 0, 6],
  [43, 14, 1, 0],
];

/** Some requests of one connection, one after another. */
export function modbusSession(draw: Draw): Uint8Array {
  const frames = Array.from({ length: 1 + draw.below(4) }, () => frameOf(draw, spoilt(draw, commonPdu(draw))));
  if (draw.chance(6)) frames.push(frameOf(draw, spoilt(draw, draw.one(rarePdus))));
  return Buffer.concat(frames);
}

function commonPdu(draw: Draw): readonly number[] {
  switch (draw.one([1, 2, 3, 4, 5, 6, 7, 15, 16, 17, 22, 23])) {
    case 1:
      return [1, ...word(address(draw)), ...word(quantity(draw, 2000))];
    case 2:
      return [2, ...word(address(draw)), ...word(quantity(draw, 2000))];
    case 3:
      return [3, ...word(address(draw)), ...word(quantity(draw, 125))];
    case 4:
      return [4, ...word(address(draw)), ...word(quantity(draw, 125))];
    case 5:
      return [
        5,
        ...word(address(draw)),
        ...draw.one([
          [0xff, 0],
          [0xff, 0],
          [0, 0],
          [0, 1],
          [0, 0xff],
        ]),
      ];
    case 6:
      return [6, ...word(address(draw)), ...word(draw.below(highest + 1))];
    case 7:
      return [7];
    case 15: {
      const count = quantity(draw, 1968);
      return [15, ...word(address(draw)), ...word(count), ...block(draw, Math.ceil(count / 8))];
    }
    case 16: {
      const count = quantity(draw, 123);
      return [16, ...word(address(draw)), ...word(count), ...block(draw, count * 2)];
    }
    case 17:
      return [17];
    case 22:
      return [22, ...word(address(draw)), ...word(draw.below(highest + 1)), ...word(draw.below(highest + 1))];
    default: {
      const written = quantity(draw, 121);
      const write = address(draw);
      // Now and then over the very registers that are written.
      const read = draw.chance(4) ? write : address(draw);
      return [
        ...[23, ...word(read), ...word(quantity(draw, 125))],
        ...[...word(write), ...word(written), ...block(draw, written * 2)],
      ];
    }
  }
}

/** Now and then one byte too many or too few, another byte somewhere, or a whole frame behind. */
function spoilt(draw: Draw, pdu: readonly number[]): readonly number[] {
  if (!draw.chance(8)) return pdu;
  const at = draw.below(pdu.length);
  const byte = draw.below(256);
  return draw.one([
    pdu.slice(0, Math.max(1, pdu.length - 1)),
    [...pdu, byte],
    pdu.toSpliced(at, 1, byte),
    pdu.toSpliced(at, 0, byte),
    [...pdu, 0, 1, 0, 0, 0, 6, 1, 6, 0, 1, 0, 9],
  ]);
}

function frameOf(draw: Draw, pdu: readonly number[]): Uint8Array {
  const length = draw.chance(60) ? draw.below(300) : pdu.length + 1;
  const protocol = draw.chance(200) ? 1 : 0;
  return Uint8Array.of(...word(draw.below(highest + 1)), ...word(protocol), ...word(length), draw.below(5), ...pdu);
}

const word = (value: number): readonly number[] => [value >> 8, value & 0xff];
/** A number of bytes and so many of them, mostly. */
const block = (draw: Draw, length: number): readonly number[] => [
  (draw.chance(20) ? length + 1 : length) & 0xff,
  ...Array.from({ length }, () => draw.below(256)),
];
const address = (draw: Draw): number => (draw.chance(5) ? highest - draw.below(8) : draw.below(highest + 1));
const quantity = (draw: Draw, most: number): number =>
  draw.chance(20) ? draw.below(most + 3) : 1 + draw.below(Math.min(most, draw.one([1, 4, 20, most])));
