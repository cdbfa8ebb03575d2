/** S7comm jobs and user data as the application sends them, and the answers that refuse them. Pure. Layouts as packet captures show them. */
import type { S7Rules } from '../../base/engagement/floor/rules.ts';
import { s7Operations } from '../../base/engagement/floor/s7-operations.ts';
import type { FloorOperation } from '../../base/engagement/floor/operations.ts';
import { ByteReader, demand, hexOf, parsed } from '../floor/byte-reader.ts';
import type { Asked } from '../floor/floor-guard.ts';
import { isWithin, itemText, readItems, readValues, type S7Item } from './items.ts';

/** Kinds of PDU (ROSCTR). */
export const kinds = { job: 1, ack: 2, ackData: 3, userData: 7 } as const;

/** One protocol data unit, its header read. */
export interface S7Pdu {
  readonly kind: number;
  readonly reference: number;
  readonly parameter: Uint8Array;
  readonly data: Uint8Array;
}

/** Header, parameter and data, exactly. Answers have two more bytes: class and code of an error. */
export function readPdu(bytes: Uint8Array): S7Pdu {
  const reader = new ByteReader(bytes);
  demand(reader.u8() === 0x32, 'no S7comm header');
  const kind = reader.u8();
  demand(reader.u16be() === 0, 'a redundancy identification');
  const reference = reader.u16be();
  const parameterBytes = reader.u16be();
  const dataBytes = reader.u16be();
  if (kind === kinds.ack || kind === kinds.ackData) reader.u16be();
  const parameter = reader.bytes(parameterBytes);
  const data = reader.bytes(dataBytes);
  reader.end();
  return { kind, reference, parameter, data };
}

/** What a unit asks for. */
export interface S7Request extends Asked {
  readonly items: readonly S7Item[];
  /** It only sets up the conversation: nothing to judge. */
  readonly isSetup: boolean;
}

/** Job functions whose whole parameter is their number or begins with it. */
const setup = 0xf0;
const piService = 0x28;

/** Read a job or user data; what is malformed inside has no operation. */
export function readRequest(pdu: S7Pdu, objects: S7Rules['objects']): S7Request {
  const code = pdu.parameter[0] ?? -1;
  const malformed: S7Request = {
    operation: undefined,
    name: pdu.kind === kinds.userData ? 'user-data' : `function-${code}`,
    target: '',
    within: undefined,
    items: [],
    isSetup: false,
  };
  return (
    parsed(() => (pdu.kind === kinds.userData ? readUserData(pdu, objects) : readJob(pdu, code, objects))) ?? malformed
  );
}

/** An answer of the application to a job of the PLC: a block of a program, or its end. */
export function readAnswer({ parameter }: S7Pdu): Asked {
  const code = parameter[0] ?? -1;
  const operation = code === 0x1b || code === 0x1c ? operationOf(code) : undefined;
  return { operation, name: `answer-${code}`, target: '', within: undefined };
}

function readJob({ parameter, data }: S7Pdu, code: number, objects: S7Rules['objects']): S7Request {
  const reader = new ByteReader(parameter, 1);
  if (code === setup) {
    reader.bytes(7);
    reader.end();
    demand(data.length === 0, 'data behind a set-up');
    return { operation: undefined, name: 'set-up', target: '', within: undefined, items: [], isSetup: true };
  }
  if (code === 4 || code === 5) return readVariables(reader, data, code, objects);
  const name = code === piService ? piServiceName(reader) : undefined;
  const operation = operationOf(code, name);
  demand(operation !== undefined && data.length === 0, 'a function nobody knows, or data that it does not have');
  return requestOf(operation, blockName(parameter), objects);
}

function readVariables(reader: ByteReader, data: Uint8Array, code: number, objects: S7Rules['objects']): S7Request {
  // Some clients ask whether the device is there by a read without anything to read.
  const items = reader.left === 0 && code === 4 ? [] : readItems(reader, reader.u8());
  reader.end();
  const operation = operationOf(code);
  const target = items.map(itemText).join(', ');
  const base = { operation, name: '', target, within: isWithin(objects, items), items, isSetup: false };
  const values = new ByteReader(data);
  if (code === 4) {
    values.end();
    return base;
  }
  demand(items.length > 0, 'a write of nothing');
  const written = readValues(values, items.length);
  values.end();
  for (const [index, item] of items.entries()) {
    demand(written[index]?.length === item.size, 'a value that is longer or shorter than its place');
  }
  return { ...base, facts: { values: written.map((value) => (value === undefined ? null : hexOf(value))) } };
}

/** Names by which a PLC is started, and its memory and blocks are changed; the name is the last string of the parameter. */
const piServices: Readonly<Record<string, string | undefined>> = {
  P_PROGRAM: 'plc-start',
  _GARB: 'compress-memory',
  _MODU: 'copy-ram-to-rom',
  _INSE: 'insert-block',
  _DELE: 'delete-block',
};

function piServiceName(reader: ByteReader): string {
  reader.bytes(7);
  reader.bytes(reader.u16be());
  const name = latin(reader.bytes(reader.u8()));
  reader.end();
  return piServices[name] ?? 'pi-service';
}

function readUserData({ parameter }: S7Pdu, objects: S7Rules['objects']): S7Request {
  const reader = new ByteReader(parameter);
  demand(reader.u8() === 0 && reader.u8() === 1 && reader.u8() === 0x12, 'user data of another form');
  const length = reader.u8();
  const method = reader.u8();
  const kind = reader.u8();
  const sub = reader.u8();
  reader.u8();
  demand((length === 4 && method === 0x11) || (length === 8 && method === 0x12), 'user data of another form');
  reader.bytes(length - 4);
  reader.end();
  demand(kind >> 4 === 4, 'user data that asks nothing');
  const group = kind & 0x0f;
  // These groups are refused or allowed as a whole.
  const isWhole = [0, 1, 5, 6].includes(group);
  const operation = operationOf(0x0700 + group * 16 + (isWhole ? 0 : sub)) ?? operationOf(0x0700 + group * 16);
  demand(operation !== undefined && sub < 16, 'user data of a group nobody knows');
  return requestOf(operation, '', objects);
}

function requestOf(operation: FloorOperation, target: string, objects: S7Rules['objects']): S7Request {
  return { operation, name: operation.name, target, within: isWithin(objects, []), items: [], isSetup: false };
}

function operationOf(code: number, name?: string): FloorOperation | undefined {
  return s7Operations.find((one) => one.code === code && (name === undefined || one.name === name));
}

/** The printable string a job names (a block, a service), for the record. */
function blockName(parameter: Uint8Array): string {
  return /[\x21-\x7e]{4,}/.exec(latin(parameter))?.[0] ?? '';
}

function latin(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

/** Item return code: accessing the object is not allowed. */
const notAllowed = 0x03;

/** The answer in which the protocol says no, in the place where clients read it. */
export function refusalOf(pdu: S7Pdu, items: readonly S7Item[]): Uint8Array {
  const [code = 0] = pdu.parameter;
  if (pdu.kind === kinds.userData) return userDataRefusal(pdu);
  if ((code === 4 || code === 5) && items.length > 0) {
    // Each item by itself: an error of the whole makes some clients drop the connection.
    const one = code === 5 ? [notAllowed] : [notAllowed, 0, 0, 0];
    return answerPdu(
      pdu.reference,
      [0, 0],
      [code, items.length],
      items.flatMap(() => one),
    );
  }
  // Class 81 code 04: the service is not implemented or not allowed here.
  return answerPdu(pdu.reference, [0x81, 0x04], [code], []);
}

function answerPdu(
  reference: number,
  error: readonly [number, number],
  parameter: readonly number[],
  data: readonly number[],
): Uint8Array {
  return Uint8Array.of(
    ...[0x32, kinds.ackData, 0, 0, reference >> 8, reference & 0xff],
    ...[parameter.length >> 8, parameter.length & 0xff, data.length >> 8, data.length & 0xff],
    ...[...error, ...parameter, ...data],
  );
}

function userDataRefusal({ reference, parameter }: S7Pdu): Uint8Array {
  const [, , , , , kind = 0, sub = 0, sequence = 0] = parameter;
  const group = 0x80 | (kind & 0x0f);
  return Uint8Array.of(
    ...[0x32, kinds.userData, 0, 0, reference >> 8, reference & 0xff, 0, 12, 0, 4],
    // Error d402: information function unavailable.
    ...[0, 1, 0x12, 8, 0x12, group, sub, sequence, 0, 0, 0xd4, 0x02],
    ...[0x0a, 0, 0, 0],
  );
}
