/** The gate of a run without another network leads to the proxy, and by the port that was asked inside to the endpoint for models. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { unknownApp } from '../../main/apps/app.ts';
import { systemClock } from '../../main/base/clock.ts';
import type { Endpoint } from '../../main/base/flow.ts';
import { insidePorts } from '../../main/base/inside-ports.ts';
import { disposable } from '../../main/base/lifecycle.ts';
import { silentLog } from '../../main/base/log.ts';
import { AgentStarts } from '../../main/engine/agents/agent-starts.ts';
import { openRunGate } from '../../main/engine/agents/run-gate.ts';

async function place(says: string): Promise<{ readonly at: string; close(): void }> {
  const server = createServer((socket) => socket.end(says));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { at: `127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() };
}

it.skipIf(process.platform === 'win32')(
  'leads each port to its own place, and nowhere where that is not to be had',
  async () => {
    const [proxy, models] = [await place('proxy'), await place('models')];
    const home = mkdtempSync(join(tmpdir(), 'culvert-gate-'));
    let isThere = true;
    const gate = await openRunGate({
      directory: join(home, 'run'),
      uid: undefined,
      proxy: proxy.at,
      models: () => (isThere ? Promise.resolve(models.at) : Promise.reject(new Error('not there'))),
      log: silentLog,
      clock: systemClock,
      bandwidth: undefined,
      opened: () => disposable(() => undefined),
    });
    const heard = (port: number): Promise<string> =>
      new Promise((resolve) => {
        let text = '';
        const socket = connect(gate.path, () => socket.write(`PROXY TCP4 127.0.0.1 127.0.0.1 4000 ${port}\r\n`));
        socket.setEncoding('utf8').on('data', (part: string) => (text += part));
        socket.on('error', () => undefined).on('close', () => resolve(text));
      });
    try {
      expect(await heard(insidePorts.proxy)).toBe('proxy');
      expect(await heard(insidePorts.models)).toBe('models');
      isThere = false;
      expect(await heard(insidePorts.models)).toBe('');
    } finally {
      await gate.remove();
      for (const one of [proxy, models]) one.close();
      rmSync(home, { recursive: true, force: true });
    }
  },
);

it.skipIf(process.platform === 'win32')(
  'is known for its agent where a place asks while the socket is new',
  async () => {
    const home = mkdtempSync(join(tmpdir(), 'culvert-gate-'));
    const owners: (string | undefined)[] = [];
    const server = createServer((socket) => {
      const end = (address = '', port = 0): Endpoint => ({ address, port });
      const via = end(socket.localAddress, socket.localPort);
      const flow = {
        protocol: 'tcp',
        source: end(socket.remoteAddress, socket.remotePort),
        via,
        destination: via,
      } as const;
      void starts
        .finding({ find: () => Promise.resolve(unknownApp) })
        .find(flow)
        .then((app) => {
          owners.push(app.proven);
          socket.end();
        });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const at = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const starts = new AgentStarts({
      stateDirectory: home,
      socketPath: join(home, 'engine.sock'),
      clock: systemClock,
      log: silentLog,
      agents: () => ({ robot: {} }),
      proxy: () => Promise.resolve(at),
      models: () => Promise.resolve(at),
    });
    try {
      const { gate = '' } = await starts.begin('robot', { net: 'only', uid: undefined, bandwidth: undefined });
      for (const port of Object.values(insidePorts)) {
        await new Promise((resolve) => {
          const socket = connect(gate, () => socket.write(`PROXY TCP4 127.0.0.1 127.0.0.1 4000 ${port}\r\n`));
          socket.on('error', () => undefined).on('close', resolve);
          socket.resume();
        });
      }
      expect(owners).toEqual(['robot', 'robot']);
    } finally {
      await starts[Symbol.asyncDispose]();
      server.close();
      rmSync(home, { recursive: true, force: true });
    }
  },
);
