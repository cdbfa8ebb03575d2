/** Kept clients of providers, in environments of their own that are made once under `.cache/`: they are too many and too large to come with the sources. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const scripts = dirname(fileURLToPath(import.meta.url));
const cache = join(scripts, '..', '..', '..', '.cache');
const installMs = 15 * 60_000;
/** A client that asks again and again is longer about it than this. */
const clientMs = 120_000;

/** What a client saw: words it was given, the tool it was to call, and what its user reads of refusals. */
export interface ClientSaw {
  readonly text: number;
  readonly stream: number;
  readonly tool: string;
  readonly refused: string;
  readonly stopped: number;
  readonly used: string;
}

/** Runs one client against a port, and against one with little budget. */
export type RunClient = (name: string, port: number, tightPort: number) => Promise<ClientSaw>;

/** An embedding service, to be run where the packages of Node are. */
export const vectorsScript = join(scripts, 'vectors.mjs');

/** Those of Node. */
export async function nodeClients(): Promise<RunClient> {
  return client(process.execPath, 'clients.mjs', await nodePlace());
}

/** Where the packages of Node are. */
export async function nodePlace(): Promise<string> {
  const place = placeFor('package.json', 'models-node');
  await once(place, async () => {
    copyFileSync(join(scripts, 'package.json'), join(place, 'package.json'));
    await run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: place, timeout: installMs });
  });
  return place;
}

/** Those of Python. */
export async function pythonClients(): Promise<RunClient> {
  const place = placeFor('requirements.txt', 'models-python');
  const python = join(place, 'bin', 'python');
  await once(place, async () => {
    await run('python3', ['-m', 'venv', place]);
    const requirements = join(scripts, 'requirements.txt');
    await run(python, ['-m', 'pip', 'install', '--quiet', '--requirement', requirements], { timeout: installMs });
  });
  return client(python, 'clients.py', place);
}

function client(program: string, script: string, cwd: string): RunClient {
  return async (name, port, tightPort) => {
    const urls = [port, tightPort].map((one) => `http://127.0.0.1:${one}`);
    const { stdout } = await run(program, [join(scripts, script), name, ...urls], { cwd, timeout: clientMs });
    const line = stdout.split('\n').findLast((one) => one.startsWith('{'));
    if (line === undefined) throw new Error(`${name} told nothing:\n${stdout}`);
    return JSON.parse(line) as ClientSaw;
  };
}

function placeFor(list: string, name: string): string {
  const sum = createHash('sha256')
    .update(readFileSync(join(scripts, list)))
    .digest('hex')
    .slice(0, 12);
  return join(cache, `${name}-${sum}`);
}

/** `ready` is written last: an environment without it was cut short. */
async function once(place: string, make: () => Promise<void>): Promise<void> {
  const ready = join(place, 'ready');
  if (existsSync(ready)) return;
  mkdirSync(place, { recursive: true });
  await make();
  writeFileSync(ready, '');
}
