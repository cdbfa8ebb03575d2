/** An agent that is started to be offered: a program that listens on the port it is given by `PORT`, on loopback. */
import { spawn } from 'node:child_process';
import { connect, createServer, type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { TunnelerError } from '../../base/errors.ts';
import type { Cli } from '../cli.ts';

/** The program and where it listens; disposing ends it. */
export interface RunningAgent extends Disposable {
  readonly at: URL;
  /** How it ended, in words; resolves once it has. */
  readonly ended: Promise<string>;
}

const startMs = 30_000;
const lookMs = 50;

/** Resolves once it takes connections. Throws `agora.agent_ended` where it ends before that, or does not listen. */
export async function runAgent([command = '', ...args]: readonly string[], cli: Cli): Promise<RunningAgent> {
  const port = await freePort();
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PORT: String(port) },
  });
  // What it says is for people: standard output is ours.
  for (const output of [child.stdout, child.stderr])
    output.on('data', (text: Buffer) => cli.terminal.err(text.toString()));
  let how: string | undefined;
  const ended = new Promise<string>((resolve) => {
    const over = (text: string): void => {
      how = text;
      resolve(text);
    };
    child.once('error', (error) => over(error.message));
    child.once('exit', (code, signal) => over(signal ?? `exit ${code}`));
  });
  const until = Date.now() + startMs;
  while (!(await accepts(port))) {
    if (how === undefined && Date.now() < until && !cli.signal.aborted) {
      await sleep(lookMs);
      continue;
    }
    child.kill();
    throw new TunnelerError(
      'agora.agent_ended',
      `the agent does not listen on port ${port} (${how ?? 'it had 30 s'})`,
      {
        details: { next: 'let it listen on 127.0.0.1 at the port that the variable PORT names' },
      },
    );
  }
  return { at: new URL(`http://127.0.0.1:${port}/`), ended, [Symbol.dispose]: () => void child.kill() };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
