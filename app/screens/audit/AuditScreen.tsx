/** The journal as an incident's timeline: a span, what is of interest in it, each record, and the way to take it along. */
import type { Row } from '@tanstack/react-table';
import { useCallback, useEffect, useMemo, useState, type ReactNode } from 'react';
import type { AuditRecordView } from '../../../main/api/record-views.ts';
import { Button } from '../../parts/Button.tsx';
import { CopyButton } from '../../parts/CopyButton.tsx';
import { DataTable } from '../../parts/DataTable.tsx';
import { ListToolbar } from '../../parts/ListToolbar.tsx';
import { Empty, SkeletonRows } from '../../parts/Pieces.tsx';
import { ScreenHead } from '../../parts/ScreenHead.tsx';
import { useGroupedTable } from '../../parts/use-grouped-table.ts';
import { useEngine, useNow, useStores } from '../../store/hooks.tsx';
import { selectStatus } from '../../store/selectors.ts';
import { useText } from '../../text/text.ts';
import { useRoute } from '../route.ts';
import { auditColumns } from './audit-columns.tsx';
import { auditSearch } from './audit-filter.ts';
import { Chips } from './Chips.tsx';
import { ExportDialog } from './ExportDialog.tsx';
import { Integrity } from './Integrity.tsx';
import { RangeBar } from './RangeBar.tsx';
import { RecordDrawer } from './RecordDrawer.tsx';
import { useAuditSearch } from './use-audit-search.ts';

const groupings = ['none', 'session', 'agent'] as const;
type Grouping = (typeof groupings)[number];

export function AuditScreen(): ReactNode {
  const t = useText();
  const { toasts } = useStores();
  const { route, narrow } = useRoute();
  const { query } = route;
  const status = useEngine(selectStatus);
  const nowMs = useNow();
  const day = new Date(nowMs).toDateString();
  const utc = query['utc'] === '1';
  const [openSeq, setOpenSeq] = useState<number>();
  const [exporting, setExporting] = useState(false);
  const search = useMemo(() => auditSearch(query), [query]);
  const onError = useCallback((error: unknown) => toasts.show({ tone: 'bad', text: t.error(error) }), [t, toasts]);
  const { records, older, loadOlder, refresh } = useAuditSearch(search, onError);
  const count = status?.audit.count;
  useEffect(() => refresh(), [count, refresh]);
  const columns = useMemo(() => auditColumns(t, { utc, day }), [t, utc, day]);
  const { table, grouping, setGrouping } = useGroupedTable<AuditRecordView, Exclude<Grouping, 'none'>>({
    data: records ?? noRecords,
    columns,
    rowId: (record) => String(record.seq),
    sortedBy: 'seq',
    columnVisibility: hiddenColumns,
  });
  const open = records?.find(({ seq }) => seq === openSeq);
  const decision = search.decision ?? 'all';
  return (
    <>
      <ScreenHead title={t('audit.title')} lead={count === undefined ? ' ' : t('audit.lead', { count })}>
        <CopyButton words size="normal" what={t('audit.link')} text={() => window.location.hash} />
        <Button icon="download" onPress={() => setExporting(true)}>
          {t('audit.export')}
        </Button>
      </ScreenHead>
      <div className="screen-body">
        <Integrity />
        <RangeBar query={query} utc={utc} />
        <ListToolbar
          shownLabel={t('audit.decision')}
          shown={decision}
          onShown={(chosen) => narrow({ decision: chosen === 'all' ? undefined : chosen })}
          segments={(['all', 'allow', 'deny'] as const).map((value) => ({
            value,
            text: t(`audit.decision.${value}`),
          }))}
          groups={{
            label: t('audit.group'),
            value: grouping,
            onChange: setGrouping,
            options: groupings.map((value) => ({ value, text: t(`audit.group.${value}`) })),
          }}
          searchLabel={t('audit.search')}
          search={query['text'] ?? ''}
          onSearch={(text) => narrow({ text })}
        />
        <Chips query={query} records={records ?? noRecords} />
        <div className="with-drawer" data-open={open === undefined ? undefined : ''}>
          {records === undefined ? (
            <SkeletonRows rows={10} heightPx={44} label={t('common.loading')} />
          ) : (
            <div className="table-with-foot">
              <DataTable
                label={t('audit.title')}
                table={table}
                rowHeightPx={44}
                minWidthPx={640}
                selectedId={openSeq === undefined ? undefined : String(openSeq)}
                onOpen={({ seq }) => setOpenSeq(seq)}
                groupTitle={(row) => <GroupTitle row={row} utc={utc} />}
                empty={<Empty title={t('common.noMatchTitle')} text={t('audit.noMatch')} icon="search" />}
              />
              {older ? (
                <div className="table-foot">
                  <Button size="small" onPress={loadOlder}>
                    {t('audit.older')}
                  </Button>
                </div>
              ) : null}
            </div>
          )}
          {open === undefined ? null : (
            <RecordDrawer key={open.seq} record={open} utc={utc} onClose={() => setOpenSeq(undefined)} />
          )}
        </div>
      </div>
      {exporting ? <ExportDialog search={search} onClose={() => setExporting(false)} /> : null}
    </>
  );
}

const noRecords: readonly AuditRecordView[] = [];
/** There so that rows can be grouped by them. */
const hiddenColumns = { session: false, agent: false };

/** What a session was, in the words of its records. */
function GroupTitle({ row, utc }: { row: Row<AuditRecordView>; utc: boolean }): ReactNode {
  const t = useText();
  const records = row.getLeafRows().map((leaf) => leaf.original);
  const first = records.at(-1);
  const named = records.find(({ service }) => typeof service === 'string');
  return (
    <>
      {row.groupingValue === '' ? t('audit.group.without') : String(row.groupingValue)}
      <span className="table-group-facts clip">
        {[
          named?.['service'],
          row.groupingColumnId === 'session' ? named?.['agent'] : undefined,
          t('audit.groupFacts', { count: records.length }),
          first === undefined ? undefined : t('audit.groupSince', { when: t.format.instant(first.at, utc) }),
        ]
          .filter((part) => typeof part === 'string' && part !== '')
          .join(' · ')}
      </span>
    </>
  );
}
