/**
 * Modbus requests: what each asks, and of which registers. A request has exactly the bytes its function has. Pure.
 * Source: MODBUS Application Protocol Specification V1.1b3, section 6; exception codes, section 7.
 */
import { modbusOperations, type ModbusOperation } from '../../base/engagement/modbus-operations.ts';

/** The tables of a device. */
export type RegisterTable = 'coils' | 'discrete' | 'holding' | 'input';

/** Registers a request touches; `to` inclusive. */
export interface RegisterAccess {
  readonly table: RegisterTable;
  readonly access: 'read' | 'write';
  readonly from: number;
  readonly to: number;
  /** Of a write: one for each register; a coil is 0 or 1. Absent for masks, whose outcome only the device knows. */
  readonly values?: readonly number[];
}

/** Exception codes by name. */
export const exceptions = {
  illegalFunction: 1,
  illegalDataAddress: 2,
  illegalDataValue: 3,
  serverBusy: 6,
  gatewayPathUnavailable: 0x0a,
} as const;

/** A request as it was read; `fault` where it cannot be judged, with the exception that says so. */
export interface ModbusRequest {
  readonly operation: ModbusOperation | undefined;
  readonly name: string;
  readonly accesses: readonly RegisterAccess[];
  /** Masks of function 22. */
  readonly masks?: { readonly and: number; readonly or: number };
  readonly fault?: { readonly exception: number; readonly rule: string };
}

type Parse = (data: DataView) => Pick<ModbusRequest, 'accesses' | 'masks'> | { readonly exception: number };

const wrongValue = { exception: exceptions.illegalDataValue };
const empty: Parse = (data) => (data.byteLength === 0 ? { accesses: [] } : wrongValue);

const parsers: Readonly<Record<number, Parse | undefined>> = {
  1: reads('coils', 2000),
  2: reads('discrete', 2000),
  3: reads('holding', 125),
  4: reads('input', 125),
  5: (data) => {
    const value = data.byteLength === 4 ? data.getUint16(2) : -1;
    if (value !== 0 && value !== 0xff00) return wrongValue;
    return { accesses: [one(data, 'coils', value === 0 ? 0 : 1)] };
  },
  6: (data) => (data.byteLength === 4 ? { accesses: [one(data, 'holding', data.getUint16(2))] } : wrongValue),
  7: empty,
  8: diagnostics,
  11: empty,
  12: empty,
  15: (data) => writes(data, 0, 'coils', 1968),
  16: (data) => writes(data, 0, 'holding', 123),
  17: empty,
  20: (data) => (isFileRequest(data, false) ? { accesses: [] } : wrongValue),
  21: (data) => (isFileRequest(data, true) ? { accesses: [] } : wrongValue),
  22: (data) => {
    if (data.byteLength !== 6) return wrongValue;
    const masks = { and: data.getUint16(2), or: data.getUint16(4) };
    return { accesses: [{ table: 'holding', access: 'write', from: data.getUint16(0), to: data.getUint16(0) }], masks };
  },
  23: (data) => {
    const read = data.byteLength < 9 ? wrongValue : span(data, 0, 'holding', 'read', 125);
    if ('exception' in read) return read;
    const write = writes(data, 4, 'holding', 121);
    return 'exception' in write ? write : { accesses: [read, ...write.accesses] };
  },
  24: (data) =>
    data.byteLength === 2
      ? { accesses: [{ table: 'holding', access: 'read', from: data.getUint16(0), to: data.getUint16(0) }] }
      : wrongValue,
  43: interfaceRequest,
};

const operationsOf: ReadonlyMap<number, readonly ModbusOperation[]> = new Map(
  modbusOperations.map(({ code }) => [code, modbusOperations.filter((operation) => operation.code === code)]),
);

/** Read one request: function code and what stands behind it. */
export function readRequest(code: number, data: DataView): ModbusRequest {
  const known = operationsOf.get(code);
  const parse = parsers[code];
  if (known === undefined || parse === undefined) return unknown(`function-${code}`, 'guard:modbus.function');
  const sub = code === 8 && data.byteLength >= 2 ? data.getUint16(0) : data.byteLength >= 1 ? data.getUint8(0) : -1;
  const operation = known.find((one) => one.sub === undefined || one.sub === sub);
  if (operation === undefined) return unknown(`function-${code}/${sub}`, 'guard:modbus.sub-function');
  const parsed = parse(data);
  if (!('exception' in parsed)) return { operation, name: operation.name, ...parsed };
  return {
    operation,
    name: operation.name,
    accesses: [],
    fault: { exception: parsed.exception, rule: 'guard:modbus.data' },
  };
}

function unknown(name: string, rule: string): ModbusRequest {
  return { operation: undefined, name, accesses: [], fault: { exception: exceptions.illegalFunction, rule } };
}

function reads(table: RegisterTable, most: number): Parse {
  return (data) => {
    if (data.byteLength !== 4) return wrongValue;
    const access = span(data, 0, table, 'read', most);
    return 'exception' in access ? access : { accesses: [access] };
  };
}

function one(data: DataView, table: RegisterTable, value: number): RegisterAccess {
  const from = data.getUint16(0);
  return { table, access: 'write', from, to: from, values: [value] };
}

/** Start, quantity, number of bytes, values, from `at` to the end. */
function writes(
  data: DataView,
  at: number,
  table: 'coils' | 'holding',
  most: number,
): { accesses: readonly RegisterAccess[] } | { exception: number } {
  if (data.byteLength < at + 5) return wrongValue;
  const access = span(data, at, table, 'write', most);
  if ('exception' in access) return access;
  const count = access.to - access.from + 1;
  const bytes = table === 'coils' ? Math.ceil(count / 8) : count * 2;
  const values = at + 5;
  if (data.getUint8(at + 4) !== bytes || data.byteLength !== values + bytes) return wrongValue;
  return { accesses: [{ ...access, values: registersAt(data, values, table, count) }] };
}

/** Values as the tables hold them: coils eight in a byte, the lowest first; registers two bytes each. */
export function registersAt(data: DataView, at: number, table: RegisterTable, count: number): readonly number[] {
  const isBits = table === 'coils' || table === 'discrete';
  return Array.from({ length: count }, (_, index) =>
    isBits ? (data.getUint8(at + (index >> 3)) >> (index & 7)) & 1 : data.getUint16(at + index * 2),
  );
}

function span(
  data: DataView,
  at: number,
  table: RegisterTable,
  access: 'read' | 'write',
  most: number,
): RegisterAccess | { exception: number } {
  const from = data.getUint16(at);
  const count = data.getUint16(at + 2);
  if (count < 1 || count > most) return wrongValue;
  if (from + count > 0x10000) return { exception: exceptions.illegalDataAddress };
  return { table, access, from, to: from + count - 1 };
}

/**
 * Section 6.8: sub-function and one word, which is 0 for all but the loop-back (any word) and the two that take an argument. Of the loop-back's N
 * words one alone passes: a device that goes by lengths of functions it knows, and does not know this one, would read more of them as a request.
 */
function diagnostics(data: DataView): ReturnType<Parse> {
  if (data.byteLength !== 4) return wrongValue;
  const sub = data.getUint16(0);
  if (sub === 0) return { accesses: [] };
  const word = data.getUint16(2);
  const fits = sub === 1 ? word === 0 || word === 0xff00 : sub === 3 ? (word & 0xff) === 0 : word === 0;
  return fits ? { accesses: [] } : wrongValue;
}

/** Section 6.21: device identification is MEI type, kind of access 1 to 4 and an object id; CANopen (13) has a length of its own. */
function interfaceRequest(data: DataView): ReturnType<Parse> {
  if (data.getUint8(0) === 13) return { accesses: [] };
  if (data.byteLength !== 3) return wrongValue;
  const kind = data.getUint8(1);
  return kind >= 1 && kind <= 4 ? { accesses: [] } : wrongValue;
}

/** Sections 6.14 and 6.15: a number of bytes, then groups of reference type 6, file, record and length, with the records where written. */
function isFileRequest(data: DataView, hasRecords: boolean): boolean {
  if (data.byteLength < 8 || data.getUint8(0) !== data.byteLength - 1) return false;
  let at = 1;
  while (at + 7 <= data.byteLength) {
    if (data.getUint8(at) !== 6 || data.getUint16(at + 1) === 0) return false;
    at += 7 + (hasRecords ? data.getUint16(at + 5) * 2 : 0);
  }
  return at === data.byteLength;
}
