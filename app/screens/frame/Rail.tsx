/** The rail: where one can go, and how the engine is, in one glance. */
import { useEffect, useRef, type ReactNode } from 'react';
import { Icon, Mark, type IconName } from '../../parts/Icon.tsx';
import { useEngine, useLink, useStores } from '../../store/hooks.tsx';
import {
  selectApprovals,
  selectIdentities,
  selectQuarantine,
  selectServices,
  selectStatus,
} from '../../store/selectors.ts';
import { useText } from '../../text/text.ts';
import { routeTo, type ScreenName } from '../route.ts';
import { places } from './places.ts';
import { needsAttention } from '../services/service-words.ts';

export function Rail({ screen }: { screen: ScreenName }): ReactNode {
  const t = useText();
  return (
    <nav className="rail" aria-label={t('nav.label')}>
      <div className="brand">
        <Mark />
        <span>{t('app.name')}</span>
      </div>
      <div className="rail-links">
        {places.map(([name, icon]) =>
          name === 'settings' ? null : (
            <RailLink key={name} name={name} icon={icon} label={t(`nav.${name}`)} current={screen === name} />
          ),
        )}
      </div>
      <div className="rail-foot">
        <Pulse />
        <RailLink name="settings" icon="settings" label={t('nav.settings')} current={screen === 'settings'} />
      </div>
    </nav>
  );
}

function RailLink({
  name,
  icon,
  label,
  current,
}: {
  name: ScreenName;
  icon: IconName;
  label: string;
  current: boolean;
}): ReactNode {
  const { filters } = useStores();
  const link = useRef<HTMLAnchorElement>(null);
  useEffect(() => {
    // Where the rail is narrower than its places, the one that is shown stays in sight.
    if (current) link.current?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }, [current]);
  return (
    <a
      ref={link}
      className="rail-link"
      href={routeTo(name, undefined, filters.of(name))}
      aria-label={label}
      title={label}
      {...(current ? { 'aria-current': 'page' as const } : {})}
    >
      <Icon name={icon} />
      <span>{label}</span>
      <Count name={name} />
    </a>
  );
}

/** How many there are, or how many ask for something. For the eye; the screen itself says it in words. */
function Count({ name }: { name: ScreenName }): ReactNode {
  const { format } = useText();
  const status = useEngine(selectStatus);
  const services = useEngine(selectServices);
  const identities = useEngine(selectIdentities);
  const quarantine = useEngine(selectQuarantine);
  const approvals = useEngine(selectApprovals);
  let count = 0;
  let tone: 'warn' | 'bad' | undefined;
  if (name === 'sessions') count = status?.sessions.open ?? 0;
  else if (name === 'services') {
    count = services?.filter(needsAttention).length ?? 0;
    tone = 'warn';
  } else if (name === 'identities') {
    count = identities?.filter(({ state }) => state !== 'ready' && state !== 'disabled').length ?? 0;
    tone = 'warn';
  } else if (name === 'approvals') {
    count = approvals?.filter(({ state }) => state === 'pending').length ?? 0;
    tone = 'warn';
  } else if (name === 'policy') {
    count = quarantine?.length ?? 0;
    tone = 'bad';
  }
  if (count === 0) return null;
  return (
    <span className="rail-count" data-tone={tone} aria-hidden="true">
      {format.number(count)}
    </span>
  );
}

function Pulse(): ReactNode {
  const t = useText();
  const status = useEngine(selectStatus);
  const link = useLink();
  const live = link.phase === 'live';
  const ready = status?.identities.filter((one) => one.state === 'ready').length ?? 0;
  return (
    <div className="pulse">
      <div className="pulse-line">
        <span className="dot" data-tone={live ? (ready > 0 ? 'live' : 'off') : 'warn'} aria-hidden="true" />
        {live && status !== undefined ? t(`mode.${status.mode}`) : t(`link.${link.phase}`)}
      </div>
      <div className="quiet small clip">{status === undefined ? ' ' : t('nav.pulse', { ready })}</div>
    </div>
  );
}
