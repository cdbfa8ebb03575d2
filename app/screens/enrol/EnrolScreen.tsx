/** Two steps to a first identity: bring what you were given; say what to call it and where its key lives. */
import { useCallback, useEffect, useState, useSyncExternalStore, type ReactNode } from 'react';
import type { IdentityView } from '../../../main/api/views.ts';
import { Mark } from '../../parts/Icon.tsx';
import { useEngine, useStores } from '../../store/hooks.tsx';
import { selectIdentities } from '../../store/selectors.ts';
import { useText } from '../../text/text.ts';
import { useRoute } from '../route.ts';
import { BringStep } from './BringStep.tsx';
import { DoneStep } from './DoneStep.tsx';
import { recogniseSource, type Brought } from './enrol-source.ts';
import { KeepStep } from './KeepStep.tsx';

export function EnrolScreen(): ReactNode {
  const t = useText();
  const { go } = useRoute();
  const { arrival } = useStores();
  const identities = useEngine(selectIdentities);
  const [firstRun] = useState(identities === undefined || identities.length === 0);
  const [brought, setBrought] = useState<Brought>();
  const [done, setDone] = useState<IdentityView>();
  const waiting = useSyncExternalStore(arrival.subscribe, arrival.waiting);
  const [refused, setRefused] = useState(false);
  const take = useCallback((text: string, fileName?: string): void => {
    const source = recogniseSource(text);
    setRefused(source.kind === 'unknown');
    if (source.kind === 'unknown') return;
    setDone(undefined);
    setBrought(fileName === undefined ? { source } : { source, fileName });
  }, []);
  useEffect(() => {
    if (waiting === undefined) return;
    arrival.offer(undefined);
    take(waiting.text, waiting.fileName);
  }, [arrival, take, waiting]);
  const step = done !== undefined ? 3 : brought !== undefined ? 2 : 1;
  return (
    <div className="screen-scroll enrol" data-step={step}>
      <div className="enrol-sheet">
        <div className="enrol-mark">
          <Mark size={44} />
        </div>
        <h1 className="enrol-title">
          {done !== undefined ? t('enrol.doneTitle') : t(firstRun ? 'enrol.welcome' : 'enrol.title')}
        </h1>
        <p className="enrol-lead">
          {step === 1
            ? t(firstRun ? 'enrol.welcomeText' : 'enrol.text')
            : step === 2
              ? t('enrol.keepText')
              : t('enrol.doneText')}
        </p>
        {step === 3 ? null : (
          <ol className="enrol-steps" aria-label={t('enrol.steps')}>
            {([1, 2] as const).map((number) => (
              <li
                key={number}
                {...(number === step ? { 'aria-current': 'step' as const } : {})}
                data-past={number < step ? '' : undefined}
              >
                <span className="enrol-number">{number}</span>
                {t(`enrol.step.${number}`)}
              </li>
            ))}
          </ol>
        )}
        {done !== undefined ? (
          <DoneStep identity={done} onNext={() => go('services')} />
        ) : brought === undefined ? (
          <BringStep take={take} refused={refused} onChange={() => setRefused(false)} />
        ) : (
          <KeepStep
            key={brought.fileName ?? brought.source.kind}
            brought={brought}
            onBack={() => setBrought(undefined)}
            onDone={setDone}
          />
        )}
      </div>
    </div>
  );
}
