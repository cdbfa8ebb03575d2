/** An engine that keeps other devices' records: as their witness, or as the collector of all they record. */
import { join } from 'node:path';
import { openExporters } from '../../audit/export/open-exporters.ts';
import type { Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import { Emitter } from '../../base/emitter.ts';
import { TunnelerError } from '../../base/errors.ts';
import type { DisposalStack } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';
import type { AlertView } from '../../api/views.ts';
import type { IdentityStore, KeyUnlock } from '../../identity/identities.ts';
import type { Keystores } from '../../identity/keystores.ts';
import type { AnsweredServices } from '../hosting/answered-services.ts';
import { openWitnessKey } from '../record/witness-key.ts';
import type { EngineConfig } from '../runtime/config.ts';
import type { EngineOptions } from '../runtime/engine-options.ts';
import { exportTargets } from '../runtime/open-audit.ts';
import { Collector } from './collector.ts';
import type { FleetStore } from './fleet-store.ts';
import { fleetSource } from './fleet-source.ts';
import { openSqliteStore } from './sqlite-store.ts';

/** What a collecting engine is made of. */
export interface CollectingParts {
  readonly stateDirectory: string;
  readonly version: string;
  readonly config: EngineConfig;
  readonly options: Pick<EngineOptions, 'collect'>;
  readonly unlock: KeyUnlock;
  readonly store: IdentityStore;
  /** Of the device's own keys. */
  readonly keystores: Keystores;
  readonly answered: AnsweredServices;
  /** PEM of the networks' authorities, as the identities here know them. */
  readonly authorities: () => readonly string[];
  readonly raise: (alert: Omit<AlertView, 'id' | 'at'>) => void;
  readonly clock: Clock;
  readonly log: Log;
}

const defaultSilentSeconds = 600;
const dayMs = 86_400_000;

/** Undefined where nothing is collected or witnessed here. Throws `engine.config_invalid`, `engine.state_unusable`, `hosting.answered`. */
export async function openCollecting(parts: CollectingParts, stack: DisposalStack): Promise<Collector | undefined> {
  const { config, options, stateDirectory, clock, log } = parts;
  const service = options.collect?.service ?? config.witness?.service;
  if (service === undefined) return undefined;
  if (options.collect !== undefined && config.witness !== undefined) {
    throw new TunnelerError('engine.config_invalid', 'witness: an engine that collects is the witness already', {
      details: { next: `take witness out of ${join(stateDirectory, 'culvert.yaml')}` },
    });
  }
  const { retainDays, silentAfterSeconds } = config.collect ?? {};
  const kept = new Emitter<void>();
  const store = await openStore(stateDirectory, options.collect?.database);
  const collector = stack.use(
    new Collector({
      store,
      kept: () => kept.emit(),
      key: () => openWitnessKey(stateDirectory, parts.keystores, parts.store, parts.unlock),
      wants: options.collect === undefined ? 'heads' : 'records',
      service,
      caPem: () => parts.authorities().join('\n'),
      clock,
      log,
      silentAfterMs: (silentAfterSeconds ?? defaultSilentSeconds) * 1000,
      ...defined({ retainMs: retainDays === undefined ? undefined : retainDays * dayMs }),
      alerted: ({ device, kind, text }) =>
        parts.raise({
          severity: kind === 'back' || kind === 'new-key' ? 'info' : 'critical',
          kind: 'fleet',
          text: `${device}: ${text}`,
          code: `alert.fleet.${kind}`,
          details: { device },
        }),
    }),
  );
  if (options.collect !== undefined && config.collect?.export !== false) {
    const onRecord = (listener: () => void): Disposable => kept.subscribe(listener);
    const source = fleetSource(store);
    const targets = exportTargets(config);
    stack.use(await openExporters(targets, { stateDirectory, source, clock, log, version: parts.version, onRecord }));
  }
  const what = options.collect === undefined ? 'culvert witness' : 'culvert collect';
  stack.use(parts.answered.answer(service, { what, open: collector.answer }));
  return collector;
}

async function openStore(stateDirectory: string, database: string | undefined): Promise<FleetStore> {
  if (database === undefined) return openSqliteStore(stateDirectory);
  const { openPostgresStore } = await import('./postgres-store.ts');
  return openPostgresStore(database);
}
