/** What narrowing two contracts is made of. Pure. */
import { globCovers, type GlobStyle } from '../base/glob.ts';

/** What both lists of name globs let through. */
export function overlapNames(a: readonly string[], b: readonly string[]): string[] {
  return overlap(a, b, 'name');
}

/** Of two globs the one that the other covers; nothing where neither does. */
export function overlap(a: readonly string[], b: readonly string[], style: GlobStyle): string[] {
  const found = a.flatMap((left) =>
    b.flatMap((right) => (globCovers(left, right, style) ? [right] : globCovers(right, left, style) ? [left] : [])),
  );
  return [...new Set(found)];
}

/** The smaller, or the one there is. */
export function least(a: number | undefined, b: number | undefined): number | undefined {
  return both(a, b, Math.min);
}

/** Joined where both are there, else the one that is. */
export function both<T>(a: T | undefined, b: T | undefined, join: (a: T, b: T) => T): T | undefined {
  if (a === undefined) return b;
  return b === undefined ? a : join(a, b);
}

/** All that stands in one of them. */
export function either<T>(a: readonly T[] | undefined, b: readonly T[] | undefined): T[] | undefined {
  return a === undefined && b === undefined ? undefined : [...(a ?? []), ...(b ?? [])];
}
