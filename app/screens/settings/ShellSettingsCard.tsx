/** What only the desktop shell can do: start with the session, notify, update itself. */
import { useEffect, useState, type ReactNode } from 'react';
import type { ShellBridge, ShellSettings } from '../../../main/api/shell-bridge.ts';
import { Button } from '../../parts/Button.tsx';
import { Switch } from '../../parts/Fields.tsx';
import { useText } from '../../text/text.ts';
import { Setting } from './Setting.tsx';

export function ShellSettingsCard({ shell }: { shell: ShellBridge }): ReactNode {
  const t = useText();
  const [settings, setSettings] = useState<ShellSettings>();
  useEffect(() => {
    void shell.settings().then(setSettings);
  }, [shell]);
  if (settings === undefined) return null;
  const set = (change: Parameters<ShellBridge['set']>[0]): void => void shell.set(change).then(setSettings);
  return (
    <section className="card card-pad">
      <h2 className="section-title">{t('settings.desktop')}</h2>
      <Setting title={t('settings.autostart')} text={t('settings.autostartText')}>
        <Switch
          label={t('settings.autostart')}
          hideLabel
          selected={settings.autostart}
          onChange={(autostart) => set({ autostart })}
        />
      </Setting>
      <Setting title={t('settings.notifications')} text={t('settings.notificationsText')}>
        <Switch
          label={t('settings.notifications')}
          hideLabel
          selected={settings.notifications}
          onChange={(notifications) => set({ notifications })}
        />
      </Setting>
      <Setting title={t('settings.version', { version: settings.version })}>
        {settings.update === undefined ? (
          <span className="quiet">{t('settings.upToDate')}</span>
        ) : (
          <Button isDisabled={!settings.update.ready} onPress={() => void shell.installUpdate()}>
            {t('settings.update', { version: settings.update.version })}
          </Button>
        )}
      </Setting>
    </section>
  );
}
