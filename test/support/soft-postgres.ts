/** A PostgreSQL of a test's own: made, started on a socket and a loopback port nobody else has, and gone with the test. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { findTool, toolsMissing } from './tools.ts';
import { until } from './until.ts';
import { freePort } from './child.ts';

export const softPostgresMissing = (): string | undefined => toolsMissing('postgres');

export interface SoftPostgres extends AsyncDisposable {
  readonly url: string;
  /** As a crash does: no goodbye. */
  kill(): Promise<void>;
  start(): Promise<void>;
}

/** Root may not run it: then it runs as the user its package made. */
export async function startSoftPostgres(): Promise<SoftPostgres> {
  const bin = dirname(findTool('postgres') ?? '');
  const directory = await mkdtemp(join(tmpdir(), 'culvert-postgres-'));
  const owner = process.getuid?.() === 0 ? { uid: idOf('-u'), gid: idOf('-g') } : {};
  if (owner.uid !== undefined && owner.gid !== undefined) await chown(directory, owner.uid, owner.gid);
  const data = join(directory, 'data');
  execFileSync(join(bin, 'initdb'), ['-D', data, '-U', 'culvert', '-A', 'trust', '--no-sync'], {
    ...owner,
    cwd: directory,
    stdio: 'ignore',
  });
  const port = await freePort();
  const url = `postgres://culvert@127.0.0.1:${port}/postgres`;
  const run = async () => {
    const server = spawn(
      join(bin, 'postgres'),
      ['-D', data, '-p', String(port), '-k', directory, '-c', 'listen_addresses=127.0.0.1', '-c', 'fsync=off'],
      { ...owner, cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let said = '';
    server.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await until(() => said.includes('ready to accept connections'), 60_000);
    return server;
  };
  let server = await run();
  const kill = async (signal: NodeJS.Signals): Promise<void> => {
    const ended = once(server, 'exit');
    server.kill(signal);
    await ended;
  };
  return {
    url,
    kill: () => kill('SIGQUIT'),
    async start() {
      server = await run();
    },
    async [Symbol.asyncDispose]() {
      if (server.exitCode === null && server.signalCode === null) await kill('SIGINT');
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function idOf(option: '-u' | '-g'): number {
  return Number(execFileSync('id', [option, 'postgres'], { encoding: 'utf8' }));
}
