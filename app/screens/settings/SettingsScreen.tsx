/** How the window looks and speaks, what the shell does, and what the engine was configured with. */
import { useEffect, useState, type ReactNode } from 'react';
import type { SettingsView } from '../../../main/api/views.ts';
import { Choice } from '../../parts/Fields.tsx';
import { Mark } from '../../parts/Icon.tsx';
import { Facts } from '../../parts/Pieces.tsx';
import { Segments } from '../../parts/Segments.tsx';
import { useEngine, useLink, usePreferences, useStores } from '../../store/hooks.tsx';
import { selectStatus } from '../../store/selectors.ts';
import { useText } from '../../text/text.ts';
import { ScreenHead } from '../../parts/ScreenHead.tsx';
import { SecretsCard } from './SecretsCard.tsx';
import { Setting } from './Setting.tsx';
import { ShellSettingsCard } from './ShellSettingsCard.tsx';

export function SettingsScreen(): ReactNode {
  const t = useText();
  const { preferences, bridge, engine } = useStores();
  const values = usePreferences();
  const [settings, setSettings] = useState<SettingsView>();
  useEffect(() => {
    engine.client.engine
      .settings()
      .then(setSettings)
      .catch(() => undefined); // its cards stay away; the link banner tells of a lost engine
  }, [engine]);
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
                <EngineSettings settings={settings} />
              </>
            )}
            <About />
          </div>
        </div>
      </div>
    </>
  );
}

function EngineSettings({ settings }: { settings: SettingsView }): ReactNode {
  const t = useText();
  const rows = [...settingRows(settings.config)];
  return (
    <section className="card card-pad stack">
      <div>
        <h2 className="section-title">{t('settings.engine')}</h2>
        <p className="quiet">{t('settings.engineText')}</p>
      </div>
      <Facts
        items={[
          [t('settings.file'), settings.file === undefined ? undefined : <span className="mono">{settings.file}</span>],
        ]}
      />
      {rows.length === 0 ? (
        <p className="quiet">{t('settings.defaults')}</p>
      ) : (
        <div className="well">
          <Facts
            items={rows.map(([path, value]) => [
              <span className="mono">{path}</span>,
              <span className="mono">{value}</span>,
            ])}
          />
        </div>
      )}
    </section>
  );
}

/** Settings as `path: value`, as a person finds them in the file. */
function* settingRows(value: unknown, path = ''): Generator<readonly [path: string, value: string]> {
  if (typeof value !== 'object' || value === null) yield [path, String(value)];
  else if (Array.isArray(value) && value.every((one) => typeof one !== 'object')) yield [path, value.join(', ')];
  else
    for (const [name, inner] of Object.entries(value))
      yield* settingRows(inner, path === '' ? name : `${path}.${name}`);
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
