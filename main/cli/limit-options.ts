/** Options of verbs that start a program with limits on what it takes. */
import type { Command } from 'commander';
import type { AgentLimits } from '../api/agent-views.ts';
import { defined, whenDefined } from '../base/defined.ts';
import { usage } from './cli.ts';

/** As they stand on the command line. */
export interface LimitOptions {
  readonly memory?: string;
  readonly processes?: string;
  readonly cpu?: string;
}

/** Add them to a verb; the same command. */
export function addLimitOptions(command: Command): Command {
  return command
    .option('--memory <bytes>', 'let it take so much memory at most, e.g. 2G')
    .option('--processes <n>', 'let it have so many processes at most')
    .option('--cpu <n>', 'let it take so many processors at most, e.g. 0.5');
}

/** What they say. Throws for usage. */
export function limitsOf({ memory, processes, cpu }: LimitOptions): AgentLimits {
  return defined({
    memory: whenDefined(memory, (text) => bytesOf(text, '--memory')),
    processes: whenDefined(processes, (text) => numberOf(text, '--processes')),
    cpu: whenDefined(cpu, (text) => numberOf(text, '--cpu')),
  });
}

/** Bytes as people write them. Throws for usage. */
export function bytesOf(text: string, option: string): number {
  const match = /^(\d+)([KMGT]?)i?B?$/i.exec(text);
  const power = ' KMGT'.indexOf((match?.[2] ?? '').toUpperCase() || ' ');
  if (match === null) throw usage(`${option}: expected bytes such as 512M, got "${text}"`);
  return Number(match[1]) * 1024 ** power;
}

function numberOf(text: string, option: string): number {
  const value = Number(text);
  if (!(value > 0)) throw usage(`${option}: expected a number above 0, got "${text}"`);
  return value;
}

/** For an option that may be repeated. */
export function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}
