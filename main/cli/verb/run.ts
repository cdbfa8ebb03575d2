import { Option, type Command } from 'commander';
import { defined, whenDefined } from '../../base/defined.ts';
import { parseHostPort } from '../../base/ip.ts';
import { addVerb, usage, type Cli, type CommonOptions } from '../cli.ts';
import { parseDescriptor } from '../passphrase.ts';
import type { EngineReady } from '../../api/machine-views.ts';
import type { RunOptions } from '../backends.ts';
import { waitForEnd } from '../wait-for-end.ts';

interface Options extends CommonOptions {
  readonly mode?: NonNullable<RunOptions['mode']>;
  readonly config?: string;
  readonly proxyListen?: string;
  readonly forward: readonly string[];
  readonly passphraseFd?: string;
  readonly logLevel?: string;
}

/** `culvert run`: the engine in the foreground, until a signal or `engine.stop`. */
export function addRun(program: Command, cli: Cli): void {
  addVerb(program, 'run', 'start the engine and stay in the foreground')
    .addOption(
      new Option('--mode <mode>', 'how traffic enters (default: auto)').choices(['auto', 'tun', 'proxy', 'host']),
    )
    .option('--config <file>', 'settings (default: culvert.yaml in the state directory)')
    .option('--proxy-listen <host:port>', 'serve SOCKS5 and HTTP CONNECT here, e.g. 127.0.0.1:1080')
    .option('--forward <service:port>', 'a plain loopback port for a service; may be repeated', collect, [])
    .option('--passphrase-fd <n>', 'read the passphrase of file identities from this descriptor')
    .addOption(
      new Option('--log-level <level>', 'what goes to standard error').choices([
        'trace',
        'debug',
        'info',
        'warn',
        'error',
      ]),
    )
    .action(async (options: Options) => {
      const engine = await cli.programs.runEngine(await runOptions(options, cli));
      try {
        cli.print(options, { ready: true, ...engine.ready }, (ready) => describe(ready));
        await waitForEnd(cli.signal, engine.stopped);
      } finally {
        await engine[Symbol.asyncDispose]();
      }
    });
}

async function runOptions(options: Options, cli: Cli): Promise<RunOptions> {
  const passphrase = await cli.programs.readPassphrase(parseDescriptor(options.passphraseFd));
  return defined({
    stateDirectory: cli.stateDirectory(options),
    socketPath: cli.socketPath(options),
    forwards: options.forward.map(parseForward),
    mode: options.mode,
    configFile: options.config,
    ...defined({ proxyListen: whenDefined(options.proxyListen, listenAddress) }),
    passphrase,
    logLevel: options.logLevel,
  });
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

function listenAddress(text: string): string {
  try {
    parseHostPort(text, '--proxy-listen');
    return text;
  } catch (error) {
    throw usage((error as Error).message);
  }
}

/** `SERVICE:PORT`; a service's name may itself hold colons. */
function parseForward(text: string): { service: string; port: number } {
  const match = /^(.+):(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (match?.[1] === undefined || port > 65535) throw usage(`--forward: expected SERVICE:PORT, got "${text}"`);
  return { service: match[1], port };
}

function describe({ mode, modeReason, proxy, forwards, socket }: EngineReady): string {
  const places = forwards.map(({ service, port }) => `${service} on port ${port}`).join(', ');
  const told = Object.entries({ mode: `${mode} (${modeReason})`, proxy, forwards: places, socket }).flatMap(
    ([label, text]) => (text === undefined || text === '' ? [] : [`  ${label.padEnd(9)} ${text}\n`]),
  );
  return `The engine is up. Ctrl-C stops it.\n${told.join('')}`;
}
