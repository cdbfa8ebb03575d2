/** What every scenario of the demo stands on: devices enrolled and started in one temporary directory, and words for what goes wrong. */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sleep } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import { toTunnelerError, TunnelerError } from '../../base/errors.ts';
import { DisposalStack } from '../../base/lifecycle.ts';
import type { SessionView } from '../../api/views.ts';
import { removeTree } from '../../files/remove-tree.ts';
import { defaultSocketPath } from '../../ipc/socket-path.ts';
import type { Cli } from '../cli.ts';
import type { Backends, RunningEngine } from '../backends.ts';

/** Told of each step as it is done. */
export type Narrate = (title: string, detail?: string) => void;

/** A scenario that has run, with everything still up. Disposing it leaves nothing. */
export interface Demo extends AsyncDisposable {
  /** The device's state directory, for further verbs. */
  readonly state: string;
  readonly mode: string;
  /** The device's proxy; absent in mode `tun`, where names simply work. */
  readonly proxy: string | undefined;
  readonly sessions: readonly SessionView[];
  /** Leave something going on that a person can watch; it ends with the demo. Absent where a scenario has nothing of the kind. */
  readonly stay?: () => void;
  /** What to try next, and why; `CULVERT` stands for the program. */
  readonly next: readonly (readonly [command: string, why: string])[];
}

/** How the demo's device works: `proxy` changes nothing of the machine, `auto` takes a TUN where it may. */
export type DemoMode = 'auto' | 'tun' | 'proxy';

/** A device of a demo: an engine of its own, and the identities enrolled at it. */
export interface DeviceSpec {
  /** Names its directory; also its identity, unless it has others. */
  readonly name: string;
  readonly mode: DemoMode | 'host';
  /** Token files by identity. */
  readonly tokens: Readonly<Record<string, string>>;
  readonly identities?: readonly string[];
  /** Its `culvert.yaml`. */
  readonly config?: string;
  readonly directory: string;
  readonly programs: Backends;
}

const turns = 300;
const turnMs = 100;

/** Enrol a device's identities and start its engine, which `stack` owns. */
export async function startDevice(spec: DeviceSpec, stack: DisposalStack): Promise<RunningEngine> {
  const { name, mode, tokens, directory, programs } = spec;
  const stateDirectory = join(directory, name);
  await mkdir(stateDirectory, { recursive: true, mode: 0o700 });
  // Keys lie encrypted even in a demo; the passphrase lives in this process alone.
  const passphrase = randomBytes(24).toString('base64url');
  const identities = await programs.openIdentities(stateDirectory, passphrase);
  for (const identity of spec.identities ?? [name]) {
    const file = tokens[identity];
    if (file === undefined) throw failed(`there is no token for ${identity}`);
    await identities.enroll({
      source: await readFile(file, 'utf8'),
      name: identity,
      method: 'token',
      keystore: 'file',
    });
  }
  if (spec.config !== undefined) await writeFile(join(stateDirectory, 'culvert.yaml'), spec.config);
  return stack.use(
    await programs.runEngine({
      stateDirectory,
      socketPath: defaultSocketPath(stateDirectory),
      mode,
      forwards: [],
      passphrase,
      logFile: join(directory, `${name}.log`),
      directoryDecides: true,
      // Beside the machine's own: two demos, and an engine that runs already, do not meet.
      ...(mode === 'proxy' ? { proxyListen: '127.0.0.1:0' } : {}),
    }),
  );
}

/** A terminator is made some milliseconds after the engine is ready. */
export async function waitUntilHosted(cli: Cli, state: string): Promise<void> {
  await waitUntil(cli, 'the services are hosted', async () => {
    const services = await cli.withEngine({ state }, (client) => client.service.list());
    const own = services.filter(({ permissions }) => permissions.includes('Bind'));
    return own.length > 0 && own.every((service) => (service.hosted?.terminators ?? 0) > 0);
  });
}

/** Look again and again; throws, naming what was waited for, after half a minute. */
export async function waitUntil(cli: Cli, what: string, holds: () => Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    if (await holds()) return;
    await sleep(cli.clock, turnMs, cli.signal);
  }
  throw failed(`it did not come about that ${what}`);
}

/** A step of a scenario that did not go as it must. */
export function failed(sentence: string, cause?: unknown): TunnelerError {
  return new TunnelerError('base.internal', sentence, defined({ cause }));
}

/** Configs of a TCP service known as `name` on one port, served on a loopback port. */
export function darkConfigs(name: string, port: number, target: number): Record<string, unknown> {
  return {
    'intercept.v1': { protocols: ['tcp'], addresses: [name], portRanges: [{ low: port, high: port }] },
    'host.v1': { protocol: 'tcp', address: '127.0.0.1', port: target },
  };
}

/** Run a scenario in a directory of its own; resolves with everything still up. Throws where any step fails, leaving nothing behind. */
export async function onStage(scenario: (stack: DisposalStack, directory: string) => Promise<Demo>): Promise<Demo> {
  const stack = new DisposalStack();
  try {
    const directory = await mkdtemp(join(tmpdir(), 'culvert-demo-'));
    stack.defer(() => removeTree(directory));
    return await scenario(stack, directory);
  } catch (error) {
    try {
      await stack[Symbol.asyncDispose]();
    } catch (left) {
      // What failed first is what is told, and what could not be cleared away beside it.
      const { code, message, details } = toTunnelerError(error);
      const notCleared = toTunnelerError(left).message;
      throw new TunnelerError(code, message, { cause: error, details: { ...details, notCleared } });
    }
    throw error;
  }
}
