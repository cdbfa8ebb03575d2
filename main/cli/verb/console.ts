import type { Command } from 'commander';
import { addVerb, type Cli, type CommonOptions } from '../cli.ts';
import { showInBrowser } from '../show-window.ts';
import { windowFacts } from '../window-place.ts';

/** `culvert console [--open]`: an address of the window that works once, on loopback. */
export function addConsole(program: Command, cli: Cli): void {
  addVerb(program, 'console', 'the window in a browser: an address that works once')
    .option('--open', 'open it in the browser')
    .action(async (options: CommonOptions & { open?: true }) => {
      const addresses = await cli.withEngine(options, (engine) => engine.engine.openConsole(browserOf(cli)));
      const { url, dark = [] } = addresses;
      cli.print(options, addresses, () => [url, ...dark].map((address) => `${address}\n`).join(''));
      if (dark.length > 0 && options.json !== true) {
        cli.terminal.err(
          'the first on this machine, the others from wherever a tunneler may dial it; each works once\n',
        );
      }
      if (options.open !== true) return;
      const facts = windowFacts(cli.terminal.env, cli.programs.directory);
      const { where } = await showInBrowser(url, facts, cli.clock);
      if (where !== 'browser' && options.json !== true) {
        cli.terminal.err('there is no browser here to open it in; the address works once, within ten minutes\n');
      }
    });
}

/** Who became root to ask has the browser. */
function browserOf(cli: Cli): { readonly user?: number } {
  const user = Number(cli.terminal.env['SUDO_UID']);
  return process.getuid?.() === 0 && Number.isSafeInteger(user) && user > 0 ? { user } : {};
}
