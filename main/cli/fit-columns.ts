/** Which columns of a table are shown in how many cells of width, so that its lines fit the terminal. */

/** A column as wide as its widest cell, and what may be done to it. */
export interface ColumnWidth {
  readonly natural: number;
  /** It may be cut down to so many cells; absent: it is shown whole or not at all. */
  readonly least?: number;
  /** Left out where there is no room, the highest number first; absent: never. */
  readonly spare?: number;
}

/** Blank cells between two columns. */
export const columnGap = 2;

/** Cells for each column, 0 for one that is left out. Where even that does not fit, the lines are longer than `width`. */
export function fitColumns(columns: readonly ColumnWidth[], width: number): readonly number[] {
  const shown = columns.map(() => true);
  const total = (room: (column: ColumnWidth) => number): number => {
    const kept = columns.filter((_, index) => shown[index]);
    return kept.reduce((sum, column) => sum + room(column), columnGap * Math.max(0, kept.length - 1));
  };
  while (total(leastOf) > width) {
    const next = mostSpare(columns, shown);
    if (next === undefined) break;
    shown[next] = false;
  }
  const rooms = columns.map(({ natural }, index) => (shown[index] === true ? natural : 0));
  for (let over = total(({ natural }) => natural) - width; over > 0; over--) {
    const widest = widestToCut(columns, rooms);
    if (widest === undefined) break;
    rooms[widest] = (rooms[widest] ?? 0) - 1;
  }
  return rooms;
}

function leastOf({ natural, least }: ColumnWidth): number {
  return Math.min(natural, least ?? natural);
}

function mostSpare(columns: readonly ColumnWidth[], shown: readonly boolean[]): number | undefined {
  let found: number | undefined;
  columns.forEach(({ spare }, index) => {
    if (shown[index] !== true || spare === undefined) return;
    if (found === undefined || spare > (columns[found]?.spare ?? 0)) found = index;
  });
  return found;
}

function widestToCut(columns: readonly ColumnWidth[], rooms: readonly number[]): number | undefined {
  let found: number | undefined;
  columns.forEach((column, index) => {
    const room = rooms[index] ?? 0;
    if (room > leastOf(column) && room > (found === undefined ? 0 : (rooms[found] ?? 0))) found = index;
  });
  return found;
}
