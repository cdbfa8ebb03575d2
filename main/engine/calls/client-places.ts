/**
 * How many clients the engine serves at a time, by user: nobody's connections keep another out, and its own user and root always get in.
 * Where a user's places are taken, the one of them that has been idle longest gives way.
 */

/** A client that holds a place. */
export interface PlacedClient {
  readonly uid: number | undefined;
  /** No request of it is under way. */
  isIdle(): boolean;
  /** Put out, for another of the same user. */
  dismiss(): void;
}

export interface PlaceLimits {
  /** Of one user among others. */
  readonly eachUser: number;
  /** Of all other users together. */
  readonly others: number;
  /** Of the engine's own user, and of root, each. */
  readonly owner: number;
}

const usual: PlaceLimits = { eachUser: 32, others: 128, owner: 256 };

export class ClientPlaces {
  /** Oldest first. */
  readonly #clients = new Set<PlacedClient>();
  readonly #isOwner: (uid: number | undefined) => boolean;
  readonly #limits: PlaceLimits;

  constructor(isOwner: (uid: number | undefined) => boolean, limits: PlaceLimits = usual) {
    this.#isOwner = isOwner;
    this.#limits = limits;
  }

  /** Give a place; false where the user's are all taken by clients that have something under way. */
  take(client: PlacedClient): boolean {
    const same = [...this.#clients].filter(({ uid }) => uid === client.uid);
    const owner = this.#isOwner(client.uid);
    if (same.length >= (owner ? this.#limits.owner : this.#limits.eachUser) && !this.#makeRoom(same)) return false;
    if (!owner) {
      const others = [...this.#clients].filter(({ uid }) => !this.#isOwner(uid));
      if (others.length >= this.#limits.others && !this.#makeRoom(others)) return false;
    }
    this.#clients.add(client);
    return true;
  }

  /** Idempotent. */
  leave(client: PlacedClient): void {
    this.#clients.delete(client);
  }

  #makeRoom(among: readonly PlacedClient[]): boolean {
    const idle = among.find((client) => client.isIdle());
    if (idle === undefined) return false;
    this.#clients.delete(idle);
    idle.dismiss();
    return true;
  }
}
