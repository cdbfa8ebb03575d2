/** A contract holds at its host as well: against another tunneler, with the caller named as far as somebody vouches for it. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ApprovalView } from '../../main/api/approval-view.ts';
import type { AuditRecordView } from '../../main/api/record-views.ts';
import type { AlertView, SessionView, WhyView } from '../../main/api/views.ts';
import { startCulvert } from '../support/culvert.ts';
import { GoPeer } from '../support/go-peer.ts';
import { GovernedWorld } from '../support/governed-world.ts';
import { describeGoverned } from '../support/networks.ts';
import { openZitiMissing } from '../support/openziti-binary.ts';
import { mustSkip } from '../support/optional.ts';
import { dialSocks, echo, ended, SocksRefusal } from '../support/socks-client.ts';
import { until } from '../support/until.ts';

/** Reads holding register 1, writes register 1, of unit 1. */
const readFrame = Buffer.from([0, 1, 0, 0, 0, 6, 1, 3, 0, 1, 0, 1]);
const writeFrame = Buffer.from([0, 2, 0, 0, 0, 6, 1, 6, 0, 1, 0, 7]);
const readAnswer = Buffer.from([0, 1, 0, 0, 0, 5, 1, 3, 2, 0, 42]);
/** The write's function with its high bit set, exception 1: illegal function. */
const writeRefused = Buffer.from([0, 2, 0, 0, 0, 3, 1, 0x86, 1]);

describeGoverned('a contract at its host', (network) => {
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
        'both-boxed': { target: port(echoing), contract: { grantSeconds: 4 }, dial: ['laptop'] },
        'both-approved': {
          target: port(echoing),
          contract: { approval: { by: ['box'], forSeconds: 600, reason: 'required' } },
          dial: ['laptop'],
        },
        'both-glass': {
          target: port(device),
          contract: (namesOf: (name: string) => readonly string[]) => ({
            modbus: { allow: 'read' },
            approval: { by: ['box'], forSeconds: 600, breakGlass: { by: namesOf('laptop'), forSeconds: 120 } },
          }),
          dial: ['laptop'],
        },
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

  const asked = async (service: string): Promise<ApprovalView> => {
    const rows = await world.json<ApprovalView[]>(['approvals', 'list'], world.boxState);
    const row = rows.find((one) => one.service === service);
    if (row === undefined) throw new Error(`nothing is asked for ${service}`);
    return row;
  };

  test('an approval lets in whom its contract keeps out, and is ended at any moment', async () => {
    await expect(dialSocks(world.proxy, 'both-approved.dark', 80)).rejects.toBeInstanceOf(SocksRefusal);
    const why = await world.run(['why', 'both-approved.dark:80', '--json']);
    expect(why.code).toBe(1);
    const { steps } = JSON.parse(why.out) as WhyView;
    expect(steps.find(({ step }) => step === 'contract')).toMatchObject({
      outcome: 'fail',
      code: expect.stringMatching(/^(policy\.contract\.approval|ziti\.dial\.refused_approval)$/),
      details: { by: 'box' },
    });
    const verdicts = await hostRecords('verdict', 'both-approved');
    const refused = verdicts.filter(({ decision }) => decision === 'deny').map(({ circuit }) => circuit);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused).toEqual([...new Set(refused)]);
    const row = await asked('both-approved');
    expect(row).toMatchObject({ kind: 'session', state: 'pending', reason: null });
    expect(row.identity).toContain(GovernedWorld.controllerName('laptop', world.home));
    const unsaid = await world.run(['approvals', 'grant', row.id, '--json'], world.boxState);
    expect(unsaid.code).toBe(1);
    expect(unsaid.err).toContain('approvals.reason_required');
    const grant = ['approvals', 'grant', row.id, '--minutes', '5', '--reason', 'the belt is stuck'];
    expect(await world.json(grant, world.boxState)).toMatchObject({ state: 'granted', reason: 'the belt is stuck' });
    const socket = await dialSocks(world.proxy, 'both-approved.dark', 80);
    expect(await echo(socket, 'let in')).toBe('let in');
    await until(async () => (await world.newest('both-approved')).remaining?.seconds !== undefined, 10_000);
    expect((await world.newest('both-approved')).remaining?.seconds).toBeLessThanOrEqual(300);
    const over = ended(socket);
    const { url } = await world.json<{ url: string }>(['approvals', 'link', row.id], world.boxState);
    expect(await (await fetch(url)).text()).toContain('the belt is stuck');
    const fields = { link: new URL(url).searchParams.get('link') ?? '', answer: 'deny', reason: 'done' };
    const headers = { origin: new URL(url).origin };
    const ending = await fetch(new URL('/answer', url), { method: 'POST', headers, body: new URLSearchParams(fields) });
    expect(await ending.text()).toContain('It is denied now.');
    await over;
    const last = async (): Promise<string | undefined> => (await hostRows('both-approved')).at(-1)?.closeReason;
    await expect.poll(last, { timeout: 10_000 }).toBe('max_duration_exceeded');
    expect((await hostRecords('approval.granted', 'both-approved')).length).toBeGreaterThan(0);
  }, 60_000);

  test('in an emergency a named caller lets itself in, with an alarm at the host, whose person looks on and ends it', async () => {
    await expect(dialSocks(world.proxy, 'both-glass.dark', 80)).rejects.toBeInstanceOf(SocksRefusal);
    const { id } = await asked('both-glass');
    const attending = startCulvert(['session', 'attend', id, '--state', world.boxState]);
    await until(async () => (await hostRecords('session.attended', 'both-glass')).length > 0, 20_000);
    await world.json(['approvals', 'break-glass', 'both-glass', '--reason', 'the press burns']);
    const socket = await dialSocks(world.proxy, 'both-glass.dark', 80);
    socket.write(readFrame);
    expect(await answerOf(socket, readAnswer.length)).toEqual(readAnswer);
    const [newest] = await world.json<AlertView[]>(['audit', 'alerts'], world.boxState).then((all) => all.toReversed());
    expect(newest).toMatchObject({ kind: 'break-glass', severity: 'critical', details: { said: 'the press burns' } });
    const row = await asked('both-glass');
    expect(row).toMatchObject({ id, state: 'granted', brokenGlass: true, reason: 'the press burns' });

    await using onlooker = await attending;
    await until(() => onlooker.lines().length >= 2, 10_000);
    expect(onlooker.lines()).toMatchObject([
      { kind: 'opened', session: { service: 'both-glass' } },
      { kind: 'call', method: 'read-holding-registers', target: 'unit 1 holding 1', decision: 'allow' },
    ]);
    const over = ended(socket);
    await world.json(['approvals', 'deny', id, '--reason', 'it does not burn'], world.boxState);
    await Promise.all([over, onlooker.exited]);
    expect(onlooker.lines().at(-1)).toMatchObject({ kind: 'closed', reason: 'max_duration_exceeded' });
    // Somebody has said no.
    await world.json(['approvals', 'break-glass', 'both-glass', '--reason', 'it does']);
    await expect(dialSocks(world.proxy, 'both-glass.dark', 80)).rejects.toBeInstanceOf(SocksRefusal);
    expect(await world.records('approval.emergency')).toHaveLength(2);
  }, 90_000);

  test('a grant is used up over reconnects, and given anew by the host alone', async () => {
    const first = await dialSocks(world.proxy, 'both-boxed.dark', 80);
    expect(await echo(first, 'one')).toBe('one');
    first.destroy();
    const second = await dialSocks(world.proxy, 'both-boxed.dark', 80);
    await ended(second);
    await until(async () => (await world.newest('both-boxed')).state === 'closed', 10_000);
    expect(await world.newest('both-boxed')).toMatchObject({ closeReason: 'max_duration_exceeded' });
    await expect(dialSocks(world.proxy, 'both-boxed.dark', 80)).rejects.toBeInstanceOf(SocksRefusal);
    const row = await asked('both-boxed');
    expect(row).toMatchObject({ kind: 'grant', state: 'pending' });
    await world.json(['approvals', 'grant', row.id], world.boxState);
    const third = await dialSocks(world.proxy, 'both-boxed.dark', 80);
    expect(await echo(third, 'three')).toBe('three');
    third.destroy();
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
      const closed = async (): Promise<unknown> => (await hostRows('both-short')).map(({ closeReason }) => closeReason);
      await expect.poll(closed, { timeout: 10_000 }).toContain('max_duration_exceeded');
    },
    90_000,
  );
});
