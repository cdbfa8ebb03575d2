/** Structured log: an event name and fields, never a sentence, never a key, token or payload. Audit is not the log. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';
/** Facts of one log line; errors are written with code and cause. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Where log lines go. */
export interface Log {
  trace(event: string, fields?: LogFields): void;
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  /** A log that adds these fields to every line. */
  child(fields: LogFields): Log;
}

/** Discards everything. */
export const silentLog: Log = {
  trace() {},
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLog,
};
