/** The columns of the services table. */
import type { ColumnDef } from '@tanstack/react-table';
import type { ReactNode } from 'react';
import type { ServiceView } from '../../../main/api/views.ts';
import { Icon } from '../../parts/Icon.tsx';
import { Status, Tag, TwoLines } from '../../parts/Pieces.tsx';
import { useText, type Text } from '../../text/text.ts';
import { guardText } from '../shared/guard-words.ts';
import { aboutService, addressLine, serviceTone } from './service-words.ts';

export function serviceColumns(t: Text): ColumnDef<ServiceView>[] {
  return [
    {
      id: 'name',
      header: t('service.name'),
      accessorFn: (service) => service.name,
      cell: ({ row: { original } }) => (
        <TwoLines main={original.name} sub={addressLine(original)} title={original.addresses.join('\n')} />
      ),
      meta: { width: 'minmax(170px, 1.2fr)', card: 'main' },
    },
    {
      id: 'status',
      header: t('service.statusTitle'),
      accessorFn: (service) => service.status,
      cell: ({ row: { original } }) => <StatusCell service={original} />,
      meta: { width: 'minmax(210px, 2fr)' },
    },
    {
      id: 'identity',
      header: t('service.identity'),
      accessorFn: (service) => service.identity,
      cell: ({ row: { original } }) => <TwoLines main={original.identity} sub={original.workgroups.join(', ')} />,
      meta: { width: 'minmax(120px, 1fr)', card: 'none' },
    },
    {
      id: 'terms',
      header: t('service.terms'),
      enableSorting: false,
      accessorFn: () => '',
      cell: ({ row: { original } }) => <TermsCell service={original} />,
      meta: { width: 'minmax(130px, 1fr)', card: 'none' },
    },
    {
      id: 'sessions',
      header: t('service.sessions'),
      accessorFn: (service) => service.openSessions,
      cell: ({ row: { original } }) =>
        original.openSessions === 0 ? <span className="quiet">–</span> : t.format.number(original.openSessions),
      meta: { width: '70px', align: 'end', card: 'side' },
    },
    {
      // hidden; here so that rows can be grouped by it
      id: 'workgroup',
      accessorFn: (service) => service.workgroups[0] ?? t('services.noWorkgroup'),
      meta: { width: '0' },
    },
  ];
}

function StatusCell({ service }: { service: ServiceView }): ReactNode {
  const t = useText();
  const reason = service.reason === undefined ? undefined : t.reason(service.reason, aboutService(service));
  const sub =
    reason?.next ??
    reason?.sentence ??
    (service.hosted === undefined ? '' : t('service.hostedFacts', { terminators: service.hosted.terminators }));
  return (
    <TwoLines
      main={<Status tone={serviceTone(service)}>{t(`service.status.${service.status}`)}</Status>}
      sub={sub === '' ? '' : <span style={{ paddingLeft: 15 }}>{sub}</span>}
      {...(sub === '' ? {} : { title: sub })}
    />
  );
}

function TermsCell({ service }: { service: ServiceView }): ReactNode {
  const t = useText();
  return (
    <div className="tags" style={{ flexWrap: 'nowrap', overflow: 'hidden' }}>
      {service.permissions.includes('Dial') ? <Tag>{t('permission.Dial')}</Tag> : null}
      {service.permissions.includes('Bind') ? <Tag>{t('permission.Bind')}</Tag> : null}
      {service.contract === undefined ? null : (
        <Tag tone="water">
          <Icon name="policy" size={12} />
          {service.contract.guard === 'none' ? t('service.contract') : guardText(service.contract.guard, t)}
        </Tag>
      )}
    </div>
  );
}
