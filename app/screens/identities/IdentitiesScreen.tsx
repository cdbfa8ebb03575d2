/** Who this device can be: every enrolled identity, its state and its keys. */
import {
  getCoreRowModel,
  getSortedRowModel,
  useReactTable,
  type ColumnDef,
  type SortingState,
} from '@tanstack/react-table';
import { useMemo, useState, type ReactNode } from 'react';
import type { IdentityView } from '../../../main/api/views.ts';
import { Button } from '../../parts/Button.tsx';
import { DataTable } from '../../parts/DataTable.tsx';
import { Search, Switch } from '../../parts/Fields.tsx';
import { Empty, SkeletonRows, Status, TwoLines } from '../../parts/Pieces.tsx';
import { useAction, useEngine, useNow, usePreferences } from '../../store/hooks.tsx';
import { selectIdentities } from '../../store/selectors.ts';
import { useText, type Text } from '../../text/text.ts';
import { ScreenHead } from '../../parts/ScreenHead.tsx';
import { useRoute } from '../route.ts';
import { IdentityDrawer } from './IdentityDrawer.tsx';
import { expiryTone, identityTone } from './identity-words.ts';

const everyColumn = {};
/** Beside the drawer only what tells rows apart keeps its column. */
const besideDrawer = { enabled: false };

export function IdentitiesScreen({ openName }: { openName: string | undefined }): ReactNode {
  const t = useText();
  const { density } = usePreferences();
  const { go } = useRoute();
  const identities = useEngine(selectIdentities);
  const [search, setSearch] = useState('');
  const [sorting, setSorting] = useState<SortingState>([{ id: 'name', desc: false }]);
  const rows = useMemo(() => {
    const words = search.trim().toLowerCase();
    return (identities ?? []).filter(({ name, controller }) => `${name}\n${controller}`.toLowerCase().includes(words));
  }, [identities, search]);
  const columns = useMemo(() => identityColumns(t), [t]);
  const open = identities?.find(({ name }) => name === openName);
  const table = useReactTable({
    data: rows,
    columns,
    getRowId: ({ name }) => name,
    state: { sorting, columnVisibility: open === undefined ? everyColumn : besideDrawer },
    onSortingChange: setSorting,
    autoResetAll: false,
    getCoreRowModel: getCoreRowModel(),
    getSortedRowModel: getSortedRowModel(),
  });
  const ready = identities?.filter(({ state }) => state === 'ready').length ?? 0;
  return (
    <>
      <ScreenHead
        title={t('identities.title')}
        lead={identities === undefined ? ' ' : t('identities.lead', { count: identities.length, ready })}
      >
        <Search label={t('identities.search')} value={search} onChange={setSearch} />
        <Button kind="primary" icon="plus" onPress={() => go('enrol')}>
          {t('identities.add')}
        </Button>
      </ScreenHead>
      <div className="screen-body">
        <div className="with-drawer" data-open={open === undefined ? undefined : ''}>
          {identities === undefined ? (
            <SkeletonRows rows={3} heightPx={60} label={t('common.loading')} />
          ) : (
            <DataTable
              label={t('identities.title')}
              table={table}
              rowHeightPx={density === 'compact' ? 44 : 52}
              minWidthPx={open === undefined ? 820 : 560}
              selectedId={openName}
              onOpen={({ name }) => go('identities', name)}
              faded={({ state }) => state === 'disabled'}
              empty={
                identities.length > 0 ? (
                  <Empty title={t('common.noMatchTitle')} text={t('identities.noMatch')} icon="search" />
                ) : (
                  <Empty title={t('identities.emptyTitle')} text={t('services.firstText')} icon="identities">
                    <Button kind="primary" icon="plus" onPress={() => go('enrol')}>
                      {t('identities.add')}
                    </Button>
                  </Empty>
                )
              }
            />
          )}
          {open === undefined ? null : (
            <IdentityDrawer key={open.name} identity={open} onClose={() => go('identities')} />
          )}
        </div>
      </div>
    </>
  );
}

function identityColumns(t: Text): ColumnDef<IdentityView>[] {
  return [
    {
      id: 'name',
      header: t('identity.name'),
      accessorFn: ({ name }) => name,
      cell: ({ row: { original } }) => (
        <TwoLines main={original.name} sub={original.controller.replace(/^https:\/\//, '')} />
      ),
      meta: { width: 'minmax(180px, 1.5fr)', card: 'main' },
    },
    {
      id: 'state',
      header: t('identity.stateTitle'),
      accessorFn: ({ state }) => state,
      cell: ({ row: { original } }) => (
        <TwoLines
          main={<Status tone={identityTone(original)}>{t(`identity.state.${original.state}`)}</Status>}
          sub={
            <span style={{ paddingLeft: 15 }}>
              {nextStep(original, t) ??
                t('identity.reach', { dial: original.services.dial, bind: original.services.bind })}
            </span>
          }
        />
      ),
      meta: { width: 'minmax(190px, 1.6fr)' },
    },
    {
      id: 'key',
      header: t('identity.key'),
      accessorFn: ({ keystore }) => keystore,
      cell: ({ row: { original } }) => (
        <TwoLines main={t(`keystore.${original.keystore}`)} sub={t(`scope.${original.scope}`)} />
      ),
      meta: { width: 'minmax(120px, 1fr)', card: 'none' },
    },
    {
      id: 'expiry',
      header: t('identity.expiry'),
      accessorFn: ({ certExpiresAt }) => certExpiresAt ?? '',
      cell: ({ row: { original } }) => <ExpiryCell identity={original} />,
      meta: { width: 'minmax(110px, 0.9fr)', card: 'none' },
    },
    {
      id: 'enabled',
      header: t('identity.on'),
      enableSorting: false,
      accessorFn: () => '',
      cell: ({ row: { original } }) => <EnabledCell identity={original} />,
      meta: { width: '56px', align: 'end', card: 'side' },
    },
  ];
}

/** What to do about its state, or why it is so. */
function nextStep(identity: IdentityView, t: Text): string | undefined {
  if (identity.reason === undefined) return undefined;
  const { sentence, next } = t.reason(identity.reason, { identity: identity.name });
  return next ?? sentence;
}

function ExpiryCell({ identity }: { identity: IdentityView }): ReactNode {
  const t = useText();
  const nowMs = useNow();
  const at = identity.certExpiresAt;
  if (at === undefined) return <span className="quiet">–</span>;
  const tone = expiryTone(at, nowMs);
  return (
    <TwoLines
      main={
        tone === 'plain' ? t.format.relative(at, nowMs) : <Status tone={tone}>{t.format.relative(at, nowMs)}</Status>
      }
      sub={t.format.date(at)}
    />
  );
}

/** Shows what the engine says, not what was asked: it moves when the state has. */
function EnabledCell({ identity }: { identity: IdentityView }): ReactNode {
  const t = useText();
  const act = useAction();
  const [pending, setPending] = useState(false);
  const { name } = identity;
  return (
    <Switch
      label={t('identity.enabledLabel', { name })}
      hideLabel
      selected={identity.state !== 'disabled'}
      disabled={pending}
      onChange={(on) => {
        setPending(true);
        void act(
          (client) => (on ? client.identity.enable({ name }) : client.identity.disable({ name })),
          t(on ? 'identity.enabled' : 'identity.disabled', { name }),
        ).finally(() => setPending(false));
      }}
    />
  );
}
