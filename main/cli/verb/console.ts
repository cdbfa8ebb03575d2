import type { Command } from 'commander';
import { addVerb, type Cli, type CommonOptions } from '../cli.ts';
import { openInBrowser } from '../open-in-browser.ts';

/** `culvert console [--open]`: an address of the window that works once, on loopback. */
export function addConsole(program: Command, cli: Cli): void {
  addVerb(program, 'console', 'the window in a browser: an address that works once')
    .option('--open', 'open it in the browser')
    .action(async (options: CommonOptions & { open?: true }) => {
      const { url } = await cli.withEngine(options, (engine) => engine.engine.openConsole());
      cli.print(options, { url }, () => `${url}\n`);
      if (options.open === true && !openInBrowser(url, cli.terminal.env) && options.json !== true) {
        cli.terminal.err('there is no screen here to open it on; the address works once, within ten minutes\n');
      }
    });
}
