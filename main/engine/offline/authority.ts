/** Who may work on a state directory without its engine: the same persons who may command the engine. */
import { TunnelerError } from '../../base/errors.ts';
import { agentRules } from '../../apps/recognise.ts';
import { ancestryReader } from '../../apps/ancestry.ts';
import { attributeProcess } from '../../apps/caller-attribution.ts';
import type { App } from '../../apps/app.ts';
import { createAppFinder } from '../../apps/open-app-finder.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { readConfig, type EngineConfig } from '../runtime/config.ts';
import { keptLineageFile, readLineage } from '../runtime/lineage-record.ts';

/**
 * Throws `engine.not_permitted` where this process is or descends from an agent that the engine of this directory governs, or where what it
 * descends from cannot be known. A directory that no engine ever served governs nobody yet.
 */
export async function requirePerson(stateDirectory: string, pid = process.pid): Promise<void> {
  const record = await readLineage(stateDirectory);
  if (record === undefined) return;
  const rules = agentRules((await settings(record.configFile)).agents);
  const identify = async (app: App): Promise<App> => {
    using finder = createAppFinder({ log: silentLog, clock: systemClock });
    return await finder.identify(app, { signers: rules.needsSigners });
  };
  const reader = ancestryReader(process.platform, keptLineageFile(stateDirectory));
  const found = await attributeProcess(pid, rules, new Set(record.within), identify, reader);
  if (found.kind === 'person') return;
  const who =
    found.kind === 'agent'
      ? `${found.agent} is governed by the engine of ${stateDirectory}, and so is what it starts`
      : `it is not known what started this program (${found.why})`;
  throw new TunnelerError('engine.not_permitted', who, {
    details: {
      directory: stateDirectory,
      ...(found.kind === 'agent' ? { agent: found.agent } : {}),
      next: 'do it yourself, in a terminal that no agent started',
    },
  });
}

/** Settings that cannot be read bind no agent; those known in the wild count all the same. */
async function settings(file: string): Promise<EngineConfig> {
  try {
    return await readConfig(file, false);
  } catch (error) {
    if (error instanceof TunnelerError) return {};
    throw error;
  }
}
