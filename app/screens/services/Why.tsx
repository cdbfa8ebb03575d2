/** Each step from name to terminator, the first that fails, and what to do about it. */
import type { ReactNode } from 'react';
import type { WhyStep, WhyView } from '../../../main/api/views.ts';
import type { IconName } from '../../parts/Icon.tsx';
import { Notice } from '../../parts/Pieces.tsx';
import { Track, type TrackItem } from '../../parts/Track.tsx';
import { useText } from '../../text/text.ts';

const icons: Readonly<Record<WhyStep['outcome'], IconName>> = {
  pass: 'check',
  fail: 'cross',
  skipped: 'minus',
  unknown: 'question',
};
const tones = { pass: 'ok', fail: 'bad', skipped: 'plain', unknown: 'warn' } as const;

export function WhySteps({ why }: { why: WhyView }): ReactNode {
  const t = useText();
  const failed = why.steps.find((step) => step.outcome === 'fail');
  const about = { destination: why.destination, service: why.service, identity: why.identity };
  const items = why.steps.map((step, index): TrackItem => {
    const said = t.reason({ code: step.code, sentence: step.text, next: step.next, details: step.details }, about);
    return {
      key: `${step.step}-${index}`,
      icon: icons[step.outcome],
      tone: tones[step.outcome],
      title: t(`why.step.${step.step}`),
      spoken: t(`why.outcome.${step.outcome}`),
      text: said.sentence,
      ...(said.next === undefined || step.outcome === 'pass' ? {} : { next: said.next }),
    };
  });
  return (
    <div className="stack" role="group" aria-label={t('why.result')}>
      <Notice tone={why.reachable ? 'info' : 'bad'}>
        {why.reachable
          ? t('why.reachable', { destination: why.destination })
          : t('why.unreachable', {
              destination: why.destination,
              step: failed === undefined ? t('why.somewhere') : t(`why.step.${failed.step}`),
            })}
      </Notice>
      <Track label={t('why.result')} items={items} />
    </div>
  );
}
