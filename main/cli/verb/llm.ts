/** `culvert llm serve`: one local endpoint for every dark model service; `llm keys`: keys for programs that insist on one. */
import { Option, type Command } from 'commander';
import type { ModelKeyView } from '../../api/agent-views.ts';
import { defined } from '../../base/defined.ts';
import { parseHostPort } from '../../base/ip.ts';
import { addVerb, type Cli, type CommonOptions } from '../cli.ts';
import { relative, table } from '../table.ts';

interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** Every dark model service that a program may use, as one local endpoint; and keys worth nothing anywhere else. */
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
  addKeys(group, cli);
}

function addKeys(llm: Command, cli: Cli): void {
  const group = llm.command('keys').description('keys for programs that insist on one, worth nothing anywhere else');

  addVerb(group, 'list', 'keys that were made here; never their values').action(async (options: CommonOptions) => {
    const rows = await cli.withEngine(options, (engine) => engine.llm.keys());
    cli.print(options, rows, (all) => describe(all, cli));
  });

  addVerb(
    group,
    'create [agent]',
    'show the key of an agent, or of programs that are none; made where there is none',
  ).action(async (agent: string | undefined, options: CommonOptions) => {
    const made = await cli.withEngine(options, (engine) => engine.llm.createKey(defined({ agent })));
    cli.print(options, made, ({ value }) => `${value}\n`);
  });

  addVerb(group, 'revoke <key>', 'take a key back, by its id').action(async (key: string, options: CommonOptions) => {
    const revoked = await cli.withEngine(options, (engine) => engine.llm.revokeKey({ key }));
    cli.print(options, revoked, ({ id }) => `${id} is revoked; the next start of its program gets another\n`);
  });
}

function describe(rows: readonly ModelKeyView[], cli: Cli): string {
  if (rows.length === 0) return 'No key for models was made here.\n';
  const now = cli.clock.now();
  return table(
    rows,
    [
      { title: 'KEY', text: (row) => row.id },
      { title: 'AGENT', text: (row) => row.agent ?? '-' },
      { title: 'STATE', text: (row) => row.state },
      { title: 'MADE', text: (row) => relative(row.madeAt, now) },
    ],
    cli,
  );
}
