import { open, unlink } from 'node:fs/promises';
import type { Command } from 'commander';
import { TunnelerError } from '../../base/errors.ts';
import { addVerb, type Cli, type CommonOptions } from '../cli.ts';
import { withPassphrase } from '../passphrase.ts';

/** `culvert identity export`: an identity file that OpenZiti's own tunnelers read, with the private key in it. */
export function addExport(group: Command, cli: Cli): void {
  addVerb(
    group,
    'export <name> <file>',
    "write an identity file for OpenZiti's own tunnelers; the key lies in it in plain",
  )
    .option('--passphrase-fd <n>', 'read the passphrase of a file key from this descriptor')
    .action(async (name: string, file: string, options: CommonOptions & { passphraseFd?: string }) => {
      const question = { text: `Passphrase of ${name}`, twice: false };
      const json = await withPassphrase(cli, options.passphraseFd, question, (passphrase) =>
        cli.withEngineOr(
          options,
          async (engine) => (await engine.identity.export({ name })).json,
          async () => (await cli.programs.openIdentities(cli.stateDirectory(options), passphrase)).export(name),
        ),
      );
      await writeNew(file, json);
      cli.print(options, { name, file }, () => `${name} is in ${file}: whoever reads that file is ${name}\n`);
    });
}

/** Never over what is there, never readable by others, not even for a moment. */
async function writeNew(file: string, text: string): Promise<void> {
  try {
    const created = await open(file, 'wx', 0o600);
    try {
      await created.writeFile(text);
      await created.sync();
    } catch (error) {
      await unlink(file);
      throw error;
    } finally {
      await created.close();
    }
  } catch (error) {
    const taken = (error as NodeJS.ErrnoException).code === 'EEXIST';
    const sentence = taken ? `${file} exists already` : `${file} cannot be written: ${(error as Error).message}`;
    throw new TunnelerError('identity.write_failed', sentence, {
      cause: error,
      details: { next: 'name another file' },
    });
  }
}
