/** Small dialogs of one identity: another name, and the passphrase that unlocks its key. */
import { useState, type ReactNode } from 'react';
import { Form } from 'react-aria-components';
import { Button } from '../../parts/Button.tsx';
import { Dialog } from '../../parts/Dialogs.tsx';
import { Field } from '../../parts/Fields.tsx';
import { useSending } from '../../parts/use-sending.ts';
import { useAction, useStores } from '../../store/hooks.tsx';
import { useText } from '../../text/text.ts';

/** Give an identity another name on this host. */
export function RenameDialog({
  name,
  onClose,
  onRenamed,
}: {
  name: string;
  onClose: () => void;
  onRenamed: (to: string) => void;
}): ReactNode {
  const t = useText();
  const act = useAction();
  const [to, setTo] = useState(name);
  return (
    <Dialog title={t('identity.renameTitle', { name })} onClose={onClose}>
      <Form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void act(async (client) => {
            await client.identity.rename({ name, to: to.trim() });
            onRenamed(to.trim());
          }).finally(onClose);
        }}
      >
        <Field label={t('identity.name')} value={to} onChange={setTo} autoFocus />
        <div className="dialog-actions">
          <Button kind="plain" onPress={onClose}>
            {t('common.cancel')}
          </Button>
          <Button kind="primary" type="submit" isDisabled={to.trim() === '' || to.trim() === name}>
            {t('identity.rename')}
          </Button>
        </div>
      </Form>
    </Dialog>
  );
}

/** Open an identity's key with its passphrase or PIN. */
export function UnlockDialog({ name, onClose }: { name: string; onClose: () => void }): ReactNode {
  const t = useText();
  const { engine } = useStores();
  const [passphrase, setPassphrase] = useState('');
  const { pending, error, send } = useSending();
  return (
    <Dialog title={t('identity.unlockTitle', { name })} onClose={onClose}>
      <Form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void send(() => engine.client.identity.unlock({ name, passphrase }).then(onClose));
        }}
      >
        <Field
          label={t('enrol.passphrase')}
          type="password"
          value={passphrase}
          onChange={setPassphrase}
          error={error}
          autoFocus
        />
        <div className="dialog-actions">
          <Button kind="plain" onPress={onClose}>
            {t('common.cancel')}
          </Button>
          <Button kind="primary" type="submit" isPending={pending} isDisabled={passphrase === ''}>
            {t('identity.unlock')}
          </Button>
        </div>
      </Form>
    </Dialog>
  );
}
