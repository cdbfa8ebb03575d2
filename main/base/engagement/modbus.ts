/** What may be said to a Modbus device. */
import * as v from 'valibot';
import { modbusLabel, modbusOperations } from './modbus-operations.ts';
import { positive, terms, whole } from './terms.ts';

const tables = v.picklist(['coils', 'discrete', 'holding', 'input']);
const address = v.pipe(whole, v.maxValue(65535));
const units = v.array(v.pipe(whole, v.maxValue(255)));

const place = {
  /** Register table; default all four. */
  table: v.optional(tables),
  /** First address, as the protocol counts them, from 0. */
  from: address,
  /** Last address. */
  to: address,
};

const unitPlace = {
  ...place,
  /** Units this range speaks of; default all that may be reached. */
  units: v.optional(units),
};

const writeRange = terms({
  ...unitPlace,
  /** Lowest value that may be written, unsigned 16 bit (a coil is 0 or 1). */
  min: v.optional(address),
  /** Highest value that may be written. */
  max: v.optional(address),
  /** How often may be written. */
  rate: v.optional(
    terms({
      /** So many writes at most. */
      writes: positive,
      /** Within so long. */
      perSeconds: positive,
    }),
  ),
});

/** A function code, or one sub-function of it (`8/1`, `43/14`). One that nobody knows is refused here: it could never be judged. */
const code = v.union([
  v.pipe(
    v.number(),
    v.check((asked) => modbusOperations.some((known) => known.code === asked), 'no Modbus function this guard knows'),
  ),
  v.pipe(
    v.string(),
    v.check(
      (asked) => modbusOperations.some((known) => known.sub !== undefined && modbusLabel(known) === asked),
      'expected a known sub-function as code/sub, such as 8/1 or 43/14',
    ),
  ),
]);

/** Terms that turn the Modbus guard on. */
export const modbus = terms({
  /** `read`: reads only; `write`: both, but no restarts and the like; or the functions themselves. */
  allow: v.union([v.picklist(['read', 'write']), v.pipe(v.array(code), v.readonly())]),
  /** Units (slave addresses) that may be reached. Absent: all. */
  units: v.optional(units),
  /** Present: no register outside them is read or written. */
  ranges: v.optional(v.array(terms(place))),
  /** The same for reads alone. */
  read: v.optional(v.array(terms(unitPlace))),
  /** The same for writes alone; the first that holds the registers says which values and how often. */
  write: v.optional(v.array(writeRange)),
});

/** The parsed `modbus` part of a contract. */
export type ModbusRules = Readonly<v.InferOutput<typeof modbus>>;
/** Registers or coils that may be written, with bounds of their values. */
export type ModbusWriteRange = Readonly<v.InferOutput<typeof writeRange>>;
