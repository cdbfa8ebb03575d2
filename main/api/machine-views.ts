/** What verbs about the machine and its settings give, with and without an engine. */

/** One thing that `culvert doctor` looked at. */
export interface DoctorCheck {
  readonly name:
    | 'clock'
    | 'dns'
    | 'controller'
    | 'router'
    | 'keystore'
    | 'disk'
    | 'journal'
    | 'permissions'
    | 'vpn'
    | 'ports'
    | 'engine';
  readonly ok: boolean;
  readonly text: string;
  /** What to do about it; null where nothing needs doing. */
  readonly next: string | null;
}

/** What is wrong with a settings file, all of it. */
export interface ConfigCheckView {
  readonly ok: boolean;
  readonly file: string;
  readonly issues: readonly { readonly path: string; readonly message: string }[];
}

/** One setting to change: its place, and its value as JSON; without one it is taken out. */
export interface SettingChange {
  readonly path: readonly string[];
  readonly value?: unknown;
}

/** Changes to the settings file, to be looked at or (`apply`) made. */
export interface SettingsChangeRequest {
  readonly changes: readonly SettingChange[];
  readonly apply: boolean;
}

/** What changes make of the settings file. */
export interface SettingsChangeView {
  readonly file: string;
  readonly before: string;
  readonly after: string;
  /** What is wrong with the whole as it would become; then nothing is written. */
  readonly issues: readonly { readonly path: string; readonly message: string }[];
  readonly applied: boolean;
  /** Some of it counts from the engine's next start. */
  readonly restart: boolean;
}

/** What a started engine says of itself to whoever started it. */
export interface EngineReady {
  readonly mode: string;
  readonly modeReason: string;
  readonly socket: string;
  readonly state: string;
  /** Absent where no proxy listens. */
  readonly proxy?: string;
  readonly forwards: readonly { readonly service: string; readonly port: number }[];
}
