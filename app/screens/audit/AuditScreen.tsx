/** The journal: searched, checked for tampering, exported. */
import { getCoreRowModel, useReactTable, type ColumnDef } from '@tanstack/react-table';
import { useCallback, useEffect, useMemo, useState, type ReactNode } from 'react';
import type { AuditRecordView } from '../../../main/api/record-views.ts';
import { Button } from '../../parts/Button.tsx';
import { DataTable } from '../../parts/DataTable.tsx';
import { Drawer } from '../../parts/Drawer.tsx';
import { Empty, Facts, Section, SkeletonRows, Tag } from '../../parts/Pieces.tsx';
import { useEngine, useStores } from '../../store/hooks.tsx';
import { selectStatus } from '../../store/selectors.ts';
import { useText, type Text } from '../../text/text.ts';
import { ListToolbar } from '../../parts/ListToolbar.tsx';
import { ScreenHead } from '../../parts/ScreenHead.tsx';
import { auditBody, auditDecision, auditKind, auditLine, auditParts } from './audit-words.ts';
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
  const onError = useCallback((error: unknown) => toasts.show({ tone: 'bad', text: t.error(error) }), [t, toasts]);
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
        <ListToolbar
          shownLabel={t('audit.decision')}
          shown={decision}
          onShown={setDecision}
          segments={(['all', 'allow', 'deny'] as const).map((value) => ({
            value,
            text: t(`audit.decision.${value}`),
          }))}
          searchLabel={t('audit.search')}
          search={text}
          onSearch={setText}
        />
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
              title={auditKind(open, t)}
              sub={`#${t.format.number(open.seq)} · ${open.kind}`}
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

/** What it was about stands out; what else is told of it follows, as far as there is room. */
function WhatCell({ record }: { record: AuditRecordView }): ReactNode {
  const [subject = '', ...rest] = auditParts(record);
  return (
    <div className="clip" title={auditLine(record)}>
      <span style={{ fontWeight: 520 }}>{subject}</span>
      <span className="quiet">{rest.map((part) => `  ·  ${part}`).join('')}</span>
    </div>
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
      cell: ({ row: { original } }) => (
        <span className="clip" title={original.kind}>
          {auditKind(original, t)}
        </span>
      ),
      meta: { width: '132px' },
    },
    {
      id: 'what',
      header: t('audit.what'),
      enableSorting: false,
      accessorFn: auditLine,
      cell: ({ row: { original } }) => <WhatCell record={original} />,
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
