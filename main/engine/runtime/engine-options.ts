/** How an engine is started, and what its starter is given. */
import type { Clock } from '../../base/clock.ts';
import type { EngineMode } from '../../api/views.ts';
import type { Answerer } from '../hosting/answered-services.ts';
import type { ConsoleListener } from '../calls/console-listener.ts';

export interface EngineOptions {
  readonly stateDirectory: string;
  readonly socketPath: string;
  readonly version: string;
  readonly mode?: 'auto' | EngineMode;
  readonly configFile?: string;
  readonly proxyListen?: string;
  readonly forwards?: readonly { readonly service: string; readonly port: number }[];
  readonly passphrase?: string;
  readonly logLevel?: string;
  readonly logFile?: string;
  /** Descriptor the log goes to; absent: nowhere but the file. */
  readonly logDescriptor?: number;
  /** Serves the window to a browser; handed in, for the engine knows no windows. */
  readonly consoleListener?: ConsoleListener;
  /** Services that whoever starts the engine answers itself, by name. */
  readonly answers?: Readonly<Record<string, Answerer>>;
  readonly clock?: Clock;
}

export interface Engine extends AsyncDisposable {
  /** Facts for whoever started it. */
  readonly ready: Readonly<Record<string, unknown>>;
  /** Resolves when a client asked it to stop. */
  readonly stopped: Promise<void>;
}
