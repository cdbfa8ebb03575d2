/** Two contracts on one device: what both let through of its protocol. Pure. */
import { defined } from '../base/defined.ts';
import type { Dnp3Rules, EnipRules, FloorProtocol, Iec104Rules, S7Rules } from '../base/engagement/floor/rules.ts';
import { floorOperations } from '../base/engagement/floor/rules.ts';
import { narrowFloorAllow, type FloorAllow } from '../base/engagement/floor/operations.ts';
import { narrowModbusAllow } from '../base/engagement/modbus-operations.ts';
import type { ModbusRules, ModbusWriteRange } from '../base/engagement/modbus.ts';
import { both, least, overlapNames } from './narrow-parts.ts';

/** Two lists of Modbus rules. */
export function narrowModbus(a: ModbusRules, b: ModbusRules): ModbusRules {
  return defined({
    allow: narrowModbusAllow(a.allow, b.allow),
    units: both(a.units, b.units, common),
    ranges: both(a.ranges, b.ranges, overlapRanges),
    read: both(a.read, b.read, overlapRanges),
    write: both(a.write, b.write, overlapRanges),
  });
}

/** Every overlap of a range of one with a range of the other, with the stricter of their bounds. */
function overlapRanges<R extends ModbusWriteRange>(x: readonly R[], y: readonly R[]): R[] {
  return x.flatMap((range) =>
    y.flatMap((other) => {
      if (range.table !== undefined && other.table !== undefined && range.table !== other.table) return [];
      const from = Math.max(range.from, other.from);
      const to = Math.min(range.to, other.to);
      const units = both(range.units, other.units, common);
      if (from > to || units?.length === 0) return [];
      return [
        defined({
          table: range.table ?? other.table,
          from,
          to,
          units,
          min: both(range.min, other.min, Math.max),
          max: least(range.max, other.max),
          rate: both(range.rate, other.rate, (one, two) => ({
            writes: Math.min(one.writes, two.writes),
            perSeconds: Math.max(one.perSeconds, two.perSeconds),
          })),
        }) as ModbusWriteRange as R,
      ];
    }),
  );
}

function common<T>(x: readonly T[], y: readonly T[]): T[] {
  return x.filter((one) => y.includes(one));
}

interface RulesOver<O> {
  readonly allow: FloorAllow;
  readonly objects?: readonly O[] | undefined;
  readonly opaque?: 'refuse' | 'alert' | undefined;
}

/** `join`: what two objects have in common, if anything. Unread only where both say so. */
export function narrowFloor<O, R extends RulesOver<O>>(
  protocol: FloorProtocol,
  a: R,
  b: R,
  join: (x: O, y: O) => readonly O[],
): { allow: FloorAllow; objects?: O[]; opaque: 'refuse' | 'alert' } {
  return defined({
    allow: narrowFloorAllow(floorOperations[protocol], a.allow, b.allow),
    objects: both(a.objects as O[] | undefined, b.objects as O[] | undefined, (x, y) =>
      x.flatMap((one) => y.flatMap((other) => [...join(one, other)])),
    ),
    opaque: a.opaque === 'alert' && b.opaque === 'alert' ? ('alert' as const) : ('refuse' as const),
  });
}

type ObjectOf<R extends { readonly objects?: readonly unknown[] | undefined }> = NonNullable<R['objects']>[number];
type S7Object = ObjectOf<S7Rules>;
type EnipObject = ObjectOf<EnipRules>;
type Points = ObjectOf<Iec104Rules> & ObjectOf<Dnp3Rules>;

/** The addresses that both S7 objects name; none where areas or data blocks differ. */
export function overlapS7(x: S7Object, y: S7Object): readonly S7Object[] {
  if (x.area !== y.area || differ(x.db, y.db)) return [];
  const from = both(x.from, y.from, Math.max);
  const to = least(x.to, y.to);
  return (from ?? 0) > (to ?? Infinity) ? [] : [defined({ area: x.area, db: x.db ?? y.db, from, to })];
}

/** The CIP object or tag that both name. */
export function overlapEnip(x: EnipObject, y: EnipObject): readonly EnipObject[] {
  if (typeof x === 'string' || typeof y === 'string') {
    return typeof x === 'string' && typeof y === 'string' ? overlapNames([x], [y]) : [];
  }
  if (x.class !== y.class || differ(x.instance, y.instance)) return [];
  return [defined({ class: x.class, instance: x.instance ?? y.instance })];
}

/** The points (IEC 104, DNP3) in both ranges. */
export function overlapPoints(x: Points, y: Points): readonly Points[] {
  const from = Math.max(x.from, y.from);
  const to = Math.min(x.to, y.to);
  if (from > to || differ(x.commonAddress, y.commonAddress) || differ(x.group, y.group)) return [];
  return [defined({ commonAddress: x.commonAddress ?? y.commonAddress, group: x.group ?? y.group, from, to })];
}

function differ(x: number | undefined, y: number | undefined): boolean {
  return x !== undefined && y !== undefined && x !== y;
}
