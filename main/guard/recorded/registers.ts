/** Registers of a Modbus call, read back from its record. Pure. */
import * as v from 'valibot';
import { defined } from '../../base/defined.ts';
import type { RegisterAccess } from '../modbus/functions.ts';

interface Recorded {
  readonly target: string;
  readonly arguments?: unknown;
}

const whole = v.pipe(v.number(), v.integer(), v.minValue(0));
const recordedAccesses = v.object({
  registers: v.array(
    v.object({
      access: v.picklist(['read', 'write']),
      table: v.picklist(['coils', 'discrete', 'holding', 'input']),
      address: whole,
      count: v.pipe(whole, v.minValue(1)),
      values: v.optional(v.array(whole)),
    }),
  ),
});

/** `unit 1 holding 40–41` → 1. */
export function unitOf({ target }: Recorded): number | undefined {
  const unit = /^unit (\d{1,3})(?: |$)/.exec(target)?.[1];
  return unit === undefined ? undefined : Number(unit);
}

/** None where the call touches none; undefined where the record does not have them. */
export function registersOf({ target, arguments: facts }: Recorded): readonly RegisterAccess[] | undefined {
  if (facts === undefined) return /^unit \d{1,3}$/.test(target) ? [] : undefined;
  const read = v.safeParse(recordedAccesses, facts);
  if (!read.success) return undefined;
  return read.output.registers.map(({ access, table, address, count, values }) =>
    defined({ access, table, from: address, to: address + count - 1, values }),
  );
}
