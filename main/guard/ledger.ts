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

/** What one window held when it was saved: moments and amounts, what was set aside for calls under way included. */
export interface SavedWindow {
  readonly key: string;
  readonly uses: readonly (readonly [atMs: number, amount: number])[];
}

/** A ledger that can be kept over a restart. */
export interface Ledger extends GuardLedger {
  freeAt(key: string, limit: number, windowMs: number, nowMs: number): number;
  /** Everything it knows, for a file. A call under way counts as what was set aside for it: whoever is killed has asked all the same. */
  saved(): readonly SavedWindow[];
}

/** `changed`: something is known that was not; called often, and never with the same frequency as bytes. */
export function createLedger(before: readonly SavedWindow[] = [], changed: () => void = () => undefined): Ledger {
  const windows = new Map<string, Use[]>();
  const held = new Map<string, Set<Use>>();
  for (const { key, uses } of before)
    windows.set(
      key,
      uses.map(([atMs, amount]) => ({ atMs, amount })),
    );

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
      changed();
      return true;
    },
    charge(key, amount, windowMs, nowMs) {
      book(current(key, windowMs, nowMs), amount, nowMs);
      changed();
    },
    hold(key, amount, windowMs, nowMs) {
      const own: Use = { atMs: nowMs, amount };
      const all = held.get(key) ?? new Set();
      held.set(key, all);
      for (const use of all) if (use.atMs <= nowMs - windowMs) all.delete(use);
      all.add(own);
      changed();
      return () => {
        all.delete(own);
        changed();
        if (all.size === 0 && held.get(key) === all) held.delete(key);
      };
    },
    used(key, windowMs, nowMs) {
      const aside = [...(held.get(key) ?? [])].filter((use) => use.atMs > nowMs - windowMs);
      return sum(current(key, windowMs, nowMs)) + sum(aside);
    },
    spent: (key, windowMs, nowMs) => sum(current(key, windowMs, nowMs)),
    freeAt(key, limit, windowMs, nowMs) {
      let total = sum(current(key, windowMs, nowMs));
      for (const use of current(key, windowMs, nowMs)) {
        if (total < limit) break;
        total -= use.amount;
        if (total < limit) return use.atMs + windowMs;
      }
      // What is left is set aside for calls under way, and may be free any moment.
      return nowMs;
    },
    saved() {
      const keys = new Set([...windows.keys(), ...held.keys()]);
      return [...keys].flatMap((key) => {
        const uses = [...(windows.get(key) ?? []), ...(held.get(key) ?? [])];
        return uses.length === 0 ? [] : [{ key, uses: uses.map(({ atMs, amount }) => [atMs, amount] as const) }];
      });
    },
  };
}
