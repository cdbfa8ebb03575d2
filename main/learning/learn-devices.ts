/** Rules that let through what was seen of a device, and nothing beside it. Pure. */
import { defined } from '../base/defined.ts';
import type { EngagementContract } from '../base/engagement.ts';
import { floorOperations, type FloorProtocol } from '../base/engagement/floor/rules.ts';
import { modbusLabel, modbusOperations } from '../base/engagement/modbus-operations.ts';
import type { ModbusRules, ModbusWriteRange } from '../base/engagement/modbus.ts';
import { itemsOf, nodesOf, pathOf, pointOf, pointsOf } from '../guard/recorded/places.ts';
import { registersOf, unitOf } from '../guard/recorded/registers.ts';
import type { SeenCall } from './seen.ts';
import { groupBy } from '../base/group-by.ts';
import { joinSpans, sortedSet, type Span } from './spans.ts';

type Access = NonNullable<ReturnType<typeof registersOf>>[number] & { readonly unit: number };

/** Functions, units, and of registers each range that was read, and written with which values. */
export function learnModbus(calls: readonly SeenCall[]): ModbusRules {
  const names = new Set(calls.map((call) => call.method));
  const allow = modbusOperations.filter((one) => names.has(one.name)).map(modbusLabel);
  const units = sortedSet(calls.flatMap((call) => unitOf(call) ?? []));
  const accesses = calls.flatMap((call) =>
    (registersOf(call) ?? []).map((access): Access => ({ ...access, unit: unitOf(call) ?? 0 })),
  );
  return defined({
    allow,
    units,
    read: rangesOf(accesses.filter(({ access }) => access === 'read')),
    write: rangesOf(accesses.filter(({ access }) => access === 'write')),
  });
}

function rangesOf(accesses: readonly Access[]): ModbusWriteRange[] | undefined {
  if (accesses.length === 0) return undefined;
  return [...groupBy(accesses, ({ unit, table }) => `${unit} ${table}`).values()].flatMap((group) =>
    joinSpans(group).map(({ from, to }) => {
      const inside = group.filter((access) => access.from >= from && access.to <= to);
      const [first] = inside;
      const written = inside.filter(({ access }) => access === 'write');
      const values = sortedSet(written.flatMap((access) => access.values ?? []));
      // The outcome of a mask is not known: no bound would let it through.
      const isBounded = values.length > 0 && written.every((access) => access.values !== undefined);
      return defined({
        table: first?.table,
        from,
        to,
        units: first === undefined ? undefined : [first.unit],
        min: isBounded ? values[0] : undefined,
        max: isBounded ? values.at(-1) : undefined,
      });
    }),
  );
}

/** Operations by name, and the objects they were about; without `objects` where some of them are not recorded in full. */
export function learnFloor(
  protocol: FloorProtocol,
  calls: readonly SeenCall[],
): NonNullable<EngagementContract[FloorProtocol]> {
  const names = new Set(calls.map((call) => call.method));
  const allow = [...new Set(floorOperations[protocol].filter((one) => names.has(one.name)).map((one) => one.name))];
  const objects = objectsOf[protocol](calls);
  return defined({ allow, objects }) as NonNullable<EngagementContract[FloorProtocol]>;
}

const objectsOf: Readonly<Record<FloorProtocol, (calls: readonly SeenCall[]) => readonly unknown[] | undefined>> = {
  s7: (calls) =>
    whole(calls, itemsOf, (items) => spansBy(items, ({ area, db }) => (area === 'db' ? { area, db } : { area }))),
  enip: (calls) =>
    whole(
      calls,
      (call) => (call.target.endsWith('…') ? undefined : [pathOf(call)]),
      (paths) =>
        distinct(
          paths.flatMap((path): readonly unknown[] => {
            if (path.tag !== undefined) return [path.tag];
            return path.class === undefined ? [] : [defined({ class: path.class, instance: path.instance })];
          }),
        ),
    ),
  opcua: (calls) => whole(calls, nodesOf, (nodes) => sortedSet(nodes.map((node) => node.replace(/ @\d+$/, '')))),
  iec104: (calls) =>
    whole(
      calls,
      (call) => {
        const point = pointOf(call);
        return point === undefined ? undefined : [{ ...point, from: point.address, to: point.address }];
      },
      (points) => spansBy(points, ({ station }) => ({ commonAddress: station })),
    ),
  dnp3: (calls) => whole(calls, pointsOf, (points) => spansBy(points, ({ group }) => ({ group }))),
};

/** Undefined where one of the calls has no places that could be read back. */
function whole<T>(
  calls: readonly SeenCall[],
  read: (call: SeenCall) => readonly T[] | undefined,
  make: (all: readonly T[]) => readonly unknown[],
): readonly unknown[] | undefined {
  const all = calls.map(read);
  return all.some((one) => one === undefined) ? undefined : make(all.flatMap((one) => one ?? []));
}

function spansBy<T extends Span>(places: readonly T[], same: (place: T) => object): readonly unknown[] {
  return [...groupBy(places, (place) => JSON.stringify(same(place))).entries()].flatMap(([key, group]) =>
    joinSpans(group).map((span) => ({ ...(JSON.parse(key) as object), ...span })),
  );
}

function distinct(values: readonly unknown[]): readonly unknown[] {
  return sortedSet(values.map((value) => JSON.stringify(value))).map((text) => JSON.parse(text) as unknown);
}
