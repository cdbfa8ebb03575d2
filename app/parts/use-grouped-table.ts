/** A table that can be sorted, and grouped by one column: the state of both, and the library's table over it. */
import {
  getCoreRowModel,
  getExpandedRowModel,
  getGroupedRowModel,
  getSortedRowModel,
  useReactTable,
  type ColumnDef,
  type ExpandedState,
  type SortingState,
  type Table,
} from '@tanstack/react-table';
import { useState } from 'react';

/** A table and its grouping. */
export interface GroupedTable<Row, Grouping extends string> {
  readonly table: Table<Row>;
  readonly grouping: Grouping | 'none';
  /** Group anew; every group starts open. */
  readonly setGrouping: (grouping: Grouping | 'none') => void;
}

/** The state of one table, for as long as its screen is shown. */
export function useGroupedTable<Row, Grouping extends string>(options: {
  readonly data: readonly Row[];
  readonly columns: ColumnDef<Row>[];
  readonly rowId: (row: Row) => string;
  readonly sortedBy: string;
  readonly columnVisibility: Readonly<Record<string, boolean>>;
}): GroupedTable<Row, Grouping> {
  const [grouping, setGrouping] = useState<Grouping | 'none'>('none');
  const [expanded, setExpanded] = useState<ExpandedState>(true);
  const [sorting, setSorting] = useState<SortingState>([{ id: options.sortedBy, desc: false }]);
  const table = useReactTable({
    data: options.data as Row[],
    columns: options.columns,
    getRowId: options.rowId,
    state: {
      sorting,
      grouping: grouping === 'none' ? [] : [grouping],
      expanded,
      columnVisibility: options.columnVisibility,
    },
    onSortingChange: setSorting,
    onExpandedChange: setExpanded,
    groupedColumnMode: false,
    autoResetAll: false,
    getCoreRowModel: getCoreRowModel(),
    getSortedRowModel: getSortedRowModel(),
    getGroupedRowModel: getGroupedRowModel(),
    getExpandedRowModel: getExpandedRowModel(),
  });
  return {
    table,
    grouping,
    setGrouping: (chosen) => {
      setGrouping(chosen);
      setExpanded(true);
    },
  };
}
