/**
 * Who holds how many connections, by user: nobody's keep another out, and a room is kept for the engine's own user and for root. Where a user's
 * places are taken, the one of them that has been idle longest gives way. Pure.
 */

/** A connection that holds a place. */
export interface PlacedClient {
  /** Undefined where the system does not say whose it is; all such share their places. */
  readonly uid: number | undefined;
  /** Nothing of it is under way. */
  isIdle(): boolean;
  /** Put out, for another of the same user. */
  dismiss(): void;
}

/** How many connections may be open at once. */
export interface PlaceLimits {
  /** Of one user among others. */
  readonly eachUser: number;
  /** Of all other users together. */
  readonly others: number;
  /** Of the engine's own user, and of root, each. */
  readonly owner: number;
}

/** The places taken now, by user. */
export class UserPlaces {
  /** By user, oldest first. */
  readonly #held = new Map<number | undefined, Set<PlacedClient>>();
  #others = 0;
  readonly #isOwner: (uid: number | undefined) => boolean;
  readonly #limits: PlaceLimits;

  constructor(isOwner: (uid: number | undefined) => boolean, limits: PlaceLimits) {
    this.#isOwner = isOwner;
    this.#limits = limits;
  }

  /** Give a place; false where the user's are all taken by connections that have something under way. */
  take(client: PlacedClient): boolean {
    const { uid } = client;
    const isOwner = this.#isOwner(uid);
    const held = this.#held.get(uid) ?? new Set<PlacedClient>();
    const full = held.size >= (isOwner ? this.#limits.owner : this.#limits.eachUser);
    if ((full || (!isOwner && this.#others >= this.#limits.others)) && !this.#makeRoom(held)) return false;
    held.add(client);
    this.#held.set(uid, held);
    if (!isOwner) this.#others += 1;
    return true;
  }

  /** Idempotent. */
  leave(client: PlacedClient): void {
    const held = this.#held.get(client.uid);
    if (held?.delete(client) !== true) return;
    if (held.size === 0) this.#held.delete(client.uid);
    if (!this.#isOwner(client.uid)) this.#others -= 1;
  }

  #makeRoom(among: ReadonlySet<PlacedClient>): boolean {
    for (const client of among) {
      if (!client.isIdle()) continue;
      this.leave(client);
      client.dismiss();
      return true;
    }
    return false;
  }
}
