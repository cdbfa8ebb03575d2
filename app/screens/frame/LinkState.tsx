/** What the window says while the engine does not answer. */
import type { ReactNode } from 'react';
import { Button } from '../../parts/Button.tsx';
import { CopyButton } from '../../parts/CopyButton.tsx';
import { Icon } from '../../parts/Icon.tsx';
import { Empty } from '../../parts/Pieces.tsx';
import type { Link } from '../../store/engine-store.ts';
import { useStores } from '../../store/hooks.tsx';
import { useText } from '../../text/text.ts';

const commands = {
  run: 'culvert run',
  service: 'sudo culvert service install',
  doctor: 'culvert doctor',
} as const;

/** Nothing was ever received: the whole window says why and what to do. */
export function NoEngine({ link }: { link: Link }): ReactNode {
  const t = useText();
  const { engine } = useStores();
  const refused = link.phase === 'refused';
  return (
    <main className="screen" style={{ gridTemplateRows: '1fr' }}>
      <Empty
        title={t(refused ? 'link.refusedTitle' : 'link.lostTitle')}
        text={t(refused ? 'link.refusedText' : 'link.lostText')}
        icon={refused ? 'lock' : 'diagnostics'}
      >
        {refused ? null : (
          <dl className="gone">
            {(['run', 'service', 'doctor'] as const).map((key) => (
              <div key={key}>
                <dt>{t(`gone.${key}`)}</dt>
                <dd>
                  <code>{commands[key]}</code>
                  <CopyButton text={commands[key]} what={t('gone.command')} />
                </dd>
              </div>
            ))}
          </dl>
        )}
        {'error' in link ? <p className="quiet small mono">{link.error.code}</p> : null}
        {refused ? null : (
          <Button icon="refresh" onPress={() => engine.retryNow()}>
            {t('link.retry')}
          </Button>
        )}
      </Empty>
    </main>
  );
}

/** The last state stays shown, and a strip says that it is old. */
export function LinkBanner({ link }: { link: Link }): ReactNode {
  const t = useText();
  const { engine } = useStores();
  if (link.phase === 'live' || link.phase === 'connecting') return null;
  return (
    <div className="banner" role="status" style={{ position: 'absolute', insetInline: 0, bottom: 0, zIndex: 5 }}>
      <Icon name="warning" size={16} />
      <span>{t(link.phase === 'refused' ? 'link.refusedText' : 'link.stale')}</span>
      {link.phase === 'lost' ? (
        <Button size="small" onPress={() => engine.retryNow()}>
          {t('link.retry')}
        </Button>
      ) : null}
    </div>
  );
}
