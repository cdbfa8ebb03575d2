/** What an engine stands on before any room opens: its state directory held alone, its settings, its log and clock. */
import { loadNative } from 'node-tun';
import { systemClock, type Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import type { DisposalStack } from '../../base/lifecycle.ts';
import type { LogLevel } from '../../base/log.ts';
import type { KeyUnlock } from '../../identity/identities.ts';
import { collectLessOften } from './gc-tuning.ts';
import { readConfig, type EngineConfig } from './config.ts';
import type { EngineOptions } from './engine-options.ts';
import { lockInstance } from './instance-lock.ts';
import { openLog, type EngineLog } from './logger.ts';
import { openStateDirectory, ownSettingsFile } from './state-directory.ts';

/** What every room is given. */
export interface Runtime {
  readonly stateDirectory: string;
  readonly version: string;
  readonly startedAt: string;
  readonly config: EngineConfig;
  readonly configFile: string;
  readonly clock: Clock;
  readonly log: EngineLog;
  /** What opens keys, as far as the starter gave it. */
  readonly unlock: KeyUnlock;
}

/** Throws `engine.config_invalid`, `engine.already_running`, `engine.state_unusable`. */
export async function openRuntime(options: EngineOptions, stack: DisposalStack): Promise<Runtime> {
  const { stateDirectory, version } = options;
  const clock = options.clock ?? systemClock;
  stack.use(collectLessOften(clock));
  await openStateDirectory(stateDirectory);
  const configFile = options.configFile ?? ownSettingsFile(stateDirectory);
  const config = await readConfig(configFile, options.configFile !== undefined);
  const logFile = options.logFile ?? config.log?.file;
  const log = openLog({
    level: (options.logLevel as LogLevel | undefined) ?? config.log?.level ?? 'info',
    ...defined({ file: logFile, stderr: options.logDescriptor }),
  });
  stack.defer(() => log.close());
  sealProcess(log);
  stack.use(await lockInstance(stateDirectory, options.socketPath, log));
  return {
    stateDirectory,
    version,
    startedAt: new Date(clock.now()).toISOString(),
    config,
    configFile,
    clock,
    log,
    unlock: defined({ passphrase: options.passphrase }),
  };
}

/** Keys lie in this process's memory: no core dump takes them to the disk, and no debugger of the same user reads them. */
function sealProcess(log: EngineLog): void {
  const found = loadNative();
  if (!found.ok || process.platform !== 'linux') return;
  try {
    found.native.sealProcess();
  } catch (error) {
    log.warn('engine.not_sealed', { error });
  }
}
