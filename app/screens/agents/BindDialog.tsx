/** Say which identity an agent dials as, and which program it is; the change to culvert.yaml is shown before it is made. */
import { useMemo, useState, type ReactNode } from 'react';
import type { SettingChange } from '../../../main/api/machine-views.ts';
import type { AgentView } from '../../../main/api/views.ts';
import { Button } from '../../parts/Button.tsx';
import { Dialog } from '../../parts/Dialogs.tsx';
import { Choice, Field } from '../../parts/Fields.tsx';
import { useEngine } from '../../store/hooks.tsx';
import { selectIdentities, selectSessions } from '../../store/selectors.ts';
import { useText } from '../../text/text.ts';
import { ChangeDialog } from '../settings/ChangeDialog.tsx';

export function BindDialog({ agent, onClose }: { agent: AgentView; onClose: () => void }): ReactNode {
  const t = useText();
  const identities = useEngine(selectIdentities);
  const sessions = useEngine(selectSessions);
  const names = identities?.map(({ name }) => name) ?? [];
  const [identity, setIdentity] = useState(agent.identity ?? names[0] ?? '');
  const known = useMemo(
    () => [
      ...new Set([
        ...agent.programs.filter((program) => program.startsWith('/')),
        ...(sessions ?? []).flatMap(({ app }) => (app.agent === agent.name ? (app.script ?? app.path ?? []) : [])),
      ]),
    ],
    [agent, sessions],
  );
  const [path, setPath] = useState(known[0] ?? '');
  const [changes, setChanges] = useState<readonly SettingChange[]>();
  if (changes !== undefined) {
    return (
      <ChangeDialog
        title={t('bind.title', { name: agent.name })}
        changes={changes}
        onClose={() => setChanges(undefined)}
        onApplied={onClose}
      />
    );
  }
  return (
    <Dialog title={t('bind.title', { name: agent.name })} onClose={onClose}>
      <p>{t('bind.text')}</p>
      {names.length === 0 ? (
        <p className="quiet">{t('identities.emptyTitle')}</p>
      ) : (
        <Choice
          label={t('bind.identity')}
          value={identity}
          onChange={setIdentity}
          options={names.map((name) => ({ value: name, text: name }))}
        />
      )}
      <Field
        label={t('bind.path')}
        hint={t('bind.pathHint')}
        value={path}
        onChange={setPath}
        suggestions={known}
        mono
      />
      <div className="dialog-actions">
        <Button kind="plain" onPress={onClose}>
          {t('common.cancel')}
        </Button>
        <Button
          kind="primary"
          isDisabled={identity === '' || path.trim() === ''}
          onPress={() =>
            setChanges([
              { path: ['agents', agent.name, 'identity'], value: identity },
              { path: ['agents', agent.name, 'path'], value: path.trim() },
            ])
          }
        >
          {t('setting.check')}
        </Button>
      </div>
    </Dialog>
  );
}
