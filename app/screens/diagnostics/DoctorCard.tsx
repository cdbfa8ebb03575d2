/** What `culvert doctor` looks at: each thing with what was found and, where it is not as it must be, the one next step. */
import { useCallback, useEffect, useState, type ReactNode } from 'react';
import type { DoctorCheck } from '../../../main/api/machine-views.ts';
import { Button } from '../../parts/Button.tsx';
import { CopyButton } from '../../parts/CopyButton.tsx';
import { Tag } from '../../parts/Pieces.tsx';
import { useAction } from '../../store/hooks.tsx';
import { useText, type Text } from '../../text/text.ts';

export function DoctorCard(): ReactNode {
  const t = useText();
  const act = useAction();
  const [checks, setChecks] = useState<readonly DoctorCheck[]>();
  const [pending, setPending] = useState(false);
  const look = useCallback(async (): Promise<void> => {
    setPending(true);
    const found = await act((client) => client.engine.doctor());
    setPending(false);
    if (found !== undefined) setChecks(found);
  }, [act]);
  useEffect(() => void look(), [look]);
  const bad = checks?.filter(({ ok }) => !ok).length ?? 0;
  return (
    <section className="card card-pad stack" aria-label={t('doctor.title')}>
      <h2 className="section-title">
        {t('doctor.title')}
        {checks === undefined ? null : (
          <Tag tone={bad === 0 ? 'ok' : 'bad'}>{bad === 0 ? t('doctor.well') : t('doctor.amiss', { count: bad })}</Tag>
        )}
        <span className="push-end tags">
          {checks === undefined ? null : (
            <CopyButton words what={t('doctor.findings')} text={() => asText(checks, t)} />
          )}
          <Button size="small" icon="refresh" isPending={pending} onPress={() => void look()}>
            {t('doctor.again')}
          </Button>
        </span>
      </h2>
      {checks === undefined ? (
        <div className="skeleton" style={{ height: 180 }} />
      ) : (
        <ul className="line-list check-list" aria-label={t('doctor.title')}>
          {[...checks]
            .sort((a, b) => Number(a.ok) - Number(b.ok))
            .map((check) => (
              <li key={check.name} className="posture">
                <Tag tone={check.ok ? 'ok' : 'bad'}>{t(`doctor.check.${check.name}`)}</Tag>
                <div className="wrap-any">
                  <div>{t.reason({ sentence: check.text }).sentence}</div>
                  {check.next === null ? null : (
                    <div className="section-title">
                      <span>{t.reason({ sentence: '', next: check.next }).next}</span>
                      <CopyButton text={check.next} what={t('doctor.step')} />
                    </div>
                  )}
                </div>
              </li>
            ))}
        </ul>
      )}
    </section>
  );
}

function asText(checks: readonly DoctorCheck[], t: Text): string {
  return checks
    .map(
      ({ name, ok, text, next }) =>
        `${ok ? '✓' : '✗'} ${t(`doctor.check.${name}`)}: ${text}${next === null ? '' : ` → ${next}`}`,
    )
    .join('\n');
}
