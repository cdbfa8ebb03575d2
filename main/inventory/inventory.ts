/** What answers behind the services hosted here: asked one at a time, by reads alone, and no more often than once a minute each. */
import type { Clock } from '../base/clock.ts';
import { toTunnelerError, TunnelerError } from '../base/errors.ts';
import { SerialQueue } from '../base/serial-queue.ts';
import { Malformed } from '../guard/floor/byte-reader.ts';
import { converse } from './conversation.ts';
import { identifications, type DeviceFacts, type Identification } from './identify.ts';

/** A device is not asked again before. */
const restMs = 60_000;

/** One machine behind a hosted service, and what it said of itself. */
export interface InventoryItem extends DeviceFacts {
  readonly service: string;
  /** `10.20.0.7:502` */
  readonly target: string;
  readonly protocol: Identification['protocol'];
  readonly state: 'answered' | 'silent';
  /** Why nothing is known of it. */
  readonly reason?: string;
  readonly askedAt: string;
}

/** Whether it may ask at all, and whom. */
export interface InventoryDeps {
  /** Only where the device's owner switched it on. */
  readonly isOn: boolean;
  readonly clock: Clock;
  /** Targets of services hosted here, as `tcp 10.20.0.7:502`. */
  /** Which protocol a port speaks; default: by the port IANA gives it. */
  readonly identificationFor?: (port: number) => Identification | undefined;
  readonly hosted: () => readonly { readonly service: string; readonly target: string }[];
}

/** What stands behind the services hosted here. */
export interface Inventory {
  /** Throws `inventory.off`. */
  list(): Promise<readonly InventoryItem[]>;
}

/** Asks nobody until it is listed. */
export function openInventory(deps: InventoryDeps): Inventory {
  const { isOn, clock, hosted } = deps;
  const identificationFor = deps.identificationFor ?? ((port: number) => identifications[port]);
  const known = new Map<string, { readonly item: InventoryItem; readonly atMs: number }>();
  const queue = new SerialQueue();

  async function ask(service: string, target: string, port: number): Promise<InventoryItem | undefined> {
    const identification = identificationFor(port);
    if (identification === undefined) return undefined;
    const key = `${service} ${target}`;
    const before = known.get(key);
    if (before !== undefined && clock.monotonic() - before.atMs < restMs) return before.item;
    const host = target.slice(0, target.lastIndexOf(':')).replace(/^\[|\]$/g, '');
    const base = { service, target, protocol: identification.protocol, askedAt: new Date(clock.now()).toISOString() };
    const item = await converse({ host, port }, clock, (conversation) => identification.ask(conversation)).then(
      (facts): InventoryItem => ({ ...base, ...facts, state: 'answered' }),
      (error: unknown): InventoryItem => ({ ...base, state: 'silent', reason: whyOf(error) }),
    );
    known.set(key, { item, atMs: clock.monotonic() });
    return item;
  }

  return {
    async list() {
      if (!isOn) {
        const next = 'set inventory: true in culvert.yaml on the device whose machines are to be asked';
        throw new TunnelerError('inventory.off', 'the inventory is switched off here', { details: { next } });
      }
      const items: InventoryItem[] = [];
      const asked = queue.run(async () => {
        for (const { service, target } of hosted()) {
          const found = /^tcp (\S+:(\d+))$/.exec(target);
          if (found === null) continue;
          const item = await ask(service, found[1] ?? '', Number(found[2]));
          if (item !== undefined) items.push(item);
        }
      });
      await asked;
      return items;
    },
  };
}

function whyOf(error: unknown): string {
  return error instanceof Malformed ? `it answers with ${error.message}` : toTunnelerError(error).message;
}
