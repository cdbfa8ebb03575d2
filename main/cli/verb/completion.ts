import { Argument, type Command } from 'commander';
import { addVerb, type Cli, type CommonOptions } from '../cli.ts';
import { completionScript, type Shell } from '../completion-script.ts';
import { verbTree } from '../verb-tree.ts';

const shells: readonly Shell[] = ['bash', 'zsh', 'fish'];

/** `culvert completion SHELL`: a script that completes verbs, sub-verbs and options; with `--json` the same script in a document. */
export function addCompletion(program: Command, cli: Cli): void {
  addVerb(program, 'completion', 'a script for your shell that completes verbs and options')
    .addArgument(new Argument('<shell>', 'whose completion').choices(shells))
    .action((shell: Shell, options: CommonOptions) =>
      cli.print(options, { shell, script: completionScript(shell, verbTree(program)) }, ({ script }) => script),
    );
}
