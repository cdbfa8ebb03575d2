/** The list of sessions: found by words, narrowed to an agent, grouped; one of them beside it. */
import type { Row } from '@tanstack/react-table';
import { useCallback, useMemo, type ReactNode } from 'react';
import { Button as AriaButton } from 'react-aria-components';
import type { SessionView } from '../../../main/api/views.ts';
import { Button } from '../../parts/Button.tsx';
import { DataTable } from '../../parts/DataTable.tsx';
import { Choice, Search } from '../../parts/Fields.tsx';
import { Icon } from '../../parts/Icon.tsx';
import { Empty, SkeletonRows } from '../../parts/Pieces.tsx';
import { useGroupedTable } from '../../parts/use-grouped-table.ts';
import { useNarrow } from '../../parts/use-narrow.ts';
import { useAction, useEngine, usePreferences } from '../../store/hooks.tsx';
import { selectIdentities } from '../../store/selectors.ts';
import { useText } from '../../text/text.ts';
import { useRoute } from '../route.ts';
import { ProxyHint } from '../shared/ProxyHint.tsx';
import { SessionDrawer } from './SessionDrawer.tsx';
import { sessionColumns } from './session-columns.tsx';
import { programText, searchableText } from './session-words.ts';

/** Which sessions are shown. */
export type Shown = 'all' | 'open' | 'agents' | 'closed';
const groupings = ['none', 'program', 'service', 'identity'] as const;

/** Whether a session belongs to what is shown. */
export const sessionShows: Readonly<Record<Shown, (session: SessionView) => boolean>> = {
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

/** Sessions as rows: open ones and those closed lately, each with what closes it. */
export function SessionsTable({
  sessions,
  live,
  shown,
  openId,
  chooser,
}: {
  /** What is listed; held still while paused. */
  sessions: readonly SessionView[] | undefined;
  live: readonly SessionView[] | undefined;
  shown: Shown;
  openId: string | undefined;
  chooser: ReactNode;
}): ReactNode {
  const t = useText();
  const narrowWindow = useNarrow();
  const { route, go, narrow } = useRoute();
  const act = useAction();
  const { density } = usePreferences();
  const { text = '', agent } = route.query;
  const rows = useMemo(() => {
    const words = text.trim().toLowerCase();
    return (sessions ?? []).filter(
      (session) =>
        sessionShows[shown](session) &&
        (agent === undefined || session.app.agent === agent) &&
        (words === '' || searchableText(session).includes(words)),
    );
  }, [sessions, text, shown, agent]);
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
  const layout = open !== undefined ? layouts.besideDrawer : narrowWindow ? layouts.narrow : layouts.wide;
  const { table, grouping, setGrouping } = useGroupedTable<SessionView, (typeof groupings)[number]>({
    data: rows,
    columns,
    rowId: (session) => session.id,
    sortedBy: 'age',
    columnVisibility: layout.without,
  });
  return (
    <>
      <div className="toolbar">
        {chooser}
        {agent === undefined ? null : (
          <AriaButton className="chip" onPress={() => narrow({ agent: undefined })}>
            {t('sessions.onlyAgent', { agent })}
            <Icon name="close" size={12} />
          </AriaButton>
        )}
        <div className="toolbar-end">
          <Choice
            label={t('sessions.group')}
            hideLabel
            value={grouping}
            onChange={setGrouping}
            options={groupings.map((value) => ({ value, text: t(`sessions.group.${value}`) }))}
          />
          <Search label={t('sessions.search')} value={text} onChange={(typed) => narrow({ text: typed })} />
        </div>
      </div>
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
        {t('sessions.groupFacts', { open: leaves.filter(sessionShows.open).length, bytes: t.format.bytes(bytes) })}
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
