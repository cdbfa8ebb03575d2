import type { Command } from 'commander';
import type { PolicyCheckView } from '../../contract/views.ts';
import { addVerb, exitCode, type Cli, type CommonOptions } from '../cli.ts';
import { printWhy, whyRequest } from './why.ts';

/** `culvert policy check|reload|explain`: local rules and contracts. */
export function addPolicy(program: Command, cli: Cli): void {
  const group = program.command('policy').description('local rules and contracts');
  addVerb(group, 'check', 'read the rules and say what is wrong; nothing changes').action(
    async (options: CommonOptions) => {
      const result = await cli.withEngineOr(
        options,
        (engine) => engine.policy.check(),
        () => cli.programs.checkPolicy(cli.stateDirectory(options)),
      );
      printCheck(result, options, cli, 'would be in force');
    },
  );
  addVerb(group, 'reload', 'read the rules again and put them in force').action(async (options: CommonOptions) => {
    const result = await cli.withEngine(options, (engine) => engine.policy.reload());
    printCheck(result, options, cli, 'in force');
  });
  addVerb(group, 'explain <destination>', 'which rule decides for HOST[:PORT]')
    .option('--app <path|name>', 'as this program or agent')
    .action(async (destination: string, options: CommonOptions & { app?: string }) => {
      const answer = await cli.withEngine(options, (engine) =>
        engine.policy.explain(whyRequest(destination, options.app)),
      );
      printWhy(answer, options, cli);
    });
}

function printCheck(result: PolicyCheckView, options: CommonOptions, cli: Cli, fate: string): void {
  cli.print(options, result, (view) =>
    view.ok
      ? `${view.rules} rules from ${view.files} files ${fate}\n`
      : view.errors.map((error) => `${cli.paint('red', error.file)}: ${error.message}\n`).join(''),
  );
  if (!result.ok) cli.exit = exitCode.failed;
}
