/** The columns of the sessions table; live cells subscribe to their own figures, so a tick renders only them. */
import type { ColumnDef } from '@tanstack/react-table';
import type { ReactNode } from 'react';
import { defined } from '../../../main/base/defined.ts';
import type { SessionView } from '../../../main/api/views.ts';
import { Button } from '../../parts/Button.tsx';
import { useCurrentRow } from '../../parts/DataTable.tsx';
import { Icon } from '../../parts/Icon.tsx';
import { Status, TwoLines } from '../../parts/Pieces.tsx';
import { useNow, useRate } from '../../store/hooks.tsx';
import { useText, type Text } from '../../text/text.ts';
import { guardText } from '../shared/guard-words.ts';
import { ageMs, programSub, programText, sessionStateText, sessionTone } from './session-words.ts';

export function sessionColumns(t: Text, close: (session: SessionView) => void): ColumnDef<SessionView>[] {
  return [
    {
      id: 'program',
      header: t('session.program'),
      accessorFn: (session) => programText(session, t),
      cell: ({ row: { original } }) => <ProgramCell session={original} />,
      meta: { width: 'minmax(116px, 1.35fr)', card: 'main' },
    },
    {
      id: 'service',
      header: t('session.service'),
      accessorFn: (session) => session.service,
      cell: ({ row: { original } }) => <TwoLines main={original.service} sub={original.destination} />,
      meta: { width: 'minmax(116px, 1.35fr)' },
    },
    {
      id: 'identity',
      header: t('session.identity'),
      accessorFn: (session) => session.identity,
      cell: ({ row: { original } }) => (
        <TwoLines
          main={original.identity}
          sub={original.router === undefined ? '' : t('session.via', { router: original.router })}
        />
      ),
      meta: { width: 'minmax(112px, 1fr)', card: 'none' },
    },
    {
      id: 'state',
      header: t('session.stateTitle'),
      accessorFn: (session) => sessionStateText(session, t),
      cell: ({ row: { original } }) => <StateCell session={original} />,
      meta: { width: 'minmax(128px, 1.25fr)' },
    },
    {
      id: 'rate',
      header: t('session.rate'),
      enableSorting: false,
      accessorFn: () => 0,
      cell: ({ row: { original } }) => <RateCell session={original} />,
      meta: { width: '92px', align: 'end', card: 'none' },
    },
    {
      id: 'bytes',
      header: t('session.bytes'),
      accessorFn: (session) => session.bytesReceived + session.bytesSent,
      cell: ({ row: { original } }) => <BytesCell session={original} />,
      meta: { width: '84px', align: 'end', card: 'none' },
    },
    {
      id: 'age',
      header: t('session.age'),
      // newest first is what a person means by sorting ages, whatever the arrow says about time
      accessorFn: (session) => -Date.parse(session.startedAt),
      cell: ({ row: { original } }) => <AgeCell session={original} />,
      meta: { width: '66px', align: 'end', card: 'none' },
    },
    {
      id: 'actions',
      header: () => <span className="unseen">{t('common.actions')}</span>,
      enableSorting: false,
      accessorFn: () => 0,
      cell: ({ row: { original } }) => <CloseCell session={original} close={close} />,
      meta: { width: '58px', align: 'end', card: 'side' },
    },
  ];
}

function ProgramCell({ session }: { session: SessionView }): ReactNode {
  const t = useText();
  const programPath = session.app.script ?? session.app.path;
  return (
    <div style={{ display: 'flex', alignItems: 'center', gap: 10, minWidth: 0 }}>
      <span className="program-mark" data-agent={session.app.agent === undefined ? undefined : ''} aria-hidden="true">
        <Icon
          name={session.direction === 'host' ? 'services' : session.app.agent === undefined ? 'file' : 'agents'}
          size={16}
        />
      </span>
      <TwoLines main={programText(session, t)} sub={programSub(session, t)} {...defined({ title: programPath })} />
    </div>
  );
}

function StateCell({ session }: { session: SessionView }): ReactNode {
  const t = useText();
  const sub = session.state === 'closed' ? session.closeReason : session.guard === 'none' ? '' : guardLine(session, t);
  return (
    <TwoLines
      main={<Status tone={sessionTone(session)}>{sessionStateText(session, t)}</Status>}
      sub={sub === undefined || sub === '' ? '' : <span style={{ paddingLeft: 15 }}>{sub}</span>}
    />
  );
}

function guardLine(session: SessionView, t: Text): string {
  if (session.mcp === undefined) return guardText(session.guard, t);
  return t('session.calls', { calls: session.mcp.calls, denied: session.mcp.denied });
}

function RateCell({ session }: { session: SessionView }): ReactNode {
  const { format } = useText();
  const rate = useRate(session.id);
  if (session.state === 'closed' || (rate.sent === 0 && rate.received === 0)) return <span className="quiet">–</span>;
  return (
    <span className="rate">
      <span>
        {format.rate(rate.received)} <span className="arrow-down">↓</span>
      </span>
      <span className="quiet">
        {format.rate(rate.sent)} <span className="arrow-up">↑</span>
      </span>
    </span>
  );
}

function BytesCell({ session }: { session: SessionView }): ReactNode {
  const { format } = useText();
  return (
    <span className="rate">
      <span>{format.bytes(session.bytesReceived)}</span>
      <span className="quiet">{format.bytes(session.bytesSent)}</span>
    </span>
  );
}

function AgeCell({ session }: { session: SessionView }): ReactNode {
  const { format } = useText();
  return format.span(ageMs(session, useNow()));
}

function CloseCell({ session, close }: { session: SessionView; close: (session: SessionView) => void }): ReactNode {
  const t = useText();
  const current = useCurrentRow();
  if (session.state === 'closed') return null;
  return (
    <Button
      size="small"
      kind="quiet-danger"
      excludeFromTabOrder={!current}
      aria-label={t('session.closeOne', { service: session.service })}
      onPress={() => close(session)}
    >
      {t('common.close')}
    </Button>
  );
}
