/** Which AI agents run here, as whom each dials, and what each could reach: the blast radius, one agent at a time. */
import { useMemo, useState, type ReactNode } from 'react';
import type { AgentView, SessionView } from '../../../main/api/views.ts';
import { Button } from '../../parts/Button.tsx';
import { Confirm } from '../../parts/Dialogs.tsx';
import { Icon } from '../../parts/Icon.tsx';
import { Empty, SkeletonRows, Tag } from '../../parts/Pieces.tsx';
import { useAction, useEngine } from '../../store/hooks.tsx';
import { selectAgents, selectSessions } from '../../store/selectors.ts';
import { useText } from '../../text/text.ts';
import { ScreenHead } from '../../parts/ScreenHead.tsx';
import { routeTo } from '../route.ts';

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
  const act = useAction();
  const [asking, setAsking] = useState(false);
  const own = useMemo(() => sessions.filter(({ app }) => app.agent === agent.name), [sessions, agent.name]);
  const calls = own.reduce((sum, { mcp }) => sum + (mcp?.calls ?? 0), 0);
  const denied = own.reduce((sum, { mcp }) => sum + (mcp?.denied ?? 0), 0);
  const subject = `app:${agent.name}`;
  return (
    <li className="card agent" data-quarantined={agent.quarantined ? '' : undefined}>
      <div className="agent-head">
        <span className="program-mark" data-agent="" aria-hidden="true">
          <Icon name="agents" size={18} />
        </span>
        <div style={{ minWidth: 0 }}>
          <h2 className="drawer-title clip">{agent.name}</h2>
          <p className="quiet clip">
            {agent.identity === undefined ? t('agents.noIdentity') : t('agents.dialsAs', { identity: agent.identity })}
          </p>
        </div>
        <span style={{ marginLeft: 'auto' }}>
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
        {agent.reach.slice(0, 12).map((service) => (
          <Tag key={service}>{service}</Tag>
        ))}
        {agent.reach.length > 12 ? <Tag>{t('agents.more', { more: agent.reach.length - 12 })}</Tag> : null}
        {agent.reach.length === 0 ? <span className="quiet">{t('agents.reachNothing')}</span> : null}
      </div>
      <p className="quiet small mono wrap-any agent-programs">{agent.programs.join('\n')}</p>
      <div className="agent-actions">
        <a className="link-button" href={routeTo('sessions')}>
          {t('agents.seeSessions')}
        </a>
        {agent.openSessions === 0 ? null : (
          <Button
            size="small"
            onPress={() =>
              void act(
                (client) => client.session.closeApp({ app: agent.name }),
                t('session.closedAll', { program: agent.name }),
              )
            }
          >
            {t('session.closeAll')}
          </Button>
        )}
        {agent.quarantined ? (
          <Button
            size="small"
            onPress={() =>
              void act(
                (client) => client.quarantine.release({ subject }),
                t('quarantine.released', { name: agent.name }),
              )
            }
          >
            {t('quarantine.release')}
          </Button>
        ) : (
          <Button size="small" kind="danger" onPress={() => setAsking(true)}>
            {t('quarantine.add')}
          </Button>
        )}
      </div>
      {asking ? (
        <Confirm
          title={t('quarantine.askTitle', { name: agent.name })}
          text={t('quarantine.askText')}
          action={t('quarantine.add')}
          danger
          act={() => act((client) => client.quarantine.add({ subject }), t('quarantine.added', { name: agent.name }))}
          onClose={() => setAsking(false)}
        />
      ) : null}
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
