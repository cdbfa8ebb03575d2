/** What one contract says that another does not, field by field. Pure. */
import { defined } from '../base/defined.ts';

/** A field that was added, taken away or says something else. */
export interface ContractChange {
  /** `modbus.allow`. */
  readonly field: string;
  readonly old?: unknown;
  readonly new?: unknown;
}

/** In the order of the fields' names. */
export function contractChanges(before: object, after: object): readonly ContractChange[] {
  const [old, now] = [leaves(before, ''), leaves(after, '')];
  const fields = [...new Set([...old.keys(), ...now.keys()])].sort();
  return fields.flatMap((field) => {
    const [was, is] = [old.get(field), now.get(field)];
    if (JSON.stringify(was) === JSON.stringify(is)) return [];
    return [{ field, ...defined({ old: was, new: is }) }];
  });
}

function leaves(value: object, path: string): ReadonlyMap<string, unknown> {
  return new Map(
    Object.entries(value).flatMap(([name, one]: [string, unknown]): [string, unknown][] => {
      const field = path === '' ? name : `${path}.${name}`;
      if (typeof one !== 'object' || one === null || Array.isArray(one)) return one === undefined ? [] : [[field, one]];
      const inside = [...leaves(one, field)];
      return inside.length === 0 ? [[field, {}]] : inside;
    }),
  );
}
