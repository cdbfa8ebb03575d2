/** Whole numbers from one to another, inclusive. Pure. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** The same numbers in as few spans as there are gaps, in order. */
export function joinSpans(spans: readonly Span[]): readonly Span[] {
  const joined: { from: number; to: number }[] = [];
  for (const { from, to } of [...spans].sort((a, b) => a.from - b.from || a.to - b.to)) {
    const last = joined.at(-1);
    if (last !== undefined && from <= last.to + 1) last.to = Math.max(last.to, to);
    else joined.push({ from, to });
  }
  return joined;
}

/** Each once, in order. */
export function sortedSet<T extends string | number>(items: readonly T[]): T[] {
  return [...new Set(items)].sort((a, b) => String(a).localeCompare(String(b), 'en', { numeric: true }));
}
