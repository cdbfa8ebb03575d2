/** Looking on: what is done under an approval, or in a session, as it happens; and cutting it off. That somebody looks on is recorded. */
import { useEffect, useState, type ReactNode } from 'react';
import type { AttendedItem } from '../../../main/api/attended.ts';
import { Button } from '../../parts/Button.tsx';
import { Dialog } from '../../parts/Dialogs.tsx';
import { Notice, Tag } from '../../parts/Pieces.tsx';
import { useStores } from '../../store/hooks.tsx';
import { useText, type Text } from '../../text/text.ts';

const kept = 200;

interface Seen {
  readonly at: string;
  readonly item: AttendedItem;
}

/** @param id of a session, or of an approval for all under it. */
export function AttendDialog({
  id,
  what,
  cut,
  onClose,
}: {
  id: string;
  what: string;
  cut: () => Promise<unknown>;
  onClose: () => void;
}): ReactNode {
  const t = useText();
  const { engine } = useStores();
  const [seen, setSeen] = useState<readonly Seen[]>([]);
  const [over, setOver] = useState<string>();
  const [pending, setPending] = useState(false);
  useEffect(() => {
    const abort = new AbortController();
    const follow = async (): Promise<void> => {
      try {
        for await (const item of engine.client.session.attend({ id }, { signal: abort.signal })) {
          const at = item.kind === 'call' ? item.at : new Date().toISOString();
          setSeen((before) => [{ at, item }, ...before].slice(0, kept));
        }
        setOver(t('attend.over'));
      } catch (error) {
        if (!abort.signal.aborted) setOver(t.error(error));
      }
    };
    void follow();
    return () => abort.abort();
  }, [engine, id, t]);
  return (
    <Dialog title={t('attend.title', { what })} onClose={onClose} wide>
      {over === undefined ? null : <Notice tone="warn">{over}</Notice>}
      {seen.length === 0 ? <p className="quiet">{t('attend.nothing')}</p> : null}
      <ol className="line-list attended" aria-label={t('attend.list')} aria-live="polite">
        {seen.map(({ at, item }, index) => (
          <li key={seen.length - index} className="call">
            <AttendedTag item={item} />
            <span className="mono wrap-any">{attendedText(item, t)}</span>
            <span className="quiet small">{t.format.time(at)}</span>
          </li>
        ))}
      </ol>
      <div className="dialog-actions">
        <Button kind="plain" onPress={onClose}>
          {t('common.close')}
        </Button>
        <Button
          kind="danger"
          isPending={pending}
          onPress={() => {
            setPending(true);
            void cut().finally(onClose);
          }}
        >
          {t('approvals.end')}
        </Button>
      </div>
    </Dialog>
  );
}

function AttendedTag({ item }: { item: AttendedItem }): ReactNode {
  const t = useText();
  if (item.kind === 'call')
    return <Tag tone={item.decision === 'allow' ? 'ok' : 'bad'}>{t(`decision.${item.decision}`)}</Tag>;
  return <Tag {...(item.kind === 'warned' ? { tone: 'warn' as const } : {})}>{t(`attend.${item.kind}`)}</Tag>;
}

function attendedText(item: AttendedItem, t: Text): string {
  switch (item.kind) {
    case 'opened':
      return item.session.source;
    case 'call':
      return [item.method, item.target, item.arguments === undefined ? '' : JSON.stringify(item.arguments), item.rule]
        .filter((part) => part !== undefined && part !== '')
        .join(' ');
    case 'warned':
      return t.reason({ sentence: item.sentence }).sentence;
    case 'closed':
      return item.reason ?? '';
    case 'missed':
      return t.format.number(item.count);
  }
}
