/** What the engine runs with, to be changed: each setting in its own control, checked and shown as a diff before it is written. */
import { useState, type ReactNode } from 'react';
import type { SettingChange } from '../../../main/api/machine-views.ts';
import type { SettingsView } from '../../../main/api/views.ts';
import { Button } from '../../parts/Button.tsx';
import { Choice, Field } from '../../parts/Fields.tsx';
import { Facts } from '../../parts/Pieces.tsx';
import { useText } from '../../text/text.ts';
import { ChangeDialog } from './ChangeDialog.tsx';
import { editable, settingAt, type Editable } from './editable-settings.ts';

/** `''`: as by default. */
type Drafts = Readonly<Record<string, string>>;

export function EngineSettingsCard({
  settings,
  onChanged,
}: {
  settings: SettingsView;
  onChanged: () => void;
}): ReactNode {
  const t = useText();
  const [drafts, setDrafts] = useState<Drafts>({});
  const [asking, setAsking] = useState(false);
  const kept = (one: Editable): string => settingAt(settings.config, one.path);
  const changes = editable.flatMap((one): SettingChange[] => {
    const draft = drafts[one.path.join('.')];
    if (draft === undefined || draft.trim() === kept(one)) return [];
    return [draft.trim() === '' ? { path: one.path } : { path: one.path, value: one.parse(draft.trim()) }];
  });
  return (
    <section className="card card-pad stack" aria-label={t('settings.engine')}>
      <div>
        <h2 className="section-title">{t('settings.engine')}</h2>
        <p className="quiet">{t('settings.engineText')}</p>
      </div>
      <Facts
        items={[
          [
            t('settings.file'),
            settings.file === undefined ? undefined : <span className="mono wrap-any">{settings.file}</span>,
          ],
        ]}
      />
      <div className="setting-fields">
        {editable.map((one) => {
          const name = one.path.join('.');
          const value = drafts[name] ?? kept(one);
          const set = (next: string): void => setDrafts((before) => ({ ...before, [name]: next }));
          const label = t(`setting.${one.key}`);
          return one.options === undefined ? (
            <Field key={name} label={label} hint={name} value={value} onChange={set} placeholder={one.example} mono />
          ) : (
            <Choice
              key={name}
              label={label}
              hint={name}
              value={value === '' ? byDefault : value}
              onChange={(chosen) => set(chosen === byDefault ? '' : chosen)}
              options={[
                { value: byDefault, text: t('setting.default') },
                ...one.options.map((option) => ({ value: option, text: option })),
              ]}
            />
          );
        })}
      </div>
      <div className="dialog-actions">
        <Button kind="plain" isDisabled={changes.length === 0} onPress={() => setDrafts({})}>
          {t('setting.reset')}
        </Button>
        <Button kind="primary" isDisabled={changes.length === 0} onPress={() => setAsking(true)}>
          {t('setting.check')}
        </Button>
      </div>
      {asking ? (
        <ChangeDialog
          title={t('setting.changeTitle')}
          changes={changes}
          onClose={() => setAsking(false)}
          onApplied={() => {
            setDrafts({});
            onChanged();
          }}
        />
      ) : null}
    </section>
  );
}

const byDefault = '–';
