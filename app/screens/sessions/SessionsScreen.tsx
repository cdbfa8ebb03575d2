/** What flows now: every session of this device, live; and what was refused. */
import { useState, type ReactNode } from 'react';
import { ToggleButton } from 'react-aria-components';
import type { SessionView } from '../../../main/api/views.ts';
import { Icon } from '../../parts/Icon.tsx';
import { ScreenHead } from '../../parts/ScreenHead.tsx';
import { Segments } from '../../parts/Segments.tsx';
import { useEngine } from '../../store/hooks.tsx';
import { selectSessions } from '../../store/selectors.ts';
import { useText } from '../../text/text.ts';
import { useRoute } from '../route.ts';
import { useRecords } from '../shared/use-records.ts';
import { FlowHead } from './FlowHead.tsx';
import { RefusedTable } from './RefusedTable.tsx';
import { sessionShows, SessionsTable, type Shown } from './SessionsTable.tsx';

const shownRefusals = 200;
const choices = ['all', 'open', 'agents', 'closed', 'refused'] as const;

export function SessionsScreen({ openId }: { openId: string | undefined }): ReactNode {
  const t = useText();
  const { route, narrow } = useRoute();
  const { query } = route;
  const live = useEngine(selectSessions);
  const refused = useRecords({ kind: 'verdict', decision: 'deny', limit: shownRefusals });
  const [frozen, setFrozen] = useState<readonly SessionView[] | undefined>();
  const sessions = frozen ?? live;
  const shown = choices.find((choice) => choice === query['show']) ?? 'all';
  const openCount = live?.filter(sessionShows.open).length ?? 0;
  const chooser = (
    <Segments
      label={t('sessions.show')}
      value={shown}
      onChange={(chosen) => narrow({ show: chosen === 'all' ? undefined : chosen })}
      segments={choices.map((value) => ({
        value,
        text: t(`sessions.show.${value}`),
        count: value === 'refused' ? (refused?.length ?? 0) : (sessions?.filter(sessionShows[value]).length ?? 0),
      }))}
    />
  );
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
        {shown === 'refused' ? (
          <RefusedTable records={refused} openSeq={openId} chooser={chooser} />
        ) : (
          <SessionsTable
            sessions={sessions}
            live={live}
            shown={shown satisfies Shown}
            openId={openId}
            chooser={chooser}
          />
        )}
      </div>
    </>
  );
}
