/** Sliding windows of what was used, shared by all sessions of one agent and service. Pure but for what it remembers. */
import type { GuardLedger } from './guard.ts';

/** Entries of one window; beyond, neighbours are joined and count as the younger (which is the stricter). */
const maxEntries = 512;
/** Windows remembered; the longest untouched goes first. */
const maxKeys = 10_000;

interface Use {
  atMs: number;
  amount: number;
}

export function createLedger(): GuardLedger {
  const windows = new Map<string, Use[]>();
  const held = new Map<string, Set<Use>>();

  const current = (key: string, windowMs: number, nowMs: number): Use[] => {
    const uses = (windows.get(key) ?? []).filter((use) => use.atMs > nowMs - windowMs);
    windows.delete(key);
    windows.set(key, uses);
    if (windows.size > maxKeys) {
      const [oldest] = windows.keys();
      if (oldest !== undefined) windows.delete(oldest);
    }
    return uses;
  };
  const sum = (uses: readonly Use[]): number => uses.reduce((total, use) => total + use.amount, 0);
  const book = (uses: Use[], amount: number, nowMs: number): void => {
    if (amount === 0) return;
    uses.push({ atMs: nowMs, amount });
    if (uses.length <= maxEntries) return;
    for (let index = 0; index + 1 < uses.length; index += 1) {
      const [older, younger] = [uses[index], uses[index + 1]];
      if (older === undefined || younger === undefined) break;
      younger.amount += older.amount;
      uses.splice(index, 1);
    }
  };

  return {
    take(key, amount, limit, windowMs, nowMs) {
      const uses = current(key, windowMs, nowMs);
      if (sum(uses) + amount > limit) return false;
      book(uses, amount, nowMs);
      return true;
    },
    charge(key, amount, windowMs, nowMs) {
      book(current(key, windowMs, nowMs), amount, nowMs);
    },
    hold(key, amount, windowMs, nowMs) {
      const own: Use = { atMs: nowMs, amount };
      const all = held.get(key) ?? new Set();
      held.set(key, all);
      for (const use of all) if (use.atMs <= nowMs - windowMs) all.delete(use);
      all.add(own);
      return () => {
        all.delete(own);
        if (all.size === 0 && held.get(key) === all) held.delete(key);
      };
    },
    used(key, windowMs, nowMs) {
      const aside = [...(held.get(key) ?? [])].filter((use) => use.atMs > nowMs - windowMs);
      return sum(current(key, windowMs, nowMs)) + sum(aside);
    },
  };
}
