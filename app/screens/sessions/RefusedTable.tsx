/** What was asked for and refused, newest first: by whom, why, and the way to the next step. */
import { getCoreRowModel, useReactTable, type ColumnDef } from '@tanstack/react-table';
import { useMemo, type ReactNode } from 'react';
import type { AuditRecordView } from '../../../main/api/record-views.ts';
import { Button } from '../../parts/Button.tsx';
import { DataTable, useCurrentRow } from '../../parts/DataTable.tsx';
import { Search } from '../../parts/Fields.tsx';
import { Empty, SkeletonRows, Status, TwoLines } from '../../parts/Pieces.tsx';
import { usePreferences } from '../../store/hooks.tsx';
import { useText, type Text } from '../../text/text.ts';
import { useRoute } from '../route.ts';
import { RefusedDrawer } from './RefusedDrawer.tsx';
import { refusalOf, searchableRefusal } from './refusals.ts';

const everyColumn = {};
const besideDrawer = { at: false, actions: false };

export function RefusedTable({
  records,
  openSeq,
  chooser,
}: {
  records: readonly AuditRecordView[] | undefined;
  openSeq: string | undefined;
  chooser: ReactNode;
}): ReactNode {
  const t = useText();
  const { route, go, narrow } = useRoute();
  const { density } = usePreferences();
  const { text = '', agent } = route.query;
  const rows = useMemo(() => {
    const words = text.trim().toLowerCase();
    return (records ?? []).filter(
      (record) =>
        (agent === undefined || record['agent'] === agent) &&
        (words === '' || searchableRefusal(record).includes(words)),
    );
  }, [records, text, agent]);
  const columns = useMemo(() => refusedColumns(t, (seq) => go('sessions', String(seq))), [t, go]);
  const open = records?.find(({ seq }) => String(seq) === openSeq);
  const table = useReactTable({
    data: rows,
    columns,
    getRowId: ({ seq }) => String(seq),
    state: { columnVisibility: open === undefined ? everyColumn : besideDrawer },
    autoResetAll: false,
    getCoreRowModel: getCoreRowModel(),
  });
  return (
    <>
      <div className="toolbar">
        {chooser}
        <div className="toolbar-end">
          <Search label={t('refused.search')} value={text} onChange={(typed) => narrow({ text: typed })} />
        </div>
      </div>
      <div className="with-drawer" data-open={open === undefined ? undefined : ''}>
        {records === undefined ? (
          <SkeletonRows rows={8} heightPx={52} label={t('common.loading')} />
        ) : (
          <DataTable
            label={t('refused.title')}
            table={table}
            rowHeightPx={density === 'compact' ? 44 : 52}
            minWidthPx={open === undefined ? 760 : 480}
            selectedId={openSeq}
            onOpen={({ seq }) => go('sessions', String(seq))}
            empty={
              records.length > 0 ? (
                <Empty title={t('common.noMatchTitle')} text={t('refused.noMatch')} icon="search" />
              ) : (
                <Empty title={t('refused.emptyTitle')} text={t('refused.emptyText')} icon="shield" />
              )
            }
          />
        )}
        {open === undefined ? null : (
          <RefusedDrawer key={open.seq} refusal={refusalOf(open)} onClose={() => go('sessions')} />
        )}
      </div>
    </>
  );
}

function refusedColumns(t: Text, openOne: (seq: number) => void): ColumnDef<AuditRecordView>[] {
  return [
    {
      id: 'program',
      header: t('session.program'),
      enableSorting: false,
      cell: ({ row: { original } }) => {
        const { program, programPath } = refusalOf(original);
        return <TwoLines main={program ?? t('session.unknownProgram')} sub={programPath} />;
      },
      meta: { width: 'minmax(116px, 1fr)', card: 'main' },
    },
    {
      id: 'destination',
      header: t('session.destination'),
      enableSorting: false,
      cell: ({ row: { original } }) => {
        const { destination, service } = refusalOf(original);
        return <TwoLines main={destination} sub={service} />;
      },
      meta: { width: 'minmax(140px, 1.2fr)' },
    },
    {
      id: 'reason',
      header: t('refused.why'),
      enableSorting: false,
      cell: ({ row: { original } }) => {
        const refusal = refusalOf(original);
        const said = t.reason(refusal.said, refusal.about);
        return (
          <TwoLines
            main={<Status tone="bad">{said.sentence}</Status>}
            sub={<span style={{ paddingLeft: 15 }}>{said.next ?? refusal.said.code}</span>}
            title={said.sentence}
          />
        );
      },
      meta: { width: 'minmax(180px, 2fr)' },
    },
    {
      id: 'at',
      header: t('refused.at'),
      enableSorting: false,
      cell: ({ row: { original } }) => t.format.recently(original.at, Date.now(), false),
      meta: { width: '150px', card: 'none' },
    },
    {
      id: 'actions',
      header: () => <span className="unseen">{t('common.actions')}</span>,
      enableSorting: false,
      cell: ({ row: { original } }) => <WhyCell record={original} openOne={openOne} />,
      meta: { width: '70px', align: 'end', card: 'side' },
    },
  ];
}

function WhyCell({ record, openOne }: { record: AuditRecordView; openOne: (seq: number) => void }): ReactNode {
  const t = useText();
  const current = useCurrentRow();
  return (
    <Button
      size="small"
      excludeFromTabOrder={!current}
      aria-label={t('refused.whyOf', { destination: refusalOf(record).destination })}
      onPress={() => openOne(record.seq)}
    >
      {t('why.short')}
    </Button>
  );
}
