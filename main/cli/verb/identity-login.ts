import { defined } from '../../base/defined.ts';
import type { Command } from 'commander';
import { addVerb, type Cli, type CommonOptions } from '../cli.ts';
import { typedPassword } from '../passphrase.ts';

interface Options extends CommonOptions {
  readonly provider?: string;
  readonly device?: true;
  readonly username?: string;
}

/** `culvert identity login`: with an external provider, or with a password that is kept from then on. */
export function addLogin(group: Command, cli: Cli): void {
  addVerb(group, 'login <name>', 'sign in with an external provider, or with a password')
    .option('--provider <name>', 'which, where there are several')
    .option('--device', 'with a code, where there is no browser here')
    .option('--username <name>', 'where it signs in with a password, under another name than before')
    .action(async (name: string, options: Options) => {
      await cli.withEngine(options, async (engine) => {
        const known = (await engine.identity.list()).find((identity) => identity.name === name);
        if (known?.proof !== 'password') {
          await external(name, options, cli, (request) => engine.identity.login(request));
          return;
        }
        const password = await typedPassword(cli);
        const { username } = options;
        const view = await engine.identity.passwordLogin(
          username === undefined ? { name, password } : { name, username, password },
        );
        cli.print(options, view, (one) => `${one.name}: the new password is kept, and it signs in with it\n`);
      });
    });
}

interface LoginRequest {
  readonly name: string;
  readonly provider?: string;
  readonly device?: true;
}

async function external(
  name: string,
  options: Options,
  cli: Cli,
  begin: (request: LoginRequest) => Promise<{ readonly url: string; readonly userCode?: string }>,
): Promise<void> {
  const { provider, device } = options;
  const login = await begin(
    defined({
      name,
      provider,
      device,
    }),
  );
  cli.print(options, login, (view) =>
    view.userCode === undefined
      ? `Open this address to sign in:\n  ${view.url}\n`
      : `Open this address and type ${cli.paint('bold', view.userCode)}:\n  ${view.url}\n`,
  );
}
