/** DNP3 application requests and the answers that refuse them. Pure. Source: IEEE 1815-2012 clauses 4.2 (fragments) and 11.3 (objects). */
import { dnp3Operations } from '../../base/engagement/floor/dnp3-operations.ts';
import type { Dnp3Rules } from '../../base/engagement/floor/rules.ts';
import { ByteReader, demand, hexOf, parsed } from '../floor/byte-reader.ts';
import type { Asked } from '../floor/floor-guard.ts';

/** A header of objects: group, variation, and the points it names. */
interface Points {
  readonly group: number;
  readonly variation: number;
  readonly from: number;
  readonly to: number;
  readonly values?: readonly string[];
}

/** What a fragment asks for. */
export interface Dnp3Request extends Asked {
  readonly code: number;
  /** Application control: the number in its low bits is echoed. */
  readonly control: number;
  /** Behind the function code. */
  readonly body: Uint8Array;
}

/** Confirms an answer; asks nothing. */
export const confirm = 0;
/** Requests nobody answers. */
export const unanswered: readonly number[] = [6, 8, 10, 12];
const controls: readonly number[] = [3, 4, 5, 6];

/** Reads a whole fragment. Throws where it is malformed. */
export function readRequest(fragment: Uint8Array, objects: Dnp3Rules['objects']): Dnp3Request {
  const [control = 0, code = -1] = fragment;
  const body = fragment.subarray(2);
  const operation = dnp3Operations.find((one) => one.code === code);
  const base = { code, control, body, name: `function-${code}` };
  const points = parsed(() => pointsOf(code, body));
  const mustParse = code === 1 || controls.includes(code);
  if (points === undefined && mustParse) return { ...base, operation: undefined, target: '', within: undefined };
  const values = (points ?? []).flatMap((one) => one.values ?? []);
  return {
    ...base,
    operation,
    target: (points ?? []).map(pointsText).join(', '),
    within: isWithin(objects, code, points ?? []),
    ...(values.length === 0 ? {} : { facts: { values } }),
  };
}

/** Asked of the outstation as a whole, and only on the reading side. */
const housekeeping: readonly number[] = [20, 21, 23];

/** Undefined where the contract names no objects, or none could be asked for. */
export function isWithin(
  objects: Dnp3Rules['objects'],
  code: number,
  points: readonly Pick<Points, 'group' | 'from' | 'to'>[],
): boolean | undefined {
  if (objects === undefined || housekeeping.includes(code)) return undefined;
  const holds = ({ group, from, to }: Pick<Points, 'group' | 'from' | 'to'>): boolean =>
    objects.some(
      (object) => (object.group === undefined || object.group === group) && from >= object.from && to <= object.to,
    );
  return points.length > 0 && points.every(holds);
}

function pointsText({ group, variation, from, to }: Points): string {
  if (from === 0 && to === 0xffff) return `g${group}v${variation}`;
  return `g${group}v${variation} ${from === to ? from : `${from}–${to}`}`;
}

/** Bytes of one point's value in a control: binary output block and analogue outputs, each with a status behind it. */
const controlBytes: Readonly<Record<string, number | undefined>> = {
  '12 1': 11,
  '41 1': 5,
  '41 2': 3,
  '41 3': 5,
  '41 4': 9,
};

/** Reads name points without values; controls name each point with one. Throws `Malformed`. */
function pointsOf(code: number, body: Uint8Array): readonly Points[] {
  const reader = new ByteReader(body);
  const found: Points[] = [];
  if (code !== 1 && !controls.includes(code)) return found;
  while (reader.left > 0) {
    const group = reader.u8();
    const variation = reader.u8();
    const qualifier = reader.u8();
    if (code === 1) found.push({ group, variation, ...rangeOf(reader, qualifier) });
    else found.push(...controlled(reader, group, variation, qualifier));
  }
  return found;
}

/** Start and stop, all, a count of the first, or single points. */
function rangeOf(reader: ByteReader, qualifier: number): { from: number; to: number } {
  if (qualifier === 0) return ordered(reader.u8(), reader.u8());
  if (qualifier === 1) return ordered(reader.u16le(), reader.u16le());
  if (qualifier === 6) return { from: 0, to: 0xffff };
  if (qualifier === 7) return { from: 0, to: Math.max(0, reader.u8() - 1) };
  if (qualifier === 8) return { from: 0, to: Math.max(0, reader.u16le() - 1) };
  demand(qualifier === 0x17 || qualifier === 0x28, 'points named in another way');
  const isWide = qualifier === 0x28;
  const count = isWide ? reader.u16le() : reader.u8();
  demand(count > 0, 'no points');
  const points = Array.from({ length: count }, () => (isWide ? reader.u16le() : reader.u8()));
  return { from: Math.min(...points), to: Math.max(...points) };
}

function ordered(from: number, to: number): { from: number; to: number } {
  demand(from <= to, 'a range that ends before it begins');
  return { from, to };
}

function controlled(reader: ByteReader, group: number, variation: number, qualifier: number): readonly Points[] {
  const size = controlBytes[`${group} ${variation}`];
  demand(size !== undefined && (qualifier === 0x17 || qualifier === 0x28), 'points named in another way');
  const isWide = qualifier === 0x28;
  const count = isWide ? reader.u16le() : reader.u8();
  demand(count > 0, 'no points');
  return Array.from({ length: count }, () => {
    const point = isWide ? reader.u16le() : reader.u8();
    return { group, variation, from: point, to: point, values: [hexOf(reader.bytes(size))] };
  });
}

/** Control status: not authorised. */
const notAuthorised = 9;
/** Second octet of the internal indications: the function is not supported. */
const noFunctionCode = 0x01;

/** The answer that refuses a request: each point by its status, else the function by the indications. */
export function refusalFragment({ code, control, body }: Dnp3Request): Uint8Array {
  const head = [0xc0 | (control & 0x0f), 0x81, 0];
  const points = controls.includes(code) ? parsed(() => withStatus(body)) : undefined;
  if (points === undefined) return Uint8Array.of(...head, noFunctionCode);
  return Uint8Array.of(...head, 0, ...points);
}

/** The same objects, each with the status that says no. */
function withStatus(body: Uint8Array): Uint8Array {
  const answer = new Uint8Array(body);
  const reader = new ByteReader(body);
  while (reader.left > 0) {
    const size = controlBytes[`${reader.u8()} ${reader.u8()}`];
    const isWide = reader.u8() === 0x28;
    const count = isWide ? reader.u16le() : reader.u8();
    demand(size !== undefined, 'points named in another way');
    for (let point = 0; point < count; point += 1) {
      reader.bytes((isWide ? 2 : 1) + size);
      answer[reader.at - 1] = notAuthorised;
    }
  }
  return answer;
}
