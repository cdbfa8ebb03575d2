/**
 * Sign in again, as the identity does: with a provider, whose address is opened (or shown to be opened), or with its password. Completion
 * shows by itself in the identity's state.
 */
import { useState, type ReactNode } from 'react';
import { Form } from 'react-aria-components';
import { defined } from '../../../main/base/defined.ts';
import type { IdentityView, LoginView } from '../../../main/api/views.ts';
import { Button } from '../../parts/Button.tsx';
import { Field } from '../../parts/Fields.tsx';
import { Section } from '../../parts/Pieces.tsx';
import { useSending } from '../../parts/use-sending.ts';
import { useAction, useStores } from '../../store/hooks.tsx';
import { useText } from '../../text/text.ts';

type Waiting = Pick<IdentityView, 'name' | 'loginProviders' | 'proof'>;

export function LoginPanel({ identity }: { identity: Waiting }): ReactNode {
  return identity.proof === 'password' ? <PasswordLogin name={identity.name} /> : <ProviderLogin identity={identity} />;
}

/** The password goes to the engine, which keeps it sealed in the place of the one before. */
function PasswordLogin({ name }: { name: string }): ReactNode {
  const t = useText();
  const { engine } = useStores();
  const [password, setPassword] = useState('');
  const { pending, error, send } = useSending();
  return (
    <Section title={t('login.title')}>
      <Form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void send(async () => {
            await engine.client.identity.passwordLogin({ name, password });
            setPassword('');
          });
        }}
      >
        <Field label={t('login.password')} type="password" value={password} onChange={setPassword} error={error} />
        <div className="tags">
          <Button kind="primary" type="submit" isPending={pending} isDisabled={password === ''}>
            {t('login.begin')}
          </Button>
        </div>
      </Form>
    </Section>
  );
}

function ProviderLogin({ identity }: { identity: Waiting }): ReactNode {
  const t = useText();
  const act = useAction();
  const { bridge } = useStores();
  const [login, setLogin] = useState<LoginView>();
  const begin = async (provider: string | undefined): Promise<void> => {
    const begun = await act((client) => client.identity.login({ name: identity.name, ...defined({ provider }) }));
    setLogin(begun);
    if (begun !== undefined && begun.url.startsWith('https://')) await bridge.shell?.openExternal(begun.url);
  };
  const providers = identity.loginProviders ?? [];
  return (
    <Section title={t('login.title')}>
      <div className="tags">
        {providers.length === 0 ? (
          <Button kind="primary" onPress={() => void begin(undefined)}>
            {t('login.begin')}
          </Button>
        ) : (
          providers.map((provider) => (
            <Button key={provider} kind="primary" onPress={() => void begin(provider)}>
              {t('login.with', { provider })}
            </Button>
          ))
        )}
      </div>
      {login === undefined ? null : (
        <div className="stack" role="status">
          <p>{t('login.continue')}</p>
          <a href={login.url} target="_blank" rel="noopener noreferrer" className="wrap-any">
            {login.url}
          </a>
          {login.userCode === undefined ? null : (
            <p>
              {t('login.code')} <strong className="mono">{login.userCode}</strong>
            </p>
          )}
        </div>
      )}
    </Section>
  );
}
