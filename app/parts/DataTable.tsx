/**
 * A grid of rows of which only those in view exist. Arrow keys, Page, Home and End walk the rows, Enter opens one; controls inside
 * a row are in the Tab order only while their row is the current one.
 */
import { flexRender, type Header, type Row, type RowData, type Table } from '@tanstack/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import { Button } from 'react-aria-components';
import {
  createContext,
  useContext,
  useLayoutEffect,
  useRef,
  useState,
  type CSSProperties,
  type KeyboardEvent,
  type ReactNode,
} from 'react';
import { Icon } from './Icon.tsx';
import { rowAfterKey } from './table-keys.ts';
import { useKeptFocus } from './use-kept-focus.ts';
import { useCards } from './use-narrow.ts';

declare module '@tanstack/react-table' {
  interface ColumnMeta<TData extends RowData, TValue> {
    /** A CSS grid track: `minmax(140px, 2fr)`. */
    readonly width: string;
    readonly align?: 'end';
    /** Where a row is a card, in a narrow window: what heads it, what stands at its end, a line of its own (default), or not shown. */
    readonly card?: 'main' | 'side' | 'wide' | 'none';
    /** Never read: keeps the interface's parameters those of the library. */
    readonly of?: readonly [TData, TValue];
  }
}

const CurrentRowContext = createContext(true);

/** True inside the row that holds the focus; controls in other rows leave the Tab order. */
export function useCurrentRow(): boolean {
  return useContext(CurrentRowContext);
}

/** What a table shows, and what its keys do. */
export interface DataTableProps<T> {
  readonly label: string;
  readonly table: Table<T>;
  readonly rowHeightPx: number;
  /** Below this width the table scrolls sideways. */
  readonly minWidthPx: number;
  readonly selectedId?: string | undefined;
  readonly onOpen?: (row: T) => void;
  /** Keys the table itself does not use, on the current row. */
  readonly onRowKey?: (key: string, row: T) => void;
  readonly faded?: (row: T) => boolean;
  /** The heading of a group of rows, beside the button that opens it. */
  readonly groupTitle?: (row: Row<T>) => ReactNode;
  readonly empty: ReactNode;
}

/** The grid. Sorting, grouping and selection are the caller's. */
export function DataTable<T>(props: DataTableProps<T>): ReactNode {
  const { label, table, onOpen, empty } = props;
  const cards = useCards();
  const visible = table.getVisibleLeafColumns().filter((column) => !cards || column.columnDef.meta?.card !== 'none');
  const rowHeightPx = cards ? cardHeightPx(visible.map((column) => column.columnDef.meta?.card)) : props.rowHeightPx;
  const { rows } = table.getRowModel();
  const scroller = useRef<HTMLDivElement>(null);
  const [current, setCurrent] = useState(0);
  const focusWanted = useRef(false);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeightPx,
    overscan: 10,
    getItemKey: (index) => rows[index]?.id ?? index,
  });
  const at = Math.min(current, Math.max(0, rows.length - 1));
  const kept = useKeptFocus(scroller, `[data-index="${at}"]`);

  useLayoutEffect(() => virtual.measure(), [virtual, rowHeightPx]);
  useLayoutEffect(() => {
    if (!focusWanted.current) return;
    const row = scroller.current?.querySelector<HTMLElement>(`[data-index="${at}"]`);
    if (row === null || row === undefined) return;
    focusWanted.current = false;
    row.focus({ preventScroll: true });
  });

  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>): void => {
    const target = event.target as HTMLElement;
    const row = rows[at];
    const onRow = target.dataset['index'] !== undefined;
    const next = onRow || target === scroller.current ? rowAfterKey(event.key, at, rows.length, 10) : undefined;
    if (next !== undefined) {
      event.preventDefault();
      focusWanted.current = true;
      virtual.scrollToIndex(next, { align: 'auto' });
      setCurrent(next);
    } else if (onRow && row !== undefined) {
      if (row.getIsGrouped()) {
        if (event.key === 'Enter' || event.key === ' ') row.toggleExpanded();
        else if (event.key === 'ArrowRight') row.toggleExpanded(true);
        else if (event.key === 'ArrowLeft') row.toggleExpanded(false);
        else return;
        event.preventDefault();
      } else if (event.key === 'Enter' || event.key === ' ') {
        event.preventDefault();
        onOpen?.(row.original);
      } else props.onRowKey?.(event.key, row.original);
    }
  };

  const columns = visible.map((column) => column.columnDef.meta?.width ?? '1fr');
  const style = {
    '--columns': columns.join(' '),
    '--table-min': cards ? '0' : `${props.minWidthPx}px`,
  } as CSSProperties;
  return (
    <div
      ref={scroller}
      className="table"
      role="grid"
      aria-label={label}
      aria-rowcount={rows.length + 1}
      aria-colcount={columns.length}
      style={style}
      data-cards={cards ? '' : undefined}
      onKeyDown={onKeyDown}
      {...kept}
    >
      <div className="table-head" role="rowgroup">
        {table.getHeaderGroups().map((group) => (
          <div key={group.id} className="table-row" role="row" aria-rowindex={1}>
            {group.headers.map((header) => (
              <HeadCell key={header.id} header={header} />
            ))}
          </div>
        ))}
      </div>
      {rows.length === 0 ? (
        empty
      ) : (
        <div className="table-body" role="rowgroup" style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map((item) => {
            const row = rows[item.index];
            if (row === undefined) return null;
            return (
              <BodyRow
                key={item.key}
                row={row}
                index={item.index}
                heightPx={rowHeightPx}
                cards={cards}
                measure={virtual.measureElement}
                topPx={item.start}
                current={item.index === at}
                onCurrent={() => setCurrent(item.index)}
                table={props}
              />
            );
          })}
        </div>
      )}
    </div>
  );
}

/** Before it is measured: two lines for what heads a card, two for each line of its own. */
function cardHeightPx(places: readonly ('main' | 'side' | 'wide' | 'none' | undefined)[]): number {
  return 64 + 42 * places.filter((place) => place === undefined || place === 'wide').length;
}

function HeadCell<T>({ header }: { header: Header<T, unknown> }): ReactNode {
  const { column } = header;
  const sorted = column.getIsSorted();
  const title = header.isPlaceholder ? null : flexRender(column.columnDef.header, header.getContext());
  return (
    <div
      className="table-title clip"
      role="columnheader"
      data-align={column.columnDef.meta?.align}
      {...(sorted === false ? {} : { 'aria-sort': sorted === 'asc' ? 'ascending' : 'descending' })}
    >
      {column.getCanSort() ? (
        <Button className="table-sort" onPress={() => column.toggleSorting()}>
          <span className="clip">{title}</span>
          {sorted === false ? null : <Icon name={sorted === 'asc' ? 'up' : 'down'} size={12} />}
        </Button>
      ) : (
        title
      )}
    </div>
  );
}

function BodyRow<T>({
  row,
  index,
  heightPx,
  cards,
  measure,
  topPx,
  current,
  onCurrent,
  table,
}: {
  row: Row<T>;
  index: number;
  heightPx: number;
  cards: boolean;
  measure: (row: Element | null) => void;
  topPx: number;
  current: boolean;
  onCurrent: () => void;
  table: DataTableProps<T>;
}): ReactNode {
  const grouped = row.getIsGrouped();
  const opens = !grouped && table.onOpen !== undefined;
  return (
    <div
      ref={cards ? measure : undefined}
      className="table-row"
      role="row"
      aria-rowindex={index + 2}
      data-index={index}
      tabIndex={current ? 0 : -1}
      {...(grouped ? { 'data-group': '' } : { 'aria-selected': row.id === table.selectedId })}
      {...(!grouped && table.faded?.(row.original) === true ? { 'data-faded': '' } : {})}
      style={{ ...(cards ? {} : { height: heightPx }), transform: `translateY(${topPx}px)` }}
      onFocus={onCurrent}
      onClick={(event) => {
        if ((event.target as HTMLElement).closest('button, a, input, label') !== null) return;
        if (opens) table.onOpen?.(row.original);
        else if (grouped) row.toggleExpanded();
      }}
    >
      <CurrentRowContext value={current}>
        {grouped ? (
          <div className="table-group" role="gridcell" aria-colspan={row.getVisibleCells().length}>
            <Button
              className="button"
              data-kind="plain"
              data-size="small"
              data-icon=""
              aria-expanded={row.getIsExpanded()}
              aria-label={String(row.groupingValue ?? '')}
              excludeFromTabOrder
              onPress={() => row.toggleExpanded()}
            >
              <Icon name={row.getIsExpanded() ? 'down' : 'right'} size={14} />
            </Button>
            {table.groupTitle?.(row)}
          </div>
        ) : (
          row
            .getVisibleCells()
            .filter((cell) => !cards || cell.column.columnDef.meta?.card !== 'none')
            .map((cell) => (
              <div
                key={cell.id}
                className="table-cell"
                role="gridcell"
                data-align={cell.column.columnDef.meta?.align}
                data-card={cell.column.columnDef.meta?.card ?? 'wide'}
              >
                {flexRender(cell.column.columnDef.cell, cell.getContext())}
              </div>
            ))
        )}
      </CurrentRowContext>
    </div>
  );
}
