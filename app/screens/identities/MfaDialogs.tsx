/** The second factor: set up with a QR code and recovery codes, entered, removed. */
import { useEffect, useState, type ReactNode } from 'react';
import { Form } from 'react-aria-components';
import type { MfaEnrolmentView } from '../../../main/api/views.ts';
import { Button } from '../../parts/Button.tsx';
import { Dialog } from '../../parts/Dialogs.tsx';
import { Field } from '../../parts/Fields.tsx';
import { Notice } from '../../parts/Pieces.tsx';
import { QrCode } from '../../parts/QrCode.tsx';
import { saveText } from '../../parts/save.ts';
import { useSending } from '../../parts/use-sending.ts';
import { useStores } from '../../store/hooks.tsx';
import { useText } from '../../text/text.ts';
import { secretOf } from './otp-url.ts';

interface OfIdentity {
  readonly name: string;
  readonly onClose: () => void;
}

/** A form that sends one code and says what came of it; the code stays in the field when it was wrong. */
function CodeForm({
  action,
  danger = false,
  answer,
  onDone,
  onCancel,
}: {
  action: string;
  danger?: boolean;
  answer: (code: string) => Promise<unknown>;
  onDone: () => void;
  onCancel: () => void;
}): ReactNode {
  const t = useText();
  const [code, setCode] = useState('');
  const { pending, error, send } = useSending();
  return (
    <Form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        void send(() => answer(code.replaceAll(' ', '')).then(onDone));
      }}
    >
      <Field
        label={t('mfa.code')}
        value={code}
        onChange={setCode}
        error={error}
        mono
        autoFocus
        autoComplete="one-time-code"
      />
      <div className="dialog-actions">
        <Button kind="plain" onPress={onCancel}>
          {t('common.cancel')}
        </Button>
        <Button
          kind={danger ? 'danger' : 'primary'}
          type="submit"
          isPending={pending}
          isDisabled={code.trim().length < 4}
        >
          {action}
        </Button>
      </div>
    </Form>
  );
}

/** Answer the controller's question for a code. */
export function MfaCodeDialog({ name, onClose }: OfIdentity): ReactNode {
  const t = useText();
  const { engine, toasts } = useStores();
  return (
    <Dialog title={t('mfa.enterTitle', { name })} onClose={onClose}>
      <p>{t('mfa.enterText')}</p>
      <CodeForm
        action={t('mfa.confirm')}
        answer={(code) => engine.client.identity.mfaVerify({ name, code })}
        onDone={() => {
          toasts.show({ tone: 'ok', text: t('mfa.accepted', { name }) });
          onClose();
        }}
        onCancel={onClose}
      />
    </Dialog>
  );
}

/** Take the second factor away again. */
export function MfaRemoveDialog({ name, onClose }: OfIdentity): ReactNode {
  const t = useText();
  const { engine, toasts } = useStores();
  return (
    <Dialog title={t('mfa.removeTitle', { name })} onClose={onClose}>
      <p>{t('mfa.removeText')}</p>
      <CodeForm
        action={t('mfa.remove')}
        danger
        answer={(code) => engine.client.identity.mfaRemove({ name, code })}
        onDone={() => {
          toasts.show({ tone: 'ok', text: t('mfa.removed', { name }) });
          onClose();
        }}
        onCancel={onClose}
      />
    </Dialog>
  );
}

/** Show the recovery codes to whoever has a code. */
export function RecoveryCodesDialog({ name, onClose }: OfIdentity): ReactNode {
  const t = useText();
  const { engine } = useStores();
  const [codes, setCodes] = useState<readonly string[]>();
  return (
    <Dialog title={t('mfa.codesTitle', { name })} onClose={onClose}>
      {codes === undefined ? (
        <>
          <p>{t('mfa.codesAsk')}</p>
          <CodeForm
            action={t('mfa.codesShow')}
            answer={async (code) => setCodes((await engine.client.identity.mfaRecoveryCodes({ name, code })).codes)}
            onDone={() => undefined}
            onCancel={onClose}
          />
        </>
      ) : (
        <RecoveryCodes name={name} codes={codes} onDone={onClose} />
      )}
    </Dialog>
  );
}

/** Set up a second factor: scan, confirm with a code, keep the recovery codes. */
export function MfaEnrolDialog({ name, onClose }: OfIdentity): ReactNode {
  const t = useText();
  const { engine } = useStores();
  const [enrolment, setEnrolment] = useState<MfaEnrolmentView>();
  const [error, setError] = useState<string>();
  const [confirmed, setConfirmed] = useState(false);
  useEffect(() => {
    const abort = new AbortController();
    engine.client.identity
      .mfaEnroll({ name }, { signal: abort.signal })
      .then(setEnrolment)
      .catch((caught: unknown) => {
        if (!abort.signal.aborted) setError(t.error(caught));
      });
    return () => abort.abort();
  }, [engine, name]);
  return (
    <Dialog title={t(confirmed ? 'mfa.codesTitle' : 'mfa.setUpTitle', { name })} onClose={onClose} wide>
      {error === undefined ? null : <Notice tone="bad">{error}</Notice>}
      {confirmed && enrolment !== undefined ? (
        <RecoveryCodes name={name} codes={enrolment.recoveryCodes} onDone={onClose} />
      ) : (
        <div className="mfa">
          {enrolment === undefined ? (
            <div
              className="skeleton"
              style={{ width: 184, height: 184 }}
              role="status"
              aria-label={t('common.loading')}
            />
          ) : (
            <QrCode value={enrolment.provisioningUrl} label={t('mfa.qrLabel')} />
          )}
          <div className="stack">
            <p>{t('mfa.scan')}</p>
            <p className="quiet">
              {t('mfa.bySecret')} <span className="mono wrap-any">{secretOf(enrolment?.provisioningUrl)}</span>
            </p>
            <CodeForm
              action={t('mfa.confirm')}
              answer={(code) => engine.client.identity.mfaVerify({ name, code })}
              onDone={() => setConfirmed(true)}
              onCancel={onClose}
            />
          </div>
        </div>
      )}
    </Dialog>
  );
}

function RecoveryCodes({
  name,
  codes,
  onDone,
}: {
  name: string;
  codes: readonly string[];
  onDone: () => void;
}): ReactNode {
  const t = useText();
  return (
    <>
      <p>{t('mfa.codesText')}</p>
      <ul className="recovery mono" aria-label={t('mfa.codes')}>
        {codes.map((code) => (
          <li key={code}>{code}</li>
        ))}
      </ul>
      <div className="dialog-actions">
        <Button icon="download" onPress={() => saveText(`culvert-${name}-recovery-codes.txt`, `${codes.join('\n')}\n`)}>
          {t('common.save')}
        </Button>
        <Button kind="primary" onPress={onDone}>
          {t('mfa.codesKept')}
        </Button>
      </div>
    </>
  );
}
