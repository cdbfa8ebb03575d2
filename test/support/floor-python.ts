/** Kept Python libraries of the floor's protocols, in an environment of their own that is made once under `.cache/`. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Child } from './child.ts';
import { toolsMissing } from './tools.ts';

const run = promisify(execFile);
const scripts = join(dirname(fileURLToPath(import.meta.url)), 'floor');

/** Libraries that bear one another: those of the day, and older releases in places of their own. */
export type FloorLibraries = 'of-the-day' | 'pymodbus25' | 'pymodbus36';

/** Where libraries are installed, once for each list of them. */
interface Place {
  readonly requirements: string;
  readonly directory: string;
  /** Written last: a place without it was cut short. */
  readonly ready: string;
}

function placeOf(libraries: FloorLibraries): Place {
  const requirements = join(scripts, libraries === 'of-the-day' ? 'requirements.txt' : `requirements-${libraries}.txt`);
  const sum = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
  const directory = join(scripts, '..', '..', '..', '.cache', `floor-python-${sum}`);
  return { requirements, directory, ready: join(directory, 'ready') };
}

const interpreterOf = (libraries: FloorLibraries): string => join(placeOf(libraries).directory, 'bin', 'python');
/** Longer than a making can last. */
const staleMs = 15 * 60_000;

/** Why the libraries cannot run here, or undefined where they can: installs them the first time; test processes side by side wait for one another. */
export async function floorPythonMissing(libraries: FloorLibraries = 'of-the-day'): Promise<string | undefined> {
  const { requirements, directory: place, ready } = placeOf(libraries);
  if (existsSync(ready)) return undefined;
  const python = toolsMissing('python3');
  if (python !== undefined) return python;
  const lock = `${place}.lock`;
  mkdirSync(dirname(place), { recursive: true });
  while (!existsSync(ready)) {
    if (!taken(lock)) {
      await delay(500);
      continue;
    }
    try {
      rmSync(place, { recursive: true, force: true });
      await run('python3', ['-m', 'venv', place]);
      await run(join(place, 'bin', 'pip'), ['install', '--quiet', '--requirement', requirements], { timeout: staleMs });
      writeFileSync(ready, '');
    } catch (error) {
      return `the floor's protocol libraries could not be installed: ${(error as Error).message.split('\n').at(-2) ?? ''}`;
    } finally {
      rmSync(lock, { recursive: true, force: true });
    }
  }
  return undefined;
}

function taken(lock: string): boolean {
  try {
    mkdirSync(lock);
    return true;
  } catch {
    if (Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()) > staleMs) {
      rmSync(lock, { recursive: true, force: true });
    }
    return false;
  }
}

/** A device that listens on loopback, by a kept library. */
export async function openDevice(
  protocol: string,
  directory: string,
): Promise<{ readonly port: number } & AsyncDisposable> {
  const child = new Child(interpreterOf('of-the-day'), [join(scripts, 'peers.py'), protocol, 'serve'], {
    logFile: join(directory, `${protocol}-device.log`),
  });
  for (;;) {
    const port = /\{"port": (\d+)\}/.exec(child.output())?.[1];
    // It tells its port before some libraries listen on it.
    if (port !== undefined && (await isListening(Number(port)))) {
      return { port: Number(port), [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() };
    }
    if (!child.running) throw new Error(`the ${protocol} device ended:\n${child.output()}`);
    await delay(100);
  }
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port });
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

/** What a client of the library told: its reads before, between and after, and what its user sees of each refusal. */
export interface ClientTold {
  readonly reads: readonly unknown[];
  readonly refused: Readonly<Record<string, string>>;
  readonly [more: string]: unknown;
}

/** `client` names the script that asks: the protocol's own, or another library's. */
export async function askDevice(
  client: string,
  port: number,
  libraries: FloorLibraries = 'of-the-day',
  env: Readonly<Record<string, string>> = {},
): Promise<ClientTold> {
  return clientTold(client, interpreterOf(libraries), [join(scripts, 'peers.py'), client, 'ask', String(port)], env);
}

/** What a program tells that asks a device as the scripts do. */
export async function clientTold(
  client: string,
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<ClientTold> {
  const { stdout } = await run(program, [...args], { timeout: 120_000, env: { ...process.env, ...env } });
  const line = stdout.split('\n').findLast((one) => one.startsWith('{'));
  if (line === undefined) throw new Error(`the ${client} client told nothing:\n${stdout}`);
  return JSON.parse(line) as ClientTold;
}
