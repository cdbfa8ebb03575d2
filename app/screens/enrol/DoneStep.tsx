/** Enrolled: what this identity may reach, as soon as it is known, and the way on. */
import type { ReactNode } from 'react';
import type { IdentityView } from '../../../main/api/views.ts';
import { Button } from '../../parts/Button.tsx';
import { Facts, Notice, ReasonLines, Status } from '../../parts/Pieces.tsx';
import { useEngine } from '../../store/hooks.tsx';
import { selectIdentities } from '../../store/selectors.ts';
import { useText } from '../../text/text.ts';
import { identityTone } from '../identities/identity-words.ts';
import { ProxyHint } from '../shared/ProxyHint.tsx';
import { LoginPanel } from '../identities/LoginPanel.tsx';

export function DoneStep({ identity: enrolled, onNext }: { identity: IdentityView; onNext: () => void }): ReactNode {
  const t = useText();
  const identity = useEngine(selectIdentities)?.find((one) => one.name === enrolled.name) ?? enrolled;
  return (
    <div className="stack" role="status">
      <div className="card card-pad">
        <Facts
          items={[
            [t('identity.name'), identity.name],
            [
              t('identity.stateTitle'),
              <Status tone={identityTone(identity)}>{t(`identity.state.${identity.state}`)}</Status>,
            ],
            [t('identity.key'), t(`keystore.${identity.keystore}`)],
            [
              t('identity.services'),
              t('identity.reach', { dial: identity.services.dial, bind: identity.services.bind }),
            ],
          ]}
        />
      </div>
      {identity.reason === undefined ? null : (
        <Notice tone="warn">
          <ReasonLines reason={t.reason(identity.reason, { identity: identity.name })} />
        </Notice>
      )}
      {identity.state === 'login-required' ? <LoginPanel identity={identity} /> : null}
      {identity.state === 'ready' ? <ProxyHint /> : null}
      <div className="dialog-actions">
        <Button kind="primary" icon="arrow" onPress={onNext} autoFocus>
          {t('enrol.seeServices')}
        </Button>
      </div>
    </div>
  );
}
