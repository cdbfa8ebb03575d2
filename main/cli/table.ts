/** Plain aligned tables that fit the terminal, and numbers and times as people read them. */
import { defined } from '../base/defined.ts';
import { columnGap, fitColumns } from './fit-columns.ts';
import type { Paint, Tint } from './terminal.ts';

/** One column of a table of rows of one kind. */
export interface Column<Row> {
  readonly title: string;
  readonly text: (row: Row) => string;
  readonly align?: 'left' | 'right';
  readonly tint?: (row: Row) => Tint | undefined;
  /** Never cut: what is typed again, such as an id. Numbers never are. */
  readonly whole?: true;
  /** Left out where there is no room, the highest number first; absent: always shown. */
  readonly spare?: number;
}

/** Where a table is printed: how wide its lines may be, and whether a person is there to be told what was left out. */
export interface Page {
  readonly paint: Paint;
  readonly width: number;
  readonly interactive: boolean;
}

/** So much of a text is left where it is cut. */
const leastText = 10;

/** A table with its head, at most `page.width` wide where its columns allow that. Ends with a line feed. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[], page: Page): string {
  const cells = rows.map((row) => columns.map((column) => oneLine(column.text(row))));
  const widths = columns.map(({ title, align, whole, spare }, index) =>
    defined({
      natural: Math.max(title.length, ...cells.map((line) => cellsOf(line[index] ?? ''))),
      ...(align === 'right' || whole === true ? {} : { least: Math.max(title.length, leastText) }),
      spare,
    }),
  );
  const rooms = fitColumns(widths, page.width);
  const last = rooms.findLastIndex((room) => room > 0);
  const line = (texts: readonly string[], tints: readonly (Tint | undefined)[]): string =>
    texts
      .flatMap((text, index) => {
        const room = rooms[index] ?? 0;
        if (room === 0) return [];
        const shown = cut(text, room);
        const blank = ' '.repeat(room - cellsOf(shown));
        const tint = tints[index];
        const painted = tint === undefined ? shown : page.paint(tint, shown);
        if (columns[index]?.align === 'right') return [blank + painted];
        return [index === last ? painted : painted + blank];
      })
      .join(' '.repeat(columnGap))
      .trimEnd();
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
  const out = columns.filter((_, index) => rooms[index] === 0).map(({ title }) => title);
  const hint = page.interactive && out.length > 0 ? [page.paint('dim', `--wide shows ${out.join(', ')} too`)] : [];
  return `${[head, ...body, ...hint].join('\n')}\n`;
}

/** A text in so many cells at most, its end given up for an ellipsis. */
export function cut(text: string, room: number): string {
  const letters = [...text];
  return letters.length <= room ? text : `${letters.slice(0, Math.max(0, room - 1)).join('')}…`;
}

/** Lines of at most `room` cells, broken at blanks; a word that is longer than that stands whole. */
export function wrap(text: string, room: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && cellsOf(line) + 1 + cellsOf(word) > room) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
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

/** `2026-01-02 03:04:05` of this machine's own day, from an ISO 8601 instant. */
export function localTime(iso: string): string {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return iso;
  const two = (part: number): string => String(part).padStart(2, '0');
  const day = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join('-');
  return `${day} ${[at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(':')}`;
}

/** `03:04:05` on the day of `nowMs`, else with its date. */
export function clockTime(iso: string, nowMs: number): string {
  const [date = '', time = ''] = localTime(iso).split(' ');
  return date === localTime(new Date(nowMs).toISOString()).split(' ')[0] ? time : `${date} ${time}`.trim();
}

/** Control characters come from outside (names, paths) and must not steer a terminal. */
export function oneLine(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '·');
}

function cellsOf(text: string): number {
  return [...text].length;
}
