import type { Command } from 'commander';
import { addVerb, usage, type Cli, type CommonOptions } from '../cli.ts';

interface CodeOptions extends CommonOptions {
  readonly code?: string;
}

/** `culvert identity mfa enroll|verify|remove NAME`. A code is asked for where `--code` does not give it. */
export function addMfa(identity: Command, cli: Cli): void {
  const group = identity.command('mfa').description('a second factor (TOTP)');

  addVerb(group, 'enroll <name>', 'begin; finish with mfa verify').action(
    async (name: string, options: CommonOptions) => {
      const enrolment = await cli.withEngine(options, (engine) => engine.identity.mfaEnroll({ name }));
      cli.print(options, enrolment, (view) =>
        [
          `Add this to your authenticator, then: culvert identity mfa verify ${name}\n\n  ${view.provisioningUrl}\n\n`,
          'Recovery codes, each good once. Keep them somewhere safe:\n',
          ...view.recoveryCodes.map((code) => `  ${code}\n`),
        ].join(''),
      );
    },
  );

  withCode(addVerb(group, 'verify <name>', 'finish enrolment, or answer the question for a code')).action(
    async (name: string, options: CodeOptions) => {
      const code = await readCode(options, cli);
      await cli.withEngine(options, (engine) => engine.identity.mfaVerify({ name, code }));
      cli.print(options, { name, verified: true }, () => `the code is right\n`);
    },
  );

  withCode(addVerb(group, 'remove <name>', 'give it up; needs a code')).action(
    async (name: string, options: CodeOptions) => {
      const code = await readCode(options, cli);
      await cli.withEngine(options, (engine) => engine.identity.mfaRemove({ name, code }));
      cli.print(options, { name, removed: true }, () => `MFA of ${name} is removed\n`);
    },
  );

  withCode(addVerb(group, 'codes <name>', 'show the recovery codes; needs a code'))
    .option('--new', 'make new ones; the old are void')
    .action(async (name: string, options: CodeOptions & { new?: true }) => {
      const code = await readCode(options, cli);
      const result = await cli.withEngine(options, (engine) =>
        engine.identity.mfaRecoveryCodes({ name, code, regenerate: options.new }),
      );
      cli.print(options, result, (view) => view.codes.map((one) => `${one}\n`).join(''));
    });
}

function withCode(command: Command): Command {
  return command.option('--code <code>', 'the code (default: asked for, or read from standard input)');
}

async function readCode(options: CodeOptions, cli: Cli): Promise<string> {
  const code =
    options.code ?? (cli.terminal.inIsTty ? await cli.terminal.askSecret('Code: ') : await cli.terminal.readInput());
  if (code.trim() === '') throw usage('a code is needed: --code CODE, or on standard input');
  return code.trim();
}
