/**
 * What Modbus can be asked for, by function code and, where a function has several meanings, by sub-function.
 * Source: MODBUS Application Protocol Specification V1.1b3, sections 6 (functions), 6.8.1 (diagnostics) and 6.21 (MEI types).
 */
import { defined } from '../defined.ts';

/** `control` changes what the device does (restart, listen only, counters); `other` is neither and passes only by name. */
export type ModbusClass = 'read' | 'write' | 'control' | 'other';

/** One thing a Modbus request can ask for. */
export interface ModbusOperation {
  readonly code: number;
  /** Diagnostics sub-function (8) or MEI type (43). */
  readonly sub?: number;
  readonly name: string;
  readonly class: ModbusClass;
}

const operation = (code: number, name: string, kind: ModbusClass, sub?: number): ModbusOperation => ({
  code,
  name,
  class: kind,
  ...defined({ sub }),
});

/** All operations that have a name. */
export const modbusOperations: readonly ModbusOperation[] = [
  operation(1, 'read-coils', 'read'),
  operation(2, 'read-discrete-inputs', 'read'),
  operation(3, 'read-holding-registers', 'read'),
  operation(4, 'read-input-registers', 'read'),
  operation(5, 'write-single-coil', 'write'),
  operation(6, 'write-single-register', 'write'),
  operation(7, 'read-exception-status', 'read'),
  operation(8, 'return-query-data', 'read', 0),
  operation(8, 'restart-communications', 'control', 1),
  operation(8, 'return-diagnostic-register', 'read', 2),
  operation(8, 'change-ascii-delimiter', 'control', 3),
  operation(8, 'force-listen-only', 'control', 4),
  operation(8, 'clear-counters', 'control', 10),
  operation(8, 'return-bus-message-count', 'read', 11),
  operation(8, 'return-bus-error-count', 'read', 12),
  operation(8, 'return-bus-exception-count', 'read', 13),
  operation(8, 'return-server-message-count', 'read', 14),
  operation(8, 'return-server-no-response-count', 'read', 15),
  operation(8, 'return-server-nak-count', 'read', 16),
  operation(8, 'return-server-busy-count', 'read', 17),
  operation(8, 'return-bus-overrun-count', 'read', 18),
  operation(8, 'clear-overrun-counter', 'control', 20),
  operation(11, 'get-comm-event-counter', 'read'),
  operation(12, 'get-comm-event-log', 'read'),
  operation(15, 'write-multiple-coils', 'write'),
  operation(16, 'write-multiple-registers', 'write'),
  operation(17, 'report-server-id', 'read'),
  operation(20, 'read-file-record', 'read'),
  operation(21, 'write-file-record', 'write'),
  operation(22, 'mask-write-register', 'write'),
  operation(23, 'read-write-multiple-registers', 'write'),
  operation(24, 'read-fifo-queue', 'read'),
  operation(43, 'canopen-general-reference', 'other', 13),
  operation(43, 'read-device-identification', 'read', 14),
];

/** As a contract names it: `3`, `8/1`, `43/14`. */
export type ModbusLabel = number | string;

/** The operation as contracts write it: `3`, or `8/1` with its sub-function. */
export function modbusLabel({ code, sub }: ModbusOperation): ModbusLabel {
  return sub === undefined ? code : `${code}/${sub}`;
}

/** `read`: what only reads; `write`: reads and writes, but no control; a list: what it names, a code without a sub-function all of its own. */
export type ModbusAllow = 'read' | 'write' | readonly ModbusLabel[];

/** True where `allow` of a contract covers the operation. */
export function modbusAllows(allow: ModbusAllow, asked: ModbusOperation): boolean {
  if (allow === 'read') return asked.class === 'read';
  if (allow === 'write') return asked.class === 'read' || asked.class === 'write';
  return allow.includes(asked.code) || allow.includes(modbusLabel(asked));
}

/** What both let through, in the words of the narrower where one covers the other. */
export function narrowModbusAllow(a: ModbusAllow, b: ModbusAllow): ModbusAllow {
  const inA = modbusOperations.filter((one) => modbusAllows(a, one));
  const inB = modbusOperations.filter((one) => modbusAllows(b, one));
  const common = inA.filter((one) => inB.includes(one));
  if (common.length === inA.length) return a;
  return common.length === inB.length ? b : common.map(modbusLabel);
}
