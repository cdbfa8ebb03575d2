/** What can be done about an agent: end what it has open, put it in quarantine, let it go again. */
import { useState, type ReactNode } from 'react';
import type { AgentView } from '../../../main/api/views.ts';
import { Button } from '../../parts/Button.tsx';
import { Confirm } from '../../parts/Dialogs.tsx';
import { useAction } from '../../store/hooks.tsx';
import { useText } from '../../text/text.ts';
import { BindDialog } from './BindDialog.tsx';

export function AgentActions({ agent, small = false }: { agent: AgentView; small?: boolean }): ReactNode {
  const t = useText();
  const act = useAction();
  const [asking, setAsking] = useState(false);
  const [binding, setBinding] = useState(false);
  const { name } = agent;
  const subject = `app:${name}`;
  const size = small ? 'small' : 'normal';
  return (
    <>
      {small ? null : <Button onPress={() => setBinding(true)}>{t('bind.action')}</Button>}
      {agent.openSessions === 0 ? null : (
        <Button
          size={size}
          onPress={() =>
            void act((client) => client.session.closeApp({ app: name }), t('session.closedAll', { program: name }))
          }
        >
          {t('session.closeAll')}
        </Button>
      )}
      {agent.quarantined ? (
        <Button
          size={size}
          onPress={() =>
            void act((client) => client.quarantine.release({ subject }), t('quarantine.released', { name }))
          }
        >
          {t('quarantine.release')}
        </Button>
      ) : (
        <Button size={size} kind="danger" onPress={() => setAsking(true)}>
          {t('quarantine.add')}
        </Button>
      )}
      {binding ? <BindDialog agent={agent} onClose={() => setBinding(false)} /> : null}
      {asking ? (
        <Confirm
          title={t('quarantine.askTitle', { name })}
          text={t('quarantine.askText')}
          action={t('quarantine.add')}
          danger
          act={() => act((client) => client.quarantine.add({ subject }), t('quarantine.added', { name }))}
          onClose={() => setAsking(false)}
        />
      ) : null}
    </>
  );
}
