/** One agent whole: what it does, what it asks for, what it could do, and the ways to end it. */
import { useMemo, type ReactNode } from 'react';
import type { AuditRecordView } from '../../../main/api/record-views.ts';
import type { AgentView, SessionView } from '../../../main/api/views.ts';
import { Icon } from '../../parts/Icon.tsx';
import { Section, Status, Tag } from '../../parts/Pieces.tsx';
import { ScreenHead } from '../../parts/ScreenHead.tsx';
import { Track, type TrackItem } from '../../parts/Track.tsx';
import { useEngine } from '../../store/hooks.tsx';
import { selectApprovals, selectSessions } from '../../store/selectors.ts';
import { useText, type Text } from '../../text/text.ts';
import { ApprovalCard } from '../approvals/ApprovalCard.tsx';
import { auditDecision, auditKind, auditLine } from '../audit/audit-words.ts';
import { routeTo } from '../route.ts';
import { sessionStateText, sessionTone } from '../sessions/session-words.ts';
import { useRecords } from '../shared/use-records.ts';
import { AgentActions } from './AgentActions.tsx';
import { AgentPins } from './AgentPins.tsx';
import { Engagements } from './Engagements.tsx';
import { toolCounts } from './tool-counts.ts';

const shownSessions = 8;
const shownMoments = 40;
/** Calls that are counted by tool: the newest. */
const countedCalls = 5_000;

export function AgentPage({ agent }: { agent: AgentView }): ReactNode {
  const t = useText();
  const sessions = useEngine(selectSessions);
  const approvals = useEngine(selectApprovals);
  const own = useMemo(() => sessions?.filter(({ app }) => app.agent === agent.name) ?? [], [sessions, agent.name]);
  const waiting = approvals?.filter((row) => row.agent === agent.name && row.state === 'pending') ?? [];
  const calls = useRecords({ agent: agent.name, kind: 'call', limit: countedCalls });
  return (
    <>
      <ScreenHead
        title={agent.name}
        lead={agent.identity === undefined ? t('agents.noIdentity') : t('agents.dialsAs', { identity: agent.identity })}
      >
        {agent.quarantined ? <Tag tone="bad">{t('service.status.quarantined')}</Tag> : null}
        <AgentActions agent={agent} />
      </ScreenHead>
      <div className="screen-body">
        <div className="screen-scroll stack">
          <p>
            <a className="link-button" href={routeTo('agents')}>
              {t('agent.back')}
            </a>
          </p>
          {waiting.length === 0 ? null : (
            <ul className="queue" aria-label={t('approvals.waiting')}>
              {waiting.map((row) => (
                <ApprovalCard key={row.id} row={row} />
              ))}
            </ul>
          )}
          <div className="columns">
            <div className="card card-pad">
              <OwnSessions agent={agent.name} sessions={own} />
            </div>
            <div className="card card-pad">
              <Tools calls={calls} whole={(calls?.length ?? 0) < countedCalls} />
            </div>
          </div>
          <div className="card card-pad">
            <AgentPins reach={agent.reach} />
          </div>
          {agent.identity === undefined ? null : (
            <div className="card card-pad">
              <Engagements identity={agent.identity} />
            </div>
          )}
          <div className="columns">
            <div className="card card-pad">
              <Reach agent={agent} used={new Set(own.map(({ service }) => service))} />
            </div>
            <div className="card card-pad">
              <Moments agent={agent.name} />
            </div>
          </div>
        </div>
      </div>
    </>
  );
}

function OwnSessions({ agent, sessions }: { agent: string; sessions: readonly SessionView[] }): ReactNode {
  const t = useText();
  const newest = [...sessions].sort((a, b) => b.startedAt.localeCompare(a.startedAt)).slice(0, shownSessions);
  return (
    <Section
      title={t('sessions.title')}
      aside={
        <a className="push-end" href={routeTo('sessions', undefined, { agent })}>
          {t('agents.seeSessions')}
        </a>
      }
    >
      {newest.length === 0 ? <p className="quiet">{t('agent.noSessions')}</p> : null}
      <ul className="line-list">
        {newest.map((session) => (
          <li key={session.id} className="call">
            <Status tone={sessionTone(session)}>{sessionStateText(session, t)}</Status>
            <a className="clip" href={routeTo('sessions', session.id)}>
              {session.service}
            </a>
            <span className="quiet small">{t.format.time(session.startedAt)}</span>
          </li>
        ))}
      </ul>
    </Section>
  );
}

function Tools({ calls, whole }: { calls: readonly AuditRecordView[] | undefined; whole: boolean }): ReactNode {
  const t = useText();
  const tools = useMemo(() => toolCounts(calls ?? []), [calls]);
  return (
    <Section title={t('agent.tools')}>
      {whole ? null : <p className="quiet">{t('agent.newestCalls', { count: countedCalls })}</p>}
      {tools.length === 0 ? <p className="quiet">{t('agent.noTools')}</p> : null}
      {tools.length === 0 ? null : (
        <table className="figures">
          <thead>
            <tr>
              <th scope="col">{t('agent.tool')}</th>
              <th scope="col">{t('agent.callCount')}</th>
              <th scope="col">{t('agents.denied')}</th>
              <th scope="col">{t('agent.withData')}</th>
            </tr>
          </thead>
          <tbody>
            {tools.map(({ service, tool, calls: count, denied, data }) => (
              <tr key={`${service}/${tool}`}>
                <th scope="row">
                  <span className="mono">{tool}</span> <span className="quiet small">{service}</span>
                </th>
                <td>{t.format.number(count)}</td>
                <td data-tone={denied > 0 ? 'bad' : undefined}>{t.format.number(denied)}</td>
                <td>{data === 0 ? '–' : t.format.number(data)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Section>
  );
}

function Reach({ agent, used }: { agent: AgentView; used: ReadonlySet<string> }): ReactNode {
  const t = useText();
  const unused = agent.reach.filter((service) => !used.has(service)).length;
  return (
    <Section title={t('agent.reach')}>
      <p className="quiet">{t('agent.reachFacts', { could: agent.reach.length, unused })}</p>
      <div className="tags">
        {agent.reach.map((service) => (
          <Tag key={service} {...(used.has(service) ? { tone: 'water' as const } : {})}>
            {used.has(service) ? <Icon name="check" size={12} /> : null}
            {service}
          </Tag>
        ))}
      </div>
      {agent.programs.length === 0 ? null : (
        <p className="quiet small mono wrap-any agent-programs">{agent.programs.join('\n')}</p>
      )}
    </Section>
  );
}

function Moments({ agent }: { agent: string }): ReactNode {
  const t = useText();
  const records = useRecords({ agent, limit: shownMoments });
  return (
    <Section
      title={t('session.timeline')}
      aside={
        <a className="push-end" href={routeTo('audit', undefined, { agent })}>
          {t('agent.inAudit')}
        </a>
      }
    >
      {records?.length === 0 ? <p className="quiet">{t('agent.noRecords')}</p> : null}
      <Track label={t('session.timeline')} items={(records ?? []).map((record) => momentOf(record, t))} />
    </Section>
  );
}

function momentOf(record: AuditRecordView, t: Text): TrackItem {
  const decision = auditDecision(record);
  return {
    key: String(record.seq),
    icon: decision === 'deny' ? 'cross' : record.kind === 'call' ? 'tool' : 'shield',
    tone: decision === 'deny' ? 'bad' : 'plain',
    title: auditKind(record, t),
    text: auditLine(record),
    aside: t.format.dateTime(record.at),
  };
}
