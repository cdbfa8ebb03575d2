import type { Command } from 'commander';
import { addVerb, exitCode, type Cli, type CommonOptions } from '../cli.ts';

interface Options extends CommonOptions {
  readonly config?: string;
}

/** `culvert config show|check|set`: the settings file, without starting anything. */
export function addConfig(program: Command, cli: Cli): void {
  const group = program.command('config').description('the settings of the engine (culvert.yaml)');
  const verb = (name: string, description: string): Command =>
    addVerb(group, name, description).option('--config <file>', 'this file instead of the one the engine uses');

  verb('show', 'the settings in force: of the running engine, else of the file').action(async (options: Options) => {
    const shown =
      options.config === undefined
        ? await cli.withEngineOr(
            options,
            async (engine) => {
              const { file, config } = await engine.engine.settings();
              return { file: file ?? '', config };
            },
            () => cli.programs.showConfig(cli.stateDirectory(options), undefined),
          )
        : await cli.programs.showConfig(cli.stateDirectory(options), options.config);
    // Only here: the reader of YAML takes longer to load than this program to start.
    const { stringify } = await import('yaml');
    cli.print(options, shown, ({ file, config }) => {
      const set = stringify(config);
      return set.trim() === '{}' ? `# ${file}: nothing is set, everything is as by default\n` : `# ${file}\n${set}`;
    });
  });

  verb('check', 'read the file as the engine would and say what is wrong with it').action(async (options: Options) => {
    const result = await cli.programs.checkConfig(cli.stateDirectory(options), options.config);
    cli.print(options, result, ({ ok, file, issues }) =>
      ok
        ? `${file} is good\n`
        : issues.map(({ path, message }) => `${cli.paint('red', path === '' ? file : path)}: ${message}\n`).join(''),
    );
    if (!result.ok) cli.exit = exitCode.failed;
  });

  verb('set', 'change one setting, named with dots (proxy.listen); without a value it is removed')
    .argument('<name>', 'such as proxy.listen or policy.unbound')
    .argument('[value]', 'as YAML: 127.0.0.1:1080, true, [a, b]')
    .action(async (name: string, value: string | undefined, options: Options) => {
      const file = await cli.programs.setConfig(cli.stateDirectory(options), options.config, name, value);
      cli.print(
        options,
        { file, name, restart: true },
        () => `${file} is changed; it counts from the engine's next start\n`,
      );
    });
}
