import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { TunnelerError } from '../../base/errors.ts';
import type { IdentityView, RenameView } from '../../api/views.ts';
import { addVerb, usage, type Cli, type CommonOptions } from '../cli.ts';
import { withFilesOf, withPinOf } from '../caller-files.ts';
import { withPassphrase } from '../passphrase.ts';
import type { Engine, OfflineIdentities } from '../backends.ts';
import { identityRow } from '../json-rows.ts';
import { facts, relative, table } from '../table.ts';
import { stateTint } from '../tint.ts';
import { handedOver, removeForUser } from '../user-keychain.ts';
import { describe as describeEnrolled } from './enroll.ts';
import { addExport } from './identity-export.ts';
import { addLogin } from './identity-login.ts';
import { addMfa } from './identity-mfa.ts';

/** `culvert identity …`: what is enrolled here, and its life. */
export function addIdentity(program: Command, cli: Cli): void {
  const group = program.command('identity').description('what is enrolled here');

  addVerb(group, 'list', 'every identity, its key store and state').action(async (options: CommonOptions) => {
    cli.print(
      options,
      await list(options, cli),
      (rows) => describeAll(rows, cli),
      (rows) => rows.map(identityRow),
    );
  });

  addVerb(group, 'show <name>', 'one identity').action(async (name: string, options: CommonOptions) => {
    cli.print(options, await find(name, options, cli), (view) => describeOne(view, cli), identityRow);
  });

  addChange(group, cli, 'enable <name>', 'let it work again', 'enabled', {
    engine: (engine, name) => engine.identity.enable({ name }),
    offline: (identities, name) => identities.setEnabled(name, true),
  });
  addChange(group, cli, 'disable <name>', 'close its sessions and keep it from working', 'disabled', {
    engine: (engine, name) => engine.identity.disable({ name }),
    offline: (identities, name) => identities.setEnabled(name, false),
  });
  addChange(group, cli, 'remove <name>', 'close its sessions and erase it and its key', 'removed', {
    engine: (engine, name) => removeForUser(name, engine, cli),
    offline: (identities, name) => identities.remove(name),
  });

  addVerb(group, 'rename <name> <to>', 'give it another name; open sessions live on').action(
    async (name: string, to: string, options: CommonOptions) => {
      const renamed = await cli.withEngine(options, (engine) => engine.identity.rename({ name, to }));
      cli.print(options, renamed, (view) => describeRename(name, view));
    },
  );

  addVerb(group, 'renew <name>', 'renew its certificate now; open sessions live on')
    .option('--roll-key', 'make a new key too')
    .action(async (name: string, options: CommonOptions & { rollKey?: true }) => {
      const view = await cli.withEngine(options, (engine) =>
        engine.identity.renew(options.rollKey === undefined ? { name } : { name, rollKey: true }),
      );
      cli.print(options, view, (one) => describeOne(one, cli));
    });

  addVerb(group, 'unlock <name>', 'hand the running engine what opens its key')
    .option('--passphrase-fd <n>', 'read the passphrase from this descriptor')
    .action(async (name: string, options: CommonOptions & { passphraseFd?: string }) => {
      const question = { text: `Passphrase of ${name}`, twice: false };
      const view = await withPassphrase(cli, options.passphraseFd, question, (passphrase) =>
        cli.withEngine(options, async (engine) => {
          const wrappingKey = await handedOver(name, engine, cli);
          if (wrappingKey !== undefined) return engine.identity.unlock({ name, wrappingKey });
          return engine.identity.unlock(passphrase === undefined ? { name } : { name, passphrase });
        }),
      );
      cli.print(options, view, (one) => `${one.name} is ${one.state}\n`);
    });

  addVerb(group, 'lock <name>', 'drop its opened key from memory').action(
    async (name: string, options: CommonOptions) => {
      await cli.withEngine(options, (engine) => engine.identity.lock({ name }));
      cli.print(options, { name, state: 'locked' }, () => `${name} is locked\n`);
    },
  );

  addImport(group, cli);
  addMfa(group, cli);

  addLogin(group, cli);
  addExport(group, cli);
}

function addImport(group: Command, cli: Cli): void {
  addVerb(group, 'import <file>', "take in an identity file of OpenZiti's own tunnelers")
    .option('--name <name>', "the name later verbs use (default: the file's)")
    .option('--keystore <store>', 'where its key goes')
    .option('--passphrase-fd <n>', 'read the passphrase of a file key from this descriptor')
    .action(
      async (file: string, options: CommonOptions & { name?: string; keystore?: string; passphraseFd?: string }) => {
        const source = await readFile(file, 'utf8').catch((error: Error) => {
          throw usage(`cannot read ${file}: ${error.message}`);
        });
        const name =
          options.name ??
          file
            .split(/[/\\]/)
            .at(-1)
            ?.replace(/\.json$/, '') ??
          'imported';
        const request = {
          source: await withFilesOf(source),
          name,
          method: 'import' as const,
          ...(options.keystore === undefined ? {} : { keystore: await withPinOf(options.keystore) }),
        };
        const question = { text: 'Passphrase that will protect the key', twice: true };
        const view = await withPassphrase(cli, options.passphraseFd, question, (passphrase) => {
          const complete = passphrase === undefined ? request : { ...request, passphrase };
          return cli.withEngineOr(
            options,
            (engine) => engine.identity.enroll(complete),
            async () => (await cli.programs.openIdentities(cli.stateDirectory(options), passphrase)).enroll(complete),
          );
        });
        cli.print(options, view, (one) => describeEnrolled(one, cli));
      },
    );
}

interface Change {
  engine(engine: Engine, name: string): Promise<void>;
  offline(identities: OfflineIdentities, name: string): Promise<void>;
}

function addChange(group: Command, cli: Cli, verb: string, description: string, done: string, change: Change): void {
  addVerb(group, verb, description).action(async (name: string, options: CommonOptions) => {
    await cli.withEngineOr(
      options,
      (engine) => change.engine(engine, name),
      async () => {
        const passphrase = await cli.programs.readPassphrase(undefined);
        await change.offline(await cli.programs.openIdentities(cli.stateDirectory(options), passphrase), name);
      },
    );
    cli.print(options, { name, [done]: true }, () => `${name} is ${done}\n`);
  });
}

function list(options: CommonOptions, cli: Cli): Promise<readonly IdentityView[]> {
  return cli.withEngineOr(
    options,
    (engine) => engine.identity.list(),
    async () => (await cli.programs.openIdentities(cli.stateDirectory(options), undefined)).list(),
  );
}

async function find(name: string, options: CommonOptions, cli: Cli): Promise<IdentityView> {
  const found = (await list(options, cli)).find((identity) => identity.name === name);
  if (found === undefined) {
    throw new TunnelerError('identity.unknown', `there is no identity "${name}" here`, {
      details: { next: 'culvert identity list shows those there are' },
    });
  }
  return found;
}

function describeAll(identities: readonly IdentityView[], cli: Cli): string {
  if (identities.length === 0) return 'No identity yet: culvert enroll <file.jwt>\n';
  const now = cli.clock.now();
  return table(
    identities,
    [
      { title: 'NAME', text: (row) => row.name },
      { title: 'STATE', text: (row) => row.state, tint: (row) => stateTint(row.state), whole: true },
      { title: 'KEY', text: (row) => row.keystore },
      { title: 'SCOPE', text: (row) => row.scope, spare: 2 },
      { title: 'MFA', text: (row) => row.mfa, spare: 1 },
      {
        title: 'CERTIFICATE',
        text: (row) => (row.certExpiresAt === undefined ? '–' : `expires ${relative(row.certExpiresAt, now)}`),
      },
      { title: 'CONTROLLER', text: (row) => row.controller },
    ],
    cli,
  );
}

function describeOne(view: IdentityView, cli: Cli): string {
  const now = cli.clock.now();
  return facts(
    [
      ['name', view.name],
      ['state', cli.paint(stateTint(view.state), view.state)],
      ['because', view.reason?.sentence],
      ['next', view.reason?.next],
      ['controller', view.controller],
      ['signs in by', view.authentication],
      ['known there as', view.controllerName],
      ['key', view.keystore],
      ['scope', view.owner === undefined ? view.scope : `${view.scope} (${view.owner})`],
      ['MFA', view.mfa],
      ['certificate', view.certExpiresAt === undefined ? undefined : `expires ${relative(view.certExpiresAt, now)}`],
      ['fingerprint', view.fingerprint],
      ['services', `${view.services.dial} to dial, ${view.services.bind} to host`],
    ],
    cli.paint,
  );
}

/** What it is called now, and what a person has to write anew for the old name. */
function describeRename(before: string, { name, agents, rules }: RenameView): string {
  const lines = [`${before} is now ${name}`];
  if (agents.length > 0) {
    lines.push(`agents that follow it until the engine stops: ${agents.join(', ')}`);
    lines.push(`write "identity: ${name}" under agents: in culvert.yaml, where they are still bound to ${before}`);
  }
  for (const { id, file } of rules) lines.push(`${file}: rule ${id} names ${before}, which is nobody now`);
  return `${lines.join('\n')}\n`;
}
