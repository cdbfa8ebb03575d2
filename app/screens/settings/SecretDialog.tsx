/** Keep a secret, or put a new one in its place. What was typed leaves the window with the call and is forgotten. */
import { useState, type ReactNode } from 'react';
import { Form } from 'react-aria-components';
import { Button } from '../../parts/Button.tsx';
import { Dialog } from '../../parts/Dialogs.tsx';
import { Choice, Field } from '../../parts/Fields.tsx';
import { useSending } from '../../parts/use-sending.ts';
import { useStores } from '../../store/hooks.tsx';
import { useText } from '../../text/text.ts';

/** As the engine takes it; see the contract's `secret.set`. */
const namePattern = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/;
const keystores = ['auto', 'keychain', 'file'] as const;

export function SecretDialog({
  name: given,
  taken,
  onKept,
  onClose,
}: {
  /** The one to set or replace; absent: the person names a new one. */
  name: string | undefined;
  taken: readonly string[];
  onKept: () => Promise<unknown>;
  onClose: () => void;
}): ReactNode {
  const t = useText();
  const { engine, toasts } = useStores();
  const [typed, setTyped] = useState(given ?? '');
  const [value, setValue] = useState('');
  const [keystore, setKeystore] = useState<(typeof keystores)[number]>('auto');
  const { pending, error, send } = useSending();
  const name = typed.trim();
  const nameError = name === '' || namePattern.test(name) ? undefined : t('secret.nameInvalid');
  const replaces = taken.includes(name);
  const keep = async (): Promise<void> => {
    await engine.client.secret.set({ name, value, ...(keystore === 'auto' ? {} : { keystore }) });
    await onKept();
    toasts.show({ tone: 'ok', text: t('secret.kept', { name }) });
    onClose();
  };
  return (
    <Dialog title={given === undefined ? t('secret.addTitle') : t('secret.setTitle', { name })} onClose={onClose}>
      <p>{t('secret.text')}</p>
      <Form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void send(keep);
        }}
      >
        {given === undefined ? (
          <Field
            label={t('secret.name')}
            value={typed}
            onChange={setTyped}
            hint={t(replaces ? 'secret.nameTaken' : 'secret.nameHint')}
            error={nameError}
            autoFocus
            mono
          />
        ) : null}
        <Field
          label={t('secret.value')}
          type="password"
          autoComplete="new-password"
          value={value}
          onChange={setValue}
          error={error}
          autoFocus={given !== undefined}
          mono
        />
        <Choice
          label={t('secret.keystore')}
          value={keystore}
          onChange={setKeystore}
          options={keystores.map((kind) => ({ value: kind, text: t(`enrol.keystore.${kind}`) }))}
        />
        <div className="dialog-actions">
          <Button kind="plain" onPress={onClose}>
            {t('common.cancel')}
          </Button>
          <Button
            kind="primary"
            type="submit"
            isPending={pending}
            isDisabled={name === '' || nameError !== undefined || value === ''}
          >
            {t(replaces ? 'secret.replace' : 'secret.keep')}
          </Button>
        </div>
      </Form>
    </Dialog>
  );
}
