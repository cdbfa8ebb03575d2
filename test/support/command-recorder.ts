/** The system's tools, noted instead of run; answers are given by the command line's beginning. */
import type { CommandResult, RunCommand } from '../../main/net/run-command.ts';

export class CommandRecorder {
  /** `command arg arg`, with `< input` where it was given some. */
  readonly lines: string[] = [];
  readonly #answers: readonly (readonly [string, Partial<CommandResult>])[];

  /** @param answers the first whose key the command line starts with; without one: success and silence. */
  constructor(answers: Readonly<Record<string, Partial<CommandResult>>> = {}) {
    this.#answers = Object.entries(answers);
  }

  readonly run: RunCommand = (command, args, options = {}) => {
    const line = [command, ...args].join(' ');
    this.lines.push(options.input === undefined ? line : `${line} < ${options.input.trimEnd().replaceAll('\n', '; ')}`);
    const answer = this.#answers.find(([start]) => line.startsWith(start))?.[1];
    return Promise.resolve({ code: 0, stdout: '', stderr: '', ...answer });
  };

  /** What was run since the last call. */
  take(): readonly string[] {
    return this.lines.splice(0);
  }
}
