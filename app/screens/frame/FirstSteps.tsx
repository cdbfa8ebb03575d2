/** What makes a new identity worth having: a few things, each ticked off by what the engine sees, until all are done or the person has enough. */
import type { ReactNode } from 'react';
import { Button } from '../../parts/Button.tsx';
import { Icon } from '../../parts/Icon.tsx';
import { useEngine, usePreferences, useStores } from '../../store/hooks.tsx';
import { selectAgents, selectIdentities, selectServices, selectStatus } from '../../store/selectors.ts';
import { useText, type TextKey } from '../../text/text.ts';
import { routeTo } from '../route.ts';

interface Step {
  readonly key: 'identity' | 'service' | 'session' | 'agent' | 'mfa';
  readonly done: boolean;
  readonly href: string;
}

export function FirstSteps(): ReactNode {
  const t = useText();
  const { preferences } = useStores();
  const { firstSteps } = usePreferences();
  const identities = useEngine(selectIdentities);
  const services = useEngine(selectServices);
  const agents = useEngine(selectAgents);
  const status = useEngine(selectStatus);
  if (firstSteps === 'done' || identities === undefined || identities.length === 0) return null;
  const steps: readonly Step[] = [
    { key: 'identity', done: identities.some(({ state }) => state === 'ready'), href: routeTo('identities') },
    {
      key: 'service',
      done: services?.some(({ status: is }) => is === 'available') === true,
      href: routeTo('services'),
    },
    { key: 'session', done: (status?.sessions.total ?? 0) > 0, href: routeTo('services') },
    { key: 'agent', done: agents?.some(({ identity }) => identity !== undefined) === true, href: routeTo('agents') },
    { key: 'mfa', done: identities.some(({ mfa }) => mfa === 'enrolled'), href: routeTo('identities') },
  ];
  if (steps.every(({ done }) => done)) return null;
  return (
    <section className="first-steps card" aria-label={t('first.title')}>
      <h2 className="section-title">
        {t('first.title')}
        <span className="push-end">
          <Button size="small" kind="plain" onPress={() => preferences.set({ firstSteps: 'done' })}>
            {t('first.enough')}
          </Button>
        </span>
      </h2>
      <ul className="first-list">
        {steps.map(({ key, done, href }) => (
          <li key={key} data-done={done ? '' : undefined}>
            <Icon name={done ? 'check' : 'arrow'} size={14} />
            {done ? (
              <span>
                <span className="unseen">{t('first.done')}: </span>
                {t(`first.${key}` satisfies TextKey)}
              </span>
            ) : (
              <a href={href}>{t(`first.${key}` satisfies TextKey)}</a>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
