/** The engine's record: journal, index and exporters, opened before anything happens and closed after everything. */
import { hostname } from 'node:os';
import { openAudit, type Audit } from '../../audit/audit.ts';
import { journalSource } from '../../audit/export/journal-source.ts';
import { openExporters, type ExportTarget } from '../../audit/export/open-exporters.ts';
import { openAuditIndex, type AuditIndex } from '../../audit/index-store.ts';
import type { Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import type { DisposalStack } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';
import type { EngineConfig } from './config.ts';

/** Throws `audit.write_failed` where the journal cannot be opened, `engine.config_invalid` for an exporter's broken settings. */
export async function openRecord(
  deps: {
    readonly stateDirectory: string;
    readonly version: string;
    readonly config: EngineConfig;
    readonly clock: Clock;
    readonly log: Log;
  },
  stack: DisposalStack,
): Promise<{ readonly audit: Audit; readonly auditIndex: AuditIndex }> {
  const { stateDirectory, version, config, clock, log } = deps;
  const { onFailure, maxFileBytes, keepFiles, checkpointEvery } = config.audit ?? {};
  const audit = stack.use(
    openAudit(
      { stateDirectory, clock, log },
      {
        onWriteFailure: onFailure ?? 'closed',
        ...defined({ rotateBytes: maxFileBytes, keepFiles, checkpointEvery }),
      },
    ),
  );
  audit.record({ kind: 'engine.started', version, pid: process.pid });
  stack.defer(() => void audit.record({ kind: 'engine.stopped', version, pid: process.pid }));
  const auditIndex = stack.use(openAuditIndex({ stateDirectory, clock, log }));
  const targets = exportTargets(config);
  const onRecord = (listener: () => void): Disposable => audit.subscribe(listener);
  const source = journalSource(stateDirectory, hostname());
  stack.use(await openExporters(targets, { stateDirectory, source, clock, log, version, onRecord }));
  return { audit, auditIndex };
}

/** Those that records go to; figures have a way of their own. */
export function exportTargets({ exporters = [] }: EngineConfig): readonly ExportTarget[] {
  return exporters.filter((one): one is ExportTarget => one.type !== 'prometheus' && one.type !== 'otlp-metrics');
}
