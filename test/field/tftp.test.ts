/** Firmware by TFTP, from a kept server behind a hosted service to a kept client: the server answers from a port that nobody asked. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import type { ByteStream } from '../../main/base/stream.ts';
import { connectUdp } from '../../main/sockets/connect-udp.ts';
import { Child } from '../support/child.ts';
import { mustSkip } from '../support/optional.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { findTool, rootMissing, toolsMissing } from '../support/tools.ts';
import { until } from '../support/until.ts';

const run = promisify(execFile);

async function freePort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
}

/** A loopback port whose flows have the hosting end's streams at their other end, one for each asker, as a hosted dial's. */
async function openFlows(port: number): Promise<{ readonly port: number } & AsyncDisposable> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const flows = new Map<number, Promise<ByteStream>>();
  socket.on('message', (datagram, { port: asker }) => {
    const known = flows.get(asker) ?? openFlow(asker);
    flows.set(asker, known);
    void known.then((flow) => flow.write(datagram));
  });
  async function openFlow(asker: number): Promise<ByteStream> {
    const flow = await connectUdp({ host: '127.0.0.1', port, answersFromNewPort: true });
    const ignored = (): void => undefined;
    flow.start({
      data: (datagram) => socket.send(datagram, asker, '127.0.0.1'),
      end: ignored,
      drain: ignored,
      closed: ignored,
    });
    return flow;
  }
  return {
    port: socket.address().port,
    async [Symbol.asyncDispose]() {
      for (const flow of await Promise.all(flows.values())) flow.reset();
      socket.close();
    },
  };
}

it.skipIf(mustSkip(rootMissing() ?? toolsMissing('in.tftpd', 'curl')))(
  'files come and go by TFTP, one after another and side by side',
  { timeout: 120_000 },
  async () => {
    const directory = temporaryDirectory('tftp');
    chmodSync(directory, 0o777);
    const firmware = randomBytes(300_000);
    writeFileSync(join(directory, 'firmware.bin'), firmware);
    const port = await freePort();
    const args = ['--foreground', '--listen', '--address', `127.0.0.1:${port}`, '--secure', '--create', directory];
    await using server = new Child(findTool('in.tftpd') ?? '', args, { logFile: join(directory, 'server.log') });
    await using flows = await openFlows(port);
    const url = `tftp://127.0.0.1:${flows.port}`;
    const fetch = (to: string): Promise<unknown> =>
      run('curl', ['-sS', '--max-time', '30', '--retry', '3', '--retry-all-errors', `${url}/firmware.bin`, '-o', to]);
    const first = join(directory, 'first');
    await until(
      async () =>
        fetch(first).then(
          () => true,
          () => false,
        ),
      60_000,
    );
    expect(readFileSync(first).equals(firmware)).toBe(true);
    const copies = ['a', 'b', 'c'].map((name) => join(directory, name));
    await Promise.all(copies.map(fetch));
    for (const copy of copies) expect(readFileSync(copy).equals(firmware), copy).toBe(true);
    await run('curl', ['-sS', '--max-time', '30', '-T', first, `${url}/project.bin`]);
    expect(readFileSync(join(directory, 'project.bin')).equals(firmware)).toBe(true);
    expect(server.running).toBe(true);
  },
);
