/** One service whole: its status and next step, its posture, contract and names, and Why? */
import { useState, type ReactNode } from 'react';
import type { PostureCheckView, ServiceView, WhyView } from '../../../main/api/views.ts';
import { Button } from '../../parts/Button.tsx';
import { Confirm } from '../../parts/Dialogs.tsx';
import { CopyButton } from '../../parts/CopyButton.tsx';
import { Drawer } from '../../parts/Drawer.tsx';
import { Facts, Notice, ReasonLines, Section, Status, Tag } from '../../parts/Pieces.tsx';
import { useAction } from '../../store/hooks.tsx';
import { useText } from '../../text/text.ts';
import { ProxyHint } from '../shared/ProxyHint.tsx';
import { ContractTerms } from '../shared/ContractTerms.tsx';
import { OpenService } from './OpenService.tsx';
import { NextAction } from './NextAction.tsx';
import { aboutService, serviceTone, whyDestination } from './service-words.ts';
import { WhySteps } from './Why.tsx';

/** The drawer beside the services table. */
export function ServiceDrawer({ service, onClose }: { service: ServiceView; onClose: () => void }): ReactNode {
  const t = useText();
  const act = useAction();
  const [why, setWhy] = useState<WhyView>();
  const [pending, setPending] = useState(false);
  const [asking, setAsking] = useState(false);
  const ask = async (): Promise<void> => {
    setPending(true);
    setWhy(await act((client) => client.service.why({ destination: whyDestination(service) })));
    setPending(false);
  };
  return (
    <Drawer
      title={service.name}
      sub={<Status tone={serviceTone(service)}>{t(`service.status.${service.status}`)}</Status>}
      onClose={onClose}
      foot={
        <>
          <Button kind="primary" icon="question" isPending={pending} onPress={() => void ask()}>
            {t('why.short')}
          </Button>
          {service.status === 'quarantined' ? (
            <Button
              onPress={() =>
                void act(
                  (client) => client.quarantine.release({ subject: `service:${service.name}` }),
                  t('quarantine.released', { name: service.name }),
                )
              }
            >
              {t('quarantine.release')}
            </Button>
          ) : (
            <Button kind="danger" onPress={() => setAsking(true)}>
              {t('quarantine.add')}
            </Button>
          )}
        </>
      }
    >
      {service.reason === undefined || why?.reachable === false ? null : (
        <Notice tone={serviceTone(service) === 'bad' ? 'bad' : 'warn'}>
          <ReasonLines reason={t.reason(service.reason, aboutService(service))} />
          <NextAction service={service} />
        </Notice>
      )}
      {why === undefined ? null : (
        <Section title={t('why.short')}>
          <WhySteps why={why} />
          {why.reachable ? null : <NextAction service={service} />}
        </Section>
      )}
      {service.status === 'available' ? <OpenService service={service} /> : null}
      {service.status === 'available' && service.permissions.includes('Dial') ? <ProxyHint /> : null}
      <ServiceFacts service={service} />
      {service.posture.length === 0 ? null : (
        <Section title={t('service.posture')}>
          <PostureList checks={service.posture} />
        </Section>
      )}
      {service.contract === undefined ? null : (
        <Section title={t('service.contract')}>
          <ContractTerms contract={service.contract} />
        </Section>
      )}
      {asking ? (
        <Confirm
          title={t('quarantine.askTitle', { name: service.name })}
          text={t('quarantine.askText')}
          action={t('quarantine.add')}
          danger
          act={() =>
            act(
              (client) => client.quarantine.add({ subject: `service:${service.name}` }),
              t('quarantine.added', { name: service.name }),
            )
          }
          onClose={() => setAsking(false)}
        />
      ) : null}
    </Drawer>
  );
}

function ServiceFacts({ service }: { service: ServiceView }): ReactNode {
  const t = useText();
  const list = (values: readonly (string | number)[]): string | undefined =>
    values.length === 0 ? undefined : values.join(', ');
  const { hosted } = service;
  return (
    <Section title={t('service.facts')}>
      <Facts
        items={[
          [
            t('service.addresses'),
            service.addresses.length === 0 ? undefined : (
              <span className="copyable">
                <span className="mono">{list(service.addresses)}</span>
                <CopyButton text={service.addresses.join('\n')} what={t('service.addresses')} />
              </span>
            ),
          ],
          [t('service.ports'), list(service.ports)],
          [t('service.protocols'), list(service.protocols.map((protocol) => protocol.toUpperCase()))],
          [t('service.forwards'), list(service.forwards.map((port) => `127.0.0.1:${port}`))],
          [t('service.identity'), service.identity],
          [t('service.permissions'), list(service.permissions.map((permission) => t(`permission.${permission}`)))],
          [t('service.workgroups'), list(service.workgroups)],
          [t('service.encryption'), t(service.encrypted ? 'session.encrypted' : 'session.notEncrypted')],
          [t('service.target'), hosted === undefined ? undefined : <span className="mono">{hosted.target}</span>],
          [t('service.terminators'), hosted?.terminators],
          [t('service.health'), hosted === undefined ? undefined : t(`health.${hosted.health}`)],
          [t('service.sessions'), service.openSessions],
        ]}
      />
    </Section>
  );
}

/** The posture checks of a service, each passed or with what to do. */
export function PostureList({ checks }: { checks: readonly PostureCheckView[] }): ReactNode {
  const t = useText();
  return (
    <ul className="line-list">
      {checks.map((check, index) => (
        <li key={`${check.type}-${index}`} className="posture">
          <Tag tone={check.passing ? 'ok' : 'bad'}>{t(check.passing ? 'posture.passing' : 'posture.failing')}</Tag>
          <div>
            <div>
              {check.name ?? check.type}{' '}
              <span className="quiet">
                · {t(`permission.${check.policyType}`)}
                {check.id === undefined ? '' : ` · ${check.id}`}
              </span>
            </div>
            {check.explanation === undefined ? null : (
              <div className="quiet">
                {t.reason({ code: check.code, sentence: check.explanation, details: check.details }).sentence}
              </div>
            )}
            {check.timeoutRemainingSeconds === undefined ? null : (
              <div className="quiet">
                {t('posture.left', { span: t.format.span(check.timeoutRemainingSeconds * 1000) })}
              </div>
            )}
          </div>
        </li>
      ))}
    </ul>
  );
}
