/** Programs of one host, each an identity of its own: what each reaches, how each is seen, and how each is cut off. */
import { createServer, type Server } from 'node:http';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type {
  AgentView,
  IdentityView,
  QuarantineView,
  RenameView,
  ServiceView,
  SessionView,
  WhyView,
} from '../../main/api/views.ts';
import { GovernedWorld, start } from '../support/governed-world.ts';
import { describeGoverned } from '../support/networks.ts';
import { until } from '../support/until.ts';
import { host, join as enrol, sees, type Member } from '../support/ziti-world.ts';
import { listening } from '../support/listening.ts';

describeGoverned('agents on one host', (network) => {
  let world: GovernedWorld;
  let backend: Server;
  let observer: Member;
  let seen: Record<string, string>[] = [];
  /** Paths of the programs. */
  const programs: Record<string, string> = {};

  const settings = (home: string, betaHash: string, more = ''): string => `
agents:
  alpha: { identity: alpha-id, path: '${home}/bin/alpha' }
  beta: { identity: beta-id, hash: ${betaHash} }
  gamma: { identity: alpha-id, path: '${home}/bin/tool', parent: '${home}/bin/gamma.sh' }
${more}`;
  let betaHash: string;

  beforeAll(async () => {
    backend = createServer((request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' });
      // What asks for /hold is told a first line and then kept waiting.
      if (request.url === '/hold') response.write('held\n');
      else response.end('from the dark\n');
    });
    const target = await listening(backend);
    world = await GovernedWorld.open(network(), {
      identities: ['alpha-id', 'beta-id', 'device-id'],
      services: {
        'a-docs': { target, dial: ['alpha-id'] },
        'b-docs': { target, dial: ['beta-id'] },
        shared: { target, dial: ['alpha-id', 'beta-id', 'device-id'] },
        seen: { dial: ['alpha-id'] },
      },
      config: (home) => `log: { file: '${home}/device.log' }\n`,
    });
    for (const name of ['alpha', 'beta', 'other', 'tool']) {
      const { path, hash } = await world.program(name);
      programs[name] = path;
      if (name === 'beta') betaHash = hash;
    }
    programs['gamma'] = join(world.home, 'bin', 'gamma.sh');
    await writeFile(programs['gamma'], '#!/bin/sh\n"$(dirname "$0")/tool" "$@"\necho\n');
    await chmod(programs['gamma'], 0o755);
    await world.restart(settings(world.home, betaHash));

    observer = await enrol(network());
    await network().admin.createServicePolicy({
      type: 'Bind',
      services: [world.ids['seen'] ?? ''],
      identities: [observer.id],
    });
    await sees(observer.context, world.ids['seen'] ?? '', 'Bind');
  }, 240_000);

  afterAll(async () => {
    await observer?.context[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
    backend?.closeAllConnections();
    backend?.close();
  }, 60_000);

  const program = (name: string): string => programs[name] ?? '';
  const failing = (view: WhyView) => view.steps.find((step) => step.outcome === 'fail');
  const why = async (destination: string, app: string): Promise<WhyView> =>
    JSON.parse((await world.run(['why', destination, '--app', app, '--json'])).out) as WhyView;
  const hold = async (name: string, service: string) => {
    const held = world.hold(program(name), service);
    await until(() => held.out() !== '', 20_000);
    return held;
  };

  test('each dials as its own identity, and what the other may reach is refused with a reason', async () => {
    expect(await world.ask(program('alpha'), 'a-docs')).toMatchObject({ status: 200, body: 'from the dark\n' });
    expect(await world.ask(program('beta'), 'b-docs')).toMatchObject({ status: 200, body: 'from the dark\n' });
    const refused = await world.ask(program('beta'), 'a-docs');
    expect(refused.status).toBe(403);
    expect(refused.body).toContain('beta dials as beta-id');
    expect(refused.body).toContain('policy.agent.no_reach');
    expect((await world.ask(program('alpha'), 'b-docs')).status).toBe(403);

    expect(await world.newest('a-docs')).toMatchObject({
      identity: 'alpha-id',
      app: { agent: 'alpha', path: program('alpha'), attribution: 'exact', user: expect.any(String) as string },
    });
    expect((await world.newest('a-docs')).app.pid).toBeGreaterThan(0);
    expect(await world.newest('b-docs')).toMatchObject({
      identity: 'beta-id',
      app: { agent: 'beta', path: program('beta'), attribution: 'exact', hash: betaHash },
    });
    const [denied] = await world.records('verdict', '--decision', 'deny', '--agent', 'beta');
    expect(denied).toMatchObject({ agent: 'beta', code: 'policy.agent.no_reach', attribution: 'exact' });
  });

  test('a service both may reach is dialled by each as itself', async () => {
    expect((await world.ask(program('alpha'), 'shared')).status).toBe(200);
    expect((await world.newest('shared')).identity).toBe('alpha-id');
    expect((await world.ask(program('beta'), 'shared')).status).toBe(200);
    expect((await world.newest('shared')).identity).toBe('beta-id');
  });

  test('a renamed identity keeps its open sessions under its new name, and its agents follow', async () => {
    const held = await hold('alpha', 'a-docs');
    const { id } = await world.newest('a-docs');
    const renamed = await world.json<RenameView>(['identity', 'rename', 'alpha-id', 'alpha-new']);
    expect(renamed).toEqual({ name: 'alpha-new', agents: ['alpha', 'gamma'], rules: [] });

    const row = (await world.sessions('a-docs')).find((session) => session.id === id);
    expect(row).toMatchObject({ state: 'open', identity: 'alpha-new' });
    const names = (await world.json<IdentityView[]>(['identity', 'list'])).map(({ name, state }) => `${name} ${state}`);
    expect(names).toContain('alpha-new ready');
    expect(names.join()).not.toContain('alpha-id');
    expect((await world.ask(program('alpha'), 'a-docs')).status).toBe(200);
    expect((await world.newest('a-docs')).identity).toBe('alpha-new');
    expect((await world.ask(program('beta'), 'a-docs')).status).toBe(403);

    // The hosting side as well: bound as it was, its end of the same session open.
    await world.json(['identity', 'rename', 'box', 'crate'], world.boxState);
    const hosted = await world.json<SessionView[]>(['sessions'], world.boxState);
    expect(hosted.filter(({ state }) => state === 'open')).toMatchObject([{ identity: 'crate', service: 'a-docs' }]);
    expect((await world.ask(program('beta'), 'b-docs')).status).toBe(200);
    const bound = await world.json<ServiceView[]>(['services'], world.boxState);
    expect(bound.map(({ identity, hosted }) => [identity, hosted?.terminators])).toEqual(bound.map(() => ['crate', 1]));
    await world.json(['identity', 'rename', 'crate', 'box'], world.boxState);

    const back = await world.run(['identity', 'rename', 'alpha-new', 'alpha-id']);
    expect(back.out).toContain('agents that follow it until the engine stops: alpha, gamma');
    expect((await world.sessions('a-docs')).find((session) => session.id === id)).toMatchObject({
      state: 'open',
      identity: 'alpha-id',
    });
    held.stop();
    const [record] = await world.records('identity.changed', '--identity', 'alpha-id');
    expect(record).toMatchObject({ before: 'alpha-new' });
  });

  test('what an agent starts acts for it', async () => {
    expect((await world.ask(program('gamma'), 'a-docs')).body).toContain('from the dark');
    expect(await world.newest('a-docs')).toMatchObject({ identity: 'alpha-id', app: { agent: 'gamma' } });
    // Without the parent the binding names, the same executable is nobody's agent.
    expect((await world.ask(program('tool'), 'a-docs')).status).toBe(403);
  });

  test('the hosting side is told who asks', async () => {
    seen = [];
    await using _ = await host(network(), observer, world.ids['seen'] ?? '', (stream, dial) => {
      seen.push(JSON.parse(Buffer.from(dial.appData ?? []).toString()) as Record<string, string>);
      stream.start({ data: () => undefined, end: () => undefined, drain: () => undefined, closed: () => undefined });
      stream.write(Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok'));
    });
    await until(async () => (await world.ask(program('alpha'), 'seen')).status === 200, 30_000);
    expect(seen.at(-1)).toMatchObject({
      dst_hostname: 'seen.dark',
      dst_port: '80',
      culvert_agent: 'alpha',
      culvert_app: program('alpha'),
      culvert_attribution: 'exact',
    });
  });

  test('apps and why show what each reaches', async () => {
    const agents = await world.json<AgentView[]>(['apps']);
    const row = (name: string) => agents.find((agent) => agent.name === name);
    expect(row('alpha')).toMatchObject({ identity: 'alpha-id', programs: [program('alpha')], quarantined: false });
    expect([...(row('alpha')?.reach ?? [])].sort()).toEqual(['a-docs', 'seen', 'shared']);
    expect([...(row('beta')?.reach ?? [])].sort()).toEqual(['b-docs', 'shared']);
    expect(await why('a-docs.dark:80', 'alpha')).toMatchObject({ reachable: true, identity: 'alpha-id' });
    expect(await why('a-docs.dark:80', program('alpha'))).toMatchObject({ reachable: true, identity: 'alpha-id' });
    const no = await why('a-docs.dark:80', 'beta');
    expect(no.reachable).toBe(false);
    expect(failing(no)).toMatchObject({ step: 'identity', text: expect.stringContaining('beta-id') as string });
    expect((await world.run(['why', 'a-docs.dark:80', '--app', 'beta'])).out).toContain('beta dials as beta-id');
  });

  for (const subject of ['app:alpha', 'identity:alpha-id', 'service:shared']) {
    test(`quarantine of ${subject} cuts off what is open, refuses what is new, and survives a restart`, async () => {
      const held = await hold('alpha', 'shared');
      const bystander = await hold('beta', 'b-docs');
      await world.json(['quarantine', 'add', subject, '--cause', 'a drill']);
      expect((await held.done).code).not.toBe(0);
      expect(await world.newest('shared')).toMatchObject({ state: 'closed', closeReason: 'quarantined' });
      const [closed] = await world.records('session.closed', '--service', 'shared');
      expect(closed).toMatchObject({ reason: 'quarantined' });
      const refused = await world.ask(program('alpha'), 'shared');
      expect(refused.status).toBe(403);
      expect(refused.body).toContain('a drill');
      // Nobody else is touched.
      expect(bystander.out()).toBe('held\n');
      expect((await world.newest('b-docs')).state).toBe('open');
      bystander.stop();

      await world.restart();
      expect(await world.json<QuarantineView[]>(['quarantine', 'list'])).toMatchObject([
        { subject, cause: 'a drill', by: 'operator' },
      ]);
      expect((await world.ask(program('alpha'), 'shared')).status).toBe(403);
      await world.json(['quarantine', 'release', subject]);
      expect((await world.ask(program('alpha'), 'shared')).status).toBe(200);
    }, 60_000);
  }

  test('a program bound to none has the device, or nothing, as set', async () => {
    expect((await world.ask(program('other'), 'shared')).status).toBe(200);
    expect((await world.newest('shared')).identity).toBe('device-id');
    // The identities of agents are not lent.
    expect((await world.ask(program('other'), 'a-docs')).status).toBe(403);
    await world.restart(settings(world.home, betaHash, 'policy: { unbound: refuse }'));
    const refused = await world.ask(program('other'), 'shared');
    expect(refused.status).toBe(403);
    expect(refused.body).toContain('bound to no identity');
    expect((await world.ask(program('alpha'), 'shared')).status).toBe(200);
  }, 60_000);

  test('a session closed by its program is the consumer’s own', async () => {
    const direct = start(program('alpha'), ['-sS', '-x', `socks5h://${world.proxy}`, 'http://shared.dark/']);
    expect(await direct.done).toMatchObject({ code: 0, out: 'from the dark\n' });
    const rows: readonly SessionView[] = await world.sessions('shared');
    await until(async () => (await world.newest('shared')).state === 'closed');
    expect(rows.length).toBeGreaterThan(0);
    expect(['consumer_close', 'provider_close']).toContain((await world.newest('shared')).closeReason);
  });
});
