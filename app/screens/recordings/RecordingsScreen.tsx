/** Sessions of services hosted here that were recorded: what was done in each, and its packets to take along. */
import { useCallback, useState, type ReactNode } from 'react';
import type { RecordingView } from '../../../main/api/floor-views.ts';
import { Button } from '../../parts/Button.tsx';
import { Drawer } from '../../parts/Drawer.tsx';
import { Empty, Facts, Section, SkeletonRows, Tag } from '../../parts/Pieces.tsx';
import { saveBlob } from '../../parts/save.ts';
import { ScreenHead } from '../../parts/ScreenHead.tsx';
import { useAction, useStores } from '../../store/hooks.tsx';
import { useText, type Text } from '../../text/text.ts';
import { useRoute } from '../route.ts';
import { useOnRecords } from '../shared/use-records.ts';

type Operation = Readonly<Record<string, unknown>>;

export function RecordingsScreen({ openSession }: { openSession: string | undefined }): ReactNode {
  const t = useText();
  const { go } = useRoute();
  const { engine } = useStores();
  const [recordings, setRecordings] = useState<readonly RecordingView[]>();
  const load = useCallback(async (): Promise<void> => {
    try {
      const found = await engine.client.record.list();
      setRecordings([...found].sort((a, b) => b.startedAt.localeCompare(a.startedAt)));
    } catch {
      // The link banner tells of a lost engine.
    }
  }, [engine]);
  useOnRecords(load);
  const open = recordings?.find(({ session }) => session === openSession);
  return (
    <>
      <ScreenHead
        title={t('recordings.title')}
        lead={recordings === undefined ? ' ' : t('recordings.lead', { count: recordings.length })}
      />
      <div className="screen-body">
        <div className="with-drawer" data-open={open === undefined ? undefined : ''}>
          {recordings === undefined ? (
            <SkeletonRows rows={4} heightPx={52} label={t('common.loading')} />
          ) : recordings.length === 0 ? (
            <Empty title={t('recordings.emptyTitle')} text={t('recordings.emptyText')} icon="record" />
          ) : (
            <div className="screen-scroll">
              <ul className="card line-list recordings" aria-label={t('recordings.title')}>
                {recordings.map((recording) => (
                  <li key={recording.session} data-open={recording === open ? '' : undefined}>
                    <div style={{ minWidth: 0 }}>
                      <div className="clip" style={{ fontWeight: 560 }}>
                        {recording.service}
                      </div>
                      <div className="quiet clip">
                        {t('recordings.facts', {
                          caller: recording.caller,
                          when: t.format.dateTime(recording.startedAt),
                          calls: recording.calls ?? 0,
                        })}
                      </div>
                    </div>
                    {recording.endedAt === undefined ? <Tag tone="water">{t('recordings.running')}</Tag> : null}
                    {recording.truncated === true ? <Tag tone="warn">{t('recordings.truncated')}</Tag> : null}
                    <Button
                      size="small"
                      aria-label={t('recordings.readOf', { service: recording.service, caller: recording.caller })}
                      onPress={() => go('recordings', recording.session)}
                    >
                      {t('recordings.read')}
                    </Button>
                  </li>
                ))}
              </ul>
            </div>
          )}
          {open === undefined ? null : (
            <RecordingDrawer key={open.session} recording={open} onClose={() => go('recordings')} />
          )}
        </div>
      </div>
    </>
  );
}

function RecordingDrawer({ recording, onClose }: { recording: RecordingView; onClose: () => void }): ReactNode {
  const t = useText();
  const act = useAction();
  const [operations, setOperations] = useState<readonly Operation[]>();
  const [pending, setPending] = useState(false);
  const { session } = recording;
  const read = async (): Promise<void> => {
    setPending(true);
    const shown = await act((client) => client.record.show({ session }));
    setPending(false);
    if (shown !== undefined) setOperations(shown.calls);
  };
  const save = async (): Promise<void> => {
    const parts = await act(async (client) => {
      const bytes: Uint8Array<ArrayBuffer>[] = [];
      for await (const { data } of client.record.export({ session }))
        bytes.push(Uint8Array.from(atob(data), (character) => character.charCodeAt(0)));
      return bytes;
    });
    if (parts !== undefined) saveBlob(`${session}.pcapng`, new Blob(parts, { type: 'application/x-pcapng' }));
  };
  return (
    <Drawer
      title={recording.service}
      sub={t('recordings.sub', { caller: recording.caller })}
      onClose={onClose}
      foot={
        <>
          <Button kind="primary" isPending={pending} onPress={() => void read()}>
            {t('recordings.show')}
          </Button>
          {recording.pcap ? (
            <Button icon="download" onPress={() => void save()}>
              {t('recordings.pcap')}
            </Button>
          ) : null}
        </>
      }
    >
      <Facts
        items={[
          [t('session.started'), t.format.instant(recording.startedAt, false)],
          [
            t('recordings.ended'),
            recording.endedAt === undefined ? undefined : t.format.instant(recording.endedAt, false),
          ],
          [t('session.destination'), <span className="mono">{recording.destination}</span>],
          [t('session.identity'), recording.identity],
          [t('recordings.size'), recording.bytes === undefined ? undefined : t.format.bytes(recording.bytes)],
          [t('recordings.packets'), recording.packets === undefined ? undefined : t.format.number(recording.packets)],
          [
            'SHA-256',
            recording.sha256 === undefined ? undefined : <span className="mono small">{recording.sha256}</span>,
          ],
          [t('session.id'), <span className="mono">{session}</span>],
        ]}
      />
      {operations === undefined ? (
        <p className="quiet">{t('recordings.sealed')}</p>
      ) : (
        <Section
          title={t('recordings.operations')}
          aside={<span className="quiet">{t.format.number(operations.length)}</span>}
        >
          <ol className="line-list" aria-label={t('recordings.operations')}>
            {operations.map((operation, index) => (
              <li key={index} className="call">
                <Tag tone={operation['decision'] === 'deny' ? 'bad' : 'ok'}>
                  {t(`decision.${operation['decision'] === 'deny' ? 'deny' : 'allow'}`)}
                </Tag>
                <div className="wrap-any">
                  <span className="mono">{operationText(operation)}</span>
                </div>
                <span className="quiet small">{momentOf(operation, t)}</span>
              </li>
            ))}
          </ol>
        </Section>
      )}
    </Drawer>
  );
}

/** `write-var DB1.DBW4 [42]`. */
function operationText(operation: Operation): string {
  const { method, target, arguments: values } = operation;
  return [method, target, values === undefined ? undefined : JSON.stringify(values)]
    .filter((part) => part !== undefined && part !== '')
    .map(String)
    .join(' ');
}

function momentOf({ startedAtMs }: Operation, t: Text): string {
  return typeof startedAtMs === 'number' ? t.format.time(new Date(startedAtMs).toISOString()) : '';
}
