/** The step that fails and what to do about it; then each step from name to terminator. */
import type { ReactNode } from 'react';
import type { WhyStep, WhyView } from '../../../main/api/views.ts';
import { CopyButton } from '../../parts/CopyButton.tsx';
import type { IconName } from '../../parts/Icon.tsx';
import { Notice, ReasonLines } from '../../parts/Pieces.tsx';
import { Track, type TrackItem } from '../../parts/Track.tsx';
import type { ReasonText } from '../../text/reasons.ts';
import { useText, type Text } from '../../text/text.ts';

const icons: Readonly<Record<WhyStep['outcome'], IconName>> = {
  pass: 'check',
  fail: 'cross',
  skipped: 'minus',
  unknown: 'question',
};
const tones = { pass: 'ok', fail: 'bad', skipped: 'plain', unknown: 'warn' } as const;

export function WhySteps({ why }: { why: WhyView }): ReactNode {
  const t = useText();
  const said = (step: WhyStep): ReasonText =>
    t.reason(
      { code: step.code, sentence: step.text, next: step.next, details: step.details },
      { destination: why.destination, service: why.service, identity: why.identity },
    );
  const failed = why.steps.find((step) => step.outcome === 'fail');
  const items = why.steps.map((step, index): TrackItem => ({
    key: `${step.step}-${index}`,
    icon: icons[step.outcome],
    tone: tones[step.outcome],
    title: t(`why.step.${step.step}`),
    spoken: t(`why.outcome.${step.outcome}`),
    text: said(step).sentence,
  }));
  return (
    <div className="stack" role="group" aria-label={t('why.result')}>
      <Notice tone={why.reachable ? 'info' : 'bad'}>
        <p>{verdict(why, failed, t)}</p>
        {failed === undefined ? null : <ReasonLines reason={said(failed)} />}
      </Notice>
      <Track label={t('why.result')} items={items} />
      <div>
        <CopyButton words what={t('why.answer')} text={() => asText(why, failed, said, t)} />
      </div>
    </div>
  );
}

function verdict(why: WhyView, failed: WhyStep | undefined, t: Text): string {
  const { destination } = why;
  if (why.reachable) return t('why.reachable', { destination });
  const step = failed === undefined ? t('why.somewhere') : t(`why.step.${failed.step}`);
  return t('why.unreachable', { destination, step });
}

/** For a ticket or a chat: the verdict, what to do, and the steps. */
function asText(why: WhyView, failed: WhyStep | undefined, said: (step: WhyStep) => ReasonText, t: Text): string {
  const next = failed === undefined ? undefined : said(failed).next;
  const steps = why.steps.map(
    (step) => `${t(`why.outcome.${step.outcome}`)}: ${t(`why.step.${step.step}`)} – ${said(step).sentence}`,
  );
  return [verdict(why, failed, t), ...(next === undefined ? [] : [next]), '', ...steps].join('\n');
}
