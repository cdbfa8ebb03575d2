/** Lines of two texts told apart. For files of settings: a table of all pairs is small enough for them. */

/** One line of a diff; a gap stands for lines that stayed and are far from any change. */
export interface DiffLine {
  readonly kind: 'removed' | 'added' | 'kept' | 'gap';
  readonly text: string;
}

const around = 2;

/** By the longest common subsequence; a text without a line's end is as one with it. */
export function diffLines(before: string, after: string): readonly DiffLine[] {
  const [a, b] = [linesOf(before), linesOf(after)];
  const length = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1)
    for (let j = b.length - 1; j >= 0; j -= 1)
      at(length, i)[j] =
        a[i] === b[j]
          ? (at(length, i + 1)[j + 1] ?? 0) + 1
          : Math.max(at(length, i + 1)[j] ?? 0, at(length, i)[j + 1] ?? 0);
  const lines: DiffLine[] = [];
  for (let i = 0, j = 0; i < a.length || j < b.length;) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push({ kind: 'kept', text: a[i] ?? '' });
      i += 1;
      j += 1;
    } else if (j >= b.length || (i < a.length && (at(length, i + 1)[j] ?? 0) >= (at(length, i)[j + 1] ?? 0))) {
      lines.push({ kind: 'removed', text: a[i] ?? '' });
      i += 1;
    } else {
      lines.push({ kind: 'added', text: b[j] ?? '' });
      j += 1;
    }
  }
  return withGaps(lines);
}

function at(table: readonly Uint32Array[], row: number): Uint32Array {
  return table[row] ?? new Uint32Array();
}

function linesOf(text: string): readonly string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n');
}

function withGaps(lines: readonly DiffLine[]): readonly DiffLine[] {
  const isNear = (index: number): boolean =>
    lines.slice(Math.max(0, index - around), index + around + 1).some(({ kind }) => kind !== 'kept');
  return lines.flatMap((line, index): readonly DiffLine[] => {
    if (line.kind !== 'kept' || isNear(index)) return [line];
    return index === 0 || isNear(index - 1) || lines[index - 1]?.kind !== 'kept' ? [{ kind: 'gap', text: '' }] : [];
  });
}
