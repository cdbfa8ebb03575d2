import { defined } from '../../base/defined.ts';
import type { Command } from 'commander';
import type { SecretView } from '../../api/views.ts';
import { addVerb, usage, type Cli, type CommonOptions } from '../cli.ts';
import { parseDescriptor, withPassphrase } from '../passphrase.ts';
import { relative, table } from '../table.ts';

/** `culvert secret set|list|remove`: keys of providers, which the hosting side puts into requests. Never on a command line. */
export function addSecret(program: Command, cli: Cli): void {
  const group = program
    .command('secret')
    .description('keys of providers, put into the requests of services hosted here');

  addVerb(group, 'set <name>', 'keep a secret; it is asked for, or read from standard input')
    .option('--keystore <store>', 'keychain or file (default: what the host has)')
    .option('--passphrase-fd <n>', 'read the passphrase that seals it from this descriptor')
    .action(async (name: string, options: CommonOptions & { keystore?: string; passphraseFd?: string }) => {
      if (parseDescriptor(options.passphraseFd) === 0 && !cli.terminal.inIsTty) {
        throw usage('--passphrase-fd 0: standard input is where the secret itself is read from');
      }
      const value = await readSecret(name, cli);
      const request = defined({ name, value, keystore: options.keystore });
      const question = { text: 'Passphrase that will protect it', twice: true };
      const kept = await cli.withEngineOr(
        options,
        (engine) => engine.secret.set(request),
        () =>
          withPassphrase(cli, options.passphraseFd, question, async (passphrase) =>
            (await cli.programs.openSecrets(cli.stateDirectory(options), passphrase)).set(request),
          ),
      );
      cli.print(options, kept, (one) => `${one.name} is kept (${one.keystore})\n`);
    });

  addVerb(group, 'list', 'names of the secrets kept; never their values').action(async (options: CommonOptions) => {
    const rows = await cli.withEngineOr(
      options,
      (engine) => engine.secret.list(),
      async () => (await cli.programs.openSecrets(cli.stateDirectory(options), undefined)).list(),
    );
    cli.print(options, rows, (all) => describe(all, cli));
  });

  addVerb(group, 'remove <name>', 'erase a secret').action(async (name: string, options: CommonOptions) => {
    await cli.withEngineOr(
      options,
      (engine) => engine.secret.remove({ name }),
      async () => (await cli.programs.openSecrets(cli.stateDirectory(options), undefined)).remove(name),
    );
    cli.print(options, { name, removed: true }, () => `${name} is removed\n`);
  });
}

async function readSecret(name: string, cli: Cli): Promise<string> {
  const typed = cli.terminal.inIsTty
    ? await cli.terminal.askSecret(`Value of ${name}: `)
    : (await cli.terminal.readInput()).replace(/\r?\n$/, '');
  if (typed === '') throw usage('no secret was given: type it, or pipe it to standard input');
  return typed;
}

function describe(rows: readonly SecretView[], cli: Cli): string {
  if (rows.length === 0) return 'No secret is kept here.\n';
  const now = cli.clock.now();
  return table(
    rows,
    [
      { title: 'NAME', text: (row) => row.name },
      { title: 'KEY', text: (row) => row.keystore },
      { title: 'SET', text: (row) => relative(row.setAt, now) },
    ],
    cli,
  );
}
