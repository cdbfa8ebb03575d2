/** What may be said to the protocols of the floor beside Modbus: S7comm, EtherNet/IP, OPC UA, IEC 60870-5-104 and DNP3. */
import * as v from 'valibot';
import { terms, whole } from '../terms.ts';
import { dnp3Operations } from './dnp3-operations.ts';
import { enipOperations } from './enip-operations.ts';
import { iec104Operations } from './iec104-operations.ts';
import { opcuaOperations } from './opcua-operations.ts';
import { floorClasses, type FloorOperation } from './operations.ts';
import { s7Operations } from './s7-operations.ts';

/** The protocols that share one shape of rules. */
export const floorProtocols = ['s7', 'enip', 'opcua', 'iec104', 'dnp3'] as const;
/** A member of {@link floorProtocols}. */
export type FloorProtocol = (typeof floorProtocols)[number];

/** Each protocol's operations. */
export const floorOperations: Readonly<Record<FloorProtocol, readonly FloorOperation[]>> = {
  s7: s7Operations,
  enip: enipOperations,
  opcua: opcuaOperations,
  iec104: iec104Operations,
  dnp3: dnp3Operations,
};

/** `read`, or a list of classes, operations and the protocol's own numbers. What nobody knows is refused here: it could never be judged. */
function allowOf(operations: readonly FloorOperation[]) {
  const isName = (asked: string): boolean =>
    floorClasses.some((one) => one === asked) || operations.some((known) => known.name === asked);
  const item = v.union([
    v.pipe(v.string(), v.check(isName, 'neither a class nor an operation of this protocol')),
    v.pipe(
      v.number(),
      v.check((asked) => operations.some((known) => known.code === asked), 'no number of this protocol'),
    ),
  ]);
  return v.union([v.literal('read'), v.pipe(v.array(item), v.readonly())]);
}

/** Encrypted or unknown dialects: refused with their name (default), or let through unread with an alert. */
const opaque = v.optional(v.picklist(['refuse', 'alert']));
const word = v.pipe(whole, v.maxValue(0xffff));

/** The same shape for all; an object's form is the protocol's own. Present: what addresses anything else, or nothing, is refused. */
function rulesOf<const O extends v.GenericSchema>(protocol: FloorProtocol, object: O) {
  return terms({
    /** `read`, or a list of classes, operations and the protocol's own numbers. */
    allow: allowOf(floorOperations[protocol]),
    /** Present: what addresses anything else, or nothing, is refused. */
    objects: v.optional(v.pipe(v.array(object), v.readonly())),
    /** Encrypted or unknown dialects: refused by their name (default), or let through unread with an alert. */
    opaque,
  });
}

/** Bytes of a memory area, `to` inclusive; counters and timers by number. */
const s7Object = terms({
  /** Which memory. */
  area: v.picklist(['db', 'inputs', 'outputs', 'flags', 'counters', 'timers']),
  /** Number of the data block; only with area `db`. */
  db: v.optional(word),
  /** First byte; of counters and timers, the first number. */
  from: v.optional(whole),
  /** Last byte or number. */
  to: v.optional(whole),
});

/** A glob over a tag's name, or an object by class and instance. */
const enipObject = v.union([
  v.pipe(v.string(), v.minLength(1)),
  terms({
    /** Class of the object. */
    class: word,
    /** Instance. Default: all of the class. */
    instance: v.optional(whole),
  }),
]);

/** A glob over a node id as OPC UA writes it: `ns=2;s=Press.*`. */
const opcuaObject = v.pipe(v.string(), v.minLength(1));

/** Information object addresses, `to` inclusive; of one common address or of all. */
const iec104Object = terms({
  /** Common address. Default: all. */
  commonAddress: v.optional(word),
  /** First information object address. */
  from: whole,
  /** Last information object address. */
  to: whole,
});

/** Points of an object group, `to` inclusive; of one group or of all. */
const dnp3Object = terms({
  /** Object group. Default: all. */
  group: v.optional(v.pipe(whole, v.maxValue(255))),
  /** First point. */
  from: whole,
  /** Last point. */
  to: whole,
});

/** The parsers of each protocol's part of a contract. */
export const floorRules = {
  s7: rulesOf('s7', s7Object),
  enip: rulesOf('enip', enipObject),
  opcua: rulesOf('opcua', opcuaObject),
  iec104: rulesOf('iec104', iec104Object),
  dnp3: rulesOf('dnp3', dnp3Object),
};

/** The parsed `s7` part of a contract. */
export type S7Rules = Readonly<v.InferOutput<typeof floorRules.s7>>;
/** The parsed `enip` part of a contract. */
export type EnipRules = Readonly<v.InferOutput<typeof floorRules.enip>>;
/** The parsed `opcua` part of a contract. */
export type OpcuaRules = Readonly<v.InferOutput<typeof floorRules.opcua>>;
/** The parsed `iec104` part of a contract. */
export type Iec104Rules = Readonly<v.InferOutput<typeof floorRules.iec104>>;
/** The parsed `dnp3` part of a contract. */
export type Dnp3Rules = Readonly<v.InferOutput<typeof floorRules.dnp3>>;
/** What all of them have in common. */
export type FloorRules = Pick<S7Rules, 'allow' | 'opaque'>;
