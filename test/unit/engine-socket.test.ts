import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../main/base/log.ts';
import { createClient } from '../../main/api/client.ts';
import { schema, type EngineClient } from '../../main/api/schema.ts';
import { connectSocket } from '../../main/ipc/socket-transport.ts';
import { connectTrustedPipe, strangerServing, type PipeConnector } from '../../main/ipc/pipe-server.ts';
import { defaultSocketPath, isSocketThere, lockPipePath } from '../../main/ipc/socket-path.ts';
import { lockByPipe, lockInstance } from '../../main/engine/runtime/instance-lock.ts';
import { processStart } from '../../main/engine/runtime/process-start.ts';
import {
  openSocketServer,
  type PeerCredentials,
  type SocketServerDeps,
} from '../../main/engine/calls/socket-server.ts';
import { openStateDirectory } from '../../main/engine/runtime/state-directory.ts';
import { createFakeEngine } from '../support/fake-engine.ts';
import { personAtSocket } from '../support/person-at-socket.ts';
import { until } from '../support/until.ts';
import { isUnix, keepsModes } from '../support/modes.ts';

let directory: string;
const open: AsyncDisposable[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'culvert-door-'));
});
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

async function serve(
  path = defaultSocketPath(directory),
  peerCredentials?: (fd: number) => PeerCredentials | undefined,
  more: Partial<SocketServerDeps> = {},
): Promise<string> {
  const server = await openSocketServer({
    ...personAtSocket(path),
    dispatcher: createFakeEngine().dispatcher,
    log: silentLog,
    ...(peerCredentials === undefined ? {} : { peerCredentials }),
    ...more,
  });
  open.push(server);
  return path;
}

/** Another socket, or pipe, of the test. */
function beside(name: string): string {
  return process.platform === 'win32' ? defaultSocketPath(join(directory, name)) : join(directory, `${name}.sock`);
}

function status(path: string): Promise<string> {
  return call(path, async (client) => (await client.engine.status()).mode);
}

async function call<T>(path: string, make: (client: EngineClient) => Promise<T>): Promise<T> {
  const connection = createClient(schema, await connectSocket(path));
  try {
    return await make(connection.client);
  } finally {
    connection.close();
  }
}

describe('the socket', () => {
  it('is 0600 in the state directory, and serves clients', async () => {
    const path = await serve();
    if (keepsModes) expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await status(path)).toBe('proxy');
  });

  it('works where the path is longer than a socket address may be', async () => {
    const deep = join(directory, 'a'.repeat(60), 'b'.repeat(60));
    await openStateDirectory(deep);
    const path = await serve(defaultSocketPath(deep));
    expect(await status(path)).toBe('proxy');
  });

  it.runIf(isUnix)('is gone after the engine closed, and a stale one is replaced', async () => {
    const path = await serve();
    await open.pop()?.[Symbol.asyncDispose]();
    await expect(connectSocket(path)).rejects.toMatchObject({ code: 'engine.not_running' });
    const child = await holdSocket(path);
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    expect((await stat(path)).isSocket()).toBe(true);
    await serve();
    expect(await status(path)).toBe('proxy');
  });

  it.runIf(isUnix)('refuses a peer of another user with a code', async () => {
    const path = await serve(undefined, () => ({ pid: 1, uid: 4242, gid: 4242 }));
    const answer = await new Promise<string>((resolve) => {
      let text = '';
      connect(path)
        .on('data', (chunk: Buffer) => (text += chunk.toString()))
        .on('close', () => resolve(text));
    });
    expect(JSON.parse(answer)).toMatchObject({ error: { code: 'engine.forbidden' } });
  });

  it('lets whom the system does not name look at the engine’s standing, and no more', async () => {
    const path = await serve(undefined, undefined, { peerCredentials: undefined, pipes: undefined });
    expect(await status(path)).toBe('proxy');
    await expect(call(path, (client) => client.engine.stop())).rejects.toMatchObject({ code: 'engine.not_permitted' });
    await expect(call(path, (client) => client.session.list())).rejects.toMatchObject({
      code: 'engine.not_permitted',
    });
    const own = await serve(beside('own'), undefined, {
      peerCredentials: undefined,
      pipes: undefined,
      directoryDecides: true,
    });
    await call(own, (client) => client.session.list());
  });

  it('answers an agent, and what has no known lineage, with engine.not_permitted', async () => {
    for (const kind of [
      { kind: 'agent', agent: 'helper' },
      { kind: 'unknown', why: 'the process is gone' },
    ] as const) {
      const path = await serve(beside(kind.kind), undefined, {
        attribution: { of: () => Promise.resolve(kind) },
      });
      expect(await status(path)).toBe('proxy');
      for (const forbidden of [
        (client: EngineClient): Promise<unknown> => client.quarantine.release({ subject: 'app:helper' }),
        (client: EngineClient): Promise<unknown> => client.identity.export({ name: 'laptop' }),
        (client: EngineClient): Promise<unknown> => client.policy.reload(),
        (client: EngineClient): Promise<unknown> => client.engine.openConsole({}),
        (client: EngineClient): Promise<unknown> => client.engine.stop(),
        (client: EngineClient): Promise<unknown> => client.state.snapshot(),
        (client: EngineClient): Promise<unknown> => client.audit.search({}),
      ]) {
        await expect(call(path, forbidden)).rejects.toMatchObject({ code: 'engine.not_permitted' });
      }
    }
  });

  it('serves its own user though 300 connections stand idle', async () => {
    const path = await serve();
    const idle = Array.from({ length: 300 }, () => connect(path).on('error', () => undefined));
    let closed = 0;
    for (const socket of idle) socket.on('data', () => undefined).on('close', () => (closed += 1));
    await until(() => closed >= 44);
    expect(await status(path)).toBe('proxy');
    for (const socket of idle) socket.destroy();
  });

  it.runIf(process.getuid?.() === 0)(
    'opens its own directory to the group, and leaves any other as it is',
    async () => {
      const shared = join(directory, 'shared');
      await openStateDirectory(shared);
      await chmod(shared, 0o700);
      await serve(join(shared, 'engine.sock'), undefined, { groupId: 4242, ownDirectory: directory });
      if (keepsModes) expect((await stat(shared)).mode & 0o777).toBe(0o700);
      expect((await stat(shared)).gid).not.toBe(4242);
      await serve(defaultSocketPath(directory), undefined, { groupId: 4242 });
      if (keepsModes) expect((await stat(directory)).mode & 0o777).toBe(0o710);
    },
  );

  it.runIf(process.getuid?.() === 0)('is not trusted by a client where it belongs to another user', async () => {
    const path = await serve();
    const { chown } = await import('node:fs/promises');
    await chown(path, 4242, 4242);
    await expect(connectSocket(path)).rejects.toMatchObject({ code: 'engine.socket_untrusted' });
  });

  it.runIf(isUnix)('does not take a file for a socket, nor a file in its place for stale', async () => {
    const path = defaultSocketPath(directory);
    await writeFile(path, 'precious');
    await expect(connectSocket(path)).rejects.toMatchObject({ code: 'engine.socket_untrusted' });
    await expect(serve()).rejects.toMatchObject({ code: 'engine.state_unusable' });
    expect(await readFile(path, 'utf8')).toBe('precious');
  });
});

describe('a named pipe', () => {
  const pipe = '\\\\.\\pipe\\culvert-x';
  const own = 'S-1-5-21-1-2-3-1001';
  const stranger = 'S-1-5-21-1-2-3-1002';
  const servedBy = (sid: string | undefined) => ({
    pipeServer: () => 42,
    connectPipe: () => ({ descriptor: 7, pid: 42 }),
    processChain: (pid: number) => [{ pid, parent: 0, ...(sid === undefined ? {} : { sid }) }],
  });
  const failing = (message: string) => {
    const fails = (): never => {
      throw new Error(message);
    };
    return { ...servedBy(own), pipeServer: fails, connectPipe: fails };
  };
  const untrusted = expect.objectContaining({ code: 'engine.socket_untrusted' });
  const closed: number[] = [];
  const connected = (system: PipeConnector) =>
    connectTrustedPipe(pipe, system, (descriptor) => closed.push(descriptor), own);

  it('is trusted where this user or the system serves that very connection, and nowhere else', () => {
    for (const sid of [own, 'S-1-5-18']) {
      expect(connected(servedBy(sid))).toBe(7);
      expect(strangerServing(pipe, servedBy(sid), own)).toBeUndefined();
    }
    expect(closed).toEqual([]);
    for (const sid of [stranger, undefined]) expect(() => connected(servedBy(sid))).toThrow(untrusted);
    expect(closed).toEqual([7, 7]);
    expect(strangerServing(pipe, servedBy(stranger), own)).toBe(stranger);
    const nobody = { ...servedBy(own), pipeServer: () => null, connectPipe: () => null };
    expect(connected(nobody)).toBeUndefined();
    expect(strangerServing(pipe, nobody, own)).toBeUndefined();
  });

  it('is a stranger’s where nobody can tell who serves it: it stays busy, or its server is gone', () => {
    const busy = failing('All pipe instances are busy. (os error 231)');
    expect(() => connected(busy)).toThrow(untrusted);
    expect(strangerServing(pipe, busy, own)).toBe('somebody who cannot be told');
    const gone = { ...servedBy(own), processChain: () => [] };
    expect(() => connected(gone)).toThrow(untrusted);
    expect(strangerServing(pipe, gone, own)).toBe('somebody who cannot be told');
    expect(() => connected(failing('Access is denied. (os error 5)'))).toThrow(
      expect.objectContaining({ code: 'engine.forbidden' }),
    );
  });

  it('says why it cannot be served', async () => {
    const pipes = {
      listenPipe: () => {
        throw new Error('Access is denied.');
      },
    };
    await expect(serve(pipe, undefined, { pipes })).rejects.toMatchObject({ code: 'engine.state_unusable' });
  });

  it.runIf(process.platform === 'win32')(
    'names the process of each client, of those that come at once too',
    async () => {
      const asked: (number | undefined)[] = [];
      const attribution = {
        of: (pid: number | undefined) => (asked.push(pid), Promise.resolve({ kind: 'person' } as const)),
      };
      const path = await serve(undefined, undefined, { attribution });
      const script = `require('node:net').connect(process.argv[1]).once('data', (data) => process.stdout.write(data));`;
      const clients = Array.from({ length: 6 }, () =>
        spawn(process.execPath, ['-e', script, path], { stdio: ['ignore', 'pipe', 'inherit'] }),
      );
      for (const { stdout } of clients) await once(stdout, 'data');
      for (const client of clients) client.kill();
      expect(new Set(asked)).toEqual(new Set(clients.map(({ pid }) => pid)));
      expect(await status(path)).toBe('proxy');
      expect(asked.at(-1)).toBe(process.pid);
    },
  );

  it.runIf(process.platform === 'win32')(
    'is not spoken to where it stays busy, so that nobody can see who serves it',
    async () => {
      const path = lockPipePath(beside('busy'));
      // It listens and then looks after nothing: the instances that it made wait for nobody once they are taken.
      const script = `require('node:net').createServer().listen(process.argv[1], () => {
        process.stdout.write('up');
        for (;;);
      });`;
      const busy = spawn(process.execPath, ['-e', script, path], { stdio: ['ignore', 'pipe', 'inherit'] });
      try {
        await once(busy.stdout, 'data');
        const taken = Array.from({ length: 4 }, () => connect(path).on('error', () => undefined));
        await Promise.all(taken.map((socket) => once(socket, 'connect')));
        await expect(connectSocket(path)).rejects.toMatchObject({ code: 'engine.socket_untrusted' });
        for (const socket of taken) socket.destroy();
      } finally {
        busy.kill();
      }
    },
  );

  it('is looked for by connecting to it, a socket by its file', async () => {
    expect(isSocketThere(defaultSocketPath(directory))).toBe(false);
    expect(isSocketThere(await serve())).toBe(true);
  });
});

describe('one engine a state directory', () => {
  it('refuses a second one, naming the first', async () => {
    open.push(await lockInstance(directory, defaultSocketPath(directory)));
    await expect(lockInstance(directory, defaultSocketPath(directory))).rejects.toMatchObject({
      code: 'engine.already_running',
      details: { pid: process.pid },
    });
  });

  it('takes over the lock of a killed engine, of a re-used pid, and one cut short', async () => {
    for (const left of [
      JSON.stringify({ pid: 4_190_000, started: '1' }),
      JSON.stringify({ pid: process.ppid, started: '1' }),
      '{"pid":',
    ]) {
      await writeFile(join(directory, 'engine.lock'), left);
      const lock = await lockInstance(directory, defaultSocketPath(directory));
      expect(JSON.parse(await readFile(join(directory, 'engine.lock'), 'utf8'))).toMatchObject({ pid: process.pid });
      await lock[Symbol.asyncDispose]();
      await expect(stat(join(directory, 'engine.lock'))).rejects.toMatchObject({ code: 'ENOENT' });
    }
  });

  it('lets exactly one of many that start at once take a stale lock', async () => {
    await writeFile(join(directory, 'engine.lock'), JSON.stringify({ pid: 4_190_000, started: '1' }));
    const outcomes = await Promise.allSettled(
      Array.from({ length: 8 }, () => lockInstance(directory, defaultSocketPath(directory))),
    );
    expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1);
  });

  it('is a pipe where pipes die with their process: a file that was left says nothing', async () => {
    const file = join(directory, 'engine.lock');
    await writeFile(file, JSON.stringify({ pid: process.ppid, started: '' }));
    const pipe = process.platform === 'win32' ? lockPipePath(directory) : join(directory, 'lock.sock');
    const lock = await lockByPipe(pipe, file, directory);
    await expect(lockByPipe(pipe, file, directory)).rejects.toMatchObject({
      code: 'engine.already_running',
      details: { pid: process.pid },
    });
    await lock[Symbol.asyncDispose]();
    await (await lockByPipe(pipe, file, directory))[Symbol.asyncDispose]();
    await expect(stat(file)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('is no pipe that a stranger serves: then the file in the directory is, and it is said', async () => {
    const file = join(directory, 'engine.lock');
    const pipe = process.platform === 'win32' ? lockPipePath(directory) : join(directory, 'lock.sock');
    const stranger = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => stranger.listen(pipe, resolve));
    const said: unknown[] = [];
    const log = { ...silentLog, warn: (event: string, fields?: object) => said.push({ event, ...fields }) };
    const take = (servedBy: string | undefined) => lockByPipe(pipe, file, directory, log, () => servedBy);
    const running = { code: 'engine.already_running', details: { pid: process.pid } };
    const sid = 'S-1-5-21-1-2-3-1002';
    // One that is left of a killed engine holds nobody up here either.
    await writeFile(file, JSON.stringify({ pid: 4_190_000, started: '1' }));
    const lock = await take(sid);
    expect(said).toEqual([{ event: 'engine.lock_pipe_taken', pipe, servedBy: sid }]);
    await expect(take(sid)).rejects.toMatchObject(running);
    await new Promise((resolve) => stranger.close(resolve));
    await expect(take(undefined)).rejects.toMatchObject(running);
    await lock[Symbol.asyncDispose]();
    await (await take(undefined))[Symbol.asyncDispose]();
  });

  it('knows a holder by its start where the system tells it by ps', async () => {
    const asked: (readonly string[])[] = [];
    const ps = async (args: readonly string[]): Promise<string> => {
      asked.push(args);
      return 'Sun Nov 29 08:15:02 2026    \n';
    };
    expect(await processStart(501, 'darwin', ps)).toBe('Sun Nov 29 08:15:02 2026');
    expect(asked).toEqual([['-o', 'lstart=', '-p', '501']]);
    expect(await processStart(501, 'darwin', async () => '')).toBe('');
    expect(await processStart(501, 'win32', ps)).toBe('');
  });

  it('sees an engine that only its socket gives away', async () => {
    const path = await serve();
    await expect(lockInstance(directory, path)).rejects.toMatchObject({ code: 'engine.already_running' });
  });
});

describe('the state directory', () => {
  it('is made 0700, and one that others may write is closed to them', async () => {
    const made = join(directory, 'x', 'y');
    await openStateDirectory(made);
    if (keepsModes) expect((await stat(made)).mode & 0o777).toBe(0o700);
    await chmod(made, 0o777);
    await openStateDirectory(made);
    if (keepsModes) expect((await stat(made)).mode & 0o777).toBe(0o755);
  });

  it.runIf(process.getuid?.() === 0)('is nobody else’s, but root may work in the one it gave the service', async () => {
    const { chown } = await import('node:fs/promises');
    const theirs = join(directory, 'theirs');
    await openStateDirectory(theirs);
    await chown(theirs, 4242, 4242);
    await expect(openStateDirectory(theirs)).rejects.toMatchObject({ code: 'engine.state_unusable' });
    await openStateDirectory(theirs, { byRoot: true });
    await chown(directory, 4242, 4242);
    await expect(openStateDirectory(theirs, { byRoot: true })).rejects.toMatchObject({ code: 'engine.state_unusable' });
  });

  it('must be a directory', async () => {
    const file = join(directory, 'file');
    await writeFile(file, '');
    await expect(openStateDirectory(file)).rejects.toMatchObject({ code: 'engine.state_unusable' });
  });
});

function holdSocket(path: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [
    '-e',
    `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`,
  ]);
  return new Promise((resolve) => child.stdout.once('data', () => resolve(child)));
}
