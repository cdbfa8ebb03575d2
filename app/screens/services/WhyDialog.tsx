/** Ask about any destination, reached or not: host, optional port, optional program, picked from those that are known. */
import { useMemo, useState, type ReactNode } from 'react';
import { Form } from 'react-aria-components';
import type { WhyView } from '../../../main/api/views.ts';
import { Button } from '../../parts/Button.tsx';
import { Dialog } from '../../parts/Dialogs.tsx';
import { Field } from '../../parts/Fields.tsx';
import { useAction, useEngine } from '../../store/hooks.tsx';
import { programKey, selectAgents, selectServices, selectSessions } from '../../store/selectors.ts';
import { useText } from '../../text/text.ts';
import { whyDestination } from './service-words.ts';
import { WhySteps } from './Why.tsx';

const offered = 200;

export function WhyDialog({ onClose }: { onClose: () => void }): ReactNode {
  const t = useText();
  const act = useAction();
  const agents = useEngine(selectAgents);
  const sessions = useEngine(selectSessions);
  const services = useEngine(selectServices);
  const [destination, setDestination] = useState('');
  const [app, setApp] = useState('');
  const [why, setWhy] = useState<WhyView>();
  const [pending, setPending] = useState(false);
  const programs = useMemo(
    () => [
      ...new Set([
        ...(agents ?? []).map(({ name }) => name),
        ...(sessions ?? []).flatMap((session) => (session.direction === 'host' ? [] : (programKey(session) ?? []))),
      ]),
    ],
    [agents, sessions],
  );
  const destinations = useMemo(() => [...new Set((services ?? []).map(whyDestination))].slice(0, offered), [services]);
  const ask = async (): Promise<void> => {
    setPending(true);
    const program = app.trim() === '' ? {} : { app: app.trim() };
    setWhy(await act((client) => client.service.why({ destination: destination.trim(), ...program })));
    setPending(false);
  };
  return (
    <Dialog title={t('why.title')} onClose={onClose} wide>
      <Form
        className="why-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (destination.trim() !== '') void ask();
        }}
      >
        <Field
          label={t('why.destination')}
          value={destination}
          onChange={setDestination}
          placeholder="plc-7.plant:502"
          suggestions={destinations}
          mono
          autoFocus
        />
        <Field label={t('why.app')} value={app} onChange={setApp} hint={t('why.appHint')} suggestions={programs} mono />
        <div className="dialog-actions">
          <Button kind="plain" onPress={onClose}>
            {t('common.close')}
          </Button>
          <Button kind="primary" type="submit" isPending={pending} isDisabled={destination.trim() === ''}>
            {t('why.action')}
          </Button>
        </div>
      </Form>
      {why === undefined ? null : <WhySteps why={why} />}
    </Dialog>
  );
}
