/** What each identity of each device holds now, as the device recorded what it gained and lost. */
import type { FleetHit } from '../fleet-store.ts';
import { journalsNow } from './journals.ts';
import { fieldOf, recordsOf, type FleetRecords, type LeftOut } from './records.ts';

/** One identity of one device. */
export interface Held {
  /** The journal that says so. */
  readonly origin: string;
  readonly device: string;
  readonly identity: string;
  /** Services that it may dial, and host. */
  readonly dial: Set<string>;
  readonly bind: Set<string>;
}

const changes = ['engine.started', 'service.gained', 'service.lost', 'identity.changed', 'identity.removed'];

/** Identities by the journal they are in and their name there; a journal that another took the place of says nothing of now. */
export class HeldByIdentity {
  readonly #now: ReadonlyMap<string, string>;
  readonly #byOrigin = new Map<string, Map<string, Held>>();

  private constructor(now: ReadonlyMap<string, string>) {
    this.#now = now;
  }

  /** Of all devices, or of this one. */
  static async read(store: FleetRecords, left: LeftOut, device?: string): Promise<HeldByIdentity> {
    const held = new HeldByIdentity(await journalsNow(store));
    for (const hit of await recordsOf(store, left, changes, { device })) {
      if (held.#originOf(hit) === hit.origin) held.#take(hit);
    }
    return held;
  }

  all(): readonly Held[] {
    return [...this.#byOrigin.values()].flatMap((identities) => [...identities.values()]);
  }

  /** Of the identity that a record names, in the journal its device writes now; holding nothing where nothing is known of it. */
  of(hit: FleetHit): Held {
    const origin = this.#originOf(hit);
    const identities = this.#of(origin);
    const identity = fieldOf(hit, 'identity');
    const known = identities.get(identity);
    if (known !== undefined) return known;
    const fresh = { origin, device: hit.device, identity, dial: new Set<string>(), bind: new Set<string>() };
    identities.set(identity, fresh);
    return fresh;
  }

  #originOf({ origin }: FleetHit): string {
    return this.#now.get(origin) ?? origin;
  }

  #of(origin: string): Map<string, Held> {
    const known = this.#byOrigin.get(origin) ?? new Map<string, Held>();
    this.#byOrigin.set(origin, known);
    return known;
  }

  #take(hit: FleetHit): void {
    switch (hit.record.kind) {
      case 'service.gained':
        servicesOf(hit, this.of(hit)).add(fieldOf(hit, 'service'));
        return;
      case 'service.lost':
        // Where nobody took it, it is there again with the next start.
        if (fieldOf(hit, 'cause') !== 'stopped') servicesOf(hit, this.of(hit)).delete(fieldOf(hit, 'service'));
        return;
      case 'engine.started':
        // What was taken while it was off is recorded nowhere; what it still has it says anew.
        for (const held of this.#of(hit.origin).values()) clear(held);
        return;
      case 'identity.removed':
        this.#of(hit.origin).delete(fieldOf(hit, 'identity'));
        return;
      case 'identity.changed':
        if (hit.record['enabled'] === false) clear(this.of(hit));
        this.#rename(hit);
    }
  }

  #rename(hit: FleetHit): void {
    const identities = this.#of(hit.origin);
    const [before, identity] = [fieldOf(hit, 'before'), fieldOf(hit, 'identity')];
    const held = identities.get(before);
    if (held === undefined) return;
    identities.delete(before);
    identities.set(identity, { ...held, identity });
  }
}

function servicesOf(hit: FleetHit, { dial, bind }: Held): Set<string> {
  return fieldOf(hit, 'permission') === 'Bind' ? bind : dial;
}

function clear({ dial, bind }: Held): void {
  dial.clear();
  bind.clear();
}
