/** The columns of the journal's table. */
import type { ColumnDef } from '@tanstack/react-table';
import type { ReactNode } from 'react';
import type { AuditRecordView } from '../../../main/api/record-views.ts';
import { Tag } from '../../parts/Pieces.tsx';
import type { Text } from '../../text/text.ts';
import { auditDecision, auditKind, auditLine, auditParts } from './audit-words.ts';

/** @param day the day it is now, so that "yesterday" is said anew at midnight. */
export function auditColumns(
  t: Text,
  { utc, day }: { readonly utc: boolean; readonly day: string },
): ColumnDef<AuditRecordView>[] {
  return [
    {
      id: 'seq',
      header: t('audit.seq'),
      enableSorting: false,
      // newest first
      accessorFn: ({ seq }) => -seq,
      cell: ({ row: { original } }) => <span className="quiet">{t.format.number(original.seq)}</span>,
      meta: { width: '64px', card: 'none' },
    },
    {
      id: 'at',
      header: t('audit.atZone', { zone: t.format.zone(utc) }),
      enableSorting: false,
      accessorFn: ({ at }) => at,
      cell: ({ row: { original } }) => (
        <time dateTime={original.at} title={t.format.instant(original.at, utc)}>
          {t.format.recently(original.at, Date.parse(day), utc)}
        </time>
      ),
      meta: { width: '178px' },
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
      meta: { width: '132px', card: 'main' },
    },
    {
      id: 'what',
      header: t('audit.what'),
      enableSorting: false,
      accessorFn: auditLine,
      cell: ({ row: { original } }) => <WhatCell record={original} />,
      meta: { width: 'minmax(180px, 2fr)' },
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
      meta: { width: '86px', card: 'side' },
    },
    { id: 'session', accessorFn: fieldOf('session'), meta: { width: '0' } },
    { id: 'agent', accessorFn: fieldOf('agent'), meta: { width: '0' } },
  ];
}

function fieldOf(name: string): (record: AuditRecordView) => string {
  return (record) => (typeof record[name] === 'string' ? record[name] : '');
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
