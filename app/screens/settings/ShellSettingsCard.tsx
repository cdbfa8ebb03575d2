/** What only the desktop shell can do: start with the session, notify, update itself. */
import { useEffect, useState, type ReactNode } from 'react';
import type { ShellBridge, ShellSettings, ShellUpdate } from '../../../main/api/shell-bridge.ts';
import { Button } from '../../parts/Button.tsx';
import { Switch } from '../../parts/Fields.tsx';
import { useText } from '../../text/text.ts';
import { Setting } from './Setting.tsx';

/** How far the shell has come with the next version; the words say no more than was learnt. */
function UpdateStatus({ update, install }: { update: ShellUpdate; install: () => void }): ReactNode {
  const t = useText();
  if (update.kind === 'not-looked') return <span className="quiet">{t('settings.update.notLooked')}</span>;
  const version = update.version ?? '';
  if (update.kind === 'ready') return <Button onPress={install}>{t('settings.update', { version })}</Button>;
  const words = {
    failed: t('settings.update.failed'),
    current: t('settings.upToDate'),
    fetching: t('settings.update.fetching', { version }),
    untrusted: t('settings.update.untrusted', { version }),
  };
  return (
    <span className="quiet" title={update.at}>
      {words[update.kind]}
    </span>
  );
}

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
        {settings.update !== undefined && (
          <UpdateStatus update={settings.update} install={() => void shell.installUpdate()} />
        )}
      </Setting>
    </section>
  );
}
