/** Kept Python libraries of the floor's protocols, as devices and as clients. */
import { execFile } from 'node:child_process';
import { createConnection } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Child } from './child.ts';
import { openPythonEnvironment, pythonPlace } from './python-environment.ts';

const run = promisify(execFile);
const scripts = join(dirname(fileURLToPath(import.meta.url)), 'floor');

/** Libraries that bear one another: those of the day, older releases, and what a tunnel alone is tried with, in places of their own. */
export type FloorLibraries = 'of-the-day' | 'pymodbus25' | 'pymodbus36' | 'reach';

function requirementsOf(libraries: FloorLibraries): string {
  return join(scripts, libraries === 'of-the-day' ? 'requirements.txt' : `requirements-${libraries}.txt`);
}

/** The Python that has them, once they are installed. */
export const floorInterpreter = (libraries: FloorLibraries): string =>
  pythonPlace('floor', requirementsOf(libraries)).interpreter;

/** Why the libraries cannot run here, or undefined where they can: installs them the first time. */
export async function floorPythonMissing(libraries: FloorLibraries = 'of-the-day'): Promise<string | undefined> {
  const found = await openPythonEnvironment('floor', requirementsOf(libraries));
  return 'missing' in found ? found.missing : undefined;
}

/** A device that listens on loopback, by a kept library. */
export async function openDevice(
  protocol: string,
  directory: string,
): Promise<{ readonly port: number } & AsyncDisposable> {
  const child = new Child(floorInterpreter('of-the-day'), [join(scripts, 'peers.py'), protocol, 'serve'], {
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
  return clientTold(client, floorInterpreter(libraries), [join(scripts, 'peers.py'), client, 'ask', String(port)], env);
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
