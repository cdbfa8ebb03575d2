/** What is kept, joined with what the configuration asks for (`hosting.keys`): a rule whose key is not kept yet is a row too. */
import type { SecretView, SettingsView } from '../../../main/api/views.ts';

/** One secret, kept or waited for. */
export interface SecretRow {
  readonly name: string;
  /** Absent: a service waits for it. */
  readonly kept: SecretView | undefined;
  /** Services whose requests carry it. */
  readonly services: readonly string[];
}

/** By name; those waited for first. */
export function secretRows(secrets: readonly SecretView[], config: SettingsView['config']): readonly SecretRow[] {
  const users = usersOf(config);
  const names = new Set([...secrets.map(({ name }) => name), ...users.keys()]);
  const rows = [...names].map((name) => ({
    name,
    kept: secrets.find((secret) => secret.name === name),
    services: [...(users.get(name) ?? [])],
  }));
  const rank = ({ kept }: SecretRow): number => (kept === undefined ? 0 : 1);
  return rows.sort((left, right) => rank(left) - rank(right) || (left.name < right.name ? -1 : 1));
}

function usersOf(config: SettingsView['config']): ReadonlyMap<string, ReadonlySet<string>> {
  const users = new Map<string, Set<string>>();
  const hosting = config['hosting'] as { readonly keys?: unknown } | undefined;
  for (const rule of Array.isArray(hosting?.keys) ? (hosting.keys as unknown[]) : []) {
    const { secret, service } = (rule ?? {}) as { readonly secret?: unknown; readonly service?: unknown };
    if (typeof secret !== 'string' || typeof service !== 'string') continue;
    users.set(secret, (users.get(secret) ?? new Set()).add(service));
  }
  return users;
}
