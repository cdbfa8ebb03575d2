/** The journal: searched, checked for tampering, exported. */
import { getCoreRowModel, useReactTable, type ColumnDef } from '@tanstack/react-table';
import { useCallback, useEffect, useMemo, useState, type ReactNode } from 'react';
import type { AuditRecordView } from '../../../main/contract/views.ts';
import { Button } from '../../parts/Button.tsx';
import { DataTable } from '../../parts/DataTable.tsx';
import { Drawer } from '../../parts/Drawer.tsx';
import { Search } from '../../parts/Fields.tsx';
import { Empty, Facts, Section, SkeletonRows, Tag, TwoLines } from '../../parts/Pieces.tsx';
import { Segments } from '../../parts/Segments.tsx';
import { useEngine, useStores } from '../../store/hooks.tsx';
import { selectStatus } from '../../store/selectors.ts';
import { useText, type Text } from '../../text/text.ts';
import { ScreenHead } from '../frame/Screen.tsx';
import { auditBody, auditDecision, auditLine } from './audit-words.ts';
import { ExportDialog } from './ExportDialog.tsx';
import { Integrity } from './Integrity.tsx';
import { useAuditSearch, type AuditFilter } from './use-audit-search.ts';

export function AuditScreen(): ReactNode {
  const t = useText();
  const { toasts } = useStores();
  const status = useEngine(selectStatus);
  const [text, setText] = useState('');
  const [decision, setDecision] = useState<'all' | 'allow' | 'deny'>('all');
  const [openSeq, setOpenSeq] = useState<number>();
  const [exporting, setExporting] = useState(false);
  const filter = useMemo(
    (): AuditFilter => ({
      ...(text.trim() === '' ? {} : { text: text.trim() }),
      ...(decision === 'all' ? {} : { decision }),
    }),
    [text, decision],
  );
  const onError = useCallback((message: string) => toasts.show({ tone: 'bad', text: message }), [toasts]);
  const { records, older, loadOlder, refresh } = useAuditSearch(filter, onError);
  const count = status?.audit.count;
  useEffect(() => refresh(), [count, refresh]);
  const columns = useMemo(() => auditColumns(t), [t]);
  const table = useReactTable({
    data: (records ?? []) as AuditRecordView[],
    columns,
    getRowId: (record) => String(record.seq),
    autoResetAll: false,
    getCoreRowModel: getCoreRowModel(),
  });
  const open = records?.find(({ seq }) => seq === openSeq);
  return (
    <>
      <ScreenHead title={t('audit.title')} lead={count === undefined ? ' ' : t('audit.lead', { count })}>
        <Button icon="download" onPress={() => setExporting(true)}>
          {t('audit.export')}
        </Button>
      </ScreenHead>
      <div className="screen-body">
        <Integrity />
        <div className="toolbar">
          <Segments
            label={t('audit.decision')}
            value={decision}
            onChange={setDecision}
            segments={(['all', 'allow', 'deny'] as const).map((value) => ({
              value,
              text: t(`audit.decision.${value}`),
            }))}
          />
          <div className="toolbar-end">
            <Search label={t('audit.search')} value={text} onChange={setText} />
          </div>
        </div>
        <div className="with-drawer" data-open={open === undefined ? undefined : ''}>
          {records === undefined ? (
            <SkeletonRows rows={10} heightPx={44} label={t('common.loading')} />
          ) : (
            <div className="table-with-foot">
              <DataTable
                label={t('audit.title')}
                table={table}
                rowHeightPx={44}
                minWidthPx={560}
                selectedId={openSeq === undefined ? undefined : String(openSeq)}
                onOpen={({ seq }) => setOpenSeq(seq)}
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
            <Drawer
              key={open.seq}
              title={open.kind}
              sub={`#${t.format.number(open.seq)}`}
              onClose={() => setOpenSeq(undefined)}
            >
              <Facts
                items={[
                  [t('audit.at'), t.format.dateTime(open.at)],
                  [
                    t('audit.hash'),
                    typeof open['hash'] === 'string' ? <span className="mono small">{open['hash']}</span> : undefined,
                  ],
                  [
                    t('audit.prev'),
                    typeof open['prev'] === 'string' ? <span className="mono small">{open['prev']}</span> : undefined,
                  ],
                ]}
              />
              <Section title={t('audit.record')}>
                <pre className="code-block">{auditBody(open)}</pre>
              </Section>
            </Drawer>
          )}
        </div>
      </div>
      {exporting ? <ExportDialog filter={filter} onClose={() => setExporting(false)} /> : null}
    </>
  );
}

function auditColumns(t: Text): ColumnDef<AuditRecordView>[] {
  return [
    {
      id: 'seq',
      header: t('audit.seq'),
      enableSorting: false,
      accessorFn: ({ seq }) => seq,
      cell: ({ row: { original } }) => <span className="quiet">{t.format.number(original.seq)}</span>,
      meta: { width: '64px' },
    },
    {
      id: 'at',
      header: t('audit.at'),
      enableSorting: false,
      accessorFn: ({ at }) => at,
      cell: ({ row: { original } }) => t.format.dateTime(original.at),
      meta: { width: '140px' },
    },
    {
      id: 'kind',
      header: t('audit.kind'),
      enableSorting: false,
      accessorFn: ({ kind }) => kind,
      cell: ({ row: { original } }) => <span className="mono">{original.kind}</span>,
      meta: { width: 'minmax(130px, 0.7fr)' },
    },
    {
      id: 'what',
      header: t('audit.what'),
      enableSorting: false,
      accessorFn: auditLine,
      cell: ({ row: { original } }) => (
        <TwoLines main={<span style={{ fontWeight: 400 }}>{auditLine(original)}</span>} />
      ),
      meta: { width: 'minmax(200px, 2fr)' },
    },
    {
      id: 'decision',
      header: t('audit.decision'),
      enableSorting: false,
      accessorFn: auditDecision,
      cell: ({ row: { original } }) => {
        const decision = auditDecision(original);
        return decision === undefined ? null : (
          <Tag tone={decision === 'allow' ? 'ok' : 'bad'}>{t(`decision.${decision}`)}</Tag>
        );
      },
      meta: { width: '86px' },
    },
  ];
}
