import type { Command } from 'commander';
import type { PolicyCheckView, PolicyView } from '../../api/views.ts';
import { addVerb, exitCode, type Cli, type CommonOptions } from '../cli.ts';
import { namedProgram } from '../named-program.ts';
import { addPolicyLearning } from './policy-learning.ts';
import { addPolicySimulation } from './policy-simulate.ts';
import { printWhy, whyRequest } from './why.ts';

/** `culvert policy check|reload|explain|learn|replay|simulate`: local rules and contracts. */
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
  addVerb(group, 'explain [destination]', 'which rule decides for HOST[:PORT]; without one: every rule in force')
    .option('--app <path|name>', 'as this program or agent')
    .action(async (destination: string | undefined, options: CommonOptions & { app?: string }) => {
      if (destination === undefined) {
        const policy = await cli.withEngine(options, (engine) => engine.policy.show());
        const { stringify } = await import('yaml');
        cli.print(options, policy, (view) => describe(view, stringify, cli));
        return;
      }
      const request = whyRequest(destination, options.app);
      const answer = await cli.withEngine(options, async (engine) =>
        engine.policy.explain({ ...request, ...(await namedProgram(options.app, engine, cli)) }),
      );
      printWhy(answer, options, cli);
    });
  addPolicyLearning(group, cli);
  addPolicySimulation(group, cli);
}

function describe(policy: PolicyView, yaml: (value: unknown) => string, cli: Cli): string {
  const contracts = policy.contracts.map(
    ({ service, identity, origin, terms, onViolation }) =>
      `contract  ${service} as ${identity} (${origin}, on violation: ${onViolation})\n${indented(yaml(terms))}\n`,
  );
  const rules = policy.localRules.map(
    ({ id, file, effect, text }) => `${effect.padEnd(9)} ${id} (${file})\n${indented(text)}\n`,
  );
  const posture = policy.posture.map(({ service, identity, type, passing, explanation }) => {
    const because = explanation === undefined ? '' : `: ${explanation}`;
    return `posture   ${type} of ${service} as ${identity}: ${passing ? 'passes' : `fails${because}`}\n`;
  });
  const errors = policy.errors.map(({ file, message }) => `${cli.paint('red', file)}: ${message}\n`);
  const lines = [...contracts, ...rules, ...posture, ...errors];
  return lines.length === 0
    ? 'No contract, no local rule and no posture check: the controller alone decides.\n'
    : lines.join('');
}

function indented(text: string): string {
  return text.trim().replaceAll(/^/gm, '          ');
}

function printCheck(result: PolicyCheckView, options: CommonOptions, cli: Cli, fate: string): void {
  cli.print(options, result, (view) =>
    view.ok
      ? `${view.rules} rules from ${view.files} files ${fate}\n`
      : view.errors.map((error) => `${cli.paint('red', error.file)}: ${error.message}\n`).join(''),
  );
  if (!result.ok) cli.exit = exitCode.failed;
}
