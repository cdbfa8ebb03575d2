/** What installing or uninstalling the service did, one line a file and a command. */
export interface ServiceChange {
  readonly kind: 'file' | 'command';
  /** Path, or command line. */
  readonly what: string;
  readonly state: 'done' | 'unchanged' | 'planned' | 'skipped' | 'failed';
  /** What it is for, or why it was not done. */
  readonly reason?: string;
  /** Of a planned file. */
  readonly content?: string;
}

/** What was done, or would be. */
export interface ServiceReport {
  readonly action: 'install' | 'uninstall';
  readonly dryRun: boolean;
  /** A file of the system is another than before. */
  readonly changed: boolean;
  /** A service manager runs here, and was told. */
  readonly managed: boolean;
  readonly changes: readonly ServiceChange[];
  /** What uninstalling leaves, in words. */
  readonly stays: readonly string[];
  readonly note?: string;
}
