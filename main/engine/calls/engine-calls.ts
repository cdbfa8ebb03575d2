/** The calls of group `engine`: its state, settings, window, bundle and end. */
import type { Audit } from '../../audit/audit.ts';
import type { EngineHandlers } from '../../api/schema.ts';
import type { DoctorCheck, SettingChange, SettingsChangeView } from '../../api/machine-views.ts';
import type { ConsoleView } from '../../api/views.ts';
import type { Clock } from '../../base/clock.ts';
import { SerialQueue } from '../../base/serial-queue.ts';
import { bundleOfEngine } from '../bundle/bundle.ts';
import type { Readiness } from '../identities/readiness.ts';
import type { EngineConfig } from '../runtime/config.ts';
import type { EngineLog } from '../runtime/logger.ts';
import type { ClientState } from '../state/client-state.ts';

/** What the calls read and change. */
export interface EngineCallsDeps {
  readonly stateDirectory: string;
  readonly config: EngineConfig;
  readonly configFile: string;
  readonly clock: Clock;
  readonly log: EngineLog;
  readonly audit: Audit;
  readonly readiness: Pick<Readiness, 'wait'>;
  readonly state: ClientState;
  /** Everything that `culvert doctor` looks at. */
  readonly doctor: () => Promise<readonly DoctorCheck[]>;
  /** `record` is called before anything is written. */
  readonly changeSettings: (
    changes: readonly SettingChange[],
    apply: boolean,
    record: () => void,
  ) => Promise<SettingsChangeView>;
  /** Addresses of the window; the one on this host only for these users, where given. */
  readonly openConsole: (uids: readonly number[] | undefined) => Promise<ConsoleView>;
  /** A person unlocked the screen; `uid` where that is known. */
  readonly screenUnlocked: (uid: number | undefined) => void;
  readonly stop: () => void;
}

/** An answer must be out before the engine goes. */
const stopDelayMs = 50;

/** The handlers of group `engine`. */
export function engineCalls(deps: EngineCallsDeps): EngineHandlers['engine'] {
  const { log, audit, state, clock } = deps;
  const changing = new SerialQueue();
  const settings = () => ({ config: deps.config, file: deps.configFile, logLevel: log.level() });
  return {
    status: async () => {
      await deps.readiness.wait();
      return state.views.status();
    },
    settings,
    setLogLevel({ level }) {
      audit.record({ kind: 'settings.changed', setting: 'log.level', value: level });
      log.setLevel(level);
    },
    doctor: () => deps.doctor(),
    // One after another: each is made of the file as the one before it left it.
    changeSettings: ({ changes, apply }) =>
      changing.run(() =>
        deps.changeSettings(changes, apply, () => {
          for (const { path, value } of changes) {
            // What stands in it is the file's to tell; a plain value says what was done.
            const told = typeof value === 'object' ? null : (value ?? null);
            audit.record({ kind: 'settings.changed', setting: path.join('.'), value: told });
          }
        }),
      ),
    stop: () => void clock.after(stopDelayMs, deps.stop),
    async bundle({ redact, preview }) {
      const { entries, zip } = await bundleOfEngine(redact, {
        stateDirectory: deps.stateDirectory,
        version: state.views.status().version,
        clock,
        state: () => state.hub.snapshot().state,
        settings,
        recentLog: () => log.recent(),
      });
      return preview === true ? { entries } : { entries, data: Buffer.from(zip).toString('base64') };
    },
    screenUnlocked: (_request, { caller }) => deps.screenUnlocked(caller.uid),
    openConsole({ user }, { caller }) {
      const asked = caller.uid === undefined ? [] : [caller.uid];
      // Root may ask for somebody else's browser: that of the person who became root to ask.
      const uids = user !== undefined && caller.uid === 0 ? [...asked, user] : asked;
      return deps.openConsole(uids.length === 0 ? undefined : uids);
    },
  };
}
