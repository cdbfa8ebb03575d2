/** The rules in force, and who made them: contracts, local rules, posture, quarantine. */
import type { ReactNode } from 'react';
import { Tab, TabList, TabPanel, Tabs } from 'react-aria-components';
import type { PolicyView } from '../../../main/api/views.ts';
import { Button } from '../../parts/Button.tsx';
import { Empty, Notice, SkeletonRows, Tag } from '../../parts/Pieces.tsx';
import { useAction, useEngine, useStores } from '../../store/hooks.tsx';
import { selectPolicy, selectQuarantine } from '../../store/selectors.ts';
import { useText } from '../../text/text.ts';
import { ScreenHead } from '../../parts/ScreenHead.tsx';
import { useRoute } from '../route.ts';
import { PostureList } from '../services/ServiceDrawer.tsx';
import { ContractTerms } from '../shared/ContractTerms.tsx';
import { guardText } from '../shared/guard-words.ts';
import { QuarantinePanel } from './QuarantinePanel.tsx';

const tabs = ['contracts', 'rules', 'posture', 'quarantine'] as const;

export function PolicyScreen({ tab }: { tab: string | undefined }): ReactNode {
  const t = useText();
  const { go } = useRoute();
  const { toasts } = useStores();
  const act = useAction();
  const policy = useEngine(selectPolicy);
  const quarantine = useEngine(selectQuarantine);
  const selected = tabs.find((name) => name === tab) ?? 'contracts';
  const reload = async (): Promise<void> => {
    const checked = await act((client) => client.policy.reload());
    if (checked === undefined) return;
    toasts.show(
      checked.ok
        ? { tone: 'ok', text: t('policy.reloaded', { rules: checked.rules, files: checked.files }) }
        : { tone: 'bad', text: t('policy.reloadFailed', { errors: checked.errors.length }) },
    );
  };
  const counts = {
    contracts: policy?.contracts.length ?? 0,
    rules: policy?.localRules.length ?? 0,
    posture: policy?.posture.length ?? 0,
    quarantine: quarantine?.length ?? 0,
  };
  return (
    <>
      <ScreenHead title={t('policy.title')} lead={t('policy.lead')}>
        <Button icon="refresh" onPress={() => void reload()}>
          {t('policy.reload')}
        </Button>
      </ScreenHead>
      <div className="screen-body">
        {policy === undefined ? (
          <SkeletonRows rows={4} heightPx={72} label={t('common.loading')} />
        ) : (
          <Tabs className="tabs" selectedKey={selected} onSelectionChange={(key) => go('policy', String(key))}>
            <TabList className="tab-list" aria-label={t('policy.title')}>
              {tabs.map((name) => (
                <Tab key={name} id={name} className="tab">
                  {t(`policy.tab.${name}`)} <span className="segment-count">{counts[name]}</span>
                </Tab>
              ))}
            </TabList>
            <div className="screen-scroll">
              {policy.errors.map((error) => (
                <Notice key={`${error.file}${error.message}${error.identity ?? ''}`} tone="bad">
                  <span className="mono">{error.file}</span>: {error.message}
                </Notice>
              ))}
              <TabPanel id="contracts">
                <Contracts policy={policy} />
              </TabPanel>
              <TabPanel id="rules">
                <LocalRules policy={policy} />
              </TabPanel>
              <TabPanel id="posture">
                <Posture policy={policy} />
              </TabPanel>
              <TabPanel id="quarantine">
                <QuarantinePanel entries={quarantine ?? []} />
              </TabPanel>
            </div>
          </Tabs>
        )}
      </div>
    </>
  );
}

function Contracts({ policy }: { policy: PolicyView }): ReactNode {
  const t = useText();
  if (policy.contracts.length === 0)
    return <Empty title={t('policy.noContractsTitle')} text={t('policy.noContracts')} icon="policy" />;
  return (
    <ul className="columns">
      {policy.contracts.map((contract) => (
        <li key={`${contract.identity}/${contract.service}`} className="card card-pad stack">
          <div>
            <h2 className="section-title">
              {contract.service}
              {contract.guard === 'none' ? null : <Tag tone="water">{guardText(contract.guard, t)}</Tag>}
            </h2>
            <p className="quiet">{contract.identity}</p>
          </div>
          <ContractTerms contract={contract} />
        </li>
      ))}
    </ul>
  );
}

function LocalRules({ policy }: { policy: PolicyView }): ReactNode {
  const t = useText();
  if (policy.localRules.length === 0)
    return <Empty title={t('policy.noRulesTitle')} text={t('policy.noRules')} icon="file" />;
  return (
    <ul className="stack">
      {policy.localRules.map((rule) => (
        <li key={rule.id} className="card card-pad stack">
          <div className="section-title">
            <Tag tone={rule.effect === 'permit' ? 'ok' : 'bad'}>{t(`policy.effect.${rule.effect}`)}</Tag>
            <span>{rule.id}</span>
            <span className="quiet mono small" style={{ marginLeft: 'auto' }}>
              {rule.file}
            </span>
          </div>
          <pre className="code-block" tabIndex={0} role="region" aria-label={rule.id}>
            {rule.text}
          </pre>
        </li>
      ))}
    </ul>
  );
}

function Posture({ policy }: { policy: PolicyView }): ReactNode {
  const t = useText();
  if (policy.posture.length === 0)
    return <Empty title={t('policy.noPostureTitle')} text={t('policy.noPosture')} icon="shield" />;
  const byService = new Map<string, PolicyView['posture'][number][]>();
  for (const fact of policy.posture) {
    const title = `${fact.service} · ${fact.identity}`;
    byService.set(title, [...(byService.get(title) ?? []), fact]);
  }
  return (
    <ul className="columns">
      {[...byService].map(([title, facts]) => (
        <li key={title} className="card card-pad">
          <h2 className="section-title">{title}</h2>
          <PostureList checks={facts} />
        </li>
      ))}
    </ul>
  );
}
