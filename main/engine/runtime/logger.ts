/** The engine's log: one JSON object a line to standard error, and to a file where asked. Secrets are blotted out by field name. */
import { once } from 'node:events';
import { pino, type Logger } from 'pino';
import { defined } from '../../base/defined.ts';
import type { Log, LogFields, LogLevel } from '../../base/log.ts';

/** Field names whose values never reach a log, at the top or one level down. */
const secretFields = [
  'authorization',
  'certificateKey',
  'code',
  'cookie',
  'csr',
  'jwt',
  'key',
  'passphrase',
  'password',
  'pin',
  'privateKey',
  'privateKeyPem',
  'secret',
  'token',
  'wrappingKey',
  'zt-session',
] as const;

/** `code` is secret one level down only (an MFA code in a request); at the top it is an error's code. */
const redactPaths = secretFields.flatMap((name) => {
  const step = /^\w+$/.test(name) ? name : `["${name}"]`;
  const below = /^\w+$/.test(name) ? `*.${name}` : `*["${name}"]`;
  return name === 'code' ? ['request.code'] : [step, below];
});

/** A log whose level can be changed while it runs. */
export interface EngineLog extends Log {
  level(): LogLevel;
  setLevel(level: LogLevel): void;
  /** Write out what is buffered and let the file go: what is logged afterwards does not reach it. */
  close(): Promise<void>;
  /** The last lines, as they were written, newest last; bounded. */
  recent(): readonly string[];
}

/** Lines kept in memory for whoever asks what just happened, each cut where it is longer than that. */
const recentLines = 2000;
const recentLineBytes = 4096;

/** How much is logged, and where to. */
export interface EngineLogOptions {
  readonly level: LogLevel;
  /** A file to append to beside standard error; created 0600 where absent. */
  readonly file?: string;
  /** Standard error's descriptor, or undefined for silence there. */
  readonly stderr?: number;
}

/** Open the log. Written synchronously: a line that was logged before a crash is there after it. */
export function openLog(options: EngineLogOptions): EngineLog {
  const recent: string[] = [];
  const streams: { level: 'trace'; stream: { write(line: string): void } }[] = [
    {
      level: 'trace',
      stream: {
        write(line) {
          if (recent.length >= recentLines) recent.shift();
          recent.push(line.trimEnd().slice(0, recentLineBytes));
        },
      },
    },
  ];
  if (options.stderr !== undefined) {
    streams.push({ level: 'trace' as const, stream: pino.destination({ dest: options.stderr, sync: true }) });
  }
  const file =
    options.file === undefined
      ? undefined
      : pino.destination({ dest: options.file, sync: true, append: true, mkdir: true, mode: 0o600 });
  let isOpen = true;
  if (file !== undefined) {
    streams.push({ level: 'trace', stream: { write: (line) => void (isOpen && file.write(line)) } });
  }
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      messageKey: 'event',
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: redactPaths, censor: '[redacted]' },
      serializers: { error: serializeError },
    },
    pino.multistream(streams, { dedupe: false }),
  );
  const children = new WeakMap<Log, Logger>();
  const root = wrap(logger, () => root.level(), children);
  return Object.assign(root, {
    level: () => logger.level as LogLevel,
    setLevel: (level: LogLevel) => {
      logger.level = level;
    },
    async close() {
      logger.flush();
      if (!isOpen || file === undefined) return;
      isOpen = false;
      file.flushSync();
      const closed = once(file, 'close');
      file.destroy();
      await closed;
    },
    recent: () => [...recent],
  });
}

const severity: Readonly<Record<LogLevel, number>> = { trace: 10, debug: 20, info: 30, warn: 40, error: 50 };

/** Children ask the root's level, so that a change reaches loggers that live already. */
function wrap(logger: Logger, level: () => LogLevel, children: WeakMap<Log, Logger>): EngineLog {
  const at =
    (own: LogLevel) =>
    (event: string, fields: LogFields = {}): void => {
      if (severity[own] < severity[level()]) return;
      logger.level = level();
      logger[own](fields, event);
    };
  const log: EngineLog = {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => wrap(logger.child(fields), level, children),
    level,
    setLevel: () => undefined,
    close: () => Promise.resolve(),
    recent: () => [],
  };
  return log;
}

/** Code, sentence and causes; no stack, for stacks carry arguments of foreign libraries. */
function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const code = (error as { code?: unknown }).code;
  return {
    ...defined({ code }),
    message: error.message,
    ...(error.cause === undefined ? {} : { cause: serializeError(error.cause) }),
  };
}
