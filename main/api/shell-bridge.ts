/** What the desktop shell's preload offers the window: plain functions over plain data, nothing of Electron's. */

export interface ShellSettings {
  /** The shell starts with the user's session. */
  readonly autostart: boolean;
  readonly notifications: boolean;
  readonly version: string;
  /** Undefined where nothing is updated: a shell that runs from a checkout. */
  readonly update?: ShellUpdate;
}

/** How far the shell has come with the next version; `at` is when that was learnt, ISO 8601. */
export type ShellUpdate =
  | { readonly kind: 'not-looked' }
  | {
      readonly kind: 'failed' | 'current' | 'fetching' | 'ready' | 'untrusted';
      readonly at: string;
      /** The version there is, where there is one. */
      readonly version?: string;
    };

/** A token or an address that came from outside the window: a `.jwt` file opened with Culvert, or a `culvert://` link. */
export interface ShellArrival {
  readonly kind: 'token' | 'url' | 'screen';
  /** The token's text, the controller's https URL, or the screen's name. */
  readonly value: string;
}

/** What stands on the window's global object where the desktop shell opened it. */
export interface ShellBridge {
  /** Open a connection to the engine; its id serves `send`, `listen` and `disconnect`. */
  connect(): number;
  send(id: number, message: string): void;
  /** Deliver a connection's messages; returns what stops it. */
  listen(
    id: number,
    sink: { message(text: string): void; closed(reason: { readonly code: string; readonly message: string }): void },
  ): () => void;
  disconnect(id: number): void;
  settings(): Promise<ShellSettings>;
  set(change: { readonly autostart?: boolean; readonly notifications?: boolean }): Promise<ShellSettings>;
  /** Open an https address in the user's browser; others are refused. */
  openExternal(url: string): Promise<void>;
  /** Restart into the downloaded version. */
  installUpdate(): Promise<void>;
  /** Arrivals, those from before the window stood included; returns what stops it. */
  onArrival(listener: (arrival: ShellArrival) => void): () => void;
}
