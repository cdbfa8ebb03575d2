import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openOverlay, type AuthenticationOffer, type Overlay } from '../../main/overlay/overlay.ts';
import { Child, freePorts } from '../support/child.ts';
import { openZitiBinary, openZitiMissing } from '../support/openziti-binary.ts';
import { mustSkip } from '../support/optional.ts';
import { listening } from '../support/listening.ts';

/** OpenZiti's own Go client, unmodified, on both sides of the overlay. */
interface Setup {
  readonly authentication: AuthenticationOffer;
  /** Flow control by the SDK (xgress) at the dialling and the hosting side. */
  readonly dialerFlow: boolean;
  readonly hostFlow: boolean;
}

const setups: readonly Setup[] = [
  { authentication: 'both', dialerFlow: true, hostFlow: true },
  { authentication: 'legacy', dialerFlow: true, hostFlow: true },
  { authentication: 'both', dialerFlow: false, hostFlow: false },
  { authentication: 'both', dialerFlow: true, hostFlow: false },
  { authentication: 'both', dialerFlow: false, hostFlow: true },
];

const megabyte = 1024 * 1024;

describe.skipIf(mustSkip(openZitiMissing()))("OpenZiti's own Go client on the embedded overlay", () => {
  for (const setup of setups) {
    const flows = `dialler ${setup.dialerFlow ? 'xgress' : 'plain'}, host ${setup.hostFlow ? 'xgress' : 'plain'}`;
    describe(`${setup.authentication} sign-in, ${flows}`, () => exercise(setup));
  }
});

function exercise(setup: Setup): void {
  let overlay: Overlay;
  let directory: string;
  let echo: Server;
  let host: Child;
  let proxy: Child;
  let port: number;
  let unhostedPort: number;

  beforeAll(async () => {
    const binary = await openZitiBinary();
    directory = await mkdtemp(join(tmpdir(), 'culvert-overlay-go-'));
    overlay = await openOverlay({ authentication: setup.authentication });
    echo = createServer({ allowHalfOpen: true }, (socket) => socket.on('error', () => socket.destroy()).pipe(socket));
    const backend = await listening(echo);
    await arrange(overlay, backend);
    await enrol(binary, overlay, directory, 'host', 'EC');
    await enrol(binary, overlay, directory, 'dialler', 'RSA');
    host = tunnel(binary, directory, ['host', '-i', join(directory, 'host.json')], setup.hostFlow);
    await host.until('a terminator', () => overlay.admin.listTerminators('echo').length > 0, 30_000);
    [port, unhostedPort] = (await freePorts(2)) as [number, number];
    const services = [`echo:${port}`, `unhosted:${unhostedPort}`];
    proxy = tunnel(binary, directory, ['proxy', '-i', join(directory, 'dialler.json'), ...services], setup.dialerFlow);
    await proxy.until('the proxy to listen', () => answers(unhostedPort), 30_000);
  }, 120_000);

  afterAll(async () => {
    await proxy?.stop();
    await host?.stop();
    echo?.close();
    await overlay?.close();
    await rm(directory, { recursive: true, force: true });
  });

  test('bytes sent come back the same', async () => {
    const sent = randomBytes(8 * megabyte);
    const hash = createHash('sha256');
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    let received = 0;
    socket.on('data', (chunk: Buffer) => {
      received += chunk.length;
      hash.update(chunk);
      if (received === sent.length) socket.destroy();
    });
    socket.write(sent);
    await once(socket, 'close');
    expect(received).toBe(sent.length);
    expect(hash.digest('hex')).toBe(createHash('sha256').update(sent).digest('hex'));
  });

  test('a refused service closes the connection', async () => {
    const socket = connect(unhostedPort, '127.0.0.1');
    await closed(socket);
    expect(socket.bytesRead).toBe(0);
  });

  // Where a Go end with flow control of its own meets a plain one its half-close does not cross real routers either.
  if (setup.dialerFlow === setup.hostFlow) {
    test('a half-close crosses and the answer still comes', async () => {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      socket.end('last words');
      const answer: Buffer[] = [];
      for await (const chunk of socket as AsyncIterable<Buffer>) answer.push(chunk);
      expect(Buffer.concat(answer).toString()).toBe('last words');
    });
  }

  test('closing the dial policy ends the open connection at once', async () => {
    const socket = connect(port, '127.0.0.1');
    socket.write('hello');
    await once(socket, 'data');
    const started = performance.now();
    const over = closed(socket);
    await overlay.admin.deletePolicy('may-dial');
    await over;
    expect(performance.now() - started).toBeLessThan(500);
    await expect.poll(() => overlay.admin.listCircuits().length, { timeout: 15_000 }).toBe(0);
  }, 30_000);
}

async function arrange(overlay: Overlay, backend: number): Promise<void> {
  const { admin } = overlay;
  await admin.createService({
    name: 'echo',
    configs: { 'host.v1': { protocol: 'tcp', address: '127.0.0.1', port: backend } },
  });
  await admin.createService({ name: 'unhosted' });
  await admin.createIdentity('host');
  await admin.createIdentity('dialler');
  await admin.createPolicy({ type: 'Bind', identities: ['host'], services: ['echo'] });
  await admin.createPolicy({ name: 'may-dial', type: 'Dial', identities: ['dialler'], services: ['echo'] });
  await admin.createPolicy({ type: 'Dial', identities: ['dialler'], services: ['unhosted'] });
}

async function enrol(
  binary: string,
  overlay: Overlay,
  directory: string,
  name: string,
  algorithm: string,
): Promise<void> {
  const token = join(directory, `${name}.jwt`);
  await writeFile(token, await overlay.admin.oneTimeToken(name));
  const args = ['edge', 'enroll', token, '-o', join(directory, `${name}.json`), '--keyAlg', algorithm];
  await using child = new Child(binary, args, {
    logFile: join(directory, `${name}-enrol.log`),
    env: { HOME: directory },
  });
  expect(await child.exited, child.output()).toBe(0);
}

function tunnel(binary: string, directory: string, args: string[], flow: boolean): Child {
  return new Child(binary, ['tunnel', ...args, `--sdk-flow-control=${flow}`], {
    logFile: join(directory, `${args[0]}.log`),
    env: { HOME: directory },
  });
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const reached = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
  });
  socket.destroy();
  return reached;
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.on('data', () => undefined);
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.destroy());
    socket.on('close', () => resolve());
  });
}
