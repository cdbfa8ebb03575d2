/** What a person should know now: kept for a while, recorded, told. */
import type { AuditWriter } from '../../audit/record.ts';
import type { Clock } from '../../base/clock.ts';
import { maxAlerts } from '../../api/state.ts';
import type { AlertView } from '../../api/views.ts';

/** The alerts of this engine's life, at most {@link maxAlerts}. */
export interface Alerts {
  raise(alert: Omit<AlertView, 'id' | 'at'>): void;
  /** Newest last. */
  list(): readonly AlertView[];
}

/** Alerts that are recorded and told as they are raised. */
export function createAlerts(deps: {
  readonly clock: Clock;
  readonly audit: AuditWriter;
  readonly tell: (alert: AlertView) => void;
}): Alerts {
  const kept: AlertView[] = [];
  let count = 0;
  return {
    raise(raised) {
      count += 1;
      const at = new Date(deps.clock.now()).toISOString();
      const alert: AlertView = { id: `alert-${at.slice(0, 10)}-${process.pid}-${count}`, at, ...raised };
      kept.push(alert);
      if (kept.length > maxAlerts) kept.shift();
      const { kind: what, severity, text, session = null, subject = null } = alert;
      deps.audit.recordOrLog({ kind: 'alert', what, severity, text, session, subject });
      deps.tell(alert);
    },
    list: () => kept,
  };
}
