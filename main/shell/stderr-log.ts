/** The shell's log: JSON lines on standard error, where the desktop's journal finds them. */
import type { Log, LogFields } from '../base/log.ts';

/** A log of JSON lines on standard error, from `info` up; `own` stands in every line. */
export function stderrLog(own: LogFields = {}): Log {
  const write = (level: string, event: string, fields: LogFields = {}): void => {
    process.stderr.write(`${JSON.stringify({ at: new Date().toISOString(), level, event, ...own, ...fields })}\n`);
  };
  return {
    trace: () => undefined,
    debug: () => undefined,
    info: (event, fields) => write('info', event, fields),
    warn: (event, fields) => write('warn', event, fields),
    error: (event, fields) => write('error', event, fields),
    child: (fields) => stderrLog({ ...own, ...fields }),
  };
}
