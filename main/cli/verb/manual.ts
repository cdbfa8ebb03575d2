import type { Command } from 'commander';
import { addVerb, type Cli, type CommonOptions } from '../cli.ts';
import { manualPage } from '../manual-page.ts';
import { verbTree } from '../verb-tree.ts';

/** `culvert manual`: the man page, as `culvert.1` holds it; with `--json` the facts it is made from. For whoever makes packages, not in the help. */
export function addManual(program: Command, cli: Cli): void {
  addVerb(program, 'manual', 'the man page of culvert', true).action((options: CommonOptions) => {
    cli.print(options, verbTree(program), (tree) => manualPage(tree, cli.programs.version));
  });
}
