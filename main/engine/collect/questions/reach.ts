/** Who can reach what: what each identity of each device holds now, and which agents and programs have used how much of it. */
import type { FleetReachView } from '../../../api/record-views.ts';
import { HeldByIdentity, type Held } from './held.ts';
import { fieldOf, LeftOut, recordsOf, type FleetRecords } from './records.ts';

/** Services it opened sessions of, by agent or program. */
type Used = Map<string, Set<string>>;

/** Narrowed to a device, an identity or an agent where asked. */
export interface ReachQuery {
  readonly device?: string | undefined;
  readonly identity?: string | undefined;
  readonly agent?: string | undefined;
}

/** One row for each identity of each device, by device and identity. */
export async function reachOf(store: FleetRecords, query: ReachQuery, left = new LeftOut()): Promise<FleetReachView[]> {
  const { device, identity, agent } = query;
  const held = await HeldByIdentity.read(store, left, device);
  const uses = new Map<Held, Used>();
  for (const hit of await recordsOf(store, left, ['session.opened'], { device, identity, agent })) {
    if (fieldOf(hit, 'direction') === 'host') continue;
    const who = fieldOf(hit, 'agent') || fieldOf(hit, 'app') || 'unknown';
    const row = held.of(hit);
    const used: Used = uses.get(row) ?? new Map();
    uses.set(row, used.set(who, (used.get(who) ?? new Set()).add(fieldOf(hit, 'service'))));
  }
  return held
    .all()
    .filter((row) => identity === undefined || row.identity === identity)
    .filter((row) => agent === undefined || uses.get(row)?.has(agent) === true)
    .map((row) => ({ ...toView(row, uses.get(row) ?? new Map()), ...left.of(row.device) }))
    .sort((a, b) => a.device.localeCompare(b.device) || a.identity.localeCompare(b.identity));
}

function toView({ device, identity, dial, bind }: Held, used: Used): FleetReachView {
  const by = [...used].map(([who, services]) => ({ who, services: [...services].sort() }));
  const reached = new Set(by.flatMap(({ services }) => services));
  return {
    device,
    identity,
    dial: [...dial].sort(),
    bind: [...bind].sort(),
    used: by.sort((a, b) => a.who.localeCompare(b.who)),
    unused: [...dial].filter((service) => !reached.has(service)).sort(),
  };
}
