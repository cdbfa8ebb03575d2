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
