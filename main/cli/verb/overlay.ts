import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { defined, whenDefined } from '../../base/defined.ts';
import { parseHostPort } from '../../base/ip.ts';
import { addVerb, usage, type Cli, type CommonOptions } from '../cli.ts';
import type { OverlayOptions } from '../backends.ts';
import { waitForEnd } from '../wait-for-end.ts';

interface Options extends CommonOptions {
  readonly listen?: string;
  readonly dir?: string;
  readonly release?: string;
  readonly seed?: string;
}

/** `culvert overlay`: the embedded overlay alone, for development, demonstrations and tests. */
export function addOverlay(program: Command, cli: Cli): void {
  addVerb(program, 'overlay', 'the embedded overlay alone (development, demos, tests)')
    .option('--listen <host:port>', 'where its controller listens (default: a free loopback port)')
    .option('--dir <dir>', 'keep its state and the tokens here (default: in memory, tokens in the working directory)')
    .option('--release <release>', 'behave as OpenZiti 1.7, 2.0 or 2.1 (default: 2.1)')
    .option('--seed <file>', 'identities and services to make at the start, as JSON')
    .action(async (options: Options) => {
      const overlay = await cli.programs.openOverlay(await overlayOptions(options));
      try {
        const { controller, router, tokens } = overlay;
        cli.print(options, { ready: true, controller, router, tokens }, () =>
          [
            `The embedded overlay is up. It is for development, demonstrations and tests.\n`,
            `  controller  ${controller}\n  router      ${router}\n`,
            ...Object.entries(tokens).map(([name, file]) => `  token       ${name}: ${file}\n`),
          ].join(''),
        );
        await waitForEnd(cli.signal);
      } finally {
        await overlay[Symbol.asyncDispose]();
      }
    });
}

async function overlayOptions(options: Options): Promise<OverlayOptions> {
  const seed = options.seed === undefined ? undefined : await readSeed(options.seed);
  return defined({
    ...defined({ listen: whenDefined(options.listen, listenAddress) }),
    directory: options.dir,
    release: options.release,
    seed,
  });
}

function listenAddress(text: string): { host: string; port: number } {
  try {
    return parseHostPort(text, '--listen');
  } catch (error) {
    throw usage((error as Error).message);
  }
}

async function readSeed(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw usage(`--seed: ${(error as Error).message}`);
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw usage(`--seed: ${file} is no JSON: ${(error as Error).message}`);
  }
}
