/** What the map has to know of services, however many: counted once for a list of them, not for each picture. Pure. */
import type { ServiceView } from '../../../main/api/views.ts';

/** Services of one workgroup. */
export interface ServiceGroup {
  /** How many names. */
  readonly names: number;
  /** Who holds how many of them. */
  readonly holders: ReadonlyMap<string, number>;
}

/** A list of services, counted. */
export interface ServiceBook {
  /** By name: its workgroup, where it has one, and the identities that hold it. */
  readonly byName: ReadonlyMap<string, { readonly group: string | undefined; readonly holders: readonly string[] }>;
  readonly groups: ReadonlyMap<string | undefined, ServiceGroup>;
}

/** Read the list. A service that two identities hold is one name; its first workgroup is where it stands. */
export function bookOf(services: readonly ServiceView[]): ServiceBook {
  const byName = new Map<string, { group: string | undefined; holders: string[] }>();
  for (const { name, identity, workgroups } of services) {
    const known = byName.get(name);
    if (known === undefined) byName.set(name, { group: workgroups[0], holders: [identity] });
    else if (!known.holders.includes(identity)) known.holders.push(identity);
  }
  const groups = new Map<string | undefined, { names: number; holders: Map<string, number> }>();
  for (const { group, holders } of byName.values()) {
    let into = groups.get(group);
    if (into === undefined) groups.set(group, (into = { names: 0, holders: new Map() }));
    into.names += 1;
    for (const holder of holders) into.holders.set(holder, (into.holders.get(holder) ?? 0) + 1);
  }
  return { byName, groups };
}

/** The groups without these names, which stand for themselves. Empty ones are left out. */
export function groupsWithout(
  { byName, groups }: ServiceBook,
  names: ReadonlySet<string>,
): ReadonlyMap<string | undefined, ServiceGroup> {
  const left = new Map(groups);
  for (const name of names) {
    const known = byName.get(name);
    const from = known === undefined ? undefined : left.get(known.group);
    if (known === undefined || from === undefined) continue;
    const holders = new Map(from.holders);
    for (const holder of known.holders) {
      const others = (holders.get(holder) ?? 0) - 1;
      if (others > 0) holders.set(holder, others);
      else holders.delete(holder);
    }
    if (from.names > 1) left.set(known.group, { names: from.names - 1, holders });
    else left.delete(known.group);
  }
  return left;
}
