/** `culvert llm serve`: one local endpoint for every dark model service. */
import { Option, type Command } from 'commander';
import { parseHostPort } from '../../base/ip.ts';
import { addVerb, type Cli, type CommonOptions } from '../cli.ts';

interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** `culvert llm serve`: every dark model service that a program may use, as one local endpoint. */
export function addLlm(program: Command, cli: Cli): void {
  const group = program.command('llm').description('dark model services');
  addVerb(group, 'serve', 'every dark model service a program may use, as one local endpoint')
    .addOption(
      new Option('--listen <address>', 'where, on loopback')
        .default({ host: '127.0.0.1', port: 0 }, 'a free port of 127.0.0.1')
        .argParser((text: string): ListenAddress => parseHostPort(text, '--listen')),
    )
    .action(async (options: CommonOptions & { readonly listen: ListenAddress }) => {
      const { host, port } = options.listen;
      await cli.withEngine(options, async (engine) => {
        for await (const place of engine.llm.listen({ host, port }, { signal: cli.signal })) {
          cli.printItem(
            options,
            place,
            ({ url }) => `programs of this machine find the models at ${url} (OpenAI clients: ${url}/v1)`,
          );
        }
      });
    });
}
