/** Objects that a call of the floor's protocols was about, read back from the words its record has for them. Pure. */
import type { FloorOperation } from '../../base/engagement/floor/operations.ts';
import type { FloorProtocol } from '../../base/engagement/floor/rules.ts';
import type { EngagementContract } from '../../base/engagement.ts';
import { isWithin as isWithinDnp3 } from '../dnp3/requests.ts';
import { isWithin as isWithinEnip } from '../enip/cip.ts';
import { isWithin as isWithinIec104 } from '../iec104/apdu.ts';
import { isWithin as isWithinOpcua } from '../opcua/requests.ts';
import { isWithin as isWithinS7, type S7Area, type S7Item } from '../s7/items.ts';

interface Recorded {
  readonly target: string;
  readonly arguments?: unknown;
}

/** As the guard asks it of what it read; `unknown`: the record has not all of it. */
export function isWithinRecorded(
  protocol: FloorProtocol,
  contract: EngagementContract,
  operation: FloorOperation,
  call: Recorded,
): boolean | undefined | 'unknown' {
  if (contract[protocol]?.objects === undefined) return undefined;
  switch (protocol) {
    case 's7': {
      const items = itemsOf(call);
      return items === undefined ? 'unknown' : isWithinS7(contract.s7?.objects, items);
    }
    case 'enip':
      return isCut(call) ? 'unknown' : isWithinEnip(contract.enip?.objects, pathOf(call));
    case 'opcua': {
      const nodes = nodesOf(call);
      return nodes === undefined ? 'unknown' : isWithinOpcua(contract.opcua?.objects, operation.code, nodes);
    }
    case 'iec104': {
      const point = pointOf(call);
      return point === undefined ? 'unknown' : isWithinIec104(contract.iec104?.objects, point.station, point.address);
    }
    case 'dnp3': {
      const points = pointsOf(call);
      return points === undefined ? 'unknown' : isWithinDnp3(contract.dnp3?.objects, operation.code, points);
    }
  }
}

/** Long targets have an end in the record. */
function isCut({ target }: Recorded): boolean {
  return target.endsWith('…');
}

const areas: Readonly<Record<string, S7Area | undefined>> = {
  I: 'inputs',
  Q: 'outputs',
  M: 'flags',
  C: 'counters',
  T: 'timers',
};

/** Of a read or write; none for what addresses none. */
export function itemsOf({ arguments: facts }: Recorded): readonly S7Item[] | undefined {
  const objects = (facts as { readonly objects?: unknown } | undefined)?.objects;
  if (!Array.isArray(objects)) return undefined;
  const items = objects.map(itemOf);
  return items.some((item) => item === undefined) ? undefined : (items as readonly S7Item[]);
}

/** `DB1.DBX0.3`, `DB1.DBB4–7`, `M10`, `T5`, with how many bytes it is. */
function itemOf(object: unknown): S7Item | undefined {
  const { object: text, bytes: size } = object as { readonly object?: unknown; readonly bytes?: unknown };
  if (typeof text !== 'string' || typeof size !== 'number') return undefined;
  const found = /^(?:DB(\d+)\.DB[BX]|([IQMCT]))(\d+)(?:\.(\d))?(?:–(\d+))?$/.exec(text);
  if (found === null) return undefined;
  const [, db, letter = '', from = '', bit, to = from] = found;
  const area = db === undefined ? areas[letter] : 'db';
  if (area === undefined) return undefined;
  const place = { area, db: Number(db ?? 0), from: Number(from), to: Number(to), size };
  return bit === undefined ? place : { ...place, bit: Number(bit) };
}

/** `COUNTS[3]`, `class 0x01 instance 1 attribute 7`. */
export function pathOf({ target }: Recorded): {
  readonly tag: string | undefined;
  readonly class: number | undefined;
  readonly instance: number | undefined;
} {
  const found = /^class 0x([0-9a-f]+)(?: instance (\d+))?(?: attribute \d+)?(?: |$)/.exec(target);
  if (found === null) return { tag: target === '' ? undefined : target, class: undefined, instance: undefined };
  const [whole, code = '', instance] = found;
  const rest = target.slice(whole.length).trim();
  return {
    // Members of an instance stand where a tag's name would.
    tag: rest === '' || rest.startsWith('[') ? undefined : rest,
    class: Number.parseInt(code, 16),
    instance: instance === undefined ? undefined : Number(instance),
  };
}

/** Node ids, each with what is asked of it. */
export function nodesOf(call: Recorded): readonly string[] | undefined {
  const { target } = call;
  if (isCut(call) || / and \d+ more$/.test(target)) return undefined;
  return target === '' ? [] : target.split(/, (?=(?:ns=\d+;)?[isgb]=)/);
}

/** `station 47 point 12`. */
export function pointOf({ target }: Recorded): { readonly station: number; readonly address: number } | undefined {
  const found = /^station (\d+) point (\d+)$/.exec(target);
  return found === null ? undefined : { station: Number(found[1]), address: Number(found[2]) };
}

/** `outstation 10 g30v2 0–9, g12v1 1`. */
export function pointsOf(
  call: Recorded,
): readonly { readonly group: number; readonly from: number; readonly to: number }[] | undefined {
  const found = /^outstation \d+(?: (.*))?$/.exec(call.target);
  if (found === null || isCut(call)) return undefined;
  const points = (found[1] ?? '').split(', ').filter((text) => text !== '');
  const read = points.map((text) => {
    const one = /^g(\d+)v\d+(?: (\d+)(?:–(\d+))?)?$/.exec(text);
    if (one === null) return undefined;
    const [, group, from = '0', to = one[2] ?? '65535'] = one;
    return { group: Number(group), from: Number(from), to: Number(to) };
  });
  return read.some((one) => one === undefined) ? undefined : read.flatMap((one) => one ?? []);
}
