/** What every verb is given: its options, its terminal, the engine; and the one way in which verbs fail. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { systemClock, type Clock } from '../base/clock.ts';
import { isTunnelerError, TunnelerError } from '../base/errors.ts';
import type { ErrorView } from '../api/views.ts';
import { toErrorView } from '../api/wire.ts';
import { defaultSocketPath, isSocketThere } from '../ipc/socket-path.ts';
import type { Engine, Backends } from './backends.ts';
import { painter, type Paint, type Terminal } from './terminal.ts';

/** Done, refused or failed with a reason, wrong usage. */
export const exitCode = { done: 0, failed: 1, usage: 2 } as const;

/** Options of every verb that a verb itself looks at. */
export interface CommonOptions {
  readonly json?: true;
  readonly state?: string;
  readonly socket?: string;
}

/** What the command line runs on; tests hand in their own. */
export interface CliDeps {
  readonly programs: Backends;
  readonly terminal: Terminal;
  /** Fires on SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
  readonly clock?: Clock;
  /** Tables and records in full, however wide. */
  readonly wide?: boolean;
  /** False: no colour even on a terminal. */
  readonly colour?: boolean;
}

/** How long a client waits for an engine that is just starting to greet it. */
const greetingTimeoutMs = 30_000;

/** Tables fit so many cells even where the terminal has fewer, and where there is none. */
const leastWidth = 80;

/** One command line at work: where it prints, which engine it means, and how it ended. */
export class Cli {
  readonly programs: Backends;
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly paint: Paint;
  /** Cells that a line may take. */
  readonly width: number;
  /** A person reads along. */
  readonly interactive: boolean;
  exit: number = exitCode.done;
  /** Set by a verb whose standard output is somebody else's protocol, where a document of ours would be taken for a part of it. */
  outputIsPayload = false;

  constructor(deps: CliDeps) {
    this.programs = deps.programs;
    this.terminal = deps.terminal;
    this.signal = deps.signal;
    this.clock = deps.clock ?? systemClock;
    this.paint = painter(deps.terminal, deps.colour ?? true);
    this.width = deps.wide === true ? Infinity : Math.max(leastWidth, deps.terminal.columns);
    this.interactive = deps.terminal.outIsTty;
  }

  stateDirectory(options: CommonOptions): string {
    return resolve(options.state ?? this.terminal.env['CULVERT_STATE'] ?? this.#usualDirectory());
  }

  /** The one of the machine's service, whoever asks. */
  machineStateDirectory(options: CommonOptions): string {
    return resolve(options.state ?? this.terminal.env['CULVERT_STATE'] ?? machineDirectory(this.terminal.env));
  }

  socketPath(options: CommonOptions): string {
    if (options.socket !== undefined) return options.socket;
    return defaultSocketPath(this.stateDirectory(options));
  }

  /** Connect to the engine for the length of `use`. Throws `engine.not_running` and what `use` throws. */
  async withEngine<T>(options: CommonOptions, use: (engine: Engine) => Promise<T>): Promise<T> {
    // Loaded by the verbs that ask an engine, not by each start of the program.
    const { connectEngine } = await import('./engine-connection.ts');
    const connection = await connectEngine(this.socketPath(options), this.signal);
    const timer = this.clock.after(greetingTimeoutMs, () => connection.close());
    try {
      await connection.greeting;
      timer[Symbol.dispose]();
      return await use(connection.client);
    } finally {
      timer[Symbol.dispose]();
      connection.close();
    }
  }

  /** The engine where one runs, else what works without. */
  async withEngineOr<T>(
    options: CommonOptions,
    use: (engine: Engine) => Promise<T>,
    without: () => Promise<T>,
  ): Promise<T> {
    try {
      return await this.withEngine(options, use);
    } catch (error) {
      if (!isTunnelerError(error, 'engine.not_running')) throw error;
      return without();
    }
  }

  /** Print a result: as one JSON document (what `row` makes of it, where scripts get more than it holds), or as `human` puts it. */
  print<T>(options: CommonOptions, value: T, human: (value: T) => string, row: (value: T) => unknown = itself): void {
    this.terminal.out(options.json === true ? `${JSON.stringify(row(value))}\n` : human(value));
  }

  /** One item of a stream: a JSON line, or a human one. */
  printItem<T>(options: CommonOptions, item: T, human: (item: T) => string, row: (item: T) => unknown = itself): void {
    this.terminal.out(options.json === true ? `${JSON.stringify(row(item))}\n` : `${human(item)}\n`);
  }

  /**
   * Tell of a failure and set the exit code: a sentence on standard error; with `--json` the same document on both outputs, so that
   * a script finds it whichever it reads, and standard output holds a JSON document whatever happens.
   */
  fail(error: unknown, json: boolean): void {
    this.tell(toErrorView(error), json);
  }

  /** The same for a failure that came in words already. */
  tell(view: ErrorView, json: boolean): void {
    this.exit = view.code === 'cli.usage' ? exitCode.usage : exitCode.failed;
    if (json) {
      const document = `${JSON.stringify({ error: { ...view, details: view.details ?? {} } })}\n`;
      this.terminal.err(document);
      if (!this.outputIsPayload) this.terminal.out(document);
      return;
    }
    this.terminal.err(`culvert: ${view.code}: ${view.message}\n`);
    const next = view.details?.['next'];
    if (typeof next === 'string') this.terminal.err(`  ${next}\n`);
  }

  #usualDirectory(): string {
    const user = userDirectory(this.terminal.env);
    const machine = machineDirectory(this.terminal.env);
    if (process.getuid?.() === 0) return machine;
    // A person's verbs reach the installed engine where they run none of their own.
    if (!isSocketThere(defaultSocketPath(user)) && isSocketThere(defaultSocketPath(machine))) return machine;
    return user;
  }
}

function itself<T>(value: T): T {
  return value;
}

function machineDirectory(env: Terminal['env']): string {
  if (process.platform === 'win32') return join(env['ProgramData'] ?? 'C:\\ProgramData', 'Culvert');
  return process.platform === 'darwin' ? '/Library/Application Support/Culvert' : '/var/lib/culvert';
}

function userDirectory(env: Terminal['env']): string {
  const home = env['HOME'] ?? homedir();
  if (process.platform === 'win32') return join(env['LOCALAPPDATA'] ?? home, 'Culvert');
  if (process.platform === 'darwin') return join(home, 'Library', 'Application Support', 'Culvert');
  return join(env['XDG_STATE_HOME'] ?? join(home, '.local', 'state'), 'culvert');
}

/** Heading of the options that every verb has. */
export const commonOptions = 'Every verb has:';

/** Add a verb with the options that all have; a `hidden` one is in no help. */
export function addVerb(parent: Command, nameAndArgs: string, description: string, hidden = false): Command {
  return parent
    .command(nameAndArgs, { hidden })
    .description(description)
    .addOption(common('--json', 'print JSON instead of text'))
    .addOption(common('--state <dir>', 'directory that holds everything the engine keeps'))
    .addOption(common('--socket <path>', "the engine's socket (default: DIR/engine.sock)"))
    .addOption(common('--wide', 'nothing is cut or left out to fit the terminal'))
    .addOption(common('--no-color', 'no colours (also: NO_COLOR set, or not a terminal)'))
    .allowExcessArguments(false);
}

/** An option that every verb has; help keeps these apart from the verb's own. */
function common(flags: string, description: string): Option {
  return new Option(flags, description).helpGroup(commonOptions);
}

/** A usage error: exit code 2. */
export function usage(message: string): TunnelerError {
  return new TunnelerError('cli.usage', message);
}
