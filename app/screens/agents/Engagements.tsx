/** With whom an agent is or was engaged, each with its story: what was agreed, what became of it, and why, as the journal has it. */
import { useMemo, type ReactNode } from 'react';
import type { AuditRecordView } from '../../../main/api/record-views.ts';
import { Section, Tag } from '../../parts/Pieces.tsx';
import { Track } from '../../parts/Track.tsx';
import { useText } from '../../text/text.ts';
import { auditKind } from '../audit/audit-words.ts';
import { routeTo } from '../route.ts';
import { useRecords } from '../shared/use-records.ts';
import { engagementStories, type EngagementStory } from './engagement-stories.ts';

/** Newest records of each kind that are looked at. */
const limit = 200;

export function Engagements({ identity }: { identity: string }): ReactNode {
  const t = useText();
  const proposed = useRecords({ identity, kind: 'engagement.proposed', limit });
  const accepting = useRecords({ identity, kind: 'engagement.accepting', limit });
  const active = useRecords({ identity, kind: 'engagement.active', limit });
  const closed = useRecords({ identity, kind: 'engagement.closed', limit });
  const stories = useMemo(
    () => engagementStories([proposed, accepting, active, closed].flatMap((records) => records ?? [])),
    [proposed, accepting, active, closed],
  );
  return (
    <Section title={t('engagements.title')}>
      {closed !== undefined && stories.length === 0 ? <p className="quiet">{t('engagements.none')}</p> : null}
      <ul className="stack" aria-label={t('engagements.title')}>
        {stories.map((story) => (
          <Story key={story.id} story={story} />
        ))}
      </ul>
    </Section>
  );
}

function Story({ story }: { story: EngagementStory }): ReactNode {
  const t = useText();
  const { id, service, counterparty, hosts, isOver, newest, steps } = story;
  const tone = toneOf(newest, isOver);
  const words = { service, counterparty: counterparty ?? '–' };
  return (
    <li>
      <details>
        <summary>
          <Tag {...(tone === 'plain' ? {} : { tone })}>{auditKind(newest, t)}</Tag>{' '}
          <strong>{t(hosts ? 'engagements.answers' : 'engagements.asks', words)}</strong>{' '}
          <span className="quiet wrap-any">{textOf(newest, 'reason')}</span>
        </summary>
        <Track
          label={t('engagements.story', { service })}
          items={steps.map((record) => ({
            key: String(record.seq),
            icon: record.kind === 'engagement.closed' ? 'cross' : 'shield',
            tone: record === newest && tone === 'bad' ? 'bad' : 'plain',
            title: auditKind(record, t),
            text: [textOf(record, 'ended'), textOf(record, 'reason')].filter((part) => part !== '').join(': '),
            aside: t.format.dateTime(record.at),
          }))}
        />
        <a className="small" href={routeTo('audit', undefined, { text: id })}>
          {t('agent.inAudit')}
        </a>
      </details>
    </li>
  );
}

/** Ends that somebody's doing brought about. */
const bad = new Set(['contract_violation', 'quarantined', 'policy_revoked', 'identity_disabled', 'tunnel_failed']);

function toneOf(newest: AuditRecordView, isOver: boolean): 'water' | 'bad' | 'plain' {
  if (!isOver) return 'water';
  return bad.has(textOf(newest, 'ended')) ? 'bad' : 'plain';
}

function textOf(record: AuditRecordView, field: string): string {
  const value = record[field];
  return typeof value === 'string' ? value : '';
}
