/** A change to culvert.yaml, checked by the engine and shown as what the file would become, before anything is written. */
import { useEffect, useState, type ReactNode } from 'react';
import type { SettingChange, SettingsChangeView } from '../../../main/api/machine-views.ts';
import { Button } from '../../parts/Button.tsx';
import { Dialog } from '../../parts/Dialogs.tsx';
import { Notice } from '../../parts/Pieces.tsx';
import { TextDiff } from '../../parts/TextDiff.tsx';
import { useAction } from '../../store/hooks.tsx';
import { useText } from '../../text/text.ts';

export function ChangeDialog({
  title,
  changes,
  onClose,
  onApplied,
}: {
  title: string;
  changes: readonly SettingChange[];
  onClose: () => void;
  onApplied: () => void;
}): ReactNode {
  const t = useText();
  const act = useAction();
  const [view, setView] = useState<SettingsChangeView>();
  const [pending, setPending] = useState(false);
  const asked = JSON.stringify(changes);
  useEffect(() => {
    const wanted = JSON.parse(asked) as SettingChange[];
    void act((client) => client.engine.changeSettings({ changes: wanted, apply: false })).then(setView);
  }, [act, asked]);
  const apply = async (): Promise<void> => {
    setPending(true);
    const done = await act(async (client) => {
      const applied = await client.engine.changeSettings({ changes: [...changes], apply: true });
      // Agents are taken up at once; the rest counts from the next start.
      if (changes.some(({ path }) => path[0] === 'agents')) await client.policy.reload();
      return applied;
    }, t('change.applied'));
    setPending(false);
    if (done === undefined) return;
    onApplied();
    onClose();
  };
  const good = view !== undefined && view.issues.length === 0;
  return (
    <Dialog title={title} onClose={onClose} wide>
      {view === undefined ? (
        <div className="skeleton" style={{ height: 120 }} />
      ) : (
        <>
          <p className="quiet mono small wrap-any">{view.file}</p>
          {view.issues.map(({ path, message }) => (
            <Notice key={`${path}${message}`} tone="bad">
              {path === '' ? null : <code>{path}</code>} {message}
            </Notice>
          ))}
          {view.before === view.after ? (
            <p>{t('change.nothing')}</p>
          ) : (
            <TextDiff before={view.before} after={view.after} label={t('change.diff')} />
          )}
          {good && view.before !== view.after ? (
            <Notice tone={view.restart ? 'warn' : 'info'}>
              {t(view.restart ? 'change.restart' : 'change.atOnce')}
            </Notice>
          ) : null}
        </>
      )}
      <div className="dialog-actions">
        <Button kind="plain" onPress={onClose}>
          {t('common.cancel')}
        </Button>
        <Button
          kind="primary"
          isPending={pending}
          isDisabled={!good || view.before === view.after}
          onPress={() => void apply()}
        >
          {t('change.apply')}
        </Button>
      </div>
    </Dialog>
  );
}
