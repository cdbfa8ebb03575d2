/** Whether the journal is whole: read through when the screen opens, and again now and then while it stands open. */
import { useCallback, useEffect, useState, type ReactNode } from 'react';
import type { AuditVerifyView } from '../../../main/api/record-views.ts';
import { Button } from '../../parts/Button.tsx';
import { Icon } from '../../parts/Icon.tsx';
import { useAction, useEngine, useNow, useStores } from '../../store/hooks.tsx';
import { selectStatus } from '../../store/selectors.ts';
import { useText, type Text } from '../../text/text.ts';

/** The pause is at least this, and so many times what the last reading took: a long journal is read less often. */
const leastPauseMs = 30_000;
const pauseShare = 20;

interface Checked {
  readonly view: AuditVerifyView;
  readonly atMs: number;
}

export function Integrity(): ReactNode {
  const t = useText();
  const act = useAction();
  const { engine } = useStores();
  const nowMs = useNow();
  const status = useEngine(selectStatus);
  const [checked, setChecked] = useState<Checked>();
  const [pending, setPending] = useState(false);
  const keep = useCallback((view: AuditVerifyView) => setChecked({ view, atMs: Date.now() }), []);
  useEffect(() => {
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async (): Promise<void> => {
      const startedMs = performance.now();
      try {
        keep(await engine.client.audit.verify({}, { signal: abort.signal }));
      } catch {
        // Unanswered it is as unchecked as before; by hand it says why.
      }
      if (!abort.signal.aborted)
        timer = setTimeout(() => void look(), Math.max(leastPauseMs, (performance.now() - startedMs) * pauseShare));
    };
    void look();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [engine, keep]);
  const verify = async (): Promise<void> => {
    setPending(true);
    const view = await act((client) => client.audit.verify({}));
    setPending(false);
    if (view !== undefined) keep(view);
  };
  const view = checked?.view;
  const bad = view !== undefined && !view.ok;
  return (
    <div className="integrity" data-tone={view === undefined ? 'plain' : bad ? 'bad' : 'ok'}>
      <Icon name={bad ? 'warning' : 'shield'} size={20} />
      <div style={{ minWidth: 0 }}>
        <div style={{ fontWeight: 600 }} role="status">
          {view === undefined
            ? t('audit.unchecked')
            : bad
              ? t('audit.tampered', { seq: view.firstBad?.seq ?? 0, reason: faultText(view.firstBad, t) })
              : t('audit.intact', { count: view.count, checkpoints: view.checkpoints })}
        </div>
        <div className="quiet small clip">
          {checked === undefined
            ? ' '
            : t('audit.checkedAgo', {
                ago: t.format.relative(new Date(Math.min(checked.atMs, nowMs)).toISOString(), nowMs),
              })}{' '}
          <span className="mono">{view?.head ?? status?.audit.head ?? ''}</span>
        </div>
      </div>
      <Button size="small" isPending={pending} onPress={() => void verify()}>
        {t('audit.verify')}
      </Button>
    </div>
  );
}

function faultText(fault: AuditVerifyView['firstBad'], t: Text): string {
  return fault === undefined ? '' : t.reason({ code: fault.code, sentence: fault.reason }).sentence;
}
