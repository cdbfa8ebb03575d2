/** Ask about any destination, reached or not: host, optional port, optional program. */
import { useState, type ReactNode } from 'react';
import { Form } from 'react-aria-components';
import type { WhyView } from '../../../main/api/views.ts';
import { Button } from '../../parts/Button.tsx';
import { Dialog } from '../../parts/Dialogs.tsx';
import { Field } from '../../parts/Fields.tsx';
import { useAction } from '../../store/hooks.tsx';
import { useText } from '../../text/text.ts';
import { WhySteps } from './Why.tsx';

export function WhyDialog({
  onClose,
  destination: given = '',
}: {
  onClose: () => void;
  destination?: string;
}): ReactNode {
  const t = useText();
  const act = useAction();
  const [destination, setDestination] = useState(given);
  const [app, setApp] = useState('');
  const [why, setWhy] = useState<WhyView>();
  const [pending, setPending] = useState(false);
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
          mono
          autoFocus
        />
        <Field label={t('why.app')} value={app} onChange={setApp} hint={t('why.appHint')} mono />
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
