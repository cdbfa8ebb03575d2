import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { defined, whenDefined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import { writeAtomically } from '../../files/write-atomically.ts';
import type { BundleView } from '../../api/views.ts';
import { addVerb, type Cli, type CommonOptions } from '../cli.ts';
import { withProgress } from '../progress.ts';
import { table } from '../table.ts';

interface Options extends CommonOptions {
  readonly redact: 'basic' | 'full';
  readonly preview?: true;
}

/** `culvert bundle FILE.zip`: what those who help need, secrets blacked out; with a running engine or without. */
export function addBundle(program: Command, cli: Cli): void {
  addVerb(program, 'bundle <file>', 'write a support bundle without secrets')
    .addOption(
      new Option('--redact <level>', 'full also replaces names and addresses by stand-ins')
        .choices(['basic', 'full'])
        .default('basic'),
    )
    .option('--preview', 'list what would go in and how much is blacked out, and write nothing')
    .action(async (file: string, options: Options) => {
      const preview = options.preview ?? false;
      const { entries, zip, running } = await withProgress(cli, 'gathering', () => make(options, preview, cli));
      const path = resolve(file);
      if (zip !== undefined) await write(path, zip);
      const told = {
        ...(zip === undefined ? {} : { file: path, bytes: zip.length }),
        redact: options.redact,
        engineRunning: running,
        entries,
      };
      cli.print(options, told, () => describe(told, cli));
    });
}

interface Made extends BundleView {
  readonly zip?: Uint8Array;
  readonly running: boolean;
}

async function make(options: Options, preview: boolean, cli: Cli): Promise<Made> {
  return cli.withEngineOr<Made>(
    options,
    async (engine) => {
      const { entries, data } = await engine.engine.bundle({ redact: options.redact, preview });
      return { entries, running: true, ...defined({ zip: whenDefined(data, (text) => Buffer.from(text, 'base64')) }) };
    },
    async () => {
      const { entries, zip } = await cli.programs.bundle(cli.stateDirectory(options), options.redact);
      return { entries, running: false, ...(preview ? {} : { zip }) };
    },
  );
}

/** Whole or not at all, and for its owner alone. Throws `base.invalid` where it cannot be written. */
async function write(path: string, zip: Uint8Array): Promise<void> {
  try {
    await writeAtomically(path, zip);
  } catch (error) {
    throw new TunnelerError('base.invalid', `cannot write ${path}: ${(error as Error).message}`, {
      cause: error,
      details: { file: path, next: 'name a file in a directory you may write to' },
    });
  }
}

function describe(
  told: BundleView & { readonly file?: string; readonly bytes?: number; readonly engineRunning: boolean },
  cli: Cli,
): string {
  const rows = table(
    told.entries,
    [
      { title: 'ENTRY', text: (entry) => entry.name },
      { title: 'BYTES', text: (entry) => String(entry.bytes) },
      { title: 'BLACKED OUT', text: (entry) => String(entry.redactions) },
    ],
    cli,
  );
  const without = told.engineRunning ? '' : 'No engine runs here: this is what its directory holds.\n';
  return `${rows}${without}${told.file === undefined ? '' : `Written to ${told.file} (${told.bytes} bytes).\n`}`;
}
