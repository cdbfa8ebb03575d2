/** Breakers and baselines at work: told of every dial, call, violation and end, they cut off or alert, as set. What was learnt is kept. */
import { join } from 'node:path';
import type { App } from '../../apps/app.ts';
import type { Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import type { Log } from '../../base/log.ts';
import { readJsonIfThereSync } from '../../files/read-if-there.ts';
import { writeAtomicallySync } from '../../files/write-atomically.ts';
import type { AlertView } from '../../api/views.ts';
import type { Match } from '../../intercept/match.ts';
import { Baselines, defaultBaselines } from '../../policy/detectors/baselines.ts';
import { Breaker, defaultBreaker } from '../../policy/detectors/breaker.ts';
import type { Finding, WatchedEvent } from '../../policy/detectors/finding.ts';
import { OrdersFound } from '../../policy/detectors/orders.ts';
import { RiskScores } from '../../policy/detectors/risk.ts';
import { programName } from '../../policy/program.ts';
import type { Quarantine } from '../../policy/quarantine.ts';
import type { SessionEvent, SessionSnapshot } from '../../session/sessions.ts';
import type { EngineConfig } from '../runtime/config.ts';

/** What was learnt is written this often, and at the end; a kill loses at most so much learning. */
const keepMs = 5 * 60_000;

/** To be told of every dial and every event of sessions; disposing keeps what was learnt. */
export interface Detection extends Disposable {
  dialed(app: App, match: Match, outcome: 'open' | 'failed'): void;
  session(event: SessionEvent): void;
  /** 0 to 100, of what was found of the program lately. */
  riskOf(app: App): number;
}

/** Where baselines are kept, and what a finding leads to. */
export interface DetectionDeps {
  readonly stateDirectory: string;
  readonly config: EngineConfig;
  readonly clock: Clock;
  readonly log: Log;
  readonly quarantine: Pick<Quarantine, 'add'>;
  readonly raise: (alert: Omit<AlertView, 'id' | 'at'>) => void;
}

/** Breaker and baselines as the settings have them; a damaged file of baselines is learnt anew. */
export function openDetection(deps: DetectionDeps): Detection {
  const { clock, log } = deps;
  const settings = deps.config.policy;
  const path = join(deps.stateDirectory, 'baselines.json');
  const breaker = new Breaker({ ...defaultBreaker, ...defined(settings?.breaker ?? {}) });
  const baselines =
    settings?.detectors?.enabled === false
      ? undefined
      : new Baselines({ ...defaultBaselines, ...defined(settings?.detectors ?? {}) }, read(path, log));
  if ((baselines?.lost ?? 0) > 0) log.warn('detection.baselines_lost', { lost: baselines?.lost });

  const orders = new OrdersFound();
  const risks = new RiskScores();

  const keep = (): void => {
    if (baselines === undefined) return;
    try {
      writeAtomicallySync(path, JSON.stringify(baselines.keep()));
    } catch (error) {
      log.warn('detection.not_kept', { error });
    }
  };
  const timer = clock.every(keepMs, keep);

  const observe = (event: WatchedEvent): void => {
    const nowMs = clock.now();
    const found = [breaker.observe(event, nowMs), orders.observe(event, nowMs), baselines?.observe(event, nowMs) ?? []];
    for (const finding of found.flat()) {
      if (event.program !== undefined) risks.note(event.program, finding.severity, nowMs);
      act(finding);
    }
  };

  const act = ({ detector, severity, text, subject, action, holdMs }: Finding): void => {
    const details = { subject };
    if (action === 'alert') {
      deps.raise({ severity, kind: detector, text, code: detector, details, subject });
      return;
    }
    const by = detector.startsWith('breaker.') ? 'breaker' : 'detector';
    deps.quarantine.add(subject, { code: detector, sentence: text, details }, by, holdMs);
  };

  return {
    dialed(app, match, outcome) {
      observe({
        kind: 'dial',
        program: nameOf(app),
        service: match.service.name,
        identity: match.identity,
        outcome: outcome === 'open' ? 'opened' : 'failed',
      });
    },
    session(event) {
      const { session } = event;
      if (session.direction !== 'dial') return;
      const common = { program: nameOf(session.app), service: session.service, identity: session.identity };
      switch (event.kind) {
        case 'opened': // told by the dial
        case 'renamed':
        case 'met':
        case 'warned':
          break;
        case 'closed':
          observe({ kind: 'closed', ...common, bytes: bytesOf(session) });
          break;
        case 'called': {
          const outcome = event.call.decision === 'deny' ? 'denied' : event.call.failed === true ? 'failed' : 'ok';
          const hasOrders = event.call.data?.some((one) => one.class === 'prompt-injection') === true;
          observe({ kind: 'call', ...common, tool: event.call.target, outcome, orders: hasOrders });
          break;
        }
        case 'violated':
          observe({ kind: 'violation', ...common });
          break;
      }
    },
    riskOf(app) {
      const program = nameOf(app);
      return program === undefined ? 0 : risks.of(program, clock.now());
    },
    [Symbol.dispose]() {
      timer[Symbol.dispose]();
      keep();
    },
  };
}

function nameOf(app: App): string | undefined {
  return app.attribution === 'unknown' ? undefined : programName(app);
}

function bytesOf(session: SessionSnapshot): number {
  return session.bytesSent + session.bytesReceived;
}

function read(path: string, log: Log): unknown {
  try {
    return readJsonIfThereSync(path);
  } catch (error) {
    // Learnt anew, and silent meanwhile.
    log.warn('detection.baselines_unreadable', { error });
    return undefined;
  }
}
