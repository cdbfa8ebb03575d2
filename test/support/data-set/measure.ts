/** How well detectors do on a set of labelled texts, class by class. */
import type { FoundClass } from '../../../main/base/engagement/data.ts';
import type { Detector } from '../../../main/guard/data/found.ts';
import type { Labelled } from './data-set.ts';

export interface Score {
  readonly name: FoundClass | 'all';
  readonly marked: number;
  readonly found: number;
  readonly wrong: number;
  readonly precision: number;
  readonly recall: number;
  /** Texts in which something was found that nobody marked, and what was marked and not found. */
  readonly wrongIn: readonly string[];
  readonly missed: readonly string[];
}

/** What is found counts where it touches what is marked with its class; what touches nothing marked is wrong. */
export function scored(set: readonly Labelled[], detect: Detector): readonly Score[] {
  const names = [...new Set(set.flatMap(({ marked }) => marked.map(({ name }) => name)))];
  const rows = set.map(({ text, marked }) => ({
    text,
    found: detect(text),
    marked: marked.map(({ name, value }) => ({
      name,
      value,
      start: text.indexOf(value),
      end: text.indexOf(value) + value.length,
    })),
  }));
  const of = (name: FoundClass): Score => {
    const wrongIn: string[] = [];
    const missed: string[] = [];
    let [all, hit] = [0, 0];
    for (const { text, found, marked } of rows) {
      const own = found.filter((one) => one.name === name);
      for (const one of marked.filter((mark) => mark.name === name)) {
        all += 1;
        if (own.some(({ start, end }) => start < one.end && end > one.start)) hit += 1;
        else missed.push(one.value);
      }
      const touches = (start: number, end: number): boolean =>
        marked.some((mark) => start < mark.end && end > mark.start);
      wrongIn.push(...own.filter(({ start, end }) => !touches(start, end)).map(() => text));
      // Another class than the one marked is wrong as well.
      wrongIn.push(
        ...own
          .filter(({ start, end }) => touches(start, end) && !marked.some((mark) => mark.name === name))
          .map(() => text),
      );
    }
    return score(name, all, hit, wrongIn, missed);
  };
  const each = names.map(of);
  const sum = (part: (one: Score) => number): number => each.reduce((total, one) => total + part(one), 0);
  const total = score(
    'all',
    sum((one) => one.marked),
    sum((one) => one.found),
    each.flatMap(({ wrongIn }) => wrongIn),
    each.flatMap(({ missed }) => missed),
  );
  return [...each, total];
}

function score(
  name: Score['name'],
  marked: number,
  found: number,
  wrongIn: readonly string[],
  missed: readonly string[],
): Score {
  const wrong = wrongIn.length;
  const precision = found + wrong === 0 ? 1 : found / (found + wrong);
  return { name, marked, found, wrong, precision, recall: marked === 0 ? 1 : found / marked, wrongIn, missed };
}

const columns = ['class', 'marked', 'found', 'found where nothing is', 'precision', 'recall'];

/** The scores as a table of Markdown. */
export function scoreTable(scores: readonly Score[]): string {
  const rows = scores.map(({ name, marked, found, wrong, precision, recall }) =>
    [name, marked, found, wrong, precision.toFixed(3), recall.toFixed(3)].join(' | '),
  );
  return [columns.join(' | '), columns.map(() => '---').join(' | '), ...rows].map((row) => `| ${row} |`).join('\n');
}
