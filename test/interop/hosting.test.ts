/** What is hosted and how it is reached: forwarding, UDP, true refusals, half-close; by Culvert at both ends and crosswise with the Go client. */
import { createHash, randomBytes } from 'node:crypto';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ServiceView } from '../../main/api/views.ts';
import { culvert, culvertJson, startCulvert, type RunningCulvert } from '../support/culvert.ts';
import { GoPeer } from '../support/go-peer.ts';
import { describeNetworks } from '../support/networks.ts';
import { openZitiMissing } from '../support/openziti-binary.ts';
import { mustSkip } from '../support/optional.ts';
import { dialSocks, echo, ended, SocksRefusal } from '../support/socks-client.ts';
import { until } from '../support/until.ts';

describeNetworks('hosting', (network) => {
  let home: string;
  let env: Record<string, string>;
  let box: RunningCulvert;
  let laptop: RunningCulvert;
  let proxy: string;
  let tcp: Server;
  let udp: UdpSocket;
  let goHost: GoPeer | undefined;
  let goDialler: GoPeer | undefined;
  const sockets = new Set<Socket>();
  const ids: Record<string, string> = {};
  const at = (name: string): string => join(home, name);
  const tcpPort = (): number => (tcp.address() as AddressInfo).port;

  const addService = async (
    name: string,
    intercept: object | undefined,
    host: Record<string, unknown>,
  ): Promise<void> => {
    const configs = { ...(intercept === undefined ? {} : { 'intercept.v1': intercept }), ...host };
    ids[name] = await network().admin.createService({ name, configs });
  };
  const grant = (type: 'Dial' | 'Bind', identity: string, services: string[]): Promise<string> =>
    network().admin.createServicePolicy({
      type,
      services: services.map((name) => ids[name] ?? ''),
      identities: [ids[identity] ?? ''],
    });

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'culvert-hosting-'));
    await mkdir(at('credentials'));
    await writeFile(at('credentials/culvert-passphrase'), 'test', { mode: 0o600 });
    env = { CREDENTIALS_DIRECTORY: at('credentials') };
    tcp = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => sockets.delete(socket));
      socket.pipe(socket);
    });
    tcp.listen(0, '127.0.0.1');
    udp = createSocket('udp4').bind(0, '127.0.0.1');
    await Promise.all([once(tcp, 'listening'), once(udp, 'listening')]);
    udp.on('message', (bytes, from) => udp.send(bytes, from.port, from.address));
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const closedPort = (closed.address() as AddressInfo).port;
    await new Promise((resolve) => closed.close(resolve));

    const fixed = (protocol: string, port: number, more: object = {}): object => ({
      protocol,
      address: '127.0.0.1',
      port,
      ...more,
    });
    const claim = (protocols: string[], addresses: string[], low = 1, high = 65535): object => ({
      protocols,
      addresses,
      portRanges: [{ low, high }],
    });
    const any = { low: 1, high: 65535 };
    const { admin } = network();
    for (const name of ['box', 'laptop']) {
      const created = await admin.createIdentity(name);
      ids[name] = created.id;
      await writeFile(at(`${name}.jwt`), created.jwt);
    }
    await addService('plain', claim(['tcp'], ['plain.dark'], 80, 80), { 'host.v1': fixed('tcp', tcpPort()) });
    await addService('datagrams', claim(['udp'], ['datagrams.dark'], 53, 53), {
      'host.v1': fixed('udp', udp.address().port),
    });
    await addService('down', claim(['tcp'], ['down.dark'], 80, 80), { 'host.v1': fixed('tcp', closedPort) });
    await addService('forwarded', claim(['tcp', 'udp'], ['127.77.0.0/16', '*.forwarded.dark', 'localhost']), {
      'host.v2': {
        terminators: [
          {
            forwardProtocol: true,
            allowedProtocols: ['tcp', 'udp'],
            forwardAddress: true,
            allowedAddresses: ['127.77.0.0/16', 'localhost'],
            forwardAddressTranslations: [{ from: '127.77.0.0', to: '127.0.0.0', prefixLength: 16 }],
            forwardPort: true,
            allowedPortRanges: [any],
          },
        ],
      },
    });
    await addService('checked', claim(['tcp'], ['checked.dark'], 80, 80), {
      'host.v1': fixed('tcp', tcpPort(), {
        portChecks: [{ interval: '200ms', timeout: '1s', address: `127.0.0.1:${tcpPort()}` }],
        listenOptions: { bindUsingEdgeIdentity: true, cost: 7 },
      }),
    });
    // What a controller's own schema lets pass, and still is no place to connect to.
    await addService('broken', undefined, {
      'host.v1': fixed('tcp', 1, { proxy: { type: 'http', address: 'nowhere' } }),
    });
    const own = ['plain', 'datagrams', 'down', 'forwarded', 'checked'];
    await grant('Bind', 'box', [...own, 'broken']);
    await grant('Dial', 'laptop', own);

    for (const name of ['box', 'laptop']) {
      const enrolled = await culvert(['enroll', at(`${name}.jwt`), '--keystore', 'file', '--state', at(name)], { env });
      expect(enrolled.err).toBe('');
    }
    box = await startCulvert(['run', '--mode', 'host', '--state', at('box')], { env });
    laptop = await startCulvert(['run', '--mode', 'proxy', '--proxy-listen', '127.0.0.1:0', '--state', at('laptop')], {
      env,
    });
    proxy = String(laptop.ready['proxy']);
    await until(async () => {
      const services = await hosted();
      return own.every((name) => (services.find((row) => row.name === name)?.hosted?.terminators ?? 0) > 0);
    }, 30_000);
  }, 120_000);

  afterAll(async () => {
    for (const peer of [goHost, goDialler, laptop, box]) await peer?.[Symbol.asyncDispose]();
    for (const socket of sockets) socket.destroy();
    tcp?.close();
    udp?.close();
    await rm(home, { recursive: true, force: true });
  }, 60_000);

  const hosted = (): Promise<ServiceView[]> => culvertJson<ServiceView[]>(['services', '--state', at('box')]);

  /** A UDP association through the laptop's proxy; sends one datagram and waits for the answer's payload. */
  async function ask(host: string, port: number, payload: Buffer): Promise<Buffer> {
    const [address = '', proxyPort = ''] = proxy.split(':');
    const control = connect({ host: address, port: Number(proxyPort) });
    const client = createSocket('udp4').bind(0, '127.0.0.1');
    try {
      await Promise.all([once(control, 'connect'), once(client, 'listening')]);
      control.write(Buffer.of(5, 1, 0));
      await once(control, 'data');
      control.write(Buffer.of(5, 3, 0, 1, 0, 0, 0, 0, 0, 0));
      const [reply] = (await once(control, 'data')) as [Buffer];
      expect(reply[1]).toBe(0);
      const head = Buffer.concat([
        Buffer.of(0, 0, 0, 3, host.length),
        Buffer.from(host),
        Buffer.of(port >> 8, port & 0xff),
      ]);
      const answer = once(client, 'message') as Promise<[Buffer]>;
      client.send(Buffer.concat([head, payload]), reply.readUInt16BE(8), '127.0.0.1');
      const [datagram] = await answer;
      expect(datagram.subarray(0, head.length)).toEqual(head);
      return datagram.subarray(head.length);
    } finally {
      control.destroy();
      client.close();
    }
  }

  test('half-close passes, and what was sent before it arrives whole', async () => {
    const socket = await dialSocks(proxy, 'plain.dark', 80);
    const payload = randomBytes(8 * 1024 * 1024);
    const back = createHash('sha256');
    const done = once(socket, 'end');
    socket.on('data', (chunk: Buffer) => back.update(chunk));
    socket.end(payload);
    await done;
    expect(back.digest('hex')).toBe(createHash('sha256').update(payload).digest('hex'));
  });

  test('UDP keeps its datagrams, one flow a destination', async () => {
    for (const size of [1, 512, 1400, 9000]) {
      const payload = randomBytes(size);
      expect(await ask('datagrams.dark', 53, payload)).toEqual(payload);
    }
  });

  test('a dial is refused where the host’s backend refuses', async () => {
    const refusal = await dialSocks(proxy, 'down.dark', 80).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(SocksRefusal);
    expect((refusal as SocksRefusal).reply).toBe(5);
  });

  test('protocol, address and port are forwarded within the allow-lists, addresses translated', async () => {
    expect(await echo(await dialSocks(proxy, '127.77.0.1', tcpPort()), 'by address')).toBe('by address');
    expect(await echo(await dialSocks(proxy, 'localhost', tcpPort()), 'by name')).toBe('by name');
    expect((await ask('127.77.0.1', udp.address().port, Buffer.from('udp'))).toString()).toBe('udp');
    await expect(dialSocks(proxy, 'other.forwarded.dark', tcpPort())).rejects.toBeInstanceOf(SocksRefusal);
  });

  test('a terminator identity is bound where the config asks, and health is checked', async () => {
    const terminators = await network().admin.terminators(ids['checked'] ?? '');
    expect(terminators.map(({ identity }) => identity)).toEqual(['box']);
    await until(async () => (await hosted()).find(({ name }) => name === 'checked')?.hosted?.health === 'healthy');
  });

  test('a broken host config takes down its own service alone, and says why', async () => {
    const broken = (await hosted()).find(({ name }) => name === 'broken');
    expect(broken?.hosted?.terminators).toBe(0);
    expect(JSON.stringify(broken)).toContain('proxy.address');
  });

  test('a changed host config is hosted anew', async () => {
    await network().admin.setServiceConfig(ids['down'] ?? '', 'host.v1', {
      protocol: 'tcp',
      address: '127.0.0.1',
      port: tcpPort(),
    });
    await until(async () => {
      const socket = await dialSocks(proxy, 'down.dark', 80).catch(() => undefined);
      if (socket === undefined) return false;
      socket.destroy();
      return true;
    }, 40_000);
  }, 60_000);

  describe.skipIf(mustSkip(openZitiMissing()))('crosswise with the Go client', () => {
    beforeAll(async () => {
      const { admin } = network();
      for (const name of ['go-host', 'go-dialler']) {
        const created = await admin.createIdentity(name);
        ids[name] = created.id;
        const peer = await GoPeer.enrol(created.jwt);
        if (name === 'go-host') goHost = peer;
        else goDialler = peer;
      }
      await addService(
        'by-go',
        { protocols: ['tcp', 'udp'], addresses: ['by-go.dark'], portRanges: [{ low: 1, high: 65535 }] },
        {
          'host.v1': {
            forwardProtocol: true,
            allowedProtocols: ['tcp', 'udp'],
            forwardPort: true,
            allowedPortRanges: [{ low: 1, high: 65535 }],
            address: '127.0.0.1',
          },
        },
      );
      await grant('Bind', 'go-host', ['by-go']);
      await grant('Dial', 'laptop', ['by-go']);
      await grant('Dial', 'go-dialler', ['plain']);
      goHost?.host();
      await until(async () => (await network().admin.terminators(ids['by-go'] ?? '')).length > 0, 30_000);
    }, 90_000);

    test('Culvert dials what Go hosts, its app data understood there, TCP and UDP', async () => {
      await until(async () => {
        const socket = await dialSocks(proxy, 'by-go.dark', tcpPort()).catch(() => undefined);
        if (socket === undefined) return false;
        expect(await echo(socket, 'to go')).toBe('to go');
        socket.end();
        await ended(socket);
        return true;
      }, 40_000);
      const payload = randomBytes(1200);
      expect(await ask('by-go.dark', udp.address().port, payload)).toEqual(payload);
    });

    test('Go dials what Culvert hosts', async () => {
      const { port } = (await goDialler?.proxy('plain')) ?? { port: 0 };
      const socket = connect(port, '127.0.0.1');
      await once(socket, 'connect');
      expect(await echo(socket, 'from go')).toBe('from go');
      socket.destroy();
    });
  });
});
