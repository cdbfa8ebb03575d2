/**
 * What a protocol of the floor can be asked for, as contracts name it: by class, by name or by the protocol's own number. Each protocol's list
 * stands in its own file.
 */

/** `control` changes what the machine does, `program` what it is made of; `program-read` takes a copy of that; `other` is none of these. */
export const floorClasses = ['read', 'write', 'control', 'program', 'program-read', 'other'] as const;
/** What kind of thing an operation does, as `allow` in a contract names it. */
export type FloorClass = (typeof floorClasses)[number];

/** One thing a request of a floor protocol can ask for. */
export interface FloorOperation {
  readonly name: string;
  readonly class: FloorClass;
  /** The protocol's own number: function, service, type or node id; several operations may share one. */
  readonly code: number;
}

/** `read`: what only reads; a list: classes, names of operations, or the protocol's numbers. */
export type FloorAllow = 'read' | readonly (string | number)[];

/** True where `allow` of a contract covers the operation by class, name or code. */
export function floorAllows(allow: FloorAllow, asked: FloorOperation): boolean {
  if (allow === 'read') return asked.class === 'read';
  return allow.includes(asked.class) || allow.includes(asked.name) || allow.includes(asked.code);
}

/** What both let through, in the words of the narrower where one covers the other. */
export function narrowFloorAllow(operations: readonly FloorOperation[], a: FloorAllow, b: FloorAllow): FloorAllow {
  const inA = operations.filter((one) => floorAllows(a, one));
  const inB = operations.filter((one) => floorAllows(b, one));
  const common = inA.filter((one) => inB.includes(one));
  if (common.length === inA.length) return a;
  return common.length === inB.length ? b : common.map((one) => one.name);
}

/** Rows of `[code, name, class]`. */
export function operationsOf(
  rows: readonly (readonly [code: number, name: string, kind: FloorClass])[],
): readonly FloorOperation[] {
  return rows.map(([code, name, kind]) => ({ code, name, class: kind }));
}
