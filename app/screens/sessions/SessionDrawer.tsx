/** One session whole: what admitted it, what is left of its contract, what happened in it, and how to end it. */
import { useState, type ReactNode } from 'react';
import type { SessionView, TimelineEntry } from '../../../main/api/views.ts';
import { Button } from '../../parts/Button.tsx';
import { Confirm } from '../../parts/Dialogs.tsx';
import { CopyButton } from '../../parts/CopyButton.tsx';
import { Drawer } from '../../parts/Drawer.tsx';
import type { IconName } from '../../parts/Icon.tsx';
import { ActionMenu } from '../../parts/Menu.tsx';
import { Facts, Meter, Notice, Section, Tag } from '../../parts/Pieces.tsx';
import { Track, type TrackItem } from '../../parts/Track.tsx';
import { useAction, useEngine, useNow } from '../../store/hooks.tsx';
import { programKey, selectServices } from '../../store/selectors.ts';
import { useText, type Text } from '../../text/text.ts';
import { AttendDialog } from '../approvals/AttendDialog.tsx';
import { guardText } from '../shared/guard-words.ts';
import { contractShares } from './contract-shares.ts';
import { GuardCalls } from './GuardCalls.tsx';
import { aboutSession, ageMs, closeText, programText, sessionStateText, sessionTone } from './session-words.ts';

export function SessionDrawer({
  session,
  onClose,
  close,
}: {
  session: SessionView;
  onClose: () => void;
  close: (session: SessionView) => void;
}): ReactNode {
  const t = useText();
  const program = programText(session, t);
  return (
    <Drawer
      title={session.service}
      sub={t('session.drawerSub', { program, identity: session.identity })}
      onClose={onClose}
      foot={<DrawerActions session={session} close={close} />}
    >
      <div className="stack">
        <div className="tags">
          <Tag tone={session.state === 'closed' ? (sessionTone(session) === 'bad' ? 'bad' : 'warn') : 'water'}>
            {sessionStateText(session, t)}
          </Tag>
          {session.guard === 'none' ? null : <Tag>{guardText(session.guard, t)}</Tag>}
          {session.observed === undefined ? null : (
            <Tag tone="warn">{t('session.observed', { calls: session.observed })}</Tag>
          )}
          <Tag {...(session.encrypted ? {} : { tone: 'warn' as const })}>
            {t(session.encrypted ? 'session.encrypted' : 'session.notEncrypted')}
          </Tag>
        </div>
        {session.closeReason === undefined ? null : (
          <Notice tone={sessionTone(session) === 'bad' ? 'bad' : 'info'}>
            {closeText(session, t)} <code className="quiet">{session.closeReason}</code>
          </Notice>
        )}
      </div>
      <ContractMeters session={session} />
      <Section title={t('session.admission')}>
        <p>{t.reason(session.decision, aboutSession(session)).sentence}</p>
        {session.decision.rule === undefined ? null : <code className="quiet">{session.decision.rule}</code>}
      </Section>
      <SessionFacts session={session} />
      <GuardCalls session={session} />
      <Section title={t('session.timeline')}>
        <Track label={t('session.timeline')} items={timelineItems(session, t)} />
      </Section>
    </Drawer>
  );
}

function ContractMeters({ session }: { session: SessionView }): ReactNode {
  const t = useText();
  const services = useEngine(selectServices);
  const nowMs = useNow();
  const contract = services?.find((one) => one.name === session.service && one.identity === session.identity)?.contract;
  const shares = contractShares(session, contract, nowMs);
  if (shares.length === 0) return null;
  return (
    <Section title={t('session.contractLeft')}>
      {shares.map(({ kind, left, share }) => (
        <Meter
          key={kind}
          label={t(`session.left.${kind}`)}
          value={
            kind === 'seconds'
              ? t.format.span(left * 1000)
              : kind === 'bytes'
                ? t.format.bytes(left)
                : t.format.number(left)
          }
          share={share}
        />
      ))}
    </Section>
  );
}

function SessionFacts({ session }: { session: SessionView }): ReactNode {
  const t = useText();
  const nowMs = useNow();
  const { app } = session;
  return (
    <Section title={t('session.facts')}>
      <Facts
        items={[
          [
            t('session.destination'),
            <span className="copyable">
              <span className="mono">{session.destination}</span>
              <CopyButton text={session.destination} what={t('session.destination')} />
            </span>,
          ],
          [t('session.source'), <span className="mono">{session.source}</span>],
          [t('session.path'), app.path === undefined ? undefined : <span className="mono">{app.path}</span>],
          [t('session.script'), app.script === undefined ? undefined : <span className="mono">{app.script}</span>],
          [t('session.user'), app.user],
          [t('session.process'), app.pid],
          [t('session.attribution'), t(`attribution.${app.attribution}`)],
          [t('session.container'), app.container],
          [t('session.router'), session.router],
          [t('session.protocol'), session.protocol.toUpperCase()],
          [t('session.received'), t.format.bytes(session.bytesReceived)],
          [t('session.sent'), t.format.bytes(session.bytesSent)],
          [t('session.started'), t.format.dateTime(session.startedAt)],
          [t('session.age'), t.format.span(ageMs(session, nowMs))],
          [
            t('session.id'),
            <span className="copyable">
              <span className="mono">{session.id}</span>
              <CopyButton text={session.id} what={t('session.id')} />
            </span>,
          ],
        ]}
      />
    </Section>
  );
}

function DrawerActions({ session, close }: { session: SessionView; close: (session: SessionView) => void }): ReactNode {
  const t = useText();
  const act = useAction();
  const [asking, setAsking] = useState<{ title: string; text: string; action: string; run: () => Promise<unknown> }>();
  const [attending, setAttending] = useState(false);
  const app = programKey(session);
  const program = programText(session, t);
  const quarantine = (subject: string, name: string) => (): void =>
    setAsking({
      title: t('quarantine.askTitle', { name }),
      text: t('quarantine.askText'),
      action: t('quarantine.add'),
      run: () => act((client) => client.quarantine.add({ subject }), t('quarantine.added', { name })),
    });
  return (
    <>
      {session.state === 'closed' ? null : (
        <Button kind="danger" icon="close" onPress={() => close(session)}>
          {t('session.close')}
        </Button>
      )}
      {session.direction === 'host' && session.state === 'open' ? (
        <Button onPress={() => setAttending(true)}>{t('approvals.attend')}</Button>
      ) : null}
      {attending ? (
        <AttendDialog
          id={session.id}
          what={session.service}
          cut={() => act((client) => client.session.close({ ids: [session.id] }))}
          onClose={() => setAttending(false)}
        />
      ) : null}
      {app === undefined || session.direction === 'host' ? null : (
        <Button
          aria-label={t('session.closeAllOf', { program })}
          onPress={() =>
            setAsking({
              title: t('session.closeAllTitle', { program }),
              text: t('session.closeAllText'),
              action: t('session.closeAll'),
              run: () => act((client) => client.session.closeApp({ app }), t('session.closedAll', { program })),
            })
          }
        >
          {t('session.closeAll')}
        </Button>
      )}
      <span style={{ marginLeft: 'auto' }}>
        <ActionMenu
          label={t('quarantine.menu')}
          actions={[
            ...(app === undefined
              ? []
              : [{ id: 'app', text: t('quarantine.of', { name: program }), run: quarantine(`app:${app}`, program) }]),
            {
              id: 'service',
              text: t('quarantine.of', { name: session.service }),
              run: quarantine(`service:${session.service}`, session.service),
            },
            {
              id: 'identity',
              text: t('quarantine.of', { name: session.identity }),
              run: quarantine(`identity:${session.identity}`, session.identity),
            },
          ]}
        />
      </span>
      {asking === undefined ? null : (
        <Confirm
          title={asking.title}
          text={asking.text}
          action={asking.action}
          danger
          act={asking.run}
          onClose={() => setAsking(undefined)}
        />
      )}
    </>
  );
}

const timelineIcons: Readonly<Record<TimelineEntry['kind'], IconName>> = {
  admitted: 'shield',
  dialled: 'arrow',
  opened: 'link',
  'half-closed': 'minus',
  call: 'tool',
  violation: 'cross',
  alert: 'warning',
  closed: 'close',
};

function momentText(entry: TimelineEntry, session: SessionView, t: Text): string {
  if (entry.kind === 'closed') return closeText(session, t);
  const { code, text: sentence, details } = entry;
  return t.reason({ code, sentence, details }, aboutSession(session)).sentence;
}

function timelineItems(session: SessionView, t: Text): TrackItem[] {
  return (session.timeline ?? []).map((entry, index) => ({
    key: `${entry.at}-${index}`,
    icon: timelineIcons[entry.kind],
    tone:
      entry.kind === 'violation' || entry.call?.decision === 'deny' ? 'bad' : entry.kind === 'alert' ? 'warn' : 'plain',
    title: t(`timeline.${entry.kind}`),
    text: momentText(entry, session, t),
    aside: t.format.time(entry.at),
  }));
}
