/** Engagement contracts travel with a service from the controller, and are held on the dialling side: every limit, every close reason. */
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { URI, type TOTP } from 'otpauth';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type {
  PolicyCheckView,
  PolicyView,
  QuarantineView,
  ServiceView,
  SessionView,
  WhyView,
} from '../../main/api/views.ts';
import { GovernedWorld } from '../support/governed-world.ts';
import { describeGoverned } from '../support/networks.ts';
import { dialSocks, echo, ended, SocksRefusal } from '../support/socks-client.ts';
import { until } from '../support/until.ts';

describeGoverned('contracts from the controller', (network) => {
  let world: GovernedWorld;
  let echoing: Server;
  let web: HttpServer;
  const sockets = new Set<Socket>();
  let good = '';
  let bad = '';

  beforeAll(async () => {
    echoing = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => sockets.delete(socket));
      socket.pipe(socket);
    });
    web = createHttpServer((_request, response) => response.end('from the dark\n'));
    for (const server of [echoing, web]) {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    }
    const raw = (contract?: unknown) => ({
      target: (echoing.address() as AddressInfo).port,
      contract,
      dial: ['laptop'],
    });
    const http = (contract?: unknown) => ({ target: (web.address() as AddressInfo).port, contract, dial: ['laptop'] });
    world = await GovernedWorld.open(network(), {
      identities: ['laptop'],
      services: {
        duration: raw({ maxDurationSeconds: 2 }),
        idle: raw({ idleTimeoutSeconds: 1 }),
        bytes: raw({ maxBytes: 1001 }),
        few: raw({ maxSessions: 1 }),
        allowing: http({ apps: { allow: ['**/bin/good'] } }),
        denying: http({ apps: { deny: ['**/bin/bad'] } }),
        hashed: http({ apps: { allow: [`sha256:${'0'.repeat(64)}`] } }),
        over: raw({ schedule: { notAfter: '2020-01-01T00:00:00Z' } }),
        ending: raw({}),
        factor: raw({ requireMfaWithinSeconds: 300 }),
        unknown: raw({ maxDurationSecs: 5 }),
        frozen: raw({ maxBytes: 2000 }),
        garbled: raw({ modbus: { allow: 'read' } }),
        alerting: http({ http: { methods: ['GET'] }, onViolation: 'alert' }),
        isolating: http({ http: { methods: ['GET'] }, onViolation: 'quarantine' }),
        narrowed: raw({ maxBytes: 100_000 }),
        plain: raw(),
        forbidden: raw(),
      },
    });
    good = (await world.program('good')).path;
    bad = (await world.program('bad')).path;
  }, 240_000);

  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
    for (const socket of sockets) socket.destroy();
    echoing?.close();
    web?.closeAllConnections();
    web?.close();
  }, 60_000);

  const dial = (service: string): Promise<Socket> => dialSocks(world.proxy, `${service}.dark`, 80);
  const closedRow = async (service: string): Promise<SessionView> => {
    await until(async () => (await world.newest(service)).state === 'closed', 20_000);
    return world.newest(service);
  };
  const closeRecord = async (service: string) => (await world.records('session.closed', '--service', service))[0];
  const why = async (service: string, ...more: string[]): Promise<WhyView> =>
    JSON.parse((await world.run(['why', `${service}.dark:80`, ...more, '--json'])).out) as WhyView;
  const service = async (name: string): Promise<ServiceView | undefined> =>
    (await world.json<ServiceView[]>(['services'])).find((row) => row.name === name);
  const setContract = (name: string, contract: unknown): Promise<void> =>
    network().admin.setServiceConfig(world.ids[name] ?? '', 'culvert.contract.v1', contract);
  const inForce = (name: string, field: string, value: unknown): Promise<void> =>
    until(async () => JSON.stringify((await service(name))?.contract?.terms[field]) === JSON.stringify(value), 30_000);

  test('maxDurationSeconds ends a session to the second', async () => {
    const socket = await dial('duration');
    const from = performance.now();
    await echo(socket, 'x');
    const { remaining } = await world.newest('duration');
    expect(remaining?.seconds).toBeLessThanOrEqual(2);
    const { atMs, reset } = await ended(socket);
    expect(atMs - from).toBeGreaterThan(1_900);
    expect(atMs - from).toBeLessThan(3_000);
    expect(reset).toBe(true);
    expect(await closedRow('duration')).toMatchObject({ closeReason: 'max_duration_exceeded' });
    expect(await closeRecord('duration')).toMatchObject({ reason: 'max_duration_exceeded' });
  });

  test('idleTimeoutSeconds ends a silent session, not one that talks', async () => {
    const socket = await dial('idle');
    for (let turn = 0; turn < 4; turn += 1) {
      await echo(socket, 'still here');
      await new Promise((resolve) => setTimeout(resolve, 400));
    }
    const from = performance.now();
    expect((await ended(socket)).atMs - from).toBeLessThan(2_000);
    expect(await closedRow('idle')).toMatchObject({ closeReason: 'idle_timeout' });
    expect(await closeRecord('idle')).toMatchObject({ reason: 'idle_timeout' });
  });

  test('maxBytes lets through that many, both ways together, and not one more', async () => {
    const socket = await dial('bytes');
    // 500 there and 500 back leave one byte.
    expect(await echo(socket, 'a'.repeat(500))).toHaveLength(500);
    expect((await world.newest('bytes')).remaining?.bytes).toBe(1);
    const over = ended(socket);
    socket.write('bcd');
    expect((await over).reset).toBe(true);
    const row = await closedRow('bytes');
    expect(row).toMatchObject({ closeReason: 'max_bytes_exceeded' });
    expect(row.bytesSent + row.bytesReceived).toBe(1001);
    expect(await closeRecord('bytes')).toMatchObject({
      reason: 'max_bytes_exceeded',
      bytesSent: 501,
      bytesReceived: 500,
    });
  });

  test('maxSessions refuses one more, until one is closed', async () => {
    const first = await dial('few');
    await echo(first, 'x');
    await expect(dial('few')).rejects.toBeInstanceOf(SocksRefusal);
    const [refused] = await world.records('verdict', '--service', 'few', '--decision', 'deny');
    expect(refused).toMatchObject({ code: 'policy.contract.maxSessions', rule: 'contract:maxSessions' });
    first.destroy();
    await closedRow('few');
    const again = await dial('few');
    expect(await echo(again, 'y')).toBe('y');
    again.destroy();
  });

  test('apps allow and deny programs', async () => {
    expect((await world.ask(good, 'allowing')).status).toBe(200);
    const refused = await world.ask(bad, 'allowing');
    expect(refused.status).toBe(403);
    expect(refused.body).toContain('policy.contract.apps');
    expect((await world.ask(good, 'denying')).status).toBe(200);
    expect((await world.ask(bad, 'denying')).status).toBe(403);
    const view = await why('denying', '--app', bad);
    expect(view.steps.find((step) => step.outcome === 'fail')).toMatchObject({ step: 'contract' });
  });

  test('apps by hash hold the executable itself', async () => {
    const { hash } = await world.program('good');
    expect((await world.ask(good, 'hashed')).status).toBe(403);
    await setContract('hashed', { apps: { allow: [`sha256:${hash}`] } });
    await inForce('hashed', 'apps', { allow: [`sha256:${hash}`] });
    expect((await world.ask(good, 'hashed')).status).toBe(200);
    expect(await world.newest('hashed')).toMatchObject({ app: { hash } });
    expect((await world.ask(bad, 'hashed')).status).toBe(403);
  }, 60_000);

  test('a schedule refuses outside its windows, and ends what is open when it ends', async () => {
    await expect(dial('over')).rejects.toBeInstanceOf(SocksRefusal);
    expect((await why('over')).steps.find((step) => step.outcome === 'fail')).toMatchObject({ step: 'contract' });
    const notAfter = new Date(Date.now() + 15_000).toISOString();
    await setContract('ending', { schedule: { notAfter } });
    // Sooner than with the next look at the controller.
    await world.restart();
    await inForce('ending', 'schedule', { notAfter });
    const socket = await dial('ending');
    await echo(socket, 'x');
    const over = await ended(socket);
    expect(over.reset).toBe(true);
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(notAfter));
    expect(await closedRow('ending')).toMatchObject({
      closeReason: 'max_duration_exceeded',
      closeDetail: expect.stringContaining('schedule') as string,
    });
    await expect(dial('ending')).rejects.toBeInstanceOf(SocksRefusal);
  }, 60_000);

  test('requireMfaWithinSeconds wants a code first', async () => {
    await expect(dial('factor')).rejects.toBeInstanceOf(SocksRefusal);
    const [failed] = (await why('factor')).steps.filter((step) => step.outcome === 'fail');
    expect(failed).toMatchObject({ step: 'contract', next: expect.stringContaining('mfa verify laptop') as string });
    const enrolled = await world.json<{ provisioningUrl: string }>(['identity', 'mfa', 'enroll', 'laptop']);
    const totp = URI.parse(enrolled.provisioningUrl) as TOTP;
    await world.json(['identity', 'mfa', 'verify', 'laptop', '--code', totp.generate()]);
    const socket = await dial('factor');
    expect(await echo(socket, 'x')).toBe('x');
    socket.destroy();
    await world.json(['identity', 'mfa', 'remove', 'laptop', '--code', totp.generate()]);
  }, 60_000);

  test('an unknown field is refused with its name', async () => {
    const row = await service('unknown');
    expect(row).toMatchObject({ status: 'contract-invalid', reason: { code: 'contract.invalid' } });
    expect(row?.reason?.sentence).toContain('maxDurationSecs');
    const { errors } = await world.json<PolicyView>(['policy', 'explain']);
    expect(errors).toEqual([
      expect.objectContaining({
        ...{ file: 'contract of the controller', code: 'contract.invalid', service: 'unknown', identity: 'laptop' },
        message: expect.stringContaining('maxDurationSecs') as string,
      }),
    ]);
    await expect(dial('unknown')).rejects.toBeInstanceOf(SocksRefusal);
    const [refused] = await world.records('verdict', '--service', 'unknown');
    expect(refused).toMatchObject({ decision: 'deny', code: 'contract.invalid' });
    await setContract('unknown', { maxDurationSeconds: 5 });
    await until(async () => (await service('unknown'))?.status === 'available', 30_000);
    // The host holds the contract too, and learns of the new one in its own time.
    await until(async () => {
      const socket = await dial('unknown').catch(() => undefined);
      socket?.destroy();
      return socket !== undefined;
    }, 30_000);
  }, 90_000);

  test('a session keeps the contract it was opened under, and the next has the new one', async () => {
    const socket = await dial('frozen');
    await echo(socket, 'a'.repeat(100));
    await setContract('frozen', { maxBytes: 10 });
    // The very next one is under the new contract, without waiting for a look at the controller that is due some time.
    const next = await dial('frozen');
    expect(await echo(socket, 'b'.repeat(800))).toHaveLength(800);
    expect((await world.newest('frozen')).state).toBe('open');
    const over = ended(next);
    next.write('c'.repeat(11));
    await over;
    expect(await closedRow('frozen')).toMatchObject({ closeReason: 'max_bytes_exceeded' });
    socket.destroy();
  }, 60_000);

  test('what cannot be followed as its protocol is a contract violation, and closes', async () => {
    const socket = await dial('garbled');
    const over = ended(socket);
    socket.write('GET / HTTP/1.1\r\nHost: garbled.dark\r\n\r\n');
    await over;
    expect(await closedRow('garbled')).toMatchObject({ closeReason: 'contract_violation', guard: 'modbus' });
    expect(await closeRecord('garbled')).toMatchObject({ reason: 'contract_violation' });
    const [violation] = await world.records('violation', '--service', 'garbled');
    expect(violation).toMatchObject({
      decision: 'deny',
      action: 'contract_violation',
      code: 'guard.modbus.unparseable',
    });
  });

  /** Another protocol than the contract's, as any client may speak it by mistake. */
  const inHttp2 = ['--proxytunnel', '--http2-prior-knowledge'];
  const alertsOf = async (name: string) =>
    (await world.records('alert')).filter((alert) => String(alert['text']).startsWith(`${name}: `));

  test.each(['alerting', 'isolating'])('a refused call is no violation: %s does nothing about it', async (name) => {
    expect((await world.ask(good, name, '', ['-X', 'DELETE'])).status).toBe(405);
    const [call] = await world.records('call', '--service', name, '--decision', 'deny');
    expect(call).toMatchObject({ method: 'DELETE', rule: 'contract:http.methods' });
    // Whatever followed it would be there before the next answer.
    expect((await world.ask(good, name)).status).toBe(200);
    expect(await world.records('violation', '--service', name)).toEqual([]);
    expect(await alertsOf(name)).toEqual([]);
    expect(await world.json<QuarantineView[]>(['quarantine', 'list'])).toEqual([]);
  });

  test('onViolation alert: told, and nobody is cut off', async () => {
    await world.ask(good, 'alerting', '', inHttp2);
    await until(async () => (await alertsOf('alerting')).length === 1);
    expect(await alertsOf('alerting')).toMatchObject([{ what: 'contract-violation' }]);
    expect((await world.ask(good, 'alerting')).status).toBe(200);
    expect(await world.json<QuarantineView[]>(['quarantine', 'list'])).toEqual([]);
  });

  test('onViolation quarantine: the program is cut off everywhere until released', async () => {
    expect((await world.ask(bad, 'isolating')).status).toBe(200);
    await world.ask(bad, 'isolating', '', inHttp2);
    await until(async () => (await world.json<QuarantineView[]>(['quarantine', 'list'])).length === 1);
    const [entry] = await world.json<QuarantineView[]>(['quarantine', 'list']);
    expect(entry).toMatchObject({ by: 'contract', cause: expect.stringContaining('HTTP') as string });
    const refused = await world.ask(bad, 'alerting');
    expect(refused.status).toBe(403);
    expect(refused.body).toContain('policy.quarantined');
    await world.json(['quarantine', 'release', entry?.subject ?? '']);
    expect((await world.ask(bad, 'alerting')).status).toBe(200);
  }, 60_000);

  test('local files narrow: contracts and rules are checked, put in force, explained, and never widen', async () => {
    const directory = join(world.deviceState, 'policy.d');
    await mkdir(directory, { recursive: true });
    await writeFile(
      join(directory, 'contracts.yaml'),
      'contracts:\n  - service: narrow*\n    contract: { maxBytes: 10, maxDurationSeconds: 600 }\n' +
        '  - service: bytes\n    contract: { maxBytes: 1000000 }\n',
    );
    await writeFile(
      join(directory, 'night.cedar'),
      '@id("no-forbidden")\n@reason("it is not for this laptop")\n' +
        'forbid (principal, action == Action::"dial", resource == Service::"forbidden");\n',
    );
    (await dial('forbidden')).destroy();
    expect(await world.json<PolicyCheckView>(['policy', 'check'])).toMatchObject({ ok: true, files: 2, rules: 3 });
    // Checked is not yet in force; put in force, it ends what is open as well, and nothing else.
    const [open, other] = [await dial('forbidden'), await dial('plain')];
    const cut = ended(open);
    expect(await world.json<PolicyCheckView>(['policy', 'reload'])).toMatchObject({ ok: true });
    await cut;
    expect(await closedRow('forbidden')).toMatchObject({ closeReason: 'policy_revoked' });
    expect(other.destroyed).toBe(false);
    other.destroy();
    await expect(dial('forbidden')).rejects.toBeInstanceOf(SocksRefusal);
    const explained = await world.run(['policy', 'explain', 'forbidden.dark:80', '--json']);
    expect(explained.code).toBe(1);
    const failed = (JSON.parse(explained.out) as WhyView).steps.find((step) => step.outcome === 'fail');
    expect(failed).toMatchObject({
      step: 'local-policy',
      text: expect.stringContaining('not for this laptop') as string,
    });
    const [refused] = await world.records('verdict', '--service', 'forbidden', '--decision', 'deny');
    expect(refused).toMatchObject({ rule: 'local:no-forbidden' });

    expect((await service('narrowed'))?.contract).toMatchObject({
      origin: expect.stringContaining('contracts.yaml') as string,
      terms: { maxBytes: 10, maxDurationSeconds: 600 },
    });
    expect((await service('bytes'))?.contract?.terms['maxBytes']).toBe(1001);
    const socket = await dial('narrowed');
    const over = ended(socket);
    socket.write('x'.repeat(11));
    await over;
    expect(await closedRow('narrowed')).toMatchObject({ closeReason: 'max_bytes_exceeded', bytesSent: 10 });

    // A file that cannot be used is named with its place, and the last good set stays in force.
    await writeFile(join(directory, 'broken.cedar'), 'forbid (principal, action == Action::"fly", resource);\n');
    const broken = await world.run(['policy', 'check', '--json']);
    expect(broken.code).toBe(1);
    expect(JSON.parse(broken.out)).toMatchObject({
      ok: false,
      errors: [{ file: expect.stringMatching(/^broken\.cedar:1:/) as string }],
    });
    expect((await world.run(['policy', 'reload', '--json'])).code).toBe(1);
    await expect(dial('forbidden')).rejects.toBeInstanceOf(SocksRefusal);
    (await dial('plain')).destroy();
    await rm(directory, { recursive: true });
    expect(await world.json<PolicyCheckView>(['policy', 'reload'])).toMatchObject({ ok: true, files: 0 });
    (await dial('forbidden')).destroy();
  }, 90_000);
});
