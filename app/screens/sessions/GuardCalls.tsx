/** What a guard read in a session: tool calls, requests, functions, each with its decision. */
import type { ReactNode } from 'react';
import type { GuardCallView, SessionView } from '../../../main/api/views.ts';
import { Section, Tag } from '../../parts/Pieces.tsx';
import { useText, type Text } from '../../text/text.ts';

export function GuardCalls({ session }: { session: SessionView }): ReactNode {
  const t = useText();
  const calls = (session.timeline ?? []).flatMap((entry) =>
    entry.call === undefined ? [] : [{ at: entry.at, call: entry.call }],
  );
  if (calls.length === 0) return null;
  return (
    <Section title={t('session.toolCalls')} aside={<span className="quiet">{t.format.number(calls.length)}</span>}>
      <ul className="line-list">
        {calls
          .slice(-40)
          .reverse()
          .map(({ at, call }, index) => (
            <li key={`${at}-${index}`} className="call">
              <Tag tone={call.decision === 'allow' ? 'ok' : 'bad'}>{t(`decision.${call.decision}`)}</Tag>
              <div style={{ minWidth: 0 }}>
                <div className="mono clip">{call.target}</div>
                <div className="quiet small clip">{callFacts(call, t)}</div>
              </div>
              <span className="quiet small">{t.format.time(at)}</span>
            </li>
          ))}
      </ul>
    </Section>
  );
}

function callFacts(call: GuardCallView, t: Text): string {
  return [
    call.method,
    call.durationMs === undefined ? undefined : `${t.format.number(call.durationMs)} ms`,
    call.rule,
    call.observed,
    call.arguments === undefined ? call.digest?.slice(0, 12) : JSON.stringify(call.arguments),
  ]
    .filter((part) => part !== undefined)
    .join(' · ');
}
