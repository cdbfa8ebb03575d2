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
const requirements = join(scripts, 'requirements.txt');
const sum = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
const place = join(scripts, '..', '..', '..', '.cache', `floor-python-${sum}`);
/** Written last: an environment without it was cut short. */
const ready = join(place, 'ready');
const interpreter = join(place, 'bin', 'python');
/** Longer than a making can last. */
const staleMs = 15 * 60_000;

/** Why the libraries cannot run here, or undefined where they can: installs them the first time; test processes side by side wait for one another. */
export async function floorPythonMissing(): Promise<string | undefined> {
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
  const child = new Child(interpreter, [join(scripts, 'peers.py'), protocol, 'serve'], {
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

export async function askDevice(protocol: string, port: number): Promise<ClientTold> {
  const { stdout } = await run(interpreter, [join(scripts, 'peers.py'), protocol, 'ask', String(port)], {
    timeout: 120_000,
  });
  const line = stdout.split('\n').findLast((one) => one.startsWith('{'));
  if (line === undefined) throw new Error(`the ${protocol} client told nothing:\n${stdout}`);
  return JSON.parse(line) as ClientTold;
}
