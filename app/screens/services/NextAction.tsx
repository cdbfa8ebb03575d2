/** The one button that mends a service's status, where the window can mend it. */
import { useState, type ReactNode } from 'react';
import type { ServiceView } from '../../../main/api/views.ts';
import { Button } from '../../parts/Button.tsx';
import { useAction, useEngine } from '../../store/hooks.tsx';
import { selectIdentities } from '../../store/selectors.ts';
import { useText } from '../../text/text.ts';
import { MfaCodeDialog } from '../identities/MfaDialogs.tsx';
import { useRoute } from '../route.ts';

export function NextAction({ service }: { service: ServiceView }): ReactNode {
  const t = useText();
  const act = useAction();
  const { go } = useRoute();
  const [asking, setAsking] = useState(false);
  const identity = useEngine(selectIdentities)?.find((one) => one.name === service.identity);
  if (service.status === 'mfa-required') {
    const enrolled = identity?.mfa !== 'none';
    return (
      <div style={{ marginTop: 8 }}>
        <Button
          size="small"
          icon="key"
          onPress={() => (enrolled ? setAsking(true) : go('identities', service.identity))}
        >
          {t(enrolled ? 'mfa.enterCode' : 'mfa.setUp')}
        </Button>
        {asking ? <MfaCodeDialog name={service.identity} onClose={() => setAsking(false)} /> : null}
      </div>
    );
  }
  if (service.status === 'identity-unavailable') {
    return (
      <div style={{ marginTop: 8 }}>
        {identity?.state === 'disabled' ? (
          <Button
            size="small"
            onPress={() =>
              void act(
                (client) => client.identity.enable({ name: service.identity }),
                t('identity.enabled', { name: service.identity }),
              )
            }
          >
            {t('identity.enable')}
          </Button>
        ) : (
          <Button size="small" onPress={() => go('identities', service.identity)}>
            {t('identity.open')}
          </Button>
        )}
      </div>
    );
  }
  return null;
}
