/** Sign in with a provider: the address is opened (or shown to be opened), completion shows by itself in the identity's state. */
import { useState, type ReactNode } from 'react';
import type { IdentityView, LoginView } from '../../../main/contract/views.ts';
import { Button } from '../../parts/Button.tsx';
import { Section } from '../../parts/Pieces.tsx';
import { useAction, useStores } from '../../store/hooks.tsx';
import { useText } from '../../text/text.ts';

export function LoginPanel({ identity }: { identity: Pick<IdentityView, 'name' | 'loginProviders'> }): ReactNode {
  const t = useText();
  const act = useAction();
  const { bridge } = useStores();
  const [login, setLogin] = useState<LoginView>();
  const begin = async (provider: string | undefined): Promise<void> => {
    const begun = await act((client) =>
      client.identity.login({ name: identity.name, ...(provider === undefined ? {} : { provider }) }),
    );
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
