/** Plain aligned tables, and numbers and times as people read them. */
import type { Paint, Tint } from './terminal.ts';

export interface Column<Row> {
  readonly title: string;
  readonly text: (row: Row) => string;
  readonly align?: 'left' | 'right';
  readonly tint?: (row: Row) => Tint | undefined;
}

/** A table with its head; the last left-aligned column is cut to fit `columns`. Ends with a line feed. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[], paint: Paint, width: number): string {
  const cells = rows.map((row) => columns.map((column) => oneLine(column.text(row))));
  const widths = columns.map((column, index) =>
    Math.max(column.title.length, ...cells.map((line) => width_(line[index] ?? ''))),
  );
  const line = (texts: readonly string[], tints: readonly (Tint | undefined)[]): string =>
    texts
      .map((text, index) => {
        const last = index === columns.length - 1;
        const room = widths[index] ?? 0;
        const used = widths.slice(0, index).reduce((sum, one) => sum + one + 2, 0);
        const shown =
          last && used + width_(text) > width && width > used + 8 ? `${text.slice(0, width - used - 1)}…` : text;
        const blank = ' '.repeat(Math.max(0, room - width_(shown)));
        const tint = tints[index];
        const painted = tint === undefined ? shown : paint(tint, shown);
        if (columns[index]?.align === 'right') return blank + painted;
        return last ? painted : painted + blank;
      })
      .join('  ');
  const head = line(
    columns.map((column) => column.title),
    columns.map(() => 'dim'),
  );
  const body = rows.map((row, index) =>
    line(
      cells[index] ?? [],
      columns.map((column) => column.tint?.(row)),
    ),
  );
  return `${[head, ...body].join('\n')}\n`;
}

/** Label and value, a line each, labels aligned. */
export function facts(pairs: readonly (readonly [string, string | undefined])[], paint: Paint): string {
  const shown = pairs.filter((pair): pair is readonly [string, string] => pair[1] !== undefined);
  const room = Math.max(0, ...shown.map(([label]) => label.length));
  return shown.map(([label, value]) => `${paint('dim', label.padEnd(room))}  ${value}\n`).join('');
}

/** `1.4 MB`, powers of ten. */
export function bytes(count: number): string {
  if (count < 1000) return `${count} B`;
  const units = ['kB', 'MB', 'GB', 'TB', 'PB'];
  let value = count;
  let unit = '';
  for (unit of units) {
    value /= 1000;
    if (value < 999.5) break;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

/** `4s`, `3m`, `2h`, `5d` between two instants. */
export function span(fromMs: number, toMs: number): string {
  const seconds = Math.max(0, Math.round((toMs - fromMs) / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

/** `3m ago`, `in 20d`, from an ISO 8601 instant. */
export function relative(iso: string, nowMs: number): string {
  const at = Date.parse(iso);
  if (Number.isNaN(at)) return iso;
  return at <= nowMs ? `${span(at, nowMs)} ago` : `in ${span(nowMs, at)}`;
}

/** Control characters come from outside (names, paths) and must not steer a terminal. */
export function oneLine(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '·');
}

function width_(text: string): number {
  return [...text].length;
}
