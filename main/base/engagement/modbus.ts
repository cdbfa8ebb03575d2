/** What may be said to a Modbus device. */
import * as v from 'valibot';
import { terms, whole } from './terms.ts';

const registerRange = terms({
  /** Register table; default all four. */
  table: v.optional(v.picklist(['coils', 'discrete', 'holding', 'input'])),
  from: v.pipe(whole, v.maxValue(65535)),
  to: v.pipe(whole, v.maxValue(65535)),
});

/** Terms that turn the Modbus guard on. */
export const modbus = terms({
  /** `read`: reads only; `write`: both; or the function codes themselves. */
  allow: v.union([v.picklist(['read', 'write']), v.array(v.pipe(whole, v.minValue(1), v.maxValue(127)))]),
  units: v.optional(v.array(v.pipe(whole, v.maxValue(255)))),
  ranges: v.optional(v.array(registerRange)),
});

export type ModbusRules = Readonly<v.InferOutput<typeof modbus>>;
