/** OPC UA requests: which service, of which nodes, with which values. Pure. Source: OPC 10000-4 section 5, OPC 10000-6 section 5.2. */
import { opcuaOperations } from '../../base/engagement/floor/opcua-operations.ts';
import { globMatches } from '../../base/glob.ts';
import { ByteReader, demand, parsed } from '../floor/byte-reader.ts';
import type { Asked } from '../floor/floor-guard.ts';
import { readByteString } from './chunks.ts';
import {
  readArray,
  readDataValue,
  readExtensionObject,
  readNodeId,
  readQualifiedName,
  readText,
  readVariant,
} from './values.ts';

/** What a message asks for. */
export interface UaRequest extends Asked {
  /** Id of its binary encoding. */
  readonly type: number;
  /** The application's own number, echoed in an answer. */
  readonly handle: number;
  /** Nodes and attributes it names, as `ns=2;s=Speed` or `ns=2;s=Speed @1`. */
  readonly nodes: readonly string[];
}

/** Methods that only read. OPC 10000-5 section 9.1, OPC 10000-9 section 5.5.7: GetMonitoredItems, ConditionRefresh, ConditionRefresh2. */
const readingMethods: readonly string[] = ['i=11492', 'i=3875', 'i=12912'];

/** What clients read by themselves to stay connected: namespaces, state and limits of the server. OPC 10000-6 annex A. */
const housekeepingNodes = ['i=2253', 'i=2254', 'i=2255', 'i=2256', 'i=2259', 'i=2267', 'i=2268'];

interface Body {
  readonly nodes: readonly string[];
  readonly values?: readonly unknown[];
  readonly isReading?: boolean;
}

const valueAttribute = 13;

/** Read a message's body. Undefined where not even its header can be read. */
export function readRequest(body: Uint8Array, objects: readonly string[] | undefined): UaRequest | undefined {
  const header = parsed(() => {
    const reader = new ByteReader(body);
    const typeId = readNodeId(reader);
    readNodeId(reader);
    reader.bytes(8);
    const handle = reader.u32le();
    reader.u32le();
    readByteString(reader);
    reader.u32le();
    readExtensionObject(reader);
    return { typeId, handle, reader };
  });
  if (header === undefined) return undefined;
  const type = /^i=\d+$/.test(header.typeId) ? Number(header.typeId.slice(2)) : -1;
  const named = opcuaOperations.find((one) => one.code === type);
  const read = parsed(() => bodyOf(type, header.reader));
  const reading = read?.isReading === true ? 'CallReadingMethod' : undefined;
  const operation = reading === undefined ? named : opcuaOperations.find((one) => one.name === reading);
  const nodes = read?.nodes ?? [];
  return {
    operation: read === undefined ? undefined : operation,
    name: named?.name ?? `service ${header.typeId}`,
    target: shortened(nodes),
    within: isWithin(objects, type, nodes),
    type,
    handle: header.handle,
    nodes,
    ...(read?.values === undefined ? {} : { facts: { values: read.values } }),
  };
}

/** Undefined where the contract names no objects, or the service addresses none. */
export function isWithin(
  objects: readonly string[] | undefined,
  type: number,
  nodes: readonly string[],
): boolean | undefined {
  if (objects === undefined || neutral.includes(type)) return undefined;
  const holds = (named: string): boolean => {
    const node = named.replace(/ @\d+$/, '');
    return housekeepingNodes.includes(node) || objects.some((object) => globMatches(object, node, 'name'));
  };
  return nodes.length > 0 && nodes.every(holds);
}

const shownNodes = 8;

function shortened(nodes: readonly string[]): string {
  const more = nodes.length > shownNodes ? ` and ${nodes.length - shownNodes} more` : '';
  return nodes.slice(0, shownNodes).join(', ') + more;
}

/** Services that name nodes are read to their end; those that may pass without are left to the two ends. */
function bodyOf(type: number, reader: ByteReader): Body {
  const read = bodies[type];
  if (read === undefined) return { nodes: [] };
  const body = read(reader);
  reader.end();
  return body;
}

/** Endpoints, sessions and subscriptions. */
const neutral: readonly number[] = [
  422, 12208, 428, 461, 467, 473, 479, 763, 769, 775, 781, 787, 793, 799, 826, 832, 841, 847,
];

const bodies: Readonly<Record<number, ((reader: ByteReader) => Body) | undefined>> = {
  527: (reader) => {
    readNodeId(reader);
    reader.bytes(8);
    reader.u32le();
    reader.u32le();
    return {
      nodes: readArray(reader, (one) => {
        const node = readNodeId(one);
        one.u32le();
        readNodeId(one);
        one.u8();
        one.u32le();
        one.u32le();
        return node;
      }),
    };
  },
  631: (reader) => {
    reader.bytes(8);
    reader.u32le();
    return { nodes: readArray(reader, readValueId) };
  },
  664: (reader) => {
    readExtensionObject(reader);
    reader.u32le();
    reader.u8();
    return {
      nodes: readArray(reader, (one) => {
        const node = readNodeId(one);
        readText(one);
        readQualifiedName(one);
        readByteString(one);
        return node;
      }),
    };
  },
  673: (reader) => {
    const writes = readArray(reader, (one) => {
      const node = attributeOf(readNodeId(one), one.u32le());
      readText(one);
      return { node, value: readDataValue(one).value };
    });
    demand(writes.length > 0, 'a write of nothing');
    return { nodes: writes.map(({ node }) => node), values: writes.map(({ value }) => value) };
  },
  712: (reader) => {
    const calls = readArray(reader, (one) => {
      const object = readNodeId(one);
      const method = readNodeId(one);
      return { object, method, inputs: readArray(one, (input) => readVariant(input)) };
    });
    return {
      nodes: calls.map(({ object, method }) => `${object} ${method}`),
      values: calls.map(({ inputs }) => inputs),
      isReading: calls.length > 0 && calls.every(({ method }) => readingMethods.includes(method)),
    };
  },
  751: (reader) => {
    reader.u32le();
    reader.u32le();
    return {
      nodes: readArray(reader, (one) => {
        const node = readValueId(one);
        one.u32le();
        one.u32le();
        one.bytes(8);
        readExtensionObject(one);
        one.u32le();
        one.u8();
        return node;
      }),
    };
  },
};

function readValueId(reader: ByteReader): string {
  const node = attributeOf(readNodeId(reader), reader.u32le());
  readText(reader);
  readQualifiedName(reader);
  return node;
}

/** The value is what one means; other attributes are named. */
function attributeOf(node: string, attribute: number): string {
  return attribute === valueAttribute ? node : `${node} @${attribute}`;
}
