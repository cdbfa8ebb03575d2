/**
 * What a router of release 2.1 pushes to a client that subscribed: services, policies and checks (10903), and how posture is judged (10904).
 * Source: openziti/sdk-golang pb/edge_client_pb/edge_client.proto; meaning: openziti/ziti router/xgress_edge/listener.go.
 */
import {
  bytesField,
  joined,
  listedTextField,
  protobufText,
  readProtobuf,
  textField,
  timestampField,
  varintField,
  type ProtobufField,
} from './protobuf.ts';

/** What happened to an entry. Removed ones carry their id alone. */
export type UpdateOp = 'added' | 'updated' | 'removed';

/** A service, with the bodies of its configs as the subscribing identity has them. */
export interface PushedService {
  readonly op: UpdateOp;
  readonly id: string;
  readonly name: string;
  readonly encryptionRequired: boolean;
  readonly policyIds: readonly string[];
  readonly configs: readonly { readonly typeId: string; readonly typeName: string; readonly dataJson: string }[];
}

/** A policy that grants the subscribing identity something, with the checks it asks. */
export interface PushedPolicy {
  readonly op: UpdateOp;
  readonly id: string;
  readonly type: 'Dial' | 'Bind';
  readonly postureCheckIds: readonly string[];
}

/** A check's definition; a check of one process comes as `PROCESS_MULTI` of one. */
export interface PushedCheck {
  readonly op: UpdateOp;
  readonly id: string;
  readonly type: string;
  readonly promptOnUnlock: boolean;
  readonly promptOnWake: boolean;
  readonly semantic: string;
  readonly processes: readonly { readonly osType: string; readonly path: string }[];
  /** Of MFA: −1 without end, 0 where it is not known. */
  readonly timeoutSeconds: number;
}

/** 10903, to be applied as a whole. */
export interface ServiceChangeSet {
  readonly index: number;
  /** −1: forget everything, then take this. */
  readonly previousIndex: number;
  readonly services: readonly PushedService[];
  readonly policies: readonly PushedPolicy[];
  readonly checks: readonly PushedCheck[];
}

/** 10904. Entries not named stay as they were. */
export interface PostureStateChange {
  /** From 1, by one, for each channel. */
  readonly sequence: number;
  readonly checks: readonly {
    readonly id: string;
    readonly isPassing: boolean;
    /** Of an MFA that runs out. */
    readonly timeoutRemainingSeconds: number | undefined;
  }[];
  readonly policies: readonly { readonly id: string; readonly isPassing: boolean }[];
}

const ops: readonly UpdateOp[] = ['added', 'updated', 'removed'];

/** Body of 10900: every value asks for everything today, and −1 says so. */
export function encodeSubscribe(): Uint8Array {
  return varintField(1, -1);
}

/** Undefined where it is malformed. */
export function readServiceChangeSet(body: Uint8Array): ServiceChangeSet | undefined {
  const fields = readProtobuf(body);
  if (fields === undefined) return undefined;
  const services: PushedService[] = [];
  const policies: PushedPolicy[] = [];
  const checks: PushedCheck[] = [];
  for (const field of fields) {
    if (field.number < 3 || field.number > 5) continue;
    const inner = readProtobuf(field.bytes);
    if (inner === undefined) return undefined;
    if (field.number === 3) services.push(serviceOf(inner));
    else if (field.number === 4) policies.push(policyOf(inner));
    else checks.push(checkOf(inner));
  }
  return { index: number(fields, 1), previousIndex: number(fields, 2), services, policies, checks };
}

/** Undefined where it is malformed. */
export function readPostureStateChange(body: Uint8Array): PostureStateChange | undefined {
  const fields = readProtobuf(body);
  if (fields === undefined) return undefined;
  const nested = (at: number): ProtobufField[][] =>
    fields.flatMap((field) => (field.number === at ? [readProtobuf(field.bytes) ?? []] : []));
  return {
    sequence: number(fields, 1),
    checks: nested(5).map((inner) => ({
      id: text(inner, 1),
      isPassing: number(inner, 2) !== 0,
      timeoutRemainingSeconds: inner.some((field) => field.number === 3) ? number(inner, 4) : undefined,
    })),
    policies: nested(6).map((inner) => ({ id: text(inner, 1), isPassing: number(inner, 2) !== 0 })),
  };
}

/** The body of 10903, as a router writes it. */
export function encodeServiceChangeSet(set: ServiceChangeSet): Uint8Array {
  return joined([
    varintField(1, set.index),
    varintField(2, set.previousIndex),
    ...set.services.map((service) =>
      bytesField(
        3,
        joined([
          varintField(1, ops.indexOf(service.op)),
          textField(2, service.id),
          textField(3, service.name),
          varintField(4, service.encryptionRequired ? 1 : 0),
          ...service.policyIds.map((id) => listedTextField(6, id)),
          ...service.configs.map((config) =>
            bytesField(
              7,
              joined([textField(1, config.typeId), textField(2, config.typeName), textField(3, config.dataJson)]),
            ),
          ),
        ]),
      ),
    ),
    ...set.policies.map((policy) =>
      bytesField(
        4,
        joined([
          varintField(1, ops.indexOf(policy.op)),
          textField(2, policy.id),
          varintField(3, policy.type === 'Bind' ? 1 : 0),
          ...policy.postureCheckIds.map((id) => listedTextField(4, id)),
        ]),
      ),
    ),
    ...set.checks.map((check) =>
      bytesField(
        5,
        joined([
          varintField(1, ops.indexOf(check.op)),
          textField(2, check.id),
          textField(3, check.type),
          varintField(5, check.promptOnUnlock ? 1 : 0),
          varintField(6, check.promptOnWake ? 1 : 0),
          textField(7, check.semantic),
          ...check.processes.map(({ osType, path }) =>
            bytesField(8, joined([textField(1, osType), textField(2, path)])),
          ),
          varintField(9, check.timeoutSeconds),
        ]),
      ),
    ),
  ]);
}

/** `nowMs`: wall clock, from which a remaining time is turned into when it ends. */
export function encodePostureStateChange(change: PostureStateChange, nowMs: number): Uint8Array {
  return joined([
    varintField(1, change.sequence),
    timestampField(4, nowMs),
    ...change.checks.map(({ id, isPassing, timeoutRemainingSeconds }) =>
      bytesField(
        5,
        joined([
          textField(1, id),
          varintField(2, isPassing ? 1 : 0),
          ...(timeoutRemainingSeconds === undefined
            ? []
            : [timestampField(3, nowMs + timeoutRemainingSeconds * 1000), varintField(4, timeoutRemainingSeconds)]),
        ]),
      ),
    ),
    ...change.policies.map(({ id, isPassing }) =>
      bytesField(6, joined([textField(1, id), varintField(2, isPassing ? 1 : 0)])),
    ),
  ]);
}

function serviceOf(fields: readonly ProtobufField[]): PushedService {
  return {
    op: opOf(fields),
    id: text(fields, 2),
    name: text(fields, 3),
    encryptionRequired: number(fields, 4) !== 0,
    policyIds: texts(fields, 6),
    configs: fields.flatMap((field) => {
      if (field.number !== 7) return [];
      const inner = readProtobuf(field.bytes) ?? [];
      return [{ typeId: text(inner, 1), typeName: text(inner, 2), dataJson: text(inner, 3) }];
    }),
  };
}

function policyOf(fields: readonly ProtobufField[]): PushedPolicy {
  return {
    op: opOf(fields),
    id: text(fields, 2),
    type: number(fields, 3) === 1 ? 'Bind' : 'Dial',
    postureCheckIds: texts(fields, 4),
  };
}

function checkOf(fields: readonly ProtobufField[]): PushedCheck {
  return {
    op: opOf(fields),
    id: text(fields, 2),
    type: text(fields, 3),
    promptOnUnlock: number(fields, 5) !== 0,
    promptOnWake: number(fields, 6) !== 0,
    semantic: text(fields, 7),
    processes: fields.flatMap((field) => {
      if (field.number !== 8) return [];
      const inner = readProtobuf(field.bytes) ?? [];
      return [{ osType: text(inner, 1), path: text(inner, 2) }];
    }),
    timeoutSeconds: number(fields, 9),
  };
}

function opOf(fields: readonly ProtobufField[]): UpdateOp {
  return ops[number(fields, 1)] ?? 'updated';
}

/** The last one counts, as protobuf has it. */
function number(fields: readonly ProtobufField[], at: number): number {
  return fields.findLast((field) => field.number === at)?.value ?? 0;
}

function text(fields: readonly ProtobufField[], at: number): string {
  const field = fields.findLast((candidate) => candidate.number === at);
  return field === undefined ? '' : protobufText(field);
}

function texts(fields: readonly ProtobufField[], at: number): string[] {
  return fields.filter((field) => field.number === at).map(protobufText);
}
