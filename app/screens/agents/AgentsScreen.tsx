/** Which AI agents run here, as whom each dials, and what each could reach: the blast radius, one agent at a time. */
import { useMemo, type ReactNode } from 'react';
import type { AgentView, SessionView } from '../../../main/api/views.ts';
import { Icon } from '../../parts/Icon.tsx';
import { Empty, SkeletonRows, Tag } from '../../parts/Pieces.tsx';
import { ScreenHead } from '../../parts/ScreenHead.tsx';
import { useEngine } from '../../store/hooks.tsx';
import { selectAgents, selectSessions } from '../../store/selectors.ts';
import { useText } from '../../text/text.ts';
import { routeTo } from '../route.ts';
import { AgentActions } from './AgentActions.tsx';

const shownReach = 12;

export function AgentsScreen(): ReactNode {
  const t = useText();
  const agents = useEngine(selectAgents);
  const sessions = useEngine(selectSessions);
  const sorted = useMemo(() => [...(agents ?? [])].sort((a, b) => a.name.localeCompare(b.name)), [agents]);
  const active = sorted.filter(({ openSessions }) => openSessions > 0).length;
  return (
    <>
      <ScreenHead
        title={t('agents.title')}
        lead={agents === undefined ? ' ' : t('agents.lead', { count: sorted.length, active })}
      />
      <div className="screen-body">
        {agents === undefined ? (
          <SkeletonRows rows={3} heightPx={120} label={t('common.loading')} />
        ) : sorted.length === 0 ? (
          <Empty title={t('agents.emptyTitle')} text={t('agents.emptyText')} icon="agents" />
        ) : (
          <div className="screen-scroll">
            <ul className="agents" aria-label={t('agents.title')}>
              {sorted.map((agent) => (
                <AgentCard key={agent.name} agent={agent} sessions={sessions ?? []} />
              ))}
            </ul>
          </div>
        )}
      </div>
    </>
  );
}

function AgentCard({ agent, sessions }: { agent: AgentView; sessions: readonly SessionView[] }): ReactNode {
  const t = useText();
  const own = useMemo(() => sessions.filter(({ app }) => app.agent === agent.name), [sessions, agent.name]);
  const calls = own.reduce((sum, { mcp }) => sum + (mcp?.calls ?? 0), 0);
  const denied = own.reduce((sum, { mcp }) => sum + (mcp?.denied ?? 0), 0);
  return (
    <li className="card agent" data-quarantined={agent.quarantined ? '' : undefined}>
      <div className="agent-head">
        <span className="program-mark" data-agent="" aria-hidden="true">
          <Icon name="agents" size={18} />
        </span>
        <div style={{ minWidth: 0 }}>
          <h2 className="drawer-title clip">
            <a className="plain-link" href={routeTo('agents', agent.name)}>
              {agent.name}
            </a>
          </h2>
          <p className="quiet clip">
            {agent.identity === undefined ? t('agents.noIdentity') : t('agents.dialsAs', { identity: agent.identity })}
          </p>
        </div>
        <span className="push-end">
          {agent.quarantined ? (
            <Tag tone="bad">{t('service.status.quarantined')}</Tag>
          ) : agent.openSessions > 0 ? (
            <Tag tone="water">{t('agents.open', { open: agent.openSessions })}</Tag>
          ) : (
            <Tag>{t('agents.idle')}</Tag>
          )}
        </span>
      </div>
      <dl className="agent-figures">
        <Figure name={t('agents.reach')} value={t.format.number(agent.reach.length)} />
        <Figure name={t('agents.calls')} value={t.format.number(calls)} />
        <Figure name={t('agents.denied')} value={t.format.number(denied)} bad={denied > 0} />
      </dl>
      <div className="tags">
        {agent.reach.slice(0, shownReach).map((service) => (
          <Tag key={service}>{service}</Tag>
        ))}
        {agent.reach.length > shownReach ? (
          <Tag>{t('agents.more', { more: agent.reach.length - shownReach })}</Tag>
        ) : null}
        {agent.reach.length === 0 ? <span className="quiet">{t('agents.reachNothing')}</span> : null}
      </div>
      <p className="quiet small mono wrap-any agent-programs">{agent.programs.join('\n')}</p>
      <div className="agent-actions">
        <a className="link-button" href={routeTo('agents', agent.name)}>
          {t('agent.open')}
        </a>
        <a className="link-button" href={routeTo('sessions', undefined, { agent: agent.name })}>
          {t('agents.seeSessions')}
        </a>
        <AgentActions agent={agent} small />
      </div>
    </li>
  );
}

function Figure({ name, value, bad = false }: { name: string; value: string; bad?: boolean }): ReactNode {
  return (
    <div>
      <dt className="quiet small">{name}</dt>
      <dd className="ribbon-value" style={bad ? { color: 'var(--bad)' } : undefined}>
        {value}
      </dd>
    </div>
  );
}
