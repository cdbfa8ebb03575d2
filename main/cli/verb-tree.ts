/** The verbs as plain facts, for whatever describes them: completion scripts, the man page, the reference. */
import { defined } from '../base/defined.ts';
import { Help, type Command } from 'commander';
import { commonOptions } from './cli.ts';
import { examples } from './examples.ts';

/** The program or one of its verbs. */
export interface VerbNode {
  /** Words behind `culvert`, blank between; empty for the program itself. */
  readonly path: string;
  /** How it is called: `culvert identity show <name>`. */
  readonly usage: string;
  readonly description: string;
  /** Heading it stands under; empty below the first level. */
  readonly group: string;
  readonly arguments: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly VerbOption[];
  readonly example?: string;
  readonly verbs: readonly VerbNode[];
}

/** One option of a verb. */
export interface VerbOption {
  /** As it is typed: `--name <name>`. */
  readonly flags: string;
  readonly long: string;
  readonly description: string;
  /** Values it takes, where they are few. */
  readonly choices: readonly string[];
  /** Every verb has it. */
  readonly common: boolean;
}

/** The tree below a command; what is hidden from people is left out. */
export function verbTree(command: Command): VerbNode {
  const help = new Help();
  const path = pathOf(command);
  const example = examples[path];
  return defined({
    path,
    usage: help.commandUsage(command),
    description: command.description(),
    group: command.helpGroup().replace(/:$/, ''),
    arguments: command.registeredArguments.map((one) => ({ name: one.name(), description: one.description })),
    options: command.options.map((option) => ({
      flags: option.flags,
      long: option.long ?? option.flags,
      description: option.description,
      choices: option.argChoices ?? [],
      common: option.helpGroupHeading === commonOptions,
    })),
    example,
    verbs: help
      .visibleCommands(command)
      .filter((verb) => command.commands.includes(verb))
      .map(verbTree),
  });
}

/** All of a tree, each before what is below it. */
export function everyVerb(node: VerbNode): readonly VerbNode[] {
  return [node, ...node.verbs.flatMap(everyVerb)];
}

/** Words behind `culvert` that lead to a command. */
export function pathOf(command: Command): string {
  const { parent } = command;
  if (parent === null) return '';
  const before = pathOf(parent);
  return before === '' ? command.name() : `${before} ${command.name()}`;
}
