/** The main job, as a script sees it: enrol, services, dial, a session listed, closed; on each network. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { IdentityView, ServiceView, SessionView, StatusView, WhyView } from '../../main/api/views.ts';
import { culvert, culvertJson, startCulvert, type RunningCulvert } from '../support/culvert.ts';
import { describeNetworks } from '../support/networks.ts';
import { dialSocks, echo, ended, SocksRefusal } from '../support/socks-client.ts';
import { until } from '../support/until.ts';
import { freePort } from '../support/child.ts';
import { listening } from '../support/listening.ts';

const run = promisify(execFile);

describeNetworks('culvert from the command line', (network) => {
  let home: string;
  let env: Record<string, string>;
  let target: Server;
  let device: RunningCulvert;
  let host: RunningCulvert;
  let proxy: string;
  let forward: number;
  const sockets = new Set<Socket>();
  const ids: Record<string, string> = {};
  const at = (name: string): string => join(home, name);
  const state = (): string[] => ['--state', at('device')];

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'culvert-thread-'));
    await mkdir(at('credentials'));
    await writeFile(at('credentials/culvert-passphrase'), 'correct horse\n', { mode: 0o600 });
    env = { CREDENTIALS_DIRECTORY: at('credentials') };
    target = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => sockets.delete(socket));
      socket.pipe(socket);
    });
    const port = await listening(target);
    const { admin } = network();
    for (const name of ['laptop', 'box', 'spare']) {
      const created = await admin.createIdentity(name);
      ids[name] = created.id;
      await writeFile(at(`${name}.jwt`), created.jwt);
    }
    for (const service of ['echo', 'empty', 'revocable', 'second']) {
      ids[service] = await admin.createService({
        name: service,
        configs: {
          'intercept.v1': {
            protocols: ['tcp'],
            addresses: [`${service}.dark`],
            portRanges: [{ low: 7, high: 7 }],
          },
          ...(service === 'empty' ? {} : { 'host.v1': { protocol: 'tcp', address: '127.0.0.1', port } }),
        },
      });
    }
    const grant = async (type: 'Dial' | 'Bind', services: string[], identity: string): Promise<string> =>
      admin.createServicePolicy({
        type,
        services: services.map((name) => ids[name] ?? ''),
        identities: [ids[identity] ?? ''],
      });
    await grant('Dial', ['echo', 'empty'], 'laptop');
    ids['revocable.dial'] = await grant('Dial', ['revocable'], 'laptop');
    await grant('Dial', ['second'], 'spare');
    await grant('Bind', ['echo', 'revocable', 'second'], 'box');

    expect(
      await culvert(['enroll', at('box.jwt'), '--keystore', 'file', '--state', at('host')], { env }),
    ).toMatchObject({
      code: 0,
    });
    host = await startCulvert(['run', '--mode', 'host', '--state', at('host')], { env });
    await until(async () => {
      const services = await culvertJson<ServiceView[]>(['services', '--state', at('host')]);
      return services.length === 3 && services.every((service) => (service.hosted?.terminators ?? 0) > 0);
    }, 30_000);
  }, 120_000);

  afterAll(async () => {
    await device?.[Symbol.asyncDispose]();
    await host?.[Symbol.asyncDispose]();
    for (const socket of sockets) socket.destroy();
    target?.close();
    await rm(home, { recursive: true, force: true });
  }, 60_000);

  const sessions = (): Promise<SessionView[]> => culvertJson<SessionView[]>(['sessions', ...state()]);
  const newest = async (service: string): Promise<SessionView> => {
    const rows = (await sessions()).filter((row) => row.service === service);
    const last = rows.at(-1);
    if (last === undefined) throw new Error(`no session of ${service}`);
    return last;
  };

  test('enrols without an engine, and the token is spent', async () => {
    const enrolled = await culvertJson<IdentityView>(
      ['enroll', at('laptop.jwt'), '--name', 'laptop', '--keystore', 'file', ...state()],
      { env },
    );
    expect(enrolled).toMatchObject({ name: 'laptop', keystore: 'file', scope: 'machine' });
    expect(enrolled.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    const again = await culvert(['enroll', at('laptop.jwt'), '--name', 'twin', ...state(), '--json'], { env });
    expect(again.code).toBe(1);
    expect(JSON.parse(again.err)).toMatchObject({ error: { code: 'ziti.enroll.token_reused' } });
    const same = await culvert(['enroll', at('spare.jwt'), '--name', 'laptop', ...state(), '--json'], { env });
    expect(JSON.parse(same.err)).toMatchObject({ error: { code: 'identity.exists' } });
  });

  test('runs, and says when it is ready and where', async () => {
    const port = await freePort();
    device = await startCulvert(
      ['run', '--mode', 'proxy', '--proxy-listen', '127.0.0.1:0', '--forward', `echo:${port}`, ...state()],
      { env },
    );
    expect(device.ready).toMatchObject({ ready: true, mode: 'proxy', forwards: [{ service: 'echo', port }] });
    proxy = String(device.ready['proxy']);
    forward = port;
    const status = await culvertJson<StatusView>(['status', ...state()]);
    expect(status).toMatchObject({
      mode: 'proxy',
      version: expect.any(String) as string,
      identities: [{ name: 'laptop', state: 'ready', mfa: 'none' }],
      services: { dial: 3, bind: 0 },
      sessions: { open: 0, total: 0 },
      dns: { state: 'off' },
      audit: { head: expect.stringMatching(/^[0-9a-f]{64}$/) as string },
    });
    expect(status.routers).toEqual([
      expect.objectContaining({ state: 'connected', latencyMs: expect.any(Number) as number }),
    ]);
    expect(status.identities[0]?.controller).toContain(new URL(network().controllerUrl).host);
    const services = await culvertJson<ServiceView[]>(['services', ...state()]);
    expect(services.find((service) => service.name === 'echo')).toMatchObject({
      permissions: ['Dial'],
      status: 'available',
      addresses: ['echo.dark'],
      ports: ['7'],
      forwards: [port],
    });
    const hosted = await culvertJson<ServiceView[]>(['services', '--state', at('host')]);
    expect(hosted.find((service) => service.name === 'echo')).toMatchObject({
      permissions: ['Bind'],
      status: 'hosting',
      hosted: { terminators: 1 },
    });
  });

  test('bytes go through by name, and the session is listed, counted and closed with a reason', async () => {
    const socket = await dialSocks(proxy, 'echo.dark', 7);
    expect(await echo(socket, 'hello dark')).toBe('hello dark');
    const open = await newest('echo');
    expect(open).toMatchObject({
      identity: 'laptop',
      protocol: 'tcp',
      destination: 'echo.dark:7',
      bytesSent: 10,
      bytesReceived: 10,
      state: 'open',
      encrypted: true,
      guard: 'none',
      app: { attribution: expect.any(String) as string },
      router: expect.any(String) as string,
      source: `127.0.0.1:${socket.localPort}`,
    });
    expect(Date.parse(open.startedAt)).toBeGreaterThan(Date.now() - 60_000);
    socket.end();
    await ended(socket);
    await until(async () => (await newest('echo')).state === 'closed');
    expect(await newest('echo')).toMatchObject({ id: open.id, closeReason: 'consumer_close' });
    const other = await culvertJson<SessionView[]>(['sessions', '--state', at('host')]);
    // Beside the name stands the id, where only the certificate's key vouches for the caller.
    const source = expect.stringMatching(/^laptop( \(.+\))?$/) as string;
    expect(other.at(-1)).toMatchObject({ direction: 'host', service: 'echo', source, state: 'closed' });
  });

  test('curl takes it as a SOCKS5 and as an HTTP proxy, and a forwarded port needs neither', async () => {
    // An echo server answers a request with the request: HTTP/0.9 to curl, which waits for more until its time is up.
    const ask = (args: string[]): Promise<string> =>
      run('curl', ['-sS', '--no-buffer', '--max-time', '2', '--http0.9', ...args]).then(
        ({ stdout }) => stdout,
        (error: { stdout?: string }) => error.stdout ?? '',
      );
    for (const args of [
      ['--proxy', `socks5h://${proxy}`, 'http://echo.dark:7/a'],
      ['--proxytunnel', '--proxy', `http://${proxy}`, 'http://echo.dark:7/a'],
      [`http://127.0.0.1:${forward}/a`],
    ]) {
      expect(await ask(args), args.join(' ')).toContain('GET /a');
    }
  });

  test('a service that nobody hosts is refused, and says so', async () => {
    const refusal = await dialSocks(proxy, 'empty.dark', 7).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(refusal).toBeInstanceOf(SocksRefusal);
    const services = await culvertJson<ServiceView[]>(['services', ...state()]);
    expect(services.find((service) => service.name === 'empty')).toMatchObject({
      status: 'no-terminator',
      reason: { code: 'ziti.dial.no_terminator', next: expect.any(String) as string },
    });
    const why = await culvert(['why', 'empty.dark:7', ...state(), '--json']);
    expect(why.code).toBe(1);
    const view = JSON.parse(why.out) as WhyView;
    expect(view.reachable).toBe(false);
    expect(view.steps.find((step) => step.outcome === 'fail')).toMatchObject({ step: 'terminator' });
  });

  test('a name no service claims is refused, and why says so first', async () => {
    await expect(dialSocks(proxy, 'nowhere.dark', 7)).rejects.toBeInstanceOf(SocksRefusal);
    const why = JSON.parse((await culvert(['why', 'nowhere.dark:7', ...state(), '--json'])).out) as WhyView;
    expect(why.steps).toEqual([expect.objectContaining({ step: 'name', outcome: 'fail' })]);
    expect((await culvert(['why', 'echo.dark:7', ...state()])).code).toBe(0);
  });

  test('session close resets the application', async () => {
    const socket = await dialSocks(proxy, 'echo.dark', 7);
    await echo(socket, 'x');
    const over = ended(socket);
    const { id } = await newest('echo');
    const closed = await culvertJson<{ closed: string[] }>(['session', 'close', id, ...state()]);
    expect(closed).toEqual({ closed: [id] });
    expect((await over).reset).toBe(true);
    expect((await newest('echo')).state).toBe('closed');
  });

  test('quarantine resets what is open, refuses what is new, and lets back', async () => {
    const socket = await dialSocks(proxy, 'echo.dark', 7);
    await echo(socket, 'x');
    const over = ended(socket);
    await culvertJson(['quarantine', 'add', 'service:echo', '--cause', 'a test', ...state()]);
    expect((await over).reset).toBe(true);
    expect(await newest('echo')).toMatchObject({ closeReason: 'quarantined' });
    await expect(dialSocks(proxy, 'echo.dark', 7)).rejects.toBeInstanceOf(SocksRefusal);
    expect(await culvertJson(['quarantine', 'list', ...state()])).toMatchObject([
      { subject: 'service:echo', cause: 'a test' },
    ]);
    const why = JSON.parse((await culvert(['why', 'echo.dark:7', ...state(), '--json'])).out) as WhyView;
    expect(why.steps.find((step) => step.outcome === 'fail')).toMatchObject({ step: 'quarantine' });
    await culvertJson(['quarantine', 'release', 'service:echo', ...state()]);
    expect(await echo(await dialSocks(proxy, 'echo.dark', 7), 'again')).toBe('again');
  });

  test('a revoked policy resets the application within half a second, and the reason is policy_revoked', async () => {
    const socket = await dialSocks(proxy, 'revocable.dark', 7);
    await echo(socket, 'x');
    const over = ended(socket);
    await network().admin.deleteServicePolicy(ids['revocable.dial'] ?? '');
    const revokedAt = performance.now();
    const { atMs, reset } = await over;
    expect(atMs - revokedAt).toBeLessThan(500);
    expect(reset).toBe(true);
    expect(await newest('revocable')).toMatchObject({ state: 'closed', closeReason: 'policy_revoked' });
    await until(async () => {
      const services = await culvertJson<ServiceView[]>(['services', ...state()]);
      return !services.some((service) => service.name === 'revocable');
    });
    await expect(dialSocks(proxy, 'revocable.dark', 7)).rejects.toBeInstanceOf(SocksRefusal);
    const lost = await culvertJson<{ kind: string }[]>(['audit', 'search', '--kind', 'service.lost', ...state()]);
    expect(lost).toMatchObject([{ kind: 'service.lost', service: 'revocable' }]);
  });

  test('a second identity enrols into the running engine and works beside the first', async () => {
    const second = await culvertJson<IdentityView>(['enroll', at('spare.jwt'), '--name', 'spare', ...state()], { env });
    expect(second.name).toBe('spare');
    await until(async () => {
      const rows = await culvertJson<IdentityView[]>(['identity', 'list', ...state()]);
      return rows.find((row) => row.name === 'spare')?.state === 'ready';
    });
    await until(async () =>
      (await culvertJson<ServiceView[]>(['services', ...state()])).some((row) => row.name === 'second'),
    );
    expect(await echo(await dialSocks(proxy, 'second.dark', 7), 'two')).toBe('two');
  });

  test('a disabled identity closes its sessions at once, others live on, and enabling brings it back', async () => {
    const first = await dialSocks(proxy, 'echo.dark', 7);
    const second = await dialSocks(proxy, 'second.dark', 7);
    await echo(first, 'x');
    await echo(second, 'x');
    const over = ended(second);
    await culvertJson(['identity', 'disable', 'spare', ...state()]);
    expect((await over).reset).toBe(true);
    expect(await newest('second')).toMatchObject({ closeReason: 'identity_disabled' });
    expect(await echo(first, 'still here')).toBe('still here');
    first.destroy();
    await expect(dialSocks(proxy, 'second.dark', 7)).rejects.toBeInstanceOf(SocksRefusal);
    expect(await culvertJson<IdentityView>(['identity', 'show', 'spare', ...state()])).toMatchObject({
      state: 'disabled',
    });
    await culvertJson(['identity', 'enable', 'spare', ...state()]);
    await until(
      async () =>
        dialSocks(proxy, 'second.dark', 7).then(
          (socket) => (socket.destroy(), true),
          () => false,
        ),
      20_000,
    );
  });

  test('renewing the certificate leaves open sessions alone', async () => {
    const socket = await dialSocks(proxy, 'echo.dark', 7);
    await echo(socket, 'before');
    const before = await culvertJson<IdentityView>(['identity', 'show', 'laptop', ...state()]);
    const after = await culvertJson<IdentityView>(['identity', 'renew', 'laptop', ...state()]);
    expect(after.fingerprint).not.toBe(before.fingerprint);
    expect(await echo(socket, 'after')).toBe('after');
    socket.destroy();
    const known = await network().admin.certificateFingerprints(ids['laptop'] ?? '');
    expect(known).toHaveLength(1);
  });

  test('a removed identity is gone with its key', async () => {
    const keys = (await readdir(at('device/keys'))).length;
    await culvertJson(['identity', 'remove', 'spare', ...state()]);
    expect(await readdir(at('device/identities'))).toEqual(['laptop.json']);
    expect((await readdir(at('device/keys'))).length).toBe(keys - 1);
  });

  test('stops on SIGTERM, and the journal holds every decision', async () => {
    const socket = await dialSocks(proxy, 'echo.dark', 7);
    await echo(socket, 'x');
    const over = ended(socket);
    device.kill('SIGTERM');
    expect(await device.exited).toBe(0);
    expect((await over).reset).toBe(true);
    expect((await readdir(at('device'))).sort()).not.toContain('engine.sock');
    expect((await readdir(at('device'))).sort()).not.toContain('engine.lock');
    const verdict = await culvertJson<{ ok: boolean; count: number }>(['audit', 'verify', ...state()]);
    expect(verdict.ok).toBe(true);
    const records = await culvertJson<{ kind: string }[]>(['audit', 'search', '--limit', '1000', ...state()]);
    const kinds = new Set(records.map((record) => record.kind));
    for (const kind of [
      'engine.started',
      'engine.stopped',
      'identity.enrolled',
      'identity.renewed',
      'identity.removed',
      'verdict',
      'session.opened',
      'session.closed',
      'dial.failed',
      'quarantine.added',
      'quarantine.released',
      'service.gained',
      'service.lost',
    ]) {
      expect(kinds, kind).toContain(kind);
    }
    expect(records[0]?.kind).toMatch(/engine\.stopped|checkpoint/);
  });

  test('a restarted engine works with what is on disk alone, and no secret is in its log', async () => {
    device = await startCulvert(
      ['run', '--mode', 'proxy', '--proxy-listen', '127.0.0.1:0', '--log-level', 'trace', ...state()],
      {
        env,
      },
    );
    const again = String(device.ready['proxy']);
    expect(await echo(await dialSocks(again, 'echo.dark', 7), 'restarted')).toBe('restarted');
    await device[Symbol.asyncDispose]();
    const log = device.errors();
    expect(log).toContain('engine.ready');
    expect(log).not.toContain('correct horse');
    expect(log).not.toMatch(/PRIVATE KEY|eyJ[A-Za-z0-9_-]{20,}\./);
    const identity = await readFile(at('device/identities/laptop.json'), 'utf8');
    expect(identity).not.toContain('PRIVATE KEY');
  });
});
