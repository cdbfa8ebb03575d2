/**
 * Modbus functions: what each reads or writes, and where. Pure.
 * Source: MODBUS Application Protocol Specification V1.1b3, section 6; exception codes, section 7.
 */

export type RegisterTable = 'coils' | 'discrete' | 'holding' | 'input';

/** Registers a request touches; `to` inclusive. */
export interface RegisterAccess {
  readonly table: RegisterTable;
  readonly access: 'read' | 'write';
  readonly from: number;
  readonly to: number;
}

export interface ModbusFunction {
  readonly name: string;
  /** `other`: neither reads nor writes registers a rule could name (diagnostics, files, identification). */
  readonly class: 'read' | 'write' | 'other';
  /** Accesses of a request's data (behind the function code); undefined where the data is not what the function asks for. */
  accesses(data: DataView): readonly RegisterAccess[] | undefined;
}

export const illegalFunction = 1;
export const illegalDataAddress = 2;

const none = (): readonly RegisterAccess[] => [];

export const functions: Readonly<Record<number, ModbusFunction | undefined>> = {
  1: reads('read-coils', 'coils', 2000),
  2: reads('read-discrete-inputs', 'discrete', 2000),
  3: reads('read-holding-registers', 'holding', 125),
  4: reads('read-input-registers', 'input', 125),
  5: { name: 'write-single-coil', class: 'write', accesses: (data) => single(data, 'coils') },
  6: { name: 'write-single-register', class: 'write', accesses: (data) => single(data, 'holding') },
  7: { name: 'read-exception-status', class: 'read', accesses: (data) => (data.byteLength === 0 ? [] : undefined) },
  8: { name: 'diagnostics', class: 'other', accesses: none },
  11: { name: 'get-comm-event-counter', class: 'read', accesses: none },
  12: { name: 'get-comm-event-log', class: 'read', accesses: none },
  15: { name: 'write-multiple-coils', class: 'write', accesses: (data) => several(data, 'coils', 1968, 8) },
  16: { name: 'write-multiple-registers', class: 'write', accesses: (data) => several(data, 'holding', 123, 0.5) },
  17: { name: 'report-server-id', class: 'read', accesses: none },
  20: { name: 'read-file-record', class: 'read', accesses: none },
  21: { name: 'write-file-record', class: 'write', accesses: none },
  22: { name: 'mask-write-register', class: 'write', accesses: maskWrite },
  23: { name: 'read-write-multiple-registers', class: 'write', accesses: readWrite },
  24: { name: 'read-fifo-queue', class: 'read', accesses: fifo },
  43: { name: 'encapsulated-interface', class: 'other', accesses: none },
};

function reads(name: string, table: RegisterTable, most: number): ModbusFunction {
  return {
    name,
    class: 'read',
    accesses: (data) => (data.byteLength === 4 ? span(data, 0, table, 'read', most) : undefined),
  };
}

function single(data: DataView, table: RegisterTable): readonly RegisterAccess[] | undefined {
  if (data.byteLength !== 4) return undefined;
  const from = data.getUint16(0);
  return [{ table, access: 'write', from, to: from }];
}

/** `perByte`: how many registers one byte of values holds. */
function several(
  data: DataView,
  table: RegisterTable,
  most: number,
  perByte: number,
): readonly RegisterAccess[] | undefined {
  if (data.byteLength < 5) return undefined;
  const bytes = data.getUint8(4);
  if (data.byteLength !== 5 + bytes || bytes !== Math.ceil(data.getUint16(2) / perByte)) return undefined;
  return span(data, 0, table, 'write', most);
}

function maskWrite(data: DataView): readonly RegisterAccess[] | undefined {
  if (data.byteLength !== 6) return undefined;
  const from = data.getUint16(0);
  return [{ table: 'holding', access: 'write', from, to: from }];
}

function readWrite(data: DataView): readonly RegisterAccess[] | undefined {
  if (data.byteLength < 9) return undefined;
  const bytes = data.getUint8(8);
  if (data.byteLength !== 9 + bytes || bytes !== data.getUint16(6) * 2) return undefined;
  const read = span(data, 0, 'holding', 'read', 125);
  const write = span(data, 4, 'holding', 'write', 121);
  return read === undefined || write === undefined ? undefined : [...read, ...write];
}

function fifo(data: DataView): readonly RegisterAccess[] | undefined {
  if (data.byteLength !== 2) return undefined;
  const from = data.getUint16(0);
  return [{ table: 'holding', access: 'read', from, to: from }];
}

function span(
  data: DataView,
  at: number,
  table: RegisterTable,
  access: 'read' | 'write',
  most: number,
): readonly RegisterAccess[] | undefined {
  const from = data.getUint16(at);
  const count = data.getUint16(at + 2);
  if (count < 1 || count > most || from + count > 0x10000) return undefined;
  return [{ table, access, from, to: from + count - 1 }];
}
