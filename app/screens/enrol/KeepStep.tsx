/** Step two: what it is called here, and where its key is kept. */
import { useState, type ReactNode } from 'react';
import { Form, Radio, RadioGroup, Label } from 'react-aria-components';
import type { EnrolRequest } from './enrol-request.ts';
import { enrolRequest } from './enrol-request.ts';
import type { IdentityView } from '../../../main/api/views.ts';
import { isTunnelerError } from '../../../main/base/errors.ts';
import { Button } from '../../parts/Button.tsx';
import { Field } from '../../parts/Fields.tsx';
import { Facts, Notice } from '../../parts/Pieces.tsx';
import { useEngine, useNow, useStores } from '../../store/hooks.tsx';
import { selectIdentities } from '../../store/selectors.ts';
import { textOr, useText } from '../../text/text.ts';
import type { Brought } from './enrol-source.ts';
import { needsCertificate, suggestName } from './enrol-source.ts';

const keystores = ['auto', 'keychain', 'tpm', 'pkcs11', 'file'] as const;

export function KeepStep({
  brought,
  onBack,
  onDone,
}: {
  brought: Brought;
  onBack: () => void;
  onDone: (identity: IdentityView) => void;
}): ReactNode {
  const t = useText();
  const { engine } = useStores();
  const taken = useEngine(selectIdentities);
  const [form, setForm] = useState<EnrolRequest>(() => ({
    name: suggestName(brought.fileName, brought.source),
    keystore: 'auto',
    passphrase: '',
    pkcs11: '',
    certificate: '',
    key: '',
  }));
  const [error, setError] = useState<{ readonly code: string; readonly text: string }>();
  /** What the controller shows and nobody vouches for, until the person has compared it. */
  const [shown, setShown] = useState<string>();
  const [pending, setPending] = useState(false);
  const set = (change: Partial<EnrolRequest>): void => setForm((before) => ({ ...before, ...change }));
  const clash = taken?.some((identity) => identity.name === form.name.trim()) === true;
  const enrol = async (fingerprint?: string): Promise<void> => {
    setPending(true);
    setError(undefined);
    setShown(undefined);
    const request = fingerprint === undefined ? form : { ...form, fingerprint };
    try {
      onDone(await engine.client.identity.enroll(enrolRequest(brought.source, request)));
    } catch (caught) {
      const sha256 = isTunnelerError(caught, 'ziti.controller.certificate') ? caught.details['sha256'] : undefined;
      if (typeof sha256 === 'string' && brought.source.kind === 'url' && fingerprint === undefined) {
        setShown(sha256);
        setPending(false);
        return;
      }
      const code = isTunnelerError(caught) ? caught.code : 'base.internal';
      setError({ code, text: t.error(caught) });
      setPending(false);
    }
  };
  return (
    <Form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        void enrol();
      }}
    >
      <SourceFacts brought={brought} />
      <Field
        label={t('enrol.name')}
        hint={t('enrol.nameHint')}
        value={form.name}
        onChange={(name) => set({ name })}
        error={clash ? t('enrol.nameTaken') : undefined}
        autoFocus
      />
      <RadioGroup
        className="field"
        value={form.keystore}
        onChange={(value) => set({ keystore: keystores.find((one) => one === value) ?? 'auto' })}
      >
        <Label className="field-label">{t('enrol.keystore')}</Label>
        <div className="radio-cards">
          {keystores.map((keystore) => (
            <Radio key={keystore} value={keystore} className="radio-card">
              <span className="radio-mark" />
              <span>
                <span className="radio-title">{t(`enrol.keystore.${keystore}`)}</span>
                <span className="field-hint">{t(`enrol.keystoreHint.${keystore}`)}</span>
              </span>
            </Radio>
          ))}
        </div>
      </RadioGroup>
      {form.keystore === 'pkcs11' ? (
        <Field
          label={t('enrol.pkcs11')}
          value={form.pkcs11}
          onChange={(pkcs11) => set({ pkcs11 })}
          placeholder="pkcs11:token=…?module-path=…"
          mono
        />
      ) : null}
      {form.keystore === 'file' ? (
        <Field
          label={t('enrol.passphrase')}
          hint={t('enrol.passphraseHint')}
          type="password"
          value={form.passphrase}
          onChange={(passphrase) => set({ passphrase })}
        />
      ) : null}
      {needsCertificate(brought.source) ? (
        <>
          <Field
            label={t('enrol.certificate')}
            value={form.certificate}
            onChange={(certificate) => set({ certificate })}
            lines
          />
          <Field label={t('enrol.privateKey')} value={form.key} onChange={(key) => set({ key })} lines />
        </>
      ) : null}
      {shown === undefined ? null : (
        <Notice tone="warn">
          <p>{t('enrol.compare')}</p>
          <code className="mono">{shown}</code>
          <div className="dialog-actions">
            <Button onPress={() => void enrol(shown)}>{t('enrol.compared')}</Button>
          </div>
        </Notice>
      )}
      {error === undefined ? null : (
        <Notice tone="bad">
          {error.text} <code className="quiet">{error.code}</code>
        </Notice>
      )}
      <div className="dialog-actions">
        <Button kind="plain" onPress={onBack}>
          {t('common.back')}
        </Button>
        <Button kind="primary" type="submit" isPending={pending} isDisabled={form.name.trim() === '' || clash}>
          {t('enrol.enrol')}
        </Button>
      </div>
    </Form>
  );
}

function SourceFacts({ brought }: { brought: Brought }): ReactNode {
  const t = useText();
  const nowMs = useNow();
  const { source } = brought;
  if (source.kind !== 'token') {
    const address = source.kind === 'url' ? source.url : source.controller;
    return (
      <div className="card card-pad">
        <Facts items={[[t('enrol.network'), <span className="mono">{address}</span>]]} />
      </div>
    );
  }
  const { controller, method, subject, expiresAt } = source.facts;
  const expired = expiresAt !== undefined && Date.parse(expiresAt) < nowMs;
  return (
    <div className="card card-pad">
      <Facts
        items={[
          [t('enrol.network'), <span className="mono">{controller}</span>],
          [t('enrol.method'), textOr(t, `enrol.method.${method}`, method)],
          [t('enrol.subject'), subject === undefined ? undefined : <span className="mono">{subject}</span>],
          [
            t('enrol.validUntil'),
            expiresAt === undefined
              ? undefined
              : expired
                ? t('enrol.expired', { when: t.format.relative(expiresAt, nowMs) })
                : `${t.format.date(expiresAt)} (${t.format.relative(expiresAt, nowMs)})`,
          ],
        ]}
      />
    </div>
  );
}
