/** The bound that all sessions share for messages which are held and not complete. Pure but for what it counts. */

/** What one held message takes of the bound. */
export interface HeldClaim {
  /** Take more; false where there is no room, or the message has taken too long. */
  grow(bytes: number, nowMs: number): boolean;
  /** Give everything back. Idempotent. */
  release(): void;
}

/** Claims on the room that all sessions have together. */
export interface HeldBudget {
  /** `drop` is called where others need the room and this message has been unfinished for long; it releases the claim. */
  claim(drop: () => void, nowMs: number): HeldClaim;
  used(): number;
}

/** A message that is not complete after this is given up. */
const maxUnfinishedMs = 120_000;
/** And after this where others need its room. */
const maxCrowdedMs = 15_000;

interface Holding {
  readonly startedMs: number;
  readonly drop: () => void;
  bytes: number;
}

/** `limitBytes`: payload as it comes, over everything that is held; what is made of it in memory is a small multiple. */
export function createHeldBudget(limitBytes = 192 * 1024 * 1024): HeldBudget {
  const all = new Set<Holding>();
  let used = 0;

  const makeRoom = (nowMs: number, but: Holding): void => {
    for (const holding of all) {
      if (used <= limitBytes) return;
      // In the order they began.
      if (holding !== but && nowMs - holding.startedMs > maxCrowdedMs) holding.drop();
    }
  };

  return {
    claim(drop, nowMs) {
      const own: Holding = { startedMs: nowMs, drop, bytes: 0 };
      all.add(own);
      return {
        grow(bytes, atMs) {
          if (!all.has(own) || atMs - own.startedMs > maxUnfinishedMs) return false;
          own.bytes += bytes;
          used += bytes;
          if (used > limitBytes) makeRoom(atMs, own);
          return used <= limitBytes;
        },
        release() {
          if (!all.delete(own)) return;
          used -= own.bytes;
        },
      };
    },
    used: () => used,
  };
}
