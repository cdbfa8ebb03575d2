/** What the administrator's calls have in common: finding by id or name, checking names, reading roles. */
import { TunnelerError } from '../base/errors.ts';
import type { PolicyRecord } from './model.ts';
import type { Network } from './network.ts';
import type { Table } from './table.ts';

interface Named {
  readonly id: string;
  readonly name: string;
}

/** Change a record in place and stamp it. */
export function update<T extends { readonly id: string; updatedAt: number }>(
  network: Network,
  table: Table<T>,
  record: T,
  change: Partial<T>,
): void {
  Object.assign(record, change, { updatedAt: network.clock.now() });
  table.touched();
}

/** A record by id or name. Throws `overlay.unknown`. */
export function find<T extends Named>(table: Table<T>, idOrName: string, what: string): T {
  const found = table.get(idOrName) ?? table.find((record) => record.name === idOrName);
  if (found !== undefined) return found;
  throw new TunnelerError('overlay.unknown', `there is no ${what} "${idOrName}"`, {
    details: { what, name: idOrName },
  });
}

/** Throws `overlay.exists` where the name is taken, `overlay.invalid` where it is empty. */
export function requireFree<T extends Named>(table: Table<T>, name: string, what: string): void {
  if (name === '')
    throw new TunnelerError('overlay.invalid', `the name of the ${what} is empty`, { details: { what } });
  if (table.find((record) => record.name === name) === undefined) return;
  throw new TunnelerError('overlay.exists', `there already is a ${what} "${name}"`, { details: { what, name } });
}

/** Roles as policies keep them: attributes as they are, ids and names as `@id`. Throws `overlay.unknown`. */
export function roles<T extends Named>(table: Table<T>, given: readonly string[], what: string): string[] {
  return given.map((role) =>
    role.startsWith('#') ? role : `@${find(table, role.startsWith('@') ? role.slice(1) : role, what).id}`,
  );
}

/** The id of a config type by id or name, made where there is none. */
export function configType(network: Network, name: string): string {
  const known = network.configTypes.get(name) ?? network.configTypes.find((type) => type.name === name);
  return (known ?? network.configTypes.put({ ...network.stamp(), name })).id;
}

/** Config data must be a JSON object. Throws `overlay.invalid`. */
export function asObject(data: unknown, type: string): Record<string, unknown> {
  if (typeof data === 'object' && data !== null && !Array.isArray(data)) return data as Record<string, unknown>;
  throw new TunnelerError('overlay.invalid', `the data of a config of type ${type} must be an object`, {
    details: { type },
  });
}

/** Take an entity that is gone out of policies' roles. */
export function dropRole(policies: Table<PolicyRecord>, rolesOf: (policy: PolicyRecord) => string[], id: string): void {
  for (const policy of policies.list()) {
    const roles = rolesOf(policy);
    const at = roles.indexOf(`@${id}`);
    if (at >= 0) roles.splice(at, 1);
  }
  policies.touched();
}
