import { Option, type Command } from 'commander';
import { defined } from '../../base/defined.ts';
import { openHttpFront } from '../../mcp/host/http-front.ts';
import { StdioProgram } from '../../mcp/host/stdio-program.ts';
import { addVerb, usage, type Cli, type CommonOptions } from '../cli.ts';
import { addLimitOptions, collect, limitsOf, type LimitOptions } from '../limit-options.ts';
import { takeDarkConnections } from '../mcp/dark-connections.ts';

interface HostOptions extends CommonOptions, LimitOptions {
  readonly identity?: string;
  readonly sandbox: 'auto' | 'required' | 'none';
  readonly net: 'host' | 'none';
  readonly env: readonly string[];
}

/** `culvert mcp host NAME -- COMMAND…`: a stdio MCP server as a dark service, each of its processes kept apart from this machine. */
export function addMcpHost(group: Command, cli: Cli): void {
  const host = addVerb(
    group,
    'host <service> <command> [args...]',
    'a stdio MCP server as a dark service, a process a session',
  )
    .usage('[options] NAME -- COMMAND…')
    .option('--identity <name>', 'host it as this identity alone')
    .addOption(
      new Option('--sandbox <when>', 'in namespaces of its own: where this machine has them, always or never')
        .choices(['auto', 'required', 'none'])
        .default('auto'),
    )
    .addOption(new Option('--net <way>', "the host's network, or none").choices(['host', 'none']).default('host'))
    .option('--env <name>', 'pass this variable on as well, or NAME=VALUE; may be repeated', collect, []);
  addLimitOptions(host).action(async (service: string, command: string, args: string[], options: HostOptions) => {
    const limits = limitsOf(options);
    if (options.sandbox === 'none' && (options.net === 'none' || Object.keys(limits).length > 0))
      throw usage('--net none and limits need a sandbox');
    const complain = (text: string): void => cli.terminal.err(`culvert: mcp host ${service}: ${text}\n`);
    const programs = (await cli.programs.agents()).hosted({
      service,
      sandbox: options.sandbox,
      ownNetwork: options.net === 'none',
      limits,
      named: options.env,
      env: cli.terminal.env,
      stateDirectory: cli.stateDirectory(options),
      machineDirectory: cli.machineStateDirectory({}),
      command: [command, ...args],
    });
    const { sandbox, why } = programs;
    if (why !== undefined) complain(`${why}; it runs without a sandbox`);
    using front = openHttpFront({
      open: () => (handlers) => new StdioProgram({ start: () => programs.start(), complain, ...handlers }),
      complain,
    });
    await cli.withEngine(options, async (engine) => {
      const rows = await engine.service.list();
      const isRuled = (identity: string): boolean =>
        rows.some((row) => row.name === service && row.identity === identity && row.contract?.guard === 'mcp');
      await takeDarkConnections(engine, {
        service,
        what: 'culvert mcp host',
        ...defined({ identity: options.identity }),
        signal: cli.signal,
        onReady: (identities) => {
          const ruled = identities.every(isRuled);
          const unruled = '; no contract holds its calls: put mcp into its culvert.contract.v1';
          cli.printItem(
            options,
            { service, identities, command: [command, ...args], sandbox, ruled, ...defined({ why }) },
            () =>
              `${service} is answered by ${command}${sandbox === 'none' ? '' : ', apart from this machine'}, hosted as ${identities.join(', ')}${ruled ? '' : unruled}`,
          );
        },
        onConnection: (socket, caller) => front.accept(socket, caller),
      });
    });
  });
}
