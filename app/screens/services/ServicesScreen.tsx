/** What this device may dial and hosts, each service with one status in words. */
import { useMemo, useState, type ReactNode } from 'react';
import { serviceKey } from '../../../main/api/state.ts';
import type { ServiceView } from '../../../main/api/views.ts';
import { Button } from '../../parts/Button.tsx';
import { DataTable } from '../../parts/DataTable.tsx';
import { Empty, SkeletonRows } from '../../parts/Pieces.tsx';
import { useGroupedTable } from '../../parts/use-grouped-table.ts';
import { useEngine, usePreferences } from '../../store/hooks.tsx';
import { selectIdentities, selectServices } from '../../store/selectors.ts';
import { useText } from '../../text/text.ts';
import { ListToolbar } from '../../parts/ListToolbar.tsx';
import { ScreenHead } from '../../parts/ScreenHead.tsx';
import { FirstSteps } from '../frame/FirstSteps.tsx';
import { useRoute } from '../route.ts';
import { ServiceDrawer } from './ServiceDrawer.tsx';
import { serviceColumns } from './service-columns.tsx';
import { needsAttention, searchableService } from './service-words.ts';
import { WhyDialog } from './WhyDialog.tsx';

const keyOf = ({ identity, id }: ServiceView): string => serviceKey(identity, id);

type Shown = 'all' | 'attention' | 'dial' | 'hosted';
const choices = ['all', 'attention', 'dial', 'hosted'] as const;
const groupings = ['none', 'workgroup', 'identity', 'status'] as const;

const shows: Readonly<Record<Shown, (service: ServiceView) => boolean>> = {
  all: () => true,
  attention: needsAttention,
  dial: ({ permissions }) => permissions.includes('Dial'),
  hosted: ({ permissions }) => permissions.includes('Bind'),
};

const everyColumn = { workgroup: false };
/** Beside the drawer only what tells rows apart keeps its column. */
const besideDrawer = { workgroup: false, terms: false, sessions: false };

export function ServicesScreen({ openKey }: { openKey: string | undefined }): ReactNode {
  const t = useText();
  const { route, go, narrow } = useRoute();
  const { density } = usePreferences();
  const services = useEngine(selectServices);
  const identities = useEngine(selectIdentities);
  const search = route.query['text'] ?? '';
  const shown = choices.find((choice) => choice === route.query['show']) ?? 'all';
  const [asking, setAsking] = useState(false);
  const counts = useMemo(() => countEach(services ?? []), [services]);
  const rows = useMemo(() => {
    const words = search.trim().toLowerCase();
    return (services ?? []).filter(
      (service) => shows[shown](service) && (words === '' || searchableService(service).includes(words)),
    );
  }, [services, search, shown]);
  const columns = useMemo(() => serviceColumns(t), [t]);
  const open = openKey === undefined ? undefined : services?.find((service) => keyOf(service) === openKey);
  const { table, grouping, setGrouping } = useGroupedTable<ServiceView, (typeof groupings)[number]>({
    data: rows,
    columns,
    rowId: keyOf,
    sortedBy: 'name',
    columnVisibility: open === undefined ? everyColumn : besideDrawer,
  });

  return (
    <>
      <ScreenHead
        title={t('services.title')}
        lead={
          services === undefined ? ' ' : t('services.lead', { count: services.length, attention: counts.attention })
        }
      >
        <Button icon="question" onPress={() => setAsking(true)}>
          {t('why.ask')}
        </Button>
      </ScreenHead>
      <div className="screen-body">
        <FirstSteps />
        <ListToolbar
          shownLabel={t('services.show')}
          shown={shown}
          onShown={(chosen) => narrow({ show: chosen === 'all' ? undefined : chosen })}
          segments={choices.map((value) => ({
            value,
            text: t(`services.show.${value}`),
            count: counts[value],
          }))}
          groups={{
            label: t('services.group'),
            value: grouping,
            onChange: setGrouping,
            options: groupings.map((value) => ({ value, text: t(`services.group.${value}`) })),
          }}
          searchLabel={t('services.search')}
          search={search}
          onSearch={(text) => narrow({ text })}
        />
        <div className="with-drawer" data-open={open === undefined ? undefined : ''}>
          {services === undefined ? (
            <SkeletonRows rows={8} heightPx={52} label={t('common.loading')} />
          ) : (
            <DataTable
              label={t('services.title')}
              table={table}
              rowHeightPx={density === 'compact' ? 44 : 52}
              minWidthPx={open === undefined ? 820 : 560}
              selectedId={openKey}
              onOpen={(service) => go('services', keyOf(service))}
              groupTitle={(row) => (
                <>
                  {row.groupingColumnId === 'status' && row.subRows[0] !== undefined
                    ? t(`service.status.${row.subRows[0].original.status}`)
                    : String(row.groupingValue)}
                  <span className="table-group-facts">{t('services.groupFacts', { count: row.subRows.length })}</span>
                </>
              )}
              empty={
                services.length > 0 ? (
                  <Empty title={t('common.noMatchTitle')} text={t('services.noMatch')} icon="search" />
                ) : identities?.length === 0 ? (
                  <Empty title={t('services.emptyTitle')} text={t('services.firstText')}>
                    <Button kind="primary" icon="plus" onPress={() => go('enrol')}>
                      {t('identities.add')}
                    </Button>
                  </Empty>
                ) : (
                  <Empty title={t('services.emptyTitle')} text={t('services.emptyText')} />
                )
              }
            />
          )}
          {open === undefined ? null : <ServiceDrawer key={openKey} service={open} onClose={() => go('services')} />}
        </div>
      </div>
      {asking ? <WhyDialog onClose={() => setAsking(false)} /> : null}
    </>
  );
}

function countEach(services: readonly ServiceView[]): Record<Shown, number> {
  const counts = { all: services.length, attention: 0, dial: 0, hosted: 0 };
  for (const service of services) {
    if (shows.attention(service)) counts.attention += 1;
    if (shows.dial(service)) counts.dial += 1;
    if (shows.hosted(service)) counts.hosted += 1;
  }
  return counts;
}
