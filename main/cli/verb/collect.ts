import { defined } from '../../base/defined.ts';
import type { Command } from 'commander';
import { addVerb, usage, type Cli, type CommonOptions } from '../cli.ts';
import { parseDescriptor } from '../passphrase.ts';
import { waitForEnd } from '../wait-for-end.ts';

interface Options extends CommonOptions {
  readonly service: string;
  readonly database?: string;
  readonly config?: string;
  readonly passphraseFd?: string;
}

/** `culvert collect`: an engine of its own that keeps the records devices send to a dark service, until a signal or `engine.stop`. */
export function addCollect(program: Command, cli: Cli): void {
  addVerb(program, 'collect', 'keep the records that devices send to a dark service, and countersign them')
    .requiredOption('--service <name>', 'the service, which an identity in the state directory may bind')
    .option('--database <url>', 'a PostgreSQL database (postgres://…) in place of a file in the state directory')
    .option('--config <file>', 'settings (default: culvert.yaml in the state directory)')
    .option('--passphrase-fd <n>', 'read the passphrase of file identities from this descriptor')
    .action(async (options: Options) => {
      const { service, database, config } = options;
      if (database !== undefined && !/^postgres(ql)?:\/\//.test(database)) {
        throw usage('--database: expected a URL that begins with postgres://');
      }
      const passphrase = await cli.programs.readPassphrase(parseDescriptor(options.passphraseFd));
      const engine = await cli.programs.runEngine(
        defined({
          stateDirectory: cli.stateDirectory(options),
          socketPath: cli.socketPath(options),
          mode: 'host' as const,
          forwards: [],
          collect: defined({ service, database }),
          configFile: config,
          passphrase,
        }),
      );
      try {
        cli.print(
          options,
          { ready: true, service, ...engine.ready },
          () => `Collecting as ${service}. Ctrl-C stops it.\n`,
        );
        await waitForEnd(cli.signal, engine.stopped);
      } finally {
        await engine[Symbol.asyncDispose]();
      }
    });
}
