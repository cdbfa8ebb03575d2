/** The preload as it is shipped: bundled for the sandbox, run against the shell's real handlers, reached through the window's own bridge. */
import { EventEmitter } from 'node:events';
import { fileURLToPath } from 'node:url';
import { runInNewContext } from 'node:vm';
import { build } from 'esbuild';
import { beforeAll, describe, expect, it } from 'vitest';
import { openShellTransport } from '../../app/bridge/shell-bridge.ts';
import { TunnelerError } from '../../main/base/errors.ts';
import { silentLog } from '../../main/base/log.ts';
import { createClient, type Transport } from '../../main/api/client.ts';
import { schema } from '../../main/api/schema.ts';
import type { ShellArrival, ShellBridge } from '../../main/api/shell-bridge.ts';
import type { IpcEvent, WebContentsLike } from '../../main/shell/electron.ts';
import { EngineLines } from '../../main/shell/engine-lines.ts';
import { serveIpc } from '../../main/shell/ipc.ts';
import { createFakeEngine } from '../support/fake-engine.ts';
import { memoryTransport } from '../support/memory-transport.ts';

let code: string;

beforeAll(async () => {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('../../main/shell/preload.ts', import.meta.url))],
    bundle: true,
    platform: 'node',
    format: 'cjs',
    external: ['electron'],
    write: false,
  });
  code = outputFiles[0]?.text ?? '';
});

/** The two sides of Electron's IPC, joined; structured data only, as between real processes. */
function shell(connect: () => Promise<Transport>) {
  const toWindow = new EventEmitter();
  const handlers = new Map<string, (event: IpcEvent, ...args: readonly unknown[]) => unknown>();
  let deliver: (arrival: ShellArrival) => void = () => undefined;
  serveIpc(
    {
      handle: (channel, handler) => handlers.set(channel, handler),
      on: (channel, handler) => handlers.set(channel, handler),
    },
    {
      lines: new EngineLines({ connect }),
      settings: () => ({ autostart: false, notifications: true, version: '9' }),
      set: () => ({ autostart: true, notifications: true, version: '9' }),
      openOutside: () => Promise.resolve(),
      installUpdate: () => undefined,
      arrivals: (listener) => (deliver = listener),
      log: silentLog,
    },
  );
  const sender = {
    id: 1,
    isDestroyed: () => false,
    on: () => undefined,
    once: () => undefined,
    send: (channel: string, ...args: readonly unknown[]) =>
      queueMicrotask(() => toWindow.emit(channel, {}, ...(structuredClone(args) as unknown[]))),
  } as unknown as WebContentsLike;
  const event: IpcEvent = { sender, senderFrame: { url: 'culvert-window://app/index.html', parent: null } };
  let door: ShellBridge | undefined;
  const electron = {
    contextBridge: { exposeInMainWorld: (_name: string, api: ShellBridge) => (door = api) },
    ipcRenderer: {
      send: (channel: string, ...args: readonly unknown[]) => void handlers.get(channel)?.(event, ...args),
      invoke: async (channel: string, ...args: readonly unknown[]) => handlers.get(channel)?.(event, ...args),
      on: (channel: string, listener: (...args: unknown[]) => void) => toWindow.on(channel, listener),
    },
  };
  const module = { exports: {} };
  const require = (name: string): unknown => {
    if (name !== 'electron') throw new Error(`a sandboxed preload has no ${name}`);
    return electron;
  };
  runInNewContext(code, { require, module, exports: module.exports });
  if (door === undefined) throw new Error('the preload put nothing on the page');
  return { door, arrive: (arrival: ShellArrival) => deliver(arrival) };
}

describe('the preload', () => {
  it('carries the whole contract between window and engine', async () => {
    const engine = createFakeEngine();
    const { door } = shell(async () => memoryTransport(engine.dispatcher));
    const connection = createClient(schema, openShellTransport(door));
    expect(await connection.greeting).toMatchObject({ permission: 'administer' });
    const { seq } = await connection.client.state.snapshot();
    const deltas: number[] = [];
    const following = (async () => {
      for await (const delta of connection.client.state.changes({ after: seq })) {
        deltas.push(delta.seq);
        if (deltas.length === 2) break;
      }
    })();
    await new Promise((resolve) => setTimeout(resolve, 5));
    engine.push({ kind: 'dns-changed', value: engine.state().dns });
    engine.push({ kind: 'dns-changed', value: engine.state().dns });
    await following;
    expect(deltas).toEqual([seq + 1, seq + 2]);
    await expect(connection.client.identity.enable({ name: 'nobody' })).rejects.toMatchObject({
      code: 'identity.unknown',
    });
    connection.close();
  });

  it('tells an untrusted socket from an engine that is away', async () => {
    for (const code of ['engine.socket_untrusted', 'engine.not_running'] as const) {
      const { door } = shell(() => Promise.reject(new TunnelerError(code, 'no')));
      const connection = createClient(schema, openShellTransport(door));
      expect((await connection.closed)?.code).toBe(code === 'engine.socket_untrusted' ? code : 'base.closed');
    }
  });

  it('puts functions on the page and nothing of Electron’s', () => {
    const { door } = shell(() => Promise.reject(new TunnelerError('engine.not_running', 'no')));
    for (const value of Object.values(door)) expect(typeof value).toBe('function');
    expect(Object.keys(door).sort()).toEqual(
      [
        'connect',
        'disconnect',
        'installUpdate',
        'listen',
        'onArrival',
        'openExternal',
        'send',
        'set',
        'settings',
      ].sort(),
    );
  });

  it('delivers arrivals until it is told to stop', async () => {
    const { door, arrive } = shell(() => Promise.reject(new TunnelerError('engine.not_running', 'no')));
    const got: string[] = [];
    const stop = door.onArrival(({ value }) => got.push(value));
    arrive({ kind: 'screen', value: 'audit' });
    await new Promise((resolve) => setTimeout(resolve, 1));
    stop();
    arrive({ kind: 'screen', value: 'policy' });
    await new Promise((resolve) => setTimeout(resolve, 1));
    expect(got).toEqual(['audit']);
    expect(await door.settings()).toMatchObject({ version: '9' });
  });
});
