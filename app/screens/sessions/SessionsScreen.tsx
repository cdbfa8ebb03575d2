/** What flows now: every session of this device, live. */
import type { Row } from '@tanstack/react-table';
import { useCallback, useMemo, useState, type ReactNode } from 'react';
import { ToggleButton } from 'react-aria-components';
import type { SessionView } from '../../../main/api/views.ts';
import { Button } from '../../parts/Button.tsx';
import { DataTable } from '../../parts/DataTable.tsx';
import { Icon } from '../../parts/Icon.tsx';
import { Empty, SkeletonRows } from '../../parts/Pieces.tsx';
import { useNarrow } from '../../parts/use-narrow.ts';
import { useGroupedTable } from '../../parts/use-grouped-table.ts';
import { useAction, useEngine, usePreferences } from '../../store/hooks.tsx';
import { selectIdentities, selectSessions } from '../../store/selectors.ts';
import { useText } from '../../text/text.ts';
import { ListToolbar } from '../../parts/ListToolbar.tsx';
import { ProxyHint } from '../shared/ProxyHint.tsx';
import { ScreenHead } from '../../parts/ScreenHead.tsx';
import { useRoute } from '../route.ts';
import { FlowHead } from './FlowHead.tsx';
import { SessionDrawer } from './SessionDrawer.tsx';
import { sessionColumns } from './session-columns.tsx';
import { programText, searchableText } from './session-words.ts';

type Shown = 'all' | 'open' | 'agents' | 'closed';
const groupings = ['none', 'program', 'service', 'identity'] as const;

const shows: Readonly<Record<Shown, (session: SessionView) => boolean>> = {
  all: () => true,
  open: ({ state }) => state !== 'closed',
  agents: ({ app }) => app.agent !== undefined,
  closed: ({ state }) => state === 'closed',
};

/** Columns left out, and the width the table needs for those that stay. */
const layouts = {
  wide: { without: {}, minWidthPx: 960 },
  /** What flows, how fast and how to close it stay in sight; the rest is a press away. */
  narrow: { without: { identity: false, bytes: false }, minWidthPx: 640 },
  /** Only what tells rows apart keeps its column. */
  besideDrawer: { without: { identity: false, bytes: false, age: false, actions: false }, minWidthPx: 560 },
} as const;

export function SessionsScreen({ openId }: { openId: string | undefined }): ReactNode {
  const t = useText();
  const narrow = useNarrow();
  const { go } = useRoute();
  const act = useAction();
  const { density } = usePreferences();
  const live = useEngine(selectSessions);
  const [frozen, setFrozen] = useState<readonly SessionView[] | undefined>();
  const [search, setSearch] = useState('');
  const [shown, setShown] = useState<Shown>('all');
  const sessions = frozen ?? live;

  const rows = useMemo(() => {
    const words = search.trim().toLowerCase();
    const matches = (sessions ?? []).filter(
      (session) => shows[shown](session) && (words === '' || searchableText(session).includes(words)),
    );
    return matches;
  }, [sessions, search, shown]);

  const close = useCallback(
    (session: SessionView) =>
      void act(
        (client) => client.session.close({ ids: [session.id] }),
        t('session.closedOne', { service: session.service }),
      ),
    [act, t],
  );
  const columns = useMemo(() => sessionColumns(t, close), [t, close]);
  const open = live?.find((session) => session.id === openId);
  const layout = open !== undefined ? layouts.besideDrawer : narrow ? layouts.narrow : layouts.wide;
  const { table, grouping, setGrouping } = useGroupedTable<SessionView, (typeof groupings)[number]>({
    data: rows,
    columns,
    rowId: (session) => session.id,
    sortedBy: 'age',
    columnVisibility: layout.without,
  });

  const openCount = live?.filter(shows.open).length ?? 0;
  return (
    <>
      <ScreenHead
        title={t('sessions.title')}
        lead={sessions === undefined ? ' ' : t('sessions.lead', { open: openCount })}
      >
        <ToggleButton
          className="button toggle"
          isSelected={frozen !== undefined}
          onChange={(pause) => setFrozen(pause ? live : undefined)}
        >
          <Icon name={frozen === undefined ? 'pause' : 'play'} size={16} />
          {t(frozen === undefined ? 'sessions.pause' : 'sessions.resume')}
        </ToggleButton>
      </ScreenHead>
      <div className="screen-body">
        <FlowHead />
        <ListToolbar
          shownLabel={t('sessions.show')}
          shown={shown}
          onShown={setShown}
          segments={(['all', 'open', 'agents', 'closed'] as const).map((value) => ({
            value,
            text: t(`sessions.show.${value}`),
            count: sessions?.filter(shows[value]).length ?? 0,
          }))}
          groups={{
            label: t('sessions.group'),
            value: grouping,
            onChange: setGrouping,
            options: groupings.map((value) => ({ value, text: t(`sessions.group.${value}`) })),
          }}
          searchLabel={t('sessions.search')}
          search={search}
          onSearch={setSearch}
        />
        <div className="with-drawer" data-open={open === undefined ? undefined : ''}>
          {sessions === undefined ? (
            <SkeletonRows rows={8} heightPx={52} label={t('common.loading')} />
          ) : (
            <DataTable
              label={t('sessions.title')}
              table={table}
              rowHeightPx={density === 'compact' ? 44 : 52}
              minWidthPx={layout.minWidthPx}
              selectedId={open?.id}
              onOpen={(session) => go('sessions', session.id)}
              onRowKey={(key, session) => {
                if (key === 'Delete' && session.state !== 'closed') close(session);
              }}
              faded={(session) => session.state === 'closed'}
              groupTitle={(row) => <GroupTitle row={row} />}
              empty={<NoSessions filtered={sessions.length > 0} />}
            />
          )}
          {open === undefined ? null : <SessionDrawer session={open} onClose={() => go('sessions')} close={close} />}
        </div>
      </div>
    </>
  );
}

function GroupTitle({ row }: { row: Row<SessionView> }): ReactNode {
  const t = useText();
  const leaves = row.getLeafRows().map((leaf) => leaf.original);
  const bytes = leaves.reduce((sum, session) => sum + session.bytesReceived + session.bytesSent, 0);
  const first = leaves[0];
  const name =
    row.groupingColumnId === 'program' && first !== undefined ? programText(first, t) : String(row.groupingValue);
  return (
    <>
      {name}
      <span className="table-group-facts">
        {t('sessions.groupFacts', { open: leaves.filter(shows.open).length, bytes: t.format.bytes(bytes) })}
      </span>
    </>
  );
}

function NoSessions({ filtered }: { filtered: boolean }): ReactNode {
  const t = useText();
  const { go } = useRoute();
  const identities = useEngine(selectIdentities);
  return filtered ? (
    <Empty title={t('common.noMatchTitle')} text={t('sessions.noMatch')} icon="search" />
  ) : (
    <Empty title={t('sessions.emptyTitle')} text={t('sessions.emptyText')}>
      {identities?.length === 0 ? (
        <Button kind="primary" icon="plus" onPress={() => go('enrol')}>
          {t('identities.add')}
        </Button>
      ) : (
        <ProxyHint />
      )}
    </Empty>
  );
}
