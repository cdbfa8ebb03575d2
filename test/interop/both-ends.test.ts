/** A contract holds at its host as well: against another tunneler, with the caller named as far as somebody vouches for it. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AuditRecordView, SessionView } from '../../main/api/views.ts';
import { GoPeer } from '../support/go-peer.ts';
import { GovernedWorld } from '../support/governed-world.ts';
import { describeNetworks } from '../support/networks.ts';
import { openZitiMissing } from '../support/openziti-binary.ts';
import { mustSkip } from '../support/optional.ts';
import { dialSocks, echo } from '../support/socks-client.ts';
import { until } from '../support/until.ts';

/** Reads holding register 1, writes register 1, of unit 1. */
const readFrame = Buffer.from([0, 1, 0, 0, 0, 6, 1, 3, 0, 1, 0, 1]);
const writeFrame = Buffer.from([0, 2, 0, 0, 0, 6, 1, 6, 0, 1, 0, 7]);
const readAnswer = Buffer.from([0, 1, 0, 0, 0, 5, 1, 3, 2, 0, 42]);
/** The write's function with its high bit set, exception 1: illegal function. */
const writeRefused = Buffer.from([0, 2, 0, 0, 0, 3, 1, 0x86, 1]);

describeNetworks('a contract at its host', (network) => {
  const withGo = test.skipIf(mustSkip(openZitiMissing()));
  let world: GovernedWorld;
  let peer: GoPeer | undefined;
  let device: Server;
  let echoing: Server;
  /** Every byte that reached the device behind the host. */
  const arrived: Buffer[] = [];
  const sockets = new Set<Socket>();

  beforeAll(async () => {
    const keep = (socket: Socket): Socket => socket.on('error', () => socket.destroy());
    device = createServer((socket) => {
      sockets.add(keep(socket));
      socket.on('data', (chunk: Buffer) => {
        arrived.push(chunk);
        socket.write(readAnswer);
      });
    }).listen(0, '127.0.0.1');
    echoing = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(keep(socket));
      socket.pipe(socket);
    }).listen(0, '127.0.0.1');
    await Promise.all([once(device, 'listening'), once(echoing, 'listening')]);
    const port = (server: Server): number => (server.address() as AddressInfo).port;
    world = await GovernedWorld.open(network(), {
      identities: ['laptop'],
      services: {
        'both-plc': { target: port(device), contract: { modbus: { allow: 'read' } }, dial: ['laptop'] },
        'both-known': { target: port(echoing), contract: { apps: { required: true } }, dial: ['laptop'] },
        'both-short': { target: port(echoing), contract: { maxDurationSeconds: 2 }, dial: ['laptop'] },
        'both-plain': { target: port(echoing), dial: ['laptop'] },
      },
    });
    if (openZitiMissing() !== undefined) return;
    const { id, jwt } = await network().admin.createIdentity(`go-vendor-${world.home.slice(-6)}`);
    peer = await GoPeer.enrol(jwt);
    const services = ['both-plc', 'both-known', 'both-short'].map((name) => world.ids[name] ?? '');
    await network().admin.createServicePolicy({ type: 'Dial', services, identities: [id] });
  }, 240_000);

  afterAll(async () => {
    await peer?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
    for (const socket of sockets) socket.destroy();
    device?.close();
    echoing?.close();
  }, 60_000);

  const hostRows = async (service: string): Promise<readonly SessionView[]> =>
    (await world.json<SessionView[]>(['sessions'], world.boxState)).filter((row) => row.service === service);
  const hostRecords = (kind: string, service: string): Promise<AuditRecordView[]> =>
    world.json<AuditRecordView[]>(['audit', 'search', '--kind', kind, '--service', service], world.boxState);
  /** What comes back until `bytes` have, or the socket ends. */
  const answerOf = async (socket: Socket, bytes: number): Promise<Buffer> => {
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    const over = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    await Promise.race([over, until(() => Buffer.concat(chunks).length >= bytes, 20_000)]);
    return Buffer.concat(chunks);
  };
  const viaGo = async (service: string): Promise<Socket> => {
    if (peer === undefined) throw new Error('there is no Go tunneler');
    const { port } = await peer.proxy(service);
    const socket = connect(port, '127.0.0.1').on('error', () => socket.destroy());
    await once(socket, 'connect');
    return socket;
  };

  withGo(
    'a write through a Go tunneler does not arrive, and is recorded at the host',
    async () => {
      arrived.length = 0;
      const socket = await viaGo('both-plc');
      socket.write(readFrame);
      expect(await answerOf(socket, readAnswer.length)).toEqual(readAnswer);
      socket.write(writeFrame);
      expect(await answerOf(socket, writeRefused.length)).toEqual(writeRefused);
      socket.write(readFrame);
      expect(await answerOf(socket, readAnswer.length)).toEqual(readAnswer);
      expect(Buffer.concat(arrived)).toEqual(Buffer.concat([readFrame, readFrame]));
      const released = network().version.startsWith('v1') ? 'nobody' : 'router';
      expect((await hostRows('both-plc')).at(-1)).toMatchObject({
        guard: 'modbus',
        guardedAt: ['host'],
        callerAsserted: released,
      });
      const [denied] = (await hostRecords('call', 'both-plc')).filter((record) => record['decision'] === 'deny');
      expect(denied).toMatchObject({ end: 'host', service: 'both-plc', decision: 'deny' });
      expect(denied?.['target']).toContain('holding 1');
      socket.destroy();
    },
    90_000,
  );

  test('both ends say that they hold it, and the caller proves who it is', async () => {
    const socket = await dialSocks(world.proxy, 'both-plc.dark', 80);
    socket.write(readFrame);
    expect(await answerOf(socket, readAnswer.length)).toEqual(readAnswer);
    const both = ['dial', 'host'];
    await until(async () => (await world.newest('both-plc')).guardedAt.length === 2, 10_000);
    expect(await world.newest('both-plc')).toMatchObject({ guard: 'modbus', guardedAt: both });
    const row = (await hostRows('both-plc')).at(-1);
    const vouched = network().version.startsWith('v1') ? 'signature' : 'router';
    expect(row).toMatchObject({ guard: 'modbus', guardedAt: both, callerAsserted: vouched });
    expect(row?.source).toContain(GovernedWorld.controllerName('laptop', world.home));
    socket.destroy();
  }, 60_000);

  test('what has no guard passes unchanged, however its bytes fall', async () => {
    const socket = await dialSocks(world.proxy, 'both-plain.dark', 80);
    expect(await echo(socket, 'before the host has greeted')).toBe('before the host has greeted');
    socket.write('x'.repeat(900_000));
    expect(await answerOf(socket, 900_000)).toHaveLength(900_000);
    socket.destroy();
    const early = await dialSocks(world.proxy, 'both-plain.dark', 80);
    const all = answerOf(early, Infinity);
    early.end('said and done');
    expect((await all).toString()).toBe('said and done');
  }, 60_000);

  withGo(
    'apps.required refuses a caller that names no program',
    async () => {
      const socket = await viaGo('both-known');
      const over = new Promise((resolve) => socket.once('close', resolve));
      socket.write('anybody there?');
      await over;
      const [verdict] = (await hostRecords('verdict', 'both-known')).filter((record) => record['decision'] === 'deny');
      expect(verdict).toMatchObject({ rule: 'contract:apps.required', end: 'host' });
      const known = await dialSocks(world.proxy, 'both-known.dark', 80);
      expect(await echo(known, 'it is me')).toBe('it is me');
      known.destroy();
    },
    90_000,
  );

  withGo(
    'a duration is over for any tunneler',
    async () => {
      const socket = await viaGo('both-short');
      expect(await echo(socket, 'for two seconds')).toBe('for two seconds');
      await new Promise((resolve) => socket.once('close', resolve));
      expect((await hostRows('both-short')).at(-1)).toMatchObject({ closeReason: 'max_duration_exceeded' });
    },
    90_000,
  );
});
