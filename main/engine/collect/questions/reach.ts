/** Who can reach what: what each identity of each device holds now, and which agents and programs have used how much of it. */
import type { FleetReachView } from '../../../api/record-views.ts';
import type { FleetHit } from '../fleet-store.ts';
import { fieldOf, recordsOf, type FleetRecords } from './records.ts';

interface Held {
  readonly device: string;
  readonly identity: string;
  readonly dial: Set<string>;
  readonly bind: Set<string>;
  /** By agent or program: the services it opened sessions of. */
  readonly used: Map<string, Set<string>>;
}

const changes = ['engine.started', 'service.gained', 'service.lost', 'identity.changed', 'identity.removed'];

/** Narrowed to a device, an identity or an agent where asked. */
export interface ReachQuery {
  readonly device?: string | undefined;
  readonly identity?: string | undefined;
  readonly agent?: string | undefined;
}

/** One row for each identity of each device, by device and identity. */
export async function reachOf(store: FleetRecords, query: ReachQuery): Promise<FleetReachView[]> {
  const { device, identity, agent } = query;
  const held = new Map<string, Held>();
  const at = (hit: FleetHit, name: string): Held => {
    const key = JSON.stringify([hit.origin, name]);
    const known = held.get(key);
    if (known !== undefined) return known;
    const fresh = {
      device: hit.device,
      identity: name,
      dial: new Set<string>(),
      bind: new Set<string>(),
      used: new Map(),
    };
    held.set(key, fresh);
    return fresh;
  };
  for (const hit of await recordsOf(store, changes, { device })) take(hit, held, at);
  for (const hit of await recordsOf(store, ['session.opened'], { device, identity, agent })) {
    if (fieldOf(hit, 'direction') === 'host') continue;
    const who = fieldOf(hit, 'agent') || fieldOf(hit, 'app') || 'unknown';
    const { used } = at(hit, fieldOf(hit, 'identity'));
    used.set(who, (used.get(who) ?? new Set()).add(fieldOf(hit, 'service')));
  }
  return [...held.values()]
    .filter((row) => identity === undefined || row.identity === identity)
    .filter((row) => agent === undefined || row.used.has(agent))
    .map(toView)
    .sort((a, b) => a.device.localeCompare(b.device) || a.identity.localeCompare(b.identity));
}

function take(hit: FleetHit, held: Map<string, Held>, at: (hit: FleetHit, name: string) => Held): void {
  const name = fieldOf(hit, 'identity');
  const service = fieldOf(hit, 'service');
  switch (hit.record.kind) {
    case 'service.gained':
    case 'service.lost': {
      const row = at(hit, name);
      const services = fieldOf(hit, 'permission') === 'Bind' ? row.bind : row.dial;
      if (hit.record.kind === 'service.gained') services.add(service);
      // Nobody took it: it is there again with the next start.
      else if (fieldOf(hit, 'cause') !== 'stopped') services.delete(service);
      return;
    }
    case 'engine.started':
      // What was taken while it was off is recorded nowhere; what it still has it says anew.
      for (const [key, { dial, bind }] of held) {
        if (originOf(key) !== hit.origin) continue;
        dial.clear();
        bind.clear();
      }
      return;
    case 'identity.removed':
      held.delete(JSON.stringify([hit.origin, name]));
      return;
    case 'identity.changed': {
      if (hit.record['enabled'] === false) {
        const disabled = at(hit, name);
        disabled.dial.clear();
        disabled.bind.clear();
      }
      const before = fieldOf(hit, 'before');
      const row = held.get(JSON.stringify([hit.origin, before]));
      if (before === '' || row === undefined) return;
      held.delete(JSON.stringify([hit.origin, before]));
      held.set(JSON.stringify([hit.origin, name]), { ...row, identity: name });
    }
  }
}

function originOf(key: string): unknown {
  return (JSON.parse(key) as unknown[])[0];
}

function toView({ device, identity, dial, bind, used }: Held): FleetReachView {
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
