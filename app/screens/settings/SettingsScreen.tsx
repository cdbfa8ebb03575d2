/** How the window looks and speaks, what the shell does, and what the engine was configured with. */
import { useCallback, useEffect, useState, type ReactNode } from 'react';
import type { SettingsView } from '../../../main/api/views.ts';
import { Choice } from '../../parts/Fields.tsx';
import { Mark } from '../../parts/Icon.tsx';
import { Segments } from '../../parts/Segments.tsx';
import { useEngine, useLink, usePreferences, useStores } from '../../store/hooks.tsx';
import { selectStatus } from '../../store/selectors.ts';
import { useText } from '../../text/text.ts';
import { ScreenHead } from '../../parts/ScreenHead.tsx';
import { EngineSettingsCard } from './EngineSettingsCard.tsx';
import { SecretsCard } from './SecretsCard.tsx';
import { Setting } from './Setting.tsx';
import { ShellSettingsCard } from './ShellSettingsCard.tsx';

export function SettingsScreen(): ReactNode {
  const t = useText();
  const { preferences, bridge, engine } = useStores();
  const values = usePreferences();
  const [settings, setSettings] = useState<SettingsView>();
  const load = useCallback(() => {
    engine.client.engine
      .settings()
      .then(setSettings)
      .catch(() => undefined); // its cards stay away; the link banner tells of a lost engine
  }, [engine]);
  useEffect(load, [load]);
  return (
    <>
      <ScreenHead title={t('settings.title')} lead={t('settings.lead')} />
      <div className="screen-body">
        <div className="screen-scroll">
          <div className="settings">
            <section className="card card-pad">
              <h2 className="section-title">{t('settings.look')}</h2>
              <Setting title={t('settings.theme')}>
                <Segments
                  label={t('settings.theme')}
                  value={values.theme}
                  onChange={(theme) => preferences.set({ theme })}
                  segments={(['system', 'light', 'dark'] as const).map((value) => ({
                    value,
                    text: t(`settings.theme.${value}`),
                  }))}
                />
              </Setting>
              <Setting title={t('settings.density')}>
                <Segments
                  label={t('settings.density')}
                  value={values.density}
                  onChange={(density) => preferences.set({ density })}
                  segments={(['roomy', 'compact'] as const).map((value) => ({
                    value,
                    text: t(`settings.density.${value}`),
                  }))}
                />
              </Setting>
              <Setting title={t('settings.motion')}>
                <Segments
                  label={t('settings.motion')}
                  value={values.motion}
                  onChange={(motion) => preferences.set({ motion })}
                  segments={(['system', 'reduced', 'full'] as const).map((value) => ({
                    value,
                    text: t(`settings.motion.${value}`),
                  }))}
                />
              </Setting>
              <Setting title={t('settings.language')}>
                <Choice
                  label={t('settings.language')}
                  hideLabel
                  value={values.locale}
                  onChange={(locale) => preferences.set({ locale })}
                  options={(['system', 'en', 'de'] as const).map((value) => ({
                    value,
                    text: t(`settings.language.${value}`),
                  }))}
                />
              </Setting>
            </section>
            {bridge.shell === undefined ? null : <ShellSettingsCard shell={bridge.shell} />}
            {settings === undefined ? null : (
              <>
                <SecretsCard config={settings.config} />
                <EngineSettingsCard settings={settings} onChanged={load} />
              </>
            )}
            <About />
          </div>
        </div>
      </div>
    </>
  );
}

function About(): ReactNode {
  const t = useText();
  const link = useLink();
  const status = useEngine(selectStatus);
  return (
    <section className="card card-pad about">
      <Mark size={36} />
      <div>
        <h2 className="section-title">{t('app.name')}</h2>
        <p className="quiet">{t('app.motto')}</p>
        <p className="quiet small">
          {status === undefined
            ? ''
            : t('settings.about', {
                version: status.version,
                permission: link.phase === 'live' ? t(`permission.${link.permission}`) : '–',
              })}
        </p>
      </div>
    </section>
  );
}
