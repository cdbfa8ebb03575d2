/** One identity whole: state and next step, second factor, certificate, and what can be done with it. */
import { useState, type ReactNode } from 'react';
import type { IdentityView } from '../../../main/api/views.ts';
import { Button } from '../../parts/Button.tsx';
import { Confirm } from '../../parts/Dialogs.tsx';
import { Drawer } from '../../parts/Drawer.tsx';
import { ActionMenu } from '../../parts/Menu.tsx';
import { Facts, Notice, ReasonLines, Section, Status, Tag } from '../../parts/Pieces.tsx';
import { useAction, useNow } from '../../store/hooks.tsx';
import { useText } from '../../text/text.ts';
import { useRoute } from '../route.ts';
import { RenameDialog, UnlockDialog } from './IdentityDialogs.tsx';
import { identityTone } from './identity-words.ts';
import { LoginPanel } from './LoginPanel.tsx';
import { MfaCodeDialog, MfaEnrolDialog, MfaRemoveDialog, RecoveryCodesDialog } from './MfaDialogs.tsx';

type Open = 'rename' | 'remove' | 'unlock' | 'mfa-enrol' | 'mfa-code' | 'mfa-remove' | 'mfa-codes';

export function IdentityDrawer({ identity, onClose }: { identity: IdentityView; onClose: () => void }): ReactNode {
  const t = useText();
  const act = useAction();
  const { go } = useRoute();
  const [open, setOpen] = useState<Open>();
  const { name } = identity;
  const shut = (): void => setOpen(undefined);
  const renew = (rollKey: boolean): void =>
    void act((client) => client.identity.renew({ name, rollKey }), t('identity.renewed', { name }));
  return (
    <Drawer
      title={name}
      sub={<Status tone={identityTone(identity)}>{t(`identity.state.${identity.state}`)}</Status>}
      onClose={onClose}
      foot={
        <>
          {identity.state === 'disabled' ? (
            <Button
              kind="primary"
              onPress={() => void act((client) => client.identity.enable({ name }), t('identity.enabled', { name }))}
            >
              {t('identity.enable')}
            </Button>
          ) : (
            <Button
              onPress={() => void act((client) => client.identity.disable({ name }), t('identity.disabled', { name }))}
            >
              {t('identity.disable')}
            </Button>
          )}
          <Button kind="danger" onPress={() => setOpen('remove')}>
            {t('identity.remove')}
          </Button>
          <span style={{ marginLeft: 'auto' }}>
            <ActionMenu
              label={t('common.more')}
              actions={[
                { id: 'rename', text: t('identity.rename'), run: () => setOpen('rename') },
                { id: 'renew', text: t('identity.renew'), run: () => renew(false) },
                { id: 'roll', text: t('identity.roll'), run: () => renew(true) },
              ]}
            />
          </span>
        </>
      }
    >
      {identity.reason === undefined ? null : (
        <Notice tone={identityTone(identity) === 'bad' ? 'bad' : 'warn'}>
          <ReasonLines reason={t.reason(identity.reason, { identity: name })} />
        </Notice>
      )}
      {identity.state === 'locked' ? (
        <Button icon="lock" onPress={() => setOpen('unlock')}>
          {t('identity.unlock')}
        </Button>
      ) : null}
      {identity.state === 'login-required' ? <LoginPanel identity={identity} /> : null}
      <MfaSection identity={identity} open={setOpen} />
      <IdentityFacts identity={identity} />
      {open === 'rename' ? (
        <RenameDialog name={name} onClose={shut} onRenamed={(to) => go('identities', to)} />
      ) : open === 'unlock' ? (
        <UnlockDialog name={name} onClose={shut} />
      ) : open === 'mfa-enrol' ? (
        <MfaEnrolDialog name={name} onClose={shut} />
      ) : open === 'mfa-code' ? (
        <MfaCodeDialog name={name} onClose={shut} />
      ) : open === 'mfa-remove' ? (
        <MfaRemoveDialog name={name} onClose={shut} />
      ) : open === 'mfa-codes' ? (
        <RecoveryCodesDialog name={name} onClose={shut} />
      ) : open === 'remove' ? (
        <Confirm
          title={t('identity.removeTitle', { name })}
          text={t('identity.removeText')}
          action={t('identity.remove')}
          danger
          act={async () => {
            await act((client) => client.identity.remove({ name }), t('identity.removed', { name }));
            go('identities');
          }}
          onClose={shut}
        />
      ) : null}
    </Drawer>
  );
}

function MfaSection({ identity, open }: { identity: IdentityView; open: (what: Open) => void }): ReactNode {
  const t = useText();
  const enrolled = identity.mfa === 'enrolled' || identity.mfa === 'required';
  return (
    <Section
      title={t('mfa.title')}
      aside={
        <Tag {...(identity.mfa === 'required' ? { tone: 'warn' as const } : enrolled ? { tone: 'ok' as const } : {})}>
          {t(`mfa.state.${identity.mfa}`)}
        </Tag>
      }
    >
      <p className="quiet">{t(enrolled ? 'mfa.onText' : 'mfa.offText')}</p>
      <div className="tags">
        {enrolled ? (
          <>
            <Button size="small" icon="key" onPress={() => open('mfa-code')}>
              {t('mfa.enterCode')}
            </Button>
            <Button size="small" onPress={() => open('mfa-codes')}>
              {t('mfa.codes')}
            </Button>
            <Button size="small" kind="danger" onPress={() => open('mfa-remove')}>
              {t('mfa.remove')}
            </Button>
          </>
        ) : (
          <Button size="small" icon="key" onPress={() => open('mfa-enrol')} isDisabled={identity.state === 'disabled'}>
            {t('mfa.setUp')}
          </Button>
        )}
      </div>
    </Section>
  );
}

function IdentityFacts({ identity }: { identity: IdentityView }): ReactNode {
  const t = useText();
  const nowMs = useNow();
  const expires = identity.certExpiresAt;
  return (
    <Section title={t('identity.facts')}>
      <Facts
        items={[
          [t('identity.controller'), <span className="mono">{identity.controller}</span>],
          [t('identity.controllerName'), identity.controllerName],
          [t('identity.controllerVersion'), identity.controllerVersion],
          [t('identity.services'), t('identity.reach', { dial: identity.services.dial, bind: identity.services.bind })],
          [t('identity.key'), t(`keystore.${identity.keystore}`)],
          [
            t('identity.scope'),
            identity.owner === undefined
              ? t(`scope.${identity.scope}`)
              : t('identity.ownedBy', { owner: identity.owner }),
          ],
          [
            t('identity.expiry'),
            expires === undefined ? undefined : `${t.format.date(expires)} (${t.format.relative(expires, nowMs)})`,
          ],
          [
            t('identity.fingerprint'),
            identity.fingerprint === undefined ? undefined : <span className="mono small">{identity.fingerprint}</span>,
          ],
          [t('identity.id'), identity.id === undefined ? undefined : <span className="mono">{identity.id}</span>],
        ]}
      />
    </Section>
  );
}
